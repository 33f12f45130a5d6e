"""Rule-based captions by a grammar that states only known facts."""

import random

from vlm_autodrive.records import SFTSample
from vlm_autodrive.supervision.facts import Facts
from vlm_autodrive.supervision.rules.wording import lane, origin, road_user, sentence, speed, with_article
from vlm_autodrive.supervision.samples import make_sample, rng_for
from vlm_autodrive.supervision.student_prompts import prompt_for

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


def caption_sample(facts: Facts, seed: int) -> SFTSample:
    """The caption of a clip: surroundings, ego motion where known, and the event with its time."""
    rng = rng_for(seed, facts.clip.clip_id, "caption")
    prompt = prompt_for("caption", rng)
    parts = [_surroundings(facts, rng), _ego_motion(facts, rng), _event(facts, rng)]
    if rng.random() < 0.3:
        rng.shuffle(parts)
    return make_sample(facts, "caption", "caption", prompt, " ".join(sentence(part) for part in parts if part))


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
    return _motion(facts, 0)


def _surroundings(facts: Facts, rng: random.Random) -> str:
    """Likewise, in one of three shapes and with other words for the same."""
    air = [rng.choice(_SAME[words]) for words in (facts.light, facts.weather) if words]
    rng.shuffle(air)
    road = rng.choice(_SAME[facts.scene]) if facts.scene else ""
    if road and facts.scenario is not None:
        place = lane(facts)
        ours = "" if place is None or rng.random() < 0.6 else f", we are in {place}"
        road += " " + rng.choice(_LANES).format(lanes=_lanes(facts.scenario.lanes)) + ours
    if not road or not air:
        return road or ", ".join(air)
    return rng.choice(
        (
            f"{', '.join(air)}, {road}",
            f"{with_article(road)}; {' and '.join(air)}",
            f"in {' and '.join(air)} on {with_article(road)}",
        )
    )


def _ego_motion(facts: Facts, rng: random.Random) -> str:
    return _motion(facts, rng.randrange(len(_STEADY)))


def _motion(facts: Facts, shape: int) -> str:
    if len(facts.states) < 2:
        return ""
    first, last = facts.states[0].ego_speed_mps, facts.states[-1].ego_speed_mps
    shapes = _STEADY if abs(last - first) < _STEADY_MPS else _SLOWER if last < first else _FASTER
    return shapes[shape].format(first=speed(first), last=speed(last))


def _event(facts: Facts, rng: random.Random) -> str:
    if not facts.label.is_event:
        return rng.choice(_NO_EVENT)
    what, at = _what(facts, with_origin=rng.random() < 0.5), _at(facts)
    at_first = f"{at.strip()}: " if at else ""
    return rng.choice(_EVENT).format(what=what, a_what=with_article(what), at=at, at_first=at_first)


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
