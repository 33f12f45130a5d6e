"""The grammar that reads a free-text answer as one class, or as none.

An answer is cut into sentences, a sentence into segments at punctuation and ``but``, and a segment
into pieces at prepositions and conjunctions. A piece that consists of class names, codes and a
handful of filler words *asserts* what it names; any other piece is a *comment*. The answer is read
as a class only if it asserts that class alone and no comment speaks of another event. A hedged
segment ("a collision was narrowly avoided") says nothing, a negated name asserts nothing, and a
class that is offered in doubt beside the one asserted ("it might also be B") spoils it. Only a
*declared* answer ("the answer is B", "Verdict: B") outweighs the comments and doubts before it. There is
no guessing: what the grammar does not cover is unparseable.
"""

import re
from dataclasses import dataclass, field

from vlm_autodrive.engines.answers.words import (
    AND_THEN,
    AVOIDED,
    CALLED_FOR,
    CODE_INTRODUCTION,
    DECLARING,
    DOUBT,
    DOUBT_ALONE,
    FILLER,
    NEGATOR,
    NEXT_CLAUSE,
    NO_NEGATION,
    OF_THE_ROAD,
    UNDECIDED,
    tidied,
)
from vlm_autodrive.records import Taxonomy

_SENTENCE = re.compile(r"(?<=[.!?])(?=\s|$)|\n+")
_SEGMENT = re.compile(r"[:;,.!|/=()\[\]{}]|\s[-–—]+\s|[–—]|^\s*[-–—]+|\bbut\b|\bhowever\b", re.IGNORECASE)
_PIECE = re.compile(
    r"\b(?:because|since|as|between|with|involving|caused|when|where|while|in|at|on|near the|around|from|by|due|"
    r"ahead|so|that|which|during|and|or)\b",
    re.IGNORECASE,
)
_ARTICLES = ("A", "I", "a", "i")
_MARK = re.compile(r"⟦(\d+)⟧")


@dataclass
class ParsedAnswer:
    """What an answer says.

    Attributes:
        asserted: Classes that it asserts.
        denied: Classes that it denies.
        remarked: Other event classes that its comments speak of as facts.
        declared: Classes that it asserts as its answer, in so many words.
        offered: Classes that it names in doubt.
        doubtful: Whether a bare "maybe" or "no" takes back what is asserted.
    """

    asserted: set[str] = field(default_factory=set)
    denied: set[str] = field(default_factory=set)
    remarked: set[str] = field(default_factory=set)
    declared: set[str] = field(default_factory=set)
    offered: set[str] = field(default_factory=set)
    doubtful: bool = False

    def verdict(self, taxonomy: Taxonomy) -> str | None:
        """The one class that the answer names, or None.

        Where nothing is asserted, but every class of event is denied, it is the class without event.
        """
        if self.doubtful:
            return None
        if not self.asserted:
            all_denied = self.denied == set(taxonomy.event_names) and not self.remarked and not self.offered
            return taxonomy.normal.name if all_denied else None
        beside = self.offered if self.declared else self.offered | self.remarked
        if len(self.asserted) > 1 or self.asserted & self.denied or beside - self.asserted:
            return None
        return next(iter(self.asserted))


def parse_answer(text: str, taxonomy: Taxonomy) -> ParsedAnswer:
    """Parse an answer, without any think block, by the grammar above."""
    plain = tidied(text)
    bare = plain.strip(" \t\r\n.()[]{}:'$,!").casefold()
    for event_class in taxonomy.classes:
        if bare == event_class.code.casefold():
            return ParsedAnswer(asserted={event_class.name}, declared={event_class.name})
    marked = CALLED_FOR.sub("", NO_NEGATION.sub(" ", _mark_names(plain, taxonomy)))
    parsed = ParsedAnswer()
    for sentence in _SENTENCE.split(marked):
        if sentence.rstrip().endswith("?"):
            parsed.doubtful = parsed.doubtful or bool(_MARK.search(sentence))
            continue
        _parse_sentence(sentence, taxonomy, parsed)
    return parsed


def _mark_names(text: str, taxonomy: Taxonomy) -> str:
    """Replace every class name by a mark, longest spelling first, so that none is found inside another."""
    spellings = {
        _flexible(spelling): index
        for index, event_class in enumerate(taxonomy.classes)
        for spelling in event_class.all_spellings
    }
    for pattern in sorted(spellings, key=len, reverse=True):
        mark = f" ⟦{spellings[pattern]}⟧ "
        text = re.sub(rf"(?<![\w⟦]){pattern}(?:e?s)?(?![\w⟧])", mark, text, flags=re.IGNORECASE)
    return text


def _flexible(spelling: str) -> str:
    return r"[\s_\-‐‑–]*".join(re.escape(word) for word in re.split(r"[\s_\-]+", spelling))


def _parse_sentence(sentence: str, taxonomy: Taxonomy, parsed: ParsedAnswer) -> None:
    """Read the segments in turn, each in the light of the one before it and the sign between them."""
    before, begin, sign = "", 0, ""
    for end in [*_SEGMENT.finditer(sentence), None]:
        segment = sentence[begin:] if end is None else sentence[begin : end.start()]
        if sign.strip() == "," and NEGATOR.search(before) and _MARK.search(before) and _is_list_item(segment):
            if re.search(r"\b(?:or|nor)\b", sentence[begin:]):  # "no collision, near-collision or other event"
                parsed.denied |= _named(segment, taxonomy)
                segment = before
            else:
                parsed.doubtful = True
        elif segment.strip():
            value_of = before if sign == ":" else ""
            _parse_segment(segment, taxonomy, parsed, value_of)
        before, sign = segment if segment.strip() else before, "" if end is None else end.group()
        begin = len(sentence) if end is None else end.end()


def _is_list_item(segment: str) -> bool:
    """Whether a segment goes on with a list of names: a bare name first, or names and more behind an ``or``."""
    bare = re.match(r"\s*(?:or |nor )?⟦", segment)
    return bool(bare) or bool(re.match(r"\s*(?:a |an |any )?⟦\d+⟧\s+(?:or|nor)\b", segment))


def _parse_segment(segment: str, taxonomy: Taxonomy, parsed: ParsedAnswer, value_of: str = "") -> None:
    """Read one segment.

    Args:
        segment: Its text.
        taxonomy: The classes.
        parsed: What has been parsed so far, to be added to.
        value_of: What stands before it and a colon: in ``Damage: none`` the second says nothing of the clip.
    """
    if DOUBT_ALONE.match(segment):
        parsed.doubtful = parsed.doubtful or bool(parsed.asserted) or not re.search("no", segment, re.IGNORECASE)
        return
    if UNDECIDED.search(segment):
        parsed.offered |= _named(segment, taxonomy)
        parsed.doubtful = parsed.doubtful or bool(DECLARING.search(segment))
        return
    negation = NEGATOR.search(segment)
    affirmed, negated = (
        (segment, "") if negation is None else (segment[: negation.start()], segment[negation.start() :])
    )
    following = NEXT_CLAUSE.search(negated)
    if following is not None:  # "it is not a collision and it is a near-collision"
        _parse_segment(segment[: negation.start() + following.start()] if negation else segment, taxonomy, parsed)
        _parse_segment(negated[following.start() :], taxonomy, parsed)
        return
    if DOUBT.search(segment):
        _offer(segment, taxonomy, parsed)
        return
    parsed.denied |= _named(negated, taxonomy) | _codes_in(negated, taxonomy)
    if AVOIDED.search(segment):
        return
    pieces = _PIECE.split(affirmed)
    more_happens = bool(AND_THEN.search(affirmed)) and not all(_is_assertion(piece, taxonomy) for piece in pieces)
    of_something_else = bool(value_of.strip()) and not NEGATOR.search(value_of)
    of_something_else &= bool(OF_THE_ROAD.search(value_of)) or not _is_assertion(value_of, taxonomy)
    announced = bool(DECLARING.search(value_of)) and not UNDECIDED.search(value_of)
    declares = announced or bool(DECLARING.search(affirmed))
    for piece in pieces:
        named = _named(piece, taxonomy)
        if _is_assertion(piece, taxonomy):
            if more_happens or of_something_else:
                # "normal traffic, and then ..." does not say that all of it was normal, nor does "Weather: normal".
                named.discard(taxonomy.normal.name)
            asserted = named | _codes_in(piece, taxonomy)
            parsed.asserted |= asserted
            if declares and asserted:
                parsed.declared |= asserted
                parsed.doubtful = False
                parsed.offered = set()
        else:
            parsed.remarked |= named & set(taxonomy.event_names)


def _offer(segment: str, taxonomy: Taxonomy, parsed: ParsedAnswer) -> None:
    """A segment in doubt: what it would assert without its doubt is offered beside what is asserted."""
    for piece in _PIECE.split(DOUBT.sub(" ", segment)):
        if _is_assertion(piece, taxonomy):
            parsed.offered |= _named(piece, taxonomy) | _codes_in(piece, taxonomy)


def _named(text: str, taxonomy: Taxonomy) -> set[str]:
    return {taxonomy.classes[int(number)].name for number in _MARK.findall(text)}


def _words(text: str) -> list[str]:
    return re.findall(r"⟦\d+⟧|[^\s⟦⟧]+", text)


def _codes_in(piece: str, taxonomy: Taxonomy) -> set[str]:
    """Classes whose codes stand in a piece as codes, not as the article ``A`` or a stray small letter."""
    words = _words(piece)
    codes = [code.casefold() for code in taxonomy.codes]
    introduced = bool(CODE_INTRODUCTION.search(piece))
    found = set()
    for index, word in enumerate(words):
        last = index == len(words) - 1
        letter = word.strip("'’()[].:")
        if letter in _ARTICLES and not last and words[index + 1].casefold() not in ("is", "only", "to", *codes):
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
        if not (_MARK.fullmatch(word) or stripped in FILLER or stripped in codes or stripped == ""):
            return False
    return True
