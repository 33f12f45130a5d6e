"""The small grammar by which a free-text answer is read as one class, or as none.

An answer is cut into sentences, a sentence into segments at punctuation and ``but``, and a segment
into pieces at prepositions and conjunctions. A piece that consists of class names, codes and a
handful of filler words *asserts* what it names; any other piece is a *comment*. The answer is read
as a class only if it asserts that class alone and no comment speaks of another event. A hedged
segment ("a collision was narrowly avoided") says nothing, a negated name asserts nothing. There is
no guessing: what the grammar does not cover is unparseable.
"""

import re
from dataclasses import dataclass, field

from vlm_autodrive.records import Taxonomy

_SENTENCE = re.compile(r"(?<=[.!?])(?=\s|$)|\n+")
_SEGMENT = re.compile(r"[:;,.!|/=()\[\]{}]|\s[-–—]+\s|[–—]|^\s*[-–—]+|\bbut\b|\bhowever\b", re.IGNORECASE)
_PIECE = re.compile(
    r"\b(?:because|since|as|between|with|involving|caused|when|where|while|in|at|on|near the|around|from|by|due|"
    r"ahead|so|that|which|during|and|or)\b",
    re.IGNORECASE,
)
_FILLER_WORDS = (
    "the a an is it its it's this that these there there's was were are be answer answers option choice class category "
    "letter code correct right final best verdict label my i i'd i'll i'm choose pick select would say think believe "
    "so therefore thus hence then video videos clip footage scene dashcam shows show showing depicts contains displays "
    "has happens happened happening occurs occurred occurring occur event events outcome result type classified "
    "described of to me driving drive traffic ok okay yes sure boxed text first given shown labeled labelled "
    "confidently clearly real actual just simply only we see can seen observed considered"
)
_FILLER = frozenset(_FILLER_WORDS.split())
_NEGATOR = re.compile(
    r"\b(?:not|no|non|never|without|neither|nor|cannot|rather than|instead of|none of|rule out|rules out|ruled out|"
    r"absence of|free of|lack of)\b|n['’]t\b",
    re.IGNORECASE,
)
_HEDGE = re.compile(
    r"\b(?:avoid\w*|avert\w*|prevent\w*|escap\w*|miss|misses|missed|near|nearly|almost|narrowly|close to|risk\w*|"
    r"potential\w*|possib\w*|probabl\w*|likely|unlikely|perhaps|maybe|might|may|could|would have|should|if|unless|"
    r"whether|about to|ruled out|absent|imminent\w*|unclear|unsure|uncertain|free|avoidance|warning|danger of|"
    r"threat\w*|either)\b",
    re.IGNORECASE,
)
_DOUBT_ALONE = re.compile(
    r"^\W*(?:maybe|possibly|probably|perhaps|almost|nearly|not|likely|unlikely|unclear|unsure|no)\W*$", re.IGNORECASE
)
_CODE_INTRODUCTION = re.compile(r"\b(?:answer|option|choice|letter|code|class|category|verdict)\b", re.IGNORECASE)
_AND_THEN = re.compile(r"\b(?:and|when|while|where|which|that)\b", re.IGNORECASE)
_ARTICLES = ("A", "I", "a", "i")
_MARK = re.compile(r"⟦(\d+)⟧")


@dataclass
class Reading:
    """What an answer says.

    Attributes:
        asserted: Classes that it asserts.
        denied: Classes that it denies.
        remarked: Other event classes that its comments speak of as facts.
        doubtful: Whether a bare "maybe" or "no" takes back what is asserted.
    """

    asserted: set[str] = field(default_factory=set)
    denied: set[str] = field(default_factory=set)
    remarked: set[str] = field(default_factory=set)
    doubtful: bool = False

    def verdict(self, taxonomy: Taxonomy) -> str | None:
        """The one class that the answer names, or None.

        Where nothing is asserted, but every class of event is denied, it is the class without event.
        """
        if self.doubtful:
            return None
        if not self.asserted:
            all_denied = self.denied == set(taxonomy.event_names) and not self.remarked
            return taxonomy.normal.name if all_denied else None
        if len(self.asserted) > 1 or self.asserted & self.denied or self.remarked - self.asserted:
            return None
        return next(iter(self.asserted))


def read_answer(text: str, taxonomy: Taxonomy) -> Reading:
    """Read an answer, without any think block, by the grammar above."""
    plain = re.sub(r"[*`\"“”_]+(?=\W|$)|(?<!\w)[*`\"“”_]+|\\boxed", " ", text)
    bare = plain.strip(" \t\r\n.()[]{}:'$").casefold()
    for event_class in taxonomy.classes:
        if bare == event_class.code.casefold():
            return Reading(asserted={event_class.name})
    marked = _mark_names(plain, taxonomy)
    reading = Reading()
    for sentence in _SENTENCE.split(marked):
        if sentence.rstrip().endswith("?"):
            reading.doubtful = reading.doubtful or bool(_MARK.search(sentence))
            continue
        for segment in _SEGMENT.split(sentence):
            _read_segment(segment, taxonomy, reading)
    return reading


def _mark_names(text: str, taxonomy: Taxonomy) -> str:
    """Replace every class name by a mark, longest spelling first, so that none is found inside another."""
    spellings = {
        _flexible(spelling): index
        for index, event_class in enumerate(taxonomy.classes)
        for spelling in (event_class.name, event_class.label, *event_class.spellings)
    }
    for pattern in sorted(spellings, key=len, reverse=True):
        mark = f" ⟦{spellings[pattern]}⟧ "
        text = re.sub(rf"(?<![\w⟦]){pattern}(?:e?s)?(?![\w⟧])", mark, text, flags=re.IGNORECASE)
    return text


def _flexible(spelling: str) -> str:
    return r"[\s_\-‐‑–]*".join(re.escape(word) for word in re.split(r"[\s_\-]+", spelling))


def _read_segment(segment: str, taxonomy: Taxonomy, reading: Reading) -> None:
    if _DOUBT_ALONE.match(segment):
        reading.doubtful = reading.doubtful or bool(reading.asserted) or not re.search("no", segment, re.IGNORECASE)
        return
    negation = _NEGATOR.search(segment)
    affirmed, negated = (
        (segment, "") if negation is None else (segment[: negation.start()], segment[negation.start() :])
    )
    reading.denied |= _named(negated, taxonomy) | _codes_in(negated, taxonomy)
    if _HEDGE.search(segment):
        return
    pieces = _PIECE.split(affirmed)
    more_happens = bool(_AND_THEN.search(affirmed)) and not all(_is_assertion(piece, taxonomy) for piece in pieces)
    for piece in pieces:
        named = _named(piece, taxonomy)
        if _is_assertion(piece, taxonomy):
            if more_happens:  # "normal traffic, and then ..." does not say that all of it was normal
                named.discard(taxonomy.normal.name)
            reading.asserted |= named | _codes_in(piece, taxonomy)
        else:
            reading.remarked |= named & set(taxonomy.event_names)


def _named(text: str, taxonomy: Taxonomy) -> set[str]:
    return {taxonomy.classes[int(number)].name for number in _MARK.findall(text)}


def _words(text: str) -> list[str]:
    return re.findall(r"⟦\d+⟧|[^\s⟦⟧]+", text)


def _codes_in(piece: str, taxonomy: Taxonomy) -> set[str]:
    """Classes whose codes stand in a piece as codes, not as the article ``A`` or a stray small letter."""
    words = _words(piece)
    introduced = bool(_CODE_INTRODUCTION.search(piece))
    found = set()
    for index, word in enumerate(words):
        last = index == len(words) - 1
        letter = word.strip("'’()[].:")
        if letter in _ARTICLES and not last and words[index + 1].casefold() not in ("is", "only"):
            continue
        for event_class in taxonomy.classes:
            exact = letter == event_class.code
            small = letter.casefold() == event_class.code.casefold() and (len(words) == 1 or (introduced and last))
            if exact or small:
                found.add(event_class.name)
    return found


def _is_assertion(piece: str, taxonomy: Taxonomy) -> bool:
    codes = {code.casefold() for code in taxonomy.codes}
    for word in _words(piece):
        stripped = word.strip("'’").casefold()
        if not (_MARK.fullmatch(word) or stripped in _FILLER or stripped in codes or stripped == ""):
            return False
    return True
