"""Check of the outcomes that a sample names, against the label and its writer's inputs."""

import re

from vlm_autodrive.records import SFTSample
from vlm_autodrive.supervision.checks.prose import PROSE, QUESTIONS, is_by_model, prose_of
from vlm_autodrive.supervision.dimensions import ON_EVENTS
from vlm_autodrive.supervision.facts import Facts

# What is hit without a collision: the pedals, what lies on the road, what rain and light fall on.
_HARMLESS = (
    r"(?:brakes?|gas|accelerator|pedals?|throttle|horn|road|speed[- ]bumps?|bumps?|potholes?|puddles?|lens|camera"
)
_HARMLESS += r"|windscreen|windshield)\b"
_NO_HARM = rf"(?!\s+(?:(?:the|its|his|her|their|our|a|an|hard on the)\s+)?{_HARMLESS})"
CONTACT = re.compile(
    rf"\b(?:collid\w+|collisions?|crash\w*(?!\s+(?:barrier|cushion|helmet|rail|test))|(?<!eye )contact(?! lens)"
    rf"|hit(?:s|ting)?{_NO_HARM}|strik(?:es?|ing(?=\s+(?:the|a|an|it|its|our|us|another)\b)){_NO_HARM}|struck{_NO_HARM}"
    rf"|rams?|rammed|ramming|impact(?:s|ed)?(?!\s+(?:on\s+)?(?:the\s+)?(?:visibility|traffic|view|grip))"
    rf"|touch(?:es|ed|ing)?{_NO_HARM}|rear[- ]end(?:s|ed|ing)|(?:run|runs|ran|knock\w*) (?:over|down)"
    r"|bump(?:s|ed|ing)? into|smash\w*|side-?swip\w+|t-bon(?:es|ed|ing))\b"
)
NEAR = re.compile(r"\bnear(?:ly)?[- _](?:collision|miss|crash|accident|hit)\w*")
BARELY = re.compile(r"\b(?:narrow|bare)ly (?:avoid|miss|escap)\w*")
_UNREAL = re.compile(
    r"\b(?:no|not|never|neither|nor|cannot|without|avoid\w*|avert\w*|prevent\w*|almost|nearly|narrowly|barely|would|could"
    r"|might|may|risk\w*|imminent|likely|possib\w+|potential\w*|threaten\w*|about to|danger|chance|if|unless"
    r"|miss(?:es|ed|ing)?|close to|free (?:of|from)|instead of|rather than)\b|n't\b"
)
_IN_VAIN = re.compile(
    r"\b(?:fail\w*|unable|too late|not able|cannot|can't|could not|couldn't|does not|doesn't|did not|didn't)"
    r" (?:to )?(?:avoid|avert|prevent|stop|brake)\w*"
)
_DENIAL = re.compile(
    r"\b(?:no|without) (?:(?:any|sign of|signs of|actual|physical|visible|further|direct) ){0,2}"
    r"(?:contact|collision|crash|accident|impact(?! on)|event)\b"
    r"|\b(?:contact|collision|crash|impact) (?:is |was )?(?:narrowly |barely |just )?(?:avoided|averted)\b"
    r"|\b(?:(?:avoid|avert|prevent)(?:s|ed|ing)|(?:manag\w*|able|allow\w*(?: [\w-]+){1,3}) to (?:avoid|avert))"
    r" (?:an? |the |any )?(?:direct |actual |physical )?(?:contact|collision|crash|accident|impact)\b"
    r"|\b(?:does not|doesn't|do not|don't|never) (?:collide|crash|touch|hit|make contact)\b"
)
_NOTHING = re.compile(
    r"\b(?:no|without) (?:any |an )?(?:event|incident)\b(?! (?:yet|so far|at first|until))|\bnothing (?:\w+ )?happens\b"
    r"|\buneventful\b"
)
_SO_FAR = re.compile(r"\b(?:yet|so far|at first|until|initially|still no|at this point|up to)\b")
_CLAUSE = re.compile(r"[.;:!?\n](?:\s|$)|, but ")


def claims_contact(text: str) -> bool:
    """Whether some clause of a text says, and does not deny, that there is contact."""
    text = text.casefold()
    if CONTACT.search(text) is None:
        return False
    clauses = _clauses(text)
    return any(CONTACT.search(clause) and not _UNREAL.search(clause) for clause in clauses)


def denies_contact(text: str) -> bool:
    """Whether a text says that there is no contact or no event, and not only that there is none yet."""
    return any(_DENIAL.search(clause) and not _SO_FAR.search(clause) for clause in _clauses(text.casefold()))


def claims_near_miss(text: str) -> bool:
    """Whether a text says that contact was narrowly avoided."""
    text = text.casefold()
    for pattern in (NEAR, BARELY):
        for match in pattern.finditer(text):
            before = _CLAUSE.split(text[: match.start()])[-1]
            if not _UNREAL.search(before):
                return True
    return False


def _clauses(text: str) -> list[str]:
    """The clauses of a text, without near misses, and without what was tried in vain."""
    return _CLAUSE.split(NEAR.sub("", _IN_VAIN.sub("", text)))


def check_contact_matches_label(sample: SFTSample, facts: Facts) -> str | None:
    """Check that a text claims contact or a near miss only where the label has it, and does not deny its event."""
    if sample.type == "verdict":
        return None
    text = prose_of(sample)
    contact = contact_by_label(facts)
    if facts.label.is_event and sample.type in PROSE and _NOTHING.search(text.casefold()):
        return "the text denies the event that the label says"
    if contact:
        denied = sample.type in PROSE and denies_contact(text)
        return "the text denies the contact that the label says" if denied else ""
    if contact is False and claims_contact(text):
        return f"the text claims contact, but the label is {facts.label.name}"
    if not facts.label.is_event and claims_near_miss(text):
        return f"the text claims a near miss, but the label is {facts.label.name}"
    return ""


def contact_by_label(facts: Facts) -> bool | None:
    """Whether the label says that there is contact; None if it does not tell."""
    return facts.label.contact if facts.label.is_event else False


_BLIND_KINDS = ("caption", "description")
# Denials too: "no collision" is as much an outcome as "a collision". To hit the brakes is none, CONTACT leaves it out.
_MORE = re.compile(
    r"\baccidents?\b|\bwreck(?:s|ed|age)?\b|\bclose call\b|\b(?:thrown|flung|knocked|hurled)\b"
    r"|\b(?:narrowly|barely|nearly|almost|just) "
    r"(?:avoid|miss|hit|escap|collid|clip|brush)\w*"
)


_AN_EVENT = re.compile(r"\b(?:no|any|an|the|this|that|such) (?:such )?(?:event|incident)\b")


def check_names_no_outcome(sample: SFTSample, facts: Facts) -> str | None:
    """Check that the outcome is left open by a question, and by a description whose writer did not see the label."""
    del facts
    if not is_by_model(sample):
        return None
    if sample.topic in ON_EVENTS:
        return None  # their questions are the same for all clips, and all classes are asked them
    if sample.type in QUESTIONS:
        text = sample.prompt.text
        word = outcome_word(text) or (found.group() if (found := _AN_EVENT.search(text.casefold())) else "")
        return f"the question names an outcome, {word!r}, and not all classes are asked it" if word else ""
    if sample.type not in _BLIND_KINDS or "label" in sample.teacher_inputs:
        return None
    word = outcome_word(sample.target)
    return f"the text names an outcome, {word!r}, but its writer was not told the label" if word else ""


def outcome_word(text: str) -> str:
    """The first word of a text that says how it ends; empty if none does."""
    text = text.casefold()
    for pattern in (NEAR, CONTACT, _MORE):
        found = pattern.search(text)
        if found:
            return found.group()
    return ""
