"""Answers to questions on the event, against the label."""

import re

from vlm_autodrive.records import SFTSample
from vlm_autodrive.supervision.checks.contact import contact_by_label
from vlm_autodrive.supervision.facts import Facts
from vlm_autodrive.supervision.rules.wording import NO_EVENT, seconds
from vlm_autodrive.supervision.student_prompts import PROMPTS

_ON_THE_EVENT = re.compile(r"\bthe event\b", re.IGNORECASE)
_NO_EVENT = re.compile(r"\bno (?:such )?event\b", re.IGNORECASE)


def answers_as_the_label(item: SFTSample, facts: Facts) -> str | None:
    """Whether a question on the event is answered that there is none exactly where there is none."""
    if item.type != "vqa":
        return None
    if item.topic == "contact":
        return _yes_or_no(item, contact_by_label(facts), "contact")
    if item.topic == "event_check":
        return _yes_or_no(item, facts.label.is_event, "an event")
    if not _ON_THE_EVENT.search(item.prompt.text):
        return None
    says_none = item.target == NO_EVENT or bool(_NO_EVENT.search(item.target))
    if says_none == facts.label.is_event:
        return "the answer contradicts the label on whether there is an event"
    event_time = facts.clip.event_time_s
    if item.topic == "event_time" and facts.label.is_event and event_time is not None:
        return "" if item.target == seconds(event_time) else f"the event is at {event_time:.2f} s"
    return ""


def _yes_or_no(item: SFTSample, truth: bool | None, what: str) -> str | None:
    """Judge a question that is asked for it, in its topic's own words, or against it, in those of another."""
    if truth is None:
        return None
    asks_for = item.prompt.text in PROMPTS.get(item.topic, ())
    wrong = (item.target == "yes") != (asks_for == truth)
    return f"the answer contradicts the label on whether there is {what}" if wrong else ""
