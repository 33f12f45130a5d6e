"""The report tells what reviewers' corrections changed in the data, and what difference that made."""

import json
import re
from datetime import UTC, datetime

import pytest

from tests.evaluation.builders import make_clip, make_prediction, write_prediction_set, write_video
from vlm_autodrive.artifacts import write_catalog, writing_artifact
from vlm_autodrive.datasets import CorrectionSettings, apply_corrections
from vlm_autodrive.errors import UserError
from vlm_autodrive.evaluation import CompareSettings, ReportSettings, compare, write_report
from vlm_autodrive.evaluation.compare_stage import read_comparison
from vlm_autodrive.evaluation.report.formats import signed
from vlm_autodrive.evaluation.report.statements import corrections_pair
from vlm_autodrive.records import DEFAULT_TAXONOMY, Correction, Event, MomentLabel, Video, write_jsonl
from vlm_autodrive.settings import Settings

NAMES = DEFAULT_TAXONOMY.names


def correction(number, before, after, **more):
    return Correction(
        correction_id=f"c{number}", item_id=f"i{number}", decision="change", reviewer="ada <b>",
        at=datetime(2026, 1, 1, tzinfo=UTC), before=before, after=after, video=f"/data/v{number}.mp4",
        window_start_s=0.0, window_end_s=10.0, video_id=f"v{number}", clip_id=f"v{number}-w0", **more,
    )  # fmt: skip


@pytest.fixture
def corrected(tmp_path):
    """A catalog of 25 collisions, of which the first is a near-collision and all others were no event."""
    videos = [Video(video_id=f"v{n}", path=f"/data/v{n}.mp4", positive=True, group_id=f"v{n}") for n in range(25)]
    events = [Event(event_id=f"v{n}-e0", video_id=f"v{n}", event_class="collision", time_s=3.0) for n in range(25)]
    with writing_artifact(tmp_path / "catalog", "catalog", {}, Settings()) as folder:
        write_catalog(folder, tmp_path / "catalog", DEFAULT_TAXONOMY, videos, events, [], [])
    was = MomentLabel(event_class="collision", time_s=3.0)
    near, none = MomentLabel(event_class="near_collision", time_s=3.5), MomentLabel(event_class="normal")
    steps = [correction(0, was, near, reason="*no* contact")] + [correction(n, was, none) for n in range(1, 25)]
    write_jsonl(tmp_path / "c.jsonl", steps)
    return apply_corrections(tmp_path / "catalog", [tmp_path / "c.jsonl"], tmp_path / "corrected", CorrectionSettings())


@pytest.fixture
def comparison(tmp_path):
    """The model after the corrections is right more often than the one before."""
    video = str(write_video(tmp_path / "0.mp4", seed=0))
    clips = [make_clip(f"clip-{i}", NAMES[i % 3], path=video, group_id=f"g{i}") for i in range(18)]
    right = {"base": 3, "before_corrections": 9, "tuned": 15}
    paths = {}
    for model, count in right.items():
        said = [make_prediction(clip, clip.event_class if i < count else "normal") for i, clip in enumerate(clips)]
        paths[model] = write_prediction_set(tmp_path / model, clips, said)
    return compare(paths, tmp_path / "comparison", CompareSettings(resamples=300))


def test_counts_changes_and_the_difference_are_told(comparison, corrected, tmp_path):
    out = write_report(comparison, tmp_path / "report", ReportSettings(), corrections=corrected)
    page = re.sub(r"\s+", " ", (out / "report.html").read_text())
    (section,) = re.findall(r'<section id="corrections">(.*?)</section>', page)
    assert "25 corrections by reviewers: 25 applied. Changes of the data: 25." in section
    assert '<th>Collision</th><td class="num">25</td><td class="num">0</td>' in section
    assert "<td>Collision at 3.0 s</td><td>Near-Collision at 3.5 s</td><td>ada &lt;b&gt;</td>" in section
    assert section.count("<td>removed</td>") == 24
    pair = corrections_pair(read_comparison(comparison))
    assert f"accuracy {signed(pair.accuracy)}" in section and pair.accuracy.value > 0
    assert 'href="#corrections"' in page
    assert json.loads((out / "report.json").read_text())["corrections"]["outcomes"] == {"applied": 25}


def test_the_summary_lists_some_changes_and_says_where_the_others_are(comparison, corrected, tmp_path):
    out = write_report(comparison, tmp_path / "report", ReportSettings(), corrections=corrected)
    text = (out / "report.md").read_text()
    assert "- v0: Collision at 3.0 s → Near-Collision at 3.5 s (ada \\<b>: \\*no\\* contact)" in text
    assert "- and 5 more, in diff.md of the corrected catalog" in text
    assert "Against the model before the corrections, on the same clips: accuracy +" in text


def test_without_corrections_nothing_is_said_of_them(comparison, tmp_path):
    out = write_report(comparison, tmp_path / "report", ReportSettings())
    assert "orrections</h2>" not in (out / "report.html").read_text()
    assert json.loads((out / "report.json").read_text())["corrections"] is None


def test_a_catalog_without_corrections_is_refused(comparison, corrected, tmp_path):
    with pytest.raises(UserError, match="was not made by corrections"):
        write_report(comparison, tmp_path / "report", ReportSettings(), corrections=tmp_path / "catalog")
