"""The search of trips: a folder with events, scores and a timeline for each."""

import shutil
import time
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from vlm_autodrive.addresses import address_of
from vlm_autodrive.artifacts import ACCOUNT_FILE, QUARANTINED, write_account, writing_artifact
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
from vlm_autodrive.engines import ClusterEngine, Engine
from vlm_autodrive.executor import Job, Quarantined
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
    cluster: ClusterEngine | None = None,
    retry_errors: bool = False,
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
        cluster: The model in the workers of a cluster, which then search; None for this process.
        retry_errors: Search those trips again that are quarantined, which only a cluster does.

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
        earlier_search(trip, folder, settings, facts, overwrite, retry_errors)
        for trip, folder in zip(trips, folders, strict=True)
    ]
    removed = clear_other_blur(out, [*folders, *(part for parts in superseded for part in parts)], settings.blur)
    if removed:
        reporter.say(removed)
    words = unshared_words(engine, settings.window_s, settings.stride_s)
    if words and not all(known.is_done for known in earlier):
        reporter.say(words)
    begun = time.monotonic()
    total = round(sum(trip.duration_s for trip in trips))
    done = round(sum(trip.duration_s for trip, known in zip(trips, earlier, strict=True) if known.is_done))
    if left_aside:
        reporter.say(_aside_words(left_aside))
    waiting = [
        _WantedTrip(trip, folder, known.of_first_files)
        for trip, folder, known in zip(trips, folders, earlier, strict=True)
        if not known.is_done
    ]
    search = _TripSearch(settings, taxonomy, basis, facts)
    with reporter.task("Detecting (seconds of video)", total, done) as task:
        seen = _Seconds(task)
        if cluster is not None:
            _search_on_cluster(waiting, search, engine, cluster, seen)
        for wanted in waiting if cluster is None else ():
            with search.writing(wanted) as partial_folder:
                if partial_folder is not None:
                    search.run(wanted, engine, partial_folder, seen.within_video)
            seen.next_video(wanted.trip.duration_s)
    for folder, parts in zip(folders, superseded, strict=True):
        for part in parts:
            shutil.rmtree(part)
            reporter.say(f"{part.name} is part of {folder.name} now, and was removed.")
    results = [read_events_file(folder) for folder in folders]
    if cluster is not None or (out / ACCOUNT_FILE).is_file():
        quarantined = {
            folder.name: each.reason.removeprefix(QUARANTINED)
            for folder, each in zip(folders, results, strict=True)
            if each.reason.startswith(QUARANTINED)
        }
        write_account(out, len(trips), len(trips) - len(quarantined), quarantined, reporter)
    speed = seen.before_s / max(time.monotonic() - begun, 1e-6) if seen.before_s else None
    write_summary(out, folders, results, speed, basis, left_aside)
    reporter.say(_closing_words(results, sum(known.is_done for known in earlier), seen.before_s, speed, taxonomy))
    return results


@dataclass(frozen=True)
class _WantedTrip:
    """A trip that is to be searched, its folder, and what was found in the first of its files."""

    trip: Trip
    folder: Path
    of_first_files: VideoDetections | None


@dataclass(frozen=True)
class _TripSearch:
    """How trips are searched; it can be pickled."""

    settings: DetectSettings
    taxonomy: Taxonomy
    basis: SearchBasis
    facts: Mapping[str, Any]

    def writing(self, wanted: _WantedTrip) -> AbstractContextManager[Path | None]:
        inputs = trip_inputs(wanted.trip)
        return writing_artifact(wanted.folder, KIND, inputs, self.settings, facts=self.facts, overwrite=True)

    def run(
        self, wanted: _WantedTrip, engine: Engine, folder: Path, seen: Callable[[float], None], quarantined: str = ""
    ) -> None:
        """Search one trip and write what is found into ``folder``; of one that is quarantined only that."""
        trip, settings, taxonomy = wanted.trip, self.settings, self.taxonomy
        problem, starts_s = quarantined or trip.problem, trip.section_starts_s
        plan = [] if quarantined else plan_windows(trip.duration_s, settings.window_s, settings.stride_s, starts_s)
        if not plan and trip.duration_s and not problem:
            problem = f"{len(starts_s) + 1} continuous sections, and each is too short to be judged"
        scan = Scan(plan, starts_s, engine, settings, taxonomy, folder)
        if wanted.of_first_files is not None:
            scan.take_over(wanted.of_first_files.windows)
        scan.run(trip.files, seen)
        failed = [score for score in scan.scores if score.probabilities is None]
        if failed and not problem:
            problem = (
                f"{len(failed)} of {len(scan.scores)} windows have no score; "
                f"the first, at {format_clock(failed[0].start_s)}: {failed[0].reason}"
            )
        found = VideoDetections(
            video=address_of(trip.path),
            files=trip.files,
            video_stream=settings.video_stream,
            model=engine.name,
            training=self.basis.training,
            expectation=self.basis.expectation,
            outcome=Outcome.ERROR if problem else Outcome.OK,
            reason=problem,
            duration_s=scored_seconds(scan.scores),
            threshold=settings.threshold,
            events=tuple(
                with_calibrated_probability(event, self.basis.temperature, taxonomy)
                for event in _events(scan, settings, taxonomy)
            ),
            windows=tuple(scan.scores),
            not_judged=(*trip.not_judged, *unscored_spans(trip, scan.scores)),
            notes=trip.notes,
        )
        write_events_file(folder, found)
        if found.duration_s is not None:
            write_timeline(folder / TIMELINE_FILE, found, taxonomy, blur=settings.blur)
        scan.forget()


def _search_on_cluster(
    waiting: Sequence[_WantedTrip], search: _TripSearch, engine: Engine, cluster: ClusterEngine, seen: "_Seconds"
) -> None:
    """Have the workers search, and write the files that they give for each trip."""
    by_name = {wanted.folder.name: wanted for wanted in waiting}
    step = cluster.step(partial(_open_search, cluster.open, search))
    for name, files in cluster.executor.run([step], (Job(name, wanted) for name, wanted in by_name.items())):
        wanted = by_name[name]
        with search.writing(wanted) as folder:
            for left in folder.iterdir() if folder is not None else ():
                left.unlink()  # by a killed search in this process
            if folder is not None and isinstance(files, Quarantined):
                search.run(wanted, engine, folder, seen.within_video, QUARANTINED + files.reason)
            elif folder is not None:
                for file, content in files.items():
                    (folder / file).write_bytes(content)
        seen.next_video(wanted.trip.duration_s)


@contextmanager
def _open_search(
    open_engine: Callable[[], AbstractContextManager[Engine]], search: _TripSearch
) -> Iterator[Callable[[_WantedTrip], dict[str, bytes]]]:
    """What a worker of a cluster does: it searches one trip after the other and gives the files of each."""
    with open_engine() as engine:

        def files_of(wanted: _WantedTrip) -> dict[str, bytes]:
            with TemporaryDirectory() as folder:
                search.run(wanted, engine, Path(folder), lambda _: None)
                return {file.name: file.read_bytes() for file in Path(folder).iterdir()}

        yield files_of


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
