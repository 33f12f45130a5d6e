"""Settings of OpenAI-compatible endpoints: address, retries, budget, and how a served model is prompted."""

from typing import Annotated, Any, Literal, NamedTuple

from pydantic import Field

from vlm_autodrive.settings import NOT_IN_KEY, Settings
from vlm_autodrive.video import SamplingSettings


class BudgetSettings(Settings):
    """The most that a job may use, over all its runs; null for no bound.

    Attributes:
        requests: HTTP requests, each try counted.
        tokens: Tokens read and written together.
        money: In the currency of the prices.
    """

    requests: int | None = Field(None, ge=1)
    tokens: int | None = Field(None, ge=1)
    money: float | None = Field(None, gt=0)


class PriceSettings(Settings):
    """What an endpoint charges for a million tokens, in any one currency; 0 for nothing.

    Attributes:
        prompt_per_million: Tokens read.
        completion_per_million: Tokens written.
    """

    prompt_per_million: float = Field(0.0, ge=0)
    completion_per_million: float = Field(0.0, ge=0)


class EndpointSettings(Settings):
    """An OpenAI-compatible endpoint.

    Attributes:
        base_url: Such as ``http://127.0.0.1:8000/v1``.
        allow_remote: Whether metadata, labels and frames may leave this machine.
        api_key_env: Environment variable that holds the key; empty for none. The key is never kept.
        max_connections: Most requests in flight. How many there are follows what the endpoint bears.
        timeout_s: Of one request.
        max_attempts: Tries of one request on 429, 5xx and broken connections.
        max_backoff_s: Never wait longer than this between tries, whatever the server says.
        token_limit: What the endpoint calls the bound on an answer's tokens; some models take the newer name alone.
        budget: The most that may be used.
        price: What it costs, for the estimate and for a budget of money.
        cache: SQLite file that keeps what has been used and every paid reply; empty for the one in the user's
            cache folder.
    """

    base_url: str = "http://127.0.0.1:8000/v1"
    allow_remote: Annotated[bool, NOT_IN_KEY] = False
    api_key_env: Annotated[str, NOT_IN_KEY] = ""
    max_connections: Annotated[int, NOT_IN_KEY] = Field(64, ge=1, le=1024)
    timeout_s: Annotated[float, NOT_IN_KEY] = Field(120.0, gt=0)
    max_attempts: Annotated[int, NOT_IN_KEY] = Field(6, ge=1)
    max_backoff_s: Annotated[float, NOT_IN_KEY] = Field(60.0, ge=0)
    token_limit: Annotated[Literal["max_tokens", "max_completion_tokens"], NOT_IN_KEY] = "max_tokens"
    budget: Annotated[BudgetSettings, NOT_IN_KEY] = BudgetSettings()
    price: Annotated[PriceSettings, NOT_IN_KEY] = PriceSettings()
    cache: Annotated[str, NOT_IN_KEY] = ""


class StructuredSettings(EndpointSettings):
    """An OpenAI-compatible endpoint that answers with JSON.

    Attributes:
        model: The model's name at the endpoint.
        json_schema: Whether to request answers that follow a JSON schema; false for an endpoint that refuses it.
        max_tokens: Most tokens of one answer.
        temperature: Of sampling; null leaves it to the endpoint, as some models want it.
    """

    model: str = ""
    json_schema: bool = True
    max_tokens: int = Field(1200, ge=16)
    temperature: float | None = Field(0.3, ge=0)


class EndpointNames(NamedTuple):
    """What messages call an endpoint and its settings, so that each names the settings that its reader has set.

    Attributes:
        who: The role of its model, such as ``the judge``.
        keys: What its settings' names begin with, such as ``served.``; empty where they have no section.
        address: Where its address is set.
        model: Where the model's name there is set.
        sent: What it is sent.
    """

    who: str
    keys: str
    address: str
    model: str
    sent: str


SERVED_MODEL = EndpointNames(
    who="the model",
    keys="endpoint.",
    address="--endpoint (endpoint.base_url)",
    model="--model",
    sent="frames of the clips",
)


class ServedModelSettings(EndpointSettings):
    """An endpoint that evaluation and detection send clips to, and in which form.

    Attributes:
        base_url: Such as ``http://127.0.0.1:8000/v1``; empty where the model runs in this process.
        max_attempts: Tries of one request on 429, 5xx and broken connections.
        cache: SQLite file that keeps what has been used of the budget; empty for the one in the user's cache folder.
            Answers are not kept in it, since another model may be served under the same name tomorrow.
        sampling: Which frames are sent; an endpoint does not say how its model was trained.
        frames_as: Whether frames are sent as images, or one video whose frames keep their times.
        say_times: Whether the frames' times also stand in the text. A model trained with this software that is served
            takes them from the video: false for that, with ``frames_as: video``.
        constrained: Whether decoding of a direct verdict is constrained to the codes, in vLLM's words
            (``structured_outputs``). An endpoint that refuses that by name gets requests without it, and that is said;
            false for one that refuses it in other words.
        top_logprobs: How many of the likeliest tokens' log-probabilities are requested, to compute probabilities
            from; 0 for an endpoint that has none.
        votes: If above 0, the probabilities are the proportions among so many sampled answers instead.
        extra: Further keys of every request, such as ``media_io_kwargs`` of vLLM.
    """

    base_url: str = ""
    max_attempts: Annotated[int, NOT_IN_KEY] = Field(4, ge=1)
    sampling: SamplingSettings = SamplingSettings()
    frames_as: Literal["images", "video"] = "images"
    say_times: bool = True
    constrained: bool = True
    top_logprobs: int = Field(20, ge=0, le=20)
    votes: int = Field(0, ge=0, le=64)
    extra: dict[str, Any] = {}
