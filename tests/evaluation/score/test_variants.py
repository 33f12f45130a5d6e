"""The figures of wordings and controls, against counts made by hand and against scikit-learn."""

import numpy as np
import pytest
from sklearn.metrics import accuracy_score, f1_score

from tests.evaluation.builders import NAMES, make_clip, make_prediction, make_verdict, write_prediction_set
from tests.evaluation.score.scored import scored
from vlm_autodrive.errors import UserError
from vlm_autodrive.evaluation import read_evaluation_samples
from vlm_autodrive.evaluation.score.slices import triplet_scores
from vlm_autodrive.evaluation.score.variants import control_scores, faithfulness_scores, prompt_scores

COLLISION, NEAR, NORMAL = NAMES


def samples_of(tmp_path, clips, predictions):
    return read_evaluation_samples({"m": write_prediction_set(tmp_path / "m", clips, predictions)})


def probabilities(collision):
    return {COLLISION: collision, NEAR: (1 - collision) / 2, NORMAL: (1 - collision) / 2}


def test_every_wording_is_scored_and_the_main_one_first(tmp_path):
    truths = [NAMES[i % 3] for i in range(30)]
    clips = [make_clip(f"c{i:02d}", truth) for i, truth in enumerate(truths)]
    blunt = [NORMAL if i % 5 else truth for i, truth in enumerate(truths)]
    silent = [None if i < 12 else truth for i, truth in enumerate(truths)]
    predictions = [
        make_prediction(c, t, prompt_variants={"short": make_verdict(b), "expert": make_verdict(s)})
        for c, t, b, s in zip(clips, truths, blunt, silent, strict=True)
    ]
    scores = scored(prompt_scores, samples_of(tmp_path, clips, predictions))
    assert list(scores) == ["main", "short", "expert"]
    assert (scores["main"].accuracy.value, scores["main"].macro_f1.value) == (1.0, 1.0)
    assert scores["main"].unparseable.value == 0
    assert scores["short"].accuracy.value == pytest.approx(accuracy_score(truths, blunt))
    assert scores["short"].macro_f1.value == pytest.approx(f1_score(truths, blunt, average="macro"))
    first_class = f1_score(truths, blunt, labels=[COLLISION], average="macro")
    assert scores["short"].most_severe_f1.value == pytest.approx(first_class)
    assert scores["short"].most_severe_f1.n == 10
    assert scores["expert"].unparseable.value == pytest.approx(0.4)
    assert scores["expert"].accuracy.value == pytest.approx(0.6)


def test_one_wording_has_no_spread_and_no_control_no_score(tmp_path):
    clips = [make_clip("a", NORMAL)]
    samples = samples_of(tmp_path, clips, [make_prediction(clips[0], NORMAL)])
    assert scored(prompt_scores, samples) == {}
    assert scored(control_scores, samples) == {}
    assert scored(faithfulness_scores, samples) is None


def test_controls_are_compared_with_the_true_footage_clip_for_clip(tmp_path):
    truths = [NAMES[i % 3] for i in range(60)]
    clips = [make_clip(f"c{i:02d}", truth, group_id=f"g{i // 3}") for i, truth in enumerate(truths)]
    said = [NORMAL if i % 10 == 0 else truth for i, truth in enumerate(truths)]
    predictions = [
        make_prediction(
            clip,
            answer,
            controls={
                "black": make_verdict(NORMAL),
                "shuffled": make_verdict(answer if i % 4 else None),
                "event_hidden": make_verdict(NORMAL),
            },
        )
        for i, (clip, answer) in enumerate(zip(clips, said, strict=True))
    ]
    scores = scored(control_scores, samples_of(tmp_path, clips, predictions))
    assert list(scores) == ["black", "shuffled"]  # not what events alone can be given
    before = f1_score(truths, said, average="macro")
    black = scores["black"]
    assert black.accuracy.value == pytest.approx(1 / 3)
    assert black.macro_f1.value == pytest.approx(f1_score(truths, [NORMAL] * 60, average="macro"))
    assert black.macro_f1_drop.value == pytest.approx(before - black.macro_f1.value)
    assert 0 < black.macro_f1_drop.low < black.macro_f1_drop.value < black.macro_f1_drop.high
    assert black.same_answer.value == pytest.approx(sum(answer == NORMAL for answer in said) / 60)
    assert scores["shuffled"].same_answer.value == pytest.approx(45 / 60)
    assert scores["shuffled"].macro_f1_drop.value > 0


def test_a_model_that_ignores_the_video_loses_nothing(tmp_path):
    truths = [NAMES[i % 3] for i in range(60)]
    clips = [make_clip(f"c{i:02d}", truth) for i, truth in enumerate(truths)]
    controls = {name: make_verdict(COLLISION) for name in ("black", "no_video")}
    predictions = [make_prediction(clip, COLLISION, controls=controls) for clip in clips]
    for scores in scored(control_scores, samples_of(tmp_path, clips, predictions)).values():
        lost = scores.macro_f1_drop
        assert (lost.value, lost.low, lost.high) == (0, None, None)  # no certainty
        assert scores.same_answer.value == 1


def test_faithfulness_is_the_paired_fall_on_clips_of_the_first_class(tmp_path):
    chance = np.random.default_rng(1)
    clips, predictions, rows = [], [], []
    for i in range(60):
        truth = NAMES[i % 3]
        clip = make_clip(f"c{i:02d}", truth)
        shown, near, elsewhere = 0.9 - 0.1 * chance.random(), 0.4 * chance.random(), 0.7 + 0.1 * chance.random()
        given = i % 2 == 0 and truth != NORMAL
        controls = {"event_hidden": make_verdict(NORMAL, probabilities(near))} if truth != NORMAL else {}
        if given:
            controls["elsewhere_hidden"] = make_verdict(COLLISION, probabilities(elsewhere))
        clips.append(clip)
        predictions.append(make_prediction(clip, truth, probabilities=probabilities(shown), controls=controls))
        if given and truth == COLLISION:
            rows.append((shown, near, elsewhere))
    scores = scored(faithfulness_scores, samples_of(tmp_path, clips, predictions))
    shown, near, elsewhere = np.array(rows).mean(axis=0)
    assert scores.clips == len(rows) == 10
    assert scores.before.value == pytest.approx(shown)
    assert scores.drop_at_event.value == pytest.approx(shown - near)
    assert scores.drop_elsewhere.value == pytest.approx(shown - elsewhere)
    assert scores.difference.value == pytest.approx(elsewhere - near)
    assert scores.difference.low > 0
    assert scores.difference.n == 10


def test_without_probabilities_no_fall_can_be_told(tmp_path):
    clip = make_clip("a", COLLISION)
    controls = {name: make_verdict(NORMAL) for name in ("event_hidden", "elsewhere_hidden")}
    samples = samples_of(tmp_path, [clip], [make_prediction(clip, COLLISION, controls=controls)])
    scores = scored(faithfulness_scores, samples)
    assert (scores.clips, scores.difference.value) == (0, None)


def test_votes_that_name_no_class_are_shared_out_on_controls_and_triplets_too(tmp_path):
    """As in every other figure: half of all votes for collision, and none for another class, is a probability of 1."""
    half, full = dict.fromkeys(NAMES, 0.0) | {COLLISION: 0.5}, probabilities(0.6)
    clips = [make_clip(f"{name}{i}", name, triplet_id=f"t{i}") for i in range(3) for name in NAMES]
    controls = {"event_hidden": make_verdict(COLLISION, half), "elsewhere_hidden": make_verdict(COLLISION, full)}
    predictions = [make_prediction(c, COLLISION, probabilities=half, controls=controls) for c in clips]
    samples = samples_of(tmp_path, clips, predictions)
    scores = scored(faithfulness_scores, samples)
    assert (scores.before.value, scores.drop_at_event.value) == (1.0, 0.0)
    assert scores.drop_elsewhere.value == pytest.approx(0.4)
    assert scored(triplet_scores, samples).most_severe_probability[NORMAL].value == 1.0


@pytest.mark.parametrize("where", ["shown", "hidden"])
def test_probabilities_that_leave_out_a_class_are_refused(tmp_path, where):
    torn = {NEAR: 0.5, NORMAL: 0.5}
    clips = [make_clip("a", COLLISION)]
    hidden = make_verdict(COLLISION, torn if where == "hidden" else probabilities(0.6))
    controls = {"event_hidden": hidden, "elsewhere_hidden": hidden}
    said = make_prediction(
        clips[0], COLLISION, probabilities=torn if where == "shown" else probabilities(0.6), controls=controls
    )
    with pytest.raises(UserError, match="the probabilities in m's prediction for a leave out collision"):
        scored(faithfulness_scores, samples_of(tmp_path, clips, [said]))
