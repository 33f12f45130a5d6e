import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from scipy.optimize import minimize_scalar
from sklearn import metrics as sk
from statsmodels.stats.proportion import proportion_confint
from torchmetrics.functional.classification import multiclass_calibration_error

from vlm_autodrive.metrics import Bootstrap, at_temperature, calibration_estimates, fit_temperature, temperature_warning
from vlm_autodrive.metrics.calibration import FLOOR, bins_for, calibration_error, equal_mass_bins

# ECE(bins, equal_intervals=False).measure(...) of netcal 1.4.0 on case(0, n), by n and bins. It is not installed with
# the other oracles: it asks for pyro, gpytorch, tensorboard and matplotlib.
NETCAL = {
    (100, 5): 0.09464388231377048,
    (137, 10): 0.15436121727315863,
    (400, 10): 0.20252470349380916,
    (1000, 15): 0.14314739025702555,
}


def case(seed, n=400, sharpness=2.0):
    """Truths drawn from probabilities, and the probabilities as an overconfident model would give them."""
    rng = np.random.default_rng(seed)
    true = rng.dirichlet([1, 1, 3], n)
    truths = (rng.random(n)[:, None] > np.cumsum(true, axis=1)).sum(axis=1)
    powers = true**sharpness
    return powers / powers.sum(axis=1, keepdims=True), truths


@pytest.mark.parametrize(("n", "bins"), NETCAL)
def test_equal_mass_error_against_netcal(n, bins):
    probabilities, truths = case(0, n)
    confidence, right = probabilities.max(axis=1), probabilities.argmax(axis=1) == truths
    ours = calibration_error(confidence, right, equal_mass_bins(confidence, bins))
    assert ours == pytest.approx(NETCAL[n, bins], abs=1e-9)


def test_error_over_bins_of_equal_width_against_torchmetrics():
    probabilities, truths = case(1)
    confidence, right = probabilities.max(axis=1), probabilities.argmax(axis=1) == truths
    place = np.digitize(confidence, np.linspace(0, 1, 11)[1:-1])
    theirs = multiclass_calibration_error(torch.tensor(probabilities), torch.tensor(truths), 3, n_bins=10)
    assert calibration_error(confidence, right, place) == pytest.approx(float(theirs), abs=1e-6)  # single precision


@pytest.mark.parametrize("seed", range(3))
def test_brier_and_log_loss_against_scikit_learn(seed):
    probabilities, truths = case(seed)
    figures = calibration_estimates(probabilities, truths, Bootstrap(range(400), resamples=200))
    brier = sk.brier_score_loss(truths, probabilities, labels=[0, 1, 2], scale_by_half=False)
    assert figures.brier.value == pytest.approx(brier, abs=1e-9)
    assert figures.nll.value == pytest.approx(sk.log_loss(truths, probabilities, labels=[0, 1, 2]), abs=1e-9)
    for figure in (figures.ece, figures.brier, figures.nll):
        assert figure.low < figure.value < figure.high


def test_reliability_bins_by_hand():
    probabilities = np.array([[0.6, 0.4]] * 20 + [[0.9, 0.1]] * 20)
    truths = np.array([0] * 10 + [1] * 10 + [0] * 19 + [1])
    figures = calibration_estimates(probabilities, truths, Bootstrap(range(40), resamples=200))
    assert [(b.n, b.accuracy.value) for b in figures.bins] == [(20, 0.5), (20, 0.95)]
    assert [b.confidence for b in figures.bins] == pytest.approx([0.6, 0.9])
    assert figures.ece.value == pytest.approx((0.1 + 0.05) / 2)
    low, high = proportion_confint(19, 20, method="wilson")
    assert (figures.bins[1].accuracy.low, figures.bins[1].accuracy.high) == (pytest.approx(low), pytest.approx(high))


def test_equal_confidences_share_a_bin():
    confidence = np.array([0.5] * 90 + [0.7, 0.8, 0.9] * 10)
    place = equal_mass_bins(confidence, 10)
    assert len(set(place[:90])) == 1
    assert [bins_for(n) for n in (1, 39, 40, 199, 200, 5000)] == [1, 1, 2, 9, 10, 10]


def test_a_certain_error_costs_the_floor():
    figures = calibration_estimates(np.array([[1.0, 0.0]]), np.array([1]), Bootstrap([0], resamples=200))
    assert figures.nll.value == pytest.approx(-np.log(FLOOR))
    assert figures.brier.value == 2
    assert figures.nll.low is None


def test_a_calibrated_model_is_not_charged_with_chance():
    """Its error is never estimated as 0, but the interval reaches there."""
    reached = 0
    for seed in range(100):
        probabilities, truths = case(seed, n=150, sharpness=1.0)
        ece = calibration_estimates(probabilities, truths, Bootstrap(range(150), resamples=300)).ece
        assert ece.value > 0
        reached += ece.low == 0
    assert reached >= 90
    probabilities, truths = case(0, n=400, sharpness=4.0)
    assert calibration_estimates(probabilities, truths, Bootstrap(range(400), resamples=300)).ece.low > 0.05


@pytest.mark.parametrize("sharpness", [0.5, 1.0, 3.0])
def test_the_temperature_makes_the_log_loss_least(sharpness):
    probabilities, truths = case(3, n=4000, sharpness=sharpness)
    found = fit_temperature(probabilities, truths)

    def loss(temperature):
        return sk.log_loss(truths, at_temperature(probabilities, temperature), labels=[0, 1, 2])

    theirs = minimize_scalar(loss, bracket=(0.5, 2.0), method="brent", options={"xtol": 1e-10})
    assert found == pytest.approx(theirs.x, abs=1e-4)
    assert loss(found) == pytest.approx(theirs.fun, abs=1e-9)
    assert found == pytest.approx(sharpness, rel=0.1)  # the sharpness that was put in is taken out
    assert temperature_warning(found, truths) == ""


def test_a_temperature_that_nothing_fixes_is_told():
    always_right = np.array([[0.6, 0.4]] * 60)
    found = fit_temperature(always_right, np.zeros(60, dtype=int))
    assert "end of the range" in temperature_warning(found, np.zeros(60, dtype=int))
    assert "only 12 validation clips" in temperature_warning(1.3, np.arange(12) % 2)
    assert "60 validation clips are all of one class" in temperature_warning(1.3, np.ones(60, dtype=int))
    assert "No validation clip has probabilities" in temperature_warning(None, np.zeros(0, dtype=int))


def test_no_error_at_all_is_no_certainty():
    always_right = np.array([[1.0, 0.0]] * 60)
    ece = calibration_estimates(always_right, np.zeros(60, dtype=int), Bootstrap(range(60))).ece
    assert (ece.value, ece.low, ece.high) == (0.0, None, None)


def test_scaling_keeps_order_and_sum():
    probabilities = case(0)[0]
    for temperature in (0.05, 1.0, 20.0):
        scaled = at_temperature(probabilities, temperature)
        assert scaled.sum(axis=1) == pytest.approx(np.ones(400))
        assert (scaled.argmax(axis=1) == probabilities.argmax(axis=1)).all()
    assert at_temperature(probabilities, 1.0) == pytest.approx(probabilities)


@given(
    st.lists(
        st.tuples(st.sampled_from([(1.0, 0.0), (0.5, 0.5), (0.2, 0.8)]), st.integers(0, 1), st.integers(0, 2)),
        min_size=1,
        max_size=45,
    )
)
def test_wild_probabilities(rows):
    probabilities, truths = np.array([r[0] for r in rows]), np.array([r[1] for r in rows])
    figures = calibration_estimates(probabilities, truths, Bootstrap([r[2] for r in rows], resamples=200))
    assert sum(b.n for b in figures.bins) == len(rows)
    assert 0 <= figures.ece.value <= 1
    for figure in (figures.ece, figures.brier, figures.nll):
        assert figure.low is None or figure.low <= figure.value + 1e-9 <= figure.high + 2e-9


def test_clips_of_one_drive_make_the_bins_less_sure():
    """Four copies of every clip are no more evidence than one: the reliability plot must not say so."""
    probabilities, truths = case(2, 200)
    once = calibration_estimates(probabilities, truths, Bootstrap(range(200))).bins
    copies = np.repeat(np.arange(200), 4)
    fourfold = calibration_estimates(probabilities[copies], truths[copies], Bootstrap(copies.tolist())).bins
    assert {one.accuracy.method for one in once} == {"wilson"}
    width, of_copies = (np.mean([one.accuracy.high - one.accuracy.low for one in bins]) for bins in (once, fourfold))
    assert of_copies == pytest.approx(width, rel=0.2)
