"""The search of trips: a folder with events, scores and a timeline for each."""

import shutil
import time
from collections import Counter
from collections.abc import Callable, Sequence
from pathlib import Path

from vlm_autodrive.artifacts import writing_artifact
from vlm_autodrive.detection.coverage import scored_seconds, unscored_spans
from vlm_autodrive.detection.earlier import clear_other_blur, earlier_search, trip_inputs
from vlm_autodrive.detection.events import consensus_interval, event_from_span, find_event_spans, known_at, refine_time
from vlm_autodrive.detection.operating import SearchBasis, with_calibrated_probability
from vlm_autodrive.detection.overlap import unshared_words
from vlm_autodrive.detection.results import (
    KIND,
    SUMMARY_FILE,
    TIMELINE_FILE,
    name_folders,
    read_events_file,
    write_events_file,
    write_summary,
)
from vlm_autodrive.detection.scan import Scan, plan_windows
from vlm_autodrive.detection.settings import DetectSettings
from vlm_autodrive.detection.timeline import write_timeline
from vlm_autodrive.engines import Engine
from vlm_autodrive.models import prompts
from vlm_autodrive.progress import Reporter, Task, format_clock
from vlm_autodrive.records import DetectedEvent, Outcome, Taxonomy, VideoDetections
from vlm_autodrive.video import LeftAside, Trip


def detect_trips(
    trips: Sequence[Trip],
    left_aside: Sequence[LeftAside],
    *,
    engine: Engine,
    out: Path,
    settings: DetectSettings,
    taxonomy: Taxonomy,
    reporter: Reporter,
    model_key: str,
    basis: SearchBasis,
    overwrite: bool,
) -> list[VideoDetections]:
    """Find the events in trips, while this process holds the lock of ``out``.

    Each trip gets a folder below ``out`` with its ``events.json`` and, if it can be read, its ``timeline.png``.
    A trip that was done before, with the same settings and model, is not done again; one that was begun goes on where
    it was, and of one that has got more files since only the windows that are new are judged. A file that cannot be
    read is told of, and never stops the others.

    Args:
        trips: What is searched.
        left_aside: Files that are not; they are told.
        engine: The model.
        out: The folder to write to; it may hold the results of other trips.
        settings: Windows, thresholds and whether to reason.
        taxonomy: The classes that the model was trained with.
        reporter: Gets the progress, in seconds of video.
        model_key: What tells this model from another of the same name, such as its checkpoint's key.
        basis: What is to be said beside the results.
        overwrite: Replace results that were made with other settings, rather than refuse.

    Returns:
        One record for each trip, in order.

    Raises:
        UserError: If ``out`` holds a result made otherwise for one of the trips, and ``overwrite`` is false.
    """
    facts = {
        "model": f"{engine.name} {model_key}".strip(),
        "sampling": engine.sampling.model_dump(mode="json"),
        "taxonomy": taxonomy.model_dump(mode="json"),
        "prompts": prompts.VERSION,
    }
    folders, superseded = name_folders(trips, out)
    earlier = [
        earlier_search(trip, folder, settings, facts, overwrite) for trip, folder in zip(trips, folders, strict=True)
    ]
    removed = clear_other_blur(out, [*folders, *(part for parts in superseded for part in parts)], settings.blur)
    if removed:
        reporter.say(removed)
    words = unshared_words(engine, settings.window_s, settings.stride_s)
    if words and not all(known.is_done for known in earlier):
        reporter.say(words)
    results = []
    begun = time.monotonic()
    total = round(sum(trip.duration_s for trip in trips))
    done = round(sum(trip.duration_s for trip, known in zip(trips, earlier, strict=True) if known.is_done))
    if left_aside:
        reporter.say(_aside_words(left_aside))
    with reporter.task("Detecting (seconds of video)", total, done) as task:
        seen = _Seconds(task)
        for trip, folder, known, parts in zip(trips, folders, earlier, superseded, strict=True):
            if not known.is_done:
                with writing_artifact(
                    folder, KIND, trip_inputs(trip), settings, facts=facts, overwrite=True
                ) as partial:
                    if partial is not None:
                        before, tell = known.of_first_files, seen.within_video
                        found = _detect_one(trip, before, engine, settings, taxonomy, partial, tell, basis)
                        write_events_file(partial, found)
                seen.next_video(trip.duration_s)
            for part in parts:
                shutil.rmtree(part)
                reporter.say(f"{part.name} is part of {folder.name} now, and was removed.")
            results.append(read_events_file(folder))
    speed = seen.before_s / max(time.monotonic() - begun, 1e-6) if seen.before_s else None
    write_summary(out, folders, results, speed, basis, left_aside)
    reporter.say(_closing_words(results, sum(known.is_done for known in earlier), seen.before_s, speed, taxonomy))
    return results


def _detect_one(
    trip: Trip,
    of_first_files: VideoDetections | None,
    engine: Engine,
    settings: DetectSettings,
    taxonomy: Taxonomy,
    folder: Path,
    seen: Callable[[float], None],
    basis: SearchBasis,
) -> VideoDetections:
    problem, starts_s = trip.problem, trip.section_starts_s
    plan = plan_windows(trip.duration_s, settings.window_s, settings.stride_s, starts_s)
    if not plan and trip.duration_s and not problem:
        problem = f"{len(starts_s) + 1} continuous sections, and each is too short to be judged"
    scan = Scan(plan, starts_s, engine, settings, taxonomy, folder)
    if of_first_files is not None:
        scan.take_over(of_first_files.windows)
    scan.run(trip.files, seen)
    failed = [score for score in scan.scores if score.probabilities is None]
    if failed and not problem:
        problem = (
            f"{len(failed)} of {len(scan.scores)} windows have no score; "
            f"the first, at {format_clock(failed[0].start_s)}: {failed[0].reason}"
        )
    found = VideoDetections(
        video=str(trip.path),
        files=trip.files,
        video_stream=settings.video_stream,
        model=engine.name,
        training=basis.training,
        expectation=basis.expectation,
        outcome=Outcome.ERROR if problem else Outcome.OK,
        reason=problem,
        duration_s=scored_seconds(scan.scores),
        threshold=settings.threshold,
        events=tuple(
            with_calibrated_probability(event, basis.temperature, taxonomy)
            for event in _events(scan, settings, taxonomy)
        ),
        windows=tuple(scan.scores),
        not_judged=(*trip.not_judged, *unscored_spans(trip, scan.scores)),
        notes=trip.notes,
    )
    if found.duration_s is not None:
        write_timeline(folder / TIMELINE_FILE, found, taxonomy, blur=settings.blur)
    scan.forget()
    return found


def _events(scan: Scan, settings: DetectSettings, taxonomy: Taxonomy) -> list[DetectedEvent]:
    events = []
    for span in find_event_spans(scan.scores, settings, taxonomy):
        if not span.confirmed:
            continue
        known = known_at(scan.scores, span, settings)
        event = event_from_span(known, span, taxonomy)
        if span.peak in scan.reasoning:
            interval = consensus_interval(known, span, taxonomy)
            window = scan.scores[span.peak].start_s, scan.scores[span.peak].end_s
            event = refine_time(event, scan.reasoning[span.peak], window, interval, settings.stride_s)
        events.append(event)
    return sorted(events, key=lambda event: event.time_s)


class _Seconds:
    """Turns seconds of video done into whole steps of progress."""

    def __init__(self, task: Task) -> None:
        self._task = task
        self._told = 0
        self.before_s = 0.0

    def within_video(self, up_to_s: float) -> None:
        """The present video is done up to here."""
        steps = round(self.before_s + up_to_s) - self._told
        self._told += steps
        self._task.advance(steps)

    def next_video(self, length_s: float) -> None:
        """The present video, of this length, is done."""
        self.within_video(length_s)
        self.before_s += length_s


def _aside_words(left_aside: Sequence[LeftAside]) -> str:
    counts = Counter(each.reason.partition(" of ")[0] for each in left_aside)
    words = ", ".join(f"{count} x {reason}" for reason, count in counts.items())
    return f"{len(left_aside)} files are not searched ({words}); {SUMMARY_FILE} names them."


def _closing_words(
    results: Sequence[VideoDetections], done_before: int, scanned_s: float, speed: float | None, taxonomy: Taxonomy
) -> str:
    counts = {
        name: sum(e.event_class == name for each in results for e in each.events) for name in taxonomy.event_names
    }
    words = ", ".join(f"{count} × {taxonomy.by_name(name).label}" for name, count in counts.items())
    files = sum(len(each.files) for each in results)
    trips = f"{len(results)} trips of {files} files" if files > len(results) else f"{len(results)} videos"
    summary = f"Found {words} in {trips}."
    if done_before:
        summary += f" {done_before} of them had been done before."
    failed = sum(each.outcome != Outcome.OK for each in results)
    if failed:
        summary += f" {failed} could not be read or judged, or not in full: their events.json says why."
    if speed is not None:
        summary += f" {format_clock(scanned_s)} of video in {format_clock(scanned_s / speed)}: "
        summary += f"{speed:.1f} times as fast as real time."
    return summary
