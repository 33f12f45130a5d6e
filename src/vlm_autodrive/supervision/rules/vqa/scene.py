"""Questions about light, weather, road and what no video can tell."""

import random

from vlm_autodrive.supervision.facts import LIGHTS, SCENES, WEATHERS, Facts
from vlm_autodrive.supervision.rules.vqa.drafts import CANNOT_BE_TOLD, VqaDraft, check
from vlm_autodrive.supervision.rules.wording import lane, sentence, with_article

UNTOLD = {
    "the driver's age": ("under 30", "30 to 60", "over 60"),
    "the name of the road": ("Main Street", "Park Avenue", "High Street"),
    "the price of the ego vehicle": ("under 20,000", "20,000 to 50,000", "over 50,000"),
    "on the driver's radio": ("music", "news", "nothing"),
    "the purpose of the trip": ("work", "shopping", "a visit"),
    "the load in the ego vehicle's boot": ("luggage", "tools", "nothing"),
    "the number of passengers": ("none", "one", "two"),
}


def light_check(facts: Facts, rng: random.Random) -> VqaDraft | None:
    """Whether a claim about the light is true."""
    return check(rng, facts.light, LIGHTS) if facts.light in LIGHTS else None


def weather_check(facts: Facts, rng: random.Random) -> VqaDraft | None:
    """Whether a claim about the weather is true."""
    return check(rng, facts.weather, WEATHERS) if facts.weather in WEATHERS else None


def scene_check(facts: Facts, rng: random.Random) -> VqaDraft | None:
    """Whether a claim about the road is true."""
    if facts.scene not in SCENES:
        return None
    return check(rng, with_article(facts.scene), tuple(map(with_article, SCENES)))


def conditions(facts: Facts) -> VqaDraft | None:
    """An open question on light, weather and road: what is known of them."""
    known = [part for part in (facts.light, facts.weather, facts.scene) if part]
    return VqaDraft(sentence(", ".join(known))) if known else None


def not_there(facts: Facts, rng: random.Random) -> VqaDraft | None:
    """Which of some things the video does not show: one that is not there among those that are."""
    tables = ((facts.light, LIGHTS), (facts.weather, WEATHERS), (facts.scene, SCENES))
    known = [(true, words) for true, words in tables if true in words]
    if len(known) < 2:
        return None
    true, words = rng.choice(known)
    missing = rng.choice([word for word in words if word != true])
    return VqaDraft(missing, others=tuple(true for true, _ in known))


def untold(rng: random.Random) -> VqaDraft | None:
    """Something that the video does not show, where saying so is the right answer."""
    what = rng.choice(sorted(UNTOLD))
    return VqaDraft(CANNOT_BE_TOLD, {"value": what}, others=UNTOLD[what])


def lanes(facts: Facts) -> VqaDraft | None:
    """How many lanes lead in the ego vehicle's direction."""
    return VqaDraft(str(facts.scenario.lanes)) if facts.scenario else None


def ego_lane(facts: Facts) -> VqaDraft | None:
    """Which lane the ego vehicle is in."""
    place = lane(facts)
    return VqaDraft(sentence(place)) if place else None
