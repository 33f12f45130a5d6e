"""What a run takes of an endpoint."""

from dataclasses import asdict, dataclass

from vlm_autodrive.engines.endpoint.budget import JobUsage, money_for
from vlm_autodrive.engines.endpoint.settings import PriceSettings
from vlm_autodrive.engines.endpoint.tokens import TokenUsage
from vlm_autodrive.records import Record


class EndpointUsage(Record):
    """What this run took of an endpoint.

    Attributes:
        tries: HTTP requests.
        retries: Those among them that repeated a failed one.
        refused: Those that the endpoint was too busy for.
        from_cache: Requests answered from the cache.
        prompt_tokens: As the endpoint counted them; where it does not, the most it can have been.
        completion_tokens: Likewise.
        money: At the prices of the settings.
        of_job: What the job has used over all its runs.
    """

    tries: int
    retries: int
    refused: int
    from_cache: int
    prompt_tokens: int
    completion_tokens: int
    money: float
    of_job: JobUsage

    def in_words(self) -> str:
        """It in a few words."""
        tokens = self.prompt_tokens + self.completion_tokens
        kept = f", {self.from_cache:,} answered from the cache" if self.from_cache else ""
        money = f", {self.money:,.2f} paid" if self.money else ""
        all_runs = f", {self.of_job.requests:,} requests over all runs" if self.of_job.requests > self.tries else ""
        return f"{self.tries:,} requests{kept}, {tokens:,} tokens{money}{all_runs}"


@dataclass
class UsageCount:
    """Counts it; the attributes are those of :class:`EndpointUsage`."""

    tries: int = 0
    retries: int = 0
    refused: int = 0
    from_cache: int = 0
    prompt_tokens: int = 0
    completion_tokens: int = 0

    def add(self, used: TokenUsage) -> None:
        """Count the tokens of a try."""
        self.prompt_tokens += used.prompt_tokens
        self.completion_tokens += used.completion_tokens

    def total(self, price: PriceSettings, of_job: JobUsage) -> EndpointUsage:
        """What was counted, with its price and what the job has used."""
        money = money_for(TokenUsage(self.prompt_tokens, self.completion_tokens), price)
        return EndpointUsage(**asdict(self), money=money, of_job=of_job)
