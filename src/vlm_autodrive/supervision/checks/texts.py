"""What the checks read: the part of an item that is prose, who wrote it, and whether a word in it is denied."""

import re

from vlm_autodrive.records import SFTSample
from vlm_autodrive.supervision.checks.format import parse_target
from vlm_autodrive.supervision.samples import RULES

PROSE = ("caption", "description", "reasoning")
"""The kinds whose target is a text of sentences."""

FROM_DATA_SET = "imported_"
"""How the topics of questions begin that a data set brought along."""

_SENTENCE_END = re.compile(r"[.;!?](?:\s+|$)|\n+")
_CLAUSE_END = re.compile(r"[.;:!?](?:\s|$)|\n|,? but |,? however\b|,? although |,? then ")
_DENYING = re.compile(
    r"\b(?:no|not|never|without|neither|nor|cannot|free (?:of|from)|absence of|lack of|rather than|instead of|dry of)\b"
    r"|n't\b"
)
_DENIED_AFTER = re.compile(
    r"\W+(?:is|are|was|were|has|have|does|do)?(?:\s+not\b|n't\b|\s*(?:absent|nowhere|no longer)\b)"
)
_FARTHEST_WORDS = 5
_FARTHEST = 60


def taught_prose(item: SFTSample) -> str:
    """The target in small letters, as all patterns here are, which is faster; of a reasoning the thoughts alone."""
    parsed = parse_target(item.target) if item.type == "reasoning" else None
    return (parsed.thoughts if parsed else item.target).casefold()


def is_by_model(item: SFTSample) -> bool:
    """Whether a model wrote the text, neither rules nor the people who made a data set."""
    return item.teacher != RULES and "data set" not in item.teacher_inputs and not item.topic.startswith(FROM_DATA_SET)


def sentences(text: str) -> list[str]:
    """The sentences, lines and parts between semicolons of a text."""
    return [part for part in _SENTENCE_END.split(text) if part.strip()]


def is_denied(text: str, start: int, end: int) -> bool:
    """Whether what stands from ``start`` to ``end`` is said not to be: ``no rain``, ``without any sign of snow``."""
    before = _CLAUSE_END.split(text[max(0, start - _FARTHEST) : start])[-1]
    denying = list(_DENYING.finditer(before))
    if denying and len(before[denying[-1].end() :].split()) <= _FARTHEST_WORDS:
        return True
    return bool(_DENIED_AFTER.match(text, end))
