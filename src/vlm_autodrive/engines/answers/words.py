"""The vocabulary of the answer grammar: assertion, negation, doubt and comment."""

import re
import unicodedata

_FILLER_WORDS = (
    "the a an is it its it's this that these there there's was were are be answer answers option choice class category "
    "letter code correct right final best verdict label my i i'd i'll i'm choose pick select would say think believe "
    "so therefore thus hence then video videos clip footage scene dashcam shows show showing depicts contains displays "
    "has happens happened happening occurs occurred occurring occur event events outcome result type classified "
    "described of to me driving drive traffic ok okay yes sure boxed text first given shown labeled labelled "
    "confidently clearly real actual just simply only we see can seen observed considered for conclude conclusion "
    "decision definitely certainly s behavior behaviour condition conditions flow situation scenario confident "
    "答案 答案是 答案为 选 选择 我选 正确答案是"
)
FILLER = frozenset(_FILLER_WORDS.split())
"""Words that may stand beside a name or code without making a comment of it."""

NEGATOR = re.compile(
    r"\b(?:not|no|non|never|without|neither|nor|cannot|rather than|instead of|none of|rule out|rules out|ruled out|"
    r"absence of|free of|lack of)\b|n['’]t\b",
    re.IGNORECASE,
)
"""What stands behind one of these, up to the end of the segment, is denied."""

DOUBT = re.compile(
    r"\b(?:possib\w*|probabl\w*|likely|unlikely|perhaps|maybe|might|may|could|if|whether|unclear|unsure|uncertain|either|"
    r"also|alternatively|doubt\w*|false|untrue|wrong|mistaken|so-called|as good as)\b",
    re.IGNORECASE,
)
"""A segment with one of these offers what it names, and asserts nothing."""

AVOIDED = re.compile(
    r"\b(?:avoid\w*|avert\w*|prevent\w*|escap\w*|miss|misses|missed|near|nearly|almost|narrowly|close to|risk\w*|"
    r"potential\w*|would have|should|unless|about to|ruled out|absent|imminent\w*|free|avoidance|warning|danger of|"
    r"threat\w*)\b",
    re.IGNORECASE,
)
"""A segment with one of these tells of what did not happen, or nearly did: it says nothing."""

UNDECIDED = re.compile(
    r"(?:\b(?:not|cannot|never|no way to|unable to|hard to|difficult to|impossible to)|n't)\b[^⟦]*"
    r"\b(?:exclude|rule out|ruled out|rule|deny|dismiss|determine|tell|say|confirm|know|certain|sure|decide|"
    r"distinguish|identify|judge|choose|possible to|enough (?:information|evidence|detail\w*)|"
    r"clear(?! (?:sign|evidence|indication|contact|event)))\b",
    re.IGNORECASE,
)
"""Negations of knowing rather than of happening: "I cannot rule out a collision" denies none."""

NO_NEGATION = re.compile(
    r"\b(?:no|without)(?: any| a)? (?:doubt|question)\b|\bundoubtedly\b|"
    r"(?:\b(?:not|cannot|never)|n't)(?: able to| manage to)? (?:avoid|prevent|escape|avert)\w*\b",
    re.IGNORECASE,
)
"""What looks like a negation and affirms: "no doubt", "could not avoid"."""

CALLED_FOR = re.compile(
    r"\b(?:should|could|would|can|may) (?:best )?be (?=(?:best )?(?:classified|label|categori|described|considered))",
    re.IGNORECASE,
)
"""Ways to say what an answer is, and no doubt: "should be classified as"."""

_OPPOSITE = re.compile(r"\b(?:anything but|far from|nothing like|none of)\b", re.IGNORECASE)
OF_THE_ROAD = re.compile(r"\b(?:traffic|driv\w+|scene)\b", re.IGNORECASE)
"""Before a colon, what these are is not what the clip is: "Traffic: normal"."""

_NOT_AVAILABLE = re.compile(r"(?<!\w)n/a(?!\w)", re.IGNORECASE)
_LIST_MARK = re.compile(r"(?m)^\s*(?:[#>•‣▪→]+|-+>|\*+(?=\s))\s*")
NEXT_CLAUSE = re.compile(r"(?<=⟧)\s+(?:and |so |thus )*(?:it|this|that|there)(?:'s| is| was)\b", re.IGNORECASE)
"""Behind a name, where what is negated ends: "not a collision and it is a near-collision"."""

DECLARING = re.compile(r"\b(?:answers?|verdict|conclusion|conclude|decision)\b|答案", re.IGNORECASE)
"""Words by which an answer announces itself."""

DOUBT_ALONE = re.compile(
    r"^\W*(?:maybe|possibly|probably|perhaps|almost|nearly|not|likely|unlikely|unclear|unsure|no)\W*$", re.IGNORECASE
)
"""A segment of these alone takes back what was asserted."""

CODE_INTRODUCTION = re.compile(r"\b(?:answer|option|choice|letter|code|class|category|verdict)\b", re.IGNORECASE)
"""Behind one of these a small letter is a code too."""

AND_THEN = re.compile(r"\b(?:and|when|while|where|which|that)\b", re.IGNORECASE)
"""Words behind which more happens."""


def tidied(text: str) -> str:
    """The text without ornament: full-width signs as plain ones, no emphasis, list marks, pictures or ``\\boxed``."""
    plain = unicodedata.normalize("NFKC", text).replace("。", ". ").replace("、", ", ")
    plain = plain.replace("⟦", "[").replace("⟧", "]").replace("【", "[").replace("】", "]").replace("’", "'")
    plain = "".join(" " if unicodedata.category(c) in ("So", "Sk", "Mn") and c != "`" else c for c in plain)
    plain = re.sub(r"(?<=[\u3400-\u9fff])(?=[A-Za-z])|(?<=[A-Za-z])(?=[\u3400-\u9fff])", " ", plain)
    plain = re.sub(r"\\(?:boxed|text(?:bf)?)\b", " ", _LIST_MARK.sub("", plain))
    plain = re.sub(r"[*`\"“”_]+(?=\W|$)|(?<!\w)[*`\"“”_]+", " ", plain)
    return _OPPOSITE.sub("not", _NOT_AVAILABLE.sub("unavailable", plain))
