"""The sentences at the head of a report say what the counts say, and first of all if they cannot be trusted."""

from pathlib import Path
from types import SimpleNamespace

import pytest

from tests.evaluation.builders import make_clip, make_prediction, make_verdict, write_prediction_set
from vlm_autodrive.evaluation import (
    CompareSettings,
    Diagnostic,
    compare,
    failure_lines,
    headline,
    read_comparison,
    statistics_sentence,
)
from vlm_autodrive.evaluation.report.headline import check_lines, count_rows, gives_one_answer, models_for_decision
from vlm_autodrive.evaluation.report.next_steps import next_steps
from vlm_autodrive.evaluation.report.statements import data_notes, main_pair, p_of
from vlm_autodrive.metrics import Estimate
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


def test_the_result_is_told_in_counts(tmp_path):
    figures, clips = compared(tmp_path, {"base": lambda i: i % 3 == 2, "tuned": lambda i: i >= 6})
    figures = with_pair(figures, permutation_p=None)
    assert headline(figures, DEFAULT_TAXONOMY, clips) == (
        "On 60 test clips the trained model found 18 of 20 collisions; before training it found none. "
        "It raised a false alarm on 2 of 20 normal clips. "
        "That is an improvement, by more than chance explains: 36 clips are newly right, 2 newly wrong. "
        "Other cameras, roads and weather may give other numbers."
    )


def test_simulated_clips_are_called_so_and_so_is_a_model_of_simulation_alone(tmp_path):
    figures, clips = compared(tmp_path, {"base": lambda i: i % 2, "tuned": lambda i: True})
    simulated = [clip.model_copy(update={"scenario": "a scenario"}) for clip in clips]
    said = headline(figures, DEFAULT_TAXONOMY, simulated)
    assert said.startswith("On 60 simulated test clips ")
    assert said.endswith(" These are simulated drives: expect other numbers on real video.")
    said = headline(figures, DEFAULT_TAXONOMY, [*simulated[:10], *clips[10:]])
    assert said.endswith(" 10 of the clips are simulated drives: expect other numbers on real video alone.")
    tuned = figures.models["tuned"].model_copy(update={"training": "fine-tuned on simulated video only"})
    figures = figures.model_copy(update={"models": {**figures.models, "tuned": tuned}})
    assert headline(figures, DEFAULT_TAXONOMY, clips).endswith(" The model was trained on simulated video only.")


def test_a_difference_beyond_chance_is_said_to_be_one(tmp_path):
    figures, _ = compared(tmp_path, {"base": lambda i: i % 3 == 2, "tuned": lambda i: i >= 6})
    figures = with_pair(figures, permutation_p=None)
    after = figures.models["tuned"].per_class["collision"].recall
    before = figures.models["base"].per_class["collision"].recall
    said = statistics_sentence(figures, DEFAULT_TAXONOMY)
    assert said.startswith(
        f"The fine-tuned model detects 0.90 [{after.low:.2f}, {after.high:.2f}] of the Collision clips "
        f"(base model: 0.00 [{before.low:.2f}, {before.high:.2f}])"
    )
    assert "of all clips, 36 are newly correct and 2 newly wrong, a significant difference (p < 0.0001)." in said
    assert said.count(".") - said.count("0.") == 1, "one sentence"


def test_where_clips_hang_together_the_test_by_groups_decides(tmp_path):
    figures, _ = compared(tmp_path, {"base": lambda i: i % 3 == 2, "tuned": lambda i: i >= 6})
    figures = with_pair(figures, permutation_p=0.21, clips_needed=1480)
    assert p_of(main_pair(figures)) == 0.21
    said = headline(figures, DEFAULT_TAXONOMY)
    assert "The difference may be chance: 36 clips are newly right, 2 newly wrong. About 1,480 such clips" in said
    assert "more than chance" not in said
    told = statistics_sentence(figures, DEFAULT_TAXONOMY)
    assert "no significant difference (p = 0.21): about 1,480 such clips would be needed to show one" in told


def test_a_model_that_got_worse_is_said_to_have(tmp_path):
    figures, _ = compared(tmp_path, {"base": lambda i: i >= 6, "tuned": lambda i: i % 3 == 2})
    said = headline(figures, DEFAULT_TAXONOMY)
    assert "WORSE than before, by more than chance explains: 2 clips are newly right, 36 newly wrong." in said
    assert "significantly WORSE" in statistics_sentence(figures, DEFAULT_TAXONOMY)


def test_no_difference_at_all_is_undecided(tmp_path):
    figures, _ = compared(tmp_path, {"base": lambda i: i % 2, "tuned": lambda i: i % 2})
    figures = with_pair(figures, clips_needed=None, permutation_p=None)
    assert "No clip is newly right or newly wrong." in headline(figures, DEFAULT_TAXONOMY)
    assert "no significant difference (p = 1)." in statistics_sentence(figures, DEFAULT_TAXONOMY)


def test_figures_that_mean_something_else_are_called_so_first(tmp_path):
    figures, _ = compared(tmp_path, {"base": lambda i: i % 2, "tuned": lambda i: True})
    warned = headline(figures.model_copy(update={"diagnostics": (WARNING,)}), DEFAULT_TAXONOMY)
    refused = headline(figures.model_copy(update={"diagnostics": (WARNING, INVALID)}), DEFAULT_TAXONOMY)
    assert warned.startswith("On 60 test clips the trained model found 20 of 20")
    assert refused.startswith("These results are invalid: taken at face value, on 60 test clips the trained model ")


def test_false_alarms_stand_beside_what_is_found(tmp_path):
    figures, _ = compared(tmp_path, {"base": lambda i: False, "tuned": lambda i: i % 2}, wrong="collision")
    said = headline(figures, DEFAULT_TAXONOMY)
    assert "It raised a false alarm on 10 of 20 normal clips; before training it raised one on 20." in said
    text = statistics_sentence(figures, DEFAULT_TAXONOMY)
    assert " at a false positive rate of 0.50 on Normal clips (base model: 1.00); of all clips" in text


def test_other_models_go_by_their_names_and_one_by_itself(tmp_path):
    figures, _ = compared(tmp_path / "two", {"old": lambda i: i % 2, "new": lambda i: True})
    said = headline(figures, DEFAULT_TAXONOMY)
    assert said.startswith("On 60 test clips “new” found 20 of 20 collisions; “old” found 10.")
    assert " (“old”: 0.50" in statistics_sentence(figures, DEFAULT_TAXONOMY)
    alone, _ = compared(tmp_path / "one", {"new": lambda i: True})
    assert headline(alone, DEFAULT_TAXONOMY).endswith(" There is no other model to compare it with.")


ALONE = {"new": "the model", "tuned": "the trained model", "base": "the base model"}


@pytest.mark.parametrize("name", ALONE)
def test_a_model_among_baselines_stands_alone(tmp_path, name):
    figures, _ = compared(tmp_path, {"majority": lambda i: i % 3 == 2, name: lambda i: True, "shake": lambda i: i % 2})
    models = {
        called: scores.model_copy(update={"name": {"shake": "camera_shake"}.get(called, called)})
        for called, scores in figures.models.items()
    }
    figures = figures.model_copy(update={"models": models})
    said = headline(figures, DEFAULT_TAXONOMY)
    assert said.startswith(f"On 60 test clips {ALONE[name]} found 20 of 20 collisions.")
    assert said.endswith(" There is no other model to compare it with.")
    assert statistics_sentence(figures, DEFAULT_TAXONOMY).endswith("; there is no other model to compare it with.")
    assert models_for_decision(figures) == [name]


def test_without_a_clip_of_the_first_class_the_next_is_told(tmp_path):
    figures, _ = compared(tmp_path, {"base": lambda i: i % 2, "tuned": lambda i: True}, names=NAMES[1:])
    assert "found 30 of 30 near-collisions" in headline(figures, DEFAULT_TAXONOMY)
    said = statistics_sentence(figures, DEFAULT_TAXONOMY)
    assert "model classifies 1.00 [0.94, 1.00] of the clips correctly (base model: 0.50 [" in said


def test_without_any_event_false_alarms_are_told(tmp_path):
    figures, _ = compared(tmp_path, {"tuned": lambda i: i >= 6}, names=NAMES[2:])
    said = headline(figures, DEFAULT_TAXONOMY)
    assert said.startswith("On 60 test clips, which show no event, the trained model raised a false alarm on 6 of 60")


def test_the_table_counts_what_was_found_missed_and_raised_falsely(tmp_path):
    figures, _ = compared(tmp_path, {"base": lambda i: False, "tuned": lambda i: i >= 6})
    rows = {row.label: row for row in count_rows(figures, DEFAULT_TAXONOMY, ["base", "tuned"])}
    assert {label: (row.counts, row.total) for label, row in rows.items()} == {
        "Collisions found": ((0, 18), 20),
        "Near-collisions found": ((0, 18), 20),
        "missed: called Normal": ((20, 2), 20),
        "False alarms on normal clips": ((20, 2), 20),
        "Clips answered rightly in all": ((0, 54), 60),
    }
    assert rows["Collisions found"].is_few and not rows["Clips answered rightly in all"].is_few


def test_what_to_do_next_follows_from_what_was_found(tmp_path):
    figures, clips = compared(tmp_path, {"base": lambda i: i % 3 == 2, "tuned": lambda i: i >= 6})
    first = next_steps(figures, DEFAULT_TAXONOMY, clips)
    said = " ".join(step.text for step in first)
    assert "20 collisions, 20 near-collisions, 20 normal clips are too few" in said
    assert any(command.endswith("--queue wrong=tuned") for step in first for command in step.commands)
    assert "red box" not in said and "same answer" not in said and "real video" not in said
    simulated = [clip.model_copy(update={"scenario": "a scenario"}) for clip in clips]
    invalid = figures.model_copy(update={"diagnostics": (INVALID,)})
    steps = next_steps(invalid, DEFAULT_TAXONOMY, simulated)
    assert "red box" in steps[0].text and "real video" in steps[-1].text


def test_a_model_with_one_answer_is_told_from_one_that_looks(tmp_path):
    models = {"base": lambda i: i % 3 == 2, "tuned": lambda i: i % 3 == 2, "looks": lambda i: i % 2}
    figures, clips = compared(tmp_path, models)
    assert [gives_one_answer(figures, name) for name in ("base", "tuned", "looks", None)] == [True, True, False, False]
    assert any("same answer" in step.text for step in next_steps(figures, DEFAULT_TAXONOMY, clips))


def test_the_commands_name_the_run(tmp_path):
    figures, clips = compared(tmp_path, {"base": lambda i: i % 3 == 2, "tuned": lambda i: i >= 6})
    steps = next_steps(figures, DEFAULT_TAXONOMY, clips, Path("runs/my own"))
    said = [command for step in steps for command in step.commands]
    assert "autodrive review 'runs/my own'/predictions --queue wrong=tuned" in said
    controls = next(command for command in said if "controls=" in command)
    assert controls.startswith("autodrive evaluate 'runs/my own'/clips --model 'runs/my own'/checkpoint --out DIR")
    assert not any("RUN" in command or " CLIPS" in command for command in said)


def test_too_few_clips_are_told_first_and_counted_rightly(tmp_path):
    figures, clips = compared(tmp_path, {"base": lambda i: False, "tuned": lambda i: True}, count=3)
    said = headline(figures.model_copy(update={"diagnostics": (INVALID,)}), DEFAULT_TAXONOMY, clips)
    assert said.startswith("These results mean nothing: 3 clips are too few to evaluate a model on. These results are ")
    assert (
        "found 1 of 1 collision; before training it found none. It raised a false alarm on none of 1 normal clip;"
        in said
    )
    steps = " ".join(step.text for step in next_steps(figures, DEFAULT_TAXONOMY, clips))
    assert "1 collision, 1 near-collision, 1 normal clip are too few" in steps
    few, clips = compared(tmp_path / "few", {"base": lambda i: True}, count=60)
    assert any(note.startswith("There are only 20") for note in data_notes(clips, few))
    few = few.model_copy(update={"class_counts": {"collision": 1, "near_collision": 59, "normal": 40}})
    assert "There is only 1 collision clip: too few for firm conclusions about it." in data_notes(clips, few)


@pytest.mark.parametrize(("blind", "wanted"), [(1.0, "as with the video"), (0.5, "with the video on 60")])
def test_black_frames_are_held_against_the_video(tmp_path, blind, wanted):
    figures, _ = compared(tmp_path, {"tuned": lambda i: True})
    black = SimpleNamespace(accuracy=Estimate(value=blind, low=None, high=None, n=60, method="wilson"))
    tuned = figures.models["tuned"].model_copy(update={"controls": {"black": black}})
    lines = check_lines(figures.model_copy(update={"models": {"tuned": tuned}}), "tuned", None)
    right = round(60 * blind)
    assert lines == [f"Shown black frames instead of the video, it is right on {right} of 60 clips, {wanted}."]


@pytest.mark.parametrize(
    ("changes", "wanted"),
    [
        ([{}] * 3, "None of the 3 test clips is from our simulation. Whether they are real footage is not known."),
        ([{"source": "DADA-2000"}] * 3, "All 3 test clips are real footage."),
        ([{"scenario": "s"}, {}, {}], "1 of the 3 test clips is from our simulation. Whether the others are real"),
        ([{"scenario": "s"}, *[{"source": "DoTA"}] * 2], "is from our simulation. The others are real."),
        ([{"scenario": "s"}] * 3, "All 3 test clips are simulated. The results say nothing about real footage."),
    ],
)
def test_clips_are_called_real_only_where_that_is_known(tmp_path, changes, wanted):
    figures, clips = compared(tmp_path, {"base": lambda i: True}, count=3)
    clips = [clip.model_copy(update=change) for clip, change in zip(clips, changes, strict=True)]
    assert wanted in data_notes(clips, figures)[0]


def test_failures_name_the_prompt_variant():
    unread = make_verdict(None).model_copy(update={"reason": "the answer names no single class"})
    said = make_prediction(make_clip("a"), "normal").model_copy(update={"prompt_variants": {"own": unread}})
    assert failure_lines([said]) == [
        "prompt variant “own”, tried beside the verdict, unparseable: the answer names no single class (1)"
    ]


def test_without_normal_clips_nothing_is_said_of_false_alarms(tmp_path):
    figures, _ = compared(tmp_path, {"base": lambda i: i % 2, "tuned": lambda i: True}, names=NAMES[:2])
    assert "There is no Normal clip, so nothing is known of false alarms." in headline(figures, DEFAULT_TAXONOMY)
    said = statistics_sentence(figures, DEFAULT_TAXONOMY)
    assert "false positive rate" not in said
    assert "–" not in said
