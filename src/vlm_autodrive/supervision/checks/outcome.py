"""No outcome in a text by a model that was not told the label, nor in a question by any model.

The first would be a guess, taught as the truth. The second would tell the student: models ask about what happens.
"""

import re

from vlm_autodrive.records import SFTSample
from vlm_autodrive.supervision.checks.contact import CONTACT, NEAR
from vlm_autodrive.supervision.checks.texts import is_by_model
from vlm_autodrive.supervision.facts import Facts

_BLIND_KINDS = ("caption", "description")
# Denials too: "no collision" is as much an outcome as "a collision". To hit the brakes is none, CONTACT leaves it out.
_MORE = re.compile(
    r"\baccidents?\b|\bwreck(?:s|ed|age)?\b|\bclose call\b|\b(?:thrown|flung|knocked|hurled)\b"
    r"|\b(?:narrowly|barely|nearly|almost|just) "
    r"(?:avoid|miss|hit|escap|collid|clip|brush)\w*"
)


def names_no_outcome(item: SFTSample, facts: Facts) -> str | None:
    """Whether the outcome is left open by a question, and by a description whose writer did not see the label."""
    del facts
    if not is_by_model(item):
        return None
    if item.type == "vqa":
        word = outcome_word(item.prompt.text)
        return f"the question names an outcome, {word!r}, and not all classes are asked it" if word else ""
    if item.type not in _BLIND_KINDS or "label" in item.teacher_inputs:
        return None
    word = outcome_word(item.target)
    return f"the text names an outcome, {word!r}, but its writer was not told the label" if word else ""


def outcome_word(text: str) -> str:
    """The first word of a text that says how it ends; empty if none does."""
    text = text.casefold()
    for pattern in (NEAR, CONTACT, _MORE):
        found = pattern.search(text)
        if found:
            return found.group()
    return ""
