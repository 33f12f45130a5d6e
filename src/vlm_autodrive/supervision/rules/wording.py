"""Numbers, road users and sides in words."""

import math

from vlm_autodrive.supervision.facts import EncounterFacts, Facts

NO_EVENT = "There is no such event."
NO_ROAD_USER = "There is none to watch."
# The eye tells a near distance finely and a far one hardly at all. What is stated more finely than it can be seen is
# learnt by guessing, and the guess is then reasoned from.
_DISTANCE_STEPS_M = (1, 2, 5, 10, 20)
_CLOSING_STEPS_MPS = ((0.5, "not closing"), (4.0, "closing slowly"), (10.0, "closing"))
_NOTICED_MPS2 = 0.5
_PEOPLE = ("pedestrian", "cyclist")


def seconds(time_s: float) -> str:
    """A time as it stands in answers: ``t=2.4``."""
    return f"t={time_s:.1f}"


def whole(value: float) -> int:
    """The nearest whole number, halves upwards."""
    return math.floor(value + 0.5)


def distance(gap_m: float) -> str:
    """A distance, the coarser the greater it is."""
    if gap_m <= 1e-3:
        return "0 m"
    if gap_m < 1:
        return "under 1 m"
    if gap_m < 20:
        return f"{whole(gap_m)} m"
    return f"{5 * whole(gap_m / 5)} m"


def speed(mps: float) -> str:
    """A speed in whole metres per second."""
    return f"{whole(mps)} m/s"


def closing(mps: float) -> str:
    """How a gap changes: ``closing 5 m/s``, ``steady`` or ``opening 2 m/s``."""
    if whole(abs(mps)) == 0:
        return "steady"
    return f"closing {speed(mps)}" if mps > 0 else f"opening {speed(-mps)}"


def rough_distance(gap_m: float) -> str:
    """A distance as the eye can tell it: ``under 1 m``, ``under 5 m`` ..., ``over 20 m``."""
    return next((f"under {step} m" for step in _DISTANCE_STEPS_M if gap_m < step), f"over {_DISTANCE_STEPS_M[-1]} m")


def rough_closing(mps: float) -> str:
    """How fast a gap shrinks, as the eye can tell it."""
    return next((words for limit, words in _CLOSING_STEPS_MPS if mps < limit), "closing fast")


def road_user(encounter: EncounterFacts) -> str:
    """The other road user: ``a red car``, ``a pedestrian in blue``."""
    truth = encounter.truth
    if truth.actor in _PEOPLE:
        return f"a {truth.actor} in {truth.actor_color}"
    return with_article(f"{truth.actor_color} {truth.actor}")


def is_vehicle(encounter: EncounterFacts) -> bool:
    """Whether the other road user is heavy enough to jolt the camera."""
    return encounter.truth.actor not in _PEOPLE


def origin(encounter: EncounterFacts) -> str:
    """Where it came from, as words after a noun: ``from the left``, ``ahead``."""
    side = encounter.truth.side
    return "ahead" if side == "ahead" else f"from the {side}"


def ego_response(encounter: EncounterFacts) -> str:
    """What the ego driver does about the other road user."""
    hard = " hard" if encounter.truth.peak_deceleration_mps2 >= 5 else ""
    return {
        "none": "slows down a little" if eases_off(encounter) else "does nothing",
        "braking": f"brakes{hard}",
        "steering": "steers away",
        "braking_and_steering": f"brakes{hard} and steers away",
    }[encounter.truth.evasive]


def eases_off(encounter: EncounterFacts) -> bool:
    """Whether the ego driver slows down, but too gently to be called an evasion."""
    truth = encounter.truth
    # Before contact so little braking is that of a foot which has only just come down.
    return truth.evasive == "none" and truth.peak_deceleration_mps2 >= _NOTICED_MPS2 and not encounter.contact


def lane(facts: Facts) -> str | None:
    """The ego vehicle's lane in words; None if it is not known."""
    if facts.scenario is None:
        return None
    lanes, place = facts.scenario.lanes, facts.scenario.ego_lane
    if lanes < 2:
        return "the only lane"
    if place == 0:
        return "the left lane"
    if place == lanes - 1:
        return "the right lane"
    return "the middle lane" if lanes == 3 else f"lane {place + 1} of {lanes} from the left"


def sentence(text: str) -> str:
    """``text`` with a capital and a full stop."""
    return text[:1].upper() + text[1:] + ("" if text.endswith(".") else ".")


def with_article(noun: str) -> str:
    """``noun`` with a or an before it."""
    return f"{'an' if noun[:1].lower() in 'aeio' or noun.startswith('urb') else 'a'} {noun}"
