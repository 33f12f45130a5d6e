"""The teacher by rules: it writes from the simulation's truth, or from metadata and label alone, then short."""

import random

from vlm_autodrive.records import Outcome
from vlm_autodrive.supervision.descriptions import Description, Happening, NamedEvent, description_question
from vlm_autodrive.supervision.facts import Facts, Meeting
from vlm_autodrive.supervision.items import RULES
from vlm_autodrive.supervision.phrases import Answer
from vlm_autodrive.supervision.rules.captions import ego_motion, surroundings
from vlm_autodrive.supervision.rules.reasoning import reason
from vlm_autodrive.supervision.rules.wording import (
    distance,
    ego_response,
    is_vehicle,
    lane,
    origin,
    road_user,
    speed,
)
from vlm_autodrive.supervision.teachers.protocol import TeacherReply, TeacherRequest

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


class RulesTeacher:
    """Writes from what is known of a clip; it reads no prompt and sees no frame."""

    name = RULES
    at_once = 1

    def __init__(self, seed: int) -> None:
        self._seed = seed

    def use(self) -> None:
        """Nothing."""

    def used(self) -> str:
        """Nothing: it writes in this process."""
        return ""

    async def write(self, request: TeacherRequest) -> TeacherReply:
        """Answer one request; see :class:`vlm_autodrive.supervision.teachers.protocol.Teacher`."""
        answer = self._answer(request)
        if isinstance(answer, str):
            return TeacherReply(request_id=request.request_id, outcome=Outcome.REFUSED, reason=answer)
        return TeacherReply(request_id=request.request_id, outcome=Outcome.OK, text=answer.model_dump_json())

    def _answer(self, request: TeacherRequest) -> Answer | str:
        if request.wanted == "description":
            _, rng = description_question(request.facts, self._seed)
            return describe(request.facts, rng)
        if request.wanted == "reasoning":
            return reason(request.facts)
        return "the teacher by rules writes no questions"


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


def _meeting(facts: Facts, meeting: Meeting, response: list[Happening]) -> list[Happening]:
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


def _response(facts: Facts, meeting: Meeting) -> list[Happening]:
    """What the ego driver does before the closest moment, if it can be seen in the clip."""
    encounter = meeting.encounter
    if not meeting.complete or encounter.reaction_time_s is None or encounter.evasive == "none":
        return []
    begins = encounter.onset_s + encounter.reaction_time_s
    if not _inside(facts, begins) or begins >= meeting.closest_s:
        return []
    return [Happening(time_s=begins, what=f"the ego driver {ego_response(meeting)}")]


def _clip_time(meeting: Meeting) -> float:
    """When it is closest; a state may lie a rounding error before the clip's first moment."""
    return max(meeting.closest_s, 0.0)


def _inside(facts: Facts, time_s: float) -> bool:
    return 0.0 <= time_s <= facts.clip.duration_s
