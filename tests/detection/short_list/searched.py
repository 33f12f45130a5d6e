"""Folders of detections, written as the detector writes them, without a model."""

from pathlib import Path

from vlm_autodrive.artifacts import writing_artifact
from vlm_autodrive.detection import DetectSettings
from vlm_autodrive.detection.results import KIND, TIMELINE_FILE, write_events_file
from vlm_autodrive.records import DEFAULT_TAXONOMY, DetectedEvent, Outcome, TripFile, VideoDetections, WindowScore

LIKE = {
    "collision": {"collision": 0.9, "near_collision": 0.06, "normal": 0.04},
    "near_collision": {"collision": 0.05, "near_collision": 0.85, "normal": 0.1},
}
CALM = {"collision": 0.02, "near_collision": 0.03, "normal": 0.95}


def event(time_s, name="collision", **changes):
    """An event in the middle of a window of 4 s."""
    chances = LIKE[name]
    whole = DetectedEvent(
        event_class=name,
        time_s=time_s,
        start_s=max(0.0, time_s - 2),
        end_s=time_s + 2,
        probability=chances["collision"] + chances["near_collision"],
        probabilities=chances,
    )
    return whole.model_copy(update=changes)


def write_trip(out, name, files, events=(), /, **changes):
    """The folder of one trip; ``files`` are pairs of a path and a length in seconds, one after the other."""
    placed, start_s = [], 0.0
    for path, seconds in files:
        placed.append(TripFile(path=str(path), start_s=start_s, duration_s=seconds))
        start_s += seconds
    starts = [2.0 * number for number in range(int(start_s // 2))]
    near = {start: next((e.probabilities for e in events if e.start_s <= start <= e.time_s), CALM) for start in starts}
    windows = [
        WindowScore(start_s=start, end_s=min(start + 4, start_s), outcome=Outcome.OK, probabilities=near[start])
        for start in starts
    ]
    found = VideoDetections(
        video=str(files[0][0]),
        files=tuple(placed),
        model="flash",
        outcome=Outcome.OK,
        reason="",
        duration_s=start_s or None,
        threshold=0.5,
        events=tuple(events),
        windows=tuple(windows),
    ).model_copy(update=changes)
    inputs = {f"video {number}": Path(path) for number, (path, _) in enumerate(files) if Path(path).exists()}
    facts = {"found": found.model_dump_json(), "taxonomy": DEFAULT_TAXONOMY.model_dump(mode="json")}
    out.mkdir(exist_ok=True)
    with writing_artifact(out / name, KIND, inputs, DetectSettings(), facts=facts, overwrite=True) as folder:
        write_events_file(folder, found)
        (folder / TIMELINE_FILE).touch()
    return found
