"""Drafts of questions, and the random choice of options and claims."""

import random
from collections.abc import Sequence
from dataclasses import dataclass, field

CANNOT_BE_TOLD = "cannot be told"


@dataclass(frozen=True)
class VqaDraft:
    """A question about a clip before it is worded.

    Attributes:
        target: The true answer.
        values: What fills the places in the prompt.
        wording: The prompts to word it with, if not those of its topic.
        others: The wrong options of a multiple-choice question; empty otherwise.
    """

    target: str
    values: dict[str, str] = field(default_factory=dict)
    wording: str | None = None
    others: tuple[str, ...] = ()


def yes_no(truth: bool) -> str:
    """The answer to a binary question."""
    return "yes" if truth else "no"


def check(rng: random.Random, true: str, others: Sequence[str]) -> VqaDraft:
    """A yes/no question about a claim that is true or false by a toss."""
    # By a toss and not evenly among all claims: else "no" would nearly always be right, whatever the video shows.
    if rng.random() < 0.5:
        return VqaDraft("yes", {"value": true})
    return VqaDraft("no", {"value": rng.choice([other for other in others if other != true])})
