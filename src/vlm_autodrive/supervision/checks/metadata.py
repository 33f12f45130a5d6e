"""Check of a sample against the metadata: light, weather, road, and simulated road users.

What the metadata does not hold is not judged, so of real footage without it nothing is. The left column of each
table is what a text may say, the right one the words of :mod:`..facts` that it agrees with.
"""

import re
from collections.abc import Mapping

from vlm_autodrive.records import SFTSample
from vlm_autodrive.supervision.checks.prose import PROSE, is_denied, prose_of
from vlm_autodrive.supervision.facts import LIGHTS, SCENES, WEATHERS, Facts
from vlm_autodrive.supervision.rules.vqa.events import ACTORS
from vlm_autodrive.supervision.samples import RULES

_BRIGHT, _DAY, _TWILIGHT, _DARK = LIGHTS
_CLEAR, _CLOUDY, _RAIN, _SNOW = WEATHERS
_URBAN, _SUBURBAN, _HIGHWAY, _RURAL = SCENES
_CAR, _VAN, _TRUCK, _PEDESTRIAN, _CYCLIST = ACTORS

_ROAD = "(?:roads?|streets?|pavement|asphalt|surface|roadway|tarmac)"
_ON_THE_ROAD = rf" on the {_ROAD}"
_LIGHT_CLAIMS: Mapping[str, tuple[str, ...]] = {
    r"daylight|daytime(?! running)|midday|noon|sunny|sunlit|sunlight|sunshine": (_BRIGHT, _DAY, "daylight"),
    r"night(?:time|-time)?(?! ?(?:vision|club|bus|market|shift))|after dark|in the dark|darkness"
    r"|dark (?:road|street|highway|sky|conditions|scene|outside)|moonlit": (_DARK,),
    r"twilight|dusk|dawn|sunset|sunrise|half-light": (_TWILIGHT,),
}
_WEATHER_CLAIMS: Mapping[str, tuple[str, ...]] = {
    r"rain(?:s|ing|y|ed|fall|drops?|storm)?|rain-(?:soaked|slick(?:ed)?|covered)|drizzl\w+|downpour": (_RAIN,),
    rf"snow(?:s|ing|y|ed|fall|flakes?|storm)?(?![ -](?:tires?|tyres?|plough|plow|white|covered|lined)|{_ON_THE_ROAD})"
    r"|blizzard": (_SNOW,),
    r"sleet|hail": (_RAIN, _SNOW),
    r"clear (?:weather|sk(?:y|ies)|day|night|afternoon|morning|evening|conditions)|sunny|cloudless|sunshine": (_CLEAR,),
    r"cloudy|overcast": (_CLOUDY, _RAIN, _SNOW, "fog"),
    r"fog(?:gy)?(?! ?(?:lights?|lamps?))|mist(?:y)?": (_CLOUDY, _RAIN, _SNOW, "fog"),
    r"thunderstorm|storm(?:y)?": (_CLOUDY, _RAIN, _SNOW),
    r"dry (?:weather|conditions)": (_CLEAR, _CLOUDY, "fog"),
}
_SURFACE_CLAIMS: Mapping[str, tuple[str, ...]] = {
    rf"(?:wet|slippery|slick) {_ROAD}": ("wet", "snowy", "icy"),
    rf"dry {_ROAD}": ("dry", "loose"),
    rf"snow-(?:covered|lined)|snow{_ON_THE_ROAD}": ("snowy",),
}
_SURFACES_IN = {
    _CLEAR: ("dry",),
    _CLOUDY: ("dry", "wet"),
    _RAIN: ("wet",),
    _SNOW: ("wet", "snowy", "icy"),
    "fog": ("dry", "wet"),
}
"""The state of the road that goes with the weather, where none is recorded."""
_SCENE_CLAIMS: Mapping[str, tuple[str, ...]] = {
    r"motorway|freeway|interstate|expressway": (_HIGHWAY,),
    r"highway(?! (?:patrol|code|sign))": (_HIGHWAY, _RURAL),  # many a country road is called a highway
    r"urban(?! (?:highway|freeway|motorway))|downtown|city (?:street|road|centre|center)|inner[- ]city": (_URBAN,),
    r"suburban(?! suv)|sub-urban|suburbs?": (_SUBURBAN,),
    r"residential": (_URBAN, _SUBURBAN, _RURAL),
    r"rural|countryside|country (?:road|lane)|farmland": (_RURAL,),
}
# Cars, vans and trucks drive past in the simulation, people come only where the scenario says so, others never.
_ACTOR_CLAIMS: Mapping[str, tuple[str, ...]] = {
    r"pedestrians?(?! (?:crossing|bridge|zone|light|sign)s?)|jaywalkers?"
    r"|(?:person|man|woman|child|boy|girl) (?:walk|cross|step|run|stand)\w*": (_PEDESTRIAN,),
    r"cyclists?|bicycl(?:e|es|ist|ists)(?! (?:lane|path))|bikes?(?! (?:lane|path))": (_CYCLIST,),
    r"motor(?:cycl(?:e|es|ist|ists)|bikes?)|scooters?|bus(?:es)?(?! (?:lane|stop))|trams?"
    r"|trains?(?! (?:station|track))|dogs?|deer|animals?": (),
}
_KINDS = {
    "light": _LIGHT_CLAIMS, "weather": _WEATHER_CLAIMS, "road surface": _SURFACE_CLAIMS, "road": _SCENE_CLAIMS,
    "road users": _ACTOR_CLAIMS,
}  # fmt: skip
_PATTERNS = {
    kind: [(re.compile(rf"(?<![\w-])(?:{words})(?![\w])"), agrees) for words, agrees in claims.items()]
    for kind, claims in _KINDS.items()
}
_ANY = {kind: re.compile(rf"(?<![\w-])(?:{'|'.join(claims)})(?![\w])") for kind, claims in _KINDS.items()}
_ASKS_WHAT_IS_NOT = re.compile(r"\b(?:not|no|never|without|free of|absent|missing)\b|n't\b")


def check_agrees_with_metadata(sample: SFTSample, facts: Facts) -> str | None:
    """Check that a text claims nothing that the metadata says is otherwise.

    Short answers by rules are not read: they are the metadata's own words, and may truly name what is not there.
    """
    if sample.type not in PROSE and (sample.type != "vqa" or sample.teacher == RULES):
        return None
    known = _known(facts)
    if not known:
        return None
    if sample.type == "vqa":
        return _answer(sample, known)
    return _contradiction(prose_of(sample), known)


def _known(facts: Facts) -> dict[str, tuple[str, ...]]:
    """What is true of each kind of claim, of those that something is known of."""
    # A tunnel, say, may be of any kind of road.
    road = facts.scene if facts.scene in SCENES else None
    values = {"light": facts.light, "weather": facts.weather, "road": road}
    known: dict[str, tuple[str, ...]] = {kind: (value,) for kind, value in values.items() if value is not None}
    surface = facts.incident.road_surface
    if surface is not None or facts.weather is not None:
        known["road surface"] = (surface,) if surface is not None else _SURFACES_IN[facts.weather or ""]
    if facts.scenario is not None:
        known["road users"] = tuple(sorted({encounter.actor for encounter in facts.scenario.encounters}))
    return known


def _answer(sample: SFTSample, known: Mapping[str, tuple[str, ...]]) -> str:
    question, answer = sample.prompt.text.casefold(), sample.target.casefold()
    if _ASKS_WHAT_IS_NOT.search(question):
        return ""  # such an answer names what is not there
    if answer.startswith("yes"):
        return _contradiction(f"{question}\n{answer}", known)
    if answer.startswith("no") and _asserts_the_truth(question, known):
        return "the answer denies what the metadata says"
    return _contradiction(answer, known)


def _contradiction(text: str, known: Mapping[str, tuple[str, ...]]) -> str:
    for kind, true in known.items():
        if _ANY[kind].search(text) is None:
            continue
        for pattern, agrees in _PATTERNS[kind]:
            if set(agrees) & set(true):
                continue
            for match in pattern.finditer(text):
                if not is_denied(text, match.start(), match.end()):
                    said = ", ".join(true) or "none"
                    return f"the text says {match.group()!r}, but the {kind} by the metadata: {said}"
    return ""


def _asserts_the_truth(question: str, known: Mapping[str, tuple[str, ...]]) -> bool:
    """Whether a yes/no question asks for one thing of light, weather and road, and that is what there is."""
    claimed = [
        (kind, agrees)
        for kind in ("light", "weather", "road")
        for pattern, agrees in _PATTERNS[kind]
        if pattern.search(question)
    ]
    if len(claimed) != 1:
        return False
    kind, agrees = claimed[0]
    return kind in known and agrees == known[kind]
