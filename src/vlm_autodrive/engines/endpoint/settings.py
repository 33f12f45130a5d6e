"""Settings of OpenAI-compatible endpoints: address, retries, budget, and how a served model is prompted."""

from typing import Annotated, Any, Literal, NamedTuple

from pydantic import Field

from vlm_autodrive.settings import NOT_IN_KEY, Settings
from vlm_autodrive.video import SamplingSettings


class BudgetSettings(Settings):
    """Limits on what a job may use, over all its runs; null for no limit.

    Attributes:
        requests: Maximum number of HTTP requests; every attempt counts.
        tokens: Maximum number of prompt and completion tokens together.
        money: Maximum cost, in the currency of the prices.
    """

    requests: int | None = Field(None, ge=1)
    tokens: int | None = Field(None, ge=1)
    money: float | None = Field(None, gt=0)


class PriceSettings(Settings):
    """Prices of an endpoint per million tokens, in any one currency; 0 if free.

    Attributes:
        prompt_per_million: Price of a million prompt tokens.
        completion_per_million: Price of a million completion tokens.
    """

    prompt_per_million: float = Field(0.0, ge=0)
    completion_per_million: float = Field(0.0, ge=0)


class EndpointSettings(Settings):
    """An OpenAI-compatible endpoint.

    Attributes:
        base_url: Address of the endpoint, such as ``http://127.0.0.1:8000/v1``.
        allow_remote: Whether metadata, labels and frames may be sent to another machine.
        api_key_env: Environment variable that holds the API key; empty for none. The key is never stored.
        max_connections: Maximum number of concurrent requests; the number in use adapts to the rate limits of the
            endpoint.
        timeout_s: Timeout of one request in seconds. It grows with what answers take, up to four times as long.
        max_attempts: Maximum number of attempts per request on HTTP 429, 5xx and broken connections.
        max_backoff_s: Maximum wait between two attempts in seconds, whatever the server's Retry-After says.
        max_outage_s: Maximum time in seconds that a server that has answered before and is gone is waited for.
        token_limit: Name of the request field that limits an answer's tokens; some models accept only the newer
            ``max_completion_tokens``.
        min_tokens_per_frame: Fewest prompt tokens that a frame must have been counted as, small frames aside, for an
            answer to be one about the frames that were sent; 0 for a server that counts them otherwise.
        budget: Limits on requests, tokens and money.
        price: Prices per million tokens, for the cost estimate and a budget of money.
        cache: SQLite file that stores the budget used so far and every paid reply; empty for the one in the user's
            cache folder.
    """

    base_url: str = "http://127.0.0.1:8000/v1"
    allow_remote: Annotated[bool, NOT_IN_KEY] = False
    api_key_env: Annotated[str, NOT_IN_KEY] = ""
    max_connections: Annotated[int, NOT_IN_KEY] = Field(64, ge=1, le=1024)
    timeout_s: Annotated[float, NOT_IN_KEY] = Field(120.0, gt=0)
    max_attempts: Annotated[int, NOT_IN_KEY] = Field(6, ge=1)
    max_backoff_s: Annotated[float, NOT_IN_KEY] = Field(60.0, ge=0)
    max_outage_s: Annotated[float, NOT_IN_KEY] = Field(300.0, ge=0)
    token_limit: Annotated[Literal["max_tokens", "max_completion_tokens"], NOT_IN_KEY] = "max_tokens"
    min_tokens_per_frame: Annotated[float, NOT_IN_KEY] = Field(16.0, ge=0)
    budget: Annotated[BudgetSettings, NOT_IN_KEY] = BudgetSettings()
    price: Annotated[PriceSettings, NOT_IN_KEY] = PriceSettings()
    cache: Annotated[str, NOT_IN_KEY] = ""


class StructuredSettings(EndpointSettings):
    """An OpenAI-compatible endpoint that answers with JSON.

    Attributes:
        model: Name of the model at the endpoint.
        json_schema: Whether to request answers that follow a JSON schema; set false for an endpoint that refuses one.
        max_tokens: Maximum number of new tokens per answer.
        temperature: Sampling temperature; null leaves it to the endpoint's default, as some models require.
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
        base_url: Address of the endpoint, such as ``http://127.0.0.1:8000/v1``; empty runs the model in this process.
        max_attempts: Maximum number of attempts per request on HTTP 429, 5xx and broken connections.
        cache: SQLite file that stores the budget used so far; empty for the one in the user's cache folder. Answers are
            not cached, since another model may be served under the same name tomorrow.
        folder: The served model on this machine, a folder or the name of a hub model that was fetched; empty for
            ``--model`` where that is one. Frames are sampled as it was trained, and ``auto`` follows its chat template.
        sampling: How frames are sampled. What is set here replaces the sampling of ``folder``, which an endpoint does
            not tell.
        frames_as: How frames are sent. ``frames`` is one sequence of PNG pictures with their times, which vLLM takes
            when started with ``--trust-request-mm-kwargs``: the very input of training. ``video`` is one MP4 that keeps
            their times, ``images`` are separate JPEG pictures. ``auto`` is ``frames`` for vLLM; elsewhere ``images``,
            or ``video`` for a chat template that takes no images.
        say_times: Whether the prompt also lists the frames' times; null does so with ``images`` only, since a video
            has its times.
        thinking: How a model whose chat template opens its thoughts is asked for a direct answer: by the template's
            ``enable_thinking`` (``switch``), or by an assistant turn of closed, empty thoughts that the answer goes on
            from (``prefill``); both are fields of vLLM. ``auto`` follows the template of ``folder``, and is ``none``
            where that is not on this machine. `autodrive models check` tells which it is.
        constrained: Whether decoding of a direct verdict is constrained to the class codes, with vLLM's
            ``structured_outputs``. An endpoint that rejects the field by name gets requests without it, with a warning;
            set false for one that rejects it otherwise.
        top_logprobs: Number of most likely tokens whose log-probabilities are requested, to compute class
            probabilities; 0 for an endpoint that does not return them.
        votes: If above 0, number of sampled answers whose class proportions replace probabilities from
            log-probabilities.
        extra: Additional fields of every request, such as ``media_io_kwargs`` of vLLM; null leaves a field out.
    """

    base_url: str = ""
    max_attempts: Annotated[int, NOT_IN_KEY] = Field(4, ge=1)
    folder: Annotated[str, NOT_IN_KEY] = ""
    sampling: SamplingSettings = SamplingSettings()
    frames_as: Literal["auto", "frames", "video", "images"] = "auto"
    say_times: bool | None = None
    thinking: Literal["auto", "none", "switch", "prefill"] = "auto"
    constrained: bool = True
    top_logprobs: int = Field(20, ge=0, le=20)
    votes: int = Field(0, ge=0, le=64)
    extra: dict[str, Any] = {}
