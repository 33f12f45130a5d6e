"""Average precision ahead of the event is scikit-learn's; the challenge's figure is its mean over the times ahead."""

import csv
import math

import numpy as np
import pytest
from sklearn.metrics import average_precision_score
from statsmodels.stats.proportion import proportion_confint

from vlm_autodrive.metrics import Bootstrap, anticipation, percentile_bounds

LEADS_S = (0.5, 1.0, 1.5)


def directly(scores, positives, groups):
    """The metric written out: scikit-learn for each group, then the mean."""
    scores, positives, groups = np.array(scores), np.array(positives), np.array(groups)
    return np.mean([average_precision_score(positives[groups == g], scores[groups == g]) for g in np.unique(groups)])


@pytest.mark.fixtures
def test_the_challenge_on_its_real_table(fixtures_dir):
    """Each row is asked about at every time ahead at which its warning has been given; scores are drawn."""
    rng = np.random.default_rng(0)
    scores, positives, groups, clusters = [], [], [], []
    with (fixtures_dir / "annotations" / "nexar-kaggle" / "train.csv").open() as stream:
        for number, row in enumerate(csv.DictReader(stream)):
            positive = row["target"] == "1"
            warned_s = float(row["time_of_event"]) - float(row["time_of_alert"]) if positive else 2.0
            skill = rng.normal(0.8 if positive else 0.0)
            for lead_s in LEADS_S:
                if warned_s >= lead_s and (positive or rng.random() < 0.7):
                    scores.append(round(1 / (1 + math.exp(lead_s * 0.3 - skill - rng.normal())), 2))  # with many ties
                    positives.append(positive)
                    groups.append(lead_s)
                    clusters.append(number)
    assert [sum(p for p, g in zip(positives, groups, strict=True) if g == lead) for lead in LEADS_S] == [703, 561, 353]
    expected = directly(scores, positives, groups)
    figures = anticipation(scores, positives, groups, Bootstrap(clusters, 300))
    assert figures.mean_average_precision.value == pytest.approx(expected, abs=1e-9)
    assert figures.mean_average_precision.n == len(scores)
    assert 0.5 < figures.mean_average_precision.low < expected < figures.mean_average_precision.high < 0.9
    for lead_s in LEADS_S:
        mine = [i for i, group in enumerate(groups) if group == lead_s]
        one = average_precision_score([positives[i] for i in mine], [scores[i] for i in mine])
        assert figures.average_precision[f"{lead_s:g}"].value == pytest.approx(one, abs=1e-9)
        assert figures.clips[f"{lead_s:g}"][0] == sum(positives[i] for i in mine)
        assert sum(figures.clips[f"{lead_s:g}"]) == len(mine)
        assert figures.chance[f"{lead_s:g}"] == pytest.approx(np.mean([positives[i] for i in mine]))


def test_the_challenge_by_hand():
    scores, positives = [0.9, 0.8, 0.7, 0.3, 0.2], [True, False, True, True, False]
    first, second = (1 + 2 / 3) / 2, 1.0  # precision at each event found: 1/1 and 2/3; then 1/1
    figures = anticipation(scores, positives, [0.5] * 3 + [1.0] * 2, Bootstrap(range(5)))
    assert figures.average_precision["0.5"].value == pytest.approx(first)
    assert figures.average_precision["1"].value == second
    assert figures.mean_average_precision.value == pytest.approx((first + second) / 2)


def test_the_interval_is_that_of_a_bootstrap_done_by_hand():
    rng = np.random.default_rng(5)
    clusters = np.repeat(np.arange(40), 3)
    positives = np.repeat(rng.random(40) < 0.5, 3)
    scores, leads = positives * 0.4 + rng.random(120), np.tile(LEADS_S, 40)
    figure = anticipation(scores, positives, leads, Bootstrap(clusters, 400, 3)).mean_average_precision
    (draws,) = Bootstrap(range(40), 400, 3).draws()
    by_hand = []
    for draw in draws.astype(int):
        rows = np.repeat(np.arange(120), draw[clusters])
        by_hand.append(directly(scores[rows], positives[rows], leads[rows]))
    with_event = int(positives[::3].sum())
    by_hand = percentile_bounds(np.array(by_hand), clusters=with_event)
    assert (figure.low, figure.high) == pytest.approx(by_hand, abs=1e-12)


def test_a_perfect_ranking_does_not_claim_certainty():
    scores, positives = [0.9, 0.8, 0.2, 0.1], [True, True, False, False]
    figure = anticipation(scores, positives, [0.5] * 4, Bootstrap(range(4))).mean_average_precision
    assert (figure.value, figure.high, figure.method) == (1.0, 1.0, "wilson over clusters, as all agree")
    assert figure.low == pytest.approx(proportion_confint(2, 2, method="wilson")[0])  # two videos hold an event


def test_an_event_of_a_single_video_has_no_interval():
    scores, positives = [0.9, 0.1, 0.5, 0.4], [False, True, False, True]
    figure = anticipation(scores, positives, [0.5] * 4, Bootstrap([0, 1, 2, 1])).average_precision["0.5"]
    assert figure.value == pytest.approx((1 / 3 + 2 / 4) / 2)
    assert (figure.low, figure.high, figure.method) == (None, None, "no interval from a single cluster")


def test_a_time_ahead_without_events_has_no_figure():
    figures = anticipation([0.9, 0.1, 0.5], [True, False, False], [0.5, 0.5, 1.0], Bootstrap(range(3)), left_out=2)
    assert figures.average_precision["0.5"].value == 1.0
    assert figures.average_precision["1"].value is figures.mean_average_precision.value is None
    assert (figures.clips["1"], figures.chance["1"], figures.left_out) == ((0, 1), 0.0, 2)
