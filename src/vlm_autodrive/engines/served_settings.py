"""How a served model is asked about clips."""

from typing import Annotated, Any, Literal

from pydantic import Field

from vlm_autodrive.engines.endpoint.settings import Called, EndpointSettings
from vlm_autodrive.settings import NOT_IN_KEY
from vlm_autodrive.video import SamplingSettings

SERVED_MODEL = Called(
    who="the model",
    keys="endpoint.",
    address="--endpoint (endpoint.base_url)",
    model="--model",
    sent="frames of the clips",
)


class ServedModelSettings(EndpointSettings):
    """An endpoint that is asked about clips, and how.

    Attributes:
        base_url: Such as ``http://127.0.0.1:8000/v1``; empty where the model runs in this process.
        attempts: Tries of one request on 429, 5xx and broken connections.
        cache: SQLite file that keeps what has been used of the budget; empty for the one in the user's cache folder.
            Answers are not kept in it, since another model may be served under the same name tomorrow.
        sampling: Which frames it is shown; an endpoint does not say how its model was trained.
        frames_as: Whether it is sent images, or one video whose frames keep their times.
        say_times: Whether the frames' times are also told in words. A model trained with this software that is served
            takes them from the video: false for that, with ``frames_as: video``.
        constrained: Whether it is asked to answer a direct verdict by a code and nothing else, in vLLM's words
            (``structured_outputs``). An endpoint that refuses that by name is asked without, which is said; false
            for one that refuses it in other words.
        top_logprobs: How many of the likeliest tokens' log-probabilities are asked for, of which the probabilities are
            made; 0 for an endpoint that has none.
        votes: If above 0, the probabilities are the shares of so many sampled answers instead.
        extra: Further keys of every request, such as ``media_io_kwargs`` of vLLM.
    """

    base_url: str = ""
    attempts: Annotated[int, NOT_IN_KEY] = Field(4, ge=1)
    sampling: SamplingSettings = SamplingSettings()
    frames_as: Literal["images", "video"] = "images"
    say_times: bool = True
    constrained: bool = True
    top_logprobs: int = Field(20, ge=0, le=20)
    votes: int = Field(0, ge=0, le=64)
    extra: dict[str, Any] = {}
