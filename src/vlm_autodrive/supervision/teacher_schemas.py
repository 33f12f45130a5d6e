"""The structured answers of teachers: descriptions and reasoning, also made by the rule-based teacher.

They are read from the JSON that a teacher writes: objects without unknown keys, and lines of bounded length. A
teacher's request holds their JSON schema, names and docstrings included.
"""

from functools import cache
from typing import Annotated, Any, Literal, Self

from pydantic import (
    AfterValidator,
    BaseModel,
    ConfigDict,
    Field,
    StringConstraints,
    ValidationInfo,
    create_model,
    model_validator,
)

from vlm_autodrive.models import format_reasoning


class StructuredAnswer(BaseModel):
    """A frozen object with no unknown keys, read from the JSON that a teacher wrote."""

    model_config = ConfigDict(extra="forbid", frozen=True)


def _one_line(text: str) -> str:
    """``text`` with single spaces; what a reader could not see is refused."""
    line = " ".join(text.split())
    if not line.isprintable():
        raise ValueError("it holds characters that cannot be seen")
    return line


def _bounded(longest: int, shortest: int = 1) -> StringConstraints:
    return StringConstraints(strip_whitespace=True, min_length=shortest, max_length=longest)


Phrase = Annotated[str, _bounded(300), AfterValidator(_one_line)]
PhraseOrNothing = Annotated[str, _bounded(300, shortest=0), AfterValidator(_one_line)]
Step = Annotated[str, _bounded(1000), AfterValidator(_one_line)]
Seconds = Annotated[float, Field(ge=0, le=86400, allow_inf_nan=False)]


class Happening(StructuredAnswer):
    """One thing that happens, and when it begins, in seconds after the clip's beginning."""

    time_s: Seconds
    what: Phrase


class NamedEvent(StructuredAnswer):
    """The event, and its second; None where that is not known."""

    kind: Phrase
    time_s: Seconds | None = None


_BLIND_FIELDS = ["scene", "ego_motion", "road_users", "happenings", "ego_response"]


class Description(StructuredAnswer):
    """A clip, described. A teacher has to write every field, so that one that is left out is no denial.

    Attributes:
        scene: Light, weather and road.
        ego_motion: How the ego vehicle moves, as a clause.
        road_users: Those that matter; None where nobody has looked, empty where there are none.
        happenings: What happens, the event itself included. A clause each, without its time.
        event: The event; None if there is none.
        cause: Why there was an event.
        ego_response: What the ego driver does about it, as words behind "the ego driver".
    """

    model_config = ConfigDict(json_schema_extra={"required": [*_BLIND_FIELDS, "event", "cause"]})

    scene: PhraseOrNothing = ""
    ego_motion: PhraseOrNothing = ""
    road_users: Annotated[tuple[Phrase, ...], Field(max_length=12)] | None = None
    happenings: Annotated[tuple[Happening, ...], Field(max_length=16)] = ()
    event: NamedEvent | None = None
    cause: Phrase | None = None
    ego_response: Phrase | None = None

    @model_validator(mode="after")
    def _is_whole(self, info: ValidationInfo) -> Self:
        fields = type(self).model_fields.items()
        asked = [name for name, field in fields if field.annotation is not type(None)]
        missing = [name for name in asked if name not in self.model_fields_set]
        if info.mode == "json" and missing:
            raise ValueError(f"the object lacks {', '.join(missing)}; write null for what is not known")
        return self


class BlindDescription(Description):
    """A clip, described by one who was not told its label, and so has no say on how it ends."""

    model_config = ConfigDict(json_schema_extra={"required": [*_BLIND_FIELDS]})

    scene: Phrase
    road_users: Annotated[tuple[Phrase, ...], Field(max_length=12)]
    event: None = None
    cause: None = None


class ReasoningAnswer(StructuredAnswer):
    """The steps that lead to a verdict, the verdict's code, and the event's time; None without an event."""

    steps: Annotated[tuple[Step, ...], Field(min_length=2, max_length=10)]
    verdict: str
    event_time_s: Seconds | None = None


@cache
def reasoning_shape(codes: tuple[str, ...]) -> type[ReasoningAnswer]:
    """A :class:`ReasoningAnswer` whose verdict is one of these codes."""
    one_of: Any = Literal[codes]
    return create_model("ReasoningAnswer", __base__=ReasoningAnswer, verdict=(one_of, ...))


def reasoning_text(answer: ReasoningAnswer) -> str:
    """The target of a reasoning sample: its steps as the reasoning trace, then the answer block."""
    return format_reasoning("\n".join(answer.steps), answer.verdict, answer.event_time_s)


class DimensionQuestion(StructuredAnswer):
    """A multiple-choice question on one dimension of a clip, and the letter of its right option.

    The schema that is sent asks for more than is needed to read an answer: of several questions, one that is wrong is
    then rejected alone.
    """

    dimension: Phrase
    question: Phrase
    options: Annotated[
        tuple[Phrase, ...], Field(min_length=1, max_length=6, json_schema_extra={"minItems": 3, "maxItems": 4})
    ]
    answer: Annotated[str, StringConstraints(strip_whitespace=True, pattern=r"^[A-F]$")]


class UnderstandingAnswer(StructuredAnswer):
    """The multiple-choice questions about one clip, each on another dimension."""

    questions: Annotated[tuple[DimensionQuestion, ...], Field(min_length=1, max_length=16)]


@cache
def understanding_shape(dimensions: tuple[str, ...]) -> type[UnderstandingAnswer]:
    """An :class:`UnderstandingAnswer` whose schema asks for one question on each of these dimensions."""
    name = Annotated[Phrase, Field(json_schema_extra={"enum": list(dimensions)})]
    asked = create_model("DimensionQuestion", __base__=DimensionQuestion, dimension=(name, ...))
    count = {"minItems": len(dimensions), "maxItems": len(dimensions)}
    questions = Annotated[tuple[asked, ...], Field(min_length=1, max_length=16, json_schema_extra=count)]
    return create_model("UnderstandingAnswer", __base__=UnderstandingAnswer, questions=(questions, ...))


class ReasoningQuestion(StructuredAnswer):
    """A hard multiple-choice question, the reasons that lead to its answer in order, and the letter of that option."""

    question: Phrase
    options: Annotated[tuple[Phrase, ...], Field(min_length=4, max_length=4)]
    reasons: Annotated[tuple[Step, ...], Field(min_length=5, max_length=10)]
    answer: Annotated[str, StringConstraints(strip_whitespace=True, pattern=r"^[A-D]$")]


class ThinkingAnswer(StructuredAnswer):
    """The letter of a verdict, and the steps to it; no steps where thoughts stand apart from the answer."""

    model_config = ConfigDict(json_schema_extra={"required": ["steps", "answer"]})

    steps: Annotated[tuple[Step, ...], Field(max_length=10)] = ()
    answer: str


@cache
def thinking_shape(codes: tuple[str, ...]) -> type[ThinkingAnswer]:
    """A :class:`ThinkingAnswer` whose letter is one of these codes."""
    one_of: Any = Literal[codes]
    return create_model("ThinkingAnswer", __base__=ThinkingAnswer, answer=(one_of, ...))
