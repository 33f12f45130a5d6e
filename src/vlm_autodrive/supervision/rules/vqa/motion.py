"""Perception questions at stated seconds: distances, speeds, and how they change."""

import random

from vlm_autodrive.supervision.facts import Facts, Moment
from vlm_autodrive.supervision.rules.vqa.scene import Question, Times, yes_no
from vlm_autodrive.supervision.rules.wording import closing, distance, seconds, speed, whole

NO_ONE = "none to watch"
_CLEAR_CHANGE_MPS = 1.0
_CLEAR_CHANGE_M = 1.0
_BRAKING_MPS2 = 6.0  # as the prompts say
_CLEAR_SHARE = 0.15
_THRESHOLDS_M = (1, 2, 3, 5, 8, 12, 20, 30)


def _at(facts: Facts, rng: random.Random, times: Times) -> Moment | None:
    return facts.moment(rng.choice(times)) if times and facts.states else None


def _clearly_at(facts: Facts, rng: random.Random, times: Times) -> Moment | None:
    """Likewise, if the gap to the other road user is known well enough there."""
    moment = _at(facts, rng, times)
    return moment if moment is not None and moment.even else None


def _span(facts: Facts, rng: random.Random, times: Times) -> tuple[Moment, Moment] | None:
    if len(times) < 2 or not facts.states:
        return None
    first, second = sorted(rng.sample(times, 2))
    a, b = facts.moment(first), facts.moment(second)
    return None if a is None or b is None else (a, b)


def ego_speed(facts: Facts, rng: random.Random, times: Times) -> Question | None:
    """How fast the ego vehicle is."""
    moment = _at(facts, rng, times)
    if moment is None:
        return None
    return Question(speed(moment.ego_speed_mps), {"t": seconds(moment.time_s)})


def ego_trend(facts: Facts, rng: random.Random, times: Times) -> Question | None:
    """Whether the ego vehicle gets faster or slower between two seconds."""
    span = _span(facts, rng, times)
    if span is None:
        return None
    a, b = span
    change = b.ego_speed_mps - a.ego_speed_mps
    values = {"a": seconds(a.time_s), "b": seconds(b.time_s)}
    if abs(change) >= _CLEAR_CHANGE_MPS:
        return Question("faster" if change > 0 else "slower", values)
    return Question("neither", values) if abs(change) < _CLEAR_CHANGE_MPS / 2 else None


def gap(facts: Facts, rng: random.Random, times: Times) -> Question | None:
    """How far the other road user is."""
    moment = _clearly_at(facts, rng, times)
    if moment is None:
        return None
    target = NO_ONE if moment.gap_m is None else distance(moment.gap_m)
    return Question(target, {"t": seconds(moment.time_s)})


def gap_check(facts: Facts, rng: random.Random, times: Times) -> Question | None:
    """Whether it is nearer than a threshold, true or false by a toss."""
    moment = _clearly_at(facts, rng, times)
    if moment is None or moment.gap_m is None:
        return None
    truth = rng.random() < 0.5
    true_gap = moment.gap_m
    # The nearest thresholds on the wanted side, well clear of the truth.
    fitting = [m for m in _THRESHOLDS_M if (m > 1.15 * true_gap if truth else m < 0.85 * true_gap)]
    fitting = fitting[:3] if truth else fitting[-3:]
    if not fitting:
        return None
    return Question(yes_no(truth), {"value": f"{rng.choice(fitting)} m", "t": seconds(moment.time_s)})


def closing_speed(facts: Facts, rng: random.Random, times: Times) -> Question | None:
    """How fast the gap changes."""
    moment = _clearly_at(facts, rng, times)
    if moment is None:
        return None
    target = NO_ONE if moment.closing_mps is None else closing(moment.closing_mps)
    return Question(target, {"t": seconds(moment.time_s)})


def gap_trend(facts: Facts, rng: random.Random, times: Times) -> Question | None:
    """Whether the gap shrinks, or grows, between two seconds: the right word or the wrong one by a toss."""
    span = _span(facts, rng, times)
    if span is None or span[0].gap_m is None or span[1].gap_m is None:
        return None
    a, b = span
    change = (b.gap_m or 0.0) - (a.gap_m or 0.0)
    if abs(change) < _CLEAR_CHANGE_M:
        return None
    truth = rng.random() < 0.5
    claim = "shrink" if (change < 0) == truth else "grow"
    return Question(yes_no(truth), {"value": claim, "a": seconds(a.time_s), "b": seconds(b.time_s)})


def time_to_contact(facts: Facts, rng: random.Random, times: Times) -> Question | None:
    """Counterfactual: when the gap would be gone if it kept changing as it does."""
    moment = _clearly_at(facts, rng, times)
    if moment is None or moment.gap_m is None or moment.closing_mps is None or moment.gap_m <= 0:
        return None
    values = {"t": seconds(moment.time_s)}
    if moment.closing_mps < 0.5:
        return Question("never", values)
    left = moment.gap_m / moment.closing_mps
    return Question(
        "after under 1 s" if left < 1 else f"after {whole(left)} s" if left < 10 else "after over 10 s", values
    )


def stop_distance(facts: Facts, rng: random.Random, times: Times) -> Question | None:
    """Counterfactual: how far the ego vehicle would roll on under a braking that the question names."""
    moment = _at(facts, rng, times)
    if moment is None:
        return None
    return Question(distance(_rolls(moment)), {"t": seconds(moment.time_s)})


def stop_check(facts: Facts, rng: random.Random, times: Times) -> Question | None:
    """Counterfactual: whether that is less than the gap to the other road user; asked for or against by a toss."""
    moment = _clearly_at(facts, rng, times)
    if moment is None or moment.gap_m is None:
        return None
    rolls = _rolls(moment)
    if abs(rolls - moment.gap_m) < max(_CLEAR_SHARE * moment.gap_m, _CLEAR_CHANGE_M):
        return None
    claim = rng.choice(("less", "more"))
    return Question(yes_no((rolls < moment.gap_m) == (claim == "less")), {"value": claim, "t": seconds(moment.time_s)})


def _rolls(moment: Moment) -> float:
    return moment.ego_speed_mps**2 / (2 * _BRAKING_MPS2)


def lead_gap(facts: Facts, rng: random.Random, times: Times) -> Question | None:
    """How far ahead the nearest vehicle in the ego lane is."""
    moment = _at(facts, rng, times)
    if moment is None:
        return None
    target = "none is ahead" if moment.lead_gap_m is None else distance(moment.lead_gap_m)
    return Question(target, {"t": seconds(moment.time_s)})
