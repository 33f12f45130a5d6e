"""Check of cited times: inside the clip, and near the event where they refer to it."""

import re

from vlm_autodrive.records import SFTSample
from vlm_autodrive.supervision.checks.contact import BARELY, CONTACT, NEAR, claims_contact, claims_near_miss
from vlm_autodrive.supervision.checks.prose import PROSE, prose_of, sentences
from vlm_autodrive.supervision.facts import Facts

_SAME_S = 0.051
_NEAR_EVENT_S = 0.5  # what a model that looks at a few frames a second can be asked for
_FARTHEST = 40  # characters before a number that can make it a span
_DIGIT = re.compile(r"\d")
_MOMENT = re.compile(
    r"\[?\bt\s*=\s*(-?\d+(?:\.\d+)?)"
    r"|(?<![\w.:])(-?\d+(?:\.\d+)?)\s?(?:s|secs?|seconds?)\b"
    r"|\bsecond\s+(\d+(?:\.\d+)?)(?![\w:])"
    r"|(?<![\w.:])0?0:(\d{2}(?:\.\d+)?)(?![\w:])"
)
_SPAN_BEFORE = re.compile(
    r"\b(?:within|for|over|under|than|least|most|every|another|next|last|lasting|lasts|takes|took|of|in|only|after"
    r"|her|his|their|early|mid|late)[\s-]+(?:(?:about|around|roughly|the|at|another|over|under)\s+)?$"
)
_SPAN_AFTER = re.compile(r"\s*(?:later|earlier|before|away|ahead|behind|apart|gap|headway|margin|long|of|to spare)\b")
_EVENT = re.compile(rf"{NEAR.pattern}|{BARELY.pattern}|{CONTACT.pattern}|\bthe event\b")
_RELATIVE = re.compile(
    r"\b(?:before|after|prior to|until|till|ahead of|following|leading (?:up )?to|since)\s+(?:[\w-]+\s+){0,3}$"
)


def moments(text: str) -> list[tuple[int, float]]:
    """Where a text cites a moment of the clip, and its second; spans such as ``within 2 s`` are left out."""
    if _DIGIT.search(text) is None:
        return []
    found = []
    for match in _MOMENT.finditer(text):
        named = match.group(1) is not None
        if not named and (
            _SPAN_BEFORE.search(text, max(0, match.start() - _FARTHEST), match.start())
            or _SPAN_AFTER.match(text, match.end())
        ):
            continue
        found.append((match.start(), float(next(group for group in match.groups() if group is not None))))
    return found


def check_cited_times(sample: SFTSample, facts: Facts) -> str | None:
    """Check that every moment that the target cites lies in the clip."""
    if sample.type == "verdict":
        return None
    for _, time_s in moments(sample.target.casefold()):
        if time_s > facts.clip.duration_s + _SAME_S:
            return f"{time_s:.1f} s is named, but the clip ends at {facts.clip.duration_s:.1f} s"
        if time_s < 0:
            return f"{time_s:.1f} s is named, which is before the clip begins"
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
    cited = moments(sentence)
    if not cited:
        return None
    return min(cited, key=lambda moment: abs(moment[0] - event.start()))[1]
