"""Videos: windows, truth records, distractions, drives; nothing is rendered here."""

from collections import Counter

import numpy as np
import pytest

from vlm_autodrive.records import Scenario
from vlm_autodrive.simulation import SimulateSettings
from vlm_autodrive.simulation.ground_truth import scenario_of
from vlm_autodrive.simulation.long_videos import draw_long_video, long_video_scenario
from vlm_autodrive.simulation.physics import NORMAL_GAP_M
from vlm_autodrive.simulation.trajectories import SimulatedVideo
from vlm_autodrive.simulation.triplets import draw_single, draw_triplet
from vlm_autodrive.simulation.video_scene import scene_of, shaken


@pytest.fixture(scope="module")
def triplets() -> list[list[SimulatedVideo]]:
    return [draw_triplet(11, index, 6.0) for index in range(24)]


def _truth(video: SimulatedVideo) -> Scenario:
    return scenario_of(video, "00000", 11, "t0", 6.0)


def test_only_one_thing_differs_within_a_triplet(triplets: list[list[SimulatedVideo]]) -> None:
    for videos in triplets:
        truths = [_truth(video) for video in videos]
        assert [t.encounters[0].event_class for t in truths] == ["normal", "near_collision", "collision"]
        assert len({t.changed_value for t in truths}) == 3
        assert len({t.encounters[0].cause for t in truths}) == 3
        for same in ("light_conditions", "weather", "scene", "lanes", "ego_lane", "duration_s", "changed_parameter"):
            assert len({getattr(t, same) for t in truths}) == 1
        for same in ("family", "actor", "actor_color", "side", "time_s"):
            assert len({getattr(t.encounters[0], same) for t in truths}) == 1
        assert len({tuple(d.kind for d in t.distractions) for t in truths}) == 1
        assert len({video.trajectories.traffic for video in videos}) == 1
        assert len({video.look for video in videos}) == 1


def test_truth_agrees_with_the_motion(triplets: list[list[SimulatedVideo]]) -> None:
    for video in [video for videos in triplets for video in videos]:
        truth = _truth(video)
        encounter = truth.encounters[0]
        assert 1.55 <= encounter.time_s <= 5.25
        assert encounter.onset_s < encounter.time_s
        gaps = {p.time_s: p.gap_m for p in truth.states if p.gap_m is not None}
        assert len(truth.states) == 30
        if encounter.event_class == "collision":
            if encounter.onset_s >= 0:
                assert encounter.alert_time_s is not None
            if encounter.alert_time_s is not None:
                assert max(encounter.onset_s, 0) < encounter.alert_time_s < encounter.time_s
            assert encounter.minimum_gap_m == 0.0
            assert encounter.impact_speed_mps is not None
            assert encounter.impact_speed_mps >= 3.0
            assert min(gaps.values()) < 1.0
        else:
            assert min(gaps.values()) >= encounter.minimum_gap_m - 0.006
        if encounter.event_class == "normal":
            assert encounter.alert_time_s is None
            near = encounter.minimum_gap_m <= 1.5 * NORMAL_GAP_M[encounter.family]
            assert truth.hard_negative == (near or bool(truth.distractions))
        else:
            assert not truth.hard_negative
        for distraction in truth.distractions:
            assert 0.0 <= distraction.time_s <= encounter.time_s - 1.0


def test_most_normals_are_hard_negatives(triplets: list[list[SimulatedVideo]]) -> None:
    assert np.mean([_truth(videos[0]).hard_negative for videos in triplets]) >= 0.6


def test_blow_is_seen_at_the_moment_of_contact(triplets: list[list[SimulatedVideo]]) -> None:
    for videos in triplets[:6]:
        normal, _, collision = (scene_of(video.trajectories, video.look, 50, 1).camera.roll for video in videos)
        contact = round(videos[2].trajectories.encounters[0].event_s * 50)
        assert np.abs(np.diff(collision[contact - 2 : contact + 3])).max() > 0.8
        assert np.abs(np.diff(collision[: contact - 2])).max() < 0.8
        assert np.abs(np.diff(normal)).max() < 0.8


def test_blow_shakes_the_camera_about_as_much_as_a_bump() -> None:
    time = np.arange(0, 4, 0.02)
    still = np.zeros_like(time)
    bump = shaken(time, still, still, still, [1.0], [], 0)[0]
    for seed in range(20):
        blow = shaken(time, still, still, still, [], [1.0], seed)
        assert 0.6 < np.abs(blow[0]).max() / np.abs(bump).max() < 1.7


def test_families_do_not_depend_on_class_or_light() -> None:
    videos = [draw_single(5, index, 6.0)[0] for index in range(8)]
    assert {video.event_class for video in videos} == {"normal"}
    assert Counter(bool(video.trajectories.encounters) for video in videos) == {True: 4, False: 4}
    assert [video.changed_parameter for video in videos] == [None] * 8


def test_a_drive_has_its_events_apart() -> None:
    settings = SimulateSettings(seed=2, long_video_duration_s=150.0, long_video_events=3)
    video = draw_long_video(settings, 0)
    truth = long_video_scenario(video, "000", settings)
    events = [e for e in truth.encounters if e.event_class != "normal"]
    assert len(events) == 3
    assert np.diff([e.time_s for e in events]).min() >= 20.0
    assert len(truth.states) == 750
    ego = video.trajectories.ego
    assert np.abs(np.diff(ego.s)).max() < 30 * 0.02
    assert np.abs(np.diff(ego.d)).max() < 0.1
    for event in events:
        if event.event_class == "collision":
            later = [p.ego_speed_mps for p in truth.states if event.time_s + 3.5 < p.time_s < event.time_s + 5.0]
            assert max(later, default=0.0) == 0.0  # it stands, and drives on afterwards
    assert truth.states[-1].ego_speed_mps > 3.0
