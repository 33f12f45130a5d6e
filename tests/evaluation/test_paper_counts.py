"""Fed with counts that fit the paper's accuracies, compare prints those accuracies and honest intervals around them."""

import pytest
from statsmodels.stats.proportion import proportion_confint
from typer.testing import CliRunner

from tests.evaluation.builders import make_clip, make_prediction, write_prediction_set
from vlm_autodrive.cli.main import app
from vlm_autodrive.evaluation import read_comparison
from vlm_autodrive.records import DEFAULT_TAXONOMY

NAMES = DEFAULT_TAXONOMY.names
CLIPS, BEFORE, AFTER = 198, 70, 153


def compared(tmp_path, clips_per_drive):
    clips = [make_clip(f"c{i:03d}", NAMES[i % 3], group_id=f"g{i // clips_per_drive}") for i in range(CLIPS)]
    arguments = ["compare", "resamples=500", "--all", "--out", str(tmp_path / "out")]
    for name, right in (("base", BEFORE), ("tuned", AFTER)):
        said = [
            make_prediction(clip, clip.event_class if i < right else NAMES[(i + 1) % 3]) for i, clip in enumerate(clips)
        ]
        arguments.append(f"{name}={write_prediction_set(tmp_path / name, clips, said)}")
    result = CliRunner().invoke(app, arguments)
    assert result.exit_code == 0, result.output
    rows = [line.split("│") for line in result.stdout.splitlines() if "│" in line]
    return {row[1].strip(): " ".join(row[2:]) for row in rows}, read_comparison(tmp_path / "out").models


@pytest.mark.parametrize("clips_per_drive", [1, 6])
def test_the_papers_accuracies(tmp_path, clips_per_drive):
    lines, models = compared(tmp_path, clips_per_drive)
    assert "70 of 198 = 35.35 %" in lines["correct"]
    assert "153 of 198 = 77.27 %" in lines["correct"]
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
        assert f"{accuracy.value:.2f} [{accuracy.low:.2f}, {accuracy.high:.2f}]" in lines["accuracy"]
    if clips_per_drive == 1:
        assert "0.35 [0.29, 0.42]" in lines["accuracy"]
        assert "0.77 [0.71, 0.83]" in lines["accuracy"]
