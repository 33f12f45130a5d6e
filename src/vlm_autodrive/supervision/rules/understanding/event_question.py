"""The question that every clip is asked: which class it is of, and what shows it.

The reasons of each option are distributed alike whether its class is the right one or not: those of a wrong one are
drawn from another clip, of that class.
"""

from vlm_autodrive.records import DEFAULT_TAXONOMY, EventClass, Taxonomy
from vlm_autodrive.supervision.facts import Facts
from vlm_autodrive.supervision.rules.wording import is_vehicle

EVENT_DIMENSION = "event_and_why"
MOST_CLASSES = 4

_CONTACT, _NEAR, _ROOM = (
    "there is contact",
    "contact is only just avoided",
    "no road user is touched or barely missed",
)
_BRAKED_CONTACT, _UNBRAKED_CONTACT, _JOLT = (
    "there is contact in spite of hard braking",
    "there is contact and the ego vehicle does not brake",
    "there is contact and the picture jolts",
)
_BRAKED_NEAR, _STEERED_NEAR = (
    "the ego vehicle brakes hard and contact is only just avoided",
    "the ego vehicle steers away and contact is only just avoided",
)
_SPARE, _NO_BRAKING, _SOME_BRAKING = (
    "there is room to spare",
    "the ego vehicle need not brake",
    "moderate braking is enough",
)
_REASONS = {
    "collision": (_CONTACT, _BRAKED_CONTACT, _UNBRAKED_CONTACT, _JOLT),
    "near_collision": (_NEAR, _BRAKED_NEAR, _STEERED_NEAR),
    "normal": (_ROOM, _SPARE, _NO_BRAKING, _SOME_BRAKING),
}


def event_options(event_class: EventClass, taxonomy: Taxonomy) -> tuple[str, ...]:
    """All options that a class may have: with each reason, or with its definition where the classes are one's own."""
    if taxonomy.names != DEFAULT_TAXONOMY.names:
        return (f"{event_class.label} ({event_class.definition})",)
    return tuple(f"{event_class.label}, since {reason}" for reason in _REASONS[event_class.name])


def true_options(facts: Facts) -> tuple[str, ...]:
    """The options of a clip's class whose reason is true of the clip."""
    true = _true_reasons(facts)
    options = event_options(facts.label, facts.taxonomy)
    return options if len(options) == 1 else tuple(o for o in options if o.partition(", since ")[2] in true)


def _true_reasons(facts: Facts) -> set[str]:
    """The first reason of a class is true by its definition, all others by what is known."""
    true = {_CONTACT, _NEAR, _ROOM}
    encounter = facts.encounter if facts.encounter is not None and facts.encounter.complete else None
    braking = facts.incident.ego_braking if facts.clip.ego_involved is not False else None
    true |= {"hard": {_BRAKED_CONTACT, _BRAKED_NEAR}, "normal": {_SOME_BRAKING}, "none": {_UNBRAKED_CONTACT}}.get(
        braking or "", set()
    )
    if encounter is None:
        return true | ({_SPARE} if facts.scenario is not None and facts.alone else set())
    if braking == "none":
        true.add(_NO_BRAKING)
    if is_vehicle(encounter):
        true.add(_JOLT)
    if "steering" in encounter.truth.evasive:
        true.add(_STEERED_NEAR)
    return true | {_SPARE}
