"""Moving the simulation's truth from video time into clip time."""

from vlm_autodrive.records import Distraction, Encounter, Scenario

_SHAKES_S = 1.5  # how long a speed bump is felt, both axles and the springs


def scenario_in_window(scenario: Scenario, start_s: float, end_s: float) -> Scenario:
    """What of a scenario happens inside a window, with all times counted from its start.

    Encounters belong to the window that shows their contact or closest approach. A hazard that began
    before the window has a negative onset. A warning before the window is None. A speed bump just before it
    stays, at a negative time: the picture still shakes.
    """

    def inside(time_s: float) -> bool:
        return start_s <= time_s < end_s

    def felt(distraction: Distraction) -> bool:
        bump = distraction.kind == "speed_bump"
        return start_s - (_SHAKES_S if bump else 0.0) <= distraction.time_s < end_s

    def moved(time_s: float) -> float:
        return round(time_s - start_s, 6)

    def move(encounter: Encounter) -> Encounter:
        alert_s = encounter.alert_time_s
        return encounter.model_copy(
            update={
                "time_s": moved(encounter.time_s),
                "onset_s": moved(encounter.onset_s),
                "alert_time_s": moved(alert_s) if alert_s is not None and inside(alert_s) else None,
            }
        )

    return scenario.model_copy(
        update={
            "duration_s": round(end_s - start_s, 6),
            "encounters": tuple(move(e) for e in scenario.encounters if inside(e.time_s)),
            "distractions": tuple(
                d.model_copy(update={"time_s": moved(d.time_s)}) for d in scenario.distractions if felt(d)
            ),
            "states": tuple(
                s.model_copy(update={"time_s": moved(s.time_s)}) for s in scenario.states if inside(s.time_s)
            ),
        }
    )
