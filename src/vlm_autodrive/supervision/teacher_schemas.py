"""The structured answers of teachers: descriptions and reasoning, also made by the rule-based teacher.

They are read from the JSON that a teacher writes: objects without unknown keys, and lines of bounded length. A
teacher's request holds their JSON schema, names and docstrings included.
"""

from functools import cache
from typing import Annotated, Any, Literal

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, StringConstraints, create_model

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


class Description(StructuredAnswer):
    """A clip, described.

    Attributes:
        scene: Light, weather and road.
        ego_motion: How the ego vehicle moves, as a clause.
        road_users: Those that matter; None where nobody has looked, empty where there are none.
        happenings: What happens, the event itself included. A clause each, without its time.
        event: The event; None if there is none.
        cause: Why there was an event.
        ego_response: What the ego driver does about it, as words behind "the ego driver".
    """

    scene: PhraseOrNothing = ""
    ego_motion: PhraseOrNothing = ""
    road_users: Annotated[tuple[Phrase, ...], Field(max_length=12)] | None = None
    happenings: Annotated[tuple[Happening, ...], Field(max_length=16)] = ()
    event: NamedEvent | None = None
    cause: Phrase | None = None
    ego_response: Phrase | None = None


class BlindDescription(Description):
    """A clip, described by one who was not told its label, and so has no say on how it ends."""

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
