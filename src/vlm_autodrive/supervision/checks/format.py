"""The exact format of a reasoning target, read back."""

import re
from dataclasses import dataclass

from vlm_autodrive.models.prompts import format_reasoning
from vlm_autodrive.records import Check, Taxonomy

NAME = "format"
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


def check_format(target: str, taxonomy: Taxonomy) -> Check:
    """Whether a reasoning target is exactly what the student is asked to write."""
    parsed = parse_target(target)
    message = ""
    if parsed is None:
        message = "not one think block followed by one answer block"
    elif parsed.code not in taxonomy.codes:
        message = f"the line for the code says {parsed.code!r}"
    elif target != format_reasoning(parsed.thoughts, parsed.code, parsed.event_time_s):
        message = "written otherwise than the prompt asks"
    return Check(name=NAME, passed=not message, message=message)
