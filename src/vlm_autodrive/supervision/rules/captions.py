"""Captions by a grammar that states only known facts: deterministic for a teacher, varied for a student."""

import random
from collections.abc import Callable, Sequence

from vlm_autodrive.records import SFTSample
from vlm_autodrive.supervision.facts import Facts
from vlm_autodrive.supervision.rules.incident_words import (
    BRAKING,
    EGO_MANOEUVRE,
    OTHER_MANOEUVRE,
    OTHER_ROLE,
    OTHER_TYPE,
    RESPONSIBILITY,
    SIDES,
    people_wordings,
    place_wordings,
)
from vlm_autodrive.supervision.rules.wording import lane, origin, road_user, sentence, speed, with_article
from vlm_autodrive.supervision.samples import make_sample, rng_for
from vlm_autodrive.supervision.student_prompts import prompt_for

Pick = Callable[[Sequence[str]], str]
"""Chooses one of several wordings."""

# Other words for the same; what the metadata does not say, such as how heavy a rain, no synonym says either.
_SAME = {
    "bright daylight": ("bright daylight", "bright light of day"),
    "plain daylight": ("plain daylight", "ordinary daylight"),
    "twilight": ("twilight", "half-light"),
    "darkness": ("darkness", "the dark"),
    "clear weather": ("clear weather", "a clear sky"),
    "cloudy weather": ("cloudy weather", "a cloudy sky"),
    "rain": ("rain", "rainy weather"),
    "snow": ("snow", "snowy weather"),
    "urban road": ("urban road", "city road"),
    "suburban road": ("suburban road", "road in the suburbs"),
    "highway": ("highway", "motorway"),
    "rural road": ("rural road", "country road"),
    "daylight": ("daylight", "light of day"),
    "fog": ("fog", "foggy weather"),
    "road in an industrial area": ("road in an industrial area", "road among factories"),
    "tunnel": ("tunnel", "road tunnel"),
    "mountain road": ("mountain road", "road in the mountains"),
    "car park": ("car park", "parking lot"),
}
_LANES = ("with {lanes} our way", "with {lanes} in our direction")
_STEADY = (
    "the ego vehicle starts and ends at about {last}",
    "we drive at about {last} at first and at last",
    "ego speed at both ends: about {last}",
)
_SLOWER = (
    "the ego vehicle slows down from {first} to {last}",
    "we slow down from {first} to {last}",
    "ego speed falls from {first} to {last}",
)
_FASTER = (
    "the ego vehicle speeds up from {first} to {last}",
    "we speed up from {first} to {last}",
    "ego speed rises from {first} to {last}",
)
_NO_EVENT = ("no event", "there is no event", "no event happens", "event: none")
_EVENT = ("{what}{at}", "event: {what}{at}", "it comes to {a_what}{at}", "{at_first}{what}")
_STEADY_MPS = 1.5


def structured_caption(facts: Facts) -> str:
    """All that is known of a clip in plain sentences, always in the same words: what a text model is given of it."""
    return _joined(_sentences(facts, lambda wordings: wordings[0], with_origin=True))


def caption_sample(facts: Facts, seed: int) -> SFTSample:
    """The caption of a clip: what :func:`structured_caption` says, in words and an order of its own."""
    rng = rng_for(seed, facts.clip.clip_id, "caption")
    prompt = prompt_for("caption", rng)
    parts = _sentences(facts, rng.choice, with_origin=rng.random() < 0.5)
    if rng.random() < 0.3:
        rng.shuffle(parts)
    return make_sample(facts, "caption", "caption", prompt, _joined(parts))


def surroundings(facts: Facts, rng: random.Random) -> str:
    """Light, weather and scene, as far as known, in a drawn order; empty if nothing is."""
    scene = facts.scene
    if scene is not None and facts.scenario is not None:
        scene += f" with {_lanes(facts.scenario.lanes)} our way"
    parts = [part for part in (facts.light, facts.weather, scene) if part]
    rng.shuffle(parts)
    return ", ".join(parts)


def ego_motion(facts: Facts) -> str:
    """How the ego vehicle's speed changes over the clip; empty if it is not known."""
    return _speeds(facts, lambda wordings: wordings[0])


def _joined(parts: Sequence[str]) -> str:
    return " ".join(sentence(part) for part in parts if part)


def _sentences(facts: Facts, pick: Pick, *, with_origin: bool) -> list[str]:
    return [
        _surroundings(facts, pick),
        ", ".join(pick(wordings) for wordings in place_wordings(facts.incident)),
        _speeds(facts, pick),
        _ego(facts, pick),
        _other_party(facts, pick),
        ", ".join(pick(wordings) for wordings in people_wordings(facts.incident)),
        _event(facts, pick, with_origin=with_origin),
        _impact(facts),
        _fault(facts, pick),
    ]


def _surroundings(facts: Facts, pick: Pick) -> str:
    """Light, weather and road in one of three shapes."""
    air = [pick(_SAME[words]) for words in (facts.light, facts.weather) if words]
    road = pick(_SAME[facts.scene]) if facts.scene else ""
    if road and facts.scenario is not None:
        place = lane(facts)
        road += " " + pick(_LANES).format(lanes=_lanes(facts.scenario.lanes))
        road += pick((f", we are in {place}", "")) if place is not None else ""
    if not road or not air:
        return road or ", ".join(air)
    both = pick((" and ".join(air), " and ".join(air[::-1])))
    return pick(
        (
            f"{both.replace(' and ', ', ')}, {road}",
            f"{with_article(road)}; {both}",
            f"in {both} on {with_article(road)}",
        )
    )


def _speeds(facts: Facts, pick: Pick) -> str:
    if len(facts.states) < 2:
        return ""
    first, last = facts.states[0].ego_speed_mps, facts.states[-1].ego_speed_mps
    shapes = _STEADY if abs(last - first) < _STEADY_MPS else _SLOWER if last < first else _FASTER
    return pick(shapes).format(first=speed(first), last=speed(last))


def _ego(facts: Facts, pick: Pick) -> str:
    """What the ego vehicle is about, how it brakes, and its speed at the event."""
    incident = facts.incident
    manoeuvre = pick(EGO_MANOEUVRE[incident.ego_manoeuvre]) if incident.ego_manoeuvre else ""
    braking = pick(BRAKING[incident.ego_braking]) if incident.ego_braking else ""
    does = " and ".join(part for part in (manoeuvre, braking) if part)
    return f"{pick(('the ego vehicle', 'our vehicle'))} {does}" if does else ""


def _other_party(facts: Facts, pick: Pick) -> str:
    """What the other party is, where it is beforehand and what it does."""
    incident = facts.incident
    role = pick(OTHER_ROLE[incident.other_role]) if incident.other_role else ""
    does = pick(OTHER_MANOEUVRE[incident.other_manoeuvre]) if incident.other_manoeuvre else ""
    if not (incident.other_type or role or does):
        return ""
    who = OTHER_TYPE[incident.other_type] if incident.other_type else "another road user"
    if not does:
        return f"{who} is {role}" if role else f"the other party is {who}"
    return " ".join(part for part in (who, role, does) if part)


def _event(facts: Facts, pick: Pick, *, with_origin: bool) -> str:
    if not facts.label.is_event:
        return pick(_NO_EVENT)
    what, at = _what(facts, with_origin=with_origin), _at(facts)
    at_first = f"{at.strip()}: " if at else ""
    return pick(_EVENT).format(what=what, a_what=with_article(what), at=at, at_first=at_first)


def _impact(facts: Facts) -> str:
    """The speed at the event, and where each of the two is hit."""
    incident = facts.incident
    if not facts.label.is_event:
        return ""
    parts = []
    if incident.speed_kmh is not None:
        parts.append(f"ego speed at the event: about {speed(incident.speed_kmh / 3.6)}")
    sides = {"ego vehicle": incident.ego_impact_side, "other party": incident.other_impact_side}
    hit = {who: side for who, side in sides.items() if side not in (None, "none") and facts.label.contact is not False}
    return ", ".join([*parts, *(f"the {who} is hit {SIDES[side]}" for who, side in hit.items())])


def _fault(facts: Facts, pick: Pick) -> str:
    responsibility = facts.incident.responsibility
    return pick(RESPONSIBILITY[responsibility]) if responsibility and facts.label.is_event else ""


def _what(facts: Facts, *, with_origin: bool = False) -> str:
    """The event's class, with its road user, and where that came from if it is wanted."""
    what = facts.label.label.lower()
    if facts.encounter is not None and facts.encounter.complete:
        what += f" with {road_user(facts.encounter)}" + (f" {origin(facts.encounter)}" if with_origin else "")
    return what + (" of others" if facts.clip.ego_involved is False else "")


def _at(facts: Facts) -> str:
    time_s = facts.clip.event_time_s
    return "" if time_s is None else f" at {time_s:.1f} s"


def _lanes(count: int) -> str:
    return f"{count} lane{'s' if count != 1 else ''}"
