"""Label against text: an answer must not contradict what is known of the clip."""

import re

from vlm_autodrive.records import Check, SupervisionItem
from vlm_autodrive.supervision.checks.format import parse_target
from vlm_autodrive.supervision.facts import Facts, shows_its_event
from vlm_autodrive.supervision.wording import NO_EVENT, seconds

NAME = "consistency"
_EDGE_S = 0.2
_SAME_S = 0.051
_NEAR = re.compile(r"\bnear(?:ly)?[- _](?:collision|miss|crash)\w*", re.IGNORECASE)
_CONTACT = re.compile(
    r"\b(?:collid\w+|collisions?|crash\w*|contact|hits?|strikes?|struck|rams?|rammed|impact|touch(?:es|ed)?"
    r"|rear-end(?:s|ed)|run over)\b",
    re.IGNORECASE,
)
_NEGATION = re.compile(
    r"\b(?:no|not|never|without|avoid\w*|avert\w*|prevent\w*|almost|nearly|narrowly|barely|would|could|might|risk\w*)\b"
    r"|n't\b",
    re.IGNORECASE,
)
_DENIAL = re.compile(
    r"\b(?:no|without|without any) (?:contact|collision|crash|impact|event)\b"
    r"|\b(?:contact|collision|crash) (?:is |was )?(?:narrowly |barely |just )?avoided\b"
    r"|\b(?:avoids?|avoided|averts?|averted) (?:a |the |any )?(?:contact|collision|crash)\b",
    re.IGNORECASE,
)
_SAID_SECONDS = re.compile(r"(?<![\w.])(\d+(?:\.\d+)?) s\b|\[?t=(\d+(?:\.\d+)?)")
_CLAUSE = re.compile(r"[.;:!?\n](?:\s|$)|, but ", re.IGNORECASE)


def claims_contact(text: str) -> bool:
    """Whether some clause of a text says, and does not deny, that there is contact."""
    clauses = _CLAUSE.split(_NEAR.sub("", text))
    return any(_CONTACT.search(clause) and not _NEGATION.search(clause) for clause in clauses)


def denies_contact(text: str) -> bool:
    """Whether a text says that there is no contact or no event."""
    return bool(_DENIAL.search(_NEAR.sub("", text)))


def check_consistency(item: SupervisionItem, facts: Facts) -> Check:
    """Whether the target agrees with the clip's label, its event time and its length."""
    message = (
        _label_against_scenario(facts)
        or _code(item, facts)
        or _times(item, facts)
        or _contact(item, facts)
        or _event_answer(item, facts)
    )
    return Check(name=NAME, passed=not message, message=message)


def _label_against_scenario(facts: Facts) -> str:
    """A label that contradicts the simulated motion, as a swapped row of annotations would."""
    if not shows_its_event(facts.clip):
        return ""
    event_time = facts.clip.event_time_s
    meeting = facts.meeting
    if meeting is None or not meeting.complete:
        shows_none = facts.scenario is not None and facts.label.is_event
        return f"the label is {facts.label.name}, but the simulated motion shows no such event" if shows_none else ""
    if meeting.encounter.event_class not in facts.taxonomy.names:
        return ""  # classes of one's own, which the simulation does not know
    shown = meeting.encounter.event_class
    inside = _EDGE_S <= meeting.encounter.time_s <= facts.clip.duration_s - _EDGE_S
    if shown != facts.label.name and (inside or facts.label.is_event):
        return f"the label is {facts.label.name}, but the simulated motion is {shown}"
    if facts.label.is_event and event_time is not None and abs(event_time - meeting.encounter.time_s) > _EDGE_S:
        return f"the event is at {meeting.encounter.time_s:.1f} s in the simulation, not at {event_time:.1f} s"
    return ""


def _code(item: SupervisionItem, facts: Facts) -> str:
    if item.kind == "verdict" and item.target != facts.label.code:
        return f"the verdict is {item.target!r}, but the label's code is {facts.label.code}"
    if item.kind != "reasoning":
        return ""
    parsed = parse_target(item.target)
    if parsed is None:
        return ""  # the format check says so
    if parsed.code != facts.label.code:
        return f"the reasoning ends in {parsed.code!r}, but the label's code is {facts.label.code}"
    wanted = facts.clip.event_time_s if facts.label.is_event else None
    if (parsed.event_time_s is None) != (wanted is None):
        return "an event time is given where there is none, or missing where there is one"
    if wanted is not None and parsed.event_time_s is not None and abs(parsed.event_time_s - wanted) > _SAME_S:
        return f"the event time given is {parsed.event_time_s:.1f} s, but it is at {wanted:.2f} s"
    return ""


def _times(item: SupervisionItem, facts: Facts) -> str:
    if item.topic == "time_to_contact":
        return ""  # a span of time, not a moment of the clip
    for match in _SAID_SECONDS.finditer(item.target):
        time_s = float(match.group(1) or match.group(2))
        if time_s > facts.clip.duration_s + _SAME_S:
            return f"{time_s:.1f} s is named, but the clip ends at {facts.clip.duration_s:.1f} s"
    return ""


def _contact(item: SupervisionItem, facts: Facts) -> str:
    parsed = parse_target(item.target) if item.kind == "reasoning" else None
    text = parsed.thoughts if parsed else item.target
    contact = _contact_by_label(facts)
    if contact:
        denied = item.kind in ("caption", "description", "reasoning") and denies_contact(text)
        return "the text denies the contact that the label says" if denied else ""
    claimed = contact is False and claims_contact(text)
    return f"the text claims contact, but the label is {facts.label.name}" if claimed else ""


def _contact_by_label(facts: Facts) -> bool | None:
    """Whether the label says that there is contact; None if it does not tell."""
    return facts.label.contact if facts.label.is_event else False


def _event_answer(item: SupervisionItem, facts: Facts) -> str:
    if item.topic in ("event_time", "cause") and (item.target == NO_EVENT) == facts.label.is_event:
        return "the answer contradicts the label on whether there is an event"
    event_time = facts.clip.event_time_s
    if item.topic == "event_time" and facts.label.is_event and event_time is not None:
        return "" if item.target == seconds(event_time) else f"the event is at {event_time:.2f} s"
    contact = _contact_by_label(facts)
    if item.topic == "contact" and contact is not None:
        asks_for = item.prompt.text.startswith("Does the ego vehicle touch")
        if (item.target == "yes") != (asks_for == contact):
            return "the answer contradicts the label on whether there is contact"
    return ""
