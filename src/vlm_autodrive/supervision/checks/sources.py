"""Check that a model's text speaks of the video, and not of the metadata and captions that it was written from."""

import re

from vlm_autodrive.records import SFTSample
from vlm_autodrive.supervision.checks.prose import is_by_model
from vlm_autodrive.supervision.facts import Facts

_SOURCE = r"(?:descriptions?|captions?|metadata|data|notes?|records?|annotations?|reports?|texts?|facts|prompt|input)"
_SPOKEN_OF = re.compile(
    r"\bmetadata\b|\bmeta-data\b|\bground truth\b|\bdata ?sets?\b|\bjson\b"
    r"|\b(?:structured|vlm|given|provided|second|first) captions?\b"
    r"|\b(?:blame|fault|responsibility|liability) (?:assessments?|attributions?|assignments?)\b"
    r"|\bimpact (?:sides?|points?)\b|\bthird[- ]part(?:y|ies)\b"
    r"|(?<![\w|])[a-z]+_[a-z0-9_]+\b"  # the name of a field
    rf"|\b(?:the|this|both|given|provided|these|above) {_SOURCE} (?:above |here )?"
    r"(?:sa(?:y|ys|id)|stat\w+|mention\w*|indicat\w+|describ\w+|note[sd]?|tells?|told|specif\w+|suggest\w*"
    r"|show\w*|list\w*|does|do|is silent)\b"
    r"|\b(?:according to|based on|as (?:stated|given|described|noted|mentioned) in|from|in) "
    rf"(?:the|this|both) {_SOURCE}\b"
    r"|\b(?:is|are|was|were) (?:labell?ed|annotated|recorded) (?:as|to be)\b"
)


def check_speaks_of_no_sources(sample: SFTSample, facts: Facts) -> str | None:
    """Check that neither question nor target holds words of metadata, or speaks of a caption, a label or data."""
    del facts
    if sample.type == "verdict" or not is_by_model(sample):
        return None
    found = _SPOKEN_OF.search(f"{sample.prompt.text}\n{sample.target}".casefold())
    return f"the text speaks of what it was written from, {found.group()!r}" if found else ""
