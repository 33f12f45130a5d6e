"""Texts of a sane length that do not go round in circles, as a model's can."""

import re
from collections import Counter

from vlm_autodrive.records import SFTSample, SupervisionType
from vlm_autodrive.supervision.checks.texts import is_by_model, sentences, taught_prose
from vlm_autodrive.supervision.facts import Facts

_BOUNDS: dict[SupervisionType, tuple[int, int]] = {
    "verdict": (1, 20),
    "caption": (10, 600),
    "description": (20, 3000),
    "vqa": (1, 500),
    "reasoning": (30, 4000),
}  # fmt: skip
_LONGEST_QUESTION = 600
_MOST_REPEATS = 2
_SHORT_LINE = 4
_LONGEST_PERIOD = 12  # words of a phrase that is said again and again
_ROUNDS = 3
_BLANK = re.compile(r"\s{8,}")
_SAME_CHARACTER = re.compile(r"([^\s\d])\1{7,}")
_CHAT_TOKEN = re.compile(r"<\|[^|<>]{1,40}\|>|\ufffd")


def in_bounds(item: SFTSample, facts: Facts) -> str | None:
    """Whether a target is neither empty nor of a length that its kind never needs, in characters.

    Rules may be brief, since they say no more than is known, and no rule writes much.
    """
    del facts
    length = len(taught_prose(item).strip())
    if not length:
        return "the text is empty"
    if not is_by_model(item):
        return ""
    shortest, longest = _BOUNDS[item.type]
    if length < shortest:
        return f"the text has {length} characters, fewer than {shortest}"
    if length > longest:
        return f"the text has {length} characters, more than {longest}"
    if item.type == "vqa" and not 0 < len(item.prompt.text.strip()) <= _LONGEST_QUESTION:
        return f"the question has {len(item.prompt.text.strip())} characters, not 1 to {_LONGEST_QUESTION}"
    return ""


def without_loops(item: SFTSample, facts: Facts) -> str | None:
    """Whether a model's text says nothing again and again. Rules cannot loop: each writes every part once."""
    del facts
    if item.type == "verdict" or not is_by_model(item):
        return None
    return loop_in(item.target)


def loop_in(text: str) -> str:
    """What a text repeats: a sentence, a phrase, a character or blanks; empty if nothing."""
    if _BLANK.search(text):
        return "the text holds a long run of blanks"
    odd = _CHAT_TOKEN.search(text) or _SAME_CHARACTER.search(text)
    if odd:
        return f"the text holds {odd.group()[:20]!r}, which no sentence has"
    lines = Counter(" ".join(part.casefold().split()) for part in sentences(text))
    line, times = lines.most_common(1)[0] if lines else ("", 0)
    if times > _MOST_REPEATS and len(line) > _SHORT_LINE:
        return f"the text says {times} times {line[:60]!r}"
    return _phrase_again_and_again(text.casefold().split())


def _phrase_again_and_again(words: list[str]) -> str:
    for period in range(1, _LONGEST_PERIOD + 1):
        run = 0
        for word, earlier in zip(words[period:], words, strict=False):
            run = run + 1 if word == earlier else 0
            if run >= max(_ROUNDS * period, 4):
                return f"the text goes round in circles, with {word!r}"
    return ""
