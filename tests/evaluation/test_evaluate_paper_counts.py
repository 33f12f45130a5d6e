"""Fed with counts that fit the paper's accuracies, compare prints those accuracies and honest intervals around them."""

import pytest
from evaluation_builders import make_clip, make_prediction, write_prediction_set
from statsmodels.stats.proportion import proportion_confint
from typer.testing import CliRunner

from vlm_autodrive.cli.main import app
from vlm_autodrive.evaluation.comparing import read_comparison
from vlm_autodrive.records import DEFAULT_TAXONOMY

NAMES = DEFAULT_TAXONOMY.names
CLIPS, BEFORE, AFTER = 198, 70, 153


def compared(tmp_path, clips_per_drive):
    clips = [make_clip(f"c{i:03d}", NAMES[i % 3], group_id=f"g{i // clips_per_drive}") for i in range(CLIPS)]
    arguments = ["compare", "resamples=500", "--out", str(tmp_path / "out")]
    for name, right in (("base", BEFORE), ("tuned", AFTER)):
        said = [
            make_prediction(clip, clip.event_class if i < right else NAMES[(i + 1) % 3]) for i, clip in enumerate(clips)
        ]
        arguments.append(f"{name}={write_prediction_set(tmp_path / name, clips, said)}")
    result = CliRunner().invoke(app, arguments)
    assert result.exit_code == 0, result.output
    (line,) = [line for line in result.stdout.splitlines() if "right answers" in line]
    return line, read_comparison(tmp_path / "out").models


@pytest.mark.parametrize("clips_per_drive", [1, 6])
def test_the_papers_accuracies(tmp_path, clips_per_drive):
    line, models = compared(tmp_path, clips_per_drive)
    assert f"{BEFORE} = 35.35 % [" in line
    assert f"{AFTER} = 77.27 % [" in line
    for name, right in (("base", BEFORE), ("tuned", AFTER)):
        accuracy = models[name].accuracy
        assert (accuracy.value, accuracy.n) == (pytest.approx(right / CLIPS, abs=1e-12), CLIPS)
        wilson = proportion_confint(right, CLIPS, method="wilson")
        if clips_per_drive == 1:
            assert accuracy.method == "wilson"
            assert (accuracy.low, accuracy.high) == pytest.approx(wilson, abs=1e-9)
        else:
            assert accuracy.method == "cluster bootstrap"
            assert accuracy.low < wilson[0] < wilson[1] < accuracy.high  # whole drives are right or wrong here
        assert f"[{100 * accuracy.low:.2f}, {100 * accuracy.high:.2f}]" in line


def test_the_printed_intervals(tmp_path):
    line, _ = compared(tmp_path, 1)
    assert "70 = 35.35 % [29.03, 42.23]" in line
    assert "153 = 77.27 % [70.95, 82.56]" in line
