"""Times of a clip in a text: where it cites a moment, in any of the usual spellings.

Read as moments are ``[t=3.4]`` and ``t=3.4``; seconds with their unit (``3.2 s``, ``3.2 seconds``, ``<3.2 seconds>``,
``the 3-second mark``, both ends of ``3.2-4.5 s``); ``second 3.2``; and minutes and seconds (``0:03``, ``01:23.45``,
``00:01:23``).

Not read are numbers without a unit of time (``2 lanes``, ``3.2 m``, ``10 m/s``), ratios (``16:9``), spans of time
(``within 2 s``, ``2 s later``, ``a gap of 2 s``) and the time of day that many dashcams draw on the picture: hours that
are not 0 (``14:05:33``), what stands behind a date or before ``am`` or ``pm``, and whole seconds of ten minutes or more
(``14:05``), since a clip lasts some seconds.
"""

import re
from dataclasses import dataclass

_NUMBER = r"\d+(?:\.\d+)?"
_UNIT = r"(?:s|secs?|seconds?)\b(?![-/]\w)"
_TIME = re.compile(
    rf"(?P<label>\[\s*t\s*=\s*|(?<![\w.])t\s*[=:]\s*)(?P<labelled>-?{_NUMBER})\s*(?:s|sec|seconds?)?\b\s*(?P<closed>\])?"
    rf"|(?P<opened>[<\[]\s*)?(?<![\w.:/])(?<!\d,)(?:(?P<first>{_NUMBER})\s*(?:{_UNIT})?\s*(?:-|–|—|\bto\b)\s*)?"
    rf"(?P<second>(?:(?<!\d)-)?{_NUMBER})(?:\s?{_UNIT}|-second (?=mark|point|moment))(?:\s*[>\]])?"
    rf"|(?<!\bthe )(?<!\bevery )(?<!\d )\bsecond\s+(?P<numbered>{_NUMBER})(?![\w:%]|\.\d)"
    rf"|(?P<around>[<\[]\s*)?(?<![\w.:/])(?:0?0:)?(?P<minutes>\d{{1,2}}):(?P<seconds>[0-5]\d(?P<fraction>\.\d+)?)(?:s\b)?"
    r"(?![\w:]|\.\d|\s*[ap]\.?m\b)(?:\s*[>\]])?",
    re.IGNORECASE,
)
_DIGIT = re.compile(r"\d")
_FARTHEST = 40  # characters before a number that can make it a span
_DATE_BEFORE = re.compile(r"\d[-/.]\d{1,2}[-/.]\d+[\sT,]+$")
_SPAN_BEFORE = re.compile(
    r"\b(?:within|for|over|under|than|least|most|every|another|first|next|last|lasting|lasts|lasted|takes|took|of|in|only"
    r"|after|her|his|their|early|mid|late)[\s-]+(?:(?:about|around|roughly|the|at|another|over|under|first|last)\s+)?$"
    r"|\b(?:gap|headway|margin|ttc|duration|delay|time[ -]to[ -]\w+)\s*[=:≈~]?\s*(?:(?:is|was|falls|drops|shrinks)\s+)?"
    r"(?:(?:to|only|about|around|below)\s+)*$",
    re.IGNORECASE,
)
_SPAN_AFTER = re.compile(
    r"['’]?[\s-]*(?:later|earlier|before|away|ahead|behind|apart|gap|headway|margin|long|of|to spare|clip|video|footage"
    r"|window|span|interval)\b",
    re.IGNORECASE,
)
_LONGEST_CLIP_MINUTES = 10
_SLACK_S = 0.051  # times are written with one decimal


@dataclass(frozen=True)
class CitedTime:
    """A moment that a text cites.

    Attributes:
        start: Where its spelling begins in the text.
        end: Where it ends.
        time_s: Seconds after the clip's start.
        labelled: Whether it is written as the prompt asks, ``t=``.
    """

    start: int
    end: int
    time_s: float
    labelled: bool = False


def find_times(text: str) -> list[CitedTime]:
    """The moments that a text cites, in order; spans of time and times of the day are left out."""
    if _DIGIT.search(text) is None:
        return []
    return [cited for match in _TIME.finditer(text) for cited in _read(match, text)]


def cited_times(text: str) -> tuple[float, ...]:
    """The seconds of :func:`find_times`."""
    return tuple(cited.time_s for cited in find_times(text))


def is_in_clip(time_s: float, clip_duration_s: float) -> bool:
    """Whether a cited time lies inside the clip, but for rounding."""
    return -_SLACK_S <= time_s <= clip_duration_s + _SLACK_S


def without_times(text: str) -> str:
    """The text without the moments that it cites."""
    parts, begin = [], 0
    for cited in find_times(text):
        # A bare "t=3.4" stands on a line of its own where the prompt's format is kept.
        parts += [text[begin : cited.start], "\n" if cited.labelled and text[cited.start] != "[" else " "]
        begin = cited.end
    return "".join([*parts, text[begin:]])


def _read(match: re.Match[str], text: str) -> list[CitedTime]:
    """The moment that a match spells, or the two of a range; none if it is a span of time or a time of the day."""
    found = match.groupdict()
    begin, end = match.span()
    if found["labelled"]:
        return [CitedTime(begin, end, float(found["labelled"]), labelled=True)]
    if found["numbered"]:
        return [CitedTime(begin, end, float(found["numbered"]))]
    before = max(0, begin - _FARTHEST)
    if found["seconds"]:
        minutes = int(found["minutes"])
        of_day = minutes >= _LONGEST_CLIP_MINUTES and not found["fraction"]
        if of_day or _DATE_BEFORE.search(text, before, begin):
            return []
        return [CitedTime(begin, end, round(60 * minutes + float(found["seconds"]), 6))]
    if not found["opened"] and (_SPAN_BEFORE.search(text, before, begin) or _SPAN_AFTER.match(text, end)):
        return []
    if not found["first"]:
        return [CitedTime(begin, end, float(found["second"]))]
    middle = match.start("second")
    return [CitedTime(begin, middle, float(found["first"])), CitedTime(middle, end, float(found["second"]))]
