"""Questions that presuppose an event: only such as every class is asked at the same rate."""

import re
from functools import lru_cache

from vlm_autodrive.records import SFTSample
from vlm_autodrive.supervision.checks.contact import CONTACT
from vlm_autodrive.supervision.checks.texts import FROM_DATA_SET
from vlm_autodrive.supervision.facts import Facts
from vlm_autodrive.supervision.rules.vqa.topics import TOPICS
from vlm_autodrive.supervision.student_prompts import IMPORTED_ON_EVENTS

_CRASH = r"crash(?:es)?(?! (?:barrier|cushion|helmet|rail|test))"
_NEAR = r"near[- ]?(?:miss(?:es)?|collisions?|crash(?:es)?)"
_EVENT = rf"(?:events?|incidents?|accidents?|collisions?|{_CRASH}|impacts?|contact|{_NEAR}|mishaps?|emergenc(?:y|ies))"
_ASK = r"\b(?:why|how|when|where|what|who|whom|whose|which)\b(?! likely| close| probable)[^?.]*?"
_TO_BE = (
    r"\b(?:caus\w+|led|leads?|result\w*|trigger\w*|happen\w*|occur\w*|is there|was there|beg[ia]ns?|starts?|ends?"
    r"|takes? place|avoid\w*|prevent\w*)\b"
)
_DEFINITE = re.compile(rf"\b(?:the|this|that|its|their|such an?)\s+(?:[\w-]+\s+){{0,2}}?{_EVENT}\b")
_ASKS_HOW = re.compile(rf"{_ASK}{_TO_BE}[^?.]*?\b{_EVENT}\b|{_ASK}\b{_EVENT}\b[^?.]*?{_TO_BE}")
_ASKS_TO_AVOID = re.compile(r"\b(?:how|what|who|which)\b[^?]*\b(?:avoid|prevent|avert|evad)\w*")
_AFTERMATH = re.compile(r"\b(?:damag\w+|injur\w+|victims?|casualt\w+|aftermath|at fault|to blame|liable)\b")
_WH = re.compile(r"\b(?:why|how|when|where|what|who|whom|which|at what|after)\b")
_ONLY_IF = re.compile(r"\b(?:if|would|could|might|likely|whether|any|is there|are there)\b")

_READ = 600  # characters: a longer question is refused for its length, and would take long to search

SAME_RATE_TOPICS = frozenset(
    [topic.name for topic in TOPICS if topic.same_rate]
    + [FROM_DATA_SET + topic.replace(" ", "_") for topic in IMPORTED_ON_EVENTS]
)
"""Topics that presuppose an event, or a meeting, and that all classes are asked at the same rate."""


@lru_cache(maxsize=4096)  # most questions are asked of many clips in the same words
def presupposes_event(question: str) -> bool:
    """Whether a question can only be asked where there is an event, such as ``why did the car crash``."""
    question = question.casefold()
    if _DEFINITE.search(question) or _ASKS_HOW.search(question):
        return True
    if _ASKS_TO_AVOID.search(question) or _AFTERMATH.search(question):
        return True
    said = CONTACT.search(question)
    return said is not None and bool(_WH.search(question[: said.start()])) and not _ONLY_IF.search(question)


def presupposes_nothing(item: SFTSample, facts: Facts) -> str | None:
    """Whether a question presupposes no event, or is one of those that all classes are asked alike."""
    del facts
    if item.type != "vqa":
        return None
    if item.topic in SAME_RATE_TOPICS or not presupposes_event(item.prompt.text[:_READ]):
        return ""
    return "the question presupposes an event, and is not asked of all classes at the same rate"
