"""Simulated scenarios without pictures: each as the film of its motion, and as the clip that is supervised."""

import random

from tests.supervision.rules.truth_films import Film
from vlm_autodrive.clips.windows import scenario_in_window
from vlm_autodrive.records import Clip, Scenario
from vlm_autodrive.simulation import SimulateSettings
from vlm_autodrive.simulation.ground_truth import scenario_of
from vlm_autodrive.simulation.long_videos import draw_long_video
from vlm_autodrive.simulation.trajectories import SimulatedVideo
from vlm_autodrive.simulation.triplets import draw_single, draw_triplet

VIDEO_S, WINDOW_S = 6.0, 4.8
SEED = 2041


def films_and_clips(triplets: int, singles: int) -> list[tuple[Film, Clip]]:
    """Three outcomes of each of some scenarios, and further Normal drives, each in a window drawn as the clips are."""
    pairs: list[tuple[Film, Clip]] = []
    for index in range(triplets):
        takes = draw_triplet(SEED, index, VIDEO_S)
        start_s = window_start(takes[0], f"window {index}")
        calm = Film(takes[0], start_s, WINDOW_S)
        for take in takes:
            film = calm if take is takes[0] else Film(take, start_s, WINDOW_S, calm)
            pairs.append((film, clip_of(film, f"t{index:03d}", short(take, f"t{index:03d}"), take.event_class)))
    for index in range(singles):
        (take,) = draw_single(SEED, index, VIDEO_S)
        film = Film(take, window_start(take, f"single {index}"), WINDOW_S)
        pairs.append((film, clip_of(film, f"s{index:03d}", short(take, f"s{index:03d}"), take.event_class)))
    return pairs


def windows_of_drives(drives: int, apart_s: float) -> list[tuple[Film, Clip]]:
    """Normal windows of long drives, some of which begin just after an event or end just before one."""
    settings = SimulateSettings(seed=SEED, long_video_duration_s=60.0, long_video_events=2)
    pairs = []
    for index in range(drives):
        take = draw_long_video(settings, index, train_only=True)
        events = [m.event_s for m in take.trajectories.encounters if m.outcome.event_class != "normal"]
        starts = [s for event in events for s in (event + 0.51, event - WINDOW_S - 0.51)]
        starts += [s * apart_s for s in range(int((settings.long_video_duration_s - WINDOW_S) / apart_s))]
        for number, start_s in enumerate(starts):
            if all(not start_s - 0.5 <= event <= start_s + WINDOW_S + 0.5 for event in events) and start_s >= 0:
                film = Film(take, round(start_s, 6), WINDOW_S)
                scenario = scenario_of(take, f"d{index}", SEED, None, settings.long_video_duration_s)
                pairs.append((film, clip_of(film, f"d{index}w{number:02d}", scenario, "normal")))
    return pairs


def window_start(take: SimulatedVideo, name: str) -> float:
    """Where a clip begins: its event, if it has one, at least half a second inside it."""
    low_s, high_s = 0.0, VIDEO_S - WINDOW_S
    for meeting in take.trajectories.encounters:
        low_s, high_s = max(low_s, meeting.event_s - WINDOW_S + 0.5), min(high_s, meeting.event_s - 0.5)
    return round(random.Random(name).uniform(low_s, high_s), 6)


def short(take: SimulatedVideo, name: str) -> Scenario:
    """The truth record of a short video."""
    return scenario_of(take, f"{name}_{take.event_class}", SEED, name, VIDEO_S)


def clip_of(film: Film, name: str, scenario: Scenario, ending: str) -> Clip:
    """The clip as the clips stage makes it: the label of the video, and the truth moved into the window."""
    video_id = f"{name}_{ending}"
    inside = scenario_in_window(scenario, film.start_s, film.start_s + film.duration_s)
    event = next((e for e in inside.encounters if e.event_class != "normal"), None)
    return Clip(
        clip_id=video_id,
        video_id=video_id,
        path=f"/{name}.mp4",
        start_s=film.start_s,
        end_s=film.start_s + film.duration_s,
        split="train",
        event_class=event.event_class if event else "normal",
        event_time_s=event.time_s if event else None,
        alert_time_s=event.alert_time_s if event else None,
        ego_involved=True if event else None,
        group_id=name,
        triplet_id=name,
        metadata={},
        scenario=inside,
    )
