"""Questions about light, weather, road and what no video can tell."""

import random
from collections.abc import Sequence
from dataclasses import dataclass, field

from vlm_autodrive.supervision.facts import LIGHTS, SCENES, WEATHERS, Facts
from vlm_autodrive.supervision.rules.wording import lane, sentence, with_article

CANNOT_BE_TOLD = "cannot be told"
Times = tuple[float, ...]
UNTOLD = {
    "the driver's age": ("under 30", "30 to 60", "over 60"),
    "the name of the road": ("Main Street", "Park Avenue", "High Street"),
    "the price of the ego vehicle": ("under 20,000", "20,000 to 50,000", "over 50,000"),
    "on the driver's radio": ("music", "news", "nothing"),
    "the purpose of the trip": ("work", "shopping", "a visit"),
    "the load in the ego vehicle's boot": ("luggage", "tools", "nothing"),
    "the number of passengers": ("none", "one", "two"),
}


@dataclass(frozen=True)
class Question:
    """A question about a clip before it is worded.

    Attributes:
        target: The true answer.
        values: What fills the places in the prompt.
        wording: The prompts to word it with, if not those of its topic.
    """

    target: str
    values: dict[str, str] = field(default_factory=dict)
    wording: str | None = None


def yes_no(truth: bool) -> str:
    """The answer to a binary question."""
    return "yes" if truth else "no"


def choose(rng: random.Random, true: str, others: Sequence[str], wanted: int = 3) -> Question:
    """Multiple choice: the truth among up to ``wanted`` others and 'cannot be told', shuffled."""
    wrong = [other for other in others if other != true]
    options = [true, *rng.sample(wrong, min(wanted, len(wrong)))]
    if CANNOT_BE_TOLD not in options:
        options.append(CANNOT_BE_TOLD)
    rng.shuffle(options)
    return Question(true, {"options": ", ".join(options)})


def check(rng: random.Random, true: str, others: Sequence[str]) -> Question:
    """A yes/no question about a claim that is true or false by a toss."""
    if rng.random() < 0.5:
        return Question("yes", {"value": true})
    return Question("no", {"value": rng.choice([other for other in others if other != true])})


def light(facts: Facts, rng: random.Random, times: Times) -> Question | None:
    """What the light is like."""
    del times
    return choose(rng, facts.light, LIGHTS) if facts.light else None


def weather(facts: Facts, rng: random.Random, times: Times) -> Question | None:
    """What the weather is."""
    del times
    return choose(rng, facts.weather, WEATHERS) if facts.weather else None


def scene(facts: Facts, rng: random.Random, times: Times) -> Question | None:
    """What kind of road it is."""
    del times
    return choose(rng, facts.scene, SCENES) if facts.scene else None


def light_check(facts: Facts, rng: random.Random, times: Times) -> Question | None:
    """Whether a claim about the light is true."""
    del times
    return check(rng, facts.light, LIGHTS) if facts.light else None


def weather_check(facts: Facts, rng: random.Random, times: Times) -> Question | None:
    """Whether a claim about the weather is true."""
    del times
    return check(rng, facts.weather, WEATHERS) if facts.weather else None


def scene_check(facts: Facts, rng: random.Random, times: Times) -> Question | None:
    """Whether a claim about the road is true."""
    del times
    return check(rng, with_article(facts.scene), tuple(map(with_article, SCENES))) if facts.scene else None


def conditions(facts: Facts, rng: random.Random, times: Times) -> Question | None:
    """An open question on light, weather and road: what is known of them."""
    del rng, times
    known = [part for part in (facts.light, facts.weather, facts.scene) if part]
    return Question(sentence(", ".join(known))) if known else None


def not_there(facts: Facts, rng: random.Random, times: Times) -> Question | None:
    """Which of some things the video does not show: one that is not there among those that are."""
    del times
    kinds = ((facts.light, LIGHTS), (facts.weather, WEATHERS), (facts.scene, SCENES))
    known = [(true, words) for true, words in kinds if true]
    if len(known) < 2:
        return None
    true, words = rng.choice(known)
    missing = rng.choice([word for word in words if word != true])
    options = [missing, *(true for true, _ in known), CANNOT_BE_TOLD]
    rng.shuffle(options)
    return Question(missing, {"options": ", ".join(options)})


def untold(facts: Facts, rng: random.Random, times: Times) -> Question | None:
    """Something that the video does not show, where saying so is the right answer."""
    del facts, times
    what = rng.choice(sorted(UNTOLD))
    options = choose(rng, CANNOT_BE_TOLD, UNTOLD[what]).values["options"]
    return Question(CANNOT_BE_TOLD, {"value": what, "options": options})


def lanes(facts: Facts, rng: random.Random, times: Times) -> Question | None:
    """How many lanes lead in the ego vehicle's direction."""
    del rng, times
    return Question(str(facts.scenario.lanes)) if facts.scenario else None


def ego_lane(facts: Facts, rng: random.Random, times: Times) -> Question | None:
    """Which lane the ego vehicle is in."""
    del rng, times
    place = lane(facts)
    return Question(sentence(place)) if place else None
