"""Incident metadata of a simulated data set, from the ground truth that lies beside it."""

from vlm_autodrive.datasets.builder import DatasetBuilder
from vlm_autodrive.records import Event, Scenario

_SAME_EVENT_S = 0.1


def add_simulated_incidents(builder: DatasetBuilder) -> None:
    """Give each simulated video the surroundings of its scenario, and each event what its encounter's record holds.

    An event that someone has moved by more than 0.1 s has no encounter, and gets nothing.
    """
    scenarios = {scenario.video_id: scenario for scenario in builder.scenarios}
    for place, video in enumerate(builder.videos):
        if video.video_id in scenarios:
            incident = scenarios[video.video_id].incident.over(video.incident)
            builder.videos[place] = video.model_copy(update={"incident": incident})
    for place, event in enumerate(builder.events):
        if event.video_id in scenarios:
            builder.events[place] = _with_encounter(event, scenarios[event.video_id])


def _with_encounter(event: Event, scenario: Scenario) -> Event:
    for encounter in scenario.encounters:
        if event.time_s is not None and abs(encounter.time_s - event.time_s) <= _SAME_EVENT_S:
            return event.model_copy(update={"incident": encounter.incident.over(event.incident)})
    return event
