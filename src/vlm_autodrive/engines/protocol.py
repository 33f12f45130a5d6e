"""The protocol of inference engines, through which evaluation, detection and rejection sampling generate."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Protocol, runtime_checkable

from vlm_autodrive.models import SYSTEM_PROMPT
from vlm_autodrive.records import Outcome, ProbabilitySource
from vlm_autodrive.video import Frames, SamplingSettings

SeenPatches = dict[tuple[int, ...], Any]
"""What an engine remembers of temporal patches, by the times of their frames in microseconds."""

ENDED_WITHIN_THOUGHTS = "it ended within its thoughts"
"""Why an answer is ``truncated`` that ends, though not for want of tokens, in the block that its template opened."""


@dataclass(frozen=True)
class InferenceRequest:
    """One prompt for a model, to be put behind the frames of a clip.

    Attributes:
        prompt: The user text that follows the frames.
        codes: If given, a direct verdict: the response is one of these single-token codes, and its
            probability is the softmax over the codes' log-probabilities. If empty, text is generated.
        max_new_tokens: Most tokens to generate; a response that reaches it is ``truncated``.
        temperature: Of sampling; 0 for the likeliest token at each place.
        seed: Random seed of sampling. The same seed gives a clip the same text, whatever else is in the batch.
        system: The system prompt; empty for what the model's own chat template writes without one.
        thinking: Whether the answer begins with thoughts. Where the chat template opens them, their text comes without
            the tag that opens it; any other answer is asked for behind a closed, empty block.
    """

    prompt: str
    codes: tuple[str, ...] = ()
    max_new_tokens: int = 256
    temperature: float = 0.0
    seed: int = 0
    system: str = SYSTEM_PROMPT
    thinking: bool = False


@dataclass(frozen=True)
class InferenceResponse:
    """The response to one request about one clip.

    Attributes:
        outcome: How it ended.
        text: What the model wrote; for a direct verdict the likeliest code.
        probabilities: One for each of the request's codes; None if the engine has none.
        reason: Why it failed; empty if it did not.
        probability_source: Where the probabilities come from; None if there are none.
        code_mass: Probability of all codes together, before the softmax over them; a lower bound where an endpoint
            lists only the likeliest tokens. None if it is not known.
        unlisted_share: The probability given to each code that an endpoint did not list, which is the most that it can
            be; 0 if all were listed, None if there are no log-probabilities.
    """

    outcome: Outcome
    text: str
    probabilities: tuple[float, ...] | None = None
    reason: str = ""
    probability_source: ProbabilitySource | None = None
    code_mass: float | None = None
    unlisted_share: float | None = None


class Engine(Protocol):
    """A model that generates responses to requests about clips."""

    @property
    def name(self) -> str:
        """The model's name in records."""

    @property
    def sampling(self) -> SamplingSettings:
        """How this model wants its frames: the way it was trained with."""

    def generate(
        self,
        clips: Sequence[Frames],
        requests: Sequence[InferenceRequest],
        own: Sequence[Sequence[InferenceRequest]] = (),
    ) -> list[list[InferenceResponse]]:
        """Respond to every request about every clip; ``result[i][j]`` is clip i, request j.

        ``own`` holds further requests about each clip alone, all with codes; their responses stand behind the others.
        Each clip's frames are encoded once for all its requests. A clip without any frame gives a
        conversation without video. A failure is a response with its outcome and reason, never an
        exception that takes the other clips with it.
        """


@runtime_checkable
class OverlapEngine(Engine, Protocol):
    """An engine that looks but once at what several windows of a video show."""

    @property
    def patch_frames(self) -> int:
        """Frames of a temporal patch, of which each is seen by itself."""

    def generate_windows(
        self,
        clips: Sequence[Frames],
        starts_s: Sequence[float],
        requests: Sequence[InferenceRequest],
        seen: SeenPatches,
    ) -> list[list[InferenceResponse]]:
        """As :meth:`generate`, about consecutive windows of one video.

        A temporal patch that several windows show, with the very same frames, is seen once for all of them.

        Args:
            clips: Their frames.
            starts_s: When each begins, in seconds of the video; rising, over all calls about a video.
            requests: Asked about every window.
            seen: Empty at the first call about a video, and handed on to the next; then it holds no more than what
                later windows may show again.
        """
