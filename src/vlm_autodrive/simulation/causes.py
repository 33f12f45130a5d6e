"""Why an encounter ended as it did, in one plain clause that is true of the changed parameter."""

from vlm_autodrive.simulation.endings import Ending
from vlm_autodrive.simulation.physics import EVASIVE_DECELERATION_MPS2

_NAMES = {
    "lead_brake": "the vehicle ahead",
    "cut_in": "the vehicle that cut in",
    "crossing_vehicle": "the crossing vehicle",
    "oncoming_drift": "the oncoming vehicle",
    "pedestrian_crossing": "the pedestrian",
    "cyclist_crossing": "the cyclist",
}


def cause_of(ending: Ending, benign: Ending | None = None) -> str:
    """The cause of an ending.

    Args:
        ending: The ending.
        benign: The Normal ending of the same encounter, to measure against.
    """
    name = _NAMES[ending.setup.family]
    difference = abs(ending.value - benign.value) if benign is not None else 0.0
    by = f"{difference:.1f} s " if difference >= 0.1 else ""
    changed, kind = ending.setup.changed, ending.event_class
    if changed == "reaction_time_s":
        return {
            "normal": "the driver reacted in time",
            "near_collision": f"the driver reacted {by}late and only just avoided {name}",
            "collision": f"the driver reacted {by}too late for {name}",
        }[kind]
    if changed == "initial_gap_m":
        return {
            "normal": f"the gap to {name} was large enough",
            "near_collision": f"the gap to {name} was so short that {_escape(ending)}",
            "collision": f"the gap to {name} was too short to stop in",
        }[kind]
    if changed == "drift_m":
        return {
            "normal": "the oncoming vehicle strayed only a little from its lane",
            "near_collision": "the oncoming vehicle strayed so far that it passed with hardly any room",
            "collision": "the oncoming vehicle strayed too far into the lane",
        }[kind]
    return {
        "normal": f"{name} started early enough to be seen and avoided calmly",
        "near_collision": f"{name} started {by}later, close ahead, and was only just avoided",
        "collision": f"{name} started {by}later, too close ahead for the driver to stop",
    }[kind]


def _escape(ending: Ending) -> str:
    """What saved a driver who had too short a gap; with some steering aside, gentle braking is enough."""
    hard = ending.peak_deceleration_mps2 >= EVASIVE_DECELERATION_MPS2
    return "only hard braking avoided contact" if hard else "contact was only just avoided"
