"""Class codes in a served model's answers, and their probabilities from log-probabilities or votes."""

import re
from collections.abc import Sequence

import numpy as np

from vlm_autodrive.engines.endpoint.completion import TokenLogprobs


def code_in(text: str, codes: Sequence[str]) -> str | None:
    """The only code in a text, if it stands there as an answer: at an end or before a mark, so that "A car" is none."""
    word = rf"(?<!\w)({_either(codes)})(?!\w)"
    named = set(re.findall(word, text))
    answers = re.search(rf"{word}(?=\s*$|\s*\n|[^\w\s])", text)
    return str(answers[1]) if answers and len(named) == 1 else None


def parse_letter(text: str, letters: Sequence[str]) -> str | None:
    """The letter of a multiple-choice answer: the one before a mark at the begin of a text, or the only one in it."""
    first = re.match(rf"\W*({_either(letters)})(?=\s*$|\s*\n|\s*[^\w\s])", text)
    return str(first[1]) if first else code_in(text, letters)


def is_bare(text: str, codes: Sequence[str]) -> bool:
    """Whether a text is a code and nothing else but marks."""
    return re.fullmatch(rf"\W*({_either(codes)})\W*", text) is not None


def code_probabilities(places: Sequence[TokenLogprobs], text: str, codes: Sequence[str]) -> tuple[float, ...] | None:
    """The softmax over the codes' log-probabilities at the place where the answer's code was written.

    The probabilities of a code's surface forms, such as with a blank before it, are added up. It makes no difference
    whether the endpoint took its log-probabilities before or after it ruled out other tokens, as that adds one number
    to all of them; but afterwards other surface forms may be ruled out too. A code that is not listed gets the most
    that it can have: the least that is listed, or what is left of 1 if that is less.

    Args:
        places: Tokens at each place of the text.
        text: The text.
        codes: The codes.

    Returns:
        One for each code; None if the endpoint gave no log-probabilities, or the text has no place for a code.
    """
    listed = _listed_at_code(places, text, codes)
    if listed is None:
        return None
    weights = [share if (share := _share_of(code, listed)) is not None else _most(listed) for code in codes]
    total = sum(weights)
    return tuple(weight / total for weight in weights) if total > 0 else None


def unlisted_share(places: Sequence[TokenLogprobs], text: str, codes: Sequence[str]) -> float | None:
    """The probability that :func:`code_probabilities` gives a code that is not listed, which is a bound.

    Args:
        places: Tokens at each place of the text.
        text: The text.
        codes: The codes.

    Returns:
        0 if all codes are listed; None where there are no probabilities.
    """
    listed = _listed_at_code(places, text, codes)
    found = code_probabilities(places, text, codes)
    if listed is None or found is None:
        return None
    return max((p for p, code in zip(found, codes, strict=True) if _share_of(code, listed) is None), default=0.0)


def _share_of(code: str, listed: dict[str, float]) -> float | None:
    ways = [share for token, share in listed.items() if _unmarked(token) == code]
    return sum(ways) if ways else None


def _most(listed: dict[str, float]) -> float:
    return min(min(listed.values()), max(0.0, 1.0 - sum(listed.values())))


def code_mass(places: Sequence[TokenLogprobs], text: str, codes: Sequence[str], *, constrained: bool) -> float | None:
    """The probability that falls on the codes in all, where the answer's code was written.

    It is a lower bound, as an endpoint lists the likeliest tokens only. One that holds the answer to the codes may take
    its log-probabilities after it ruled out all other tokens; then they do not tell what the model would have written.

    Args:
        places: Tokens at each place of the text.
        text: The text.
        codes: The codes.
        constrained: Whether the endpoint held the answer to the codes.

    Returns:
        The sum over the listed surface forms of the codes; None if there are no log-probabilities of the model's own.
    """
    listed = _listed_at_code(places, text, codes)
    if listed is None:
        return None
    others = [share for token, share in listed.items() if _unmarked(token) not in codes]
    if constrained and not any(others):
        return None
    return min(1.0, sum(listed.values()) - sum(others))


def _listed_at_code(places: Sequence[TokenLogprobs], text: str, codes: Sequence[str]) -> dict[str, float] | None:
    """The probability of each token that is listed where the code was written; None if there is no such place."""
    code = code_in(text, codes)
    at = [place.logprobs for place in places if code is not None and _unmarked(place.written) == code]
    if len(at) != 1 or not at[0]:
        return None
    return {token: float(np.exp(min(value, 0.0))) for token, value in at[0].items()}


def vote_shares(texts: Sequence[str], codes: Sequence[str]) -> tuple[float, ...] | None:
    """The share of each code among several answers; None if half of them or more name none."""
    named = [code for text in texts if (code := code_in(text, codes)) is not None]
    if 2 * len(named) <= len(texts):
        return None
    return tuple(named.count(code) / len(named) for code in codes)


def _either(codes: Sequence[str]) -> str:
    return "|".join(re.escape(code) for code in codes)


def _unmarked(token: str) -> str:
    """A token without blanks and marks around it, also as vocabularies write a blank."""
    return re.sub(r"^[\WĠĊ▁]+|[\WĠĊ▁]+$", "", token)
