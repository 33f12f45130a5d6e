"""The detection stage: videos in; a folder with events, scores and a timeline for each video out."""

import shutil
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from vlm_autodrive.artifacts import artifact_key, input_key, is_current, read_taxonomy, writing_artifact
from vlm_autodrive.detection.events import consensus_interval, event_from_span, find_event_spans, refine_time
from vlm_autodrive.detection.operating import SearchBasis, choose_operating_point, with_calibrated_probability
from vlm_autodrive.detection.overlap import unshared_words
from vlm_autodrive.detection.results import (
    KIND,
    TIMELINE_FILE,
    name_folders,
    read_events_file,
    write_events_file,
    write_summary,
)
from vlm_autodrive.detection.scan import NOT_JUDGED, Scan, plan_windows
from vlm_autodrive.detection.settings import DetectSettings
from vlm_autodrive.detection.timeline import write_timeline
from vlm_autodrive.engines import Engine, open_model
from vlm_autodrive.errors import UserError
from vlm_autodrive.models import prompts, read_card
from vlm_autodrive.progress import SILENT, Reporter, Task, format_clock
from vlm_autodrive.records import (
    DEFAULT_TAXONOMY,
    DetectedEvent,
    Outcome,
    Taxonomy,
    TripFile,
    VideoDetections,
    WindowScore,
)
from vlm_autodrive.video import VideoError, probe

_NO_BASIS = SearchBasis()


@dataclass(frozen=True)
class _Length:
    """What is to be read of a video: its seconds, the problem with it, if any, its sections and notes."""

    seconds: float
    problem: str
    section_starts_s: tuple[float, ...] = ()
    notes: dict[str, str] = field(default_factory=dict)


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
        videos: Video files; a file named twice is done once.
        model: A checkpoint's folder, ``tiny-base``, or a hub name; or a name at ``settings.endpoint``, if one is set.
        out: The folder to write to; it may hold the results of other videos.
        settings: Windows, thresholds and whether to reason.
        reporter: Gets the progress, in seconds of video.
        false_alarms_per_hour: The operating point of the calibration that is taken; None for its own choice.
        overwrite: Replace results that were made with other settings, rather than refuse.

    Returns:
        One record for each video, in order.

    Raises:
        UserError: If ``out`` holds a result made otherwise for one of the videos, and ``overwrite`` is false; or if
            ``false_alarms_per_hour`` cannot be had from this model with these settings.
    """
    inputs = {str(video): video for video in videos if video.exists()}
    checkpoint = settings.endpoint.folder or model
    with open_model(model, settings.endpoint, inputs, reporter) as (engine, key):
        sampling = engine.sampling.model_dump(mode="json")
        settings, basis = choose_operating_point(settings, checkpoint, sampling, false_alarms_per_hour)
        if not settings.endpoint.base_url:
            _say_if_windows_differ(model, settings.window_s, reporter)
        for words in filter(None, (basis.training, basis.expectation)):
            reporter.say(f"{engine.name}: {words}")
        return detect_with_engine(
            videos,
            engine,
            out,
            settings,
            read_taxonomy(Path(checkpoint)),
            reporter,
            model_key=key,
            basis=basis,
            overwrite=overwrite,
        )


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
    """Find the events in videos of any length.

    Each video gets a folder below ``out`` with its ``events.json`` and, if it can be read, its ``timeline.png``.
    A video that was done before, with the same settings and model, is not done again; one that was begun goes on
    where it was. A video that cannot be read is a result too, and never stops the others.

    Args:
        videos: Video files; a file named twice is done once.
        engine: The model.
        out: The folder to write to; it may hold the results of other videos.
        settings: Windows, thresholds and whether to reason.
        taxonomy: The classes that the model was trained with.
        reporter: Gets the progress, in seconds of video.
        model_key: What tells this model from another of the same name, such as its checkpoint's key.
        basis: What is to be said beside the results.
        overwrite: Replace results that were made with other settings, rather than refuse.

    Returns:
        One record for each video, in order.

    Raises:
        UserError: If ``out`` holds a result made otherwise for one of the videos, and ``overwrite`` is false.
    """
    videos = list({video.absolute(): video for video in videos}.values())
    facts = {
        "model": f"{engine.name} {model_key}".strip(),
        "sampling": engine.sampling.model_dump(mode="json"),
        "taxonomy": taxonomy.model_dump(mode="json"),
        "prompts": prompts.VERSION,
    }
    out.mkdir(parents=True, exist_ok=True)
    folders = name_folders(videos, out)
    current = [
        _is_done(video, folder, settings, facts, overwrite) for video, folder in zip(videos, folders, strict=True)
    ]
    lengths = [_length(video, settings.video_stream) for video in videos]
    words = unshared_words(engine, settings.window_s, settings.stride_s)
    if words and not all(current):
        reporter.say(words)
    results = []
    begun = time.monotonic()
    total, done = (round(sum(each.seconds for each in some)) for some in (lengths, _those(lengths, current)))
    with reporter.task("Detecting (seconds of video)", total, done) as task:
        seen = _Seconds(task)
        for video, folder, is_done, length in zip(videos, folders, current, lengths, strict=True):
            if is_done:
                results.append(read_events_file(folder))
                continue
            with writing_artifact(folder, KIND, _inputs(video), settings, facts=facts, overwrite=True) as partial:
                if partial is not None:
                    found = _detect_one(video, length, engine, settings, taxonomy, partial, seen.within_video, basis)
                    write_events_file(partial, found)
            results.append(read_events_file(folder))
            seen.next_video(length.seconds)
    speed = seen.before_s / max(time.monotonic() - begun, 1e-6) if seen.before_s else None
    write_summary(out, folders, results, speed, basis)
    reporter.say(_closing_words(results, sum(current), seen.before_s, speed, taxonomy))
    return results


def _detect_one(
    video: Path,
    length: _Length,
    engine: Engine,
    settings: DetectSettings,
    taxonomy: Taxonomy,
    folder: Path,
    seen: Callable[[float], None],
    basis: SearchBasis,
) -> VideoDetections:
    problem, starts_s = length.problem, length.section_starts_s
    plan = plan_windows(length.seconds, settings.window_s, settings.stride_s, starts_s)
    scan = Scan(plan, starts_s, engine, settings, taxonomy, folder)
    scan.run(video, seen)
    failed = [score for score in scan.scores if score.probabilities is None]
    if failed and not problem:
        problem = (
            f"{len(failed)} of {len(scan.scores)} windows have no score; "
            f"the first, at {format_clock(failed[0].start_s)}: {failed[0].reason}"
        )
    found = VideoDetections(
        video=str(video),
        files=(TripFile(path=str(video), start_s=0.0, duration_s=length.seconds),) if length.seconds else (),
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
        notes=length.notes,
    )
    if found.duration_s is not None:
        write_timeline(folder / TIMELINE_FILE, video, found, taxonomy)
    scan.forget()
    return found


def _events(scan: Scan, settings: DetectSettings, taxonomy: Taxonomy) -> list[DetectedEvent]:
    events = []
    for span in find_event_spans(scan.scores, settings, taxonomy):
        if not span.confirmed:
            continue
        event = event_from_span(scan.scores, span, taxonomy)
        if span.peak in scan.reasoning:
            interval = consensus_interval(scan.scores, span, taxonomy)
            window = scan.scores[span.peak].start_s, scan.scores[span.peak].end_s
            event = refine_time(event, scan.reasoning[span.peak], window, interval, settings.stride_s)
        events.append(event)
    return sorted(events, key=lambda event: event.time_s)


def _length(video: Path, stream: int | None) -> _Length:
    try:
        found = probe(video, stream)
    except VideoError as error:
        return _Length(0.0, error.reason)
    return _Length(found.duration_s, found.notes.get("cut off", ""), found.section_starts_s, found.notes)


def _scored_seconds(scores: Sequence[WindowScore]) -> float | None:
    """Seconds of video that lie in a window with a score; None if there are none."""
    total, up_to = 0.0, 0.0
    for score in scores:
        if score.probabilities is not None:
            total += score.end_s - max(score.start_s, up_to)
            up_to = score.end_s
    return round(total, 6) or None


def _inputs(video: Path) -> dict[str, Path]:
    return {"video": video} if video.is_file() else {}


def _is_done(video: Path, folder: Path, settings: DetectSettings, facts: Mapping[str, Any], overwrite: bool) -> bool:
    """Whether the folder holds what is wanted; clears away a result that is worth nothing.

    Raises:
        UserError: If it holds a result made otherwise, and ``overwrite`` is false.
    """
    if not folder.exists():
        return False
    keys = {name: input_key(path) for name, path in _inputs(video).items()}
    existing = read_events_file(folder)
    if is_current(folder, artifact_key(KIND, keys, settings, facts)):
        if not any(score.reason.startswith(NOT_JUDGED) for score in existing.windows):
            return True
        shutil.rmtree(folder)  # the model failed, not the video: it deserves another try
        return False
    if existing.duration_s is not None and not overwrite:
        raise UserError(
            f"{folder} holds detections made with other settings, another model or another file; "
            "give another --out, or --overwrite to replace them."
        )
    return False


def _those(lengths: Sequence[_Length], wanted: Sequence[bool]) -> list[_Length]:
    return [length for length, is_wanted in zip(lengths, wanted, strict=True) if is_wanted]


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


def _closing_words(
    results: Sequence[VideoDetections], done_before: int, scanned_s: float, speed: float | None, taxonomy: Taxonomy
) -> str:
    counts = {
        name: sum(e.event_class == name for each in results for e in each.events) for name in taxonomy.event_names
    }
    words = ", ".join(f"{count} × {taxonomy.by_name(name).label}" for name, count in counts.items())
    summary = f"Found {words} in {len(results)} videos."
    if done_before:
        summary += f" {done_before} of them had been done before."
    failed = sum(each.outcome != Outcome.OK for each in results)
    if failed:
        summary += f" {failed} could not be read or judged, or not in full: their events.json says why."
    if speed is not None:
        summary += f" {format_clock(scanned_s)} of video in {format_clock(scanned_s / speed)}: "
        summary += f"{speed:.1f} times as fast as real time."
    return summary
