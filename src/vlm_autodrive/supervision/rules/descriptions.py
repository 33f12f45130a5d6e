"""Descriptions by rules, and the prose that any description is put into: what happens in which order, and when."""

import random

from vlm_autodrive.records import SFTSample
from vlm_autodrive.supervision.facts import EncounterFacts, Facts
from vlm_autodrive.supervision.rules.captions import ego_motion, surroundings
from vlm_autodrive.supervision.rules.wording import (
    distance,
    ego_response,
    is_vehicle,
    lane,
    origin,
    road_user,
    sentence,
    speed,
)
from vlm_autodrive.supervision.samples import make_sample, rng_for
from vlm_autodrive.supervision.student_prompts import prompt_for
from vlm_autodrive.supervision.teacher_schemas import Description, Happening, NamedEvent

_SAME_MOMENT_S = 0.25
_NOBODY = "there is no road user to watch"
_NO_EVENT = "no event"
ONSET = {
    "lead_brake": "starts to brake",
    "cut_in": "starts to move into our lane",
    "crossing_vehicle": "is about to cross",
    "oncoming_drift": "starts to drift towards our lane",
    "pedestrian_crossing": "steps off to cross",
    "cyclist_crossing": "rides off to cross",
    "plain_driving": "comes up",
}
"""What the other road user does when an encounter begins, by the family of the encounter."""

_DISTRACTION = {
    "speed_bump": "a speed bump jolts the camera",
    "brake_for_nothing": "the ego driver brakes for nothing",
    "calm_close_pass": "someone passes close by, calmly",
}


def description_sample(facts: Facts, seed: int) -> SFTSample:
    """The description of a clip by rules."""
    rng = rng_for(seed, facts.clip.clip_id, "description")
    prompt = prompt_for("description", rng)
    return make_sample(facts, "description", "description", prompt, prose(describe(facts, rng), by_rules=True))


def prose(description: Description, *, by_rules: bool = False) -> str:
    """The target of a description sample: one sentence for each thing, in order of time.

    By rules, from label and metadata alone, a clip without event is said to have none; for a teacher that is never
    said in its place.

    What the happenings tell already is not said again: the road users, a response in the same words, and an
    event at whose moment something is said to happen.
    """
    happenings = sorted(description.happenings, key=lambda h: (h.time_s, h.what))
    lines = [description.scene, description.ego_motion]
    if description.road_users and not happenings:
        lines.append(f"on the road: {', '.join(map(_clause, description.road_users))}")
    lines += [f"at {happening.time_s:.1f} s {_clause(happening.what)}" for happening in happenings]
    if description.road_users == ():
        lines.append(_NOBODY)
    nothing = _NO_EVENT if by_rules and description.road_users is None and not happenings else ""
    lines += [_said_event(description) if description.event else nothing, _said_response(description)]
    if description.cause is not None:
        lines.append(f"cause: {_clause(description.cause)}")
    return " ".join(sentence(line) for line in lines if line)


def _said_event(description: Description) -> str:
    event, happenings = description.event, description.happenings
    assert event is not None
    if event.time_s is None:
        return _clause(event.kind)
    if any(abs(happening.time_s - event.time_s) <= _SAME_MOMENT_S for happening in happenings):
        return ""
    return f"{_clause(event.kind)} at {event.time_s:.1f} s"


def _said_response(description: Description) -> str:
    response = description.ego_response
    if response is None or any(response in happening.what for happening in description.happenings):
        return ""
    return f"the ego driver {_clause(response)}"


def _clause(text: str) -> str:
    """``text`` as it stands inside a sentence: no full stop, and a small letter unless it begins a name."""
    text = text.rstrip(". ")
    return text if text[1:2].isupper() else text[:1].lower() + text[1:]


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
    encounter = facts.encounter
    if encounter is None:
        seen = () if facts.alone else None  # beside an event somebody may be in sight who is nowhere recorded
        return Description(scene=scene, ego_motion=_drive(facts), road_users=seen, happenings=tuple(happenings))
    begins = response_time(facts, encounter)
    said = f"the ego driver {ego_response(encounter)}"
    response = [] if begins is None else [Happening(time_s=begins, what=said)]
    is_event = facts.label.is_event and encounter.complete
    return Description(
        scene=scene,
        ego_motion=_drive(facts),
        road_users=(road_user(encounter),),
        happenings=(*happenings, *_encounter(facts, encounter, response)),
        event=NamedEvent(kind=facts.label.label.lower(), time_s=_clip_time(encounter)) if is_event else None,
        cause=encounter.truth.cause if is_event else None,
        ego_response=ego_response(encounter) if response else None,
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


def _encounter(facts: Facts, encounter: EncounterFacts, response: list[Happening]) -> list[Happening]:
    truth = encounter.truth
    who = f"{road_user(encounter)} {origin(encounter)}"
    happenings = []
    if _inside(facts, truth.onset_s):
        happenings.append(Happening(time_s=truth.onset_s, what=f"{who} {ONSET[truth.family]}"))
    happenings += response
    seen = "it" if _inside(facts, truth.onset_s) else who  # once it was named
    if encounter.contact:
        jolt = " and a jolt" if is_vehicle(encounter) else ""
        closest = f"there is contact with {seen} at {speed(truth.impact_speed_mps or 0.0)}{jolt}"
    else:
        closest = f"{seen} is closest, {distance(encounter.closest_gap_m)} away, without contact"
    return [*happenings, Happening(time_s=_clip_time(encounter), what=closest)]


def response_time(facts: Facts, encounter: EncounterFacts) -> float | None:
    """When the ego driver begins to respond; None if that is not before the closest moment, or not in the clip."""
    truth = encounter.truth
    if not encounter.complete or truth.reaction_time_s is None or truth.evasive == "none":
        return None
    begins = truth.onset_s + truth.reaction_time_s
    return begins if _inside(facts, begins) and begins < encounter.closest_s else None


def _clip_time(encounter: EncounterFacts) -> float:
    """When it is closest; a state may lie a rounding error before the clip's first moment."""
    return max(encounter.closest_s, 0.0)


def _inside(facts: Facts, time_s: float) -> bool:
    return 0.0 <= time_s <= facts.clip.duration_s
