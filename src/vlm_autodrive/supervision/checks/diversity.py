"""Diversity of the samples of one type by one teacher: distinct-1, distinct-2 and the commonest template."""

import re
from collections import Counter
from itertools import pairwise
from typing import Any

from vlm_autodrive.supervision.rules.vqa.events import ACTORS, COLORS

_WORDS = re.compile(r"\w+")
_MASKED = re.compile(
    rf"\[?\bt\s*=\s*[\d.]+\]?|\d+(?:[.:,]\d+)*|\b(?:{'|'.join(COLORS)})\b|\b(?:{'|'.join(ACTORS)})s?\b", re.IGNORECASE
)
_SHOWN = 120
_MOST_WORDS = 50_000  # the share of distinct words falls with the number of words, so all are measured on as many


class Diversity:
    """Counts texts as they come.

    Attributes:
        texts: How many.
        by_model: Whether a model wrote them.
        commonest: How many of them share the commonest template.
        example: That template: a text with numbers, times, colours and road users masked.
    """

    def __init__(self) -> None:
        self.texts = 0
        self.by_model = False
        self.commonest = 0
        self.example = ""
        self._templates: Counter[int] = Counter()
        self._words = 0
        self._pairs = 0
        self._distinct_words: set[int] = set()
        self._distinct_pairs: set[int] = set()

    def add(self, text: str, *, by_model: bool) -> None:
        """Count one text."""
        self.texts += 1
        self.by_model = by_model
        template = template_of(text)
        key = hash(template)
        self._templates[key] += 1
        if self._templates[key] > self.commonest:
            self.commonest, self.example = self._templates[key], template[:_SHOWN]
        if self._words < _MOST_WORDS:
            words = [hash(word) for word in _WORDS.findall(text.casefold())]
            pairs = [hash(pair) for pair in pairwise(words)]
            self._words += len(words)
            self._pairs += len(pairs)
            self._distinct_words.update(words)
            self._distinct_pairs.update(pairs)

    def figures(self) -> dict[str, Any]:
        """Texts, distinct-1 and distinct-2 over their first words, and the share of the commonest template."""
        return {
            "texts": self.texts,
            "templates": len(self._templates),
            "commonest_share": round(self.commonest / self.texts, 3) if self.texts else 0.0,
            "commonest": self.example,
            "distinct_1": round(len(self._distinct_words) / self._words, 3) if self._words else 0.0,
            "distinct_2": round(len(self._distinct_pairs) / self._pairs, 3) if self._pairs else 0.0,
            "of_words": self._words,
        }


def template_of(text: str) -> str:
    """A text in small letters with numbers, times, colours and road users masked."""
    return " ".join(_MASKED.sub("_", text.casefold()).split())
