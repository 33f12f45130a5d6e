"""Average precision ahead of the event is scikit-learn's; the challenge's figure is its mean over the times ahead."""

import csv
import math

import numpy as np
import pytest
from sklearn.metrics import average_precision_score
from statsmodels.stats.proportion import proportion_confint

from vlm_autodrive.metrics import Bootstrap, ScoredWindow, anticipation, percentile_bounds, time_to_alert

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


def windows(chances, stride_s=1.0, length_s=4.0):
    """Windows that end at 4, 5, 6 ... s."""
    return [
        ScoredWindow(n * stride_s, n * stride_s + length_s, chance) for n, chance in enumerate(chances) if chance >= 0
    ]


def test_the_first_alarm_within_the_horizon_counts():
    # windows end at     4    5    6    7    8    9   10   11
    scored = {"a": windows([0.9, 0.1, 0.1, 0.6, 0.2, 0.8, 0.9, 0.9])}
    found = time_to_alert(scored, {"a": [10.5]}, 0.5)
    assert (found.events, found.warned.value, found.median_s.value) == (
        1,
        1.0,
        3.5,
    )  # at 7 s; the one at 4 s is too old
    assert (found.threshold, found.horizon_s) == (0.5, 5.0)
    assert time_to_alert(scored, {"a": [10.5]}, 0.7).median_s.value == 1.5
    assert time_to_alert(scored, {"a": [10.5]}, 0.7, 7.0).median_s.value == 6.5
    assert time_to_alert(scored, {"a": [10.5]}, 0.95).warned.value == 0.0
    assert time_to_alert(scored, {"a": [10.5]}, 0.95).median_s.value is None


def test_a_window_that_ends_at_the_event_or_later_warns_of_nothing():
    scored = {"a": windows([0.0, 0.0, 0.9, 0.9])}  # ends at 4, 5, 6, 7
    assert time_to_alert(scored, {"a": [6.0]}, 0.5).warned.value == 0.0
    assert time_to_alert(scored, {"a": [6.1]}, 0.5).median_s.value == pytest.approx(0.1)


def test_the_horizon_includes_its_end():
    assert time_to_alert({"a": windows([0.9])}, {"a": [9.0]}, 0.9).median_s.value == 5.0
    assert time_to_alert({"a": windows([0.9])}, {"a": [9.1]}, 0.9).warned.value == 0.0


def test_a_window_that_still_shows_an_event_does_not_warn_of_the_next():
    scored = {"a": windows([0.9] * 4 + [0.1] * 3)}  # all of the alarms show what happens at 3.5 s
    found = time_to_alert(scored, {"a": [9.0, 3.5]}, 0.5)
    assert (found.events, found.warned.value) == (2, 0.0)
    assert time_to_alert(scored, {"a": [9.0]}, 0.5).median_s.value == 5.0


def test_median_and_share_over_several_drives():
    scored = {"a": windows([0.9, 0.9]), "b": windows([0.1, 0.9]), "c": windows([0.1, 0.1]), "quiet": windows([0.2])}
    found = time_to_alert(scored, {"a": [6.0], "b": [6.0], "c": [6.0]}, 0.5)
    assert (found.events, found.warned.value, found.warned.method) == (3, pytest.approx(2 / 3), "wilson")
    assert (found.median_s.value, found.median_s.n) == (1.5, 2)  # of 2 s and 1 s
    assert (found.median_s.low, found.median_s.high) == (1.0, 2.0)
    three = time_to_alert(scored | {"d": windows([0.1, 0.8])}, {name: [6.0] for name in "abd"}, 0.5)
    assert (three.median_s.value, three.median_s.n) == (1.0, 3)


def test_events_of_one_drive_are_a_cluster():
    scored = {name: windows([0.9 if name in "aceg" else 0.1] * 60) for name in "abcdefgh"}
    found = time_to_alert(scored, {name: [10.0, 25.0, 40.0] for name in scored}, 0.5)
    assert (found.events, found.warned.value, found.warned.method) == (24, 0.5, "cluster bootstrap")


def test_no_events_and_no_windows():
    assert time_to_alert({"a": windows([0.9])}, {}, 0.5) is None
    found = time_to_alert({"a": []}, {"a": [3.0]}, 0.5)
    assert (found.events, found.warned.value, found.mean_s, found.mean_of_always_alarming_s) == (1, 0.0, None, None)


def test_the_mean_over_thresholds_by_hand():
    # ends at 4, 5, 6 s; the event is at 7 s: at 0.2 the alarm is 3 s ahead, at 0.5 it is 2 s, at 0.8 it is 1 s
    found = time_to_alert({"a": windows([0.2, 0.5, 0.8])}, {"a": [7.0]}, 0.5)
    assert found.mean_s == pytest.approx((3 + 2 + 1) / 3)
    assert found.mean_of_always_alarming_s == 3.0


def test_who_always_alarms_wins_the_mean_over_thresholds():
    """A detector that alarms exactly 0.5 s before every event, and never else, loses to one that never stops."""
    true = {name: [20.5, 40.5] for name in "abcd"}
    perfect = {name: windows([1.0 if end in (20, 40) else 0.0 for end in range(4, 60)]) for name in true}
    always = {name: windows([0.7] * 56) for name in true}
    sharp, dull = time_to_alert(perfect, true, 0.5), time_to_alert(always, true, 0.5)
    assert (sharp.warned.value, sharp.median_s.value) == (1.0, 0.5)
    assert dull.mean_s == 4.5 > sharp.mean_s
    assert sharp.mean_of_always_alarming_s == dull.mean_of_always_alarming_s == dull.mean_s
    only_its_alarms = {name: [w for w in scored if w.probability == 1.0] for name, scored in perfect.items()}
    assert time_to_alert(only_its_alarms, true, 0.5).mean_s == 0.5
