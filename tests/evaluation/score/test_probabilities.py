import json

import numpy as np
import pytest
from sklearn import metrics as sk

from tests.evaluation.builders import NAMES, make_clip, make_prediction, write_prediction_set
from tests.evaluation.score.scored import scored
from vlm_autodrive.artifacts import PROVENANCE
from vlm_autodrive.artifacts.files import TAXONOMY_FILE
from vlm_autodrive.errors import UserError
from vlm_autodrive.evaluation import (
    CompareSettings,
    EvaluationSamples,
    compare,
    read_comparison,
    read_evaluation_samples,
)
from vlm_autodrive.evaluation.score.probabilities import ANY_EVENT, calibration_scores, ranking_scores
from vlm_autodrive.evaluation.score.samples import clusters_of
from vlm_autodrive.metrics import at_temperature, fit_temperature
from vlm_autodrive.records import DEFAULT_TAXONOMY, Taxonomy

SETTINGS = CompareSettings(resamples=200)


def spoken(clip, probabilities, source="code_logprobs"):
    """A prediction by probabilities, in the order of the classes; None for a clip that failed."""
    if probabilities is None:
        return make_prediction(clip, None)
    named = dict(zip(NAMES, map(float, probabilities), strict=True))
    said = make_prediction(clip, max(named, key=named.__getitem__), probabilities=named)
    verdict = said.verdict.model_copy(update={"probability_source": source})
    return said.model_copy(update={"verdict": verdict})


def world(n=120, seed=0, sharpness=2.0, prefix="c"):
    """Clips, and an overconfident model's probabilities for them."""
    rng = np.random.default_rng(seed)
    true = rng.dirichlet([1, 1, 1], n)
    truths = (rng.random(n)[:, None] > np.cumsum(true, axis=1)).sum(axis=1)
    powers = true**sharpness
    clips = [make_clip(f"{prefix}{i}", NAMES[t]) for i, t in enumerate(truths)]
    return clips, powers / powers.sum(axis=1, keepdims=True), truths


def samples_of(clips, predictions, validation=()):
    return EvaluationSamples(
        DEFAULT_TAXONOMY, tuple(clips), 0, tuple(clusters_of(clips)), {"m": tuple(predictions)},
        validation={"m": tuple(validation)},
    )  # fmt: skip


def test_every_class_and_any_event_against_scikit_learn():
    clips, probabilities, truths = world()
    scores = scored(ranking_scores, samples_of(clips, map(spoken, clips, probabilities)))
    assert list(scores) == [*NAMES, ANY_EVENT]
    for k, name in enumerate(NAMES):
        theirs = sk.average_precision_score(truths == k, probabilities[:, k])
        assert scores[name].average_precision.value == pytest.approx(theirs, abs=1e-9)
        assert scores[name].positives == (truths == k).sum()
    event = probabilities[:, :2].sum(axis=1)
    assert scores[ANY_EVENT].auroc.value == pytest.approx(sk.roc_auc_score(truths != 2, event), abs=1e-9)


def test_a_failed_clip_takes_the_worst_place():
    clips, probabilities, truths = world()
    failed = np.arange(120) % 4 == 0
    rows = [None if lost else row for lost, row in zip(failed, probabilities, strict=True)]
    samples = samples_of(clips, map(spoken, clips, rows))
    scores = scored(ranking_scores, samples)
    positive = truths == 0
    placed = np.where(failed, np.where(positive, -1.0, 2.0), probabilities[:, 0])
    assert scores["collision"].average_precision.value == pytest.approx(
        sk.average_precision_score(positive, placed), abs=1e-9
    )
    assert scores["collision"].positives == positive.sum()
    whole = scored(ranking_scores, samples_of(clips, map(spoken, clips, probabilities)))
    kept = [(c, r) for c, r, lost in zip(clips, rows, failed, strict=True) if not lost]
    left_out = scored(ranking_scores, samples_of([c for c, _ in kept], [spoken(c, r) for c, r in kept]))
    for name in scores:
        assert scores[name].auroc.value < min(whole[name].auroc.value, left_out[name].auroc.value)


def test_calibration_leaves_failed_clips_out_and_abstention_does_not():
    clips, probabilities, truths = world()
    rows = [None if i < 20 else row for i, row in enumerate(probabilities)]
    scores = scored(calibration_scores, samples_of(clips, map(spoken, clips, rows)))
    assert (scores.n, scores.without, scores.source) == (100, 20, "code_logprobs")
    assert scores.uncalibrated.nll.value == pytest.approx(
        sk.log_loss(truths[20:], probabilities[20:], labels=[0, 1, 2]), abs=1e-9
    )
    assert (scores.temperature, scores.temperature_scaled, scores.validation_clips, scores.warning) == (
        None,
        None,
        0,
        "",
    )
    right = probabilities[20:].argmax(axis=1) == truths[20:]
    assert scores.risk_coverage.x[-1] == 1
    assert scores.risk_coverage.y[-1] == pytest.approx(1 - right.sum() / 120)
    assert scores.aurc.n == 120


def test_the_temperature_comes_from_validation_alone():
    clips, probabilities, truths = world(n=400)
    held_out, theirs, their_truths = world(n=400, seed=1, prefix="v")
    validation = [(c, spoken(c, row)) for c, row in zip(held_out, theirs, strict=True)]
    validation[0] = (held_out[0], spoken(held_out[0], None))
    scores = scored(calibration_scores, samples_of(clips, map(spoken, clips, probabilities), validation))
    assert scores.validation_clips == 399
    assert scores.temperature == pytest.approx(fit_temperature(theirs[1:], their_truths[1:]), abs=1e-9)
    assert scores.temperature == pytest.approx(2, rel=0.2)
    cooled = at_temperature(probabilities, scores.temperature)
    assert scores.temperature_scaled.nll.value == pytest.approx(sk.log_loss(truths, cooled, labels=[0, 1, 2]), abs=1e-9)
    assert scores.temperature_scaled.nll.value < scores.uncalibrated.nll.value
    assert scores.warning == ""
    few = scored(calibration_scores, samples_of(clips, map(spoken, clips, probabilities), validation[:31]))
    assert "only 30 validation clips" in few.warning
    silent = [(clip, spoken(clip, None)) for clip in held_out]
    none = scored(calibration_scores, samples_of(clips, map(spoken, clips, probabilities), silent))
    assert (none.temperature, none.temperature_scaled, none.validation_clips) == (None, None, 0)
    assert "No validation clip has probabilities" in none.warning


def test_a_model_without_probabilities_has_none_of_it():
    clips, _, _ = world(n=10)
    samples = samples_of(clips, [make_prediction(clip, "normal") for clip in clips])
    assert scored(ranking_scores, samples) == {}
    assert scored(calibration_scores, samples) is None


def test_a_class_that_does_not_occur_has_no_curve():
    clips = [make_clip("a", "collision"), make_clip("b", "normal")]
    scores = scored(ranking_scores, samples_of(clips, [spoken(c, (0.6, 0.3, 0.1)) for c in clips]))
    assert list(scores) == ["collision", "normal", ANY_EVENT]
    assert scores["collision"].auroc.value == 0.5


def test_kinds_of_probability_are_never_mixed():
    clips, probabilities, _ = world(n=10)
    said = [
        spoken(c, row, "votes" if i == 3 else "code_logprobs")
        for i, (c, row) in enumerate(zip(clips, probabilities, strict=True))
    ]
    for figures in (ranking_scores, calibration_scores):
        with pytest.raises(UserError, match=r"several kinds \(code_logprobs, votes\)"):
            scored(figures, samples_of(clips, said))
    same = [spoken(c, row) for c, row in zip(clips, probabilities, strict=True)]
    held_out = make_clip("v", "normal")
    with pytest.raises(UserError, match="several kinds"):
        scored(calibration_scores, samples_of(clips, same, [(held_out, spoken(held_out, (0, 0, 1), "votes"))]))


@pytest.mark.parametrize(
    "wrong", [(float("nan"), 0.5, 0.5), (-0.1, 0.6, 0.5), (0.9, 0.9, 0.0)], ids=["nan", "negative", "sum"]
)
def test_numbers_that_are_no_probabilities_are_refused(wrong):
    clip = make_clip("odd")
    with pytest.raises(UserError, match="m's prediction for odd"):
        scored(ranking_scores, samples_of([clip], [spoken(clip, wrong)]))
    with pytest.raises(UserError, match="leave out near_collision"):
        said = make_prediction(clip, "normal", probabilities={"collision": 0.5, "normal": 0.5})
        scored(ranking_scores, samples_of([clip], [said]))


def test_votes_that_name_no_class_are_shared_out():
    clips = [make_clip("a", "collision"), make_clip("b", "normal"), make_clip("c", "normal")]
    rows = [(0.6, 0.2, 0.0), (0.0, 0.0, 0.5), (0.0, 0.0, 0.0)]  # a fifth, half and all of the votes were unreadable
    scores = scored(
        calibration_scores, samples_of(clips, [spoken(c, r, "votes") for c, r in zip(clips, rows, strict=True)])
    )
    assert (scores.n, scores.without, scores.source) == (2, 1, "votes")
    assert scores.uncalibrated.bins[0].confidence == pytest.approx((0.75 + 1) / 2)


def test_all_of_it_stands_in_a_comparison_from_disk(tmp_path):
    clips, probabilities, truths = world(n=60)
    held_out, theirs, _ = world(n=60, seed=1, prefix="v")
    tested = write_prediction_set(tmp_path / "t", clips, list(map(spoken, clips, probabilities)))
    fitted = write_prediction_set(tmp_path / "v", held_out, list(map(spoken, held_out, theirs)))
    out = compare({"m": tested}, tmp_path / "out", SETTINGS, validation={"m": fitted})
    scores = read_comparison(out).models["m"]
    assert scores.ranking == scored(ranking_scores, read_evaluation_samples({"m": tested}))
    assert scores.calibration.temperature is not None
    assert scores.event.recall.value == pytest.approx(
        ((probabilities.argmax(axis=1) != 2) & (truths != 2)).sum() / (truths != 2).sum()
    )


@pytest.mark.parametrize("other", ["name", "weights", "classes"])
def test_a_temperature_is_not_fitted_on_another_models_answers(tmp_path, other):
    clips, probabilities, _ = world(n=30)
    held_out, theirs, _ = world(n=30, seed=1, prefix="v")
    said = list(map(spoken, held_out, theirs))
    if other == "name":
        said = [prediction.model_copy(update={"model": "another"}) for prediction in said]
    tested = write_prediction_set(tmp_path / "t", clips, list(map(spoken, clips, probabilities)))
    fitted = write_prediction_set(tmp_path / "v", held_out, said)
    if other == "weights":
        for folder, key in ((tested, "before"), (fitted, "after")):
            path = folder / PROVENANCE
            known = json.loads(path.read_text())
            path.write_text(json.dumps(known | {"facts": {"model_key": key}}))
    if other == "classes":
        last = DEFAULT_TAXONOMY.normal.model_copy(update={"definition": "something else"})
        classes = Taxonomy(classes=(*DEFAULT_TAXONOMY.classes[:-1], last))
        (fitted / TAXONOMY_FILE).write_text(classes.model_dump_json())
    message = "asked with other classes" if other == "classes" else "holds answers of another model than"
    with pytest.raises(UserError, match=message):
        compare({"m": tested}, tmp_path / "out", SETTINGS, validation={"m": fitted})
