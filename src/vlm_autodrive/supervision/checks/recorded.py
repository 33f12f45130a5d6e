"""Check of a writer's answers on impact side and responsibility against what is recorded of them."""

import re

from vlm_autodrive.records import OPTION_LETTERS, SFTSample
from vlm_autodrive.supervision.dimensions import IMPACT_SIDE, RESPONSIBILITY
from vlm_autodrive.supervision.facts import Facts

_SIDES = {
    "front": re.compile(r"\b(?:front|head[- ]?on|nose|bonnet|hood|bumper ahead)"),
    "rear": re.compile(r"\b(?:rear|back|behind|tail)"),
    "left": re.compile(r"\bleft\b"),
    "right": re.compile(r"\bright\b"),
}
_ROAD_USER = re.compile(r"\broad[- ]users?\b")
_PARTIES = {
    "driver": re.compile(r"\b(?:ego|our|ours|we|us|own|dashcam|camera)\b"),
    "other": re.compile(
        r"\b(?:other|another|car|van|truck|lorry|bus|motorcycl\w+|cyclist|bicycl\w+|pedestrian|person|animal|user)\b"
    ),
    "road": re.compile(r"\b(?:roads?|surface|infrastructure|environment|weather)\b"),
}
_SHARED = re.compile(r"\b(?:both|shared|each|everybody|all of them)\b")
_UNDETERMINED = re.compile(r"\b(?:undetermined|unclear|unknown|cannot|nobody knows|not clear)\b")


def check_answer_is_recorded(sample: SFTSample, facts: Facts) -> str | None:
    """Check that the right option on impact side or responsibility says what is recorded."""
    if not sample.options or sample.topic not in (IMPACT_SIDE.topic, RESPONSIBILITY.topic):
        return None
    about_side = sample.topic == IMPACT_SIDE.topic
    if not (IMPACT_SIDE if about_side else RESPONSIBILITY).applies(facts):
        return None  # the right option is then ours, and says so
    said = sample.options[OPTION_LETTERS.index(sample.answer)].casefold()
    recorded = str(facts.incident.ego_impact_side if about_side else facts.incident.responsibility)
    right = _says_side(said, recorded) if about_side else _says_party(said, recorded)
    return "" if right else f"the answer is {said!r}, but {recorded} is recorded"


def _says_side(text: str, recorded: str) -> bool:
    return {side for side, words in _SIDES.items() if words.search(text)} == set(recorded.split("_"))


def _says_party(text: str, recorded: str) -> bool:
    text = _ROAD_USER.sub("user", text)
    parties = {party for party, words in _PARTIES.items() if words.search(text)}
    if recorded == "undetermined":
        return not parties and bool(_UNDETERMINED.search(text))
    if recorded == "shared":
        return len(parties) > 1 or bool(_SHARED.search(text))
    return parties == {recorded}
