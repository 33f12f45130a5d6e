"""Questions written by a teacher from a description: the request, and the samples made of its reply.

The teacher does not choose. Topics, kinds and, for yes and no, the truth are drawn here without a look at the
class, so that every class is asked alike and yes is as frequent as no; options are shuffled here too.
"""

import random
import re
from dataclasses import dataclass
from typing import Annotated, Literal

from pydantic import Field

from vlm_autodrive.supervision.facts import Facts
from vlm_autodrive.supervision.multiple_choice import MultipleChoice, shuffled_choice
from vlm_autodrive.supervision.rules.vqa.drafts import CANNOT_BE_TOLD
from vlm_autodrive.supervision.rules.wording import seconds
from vlm_autodrive.supervision.samples import rng_for
from vlm_autodrive.supervision.teacher_schemas import Phrase, StructuredAnswer

QuestionKind = Literal["open", "yes_no", "choice", "time"]
_SECONDS = re.compile(r"(?:t ?= ?)?(\d+(?:\.\d+)?)(?: ?s| seconds?)?\.?")
_FEWEST_OTHERS, _MOST_OPTIONS = 2, 4
_UNTOLD_SHARE = 0.25


@dataclass(frozen=True)
class QuestionTopic:
    """What a teacher may be asked to ask about, and in which kinds of question."""

    name: str
    about: str
    kinds: tuple[QuestionKind, ...]


TOPICS: tuple[QuestionTopic, ...] = (
    QuestionTopic("who", "who is on the road, and what they look like", ("open", "yes_no", "choice")),
    QuestionTopic("where", "where a road user is: its lane, its side, ahead or behind", ("open", "yes_no", "choice")),
    QuestionTopic("motion", "what moves how, and how that changes", ("open", "yes_no", "choice")),
    QuestionTopic("order", "which of two things comes first, or what follows on what", ("open", "yes_no", "choice")),
    QuestionTopic("when", "at what second a road user begins to do something", ("time",)),
    QuestionTopic("response", "what the ego driver does", ("open", "yes_no", "choice")),
    QuestionTopic("reason", "why a road user or the ego driver moves as they do", ("open", "choice")),
    QuestionTopic("presence", "whether something that one may meet on such a road is there", ("yes_no",)),
)


@dataclass(frozen=True)
class QuestionSlot:
    """One question that a teacher is asked for.

    Attributes:
        number: By which the teacher's answer names it, from 1.
        topic: What it is about.
        kind: What kind of question it is.
        truth: ``yes`` or ``no``, which must be the true answer; ``cannot be told`` likewise; empty if any may be.
        repeat: How many questions of this topic stand before it.
    """

    number: int
    topic: QuestionTopic
    kind: QuestionKind
    truth: str = ""
    repeat: int = 0


class WrittenQuestion(StructuredAnswer):
    """A question as a teacher writes it; ``others`` are wrong options, for multiple choice."""

    number: Annotated[int, Field(ge=1, le=99)]
    question: Phrase
    answer: Phrase
    others: Annotated[tuple[Phrase, ...], Field(max_length=6)] = ()


class QuestionsAnswer(StructuredAnswer):
    """The questions that a teacher writes about one clip."""

    questions: Annotated[tuple[WrittenQuestion, ...], Field(min_length=1, max_length=24)]


def slots_for(facts: Facts, seed: int, wanted: int) -> tuple[QuestionSlot, ...]:
    """Which questions a teacher is asked for about a clip: drawn by its id alone, each topic before any again."""
    rng = rng_for(seed, facts.clip.clip_id, "teacher questions")
    topics: list[QuestionTopic] = []
    while len(topics) < wanted:
        topics += rng.sample(TOPICS, min(len(TOPICS), wanted - len(topics)))
    yes = rng.random() < 0.5
    slots: list[QuestionSlot] = []
    for number, topic in enumerate(topics, start=1):
        kind, truth = rng.choice(topic.kinds), ""
        if kind == "yes_no":
            truth, yes = ("yes" if yes else "no"), not yes
        elif kind == "choice" and rng.random() < _UNTOLD_SHARE:
            truth = CANNOT_BE_TOLD
        slots.append(QuestionSlot(number, topic, kind, truth, sum(slot.topic == topic for slot in slots)))
    return tuple(slots)


def question_and_answer(
    slot: QuestionSlot, answer: QuestionsAnswer, facts: Facts, seed: int
) -> tuple[str, str] | MultipleChoice | str:
    """The question that a student is asked and its answer, or its options, or in plain words why there is none."""
    given = [question for question in answer.questions if question.number == slot.number]
    if len(given) != 1:
        return f"question {slot.number} was {'written twice' if given else 'not written'}"
    question, said = given[0].question, given[0].answer
    if not question.endswith("?"):
        return "it is no question"
    if any(q.question == question and q.number < slot.number for q in answer.questions):
        return "it was asked already"
    if slot.truth and said.casefold().rstrip(".") != slot.truth:
        return f"its true answer had to be {slot.truth!r}"
    if slot.kind == "yes_no":
        return question, slot.truth
    if slot.kind == "time":
        return _timed(question, said, facts)
    if slot.kind == "choice":
        rng = rng_for(seed, facts.clip.clip_id, f"options {slot.number}")
        return _choice(question, slot.truth or said, given[0].others, rng)
    return question, said


def _timed(question: str, said: str, facts: Facts) -> tuple[str, str] | str:
    match = _SECONDS.fullmatch(said)
    if match is None:
        return "its answer is no time in seconds"
    time_s = float(match.group(1))
    if time_s > facts.clip.duration_s:
        return f"its answer lies behind the clip's end at {facts.clip.duration_s:.1f} s"
    return question, seconds(time_s)


def _choice(question: str, true: str, others: tuple[str, ...], rng: random.Random) -> MultipleChoice | str:
    """Multiple choice: the truth, some wrong options and 'cannot be told', shuffled."""
    wrong = [other for other in others if other.casefold() != CANNOT_BE_TOLD]
    if len({option.casefold() for option in (true, *wrong)}) != len(wrong) + 1:
        return "two of its options are the same"
    if len(wrong) < _FEWEST_OTHERS:
        return f"it needs {_FEWEST_OTHERS} wrong options at least"
    always = [] if true.casefold() == CANNOT_BE_TOLD else [CANNOT_BE_TOLD]
    return shuffled_choice(question, true, [*wrong[: _MOST_OPTIONS - 1 - len(always)], *always], rng)
