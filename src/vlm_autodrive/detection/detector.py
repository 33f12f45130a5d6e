"""The detection stage: videos in; a folder with events, scores and a timeline for each trip out."""

import os
import shutil
import time
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any, Protocol

from vlm_autodrive.artifacts import (
    absolute_from_artifact,
    artifact_key,
    folder_lock,
    input_key,
    read_provenance,
    read_taxonomy,
    writing_artifact,
)
from vlm_autodrive.detection.events import consensus_interval, event_from_span, find_event_spans, known_at, refine_time
from vlm_autodrive.detection.inputs import find_trips
from vlm_autodrive.detection.operating import SearchBasis, choose_operating_point, with_calibrated_probability
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
from vlm_autodrive.detection.scan import NOT_JUDGED, SHORTEST_SECTION_S, Scan, plan_windows
from vlm_autodrive.detection.settings import DetectSettings
from vlm_autodrive.detection.timeline import write_timeline
from vlm_autodrive.engines import Engine, open_model
from vlm_autodrive.errors import UserError
from vlm_autodrive.models import prompts, read_card
from vlm_autodrive.progress import SILENT, Reporter, Task, format_clock
from vlm_autodrive.records import (
    DEFAULT_TAXONOMY,
    DetectedEvent,
    NotJudged,
    Outcome,
    Taxonomy,
    VideoDetections,
    WindowScore,
)
from vlm_autodrive.video import LeftAside, Trip

_TOLERANCE_S = 1e-3  # stretches of video shorter than this are none
_TOO_SHORT = f"in a continuous section of less than {SHORTEST_SECTION_S:g} s, which is too short to be judged"

_NO_BASIS = SearchBasis()


@dataclass(frozen=True)
class _Earlier:
    """What an earlier run left of a trip: all of it, or what is known of the first of its files."""

    is_done: bool = False
    of_first_files: VideoDetections | None = None


def detect(
    videos: Sequence[Path],
    model: str,
    out: Path,
    settings: DetectSettings,
    reporter: Reporter = SILENT,
    *,
    false_alarms_per_hour: float | None = None,
    overwrite: bool = False,
) -> list[VideoDetections]:
    """Find the events in videos of any length with a model called by its name.

    Unless the settings name a threshold, the calibration in the model's card is used.

    The classes are those that the model was trained for. An endpoint does not tell them: a served model gets the
    default three, unless its name there is a checkpoint's folder here.

    Args:
        videos: Video files, and folders of them; a file named twice is done once. Consecutive files of one camera's
            channel are one trip.
        model: A checkpoint's folder, ``tiny-base``, or a hub name; or a name at ``settings.endpoint``, if one is set.
        out: The folder to write to; it may hold the results of other videos.
        settings: Windows, thresholds and whether to reason.
        reporter: Gets the progress, in seconds of video.
        false_alarms_per_hour: The operating point of the calibration that is taken; None for its own choice.
        overwrite: Replace results that were made with other settings, rather than refuse.

    Returns:
        One record for each trip, in order.

    Raises:
        UserError: If ``out`` holds a result made otherwise for one of the videos, and ``overwrite`` is false; or if
            ``false_alarms_per_hour`` cannot be had from this model with these settings.
    """
    found = find_trips(videos, settings, out)
    inputs = {str(path): path for trip in found[0] for path in trip.paths if path.is_file()}
    with searching(model, out, settings, reporter, inputs, false_alarms_per_hour) as search:
        return search(*found, overwrite=overwrite)


class Search(Protocol):
    """Finds the events in trips, as :func:`detect_trips` does, with all that is not named here settled before."""

    def __call__(
        self, trips: Sequence[Trip], left_aside: Sequence[LeftAside], *, overwrite: bool
    ) -> list[VideoDetections]:
        """One record for each trip, in order."""


@contextmanager
def searching(
    model: str,
    out: Path,
    settings: DetectSettings,
    reporter: Reporter = SILENT,
    inputs: Mapping[str, Path] | None = None,
    false_alarms_per_hour: float | None = None,
) -> Iterator[Search]:
    """Hold a model and the lock of ``out`` for as long as the block lasts; for the arguments see :func:`detect`.

    Args:
        model: The model's name.
        out: The folder to write to.
        settings: Windows, thresholds and whether to reason.
        reporter: Told what is known of the model before; gets the progress.
        inputs: The files to search, by name, as far as they are known: a served model has one budget for them.
        false_alarms_per_hour: The operating point.

    Yields:
        The search of trips.
    """
    checkpoint = settings.endpoint.folder or model
    with open_model(model, settings.endpoint, inputs or {}, reporter) as (engine, key):
        sampling = engine.sampling.model_dump(mode="json")
        settings, basis = choose_operating_point(settings, checkpoint, sampling, false_alarms_per_hour)
        if not settings.endpoint.base_url:
            _say_if_windows_differ(model, settings.window_s, reporter)
        for words in filter(None, (basis.training, basis.expectation)):
            reporter.say(f"{engine.name}: {words}")
        with _alone(out):
            yield partial(
                detect_trips,
                engine=engine,
                out=out,
                settings=settings,
                taxonomy=read_taxonomy(Path(checkpoint)),
                reporter=reporter,
                model_key=key,
                basis=basis,
            )


def _alone(out: Path) -> AbstractContextManager[None]:
    return folder_lock(out, f"another process searches videos into {out}; wait for it, or give another --out.")


def _say_if_windows_differ(model: str, window_s: float, reporter: Reporter) -> None:
    trained_s = read_card(model).window_s
    if trained_s is not None and not 0.75 <= window_s / trained_s <= 1.33:
        reporter.say(
            f"Mind: {model} was trained on clips of {trained_s:g} s, but is given windows of {window_s:g} s; "
            f"window_s={trained_s:g} suits it."
        )


def detect_with_engine(
    videos: Sequence[Path],
    engine: Engine,
    out: Path,
    settings: DetectSettings,
    taxonomy: Taxonomy = DEFAULT_TAXONOMY,
    reporter: Reporter = SILENT,
    *,
    model_key: str = "",
    basis: SearchBasis = _NO_BASIS,
    overwrite: bool = False,
) -> list[VideoDetections]:
    """Find the events in videos of any length with a model that is open; for the arguments see :func:`detect`."""
    found = find_trips(videos, settings, out)
    with _alone(out):
        return detect_trips(
            *found,
            engine=engine,
            out=out,
            settings=settings,
            taxonomy=taxonomy,
            reporter=reporter,
            model_key=model_key,
            basis=basis,
            overwrite=overwrite,
        )


def detect_trips(
    trips: Sequence[Trip],
    left_aside: Sequence[LeftAside],
    engine: Engine,
    out: Path,
    settings: DetectSettings,
    taxonomy: Taxonomy = DEFAULT_TAXONOMY,
    reporter: Reporter = SILENT,
    *,
    model_key: str = "",
    basis: SearchBasis = _NO_BASIS,
    overwrite: bool = False,
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
    earlier = [_earlier(trip, folder, settings, facts, overwrite) for trip, folder in zip(trips, folders, strict=True)]
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
                with writing_artifact(folder, KIND, _inputs(trip), settings, facts=facts, overwrite=True) as partial:
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
        duration_s=_scored_seconds(scan.scores),
        threshold=settings.threshold,
        events=tuple(
            with_calibrated_probability(event, basis.temperature, taxonomy)
            for event in _events(scan, settings, taxonomy)
        ),
        windows=tuple(scan.scores),
        not_judged=(*trip.not_judged, *_unscored_spans(trip, scan.scores)),
        notes=trip.notes,
    )
    if found.duration_s is not None:
        write_timeline(folder / TIMELINE_FILE, found, taxonomy)
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


def _scored_seconds(scores: Sequence[WindowScore]) -> float | None:
    """Seconds of video that lie in a window with a score; None if there are none."""
    total, up_to = 0.0, 0.0
    for score in scores:
        if score.probabilities is not None:
            total += score.end_s - max(score.start_s, up_to)
            up_to = score.end_s
    return round(total, 6) or None


def _unscored_spans(trip: Trip, scores: Sequence[WindowScore]) -> list[NotJudged]:
    """The seconds of footage that lie in no window with a score, file by file."""
    scored = [(score.start_s, score.end_s) for score in scores if score.probabilities is not None]
    failed = [score for score in scores if score.probabilities is None]
    found = []
    for file in trip.files:
        up_to, end = file.start_s, file.start_s + file.duration_s
        for start_s, end_s in [*scored, (end, end)]:
            if up_to + _TOLERANCE_S < min(start_s, end):
                to = min(start_s, end)
                reason = next((s.reason for s in failed if s.start_s < to and up_to < s.end_s), _TOO_SHORT)
                span = NotJudged(path=file.path, start_s=up_to, duration_s=round(to - up_to, 6), reason=reason)
                found.append(span)
            up_to = max(up_to, min(end_s, end))
    return found


def _inputs(trip: Trip) -> dict[str, Path]:
    files = [path for path in trip.paths if path.is_file()]
    return {"video" if number == 1 else f"video {number}": path for number, path in enumerate(files, start=1)}


def _earlier(trip: Trip, folder: Path, settings: DetectSettings, facts: Mapping[str, Any], overwrite: bool) -> _Earlier:
    """What the folder holds of what is wanted; clears away a result that is worth nothing.

    Raises:
        UserError: If it holds a result made otherwise, and ``overwrite`` is false.
    """
    if not folder.exists():
        return _Earlier()
    inputs = _inputs(trip)
    keys = {name: input_key(path) for name, path in inputs.items()}
    existing, made = read_events_file(folder), read_provenance(folder)
    if made.key == artifact_key(KIND, keys, settings, facts):
        if not any(score.reason.startswith(NOT_JUDGED) for score in existing.windows):
            return _Earlier(is_done=True)
        shutil.rmtree(folder)  # the model failed, not the video: it deserves another try
        return _Earlier()
    known = {os.path.normpath(path.absolute()): keys[name] for name, path in inputs.items()}
    same_files = all(known.get(absolute_from_artifact(of.path, folder)) == of.key for of in made.inputs.values())
    made_keys = {name: of.key for name, of in made.inputs.items()}
    if made_keys and same_files and made.key == artifact_key(KIND, made_keys, settings, facts):
        return _Earlier(of_first_files=existing if existing.files == trip.files[: len(existing.files)] else None)
    if existing.duration_s is not None and not overwrite:
        raise UserError(
            f"{folder} holds detections made with other settings, another model or another file; "
            "give another --out, or --overwrite to replace them."
        )
    return _Earlier()


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
