"""Incident metadata of simulated videos, against the motion that it is to describe."""

from collections.abc import Iterator
from dataclasses import replace

import numpy as np
import pytest

from vlm_autodrive.records import Encounter, Scenario
from vlm_autodrive.simulation import SimulateSettings
from vlm_autodrive.simulation.families import roll_out
from vlm_autodrive.simulation.ground_truth import scenario_of
from vlm_autodrive.simulation.impact_sides import impact_sides
from vlm_autodrive.simulation.long_videos import draw_long_video, long_video_scenario
from vlm_autodrive.simulation.physics import BODIES, DT, EGO_BODY, Array, Trajectory, box_gap
from vlm_autodrive.simulation.responsibility import responsibility_of
from vlm_autodrive.simulation.scenery import junctions_between
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
        low, high = {"none": (0.0, 0.5), "normal": (0.5, 4.0), "hard": (4.0, 9.0)}[str(told.incident.ego_braking)]
        assert low - 0.45 <= hardest < high + 0.01  # the pedal's last step is not yet in the speed at contact


def test_numbers_at_the_event(made: list[tuple[SimulatedVideo, Scenario]]) -> None:
    for video, truth, moved, told in _encounters(made):
        incident = told.incident
        assert incident.speed_kmh is not None
        assert incident.longitudinal_g is not None
        assert incident.lateral_g is not None
        near = [p for p in truth.states if abs(p.time_s - told.time_s) <= 0.2 and p.time_s < told.time_s]
        for point in near:
            assert abs(point.ego_speed_mps - incident.speed_kmh / 3.6) < 0.2 * 9.0 + 0.1
        swerved_s = moved.outcome.event_step * DT - moved.outcome.setup.reaction_time_s
        if "steering" in told.evasive and 0.5 < swerved_s < 1.0:
            assert abs(incident.lateral_g) > 0.05
        if told.evasive in ("none", "braking") and told.event_class != "collision":
            assert abs(incident.lateral_g) < abs(video.look.curvature) * 20.0**2 / 9.81 + 0.02
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
    for video, _, moved, told in _encounters(made):
        setup, responsibility = moved.outcome.setup, told.incident.responsibility
        found.add(responsibility)
        assert (responsibility is None) == (told.event_class == "normal")
        if responsibility is None:
            continue
        on_time = setup.reaction_time_s <= 1.5
        if told.family != "lead_brake":
            assert responsibility == "other" if on_time else responsibility in ("other", "shared")
            continue
        step = max(round(moved.onset_s / DT), 0)
        moment, lead = np.array([video.trajectories.start_s + step * DT]), moved.actor
        in_lane = [v.pose(moment).s[0] - lead.s[step] for v in video.trajectories.traffic if abs(v.d) < 1.0]
        needless = setup.actor_brake >= 4.0 and not any(0.0 < x < 2.0 * lead.speed[step] for x in in_lane)
        assert (responsibility in ("other", "shared")) == needless
        if setup.initial_gap_m < setup.ego_speed:
            assert responsibility in ("driver", "shared")
        elif on_time:
            assert responsibility in ("other", "undetermined")
    assert {"other", "shared", None} <= found


def test_late_reaction_counts_if_one_in_time_would_have_helped(made: list[tuple[SimulatedVideo, Scenario]]) -> None:
    helped = []
    for _, _, moved, told in _encounters(made):
        setup, outcome = moved.outcome.setup, moved.outcome
        if told.event_class == "normal" or told.family == "lead_brake" or setup.reaction_time_s <= 1.5:
            continue
        in_time = replace(setup, reaction_time_s=1.5)
        rollout = roll_out(in_time, np.array([getattr(in_time, setup.changed)]))
        gap = box_gap(rollout.ego, EGO_BODY, rollout.actor, setup.body).min()
        helped.append(gap > (0.9 if outcome.minimum_gap_m else 0.0))
        assert told.incident.responsibility == ("shared" if helped[-1] else "other")
    assert any(helped)


def test_pedestrians_have_the_right_of_way_on_a_zebra_crossing(made: list[tuple[SimulatedVideo, Scenario]]) -> None:
    video, moved = next(
        (video, moved)
        for video, _, moved, told in _encounters(made)
        if told.actor == "pedestrian" and told.incident.responsibility == "other" and video.look.scene != "Highway"
    )
    junction = junctions_between(video.look, (), 200.0, 5000.0)[0]
    for place, expected in ((-7.0, "driver"), (7.0, "other"), (-12.0, "other")):
        there = replace(moved.actor, s=np.full_like(moved.actor.s, junction + place))
        encounter = replace(moved, actor=there)
        assert responsibility_of(video.trajectories, video.look, encounter, "cross") == expected


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
