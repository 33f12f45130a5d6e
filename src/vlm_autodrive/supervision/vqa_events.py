"""Questions about the other road user and the outcome, asked alike of every class."""

import random

from vlm_autodrive.supervision.facts import Facts
from vlm_autodrive.supervision.vqa_scene import Question, Times, check, choose, yes_no
from vlm_autodrive.supervision.wording import (
    NO_EVENT,
    NO_ROAD_USER,
    distance,
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


def actor(facts: Facts, rng: random.Random, times: Times) -> Question | None:
    """What kind of road user comes closest."""
    del times
    if facts.scenario is None:
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
    if facts.scenario is None:
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
    if facts.scenario is None:
        return None
    if facts.meeting is None:
        return Question(NO_ROAD_USER)
    place = origin(facts.meeting)
    return Question(sentence("from ahead" if place == "ahead" else place))


def response(facts: Facts, rng: random.Random, times: Times) -> Question | None:
    """What the ego driver does about it."""
    del rng, times
    if facts.scenario is None or (facts.meeting is not None and not facts.meeting.complete):
        return None
    return Question(NO_ROAD_USER if facts.meeting is None else sentence(f"the driver {ego_response(facts.meeting)}"))


def jolt(facts: Facts, rng: random.Random, times: Times) -> Question | None:
    """What jolts the camera: a speed bump, an impact, or nothing."""
    del rng, times
    if facts.scenario is None:
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
    return Question(seconds(facts.meeting.closest_s) if facts.meeting else NO_ROAD_USER)


def closest_gap(facts: Facts, rng: random.Random, times: Times) -> Question | None:
    """How close it comes."""
    del rng, times
    if facts.scenario is None:
        return None
    return Question(distance(facts.meeting.closest_gap_m) if facts.meeting else NO_ROAD_USER)


def contact(facts: Facts, rng: random.Random, times: Times) -> Question | None:
    """Whether there is contact, asked for or against by a toss, so that the answers are balanced."""
    del times
    if facts.scenario is None:
        return None
    touched = facts.meeting is not None and facts.meeting.contact
    if rng.random() < 0.5:
        return Question(yes_no(touched))
    return Question(yes_no(not touched), wording="no_contact")


def event_time(facts: Facts, rng: random.Random, times: Times) -> Question | None:
    """When the event happens."""
    del rng, times
    if not facts.label.is_event:
        return Question(NO_EVENT)
    return None if facts.clip.event_time_s is None else Question(seconds(facts.clip.event_time_s))


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
