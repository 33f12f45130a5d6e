"""Descriptions by rules: from the simulation's ground truth, or from metadata and label alone, then short."""

import random

from vlm_autodrive.records import SFTSample
from vlm_autodrive.supervision.descriptions import Description, Happening, NamedEvent, prose
from vlm_autodrive.supervision.facts import EncounterFacts, Facts
from vlm_autodrive.supervision.rules.captions import ego_motion, surroundings
from vlm_autodrive.supervision.rules.wording import (
    distance,
    ego_response,
    is_vehicle,
    lane,
    origin,
    road_user,
    speed,
)
from vlm_autodrive.supervision.samples import make_sample, rng_for
from vlm_autodrive.supervision.student_prompts import prompt_for

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


def description_sample(facts: Facts, seed: int) -> SFTSample:
    """The description of a clip by rules."""
    rng = rng_for(seed, facts.clip.clip_id, "description")
    prompt = prompt_for("description", rng)
    return make_sample(facts, "description", "description", prompt, prose(describe(facts, rng)))


def describe(facts: Facts, rng: random.Random) -> Description:
    """What happens in which order: from the simulation's truth, or from metadata and label alone, then short."""
    scene = surroundings(facts, rng)
    if facts.scenario is None:
        return Description(scene=scene, event=_annotated_event(facts))
    happenings = [
        Happening(time_s=d.time_s, what=_DISTRACTION[d.kind])
        for d in facts.scenario.distractions
        if _inside(facts, d.time_s)
    ]
    meeting = facts.meeting
    if meeting is None:
        seen = () if facts.alone else None  # beside an event somebody may be in sight who is nowhere recorded
        return Description(scene=scene, ego_motion=_drive(facts), road_users=seen, happenings=tuple(happenings))
    response = _response(facts, meeting)
    is_event = facts.label.is_event and meeting.complete
    return Description(
        scene=scene,
        ego_motion=_drive(facts),
        road_users=(road_user(meeting),),
        happenings=(*happenings, *_meeting(facts, meeting, response)),
        event=NamedEvent(kind=facts.label.label.lower(), time_s=_clip_time(meeting)) if is_event else None,
        cause=meeting.encounter.cause if is_event else None,
        ego_response=ego_response(meeting) if response else None,
    )


def _annotated_event(facts: Facts) -> NamedEvent | None:
    if not facts.label.is_event:
        return None
    whose = " of others" if facts.clip.ego_involved is False else ""
    return NamedEvent(kind=facts.label.label.lower() + whose, time_s=facts.clip.event_time_s)


def _drive(facts: Facts) -> str:
    place, motion = lane(facts), ego_motion(facts)
    if not motion:
        return ""
    return motion if place is None else f"{motion}, in {place}"


def _meeting(facts: Facts, meeting: EncounterFacts, response: list[Happening]) -> list[Happening]:
    encounter = meeting.encounter
    who = f"{road_user(meeting)} {origin(meeting)}"
    happenings = []
    if _inside(facts, encounter.onset_s):
        happenings.append(Happening(time_s=encounter.onset_s, what=f"{who} {_ONSET[encounter.family]}"))
    happenings += response
    seen = "it" if happenings else who
    if meeting.contact:
        jolt = " and a jolt" if is_vehicle(meeting) else ""
        closest = f"there is contact with {seen} at {speed(encounter.impact_speed_mps or 0.0)}{jolt}"
    else:
        closest = f"{seen} is closest, {distance(meeting.closest_gap_m)} away, without contact"
    return [*happenings, Happening(time_s=_clip_time(meeting), what=closest)]


def _response(facts: Facts, meeting: EncounterFacts) -> list[Happening]:
    """What the ego driver does before the closest moment, if it can be seen in the clip."""
    encounter = meeting.encounter
    if not meeting.complete or encounter.reaction_time_s is None or encounter.evasive == "none":
        return []
    begins = encounter.onset_s + encounter.reaction_time_s
    if not _inside(facts, begins) or begins >= meeting.closest_s:
        return []
    return [Happening(time_s=begins, what=f"the ego driver {ego_response(meeting)}")]


def _clip_time(meeting: EncounterFacts) -> float:
    """When it is closest; a state may lie a rounding error before the clip's first moment."""
    return max(meeting.closest_s, 0.0)


def _inside(facts: Facts, time_s: float) -> bool:
    return 0.0 <= time_s <= facts.clip.duration_s
