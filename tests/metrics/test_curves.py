import numpy as np
import pytest
import torch
import torchmetrics.functional as torch_metrics
from hypothesis import given
from hypothesis import strategies as st
from sklearn import metrics as sk

from vlm_autodrive.metrics import Bootstrap, percentile_bounds, ranking
from vlm_autodrive.metrics.curves import thinned

CLOSE = 1e-9


def case(seed, n=300, decimals=None, share=0.2):
    rng = np.random.default_rng(seed)
    positive = rng.random(n) < share
    scores = rng.random(n) * 0.7 + 0.3 * positive
    return (scores if decimals is None else scores.round(decimals)), positive


@pytest.mark.parametrize("decimals", [None, 1, 0], ids=["distinct", "ties", "nearly all tied"])
@pytest.mark.parametrize("seed", range(3))
def test_against_scikit_learn(seed, decimals):
    scores, positive = case(seed, decimals=decimals)
    ours = ranking(scores, positive, Bootstrap(range(300), resamples=200))
    assert ours.average_precision.value == pytest.approx(sk.average_precision_score(positive, scores), abs=CLOSE)
    assert ours.auroc.value == pytest.approx(sk.roc_auc_score(positive, scores), abs=CLOSE)
    precision, recall, _ = sk.precision_recall_curve(positive, scores)
    assert ours.recall_at_precision.value == pytest.approx(
        recall[:-1][precision[:-1] >= 0.9].max(initial=0.0), abs=CLOSE
    )
    rate, found, _ = sk.roc_curve(positive, scores, drop_intermediate=False)
    assert ours.recall_at_false_positive_rate.value == pytest.approx(found[rate <= 0.05].max(), abs=CLOSE)
    assert ours.positives == positive.sum()


def test_against_torchmetrics():
    scores, positive = case(5, decimals=2)
    ours = ranking(scores, positive, Bootstrap(range(300), resamples=200))
    tensors = torch.tensor(scores), torch.tensor(positive.astype(int))
    theirs = float(torch_metrics.classification.binary_average_precision(*tensors))
    assert ours.average_precision.value == pytest.approx(theirs, abs=1e-6)  # it computes in single precision
    assert ours.auroc.value == pytest.approx(float(torch_metrics.classification.binary_auroc(*tensors)), abs=1e-6)


def test_by_hand():
    scores = np.array([0.9, 0.8, 0.8, 0.4, 0.1])
    positive = np.array([True, True, False, False, True])
    ours = ranking(scores, positive, Bootstrap(range(5), resamples=200))
    assert ours.average_precision.value == pytest.approx((1 + 2 / 3 + 3 / 5) / 3)
    assert ours.auroc.value == pytest.approx((2 + 1.5 + 0) / 6)
    assert ours.recall_at_precision.value == pytest.approx(1 / 3)
    assert ours.recall_at_false_positive_rate.value == pytest.approx(1 / 3)
    assert ours.precision_recall.x == pytest.approx((1 / 3, 2 / 3, 2 / 3, 1))
    assert ours.precision_recall.y == pytest.approx((1, 2 / 3, 1 / 2, 3 / 5))
    assert ours.precision_recall.thresholds == (0.9, 0.8, 0.4, 0.1)
    assert ours.roc.x == pytest.approx((0, 0, 1 / 2, 1, 1))
    assert ours.roc.y == pytest.approx((0, 1 / 3, 2 / 3, 2 / 3, 1))


@pytest.mark.parametrize("per_cluster", [1, 3])
def test_intervals_are_those_of_scikit_learn_on_the_same_draws(per_cluster):
    scores, positive = case(1, n=120, decimals=1, share=0.3)
    groups = np.arange(120) // per_cluster
    ours = ranking(scores, positive, Bootstrap(groups.tolist(), resamples=70, seed=5))
    weights = np.concatenate(list(Bootstrap(range(120 // per_cluster), 70, 5).draws()))[:, groups]
    held = len(set(groups[positive]))
    for figure, score, clusters in (
        (ours.average_precision, sk.average_precision_score, held),
        (ours.auroc, sk.roc_auc_score, min(held, len(set(groups[~positive])))),
    ):
        drawn = np.array([score(positive, scores, sample_weight=row) for row in weights])
        assert (figure.low, figure.high) == pytest.approx(percentile_bounds(drawn, clusters=clusters), abs=CLOSE)


def test_a_perfect_ranking_is_no_certainty():
    positive = np.arange(40) < 10
    ours = ranking(positive.astype(float), positive, Bootstrap(range(40), resamples=300))
    assert ours.average_precision.value == ours.auroc.value == 1
    assert ours.average_precision.low < 0.75
    assert "wilson" in ours.average_precision.method


def test_one_class_only_leaves_figures_undefined():
    scores = np.array([0.2, 0.7])
    nothing = ranking(scores, np.array([False, False]), Bootstrap(range(2), resamples=200))
    assert nothing.average_precision.value is None
    assert nothing.auroc.value is None
    everything = ranking(scores, np.array([True, True]), Bootstrap(range(2), resamples=200))
    assert everything.average_precision.value == 1
    assert everything.auroc.value is None
    assert everything.recall_at_false_positive_rate.value is None
    alone = ranking(np.array([0.3]), np.array([True]), Bootstrap([7], resamples=200))
    assert alone.average_precision.value == 1


@pytest.mark.parametrize("scores", [[], [np.nan, 0.1], [np.inf, 0.1]])
def test_what_is_no_number_is_refused(scores):
    with pytest.raises(ValueError, match="finite number"):
        ranking(np.array(scores), np.zeros(len(scores), dtype=bool), range(len(scores)))


@given(
    st.lists(
        st.tuples(st.sampled_from([0.0, 0.1, 0.5, 0.5000001, 1.0, -1.0, 2.0]), st.booleans(), st.integers(0, 3)),
        min_size=1,
        max_size=12,
    )
)
def test_wild_rankings(rows):
    scores, positive = np.array([r[0] for r in rows]), np.array([r[1] for r in rows])
    ours = ranking(scores, positive, Bootstrap([r[2] for r in rows], resamples=200))
    if positive.any():
        assert ours.average_precision.value == pytest.approx(sk.average_precision_score(positive, scores), abs=CLOSE)
    if positive.any() and not positive.all():
        assert ours.auroc.value == pytest.approx(sk.roc_auc_score(positive, scores), abs=CLOSE)
    for figure in (ours.average_precision, ours.auroc, ours.recall_at_precision, ours.recall_at_false_positive_rate):
        if figure.low is not None:
            assert 0 <= figure.low <= figure.high <= 1


def test_curves_are_thinned_for_drawing_without_losing_their_ends():
    scores, positive = case(2, n=5000)
    ours = ranking(scores, positive, Bootstrap(range(5000), resamples=200))
    for curve in (ours.precision_recall, ours.roc):
        assert 100 < len(curve.x) == len(curve.y) == len(curve.thresholds) <= 201
    assert (ours.roc.x[0], ours.roc.y[0], ours.roc.x[-1], ours.roc.y[-1]) == (0, 0, 1, 1)
    assert ours.precision_recall.x[-1] == 1
    assert thinned(np.arange(3.0), np.zeros(3)).tolist() == [0, 1, 2]
    area = np.trapezoid(ours.roc.y, ours.roc.x)
    assert area == pytest.approx(ours.auroc.value, abs=0.005)
