"""Check of the label against the simulated motion, and of verdicts and answers against the label."""

import re
from functools import lru_cache

from vlm_autodrive.records import OPTION_LETTERS, SFTSample
from vlm_autodrive.supervision.checks.contact import contact_by_label
from vlm_autodrive.supervision.checks.prose import ReasoningParts, parse_target
from vlm_autodrive.supervision.dimensions import EVENT_TOPIC
from vlm_autodrive.supervision.facts import Facts, shows_its_event
from vlm_autodrive.supervision.rules.understanding.event_question import EVENT_DIMENSION, event_options
from vlm_autodrive.supervision.rules.wording import NO_EVENT, seconds
from vlm_autodrive.supervision.student_prompts import PROMPTS

_EDGE_S = 0.2
_SAME_S = 0.051


def check_label_matches_motion(sample: SFTSample, facts: Facts) -> str | None:
    """Check that the label is what the simulation shows; a swapped row of annotations is not."""
    del sample
    if facts.scenario is None or not shows_its_event(facts.clip):
        return None
    event_time = facts.clip.event_time_s
    encounter = facts.encounter
    if encounter is None or not encounter.complete:
        shows_none = facts.label.is_event
        return f"the label is {facts.label.name}, but the simulated motion shows no such event" if shows_none else ""
    if encounter.truth.event_class not in facts.taxonomy.names:
        return None  # classes of one's own, which the simulation does not know
    shown = encounter.truth.event_class
    inside = _EDGE_S <= encounter.truth.time_s <= facts.clip.duration_s - _EDGE_S
    if shown != facts.label.name and (inside or facts.label.is_event):
        return f"the label is {facts.label.name}, but the simulated motion is {shown}"
    if facts.label.is_event and event_time is not None and abs(event_time - encounter.truth.time_s) > _EDGE_S:
        return f"the event is at {encounter.truth.time_s:.1f} s in the simulation, not at {event_time:.1f} s"
    return ""


def check_verdict_matches_label(sample: SFTSample, facts: Facts) -> str | None:
    """Check that a verdict, direct or at the end of a reasoning, is the label, and its time the event's."""
    if sample.type == "verdict":
        right = sample.target == facts.label.code
        return "" if right else f"the verdict is {sample.target!r}, but the label's code is {facts.label.code}"
    if sample.type != "reasoning":
        return None
    parsed = parse_target(sample.target)
    if parsed is None:
        return None  # the format is judged elsewhere
    if parsed.code != facts.label.code:
        return f"the reasoning ends in {parsed.code!r}, but the label's code is {facts.label.code}"
    return _event_time(parsed, facts) or _last_thought(parsed, facts)


def _event_time(parsed: ReasoningParts, facts: Facts) -> str:
    wanted = facts.clip.event_time_s if facts.label.is_event else None
    if (parsed.event_time_s is None) != (wanted is None):
        return "an event time is given where there is none, or missing where there is one"
    if wanted is not None and parsed.event_time_s is not None and abs(parsed.event_time_s - wanted) > _SAME_S:
        return f"the event time given is {parsed.event_time_s:.1f} s, but it is at {wanted:.2f} s"
    return ""


def _last_thought(parsed: ReasoningParts, facts: Facts) -> str:
    """The class that the thoughts arrive at, where they name one, against the code behind them."""
    last = parsed.thoughts.rstrip().rsplit("\n", 1)[-1]
    named = _concluding(tuple((c.label, c.code) for c in facts.taxonomy.classes)).search(last)
    if named is None:
        return ""
    said = next(text for text in named.groups() if text is not None)
    if _plain(said) in (_plain(facts.label.label), _plain(facts.label.code)):
        return ""
    return f"the thoughts arrive at {said!r}, but the label is {facts.label.label}"


@lru_cache(maxsize=8)
def _concluding(names: tuple[tuple[str, str], ...]) -> re.Pattern[str]:
    """Finds a class right after ``verdict`` and the like or as the last word behind a colon, or its code at the end."""
    ordered = sorted((label for label, _ in names), key=len, reverse=True)
    codes = "|".join(re.escape(code) for _, code in names)
    classes = "|".join(re.escape(label).replace(r"\-", "[- ]?") for label in ordered)
    lead = r"(?:verdict|answer|class(?:ification)?|label|conclusion)(?:\W+(?:is|would be|must be|an?|the))*\W+"
    ends = rf"(?:{lead}|(?:it|this) is \W*)(?-i:({codes}))\W*$"
    return re.compile(rf"\b{lead}({classes})\b|:\s*({classes})\W*$|\b{ends}", re.IGNORECASE)


def _plain(text: str) -> str:
    return "".join(character for character in text.casefold() if character.isalnum())


def check_letter_is_the_answer(sample: SFTSample, facts: Facts) -> str | None:
    """Check that the target of a multiple-choice question gives the letter that is on record as right."""
    del facts
    if not sample.options:
        return None
    if sample.answer not in tuple(OPTION_LETTERS[: len(sample.options)]):
        return f"the answer on record, {sample.answer!r}, is not one of the letters of {len(sample.options)} options"
    right = f"{sample.answer}\n{sample.options[OPTION_LETTERS.index(sample.answer)]}"
    if sample.type == "vqa":
        return "" if sample.target == right else f"the target is not {right!r}, the option that is on record as right"
    parsed = parse_target(sample.target)
    if parsed is None:
        return None  # the format is judged elsewhere
    said = parsed.code == sample.answer
    return "" if said else f"the reasons end in {parsed.code!r}, but the answer on record is {sample.answer}"


_ON_THE_EVENT = re.compile(r"\bthe event\b", re.IGNORECASE)
_NO_EVENT = re.compile(r"\bno (?:such )?event\b", re.IGNORECASE)


def check_answer_matches_label(sample: SFTSample, facts: Facts) -> str | None:
    """Check that a question on the event is answered that there is none exactly where there is none."""
    if sample.type != "vqa":
        return None
    if sample.topic == "contact":
        return _yes_or_no(sample, contact_by_label(facts), "contact")
    if sample.topic == EVENT_DIMENSION:
        right = sample.target.partition("\n")[2] in event_options(facts.label, facts.taxonomy)
        return "" if right else "the answer is the option of another class"
    if sample.topic == "event_check":
        return _yes_or_no(sample, facts.label.is_event, "an event")
    if sample.topic == EVENT_TOPIC and sample.options:
        said = sample.options[OPTION_LETTERS.index(sample.answer)].partition(":")[0]
        right = said.casefold() == facts.label.label.casefold()
        return "" if right else f"the answer is {said}, but the label is {facts.label.label}"
    if not _ON_THE_EVENT.search(sample.prompt.text):
        return None
    says_none = sample.target == NO_EVENT or bool(_NO_EVENT.search(sample.target))
    if says_none == facts.label.is_event:
        return "the answer contradicts the label on whether there is an event"
    event_time = facts.clip.event_time_s
    if sample.topic == "event_time" and facts.label.is_event and event_time is not None:
        return "" if sample.target == seconds(event_time) else f"the event is at {event_time:.2f} s"
    return ""


def _yes_or_no(sample: SFTSample, truth: bool | None, what: str) -> str | None:
    """Judge a question that is asked for it, in its topic's own words, or against it, in those of another."""
    if truth is None:
        return None
    asks_for = sample.prompt.text in PROMPTS.get(sample.topic, ())
    wrong = (sample.target == "yes") != (asks_for == truth)
    return f"the answer contradicts the label on whether there is {what}" if wrong else ""
