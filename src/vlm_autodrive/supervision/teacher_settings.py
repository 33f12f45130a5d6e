"""Settings of those who write supervision: what they are shown, which model they are, what they may cost."""

from typing import Literal

from pydantic import Field

from vlm_autodrive.settings import Settings


class SeesSettings(Settings):
    """What a model that teaches is told and shown of a clip. Rules always have all that is known.

    Attributes:
        label: Whether it is told the class, the event's time and the simulation's truth. Without them a
            description is what the model sees by itself, and must not name an outcome.
        frames: Frames of each clip that it is shown; 0 for metadata alone.
        frame_height: Pixels of such a frame.
        frame_width: Likewise.
        frames_as: Whether an endpoint is sent images or a video.
    """

    label: bool = True
    frames: int = Field(0, ge=0, le=64)
    frame_height: int = Field(252, ge=16)
    frame_width: int = Field(448, ge=16)
    frames_as: Literal["images", "video"] = "images"


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


class ServedTeacherSettings(Settings):
    """An OpenAI-compatible endpoint.

    Attributes:
        base_url: Such as ``http://127.0.0.1:8000/v1``.
        model: The model's name there.
        allow_remote: Whether metadata, labels and frames may leave this machine.
        api_key_env: Environment variable that holds the key; empty for none. The key is never kept.
        json_schema: Whether the endpoint is asked to hold its answer to a JSON schema; false for one that
            refuses the request then.
        most_at_once: Most requests in flight. How many there are follows what the endpoint bears.
        timeout_s: Of one request.
        attempts: Tries of one request on 429, 5xx and broken connections.
        longest_wait_s: Never wait longer than this between tries, whatever the server says.
        max_tokens: Most tokens of one answer.
        token_limit: What the endpoint calls that bound; some models take the newer name alone.
        temperature: Of sampling; null leaves it to the endpoint, as some models want it.
        budget: The most that may be used.
        price: What it costs, for the estimate and for a budget of money.
        cache: SQLite file that keeps every paid reply; empty for the one in the user's cache folder.
    """

    base_url: str = "http://127.0.0.1:8000/v1"
    model: str = ""
    allow_remote: bool = False
    api_key_env: str = ""
    json_schema: bool = True
    most_at_once: int = Field(64, ge=1, le=1024)
    timeout_s: float = Field(120.0, gt=0)
    attempts: int = Field(6, ge=1)
    longest_wait_s: float = Field(60.0, ge=0)
    max_tokens: int = Field(1200, ge=16)
    token_limit: Literal["max_tokens", "max_completion_tokens"] = "max_tokens"
    temperature: float | None = Field(0.3, ge=0)
    budget: BudgetSettings = BudgetSettings()
    price: PriceSettings = PriceSettings()
    cache: str = ""


class LocalTeacherSettings(Settings):
    """A transformers model in this process.

    Attributes:
        model: A folder or a hub name of an image-text-to-text model.
        max_tokens: Most tokens of one answer.
        temperature: Of sampling; 0 for the likeliest answer.
    """

    model: str = ""
    max_tokens: int = Field(1200, ge=16)
    temperature: float = Field(0.0, ge=0)


class StudentSettings(Settings):
    """The student as its own teacher of reasoning: traces sampled blind, kept where they come out right.

    Attributes:
        model: The student: ``tiny-base``, a checkpoint folder or a hub name.
        samples: Traces of each clip at most; the first right one is kept.
        temperature: Of sampling.
        max_tokens: Most tokens of one trace.
        time_tolerance_s: How far the time that a trace gives may lie from the event's.
    """

    model: str = ""
    samples: int = Field(4, ge=1)
    temperature: float = Field(0.8, gt=0)
    max_tokens: int = Field(400, ge=16)
    time_tolerance_s: float = Field(0.5, gt=0)
