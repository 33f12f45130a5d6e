"""The teacher by rules: prose from the simulation's truth, or from metadata alone, then short."""

import random

from vlm_autodrive.records import Distraction, Encounter
from vlm_autodrive.supervision.captions import ego_motion, event_clause, surroundings
from vlm_autodrive.supervision.facts import Facts, Meeting
from vlm_autodrive.supervision.wording import (
    distance,
    ego_response,
    is_vehicle,
    lane,
    origin,
    road_user,
    sentence,
    speed,
)

_ONSET = {
    "lead_brake": "starts to brake",
    "cut_in": "starts to move into our lane",
    "crossing_vehicle": "is about to cross",
    "oncoming_drift": "starts to drift towards our lane",
    "pedestrian_crossing": "steps off to cross",
    "cyclist_crossing": "rides off to cross",
    "plain_driving": "comes up",
}
_DISTRACTION = {
    "speed_bump": "a speed bump jolts the camera",
    "brake_for_nothing": "the ego driver brakes for nothing",
    "calm_close_pass": "someone passes close by, calmly",
}


def describe(facts: Facts, rng: random.Random) -> str:
    """What happens in which order, with seconds: one sentence for each happening, in order of time."""
    sentences = [surroundings(facts, rng), _drive(facts)]
    if facts.scenario is None:
        sentences.append(event_clause(facts))
    else:
        happenings = [_distraction(d) for d in facts.scenario.distractions if _inside(facts, d.time_s)]
        if facts.meeting is not None:
            happenings += _meeting(facts, facts.meeting)
        sentences += [text for _, text in sorted(happenings)]
        if facts.alone:
            sentences.append("there is no road user to watch")
        if facts.label.is_event and facts.meeting is not None and facts.meeting.complete:
            sentences.append(f"cause: {facts.meeting.encounter.cause}")
    return " ".join(sentence(text) for text in sentences if text)


def _drive(facts: Facts) -> str:
    place, motion = lane(facts), ego_motion(facts)
    if not motion:
        return ""
    return motion if place is None else f"{motion}, in {place}"


def _meeting(facts: Facts, meeting: Meeting) -> list[tuple[float, str]]:
    encounter = meeting.encounter
    who = f"{road_user(meeting)} {origin(meeting)}"
    happenings: list[tuple[float, str]] = []
    if _inside(facts, encounter.onset_s):
        happenings.append((encounter.onset_s, f"at {encounter.onset_s:.1f} s {who} {_ONSET[encounter.family]}"))
    if meeting.complete:
        happenings += _response(facts, encounter, meeting)
    seen = " it" if happenings else f" {who}"
    closest = meeting.closest_s
    if meeting.contact:
        impact = encounter.impact_speed_mps or 0.0
        jolt = " and a jolt" if is_vehicle(meeting) else ""
        happenings.append((closest, f"at {closest:.1f} s there is contact with{seen} at {speed(impact)}{jolt}"))
    else:
        gap = distance(meeting.closest_gap_m)
        happenings.append((closest, f"at {closest:.1f} s{seen} is closest, {gap} away, without contact"))
    return happenings


def _response(facts: Facts, encounter: Encounter, meeting: Meeting) -> list[tuple[float, str]]:
    if encounter.reaction_time_s is None or encounter.evasive == "none":
        return []
    begins = encounter.onset_s + encounter.reaction_time_s
    if not _inside(facts, begins) or begins >= meeting.closest_s:
        return []
    return [(begins, f"at {begins:.1f} s the ego driver {ego_response(meeting)}")]


def _distraction(distraction: Distraction) -> tuple[float, str]:
    return distraction.time_s, f"at {distraction.time_s:.1f} s {_DISTRACTION[distraction.kind]}"


def _inside(facts: Facts, time_s: float) -> bool:
    return 0.0 <= time_s <= facts.clip.duration_s
