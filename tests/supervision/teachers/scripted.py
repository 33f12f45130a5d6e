"""A teacher that writes what a test tells it to, and honest answers to all else."""

import json
from collections.abc import Callable

from vlm_autodrive.records import Outcome
from vlm_autodrive.supervision.dimensions import dimension_slots
from vlm_autodrive.supervision.rules.understanding.event_question import EVENT_DIMENSION
from vlm_autodrive.supervision.teachers.protocol import TeacherReply, TeacherRequest
from vlm_autodrive.supervision.teachers.questions import QuestionsAnswer, slots_for

SEED, QUESTIONS = 5, 6


class ScriptedTeacher:
    """Implements the protocol. ``script`` gives the reply or text for a request, or None for an honest one."""

    name = "big-teacher"
    concurrency = 4

    def __init__(self, script: Callable[[TeacherRequest], TeacherReply | str | None] = lambda request: None) -> None:
        self._script = script
        self.asked: list[TeacherRequest] = []

    def use(self) -> None:
        return None

    def used(self) -> str:
        return ""

    async def write(self, request: TeacherRequest) -> TeacherReply:
        self.asked.append(request)
        answer = self._script(request)
        if answer is None:
            answer = honest(request)
        if isinstance(answer, str):
            answer = TeacherReply(request_id=request.request_id, outcome=Outcome.OK, text=answer)
        return answer

    @property
    def ids(self) -> list[str]:
        return [request.request_id.split("/", 1)[1] for request in self.asked]


def fails(outcome: Outcome, wanted: str, text: str = "", reason: str = ""):
    """A script by which what is wanted fails."""

    def script(request: TeacherRequest) -> TeacherReply | None:
        if request.wanted != wanted:
            return None
        return TeacherReply(request_id=request.request_id, outcome=outcome, text=text, reason=reason)

    return script


def writes(wanted: str, *texts: str):
    """A script by which what is wanted is written so, the second text in the repair turn."""

    def script(request: TeacherRequest) -> str | None:
        if request.wanted != wanted:
            return None
        return texts[1 if request.answered else 0]

    return script


def honest(request: TeacherRequest) -> str:
    facts = request.facts
    if request.wanted == "description":
        return json.dumps(description_of(facts, blind="event" not in json.loads(shape_in(request))))
    if request.wanted == "reasoning":
        return json.dumps(reasoning_of(facts))
    if request.wanted == "understanding":
        return json.dumps(understanding_of(facts))
    if request.wanted == "reasoning_vqa":
        return json.dumps(REASONING_QUESTION)
    if request.wanted == "thinking":
        return json.dumps(thinking_of(facts))
    return json.dumps(questions_for(facts))


def shape_in(request: TeacherRequest) -> str:
    """The example of the answer's shape, as the prompt has it."""
    return request.prompt.text.rsplit("JSON: ", 1)[1].split("; others")[0]


def description_of(facts, blind=False):
    time_s, values = facts.clip.event_time_s, {}
    if not blind:
        is_event = facts.label.is_event
        values = {
            "event": {"kind": facts.label.label.lower(), "time_s": time_s} if is_event else None,
            "cause": "the other driver did not look" if is_event else None,
        }
    return {
        "scene": "a road by day",
        "ego_motion": "the ego vehicle drives on",
        "road_users": ["a grey lorry ahead"],
        "happenings": [{"time_s": 0.4, "what": "a grey lorry ahead goes slower"}],
        "ego_response": None,
        **values,
    }


def reasoning_of(facts):
    end = "There is contact." if facts.label.contact else "There is no contact."
    time_s = facts.clip.event_time_s
    cited = facts.clip.duration_s / 2 if time_s is None else time_s
    return {
        "steps": ["A grey lorry is ahead.", f"[t={cited:.1f}] It is closest.", "The risk is seen.", end],
        "verdict": facts.label.code,
        "event_time_s": time_s,
    }


def questions_for(facts):
    written = []
    for slot in slots_for(facts, SEED, QUESTIONS):
        question = {"number": slot.number, "question": f"What of the grey lorry, {slot.number}?", "answer": "slower"}
        if slot.kind == "yes_no":
            question["answer"] = slot.truth
        elif slot.kind == "time":
            question["answer"] = "0.4"
        elif slot.kind == "choice":
            question |= {"answer": slot.truth or "a lorry", "others": ["a tram", "a bus", "a horse"]}
        written.append(question)
    QuestionsAnswer.model_validate({"questions": written})
    return {"questions": written}


def understanding_of(facts, wanted=None):
    """An understanding question for each slot, its right option the second."""
    return {"questions": [question_on(slot, facts) for slot in dimension_slots(facts, SEED, wanted, {})]}


def question_on(slot, facts):
    dimension = slot.dimension
    question = {"dimension": dimension.name, "question": f"What of the {dimension.name.replace('_', ' ')}?"}
    if dimension.name == EVENT_DIMENSION:
        classes = facts.taxonomy.classes
        place = classes.index(facts.label)
        options = [
            f"{c.label}: the lorry {('is struck', 'brakes hard', 'drives on')[n]}" for n, c in enumerate(classes)
        ]
        return question | {"options": options, "answer": "ABC"[place]}
    if dimension.none:
        recorded = facts.incident.ego_impact_side if dimension.name == "impact_sides" else facts.incident.responsibility
        truth = {"front": "the front", "driver": "the ego driver", "other": "the other driver"}.get(recorded)
        right, other = (dimension.none, "one") if slot.none_is_right else (truth, dimension.none)
        return question | {"options": [other, right, "two"], "answer": "B"}
    return question | {"options": ["a thing", "another thing", "a third thing"], "answer": "B"}


REASONING_QUESTION = {
    "question": "What does the ego driver want by going slower?",
    "options": ["to park", "to keep a distance", "to turn round", "to let somebody out"],
    "answer": "B",
    "reasons": [
        "A grey lorry is ahead.",
        "It goes slower.",
        "The gap to it shrinks.",
        "The ego driver goes slower as well.",
        "The gap no longer shrinks, so the driver keeps a distance.",
    ],
}


def thinking_of(facts):
    return {"steps": reasoning_of(facts)["steps"], "answer": facts.label.code}
