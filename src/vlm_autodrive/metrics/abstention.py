"""What abstaining brings: the proportion of wrong answers among the clips that a model is most certain of.

Source: Geifman and El-Yaniv (2017), NeurIPS 4878-4887, for risk and coverage; Geifman, Uziel and El-Yaniv (2019),
ICLR, for the area under the curve, the mean of the risks at coverages 1/n, 2/n, ... 1.
"""

import numpy as np
from numpy.typing import NDArray
from scipy import sparse

from vlm_autodrive.metrics.bootstrap import Bootstrap, bootstrap_estimate
from vlm_autodrive.metrics.curves import Curve, thinned, weighted
from vlm_autodrive.metrics.intervals import Estimate

Floats = NDArray[np.float64]


def risk_coverage(confidence: Floats, right: NDArray[np.bool_], bootstrap: Bootstrap) -> tuple[Curve, Estimate]:
    """The curve and the area under it; clips of equal confidence come in random order, and the mean over all is taken.

    Args:
        confidence: Of each clip; clips are answered from the highest down.
        right: Whether each answer is right.
        bootstrap: Over these clips.

    Raises:
        ValueError: If there are no clips, or a confidence is not a number.
    """
    if len(confidence) == 0 or not np.isfinite(confidence).all():
        raise ValueError("risk and coverage need at least one clip, and every confidence must be a finite number")
    groups = bootstrap.clusters
    levels = np.unique(confidence)[::-1]
    place = np.searchsorted(-levels, -confidence)
    answered = np.bincount(place, minlength=len(levels))
    wrong = np.bincount(place[~right], minlength=len(levels))
    run = _runs(answered, wrong)[place]
    count, width = int(run.max()) + 1, bootstrap.count
    rows, columns = np.concatenate([run, count + run[~right]]), np.concatenate([groups, groups[~right]])
    steps = sparse.csr_array((np.ones(len(rows)), (rows, columns)), shape=(2 * count, width))
    whole, drawn = weighted(steps, _area, bootstrap)
    coverage, risk = np.cumsum(answered) / len(confidence), np.cumsum(wrong) / np.cumsum(answered)
    chosen = thinned(coverage, risk)
    curve = Curve(
        x=tuple(coverage[chosen].tolist()), y=tuple(risk[chosen].tolist()), thresholds=tuple(levels[chosen].tolist())
    )
    return curve, bootstrap_estimate(float(whole[0]), drawn, width, len(confidence))


def _runs(answered: NDArray[np.intp], wrong: NDArray[np.intp]) -> NDArray[np.intp]:
    """Number the runs of levels that are all right or all wrong; a mixed level stands alone.

    Within a run the risk goes its way whatever the order, so a run can be counted as one level.
    """
    kind = np.where(wrong == 0, 0, np.where(wrong == answered, 1, 2))
    starts = (kind[1:] != kind[:-1]) | (kind[1:] == 2)
    return np.concatenate([[0], np.cumsum(starts)])


def _area(steps: Floats) -> Floats:
    """Mean risk over all coverages, for each resample.

    After N clips with E wrong ones, a level of m clips of which the proportion r is wrong has, at its j-th clip, a mean
    risk of (E + j r) / (N + j); the sum over j is r m + (E - r N) (H(N + m) - H(N)), H being the harmonic numbers.

    Args:
        steps: Clips of each run, and below them wrong ones, shape [2 x runs, resamples].
    """
    count = len(steps) // 2
    clips, wrong = steps[:count], steps[count:]
    after, wrong_after = np.cumsum(clips, axis=0), np.cumsum(wrong, axis=0)
    before, wrong_before = after - clips, wrong_after - wrong
    harmonic = np.concatenate([[0.0], np.cumsum(1 / np.arange(1, after[-1].max() + 1))])
    rise = harmonic[after.astype(np.intp)] - harmonic[before.astype(np.intp)]
    rate = np.divide(wrong, clips, out=np.zeros_like(wrong), where=clips > 0)
    area = (wrong + (wrong_before - rate * before) * rise).sum(axis=0)
    return np.asarray(area / after[-1], dtype=np.float64)
