"""What is set about an endpoint, whoever asks it: where it is, how hard it is pressed, what it may cost."""

from typing import Annotated, Literal, NamedTuple

from pydantic import Field

from vlm_autodrive.settings import NOT_IN_KEY, Settings


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
        attempts: Tries of one request on 429, 5xx and broken connections.
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
    attempts: Annotated[int, NOT_IN_KEY] = Field(6, ge=1)
    max_backoff_s: Annotated[float, NOT_IN_KEY] = Field(60.0, ge=0)
    token_limit: Annotated[Literal["max_tokens", "max_completion_tokens"], NOT_IN_KEY] = "max_tokens"
    budget: Annotated[BudgetSettings, NOT_IN_KEY] = BudgetSettings()
    price: Annotated[PriceSettings, NOT_IN_KEY] = PriceSettings()
    cache: Annotated[str, NOT_IN_KEY] = ""


class Called(NamedTuple):
    """How messages speak of an endpoint, so that each names the settings that its reader has set.

    Attributes:
        who: What it is to the one who asks.
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
