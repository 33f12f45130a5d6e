"""The budget of a job: what it used over all its runs and processes, and a hard limit.

Each try is written down before it is sent, at the most that it can cost, and corrected when its use is
known. A try whose process was killed stays at its most, since it may have been paid for.
"""

from vlm_autodrive.engines.endpoint.database import Database
from vlm_autodrive.engines.endpoint.settings import EndpointNames, EndpointSettings, PriceSettings
from vlm_autodrive.engines.endpoint.tokens import TokenUsage
from vlm_autodrive.records import Record

_ROUNDING = 1e-9  # sums of money are not exact to the last bit


class JobUsage(Record):
    """What was used.

    Attributes:
        requests: HTTP requests, each try counted.
        prompt_tokens: Tokens read.
        completion_tokens: Tokens written.
        money: At the prices of the settings.
    """

    requests: int
    prompt_tokens: int
    completion_tokens: int
    money: float


def money_for(cost: TokenUsage, price: PriceSettings) -> float:
    """What tokens cost."""
    read, written = cost
    return (read * price.prompt_per_million + written * price.completion_per_million) / 1e6


class Ledger:
    """The account of one job."""

    def __init__(self, database: Database, job: str, settings: EndpointSettings, names: EndpointNames) -> None:
        """Go on with a job's account, or begin it."""
        self._database = database
        self._job = job
        self._settings = settings
        self._names = names
        database.run("INSERT OR IGNORE INTO jobs (job) VALUES (:job)", {"job": job})

    def reserve(self, most: TokenUsage) -> bool:
        """Write down a try that is about to be sent; false if with it the budget could be passed."""
        budget = self._settings.budget
        changed = self._database.run(
            "UPDATE jobs SET requests = requests + 1, prompt_tokens = prompt_tokens + :read, "
            "completion_tokens = completion_tokens + :written, money = money + :money WHERE job = :job "
            "AND (:requests IS NULL OR requests + 1 <= :requests) "
            "AND (:tokens IS NULL OR prompt_tokens + completion_tokens + :read + :written <= :tokens) "
            "AND (:most_money IS NULL OR money + :money <= :most_money)",
            {
                "job": self._job,
                "read": most.prompt_tokens,
                "written": most.completion_tokens,
                "money": money_for(most, self._settings.price),
                "requests": budget.requests,
                "tokens": budget.tokens,
                "most_money": None if budget.money is None else budget.money * (1 + _ROUNDING),
            },
        )
        return changed == 1

    def settle(self, most: TokenUsage, used: TokenUsage) -> None:
        """Correct a reserved try to what it used."""
        price = self._settings.price
        self._database.run(
            "UPDATE jobs SET prompt_tokens = prompt_tokens + :read, completion_tokens = completion_tokens + :written, "
            "money = money + :money WHERE job = :job",
            {
                "job": self._job,
                "read": used.prompt_tokens - most.prompt_tokens,
                "written": used.completion_tokens - most.completion_tokens,
                "money": money_for(used, price) - money_for(most, price),
            },
        )

    def spent(self) -> JobUsage:
        """What the job has used so far; tries under way count at their most."""
        row = self._database.row(
            "SELECT requests, prompt_tokens, completion_tokens, money FROM jobs WHERE job = :job", {"job": self._job}
        )
        assert row is not None
        return JobUsage.model_validate(dict(zip(JobUsage.model_fields, row, strict=True)))

    def why_spent(self, next_try: TokenUsage) -> str:
        """Why a try could not be reserved, and which settings to raise."""
        spent, budget = self.spent(), self._settings.budget
        tokens = spent.prompt_tokens + spent.completion_tokens
        money = money_for(next_try, self._settings.price)
        rows: list[tuple[str, float | None, float, float, str]] = [
            ("requests", budget.requests, spent.requests, 1, ".0f"),
            ("tokens", budget.tokens, tokens, sum(next_try), ".0f"),
            ("money", budget.money, spent.money, money, ".4g"),
        ]
        passed = [name for name, most, used, more, _ in rows if most is not None and used + more > most]
        used_up = ", ".join(f"{used:{form}} of {most:{form}} {name}" for name, most, used, _, form in rows if most)
        bounds = passed or [name for name, most, *_ in rows if most is not None]  # another process may have settled
        raised = " and ".join(f"{self._names.keys}budget.{name}" for name in bounds)
        return (
            f"the budget is spent: {used_up}, and one more request may take {sum(next_try)} tokens; all replies so far "
            f"are kept and are not paid for again, so raise {raised} and start again to go on."
        )
