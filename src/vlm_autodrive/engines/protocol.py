"""The one protocol that evaluation and detection ask their questions through."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol

from vlm_autodrive.records import Outcome, ProbabilitySource
from vlm_autodrive.video import Frames, SamplingSettings


@dataclass(frozen=True)
class Question:
    """One question about a clip.

    Attributes:
        prompt: What the model is asked after it has seen the frames.
        codes: If given, a direct verdict: the answer is one of these single-token codes, and its
            probability is the softmax over the codes' log-probabilities. If empty, text is generated.
        max_new_tokens: Most tokens to generate; a text that reaches it is ``truncated``.
        temperature: Of sampling; 0 for the likeliest token at each place.
        seed: Of sampling. The same seed gives a clip the same text, whatever clips stand beside it.
    """

    prompt: str
    codes: tuple[str, ...] = ()
    max_new_tokens: int = 256
    temperature: float = 0.0
    seed: int = 0


@dataclass(frozen=True)
class Answer:
    """The answer to one question about one clip.

    Attributes:
        outcome: How it ended.
        text: What the model wrote; for a direct verdict the likeliest code.
        probabilities: One for each of the question's codes; None if the engine has none.
        reason: Why it failed; empty if it did not.
        probability_source: Where the probabilities come from; None if there are none.
    """

    outcome: Outcome
    text: str
    probabilities: tuple[float, ...] | None = None
    reason: str = ""
    probability_source: ProbabilitySource | None = None


class Engine(Protocol):
    """Something that answers questions about clips."""

    @property
    def name(self) -> str:
        """The model's name, as it stands in records."""

    @property
    def sampling(self) -> SamplingSettings:
        """How this model wants its frames: the way it was trained with."""

    def answer(self, clips: Sequence[Frames], questions: Sequence[Question]) -> list[list[Answer]]:
        """Answer every question about every clip; ``result[i][j]`` is clip i, question j.

        Each clip's frames are encoded once for all its questions. A clip without any frame is asked
        about in words alone, with no video in the conversation. A failure is an answer with its
        outcome and reason, never an exception that takes the other clips with it.
        """
