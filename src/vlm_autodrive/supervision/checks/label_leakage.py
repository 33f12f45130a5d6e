"""Check that a question leaks no id, file name, event time or class, and presupposes no event."""

import re
from collections.abc import Sequence
from functools import lru_cache
from pathlib import PurePath

from vlm_autodrive.models import reasoning_prompt, verdict_prompt
from vlm_autodrive.records import TAXONOMIES, Clip, SFTSample, StudentPrompt, Taxonomy
from vlm_autodrive.supervision.checks.contact import CONTACT
from vlm_autodrive.supervision.checks.prose import FROM_DATA_SET, QUESTIONS
from vlm_autodrive.supervision.dimensions import ON_EVENTS
from vlm_autodrive.supervision.facts import Facts
from vlm_autodrive.supervision.rules.intentions import INTENTIONS
from vlm_autodrive.supervision.rules.understanding.dimensions import INCIDENT_QUESTIONS
from vlm_autodrive.supervision.rules.understanding.event_question import EVENT_DIMENSION, event_options
from vlm_autodrive.supervision.rules.vqa.drafts import CANNOT_BE_TOLD
from vlm_autodrive.supervision.rules.vqa.events import NO_ACTOR
from vlm_autodrive.supervision.rules.vqa.scene import UNTOLD
from vlm_autodrive.supervision.rules.vqa.topics import TOPICS
from vlm_autodrive.supervision.student_prompts import (
    IMPORTED_ON_EVENTS,
    IMPORTED_PROMPTS,
    PROMPTS,
    UNDERSTANDING_PROMPTS,
)

_SHORTEST_ID = 3
_NUMBER_WORDS = "one|two|three|four|five|six|seven|eight|nine|ten|eleven|twelve"
_ORDINALS = "first|second|third|fourth|fifth|sixth|seventh|eighth|ninth|tenth"
_MAY_NAME_A_TIME = re.compile(r"\d|second", re.IGNORECASE)
_TIME = re.compile(
    r"\bt\s*=\s*(?P<stated>\d+(?:\.\d+)?)"
    r"|(?P<spoken>\d+(?:\.\d+)?)\s*-?\s*(?:s|secs?|seconds?)\b"
    r"|\b(?:second|time|at)\s+(?P<named>\d+(?:\.\d+)?)\b(?![.:]\d|\s*(?:m|s|secs?|seconds?)\b)"
    r"|\b(?P<minute>\d{1,2}:\d{2}(?:\.\d+)?)\b"
    r"|(?P<decimal>\d+\.\d+)",
    re.IGNORECASE,
)
_TIME_IN_WORDS = re.compile(rf"\b(?:{_NUMBER_WORDS}) seconds?\b|\b(?:{_ORDINALS}) second\b", re.IGNORECASE)
_SAME_S = 0.051


def find_label_leak(prompt: StudentPrompt, clip: Clip, taxonomy: Taxonomy, stated_times: Sequence[float]) -> str:
    """The label leak in a student prompt, in words; empty if there is none.

    Args:
        prompt: What the student would be asked.
        clip: The clip that it is asked about.
        taxonomy: The classes. Their fixed question and options are allowed, since they are the same for all clips.
        stated_times: The seconds that questions about this clip may name, drawn without the event.
    """
    text = _without_fixed_lines(prompt.text, taxonomy)
    found = (
        _id_in(text, clip)
        or _class_in(_without_class_options(text, taxonomy), taxonomy)
        or _time_in(text, clip, stated_times)
    )
    return f"the question tells the student {found}" if found else ""


def _without_fixed_lines(text: str, taxonomy: Taxonomy) -> str:
    if "\n" not in text:
        return text
    fixed = {taxonomy.question, *(c.option_line for c in taxonomy.classes)}
    lines = text.splitlines()
    fixed |= _lines_of_all_classes(lines, taxonomy)
    return "\n".join(line for line in lines if line not in fixed)


def _lines_of_all_classes(lines: Sequence[str], taxonomy: Taxonomy) -> set[str]:
    """The options of the question for the class and its why; none unless each class has one."""
    lettered = {line.partition(": ")[2]: line for line in lines}
    found = [
        [lettered[option] for option in event_options(event_class, taxonomy) if option in lettered]
        for event_class in taxonomy.classes
    ]
    return {line for each in found for line in each} if all(len(each) == 1 for each in found) else set()


def _without_class_options(text: str, taxonomy: Taxonomy) -> str:
    """The question without its options, if there is one for each class, which then tell none of them."""
    labels = {event_class.label for event_class in taxonomy.classes}
    options = [line for line in text.splitlines() if _class_of_option(line) in labels]
    if {_class_of_option(line) for line in options} != labels:
        return text
    return "\n".join(line for line in text.splitlines() if line not in options)


def _class_of_option(line: str) -> str:
    """What stands between an option's letter and what follows on a second colon; empty without."""
    parts = line.split(": ")
    return parts[1] if len(parts) > 2 else ""


@lru_cache(maxsize=1)
def _words_of_every_clip() -> frozenset[str]:
    """Words of the fixed prompts. All clips are asked with them, so that they tell nothing, though an id be one."""
    tables = (PROMPTS, UNDERSTANDING_PROMPTS)
    texts = [text for table in tables for wordings in table.values() for text in wordings]
    texts += [
        *IMPORTED_PROMPTS.values(),
        *(option for question in INCIDENT_QUESTIONS for option in question.all_options),
    ]
    texts += [option for form in INTENTIONS for option in form.options]
    texts += [NO_ACTOR, CANNOT_BE_TOLD, *(option for options in UNTOLD.values() for option in options)]
    for taxonomy in TAXONOMIES.values():
        texts.append(taxonomy.question)
        for prompt in (verdict_prompt(taxonomy), reasoning_prompt(taxonomy)):
            texts.append(_without_fixed_lines(prompt.text, taxonomy))
    return frozenset(word for text in texts for word in re.findall(r"\w+", text.casefold()))


def _id_in(text: str, clip: Clip) -> str:
    folded = text.casefold()
    for name in _names(clip.clip_id, clip.video_id, clip.group_id, clip.triplet_id, clip.path):
        if name in folded and re.search(rf"(?<!\w){re.escape(name)}(?!\w)", folded):
            return f"the id or file name {name!r}"
    return ""


@lru_cache(maxsize=8)  # a clip's samples come one after the other
def _names(clip_id: str, video_id: str, group_id: str, triplet_id: str | None, path: str) -> tuple[str, ...]:
    file = PurePath(path)
    names = {name.casefold() for name in (clip_id, video_id, group_id, triplet_id or "", file.name, file.stem)}
    return tuple(sorted(name for name in names - _words_of_every_clip() if len(name) >= _SHORTEST_ID))


def _class_in(text: str, taxonomy: Taxonomy) -> str:
    words = []
    for event_class in taxonomy.classes:
        words += [event_class.label, event_class.name]
        words += event_class.spellings if event_class.is_event else ()
    word = _first_of(tuple(words), text)
    return f"the class word {word!r}" if word else ""


@lru_cache(maxsize=4096)  # most questions are asked of many clips in the same words
def _first_of(words: tuple[str, ...], text: str) -> str:
    found = _any_of(words).search(text)
    return found.group() if found else ""


@lru_cache(maxsize=64)
def _any_of(words: tuple[str, ...]) -> re.Pattern[str]:
    """Finds any of the words standing alone, in capitals or not, its parts joined in any way."""
    telling = {word.casefold() for word in words} - _words_of_every_clip()
    if not telling:
        return re.compile(r"(?!)")
    shapes = sorted(r"[\s_-]?".join(map(re.escape, re.split(r"[\s_-]+", word))) for word in telling if word)
    return re.compile(rf"(?<!\w)(?:{'|'.join(shapes)})(?!\w)", re.IGNORECASE)


def _time_in(text: str, clip: Clip, stated_times: Sequence[float]) -> str:
    if _MAY_NAME_A_TIME.search(text) is None:
        return ""
    if in_words := _TIME_IN_WORDS.search(text):
        return f"the time {in_words.group()!r}, which was not drawn for this clip"
    secret = [t for t in (clip.event_time_s, clip.alert_time_s) if t is not None]
    secret += [t + clip.start_s for t in secret]
    for match in _TIME.finditer(text):
        number = next(group for group in match.groups() if group is not None)
        minutes, _, rest = number.rpartition(":")
        time_s = 60.0 * float(minutes or 0) + float(rest)
        if any(abs(time_s - t) < 0.01 for t in stated_times) and not match.group("decimal"):
            continue
        if match.group("stated") or match.group("spoken"):
            return f"the time {match.group()!r}, which was not drawn for this clip"
        if any(abs(time_s - t) < _SAME_S for t in secret):
            return f"the event's time, {match.group()!r}"
    return ""


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
    + [form.name for form in INTENTIONS]
    + [EVENT_DIMENSION, *(question.dimension for question in INCIDENT_QUESTIONS if question.presupposed)]
    + [FROM_DATA_SET + topic.replace(" ", "_") for topic in IMPORTED_ON_EVENTS]
    + sorted(ON_EVENTS)
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


def check_presupposes_no_event(sample: SFTSample, facts: Facts) -> str | None:
    """Check that a question presupposes no event, or is one of those that all classes are asked alike."""
    del facts
    if sample.type not in QUESTIONS:
        return None
    if sample.topic in SAME_RATE_TOPICS or not presupposes_event(sample.prompt.text[:_READ]):
        return ""
    return "the question presupposes an event, and is not asked of all classes at the same rate"
