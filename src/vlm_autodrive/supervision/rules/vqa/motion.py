"""Questions on the motion: distances, speeds, how they change, and what would have been."""

import random
from collections.abc import Sequence
from itertools import pairwise

from vlm_autodrive.supervision.facts import EncounterFacts, Facts, Moment
from vlm_autodrive.supervision.rules.vqa.drafts import VqaDraft, yes_no
from vlm_autodrive.supervision.rules.wording import closing, distance, seconds, speed, whole

NO_ONE = "none to watch"
_CLEAR_CHANGE_MPS = 1.0
_CLEAR_CHANGE_M = 1.0
_BRAKING_MPS2 = 6.0  # as the prompts say
_CLEAR_SHARE = 0.15
_THRESHOLDS_M = (1, 2, 3, 5, 8, 12, 20, 30)
_NO_BRAKING_MPS2 = 0.3
_REACHED_M, _NOT_REACHED_M = 0.5, -1.0  # well clear of the edge, for the motion is known every 0.2 s only


def moment_at(facts: Facts, rng: random.Random, times: Sequence[float]) -> Moment | None:
    """The motion at one of the stated times; None if it is not known there."""
    return facts.moment(rng.choice(times)) if times and facts.states else None


def even_moment_at(facts: Facts, rng: random.Random, times: Sequence[float]) -> Moment | None:
    """Likewise, if the gap to the other road user is known well enough there."""
    moment = moment_at(facts, rng, times)
    return moment if moment is not None and moment.even else None


def _span(facts: Facts, rng: random.Random, times: Sequence[float]) -> tuple[Moment, Moment] | None:
    if len(times) < 2 or not facts.states:
        return None
    first, second = sorted(rng.sample(times, 2))
    a, b = facts.moment(first), facts.moment(second)
    return None if a is None or b is None else (a, b)


def ego_speed(moment: Moment) -> VqaDraft | None:
    """How fast the ego vehicle is."""
    return VqaDraft(speed(moment.ego_speed_mps), {"t": seconds(moment.time_s)})


def ego_trend(facts: Facts, rng: random.Random, times: Sequence[float]) -> VqaDraft | None:
    """Whether the ego vehicle gets faster or slower between two seconds."""
    span = _span(facts, rng, times)
    if span is None:
        return None
    a, b = span
    change = b.ego_speed_mps - a.ego_speed_mps
    values = {"a": seconds(a.time_s), "b": seconds(b.time_s)}
    if abs(change) >= _CLEAR_CHANGE_MPS:
        return VqaDraft("faster" if change > 0 else "slower", values)
    return VqaDraft("neither", values) if abs(change) < _CLEAR_CHANGE_MPS / 2 else None


def gap(moment: Moment) -> VqaDraft | None:
    """How far the other road user is."""
    target = NO_ONE if moment.gap_m is None else distance(moment.gap_m)
    return VqaDraft(target, {"t": seconds(moment.time_s)})


def gap_check(facts: Facts, rng: random.Random, times: Sequence[float]) -> VqaDraft | None:
    """Whether it is nearer than a threshold, true or false by a toss."""
    moment = even_moment_at(facts, rng, times)
    if moment is None or moment.gap_m is None:
        return None
    truth = rng.random() < 0.5
    true_gap = moment.gap_m
    # The nearest thresholds on the wanted side, well clear of the truth.
    fitting = [m for m in _THRESHOLDS_M if (m > 1.15 * true_gap if truth else m < 0.85 * true_gap)]
    fitting = fitting[:3] if truth else fitting[-3:]
    if not fitting:
        return None
    return VqaDraft(yes_no(truth), {"value": f"{rng.choice(fitting)} m", "t": seconds(moment.time_s)})


def closing_speed(moment: Moment) -> VqaDraft | None:
    """How fast the gap changes."""
    target = NO_ONE if moment.closing_mps is None else closing(moment.closing_mps)
    return VqaDraft(target, {"t": seconds(moment.time_s)})


def gap_trend(facts: Facts, rng: random.Random, times: Sequence[float]) -> VqaDraft | None:
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
    return VqaDraft(yes_no(truth), {"value": claim, "a": seconds(a.time_s), "b": seconds(b.time_s)})


def time_to_contact(moment: Moment) -> VqaDraft | None:
    """Counterfactual: when the gap would be gone if it kept changing as it does."""
    if moment.gap_m is None or moment.closing_mps is None or moment.gap_m <= 0:
        return None
    values = {"t": seconds(moment.time_s)}
    if moment.closing_mps < 0.5:
        return VqaDraft("never", values)
    left = moment.gap_m / moment.closing_mps
    return VqaDraft(
        "after under 1 s" if left < 1 else f"after {whole(left)} s" if left < 10 else "after over 10 s", values
    )


def stop_distance(moment: Moment) -> VqaDraft | None:
    """Counterfactual: how far the ego vehicle would roll on under a braking that the question names."""
    return VqaDraft(distance(_rolls(moment)), {"t": seconds(moment.time_s)})


def stop_check(facts: Facts, rng: random.Random, times: Sequence[float]) -> VqaDraft | None:
    """Counterfactual: whether that is less than the gap to the other road user; asked for or against by a toss."""
    moment = even_moment_at(facts, rng, times)
    if moment is None or moment.gap_m is None:
        return None
    rolls = _rolls(moment)
    if abs(rolls - moment.gap_m) < max(_CLEAR_SHARE * moment.gap_m, _CLEAR_CHANGE_M):
        return None
    claim = rng.choice(("less", "more"))
    return VqaDraft(yes_no((rolls < moment.gap_m) == (claim == "less")), {"value": claim, "t": seconds(moment.time_s)})


def _rolls(moment: Moment) -> float:
    return moment.ego_speed_mps**2 / (2 * _BRAKING_MPS2)


def lead_gap(moment: Moment) -> VqaDraft | None:
    """How far ahead the nearest vehicle in the ego lane is."""
    target = "none is ahead" if moment.lead_gap_m is None else distance(moment.lead_gap_m)
    return VqaDraft(target, {"t": seconds(moment.time_s)})


def not_braking(facts: Facts, rng: random.Random) -> VqaDraft | None:
    """Counterfactual: whether the vehicle ahead would have been reached without braking, for or against by a toss.

    A vehicle ahead in our lane does what it does whatever the ego vehicle does behind it. So the place at which the
    ego vehicle would have been, had it kept its speed, settles whether it would have been reached. Whoever crosses,
    cuts in or drifts may be missed at another speed in another way, and nothing is asked.
    """
    encounter = facts.encounter
    if encounter is None or not encounter.complete or encounter.truth.family != "lead_brake":
        return None
    wording = None if rng.random() < 0.5 else "not_braking_clear"
    if encounter.truth.peak_deceleration_mps2 < _NO_BRAKING_MPS2:
        return VqaDraft("The driver does not brake for it.", wording=wording)
    if encounter.truth.reaction_time_s is None:
        return None
    reached = _reached(facts, encounter, encounter.truth.onset_s + encounter.truth.reaction_time_s)
    return None if reached is None else VqaDraft(yes_no(reached == (wording is None)), wording=wording)


def _reached(facts: Facts, encounter: EncounterFacts, begins_s: float) -> bool | None:
    """Whether the gap would be gone within the clip if the speed at ``begins_s`` were kept; None if not clear."""
    if encounter.contact:
        return True
    after = [state for state in facts.states if state.time_s >= begins_s - 0.2]
    if not after or any(state.gap_m is None for state in after):
        return None
    beyond, ahead = [-(after[0].gap_m or 0.0)], 0.0
    for earlier, later in pairwise(after):
        lost = after[0].ego_speed_mps - (earlier.ego_speed_mps + later.ego_speed_mps) / 2
        ahead += lost * (later.time_s - earlier.time_s)
        beyond.append(ahead - (later.gap_m or 0.0))
    if max(beyond) > _REACHED_M:
        return True
    return False if max(beyond) < _NOT_REACHED_M else None
