"""The dimensions that a writer is asked for do not tell the class, however much more is recorded of events."""

from collections import Counter, defaultdict

from tests.supervision.worlds import random_clip, real_clip
from vlm_autodrive.records import DEFAULT_TAXONOMY, IncidentMetadata
from vlm_autodrive.supervision.dimensions import (
    DIMENSIONS,
    askable,
    dimension_profiles,
    dimension_slots,
)
from vlm_autodrive.supervision.facts import facts_of
from vlm_autodrive.supervision.rules.understanding.dimensions import DIMENSIONS as BY_RULES
from vlm_autodrive.supervision.rules.understanding.event_question import EVENT_DIMENSION

CLASSES = ("collision", "near_collision", "normal")
FULL = {
    "weather": "rain",
    "light": "dark",
    "other_manoeuvre": "brake",
    "scene": "urban",
    "ego_manoeuvre": "straight",
    "pedestrians": "none",
    "other_type": "car",
    "zone": "residential",
}


def recorded(number, name):
    """A clip of real footage: much is recorded of half the collisions and of every third other clip."""
    full = number % 2 == 0 if name == "collision" else number % 3 == 0
    incident = dict(FULL) if full else {"weather": "rain"}
    if full and name == "collision":
        incident |= {"ego_impact_side": "front", "responsibility": "other"}
    clip = real_clip(number, name, 3.0 if name != "normal" else None)
    return clip.model_copy(update={"clip_id": f"{name}_{number}", "incident": IncidentMetadata(**incident)})


def test_every_class_is_asked_the_same_dimensions_together_as_often():
    clips = [recorded(number, name) for number in range(900) for name in CLASSES]
    profiles = dimension_profiles(clips, DEFAULT_TAXONOMY)
    for wanted in (None, 12):
        asked: defaultdict[str, Counter[str]] = defaultdict(Counter)
        for clip in clips:
            slots = dimension_slots(facts_of(clip, DEFAULT_TAXONOMY), 0, wanted, profiles)
            names = {slot.dimension.name for slot in slots}
            assert EVENT_DIMENSION in names
            asked[clip.event_class].update(names)
            asked[clip.event_class]["impact_sides alone"] += names == {EVENT_DIMENSION, "weather", "impact_sides"}
        for dimension in [*(dimension.name for dimension in DIMENSIONS), "impact_sides alone"]:
            shares = [asked[name][dimension] / 900 for name in CLASSES]
            assert max(shares) - min(shares) < 0.06, (dimension, shares)
        assert all(asked[name]["impact_sides"] > 300 for name in CLASSES)


def test_what_is_not_there_must_be_answered_so_and_what_is_not_known_is_not_asked():
    hit = facts_of(recorded(2, "collision"), DEFAULT_TAXONOMY)
    unknown = facts_of(recorded(1, "collision"), DEFAULT_TAXONOMY)
    missed = facts_of(recorded(1, "near_collision"), DEFAULT_TAXONOMY)
    calm = facts_of(recorded(1, "normal"), DEFAULT_TAXONOMY)
    assert askable(hit) == dict.fromkeys(askable(hit), True)
    assert len(askable(hit)) == len(DIMENSIONS)
    assert askable(unknown) == {"weather": True}
    assert askable(missed) == {"weather": True, "impact_sides": False}
    assert askable(calm) == {"weather": True, "impact_sides": False, "responsibility": False}
    none = {slot.dimension.name for slot in dimension_slots(calm, 0, 12, {}) if slot.none_is_right}
    assert none == {"impact_sides", "responsibility"}


def test_five_to_seven_are_drawn_by_the_clips_id_alone():
    counts = Counter()
    for number in range(300):
        clip = random_clip(number, "normal").model_copy(update={"clip_id": f"c{number}"})
        scenario = clip.scenario.model_copy(update={"incident": IncidentMetadata(**FULL)})
        facts = facts_of(clip.model_copy(update={"scenario": scenario}), DEFAULT_TAXONOMY)
        slots = dimension_slots(facts, 0, None, {})
        assert slots == dimension_slots(facts, 0, None, {})
        assert slots[-1].dimension.name == EVENT_DIMENSION
        counts[len(slots)] += 1
    assert counts.keys() == {5, 6, 7}
    assert min(counts.values()) > 70


def test_rules_and_writers_have_the_same_dimensions():
    assert {dimension.name for dimension in DIMENSIONS} == set(BY_RULES)
