"""Check of a target's form: format, length and repetition; helpers to read its prose."""

import re
from collections import Counter
from dataclasses import dataclass
from functools import lru_cache

from vlm_autodrive.models import format_reasoning
from vlm_autodrive.records import OPTION_LETTERS, SFTSample, SupervisionType
from vlm_autodrive.supervision.facts import Facts
from vlm_autodrive.supervision.samples import RULES

_SHAPE = re.compile(
    r"<think>\n(?P<thoughts>.+)\n</think>\n\n<answer>\n(?P<code>[^\n]+)\n(?:t=(?P<time>\d+\.\d)\n)?</answer>", re.DOTALL
)
_TAGS = ("<think>", "</think>", "<answer>", "</answer>")


@dataclass(frozen=True)
class ReasoningParts:
    """A reasoning target, taken apart."""

    thoughts: str
    code: str
    event_time_s: float | None


@lru_cache(maxsize=8)  # several checks read the same sample, one after the other
def parse_target(target: str) -> ReasoningParts | None:
    """Take a reasoning target apart; None if it is not exactly in the format."""
    match = _SHAPE.fullmatch(target)
    if match is None or any(target.count(tag) != 1 for tag in _TAGS):
        return None
    thoughts, time = match.group("thoughts"), match.group("time")
    return ReasoningParts(
        thoughts=thoughts,
        code=match.group("code"),
        event_time_s=None if time is None else float(time),
    )


def check_format(sample: SFTSample, facts: Facts) -> str | None:
    """Check that what is reasoned is written exactly as the student is asked to write."""
    if sample.type not in REASONED:
        return None
    parsed = parse_target(sample.target)
    if parsed is None:
        return "not one think block followed by one answer block"
    codes = facts.taxonomy.codes if sample.type == "reasoning" else OPTION_LETTERS[: len(sample.options)]
    if parsed.code not in codes:
        return f"the line for the code says {parsed.code!r}"
    if sample.type == "reasoning_vqa" and parsed.event_time_s is not None:
        return "a time stands behind the letter"
    if sample.target != format_reasoning(parsed.thoughts, parsed.code, parsed.event_time_s):
        return "written otherwise than the prompt asks"
    return ""


REASONED = ("reasoning", "reasoning_vqa")
"""The types whose target is a think block, then an answer block."""

PROSE = ("caption", "description", *REASONED)
"""The types whose target is a text of sentences."""

QUESTIONS = ("vqa", "reasoning_vqa")
"""The types whose prompt is a question of the clip's own."""

FROM_DATA_SET = "imported_"
"""How the topics of questions begin that a data set brought along."""

_SENTENCE_END = re.compile(r"[.;!?](?:\s+|$)|\n+")
_CLAUSE_END = re.compile(r"[.;:!?](?:\s|$)|\n|,? but |,? however\b|,? although |,? then ")
_DENYING = re.compile(
    r"\b(?:no|not|never|without|neither|nor|cannot|free (?:of|from)|absence of|lack of|rather than|instead of|dry of)\b"
    r"|n't\b"
)
_DENIED_AFTER = re.compile(
    r"\W+(?:is|are|was|were|has|have|does|do)?(?:\s+not\b|n't\b|\s*(?:absent|nowhere|no longer)\b)"
)
_FARTHEST_WORDS = 5
_FARTHEST = 60


def prose_of(sample: SFTSample) -> str:
    """The target, or the thoughts in it, in small letters, as all patterns here are, which is faster."""
    parsed = parse_target(sample.target) if sample.type in REASONED else None
    return (parsed.thoughts if parsed else sample.target).casefold()


def is_by_model(sample: SFTSample) -> bool:
    """Whether a model wrote the text, neither rules nor the people who made a data set."""
    return (
        sample.teacher != RULES
        and "data set" not in sample.teacher_inputs
        and not sample.topic.startswith(FROM_DATA_SET)
    )


def sentences(text: str) -> list[str]:
    """The sentences, lines and parts between semicolons of a text."""
    return [part for part in _SENTENCE_END.split(text) if part.strip()]


def is_denied(text: str, start: int, end: int) -> bool:
    """Whether what stands from ``start`` to ``end`` is said not to be: ``no rain``, ``without any sign of snow``."""
    before = _CLAUSE_END.split(text[max(0, start - _FARTHEST) : start])[-1]
    denying = list(_DENYING.finditer(before))
    if denying and len(before[denying[-1].end() :].split()) <= _FARTHEST_WORDS:
        return True
    return bool(_DENIED_AFTER.match(text, end))


_BOUNDS: dict[SupervisionType, tuple[int, int]] = {
    "verdict": (1, 20),
    "caption": (10, 600),
    "description": (20, 3000),
    "vqa": (1, 500),
    "reasoning_vqa": (30, 4000),
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


def check_length(sample: SFTSample, facts: Facts) -> str | None:
    """Check that a target is neither empty nor of a length that its type never needs, in characters.

    Rules may be brief, since they say no more than is known, and no rule writes much.
    """
    del facts
    length = len(prose_of(sample).strip())
    if not length:
        return "the text is empty"
    if not is_by_model(sample):
        return ""
    shortest, longest = _BOUNDS[sample.type]
    if length < shortest:
        return f"the text has {length} characters, fewer than {shortest}"
    if length > longest:
        return f"the text has {length} characters, more than {longest}"
    if sample.type in QUESTIONS and not 0 < len(sample.prompt.text.strip()) <= _LONGEST_QUESTION:
        return f"the question has {len(sample.prompt.text.strip())} characters, not 1 to {_LONGEST_QUESTION}"
    return ""


def check_no_loop(sample: SFTSample, facts: Facts) -> str | None:
    """Check that a model's text says nothing again and again. Rules cannot loop: each writes every part once."""
    del facts
    if sample.type == "verdict" or not is_by_model(sample):
        return None
    return loop_in(sample.target)


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
