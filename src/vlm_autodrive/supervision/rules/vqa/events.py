"""Questions about the other road user and the outcome, asked alike of every class.

Of a meeting whose closest moment lies outside the clip little is known: then a question is not asked, or, where
every class must be asked at the same rate, "It cannot be told" is the answer.
"""

import random

from vlm_autodrive.supervision.facts import Facts
from vlm_autodrive.supervision.rules.vqa.scene import Question, Times, check, choose, yes_no
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
    return facts.scenario is not None and (facts.meeting is not None or facts.alone)


def _nobody(facts: Facts) -> str:
    """The answer where the clip holds no meeting: there is nobody, or somebody met before or after it."""
    return NO_ROAD_USER if facts.alone else UNTOLD


def _shaken_from_before(facts: Facts) -> bool:
    """Whether a jolt before the clip may still shake its picture."""
    assert facts.scenario is not None
    bumps = any(d.kind == "speed_bump" and d.time_s < 0 for d in facts.scenario.distractions)
    return bumps or (facts.meeting is None and not facts.alone)


def actor(facts: Facts, rng: random.Random, times: Times) -> Question | None:
    """What kind of road user comes closest."""
    del times
    if not _told(facts):
        return None
    true = facts.meeting.encounter.actor if facts.meeting else NO_ACTOR
    return choose(rng, true, (*ACTORS, NO_ACTOR), wanted=5)


def actor_check(facts: Facts, rng: random.Random, times: Times) -> Question | None:
    """Whether it is what a claim says."""
    del times
    return check(rng, facts.meeting.encounter.actor, ACTORS) if facts.meeting else None


def color(facts: Facts, rng: random.Random, times: Times) -> Question | None:
    """What colour it has."""
    del times
    if not _told(facts):
        return None
    true = facts.meeting.encounter.actor_color if facts.meeting else NO_ACTOR
    question = choose(rng, true, COLORS)
    options = question.values["options"].split(", ")
    if NO_ACTOR not in options:
        options.insert(rng.randrange(len(options) + 1), NO_ACTOR)
    return Question(true, {"options": ", ".join(options)})


def side(facts: Facts, rng: random.Random, times: Times) -> Question | None:
    """Where it comes from."""
    del rng, times
    if not _told(facts):
        return None
    if facts.meeting is None:
        return Question(NO_ROAD_USER)
    place = origin(facts.meeting)
    return Question(sentence("from ahead" if place == "ahead" else place))


def response(facts: Facts, rng: random.Random, times: Times) -> Question | None:
    """What the ego driver does about it."""
    del rng, times
    if not _told(facts) or (facts.meeting is not None and not facts.meeting.complete):
        return None
    return Question(NO_ROAD_USER if facts.meeting is None else sentence(f"the driver {ego_response(facts.meeting)}"))


def jolt(facts: Facts, rng: random.Random, times: Times) -> Question | None:
    """What jolts the camera: a speed bump, an impact, or nothing."""
    del rng, times
    if facts.scenario is None or _shaken_from_before(facts):
        return None
    jolts = [(d.time_s, "a speed bump") for d in facts.scenario.distractions if d.kind == "speed_bump"]
    if facts.meeting is not None and facts.meeting.contact:
        if not is_vehicle(facts.meeting):
            return None  # whether a person's weight shows in the picture is not recorded
        jolts.append((facts.meeting.closest_s, "an impact"))
    told = [f"{what} at {seconds(t)}" for t, what in sorted(jolts) if 0 <= t <= facts.clip.duration_s]
    return Question(sentence(" and ".join(told)) if told else "Nothing.")


def closest_time(facts: Facts, rng: random.Random, times: Times) -> Question | None:
    """When the other road user is closest."""
    del rng, times
    if facts.scenario is None:
        return None
    return Question(seconds(facts.meeting.closest_s) if facts.meeting else _nobody(facts))


def closest_gap(facts: Facts, rng: random.Random, times: Times) -> Question | None:
    """How close it comes."""
    del rng, times
    if facts.scenario is None:
        return None
    return Question(distance(facts.meeting.closest_gap_m) if facts.meeting else _nobody(facts))


def contact(facts: Facts, rng: random.Random, times: Times) -> Question | None:
    """Whether there is contact, asked for or against by a toss, so that the answers are balanced."""
    del times
    if facts.scenario is None:
        return None
    touched = facts.meeting is not None and facts.meeting.contact
    if rng.random() < 0.5:
        return Question(yes_no(touched))
    return Question(yes_no(not touched), wording="no_contact")


def cause(facts: Facts, rng: random.Random, times: Times) -> Question | None:
    """What causes the event."""
    del rng, times
    if facts.scenario is None:
        return None
    if not facts.label.is_event:
        return Question(NO_EVENT)
    if facts.meeting is None or not facts.meeting.complete:
        return None
    return Question(sentence(facts.meeting.encounter.cause))


def impact_speed(facts: Facts, rng: random.Random, times: Times) -> Question | None:
    """How fast the impact is; it presupposes one, which only contact makes true."""
    del rng, times
    if facts.scenario is None:
        return None
    if facts.meeting is None or not facts.meeting.contact:
        return Question("There is no impact.")
    return Question(speed(facts.meeting.encounter.impact_speed_mps or 0.0))


def person(facts: Facts, rng: random.Random, times: Times) -> Question | None:
    """Whether a pedestrian, or a cyclist, is there; asked for or against by a toss, so that answers are balanced."""
    del times
    if not _told(facts):
        return None
    claim = rng.choice(PEOPLE)
    there = facts.meeting is not None and facts.meeting.encounter.actor == claim
    if rng.random() < 0.5:
        return Question(yes_no(there), {"value": claim})
    return Question(yes_no(not there), {"value": claim}, wording="no_person")


def bump(facts: Facts, rng: random.Random, times: Times) -> Question | None:
    """Whether a speed bump jolts the camera, asked for or against by a toss."""
    del times
    if facts.scenario is None or _shaken_from_before(facts):
        return None
    there = any(d.kind == "speed_bump" for d in facts.scenario.distractions)
    if rng.random() < 0.5:
        return Question(yes_no(there))
    return Question(yes_no(not there), wording="no_bump")


def order(facts: Facts, rng: random.Random, times: Times) -> Question | None:
    """Which comes first, the driver's response or the closest moment; plain that it is neither where it is not."""
    del rng, times
    if facts.scenario is None:
        return None
    if facts.meeting is None:
        return Question(_nobody(facts))
    encounter = facts.meeting.encounter
    if not facts.meeting.complete:
        return Question(UNTOLD)
    if encounter.reaction_time_s is None or encounter.evasive == "none":
        return None if eases_off(facts.meeting) else Question("The driver does not respond.")
    begins_s = encounter.onset_s + encounter.reaction_time_s
    return Question("The response." if begins_s < facts.meeting.closest_s else "The closest moment.")


def outcome(facts: Facts, rng: random.Random, times: Times) -> Question | None:
    """An open question on how it ends."""
    del rng, times
    if facts.scenario is None:
        return None
    if facts.meeting is None:
        return Question(_nobody(facts))
    if not facts.meeting.complete:
        return Question(UNTOLD)
    when = seconds(facts.meeting.closest_s)
    if facts.meeting.contact:
        return Question(f"With contact at {when}.")
    return Question(f"Without contact, {distance(facts.meeting.closest_gap_m)} apart at {when}.")
