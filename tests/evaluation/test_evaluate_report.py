import json
import re

import pytest
from evaluation_builders import make_clip, make_prediction, write_prediction_set, write_video

from vlm_autodrive.evaluation.comparing import compare
from vlm_autodrive.evaluation.examples import choose_examples, strip_times
from vlm_autodrive.evaluation.report import write_report
from vlm_autodrive.evaluation.settings import CompareSettings, ReportSettings
from vlm_autodrive.records import DEFAULT_TAXONOMY

NAMES = DEFAULT_TAXONOMY.names
ATTACK = "<script>alert('x')</script> hits [t=1.0] & runs"


@pytest.fixture
def comparison(tmp_path):
    videos = [str(write_video(tmp_path / f"{i}.mp4", seed=i)) for i in range(2)]
    clips = [
        make_clip(f"clip-{i}", NAMES[i % 3], path=videos[i % 2], triplet_id=f"t{i // 3}", group_id=f"g{i // 3}")
        for i in range(18)
    ]
    clips[3] = clips[3].model_copy(update={"path": str(tmp_path / "gone.mp4")})
    paths = {}
    for model in ("base", "tuned", "majority"):
        said = []
        for i, clip in enumerate(clips):
            answer = clip.event_class if model == "tuned" and i % 5 else "normal"
            p = {"collision": 0.2, "near_collision": 0.3, "normal": 0.5}
            prediction = make_prediction(
                clip, answer, traced=None if model == "majority" else answer, time_s=1.1, probabilities=p
            )
            if prediction.reasoning is not None:
                changed = prediction.reasoning.model_copy(update={"trace": ATTACK})
                prediction = prediction.model_copy(update={"reasoning": changed})
            said.append(prediction)
        paths[model] = write_prediction_set(tmp_path / model, clips, said)
    return compare(paths, tmp_path / "comparison", CompareSettings(resamples=300))


def report_of(comparison, **settings):
    out = write_report(comparison, comparison.parent / "report", ReportSettings(**settings))
    return (out / "report.html").read_text(), json.loads((out / "report.json").read_text())


def test_the_page_needs_nothing_from_outside(comparison):
    page, _ = report_of(comparison)
    assert not re.findall(r"(?:src|href|url)\s*[=(]\s*[\"']?(?!data:)\w", page)
    assert "http" not in page.replace("http-equiv", "")
    assert "<script" not in page
    assert page.count("data:image/jpeg;base64,") >= 7 * 6


def test_model_text_is_escaped_and_citations_marked(comparison):
    page, _ = report_of(comparison)
    assert "&lt;script&gt;alert(" in page
    assert "<mark>[t=1.0]</mark> &amp; runs" in page


def test_notes_stand_at_the_head(comparison):
    page, data = report_of(comparison, notes=("The base model is blind by construction.",), title="My <run>")
    head = page[: page.index("</header>")]
    assert "The base model is blind by construction." in head
    assert "real footage" in head
    assert "too few" in head
    assert "My &lt;run&gt;" in head
    assert data["notes"][0] == "The base model is blind by construction."


def test_the_json_holds_the_comparison(comparison):
    _, data = report_of(comparison)
    original = json.loads((comparison / "comparison.json").read_text())
    assert data["models"] == original["models"]
    assert data["pairs"] == original["pairs"]
    assert (data["before"], data["after"], data["n"]) == ("base", "tuned", 18)
    assert set(data["models"]["base"]["accuracy"]) >= {"value", "low", "high"}


def test_an_unreadable_video_is_said_to_be_one(comparison):
    page, _ = report_of(comparison, examples_per_class=18)
    assert page.count("No frames:") == 1
    assert page.count('<article class="example">') == 18


def test_the_figures_on_the_page_are_those_of_the_models(comparison):
    page, data = report_of(comparison)
    row = re.search(r"<th>Accuracy</th>(.*?)</tr>", page, re.DOTALL).group(1)
    shown = re.findall(r'<td class="num">([\d.]+)', row)
    assert shown == [f"{data['models'][m]['accuracy']['value']:.2f}" for m in ("base", "tuned", "majority")]


def test_examples_are_right_or_wrong_as_said():
    clips = [make_clip(f"c{i}", NAMES[i % 2]) for i in range(20)]
    predictions = {c.clip_id: make_prediction(c, "collision" if i < 10 else None) for i, c in enumerate(clips)}
    right = choose_examples(clips, predictions, "collision", True, 3)
    wrong = choose_examples(clips, predictions, "collision", False, 99)
    assert len(right) == 3
    assert {c.clip_id for c in right} <= {f"c{i}" for i in range(0, 10, 2)}
    assert {c.clip_id for c in wrong} == {f"c{i}" for i in range(10, 20, 2)}


@pytest.mark.parametrize(
    ("event_s", "first", "last"), [(1.0, 0.0, 2.0), (0.1, 0.0, 1.0), (1.9, 1.0, 2.0), (None, 0.5, 1.5)]
)
def test_the_strip_stays_inside_the_clip_around_the_event(event_s, first, last):
    around = 1.5 if event_s == 1.0 else 0.5
    clip = make_clip("a", "collision").model_copy(update={"event_time_s": event_s})
    times = strip_times(clip, ReportSettings(seconds_around=around, frames_per_example=5))
    assert (times[0], times[-1], len(times)) == (first, last, 5)
