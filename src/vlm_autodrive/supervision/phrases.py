"""What every answer of a teacher is made of: objects without unknown keys, and lines of bounded length."""

from typing import Annotated

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, StringConstraints


class Answer(BaseModel):
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
