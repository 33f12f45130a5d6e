"""Questions about the other road user and the outcome, asked alike of every class.

Of an encounter whose closest moment lies outside the clip little is known: then a question is not asked, or, where
every class must be asked at the same rate, "It cannot be told" is the answer.
"""

import random

from vlm_autodrive.supervision.facts import Facts
from vlm_autodrive.supervision.rules.vqa.drafts import VqaDraft, check, yes_no
from vlm_autodrive.supervision.rules.wording import (
    NO_EVENT,
    NO_ROAD_USER,
    distance,
    eases_off,
    ego_response,
    is_vehicle,
    origin,
    seconds,
    sentence,
    speed,
)

ACTORS = ("car", "van", "truck", "pedestrian", "cyclist")
COLORS = ("red", "blue", "white", "black", "silver", "yellow", "green", "orange")
NO_ACTOR = "none to watch"
PEOPLE = ("pedestrian", "cyclist")
UNTOLD = "It cannot be told."


def _told(facts: Facts) -> bool:
    """Whether it is known who the road user to watch is, or that there is none."""
    return facts.scenario is not None and (facts.encounter is not None or facts.alone)


def _nobody(facts: Facts) -> str:
    """The answer where the clip holds no encounter: there is nobody, or somebody met before or after it."""
    return NO_ROAD_USER if facts.alone else UNTOLD


def _shaken_from_before(facts: Facts) -> bool:
    """Whether a jolt before the clip may still shake its picture."""
    assert facts.scenario is not None
    bumps = any(d.kind == "speed_bump" and d.time_s < 0 for d in facts.scenario.distractions)
    return bumps or (facts.encounter is None and not facts.alone)


def actor_check(facts: Facts, rng: random.Random) -> VqaDraft | None:
    """Whether it is what a claim says."""
    return check(rng, facts.encounter.truth.actor, ACTORS) if facts.encounter else None


def color(facts: Facts, rng: random.Random) -> VqaDraft | None:
    """What colour it has."""
    if not _told(facts):
        return None
    true = facts.encounter.truth.actor_color if facts.encounter else NO_ACTOR
    wrong = rng.sample([color for color in COLORS if color != true], 3 if true == NO_ACTOR else 2)
    return VqaDraft(true, others=(*wrong, *([] if true == NO_ACTOR else [NO_ACTOR])))


def side(facts: Facts) -> VqaDraft | None:
    """Where it comes from."""
    if not _told(facts):
        return None
    if facts.encounter is None:
        return VqaDraft(NO_ROAD_USER)
    place = origin(facts.encounter)
    return VqaDraft(sentence("from ahead" if place == "ahead" else place))


def response(facts: Facts) -> VqaDraft | None:
    """What the ego driver does about it."""
    if not _told(facts) or (facts.encounter is not None and not facts.encounter.complete):
        return None
    return VqaDraft(
        NO_ROAD_USER if facts.encounter is None else sentence(f"the driver {ego_response(facts.encounter)}")
    )


def jolt(facts: Facts) -> VqaDraft | None:
    """What jolts the camera: a speed bump, an impact, or nothing."""
    if facts.scenario is None or _shaken_from_before(facts):
        return None
    jolts = [(d.time_s, "a speed bump") for d in facts.scenario.distractions if d.kind == "speed_bump"]
    if facts.encounter is not None and facts.encounter.contact:
        if not is_vehicle(facts.encounter):
            return None  # whether a person's weight shows in the picture is not recorded
        jolts.append((facts.encounter.closest_s, "an impact"))
    told = [f"{what} at {seconds(t)}" for t, what in sorted(jolts) if 0 <= t <= facts.clip.duration_s]
    return VqaDraft(sentence(" and ".join(told)) if told else "Nothing.")


def closest_time(facts: Facts) -> VqaDraft | None:
    """When the other road user is closest."""
    if facts.scenario is None:
        return None
    return VqaDraft(seconds(facts.encounter.closest_s) if facts.encounter else _nobody(facts))


def closest_gap(facts: Facts) -> VqaDraft | None:
    """How close it comes."""
    if facts.scenario is None:
        return None
    return VqaDraft(distance(facts.encounter.closest_gap_m) if facts.encounter else _nobody(facts))


def contact(facts: Facts, rng: random.Random) -> VqaDraft | None:
    """Whether there is contact, asked for or against by a toss, so that the answers are balanced."""
    if facts.scenario is None:
        return None
    touched = facts.encounter is not None and facts.encounter.contact
    if rng.random() < 0.5:
        return VqaDraft(yes_no(touched))
    return VqaDraft(yes_no(not touched), wording="no_contact")


def cause(facts: Facts) -> VqaDraft | None:
    """What causes the event."""
    if facts.scenario is None:
        return None
    if not facts.label.is_event:
        return VqaDraft(NO_EVENT)
    if facts.encounter is None or not facts.encounter.complete:
        return None
    return VqaDraft(sentence(facts.encounter.truth.cause))


def impact_speed(facts: Facts) -> VqaDraft | None:
    """How fast the impact is; it presupposes one, which only contact makes true."""
    if facts.scenario is None:
        return None
    if facts.encounter is None or not facts.encounter.contact:
        return VqaDraft("There is no impact.")
    return VqaDraft(speed(facts.encounter.truth.impact_speed_mps or 0.0))


def person(facts: Facts, rng: random.Random) -> VqaDraft | None:
    """Whether a pedestrian, or a cyclist, is there; asked for or against by a toss, so that answers are balanced."""
    if not _told(facts):
        return None
    claim = rng.choice(PEOPLE)
    there = facts.encounter is not None and facts.encounter.truth.actor == claim
    if rng.random() < 0.5:
        return VqaDraft(yes_no(there), {"value": claim})
    return VqaDraft(yes_no(not there), {"value": claim}, wording="no_person")


def bump(facts: Facts, rng: random.Random) -> VqaDraft | None:
    """Whether a speed bump jolts the camera, asked for or against by a toss."""
    if facts.scenario is None or _shaken_from_before(facts):
        return None
    there = any(d.kind == "speed_bump" for d in facts.scenario.distractions)
    if rng.random() < 0.5:
        return VqaDraft(yes_no(there))
    return VqaDraft(yes_no(not there), wording="no_bump")


def order(facts: Facts) -> VqaDraft | None:
    """Which comes first, the driver's response or the closest moment; plain that it is neither where it is not."""
    if facts.scenario is None:
        return None
    if facts.encounter is None:
        return VqaDraft(_nobody(facts))
    truth = facts.encounter.truth
    if not facts.encounter.complete:
        return VqaDraft(UNTOLD)
    if truth.reaction_time_s is None or truth.evasive == "none":
        return None if eases_off(facts.encounter) else VqaDraft("The driver does not respond.")
    begins_s = truth.onset_s + truth.reaction_time_s
    return VqaDraft("The response." if begins_s < facts.encounter.closest_s else "The closest moment.")


def outcome(facts: Facts) -> VqaDraft | None:
    """An open question on how it ends."""
    if facts.scenario is None:
        return None
    if facts.encounter is None:
        return VqaDraft(_nobody(facts))
    if not facts.encounter.complete:
        return VqaDraft(UNTOLD)
    when = seconds(facts.encounter.closest_s)
    if facts.encounter.contact:
        return VqaDraft(f"With contact at {when}.")
    return VqaDraft(f"Without contact, {distance(facts.encounter.closest_gap_m)} apart at {when}.")
