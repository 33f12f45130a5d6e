"""Scores of detection against the ground truth of long videos."""

from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np

from vlm_autodrive.artifacts import read_provenance, write_text
from vlm_autodrive.detection.events import event_probability
from vlm_autodrive.detection.ground_truth import match_ground_truth, read_ground_truth
from vlm_autodrive.detection.results import blur_of, find_detections, read_detections
from vlm_autodrive.detection.timeline import write_timeline
from vlm_autodrive.errors import UserError
from vlm_autodrive.metrics import (
    HORIZON_S,
    LongVideoScores,
    ScoredWindow,
    event_detection_metrics,
    match_events,
    time_to_alert,
    wilson,
)
from vlm_autodrive.records import DEFAULT_TAXONOMY, Event, Outcome, Taxonomy, VideoDetections

SCORE_FILE = "score.json"
TIMELINES = "timelines"
TOLERANCE_S = 1.5


def score_detections(
    detections: Sequence[VideoDetections],
    truths: Mapping[str, Sequence[Event]],
    tolerance_s: float = TOLERANCE_S,
    times_real_time: float | None = None,
    taxonomy: Taxonomy = DEFAULT_TAXONOMY,
    horizon_s: float = HORIZON_S,
) -> LongVideoScores:
    """Score detections against the ground truth. An event of any class counts as found if its time is right.

    Args:
        detections: What was found, one for each video; those of videos without an entry in ``truths`` are left out.
        truths: The true events of each video, by the name that its detections bear; empty for a quiet video.
        tolerance_s: How far a detected event may lie from the true one.
        times_real_time: How many times as fast as real time the scan was.
        taxonomy: The classes.
        horizon_s: How far before an event an alarm may lie to be a warning of it.

    Raises:
        UserError: If a video of ``truths`` has no detections, or there is nothing to score.
    """
    by_video = {each.video: each for each in detections if each.video in truths}
    absent = sorted(set(truths) - set(by_video))
    if absent or not by_video:
        raise UserError(f"There are no detections for {', '.join(absent) or 'any video'}; make them first.")
    kept = list(by_video.values())
    found = {video: [event.time_s for event in each.events] for video, each in by_video.items()}
    true = {video: times_of(truths[video]) for video in by_video}
    hours = {video: (each.duration_s or 0.0) / 3600 for video, each in by_video.items()}
    errors, right = [], 0
    for video, each in by_video.items():
        for i, j in match_events(found[video], true[video], tolerance_s).pairs:
            errors.append(abs(found[video][i] - true[video][j]))
            right += each.events[i].event_class == truths[video][j].event_class
    return LongVideoScores(
        model=kept[0].model,
        threshold=kept[0].threshold,
        tolerance_s=tolerance_s,
        videos=len(kept),
        videos_with_errors=sum(each.outcome != Outcome.OK for each in kept),
        scores=event_detection_metrics(found, true, hours, tolerance_s),
        median_error_s=float(np.median(errors)) if errors else None,
        class_right=wilson(right, len(errors)),
        times_real_time=times_real_time,
        time_to_alert=time_to_alert(
            {video: _scored(each, taxonomy) for video, each in by_video.items()}, true, kept[0].threshold, horizon_s
        ),
    )


def score_folder(
    detections_folder: Path,
    truth_file: Path,
    out: Path,
    taxonomy: Taxonomy = DEFAULT_TAXONOMY,
    tolerance_s: float = TOLERANCE_S,
    horizon_s: float = HORIZON_S,
) -> LongVideoScores:
    """Score a folder of detections against a CSV file of ground truth.

    Writes ``score.json``, and for each video a timeline that shows the true events beside those found.

    Args:
        detections_folder: What ``autodrive detect`` wrote.
        truth_file: The true events; see :func:`vlm_autodrive.detection.ground_truth.read_ground_truth`.
        out: The folder to write to.
        taxonomy: The classes.
        tolerance_s: How far a detected event may lie from the true one.
        horizon_s: How far before an event an alarm may lie to be a warning of it.
    """
    detections = read_detections(detections_folder)
    truths = match_ground_truth(detections, read_ground_truth(truth_file, taxonomy))
    score = score_detections(detections, truths, tolerance_s, taxonomy=taxonomy, horizon_s=horizon_s)
    folders = find_detections(detections_folder)
    blurs = {each.video: blur_of(read_provenance(folder)) for folder, each in zip(folders, detections, strict=True)}
    pictures = out / TIMELINES
    pictures.mkdir(parents=True, exist_ok=True)
    for number, each in enumerate((each for each in detections if each.video in truths), start=1):
        if each.duration_s is not None:
            picture = pictures / f"{number:03d}_{Path(each.video).stem}.png"
            write_timeline(picture, each, taxonomy, truths[each.video], blurs[each.video])
    write_text(out / SCORE_FILE, score.model_dump_json(indent=1) + "\n")
    return score


def _scored(detections: VideoDetections, taxonomy: Taxonomy) -> list[ScoredWindow]:
    """The windows that the model judged; the others could give no alarm."""
    pairs = [(window, event_probability(window, taxonomy)) for window in detections.windows]
    return [ScoredWindow(window.start_s, window.end_s, chance) for window, chance in pairs if chance is not None]


def times_of(events: Sequence[Event]) -> list[float]:
    """The times of true events.

    Raises:
        UserError: If one has none, since it could be neither found nor missed.
    """
    times = [event.time_s for event in events if event.time_s is not None]
    if len(times) < len(events):
        untimed = next(event.event_id for event in events if event.time_s is None)
        raise UserError(f"The true event {untimed} has no time; detections can only be scored against timed events.")
    return times
