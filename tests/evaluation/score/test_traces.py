"""What traces are worth, and how probabilities move along triplets, by hand."""

import json

import pytest
from rouge_score.rouge_scorer import RougeScorer

from tests.evaluation.builders import make_clip, make_prediction, write_prediction_set
from vlm_autodrive.artifacts import SAMPLES_FILE, write_clips, writing_artifact
from vlm_autodrive.errors import UserError
from vlm_autodrive.evaluation import CompareSettings, ReportSettings, compare, read_comparison, write_report
from vlm_autodrive.evaluation.score.samples import read_references
from vlm_autodrive.models import format_reasoning
from vlm_autodrive.records import DEFAULT_TAXONOMY, Check, Outcome, SFTSample, StudentPrompt, write_jsonl
from vlm_autodrive.settings import Settings

NAMES = DEFAULT_TAXONOMY.names
SETTINGS = CompareSettings(resamples=300)


class _Nothing(Settings):
    pass


def citing(clip, times_s, trace="It happens."):
    """A prediction whose trace cites these moments; None for one that failed."""
    prediction = make_prediction(clip, clip.event_class, traced=clip.event_class, time_s=None)
    changes = {"cited_times_s": tuple(times_s or ()), "trace": trace}
    if times_s is None:
        changes |= {"outcome": Outcome.TRUNCATED, "event_class": None, "trace": ""}
    return prediction.model_copy(update={"reasoning": prediction.reasoning.model_copy(update=changes)})


def item(clip_id, trace, number=0, **changes):
    values = {
        "sample_id": f"{clip_id}-{number}",
        "clip_id": clip_id,
        "type": "reasoning",
        "topic": "",
        "prompt": StudentPrompt(text="What happens?", version="1"),
        "target": format_reasoning(trace, "A", 1.0),
        "mirror_target": None,
        "teacher": "rules",
        "teacher_prompt_version": "1",
    }
    return SFTSample(**(values | changes))


def supervision(folder, clips, items):
    with writing_artifact(folder, "supervision", {}, _Nothing()) as partial:
        write_clips(partial, folder, DEFAULT_TAXONOMY, clips)
        write_jsonl(partial / SAMPLES_FILE, items)
    return folder


def compared(tmp_path, clips, said, **more):
    folder = write_prediction_set(tmp_path / "m", clips, said)
    return compare({"m": folder}, tmp_path / "out", SETTINGS, **more)


def scores_of(*arguments, **more):
    return read_comparison(compared(*arguments, **more)).models["m"]


def test_moments_cited_near_the_event(tmp_path):
    clips = [make_clip(f"c{i}", "collision", event_time_s=4.0, end_s=8.0) for i in range(4)] + [make_clip("n")]
    said = [citing(c, t) for c, t in zip(clips, ([1.0, 3.6], [2.0], [], None, [1.0]), strict=True)]
    traces = scores_of(tmp_path, clips, said).traces
    assert {key: (f.value, f.n) for key, f in traces.cites_event.items()} == {
        "0.5": (0.25, 4),
        "1": (0.25, 4),
        "2": (0.5, 4),
    }
    assert (traces.temporal_iou, traces.rouge_l, traces.references, traces.judge) == (None, None, 0, None)


def test_the_span_of_the_moments_cited(tmp_path):
    clips = [make_clip(f"c{i}", "collision", alert_time_s=2.0, event_time_s=4.0, end_s=8.0) for i in range(4)]
    clips.append(make_clip("without-alert", "collision", event_time_s=4.0, end_s=8.0))
    said = [citing(c, t) for c, t in zip(clips, ([4.0, 2.0], [3.5, 1.0], [4.0], None, [4.0]), strict=True)]
    overlap = scores_of(tmp_path, clips, said).traces.temporal_iou
    assert overlap.value == pytest.approx((1.0 + 1.5 / 3.0 + 0.0 + 0.0) / 4)
    assert overlap.n == 4


def test_traces_that_all_cite_nothing_leave_the_overlap_uncertain(tmp_path):
    clips = [make_clip(f"c{i}", "collision", alert_time_s=0.5) for i in range(4)]
    overlap = scores_of(tmp_path, clips, [citing(c, []) for c in clips]).traces.temporal_iou
    assert (overlap.value, overlap.low) == (0.0, 0.0)
    assert overlap.high == pytest.approx(0.4899, abs=1e-4)


def test_closeness_to_references(tmp_path):
    clips = [make_clip(f"c{i}", "collision", split="validation") for i in range(4)]
    references = {"c0": "The car brakes.", "c1": "A cyclist crosses the road [t=1.0].", "c2": "Rain.\nIt hits a wall."}
    folder = supervision(tmp_path / "s", clips, [item(*pair) for pair in references.items()])
    texts = ["The car brakes hard.", "A dog crosses the road.", None, "Whatever."]
    said = [citing(c, None) if text is None else citing(c, [1.0], text) for c, text in zip(clips, texts, strict=True)]
    traces = scores_of(tmp_path, clips, said, references=folder).traces
    oracle = RougeScorer(["rougeL"])
    expected = [oracle.score(references[f"c{i}"], texts[i])["rougeL"].fmeasure for i in range(2)]
    assert traces.references == traces.rouge_l.n == 3
    assert traces.rouge_l.value == pytest.approx((sum(expected) + 0.0) / 3, abs=1e-9)


def test_only_accepted_reasoning_is_a_reference(tmp_path):
    items = [
        item("a", "first\nand second line"),
        item("a", "another", 1),
        item("b", "rejected", checks=(Check(name="x", passed=False),)),
        item("b", "truncated", 1, outcome=Outcome.TRUNCATED),
        item("c", "a caption", type="caption", target="A caption."),
        item("d", "repaired", outcome=Outcome.REPAIRED),
        item("b", "reasons for a letter", type="reasoning_vqa"),
    ]
    clips = [make_clip(name) for name in "abcd"]
    found = read_references(supervision(tmp_path / "s", clips, items))
    assert found == {"a": "first\nand second line", "d": "repaired"}
    with pytest.raises(UserError, match="holds no accepted reasoning"):
        read_references(supervision(tmp_path / "none", clips, [*items[2:5], items[6]]))
    with pytest.raises(UserError, match="not a supervision set; give what `autodrive supervise` made"):
        read_references(write_prediction_set(tmp_path / "p", clips, [make_prediction(c, "normal") for c in clips]))


def test_references_of_other_clips_are_refused(tmp_path):
    clips = [make_clip("a", "collision")]
    folder = supervision(tmp_path / "s", [make_clip("z")], [item("z", "It hits.")])
    with pytest.raises(UserError, match=r"about none of these clips; .* evaluate the validation split"):
        compared(tmp_path, clips, [citing(clips[0], [1.0])], references=folder)


def test_without_traces_there_are_no_figures_of_them(tmp_path):
    clips = [make_clip("a", "collision")]
    assert scores_of(tmp_path, clips, [make_prediction(clips[0], "collision")]).traces is None


def test_every_tolerance_reaches_the_report(tmp_path):
    clips = [make_clip(f"c{i}", "collision", event_time_s=4.0, end_s=8.0, alert_time_s=2.0) for i in range(2)]
    said = [citing(clips[0], [2.0, 4.0]), citing(clips[1], [6.0])]
    said[0] = said[0].model_copy(update={"reasoning": said[0].reasoning.model_copy(update={"event_time_s": 2.5})})
    report = write_report(compared(tmp_path, clips, said), tmp_path / "r", ReportSettings(examples_per_class=0))
    model = json.loads((report / "report.json").read_text())["models"]["m"]
    assert {key: figure["value"] for key, figure in model["event_time"]["within"].items()} == {
        "0.5": 0.0,
        "1": 0.0,
        "2": 0.5,
    }
    assert model["traces"]["cites_event"]["2"]["value"] == 1.0
    assert model["traces"]["temporal_iou"]["value"] == pytest.approx(0.5)


def triplet(number, *chances):
    """Three clips and their predictions, with this P(collision) each; None for one that failed."""
    clips = [make_clip(f"t{number}-{name}", name, group_id=f"g{number}", triplet_id=f"t{number}") for name in NAMES]
    said = []
    for clip, p in zip(clips, chances, strict=True):
        probabilities = None if p is None else {"collision": p, "near_collision": 0.0, "normal": 1 - p}
        said.append(make_prediction(clip, None if p is None else "normal", probabilities=probabilities))
    return clips, said


def test_how_the_probability_moves_along_triplets(tmp_path):
    world = [
        triplet(0, 0.9, 0.4, 0.1),
        triplet(1, 0.6, 0.6, 0.2),
        triplet(2, 0.5, 0.7, 0.1),
        triplet(3, 0.8, None, 0.2),
    ]
    clips, said = ([each for members in world for each in members[k]] for k in (0, 1))
    found = scores_of(tmp_path, clips, said).triplets
    assert (found.in_order.value, found.in_order.n) == (0.25, 4)  # a tie, a rise and a failure are not in order
    assert set(found.steps) == {"collision > near_collision", "near_collision > normal"}
    assert found.steps["collision > near_collision"].value == pytest.approx((0.5 + 0.0 - 0.2) / 3)
    assert found.steps["near_collision > normal"].value == pytest.approx((0.3 + 0.4 + 0.6) / 3)
    assert found.steps["near_collision > normal"].n == 3
    assert found.most_severe_probability["collision"].value == pytest.approx((0.9 + 0.6 + 0.5 + 0.8) / 4)
    assert found.most_severe_probability["near_collision"].n == 3


def test_triplets_without_probabilities_are_in_no_order(tmp_path):
    clips, said = triplet(0, None, None, None)
    found = scores_of(tmp_path, clips, said).triplets
    assert (found.in_order, found.steps, found.most_severe_probability) == (None, {}, {})
