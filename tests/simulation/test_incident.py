"""Incident metadata of simulated videos, against the motion that it is to describe."""

from collections.abc import Iterator

import numpy as np
import pytest

from vlm_autodrive.records import Encounter, Scenario
from vlm_autodrive.simulation import SimulateSettings
from vlm_autodrive.simulation.ground_truth import scenario_of
from vlm_autodrive.simulation.impact_sides import impact_sides
from vlm_autodrive.simulation.long_videos import draw_long_video, long_video_scenario
from vlm_autodrive.simulation.physics import BODIES, DT, Array, Trajectory
from vlm_autodrive.simulation.trajectories import EncounterTrajectory, SimulatedVideo
from vlm_autodrive.simulation.triplets import draw_single, draw_triplet

LONG = SimulateSettings(seed=3, long_video_duration_s=120.0, long_video_events=3)


@pytest.fixture(scope="module")
def made() -> list[tuple[SimulatedVideo, Scenario]]:
    videos = [video for index in range(30) for video in draw_triplet(11, index, 6.0)]
    videos += [video for index in range(8) for video in draw_single(11, index, 6.0)]
    short = [(video, scenario_of(video, "00000", 11, None, 6.0)) for video in videos]
    drives = [draw_long_video(LONG, index) for index in range(2)]
    return short + [(video, long_video_scenario(video, "000", LONG)) for video in drives]


def _encounters(
    made: list[tuple[SimulatedVideo, Scenario]],
) -> Iterator[tuple[SimulatedVideo, Scenario, EncounterTrajectory, Encounter]]:
    for video, truth in made:
        for moved, told in zip(video.trajectories.encounters, truth.encounters, strict=True):
            yield video, truth, moved, told


def test_every_field_is_known(made: list[tuple[SimulatedVideo, Scenario]]) -> None:
    for _, truth, _, told in _encounters(made):
        unknown = set(type(told.incident).model_fields) - set(told.incident.over(truth.incident).known)
        crowded = {"pedestrians", "cyclists"} if len(truth.encounters) > 1 else set()
        assert unknown <= crowded | ({"responsibility"} if told.event_class == "normal" else set())


def test_other_party_is_what_its_motion_says(made: list[tuple[SimulatedVideo, Scenario]]) -> None:
    for _, _, moved, told in _encounters(made):
        actor, until = moved.outcome.motion.actor, moved.outcome.event_step
        sideways = np.ptp(actor.d[:until])
        slower = actor.speed[0] - actor.speed[:until].min()
        manoeuvre, incident = told.incident.other_manoeuvre, told.incident
        assert incident.other_type == told.actor
        assert (manoeuvre == "cross") == (incident.other_role == "crossing") == ("crossing" in told.family)
        assert (manoeuvre == "drift") == (told.family == "oncoming_drift" and sideways >= 0.3)
        assert (incident.other_role == "oncoming") == (told.family == "oncoming_drift")
        assert (manoeuvre == "cut_in") == (incident.other_role == "beside") == (told.family == "cut_in")
        assert (manoeuvre == "brake") == (told.family == "lead_brake" and slower > 0.0)
        assert (incident.pedestrians == "crossing") == (told.actor == "pedestrian" and sideways >= 0.3)
        assert (incident.cyclists == "crossing") == (told.actor == "cyclist" and sideways >= 0.3)


def test_ego_vehicle_keeps_its_lane_and_brakes_as_told(made: list[tuple[SimulatedVideo, Scenario]]) -> None:
    for _, _, moved, told in _encounters(made):
        ego, setup = moved.outcome.motion.ego, moved.outcome.setup
        reacted = round(setup.reaction_time_s / DT)
        assert told.incident.ego_manoeuvre == "straight"
        assert np.abs(ego.d[: min(reacted, moved.outcome.event_step)]).max() < 0.05
        until = moved.outcome.event_step + (0 if told.event_class == "collision" else round(1.0 / DT))
        hardest = -np.diff(ego.speed[:until]).min() / DT
        assert told.incident.ego_braking == ("hard" if hardest >= 4.0 else "normal" if hardest >= 0.5 else "none")


def test_numbers_at_the_event(made: list[tuple[SimulatedVideo, Scenario]]) -> None:
    for video, truth, _, told in _encounters(made):
        incident = told.incident
        assert incident.speed_kmh is not None
        assert incident.longitudinal_g is not None
        assert incident.lateral_g is not None
        near = [p for p in truth.states if abs(p.time_s - told.time_s) <= 0.2 and p.time_s < told.time_s]
        for point in near:
            assert abs(point.ego_speed_mps - incident.speed_kmh / 3.6) < 0.2 * 9.0 + 0.1
        if told.evasive == "steering" and video.look.curvature == 0.0 and told.event_class != "collision":
            assert abs(incident.lateral_g) > 0.05
        if told.event_class != "collision":
            assert abs(incident.longitudinal_g) <= 0.85
        elif told.actor in ("car", "van", "truck"):
            assert incident.longitudinal_g < 0.0


def test_contact_has_sides_and_nothing_else_has(made: list[tuple[SimulatedVideo, Scenario]]) -> None:
    sides = set()
    for _, _, _, told in _encounters(made):
        incident = told.incident
        contact = told.impact_speed_mps is not None
        assert (incident.ego_impact_side != "none") == (incident.other_impact_side != "none") == contact
        if contact:
            sides.add(incident.ego_impact_side)
            if told.family == "lead_brake":
                assert (incident.ego_impact_side, incident.other_impact_side) == ("front", "rear")
            if told.family == "oncoming_drift":
                assert "left" in str(incident.ego_impact_side)
                assert "left" in str(incident.other_impact_side)
            if told.actor == "pedestrian":  # whoever comes from the right shows the left side
                assert ("left" if told.side == "right" else "right") in str(incident.other_impact_side)
    assert len(sides) > 2


def test_sides_by_hand() -> None:
    def pose(s: float, d: float, heading: float = 0.0) -> Trajectory:
        return Trajectory(*(np.array([x]) for x in (s, d, heading, 0.0)))

    ego, car = pose(0.0, 0.0), BODIES["car"]
    assert impact_sides(ego, pose(4.4, 0.0), car, 0) == ("front", "rear")
    assert impact_sides(ego, pose(-4.4, 0.0), car, 0) == ("rear", "front")
    assert impact_sides(ego, pose(0.0, 1.8), car, 0) == ("right", "left")
    assert impact_sides(ego, pose(4.4, 1.3), car, 0) == ("front_right", "rear_left")
    assert impact_sides(ego, pose(4.4, 1.3, np.pi), car, 0) == ("front_right", "front_right")
    assert impact_sides(ego, pose(3.1, 0.0, -np.pi / 2), car, 0) == ("front", "left")
    assert impact_sides(ego, pose(3.1, 0.0, np.pi / 2), car, 0) == ("front", "right")
    assert impact_sides(ego, pose(3.1, 2.8, -np.pi / 2), car, 0) == ("front_right", "front_left")


def test_mirrored_contact_has_mirrored_sides(made: list[tuple[SimulatedVideo, Scenario]]) -> None:
    def mirrored(path: Trajectory) -> Trajectory:
        return Trajectory(path.s, -path.d, -path.heading, path.speed)

    for _, _, moved, told in _encounters(made):
        if told.event_class == "collision":
            motion, body, step = moved.outcome.motion, moved.outcome.setup.body, moved.outcome.event_step
            sides = impact_sides(motion.ego, motion.actor, body, step)
            other = impact_sides(mirrored(motion.ego), mirrored(motion.actor), body, step)
            assert other == tuple(_swapped(side) for side in sides)


def _swapped(side: str) -> str:
    return side.replace("left", "#").replace("right", "left").replace("#", "right")


def test_responsibility_by_its_rule(made: list[tuple[SimulatedVideo, Scenario]]) -> None:
    found = set()
    for _, _, moved, told in _encounters(made):
        incident, setup = told.incident, moved.outcome.setup
        found.add(incident.responsibility)
        assert (incident.responsibility is None) == (told.event_class == "normal")
        if incident.responsibility in ("driver", "shared") and told.family != "lead_brake":
            assert setup.reaction_time_s > 1.5
        if incident.responsibility == "driver":
            assert setup.actor_brake < 4.0
        if incident.responsibility == "other" and told.family == "lead_brake":
            assert setup.actor_brake >= 4.0
            assert setup.initial_gap_m >= setup.ego_speed
    assert {"other", "shared", None} <= found


def _vehicles_ahead(video: SimulatedVideo) -> Array:
    """How many vehicles are within 140 m and 34 degrees of straight ahead, at every step."""
    moved, count = video.trajectories, np.zeros(len(video.trajectories.ego.s))
    paths = [(v.pose(moved.start_s + moved.time), True) for v in moved.traffic]
    paths += [(m.actor, m.present) for m in moved.encounters if m.outcome.setup.body.length > 2.0]
    for path, present in paths:
        ahead, beside = path.s - moved.ego.s, path.d - moved.ego.d
        count += present & (ahead < 140.0) & (np.abs(np.degrees(np.arctan2(beside, ahead))) < 33.82)
    return count


def test_surroundings_hold_at_every_moment(made: list[tuple[SimulatedVideo, Scenario]]) -> None:
    for video, truth in made:
        incident, look = truth.incident, video.look
        assert incident.road_surface == {"Rain": "wet", "Snow": "snowy"}.get(look.weather, "dry")
        assert (incident.zone == "commercial") == (look.scene == "Urban")
        assert incident.road_layout in (None, "curve" if look.curvature else "straight")
        low, high = {"none": (0, 0), "light": (1, 3), "moderate": (4, 6), None: (0, 99)}[incident.traffic_density]
        seen = _vehicles_ahead(video)
        assert low <= seen.min() <= seen.max() <= high * look.lanes
        people = {e.actor for e in truth.encounters}
        assert incident.pedestrians == (None if "pedestrian" in people else "none")
        assert incident.cyclists == (None if "cyclist" in people else "none")


def test_vehicles_cross_at_intersections(made: list[tuple[SimulatedVideo, Scenario]]) -> None:
    for _, truth, _, told in _encounters(made):
        if told.family == "crossing_vehicle":
            assert told.incident.road_layout == "intersection"
            assert truth.incident.road_layout is None
