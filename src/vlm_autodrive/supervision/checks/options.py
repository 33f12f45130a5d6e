"""Reading the options of a question, to see at which place its answer stands."""

import re

from vlm_autodrive.records import SFTSample

_CHOOSE = re.compile(r"\bchoose\b[^:\n]*:", re.IGNORECASE)
_LETTER = re.compile(r"(?:^|[\s,;])\(?([A-H])[).:]\s+")
_ANSWER_LETTER = re.compile(r"\(?([A-H])(?:[).:].*)?", re.DOTALL)


def yes_or_no(item: SFTSample) -> str:
    """``yes`` or ``no`` if that is the answer, or how it begins; else empty."""
    first = re.match(r"(yes|no)\b(?! )", item.target.strip(), re.IGNORECASE)
    return first.group(1).casefold() if first else ""


def place_among_options(item: SFTSample) -> tuple[int, int] | None:
    """The place of the answer among the question's options, from 1, and how many there are; None without options."""
    text = item.prompt.text
    letters = list(_LETTER.finditer(text))
    if len(letters) >= 2 and [m.group(1) for m in letters] == list("ABCDEFGH"[: len(letters)]):
        ends = [m.start() for m in letters[1:]] + [len(text)]
        options = [text[m.end() : end] for m, end in zip(letters, ends, strict=True)]
        chosen = _ANSWER_LETTER.fullmatch(item.target.strip())
        if chosen:
            place = "ABCDEFGH".index(chosen.group(1)) + 1
            return (place, len(options)) if place <= len(options) else None
    else:
        choose = _CHOOSE.search(text)
        if choose is None:
            return None
        rest = text[choose.end() :].strip()
        options = rest.split("\n") if "\n" in rest else re.split(r", |; ", rest)
    plain = [_plain(option) for option in options]
    target = _plain(item.target)
    return (plain.index(target) + 1, len(plain)) if len(plain) > 1 and plain.count(target) == 1 else None


def _plain(text: str) -> str:
    return text.strip().rstrip(".,;").casefold()
