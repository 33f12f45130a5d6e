"""The exact format of a reasoning target, read back."""

import re
from dataclasses import dataclass
from functools import lru_cache

from vlm_autodrive.models import format_reasoning
from vlm_autodrive.records import SFTSample
from vlm_autodrive.supervision.facts import Facts

_SHAPE = re.compile(
    r"<think>\n(?P<thoughts>.+)\n</think>\n\n<answer>\n(?P<code>[^\n]+)\n(?:t=(?P<time>\d+\.\d)\n)?</answer>", re.DOTALL
)
_TAGS = ("<think>", "</think>", "<answer>", "</answer>")
_CITED = re.compile(r"\[t=(\d+(?:\.\d+)?)\]")


@dataclass(frozen=True)
class Parsed:
    """A reasoning target, taken apart."""

    thoughts: str
    code: str
    event_time_s: float | None
    cited_times_s: tuple[float, ...]


@lru_cache(maxsize=8)  # several checks read the same item, one after the other
def parse_target(target: str) -> Parsed | None:
    """Take a reasoning target apart; None if it is not exactly in the format."""
    match = _SHAPE.fullmatch(target)
    if match is None or any(target.count(tag) != 1 for tag in _TAGS):
        return None
    thoughts, time = match.group("thoughts"), match.group("time")
    return Parsed(
        thoughts=thoughts,
        code=match.group("code"),
        event_time_s=None if time is None else float(time),
        cited_times_s=tuple(float(t) for t in _CITED.findall(thoughts)),
    )


def in_format(item: SFTSample, facts: Facts) -> str | None:
    """Whether a reasoning is written exactly as the student is asked to write."""
    if item.type != "reasoning":
        return None
    parsed = parse_target(item.target)
    if parsed is None:
        return "not one think block followed by one answer block"
    if parsed.code not in facts.taxonomy.codes:
        return f"the line for the code says {parsed.code!r}"
    if item.target != format_reasoning(parsed.thoughts, parsed.code, parsed.event_time_s):
        return "written otherwise than the prompt asks"
    return ""
