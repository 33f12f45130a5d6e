"""The one sentence at the head of a report says what the figures say, and first of all if they cannot be trusted."""

import pytest

from tests.evaluation.builders import make_clip, make_prediction, write_prediction_set
from vlm_autodrive.evaluation import CompareSettings, Diagnostic, compare, headline, read_comparison
from vlm_autodrive.evaluation.report.headline import data_notes, main_pair, p_of
from vlm_autodrive.records import DEFAULT_TAXONOMY

NAMES = DEFAULT_TAXONOMY.names
INVALID = Diagnostic(severity="invalid", kind="ignores_video", model="tuned", text="It keeps its macro-F1 on black.")
WARNING = Diagnostic(severity="warning", kind="leaky_split", model=None, text="3 of the test clips are trained on too.")


def compared(folder, right_of, names=NAMES, count=60, wrong=None):
    """Models that answer their share of the clips rightly, and else ``wrong``: Normal, or Collision to Normal clips."""
    clips = [make_clip(f"c{i:02d}", names[i % len(names)], group_id=f"g{i}") for i in range(count)]
    paths = {}
    for model, right in right_of.items():
        said = []
        for index, clip in enumerate(clips):
            other = wrong or ("normal" if clip.event_class != "normal" else "collision")
            said.append(make_prediction(clip, clip.event_class if right(index) else other))
        paths[model] = write_prediction_set(folder / model, clips, said)
    made = compare(paths, folder / "comparison", CompareSettings(resamples=200))
    return read_comparison(made), clips


def with_pair(figures, **changes):
    return figures.model_copy(update={"pairs": (figures.pairs[0].model_copy(update=changes),)})


def test_a_difference_beyond_chance_is_said_to_be_one(tmp_path):
    figures, _ = compared(tmp_path, {"base": lambda i: i % 3 == 2, "tuned": lambda i: i >= 6})
    figures = with_pair(figures, permutation_p=None)
    after = figures.models["tuned"].per_class["collision"].recall
    before = figures.models["base"].per_class["collision"].recall
    said = headline(figures, DEFAULT_TAXONOMY)
    assert said.startswith(
        f"The fine-tuned model detects 0.90 [{after.low:.2f}, {after.high:.2f}] of the Collision clips "
        f"(base model: 0.00 [{before.low:.2f}, {before.high:.2f}])"
    )
    assert "of all clips, 36 are newly correct and 2 newly wrong, a significant difference (p < 0.0001)." in said
    assert said.count(".") - said.count("0.") == 1, "one sentence"


def test_where_clips_hang_together_the_test_by_groups_decides(tmp_path):
    figures, _ = compared(tmp_path, {"base": lambda i: i % 3 == 2, "tuned": lambda i: i >= 6})
    pair = main_pair(with_pair(figures, permutation_p=0.21, clips_needed=1480))
    assert p_of(pair) == 0.21
    said = headline(with_pair(figures, permutation_p=0.21, clips_needed=1480), DEFAULT_TAXONOMY)
    assert "no significant difference (p = 0.21): about 1,480 such clips would be needed to show one" in said
    assert "a significant" not in said


def test_a_model_that_got_worse_is_said_to_have(tmp_path):
    figures, _ = compared(tmp_path, {"base": lambda i: i >= 6, "tuned": lambda i: i % 3 == 2})
    assert "2 are newly correct and 36 newly wrong, significantly WORSE" in headline(figures, DEFAULT_TAXONOMY)


def test_no_difference_at_all_is_undecided(tmp_path):
    figures, _ = compared(tmp_path, {"base": lambda i: i % 2, "tuned": lambda i: i % 2})
    said = headline(with_pair(figures, clips_needed=None, permutation_p=None), DEFAULT_TAXONOMY)
    assert "0 are newly correct and 0 newly wrong, no significant difference (p = 1)." in said


def test_figures_that_mean_something_else_are_called_so_first(tmp_path):
    figures, _ = compared(tmp_path, {"base": lambda i: i % 2, "tuned": lambda i: True})
    warned = headline(figures.model_copy(update={"diagnostics": (WARNING,)}), DEFAULT_TAXONOMY)
    refused = headline(figures.model_copy(update={"diagnostics": (WARNING, INVALID)}), DEFAULT_TAXONOMY)
    assert warned.startswith("The fine-tuned model detects 1.00")
    assert refused.startswith("These results are invalid: taken at face value, the fine-tuned model ")


def test_false_alarms_stand_beside_what_is_found(tmp_path):
    figures, _ = compared(tmp_path, {"base": lambda i: False, "tuned": lambda i: i % 2}, wrong="collision")
    text = headline(figures, DEFAULT_TAXONOMY)
    assert " at a false positive rate of 0.50 on Normal clips (base model: 1.00); of all clips" in text


def test_other_models_go_by_their_names_and_one_by_itself(tmp_path):
    figures, _ = compared(tmp_path / "two", {"old": lambda i: i % 2, "new": lambda i: True})
    assert headline(figures, DEFAULT_TAXONOMY).startswith("“new” detects 1.00")
    assert " (“old”: 0.50" in headline(figures, DEFAULT_TAXONOMY)
    alone, _ = compared(tmp_path / "one", {"new": lambda i: True})
    assert headline(alone, DEFAULT_TAXONOMY).endswith("; there is no other model to compare it with.")


@pytest.mark.parametrize("name", ["new", "tuned", "base"])
def test_a_model_among_baselines_stands_alone(tmp_path, name):
    figures, _ = compared(tmp_path, {"majority": lambda i: i % 3 == 2, name: lambda i: True, "shake": lambda i: i % 2})
    models = {
        called: scores.model_copy(update={"name": {"shake": "camera_shake"}.get(called, called)})
        for called, scores in figures.models.items()
    }
    said = headline(figures.model_copy(update={"models": models}), DEFAULT_TAXONOMY)
    assert said.startswith("The model detects 1.00")
    assert said.endswith("; there is no other model to compare it with.")


def test_without_a_clip_of_the_first_class_accuracy_is_told(tmp_path):
    figures, _ = compared(tmp_path, {"base": lambda i: i % 2, "tuned": lambda i: True}, names=NAMES[1:])
    said = headline(figures, DEFAULT_TAXONOMY)
    assert "model classifies 1.00 [0.94, 1.00] of the clips correctly (base model: 0.50 [" in said


@pytest.mark.parametrize(("count", "wanted"), [(12, "These results mean nothing: 12 clips"), (60, "There are only 20")])
def test_the_data_says_what_it_cannot_show(tmp_path, count, wanted):
    figures, clips = compared(tmp_path, {"base": lambda i: True}, count=count)
    assert any(note.startswith(wanted) for note in data_notes(clips, figures))


def test_without_normal_clips_nothing_is_said_of_false_alarms(tmp_path):
    figures, _ = compared(tmp_path, {"base": lambda i: i % 2, "tuned": lambda i: True}, names=NAMES[:2])
    said = headline(figures, DEFAULT_TAXONOMY)
    assert "false positive rate" not in said
    assert "–" not in said
