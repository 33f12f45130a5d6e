"""Check of cited times: inside the clip, and near the event where they refer to it."""

import re

from vlm_autodrive.engines import find_times, is_in_clip
from vlm_autodrive.records import SFTSample
from vlm_autodrive.supervision.checks.contact import BARELY, CONTACT, NEAR, claims_contact, claims_near_miss
from vlm_autodrive.supervision.checks.prose import PROSE, prose_of, sentences
from vlm_autodrive.supervision.facts import Facts

_NEAR_EVENT_S = 0.5  # what a model that looks at a few frames a second can be asked for
_EVENT = re.compile(rf"{NEAR.pattern}|{BARELY.pattern}|{CONTACT.pattern}|\bthe event\b")
_RELATIVE = re.compile(
    r"\b(?:before|after|prior to|until|till|ahead of|following|leading (?:up )?to|since)\s+(?:[\w-]+\s+){0,3}$"
)


def check_cited_times(sample: SFTSample, facts: Facts) -> str | None:
    """Check that every moment that the target cites lies in the clip."""
    if sample.type == "verdict":
        return None
    for time_s in (cited.time_s for cited in find_times(sample.target)):
        if time_s < 0:
            return f"{time_s:.1f} s is named, which is before the clip begins"
        if not is_in_clip(time_s, facts.clip.duration_s):
            return f"{time_s:.1f} s is named, but the clip ends at {facts.clip.duration_s:.1f} s"
    return ""


def check_event_times(sample: SFTSample, facts: Facts) -> str | None:
    """Check that the moments beside a claim of contact, of a near miss or of the event lie near the event."""
    wanted = facts.clip.event_time_s
    if sample.type not in PROSE or not facts.label.is_event or wanted is None:
        return None
    for sentence in sentences(prose_of(sample)):
        said = _time_beside_the_event(sentence)
        if said is not None and abs(said - wanted) > _NEAR_EVENT_S:
            return f"the text puts the event at {said:.1f} s, but it is at {wanted:.1f} s"
    return ""


def _time_beside_the_event(sentence: str) -> float | None:
    """The moment nearest to where a sentence speaks of the event; None without one, or if it says before or after."""
    event = _EVENT.search(sentence)
    if event is None or _RELATIVE.search(sentence[: event.start()]):
        return None
    if not (claims_contact(sentence) or claims_near_miss(sentence) or "the event" in event.group()):
        return None
    cited = find_times(sentence)
    if not cited:
        return None
    return min(cited, key=lambda each: abs(each.start - event.start())).time_s
