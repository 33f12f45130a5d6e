"""The student must not be told: no id, file name, event time or class in a question."""

import re
from collections.abc import Sequence
from functools import lru_cache
from pathlib import PurePath

from vlm_autodrive.records import Check, Clip, StudentPrompt, Taxonomy

NAME = "leaks"
_SHORTEST_ID = 3
_TIME = re.compile(
    r"\bt\s*=\s*(?P<stated>\d+(?:\.\d+)?)"
    r"|(?P<spoken>\d+(?:\.\d+)?)\s*(?:s|sec|secs|seconds?)\b"
    r"|\b(?:second|time|at)\s+(?P<named>\d+(?:\.\d+)?)\b(?!\s*m\b)"
    r"|(?P<decimal>\d+\.\d+)"
)
_SAME_S = 0.051


def check_leaks(prompt: StudentPrompt, clip: Clip, taxonomy: Taxonomy, stated_times: Sequence[float]) -> Check:
    """Refuse a student prompt that gives something away.

    Args:
        prompt: What the student would be asked.
        clip: The clip that it is asked about.
        taxonomy: The classes. Their fixed list of options is allowed, since it is the same for all clips.
        stated_times: The seconds that questions about this clip may name, drawn without the event.
    """
    text = _without_options(prompt.text, taxonomy)
    for found in (_id_in(text, clip), _class_in(text, taxonomy), _time_in(text, clip, stated_times)):
        if found:
            return Check(name=NAME, passed=False, message=f"the question tells the student {found}")
    return Check(name=NAME, passed=True)


def _without_options(text: str, taxonomy: Taxonomy) -> str:
    options = {f"{c.code}: {c.label} ({c.definition})" for c in taxonomy.classes}
    return "\n".join(line for line in text.splitlines() if line not in options)


def _id_in(text: str, clip: Clip) -> str:
    path = PurePath(clip.path)
    names = {clip.clip_id, clip.video_id, clip.group_id, clip.triplet_id or "", path.name, path.stem}
    found = _any_of(tuple(sorted(name for name in names if len(name) >= _SHORTEST_ID))).search(text)
    return f"the id or file name {found.group()!r}" if found else ""


def _class_in(text: str, taxonomy: Taxonomy) -> str:
    words: set[str] = set()
    for event_class in taxonomy.classes:
        words |= {event_class.label, event_class.name, event_class.name.replace("_", " ")}
        words |= set(event_class.spellings) if event_class.is_event else set()
    found = _any_of(tuple(sorted(words))).search(text)
    return f"the class word {found.group()!r}" if found else ""


@lru_cache(maxsize=64)
def _any_of(words: tuple[str, ...]) -> re.Pattern[str]:
    """Finds any of the words standing alone, in capitals or not."""
    if not words:
        return re.compile(r"(?!)")
    return re.compile(rf"(?<!\w)(?:{'|'.join(map(re.escape, words))})(?!\w)", re.IGNORECASE)


def _time_in(text: str, clip: Clip, stated_times: Sequence[float]) -> str:
    secret = [t for t in (clip.event_time_s, clip.alert_time_s) if t is not None]
    secret += [t + clip.start_s for t in secret]
    for match in _TIME.finditer(text):
        time_s = float(next(group for group in match.groups() if group is not None))
        if match.group("stated") and any(abs(time_s - t) < 0.01 for t in stated_times):
            continue
        if match.group("stated"):
            return f"the time {match.group()}, which was not drawn for this clip"
        if any(abs(time_s - t) < _SAME_S for t in secret):
            return f"the event's time, {match.group()!r}"
    return ""
