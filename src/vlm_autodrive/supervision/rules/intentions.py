"""Goals and intentions: the forms of the reasoning question, their answers, and the reasons for an answer.

A form has four options, and one of them is true of any clip. Of real footage an answer is known only where the
incident metadata says so.
"""

from collections.abc import Callable
from dataclasses import dataclass

from vlm_autodrive.supervision.facts import EncounterFacts, Facts
from vlm_autodrive.supervision.rules.descriptions import ONSET, response_time
from vlm_autodrive.supervision.rules.recorded import recorded_lines
from vlm_autodrive.supervision.rules.wording import (
    eases_off,
    ego_response,
    is_vehicle,
    origin,
    road_user,
    rough_closing,
    rough_distance,
    sentence,
)

ENOUGH_REASONS = 5
FEWEST_REASONS = 3
_BEFORE_S = (0.8, 1.6)
_VEHICLES = ("car", "van", "truck", "bus", "motorcycle")


@dataclass(frozen=True)
class Intention:
    """One form of the reasoning question.

    Attributes:
        name: Its topic, as in the table of prompts.
        options: The four options, the same for every clip.
        answer: The one that is true of a clip; None if that is not known.
        simulated: Whether simulated clips are asked it too.
    """

    name: str
    options: tuple[str, str, str, str]
    answer: Callable[[Facts], str | None]
    simulated: bool = True


def is_decided(facts: Facts) -> bool:
    """Whether a simulated clip shows its encounter to the end, or no road user to watch at all."""
    return facts.encounter.complete if facts.encounter is not None else facts.alone


_BRAKE, _CROSS, _MOVE_OVER, _NONE = "brake ahead", "cross our way", "move towards our lane", "none to watch"
_GOAL = {
    "lead_brake": _BRAKE,
    "cut_in": _MOVE_OVER,
    "oncoming_drift": _MOVE_OVER,
    "crossing_vehicle": _CROSS,
    "pedestrian_crossing": _CROSS,
    "cyclist_crossing": _CROSS,
}


def _other_goal(facts: Facts) -> str | None:
    if facts.scenario is not None:
        return _GOAL.get(facts.encounter.truth.family) if facts.encounter else _NONE
    known = facts.incident
    if known.other_manoeuvre == "brake":
        return _BRAKE if known.other_role == "ahead" else None
    return {"cross": _CROSS, "cut_in": _MOVE_OVER}.get(known.other_manoeuvre or "")


_SLOW_DOWN, _STEER, _SPEED_UP, _NOTHING = "slow down in our lane", "steer away", "get by faster", "do nothing"


def _ego_goal(facts: Facts) -> str | None:
    if facts.scenario is None:
        return None  # whether the driver also steers is not recorded
    if facts.encounter is None:
        return _NOTHING
    if "steering" in facts.encounter.truth.evasive:
        return _STEER
    return _SLOW_DOWN if _responds(facts.encounter) else _NOTHING


_VEHICLE, _PEDESTRIAN, _CYCLIST, _NO_ONE = "a vehicle", "a pedestrian", "a cyclist", "no one"
_PEOPLE = {"pedestrian": _PEDESTRIAN, "cyclist": _CYCLIST}


def _for_whom(facts: Facts) -> str | None:
    if facts.scenario is not None:
        if facts.encounter is None or not _responds(facts.encounter):
            return _NO_ONE
        return _VEHICLE if is_vehicle(facts.encounter) else _PEOPLE[facts.encounter.truth.actor]
    known = facts.incident
    if known.ego_braking not in ("normal", "hard") or known.other_type is None:
        return None
    return _VEHICLE if known.other_type in _VEHICLES else _PEOPLE.get(known.other_type)


_AHEAD, _ASIDE, _TOWARDS = "one is ahead in our lane", "one comes from the side", "one comes towards us"
_DOES_NOT = "the ego driver does not"
_FROM = {
    "lead_brake": _AHEAD,
    "cut_in": _ASIDE,
    "oncoming_drift": _TOWARDS,
    "crossing_vehicle": _ASIDE,
    "pedestrian_crossing": _ASIDE,
    "cyclist_crossing": _ASIDE,
}


def _why(facts: Facts) -> str | None:
    if facts.scenario is not None:
        if facts.encounter is None or not _responds(facts.encounter):
            return _DOES_NOT
        return _FROM.get(facts.encounter.truth.family)
    known = facts.incident
    if known.ego_braking not in ("normal", "hard"):
        return None
    if known.other_manoeuvre == "cut_in":
        return _ASIDE
    return {"ahead": _AHEAD, "crossing": _ASIDE, "oncoming": _TOWARDS}.get(known.other_role or "")


_ON, _OFF, _OVER, _STILL = "go straight on", "turn", "change lanes", "stand still"
_EGO_WAY = {
    "straight": _ON,
    "turn_left": _OFF,
    "turn_right": _OFF,
    "u_turn": _OFF,
    "lane_change_left": _OVER,
    "lane_change_right": _OVER,
    "stopped": _STILL,
}


def _ego_way(facts: Facts) -> str | None:
    return _EGO_WAY.get(facts.incident.ego_manoeuvre or "")


INTENTIONS = (
    Intention("other_goal", (_BRAKE, _CROSS, _MOVE_OVER, _NONE), _other_goal),
    Intention("ego_goal", (_SLOW_DOWN, _STEER, _SPEED_UP, _NOTHING), _ego_goal),
    Intention("for_whom", (_VEHICLE, _PEDESTRIAN, _CYCLIST, _NO_ONE), _for_whom),
    Intention("why_respond", (_AHEAD, _ASIDE, _TOWARDS, _DOES_NOT), _why),
    # A simulated ego vehicle keeps its road: the answer would be known without looking.
    Intention("ego_way", (_ON, _OFF, _OVER, _STILL), _ego_way, simulated=False),
)
"""All forms, which clips of every class are asked at the same rates."""


def reasons_for(facts: Facts, answer: str) -> tuple[str, ...]:
    """What leads to the answer, from what is seen first to the answer itself: five lines or more of simulated clips,
    of real ones as many as are known."""
    if facts.scenario is None:
        lines = recorded_lines(facts)
    else:
        seen = ", ".join(part for part in (facts.light, facts.weather, facts.scene) if part)
        lines = [seen, *(_alone(facts) if facts.encounter is None else _encounter(facts, facts.encounter))]
    return tuple(sentence(line) for line in (*lines, f"so: {answer}") if line)


def _responds(encounter: EncounterFacts) -> bool:
    return encounter.truth.evasive != "none" or eases_off(encounter)


def _encounter(facts: Facts, encounter: EncounterFacts) -> list[str]:
    truth = encounter.truth
    who = f"{road_user(encounter)} {'is' if truth.side == 'ahead' else 'comes'} {origin(encounter)}"
    response, response_s = f"the ego driver {ego_response(encounter)}", response_time(facts, encounter)
    timed = [(response_s, response)] if response_s is not None else []
    if 0.0 <= truth.onset_s < encounter.closest_s:
        timed.append((truth.onset_s, f"it {ONSET[truth.family]}"))
    for before_s in _BEFORE_S:
        if len(timed) < ENOUGH_REASONS - 3 + (response_s is not None):
            timed += _gap(facts, encounter.closest_s - before_s)
    lines = [f"[t={time_s:.1f}] {what}" for time_s, what in sorted(timed)]
    return [who, *lines, *([response] if response_s is None else [])]


def _gap(facts: Facts, time_s: float) -> list[tuple[float, str]]:
    time_s = round(time_s, 1) + 0.0  # never -0.0
    moment = facts.moment(time_s) if time_s >= 0 else None
    if moment is None or moment.gap_m is None or moment.closing_mps is None:
        return []
    return [(time_s, f"gap {rough_distance(moment.gap_m)}, {rough_closing(moment.closing_mps)}")]


def _alone(facts: Facts) -> list[str]:
    """Plain driving: what is ahead early and late in the clip, and what jolts or brakes though nobody is to watch."""
    assert facts.scenario is not None
    duration_s = facts.clip.duration_s
    leads = [state.lead_gap_m for state in facts.states if state.lead_gap_m is not None]
    timed = []
    for time_s in (round(duration_s / 4, 1), round(3 * duration_s / 4, 1)):
        moment = facts.moment(time_s)
        if moment is not None and not leads:
            timed.append((time_s, "the road ahead is free"))
        elif moment is not None and moment.lead_gap_m is not None:
            timed.append((time_s, f"gap {rough_distance(moment.lead_gap_m)}"))
    said = {"speed_bump": "a speed bump jolts the camera", "brake_for_nothing": "the ego driver brakes for nothing"}
    timed += [
        (d.time_s, said[d.kind])
        for d in facts.scenario.distractions
        if d.kind in said and 0.0 <= d.time_s <= duration_s
    ]
    lines = [f"[t={time_s:.1f}] {what}" for time_s, what in sorted(timed)]
    return ["no road user to watch", *(["a vehicle is ahead"] if leads else []), *lines]
