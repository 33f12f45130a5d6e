"""ROUGE-L: the longest common subsequence of a text and a reference.

Source: Lin (2004), ROUGE: a package for automatic evaluation of summaries, ACL workshop, section 3.1, with beta = 1.
Words are runs of the letters a to z and digits, in lower case and without stemming, as the package ``rouge-score``
takes them. Word overlap says little of whether a trace is right: two traces that differ in "hits" and "misses" alone
come out almost alike.
"""

import re

_WORD = re.compile(r"[a-z0-9]+")


def rouge_l(text: str, reference: str) -> float:
    """The F-measure of ROUGE-L on words, from 0 to 1; 0 if either text has none."""
    said, wanted = _WORD.findall(text.lower()), _WORD.findall(reference.lower())
    common = _longest_common_subsequence(said, wanted)
    if common == 0:
        return 0.0
    precision, recall = common / len(said), common / len(wanted)
    return 2 * precision * recall / (precision + recall)


def _longest_common_subsequence(first: list[str], second: list[str]) -> int:
    """Its length, with the columns of the usual table kept as the bits of one number.

    Source: Hyyrö (2004), Bit-parallel LCS-length computation revisited, AWOCA.
    """
    places: dict[str, int] = {}
    for place, word in enumerate(first):
        places[word] = places.get(word, 0) | (1 << place)
    everywhere = (1 << len(first)) - 1
    unmatched = everywhere
    for word in second:
        here = unmatched & places.get(word, 0)
        unmatched = ((unmatched + here) | (unmatched - here)) & everywhere
    return len(first) - unmatched.bit_count()
