"""The simulation stage: simulated videos as a data set in Nexar's layout."""

import csv
import io
import os
import shutil
from collections.abc import Iterator
from concurrent.futures import FIRST_COMPLETED, Future, wait
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import numpy as np

from vlm_autodrive.artifacts import require_space, write_text, writing_artifact
from vlm_autodrive.console import TERMINAL
from vlm_autodrive.errors import UserError
from vlm_autodrive.progress import Reporter, Task
from vlm_autodrive.records import TRAIN_ONLY, Scenario
from vlm_autodrive.simulation.settings import SimulateSettings
from vlm_autodrive.workers import start_checked, worker_pool

HEADER = ("file_name", "time_of_event", "time_of_alert", "light_conditions", "weather", "scene", "time_to_accident")
MANIFEST_HEADER = (
    "video", "class", "event_time_s", "alert_time_s", "ego_involved", "drive", "light_conditions", "weather", "scene",
)  # fmt: skip
_PARTS = "parts"
_LONG_FOLDERS = ("long_videos", TRAIN_ONLY)
_BYTES_PER_PIXEL = 0.05  # measured: 0.06 at 320 x 180 and 10 frames a second, 0.035 at 640 x 360 and 20
_renderer: Any = None


def simulate(out: Path, settings: SimulateSettings, reporter: Reporter = TERMINAL, *, overwrite: bool = False) -> Path:
    """Render simulated drives and write them out as a data set.

    Args:
        out: The folder to make.
        settings: How much of what.
        reporter: Gets the progress.
        overwrite: Replace a result that was made with other settings.

    Returns:
        ``out``, with ``train/`` in Nexar's layout, ``overlay.csv``, ``truth.jsonl``, ``long_videos/`` and
        ``train_only/``.

    Raises:
        UserError: If Panda3D is missing, or ``out`` holds something else.
    """
    if find_spec("panda3d") is None:
        raise UserError("the simulation needs Panda3D; run pip install '.[sim]' in the project's folder.")
    with writing_artifact(out, "simulated_dataset", {}, settings, overwrite=overwrite) as folder:
        if folder is not None:
            _make(folder, settings, reporter)
    return out


def video_ids(settings: SimulateSettings) -> list[str]:
    """The id of each short video: three for each triplet, then the singles; shuffled, so that an id tells nothing."""
    count = 3 * settings.triplets + settings.singles
    order = np.random.default_rng([settings.seed, 0]).permutation(count)
    return [f"{number:05d}" for number in order]


def _make(folder: Path, settings: SimulateSettings, reporter: Reporter) -> None:
    (folder / _PARTS).mkdir(exist_ok=True)
    jobs = [("long_videos", i) for i in range(settings.long_videos)]
    jobs += [(TRAIN_ONLY, i) for i in range(settings.train_only_videos)]
    jobs += [("triplet", i) for i in range(settings.triplets)] + [("single", i) for i in range(settings.singles)]
    if settings.triplets + settings.singles:
        for side in ("positive", "negative"):
            (folder / "train" / side).mkdir(parents=True, exist_ok=True)
    for kind in _LONG_FOLDERS:
        if any(job[0] == kind for job in jobs):
            (folder / kind).mkdir(exist_ok=True)
    todo = [job for job in jobs if not _is_done(folder, settings, job)]
    total, left = (sum(_seconds_of(settings, job) for job in each) for each in (jobs, todo))
    require_space(folder, left * _byte_rate(settings), "the simulated videos")
    with reporter.task("Simulating (seconds of video)", total, total - left) as task, start_checked():
        _run(folder, settings, todo, task)
    _write_tables(folder, settings)
    shutil.rmtree(folder / _PARTS)


def _run(folder: Path, settings: SimulateSettings, todo: list[tuple[str, int]], task: Task) -> None:
    workers = min(settings.workers or os.cpu_count() or 1, max(len(todo), 1))
    if workers == 1:
        for job in todo:
            task.advance(_seconds_of(settings, make_job(str(folder), settings, job)))
        return
    pool = worker_pool(workers)
    try:
        queue = iter(todo)
        running: set[Future[tuple[str, int]]] = set()
        while True:
            for job in queue:
                running.add(pool.submit(make_job, str(folder), settings, job))
                if len(running) >= 3 * workers:
                    break
            if not running:
                break
            finished, running = wait(running, return_when=FIRST_COMPLETED)
            for future in finished:
                task.advance(_seconds_of(settings, future.result()))
    finally:
        pool.shutdown(wait=True, cancel_futures=True)


def _seconds_of(settings: SimulateSettings, job: tuple[str, int]) -> int:
    """Seconds of video that a job renders, to which its time is proportional: it may be 300 or 6."""
    if job[0] in _LONG_FOLDERS:
        return round(settings.long_video_duration_s)
    return round(settings.video_duration_s) * (3 if job[0] == "triplet" else 1)


def make_job(folder_name: str, settings: SimulateSettings, job: tuple[str, int]) -> tuple[str, int]:
    """Make the videos of one job, and last their ground truth, which marks it as done."""
    folder = Path(folder_name)
    kind, index = job
    if kind in _LONG_FOLDERS:
        from vlm_autodrive.simulation.long_videos import draw_long_video, long_video_scenario

        video = draw_long_video(settings, index, train_only=kind == TRAIN_ONLY)
        path = _long_path(folder, job)
        scenarios = [long_video_scenario(video, path.stem, settings)]
        _film(path, video, settings)
    else:
        scenarios = _short_videos(folder, settings, kind, index)
    text = "".join(scenario.model_dump_json() + "\n" for scenario in scenarios)
    write_text(_part(folder, job), text)
    return job


def _short_videos(folder: Path, settings: SimulateSettings, kind: str, index: int) -> list[Scenario]:
    from vlm_autodrive.simulation.ground_truth import scenario_of
    from vlm_autodrive.simulation.triplets import draw_single, draw_triplet

    draw = draw_triplet if kind == "triplet" else draw_single
    scenarios = []
    for name, video in zip(
        _names(settings, kind, index), draw(settings.seed, index, settings.video_duration_s), strict=True
    ):
        triplet_id = f"t{index:05d}" if kind == "triplet" else None
        scenarios.append(scenario_of(video, name, settings.seed, triplet_id, settings.video_duration_s))
        path = folder / "train" / ("negative" if video.event_class == "normal" else "positive") / f"{name}.mp4"
        if not path.exists():
            _film(path, video, settings)
    return scenarios


def _film(path: Path, video: Any, settings: SimulateSettings) -> None:
    from vlm_autodrive.simulation.renderer import Renderer, write_video
    from vlm_autodrive.simulation.video_scene import scene_of

    global _renderer
    size = (settings.width, settings.height)
    if _renderer is None or _renderer.size != size:
        if _renderer is not None:
            _renderer.close()
        _renderer = Renderer(*size)
    scene = scene_of(video.trajectories, video.look, settings.fps, video.noise_seed)
    write_video(_renderer.render(scene), path, *size, settings.fps)


def _names(settings: SimulateSettings, kind: str, index: int) -> list[str]:
    ids = video_ids(settings)
    if kind == "triplet":
        return ids[3 * index : 3 * index + 3]
    return [ids[3 * settings.triplets + index]]


def _long_path(folder: Path, job: tuple[str, int]) -> Path:
    prefix = "train-only-" if job[0] == TRAIN_ONLY else ""
    return folder / job[0] / f"{prefix}{job[1]:03d}.mp4"


def _part(folder: Path, job: tuple[str, int]) -> Path:
    return folder / _PARTS / f"{job[0]}-{job[1]:05d}.jsonl"


def _byte_rate(settings: SimulateSettings) -> float:
    """Bytes that a second of video takes, about."""
    return _BYTES_PER_PIXEL * settings.width * settings.height * settings.fps


def _is_done(folder: Path, settings: SimulateSettings, job: tuple[str, int]) -> bool:
    if not _part(folder, job).exists():
        return False
    if job[0] in _LONG_FOLDERS:
        return _long_path(folder, job).exists()
    sides = [folder / "train" / side for side in ("positive", "negative")]
    return all(any((s / f"{name}.mp4").exists() for s in sides) for name in _names(settings, *job))


def _scenarios(folder: Path, kinds: tuple[str, ...]) -> list[Scenario]:
    found = []
    for path in sorted((folder / _PARTS).glob("*.jsonl")):
        if path.name.startswith(kinds):
            found += [Scenario.model_validate_json(line) for line in path.read_text(encoding="utf-8").splitlines()]
    return sorted(found, key=lambda scenario: scenario.video_id)


def _write_tables(folder: Path, settings: SimulateSettings) -> None:
    short = _scenarios(folder, ("triplet", "single"))
    if settings.triplets + settings.singles:
        write_text(folder / "truth.jsonl", "".join(s.model_dump_json() + "\n" for s in short))
        rows: dict[str, list[list[str]]] = {"positive": [], "negative": []}
        overlay = []
        for scenario in short:
            event = next((e for e in scenario.encounters if e.event_class != "normal"), None)
            times = [_seconds(event.time_s), _seconds(event.alert_time_s)] if event is not None else ["", ""]
            to_event = [""]  # as in Nexar's training part: only its test videos are cut before the accident
            world = [scenario.light_conditions, scenario.weather, scenario.scene]
            rows["negative" if event is None else "positive"].append(
                [f"{scenario.video_id}.mp4", *times, *world, *to_event]
            )
            if event is not None:
                overlay.append([scenario.video_id, event.event_class])
        for side, lines in rows.items():
            _write_csv(folder / "train" / side / "metadata.csv", HEADER, lines)
        _write_csv(folder / "overlay.csv", ("id", "class"), overlay)
    for kind in _LONG_FOLDERS:
        long = _scenarios(folder, (kind,))
        if long:
            write_text(folder / kind / "truth.jsonl", "".join(s.model_dump_json() + "\n" for s in long))
            _write_csv(folder / kind / "manifest.csv", MANIFEST_HEADER, [r for s in long for r in _manifest_rows(s)])


def _manifest_rows(scenario: Scenario) -> Iterator[list[str]]:
    world = [scenario.video_id, scenario.light_conditions, scenario.weather, scenario.scene]
    events = [e for e in scenario.encounters if e.event_class != "normal"]
    name = f"{scenario.video_id}.mp4"
    for e in events:
        yield [name, e.event_class, f"{e.time_s:.2f}", _seconds(e.alert_time_s), "true", *world]
    if not events:
        yield [name, "normal", "", "", "", *world]


def _write_csv(path: Path, header: tuple[str, ...], rows: list[list[str]]) -> None:
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(header)
    writer.writerows(rows)
    write_text(path, text.getvalue())


def _seconds(time_s: float | None) -> str:
    return "" if time_s is None else f"{time_s:.2f}"
