"""What the short list lists: the trips in a folder of detections, and their events, each with its place in a file."""

from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from pathlib import Path, PurePath

from vlm_autodrive.addresses import is_file, place_of
from vlm_autodrive.artifacts import Provenance, absolute_from_artifact, read_provenance
from vlm_autodrive.detection.results import blur_of, find_detections, read_events_file
from vlm_autodrive.engines import find_times
from vlm_autodrive.records import (
    DetectedEvent,
    FileName,
    Record,
    Taxonomy,
    TripFile,
    VideoDetections,
    file_at,
    shown_name,
)
from vlm_autodrive.video import Blur


class ListedEvent(Record):
    """One event of the short list: a row of its tables, and of ``events.jsonl``.

    Attributes:
        event_id: Its name in the list, made of its trip's folder and its trip time.
        trip: The trip's name, which tells it from all others.
        event_class: Its class name.
        probability: The largest probability of any event among its windows.
        probabilities: The class probabilities of that window.
        calibrated_probability: ``probability`` at the temperature of the model's calibration; None if there is none.
        trip_time_s: When, in seconds after the trip's first frame.
        start_s: Start of its windows, in trip time.
        end_s: Their end.
        alert_time_s: When an alarm could have been given, in trip time; None if the detections do not tell.
        file: The file that shows it.
        file_time_s: When, in seconds after that file's first frame.
        wall_clock: When, by the time that the file was recorded at, in ISO 8601; None if that is not known.
        reasoning: The model's trace, its moments in trip time, as ``[t=93.4]``; empty if there is none.
        reasoning_class: The class that the trace comes to; None if it names none.
        contradicts: Whether that is another class than the event's.
        reasoning_time_s: When the event is by the trace, in trip time; None if it does not tell.
        cited_times_s: The moments that the trace cites, in trip time.
        model: The model's name.
        threshold: The probability from which a window counted.
        folder: The trip's folder, beside the index.
        page: The incident page, likewise.
        strip: The film strip; None if there is none.
        strip_times_s: The trip times of its frames.
        clip: Its clip; None if none was cut.
        annotated_clip: The one with class, probability and cited moments drawn on the pictures.
        problem: Why there is no film strip or clip; empty if all is there.
    """

    event_id: str
    trip: str
    event_class: str
    probability: float
    probabilities: dict[str, float]
    calibrated_probability: float | None
    trip_time_s: float
    start_s: float
    end_s: float
    alert_time_s: float | None
    file: FileName
    file_time_s: float
    wall_clock: str | None
    reasoning: str
    reasoning_class: str | None
    contradicts: bool
    reasoning_time_s: float | None
    cited_times_s: tuple[float, ...]
    model: str
    threshold: float
    folder: str
    page: str
    strip: str | None = None
    strip_times_s: tuple[float, ...] = ()
    clip: str | None = None
    annotated_clip: str | None = None
    problem: str = ""


@dataclass(frozen=True)
class ListedTrip:
    """One trip that was searched.

    Attributes:
        name: Its name, which tells it from all others.
        folder: Its folder.
        detections: What was found, its files where they lie now.
        provenance: With what it was searched.
        taxonomy: The classes.
        length_s: The trip time at which its last file ends.
    """

    name: str
    folder: Path
    detections: VideoDetections
    provenance: Provenance
    taxonomy: Taxonomy
    length_s: float

    @property
    def blur(self) -> Blur:
        """What is blurred in its pictures."""
        return blur_of(self.provenance)

    def label(self, event_class: str) -> str:
        """A class as people read it."""
        return self.taxonomy.by_name(event_class).label


def read_trips(out: Path) -> list[ListedTrip]:
    """The trips in a folder of detections, in the order of their names.

    Raises:
        UserError: If there are none.
    """
    folders = find_detections(out)
    found = [_located(read_events_file(folder), folder) for folder in folders]
    names = distinct_names([each.video for each in found])
    trips = [
        ListedTrip(
            name=name,
            folder=folder,
            detections=each,
            provenance=(made_by := read_provenance(folder)),
            taxonomy=Taxonomy.model_validate(made_by.facts["taxonomy"]),
            length_s=max((file.start_s + file.duration_s for file in each.files), default=0.0),
        )
        for folder, each, name in zip(folders, found, names, strict=True)
    ]
    return sorted(trips, key=lambda trip: trip.name)


def distinct_names(paths: Sequence[str]) -> list[str]:
    """The shortest end of each path that tells it from all others, as one line that people read."""
    parts = [PurePath(path).parts for path in paths]
    ends = Counter(own[-count:] for own in parts for count in range(1, len(own) + 1))
    names = []
    for own in parts:
        count = next((count for count in range(1, len(own)) if ends[own[-count:]] == 1), len(own))
        names.append(shown_name(str(PurePath(*own[-count:]))))
    return names


def list_events(trips: Iterable[ListedTrip]) -> list[ListedEvent]:
    """The events of all trips, the most probable first."""
    events = []
    for trip in trips:
        taken: Counter[str] = Counter()
        for event in trip.detections.events:
            plain = f"{trip.folder.name}_{event.time_s:08.2f}s"
            taken[plain] += 1
            event_id = plain if taken[plain] == 1 else f"{plain}-{taken[plain]}"
            events.append(_listed(trip, event, event_id))
    return sorted(events, key=lambda event: (-event.probability, event.trip, event.trip_time_s))


def _listed(trip: ListedTrip, event: DetectedEvent, event_id: str) -> ListedEvent:
    file = file_at(trip.detections.files, event.time_s)
    file_time_s = event.time_s - file.start_s
    return ListedEvent(
        event_id=event_id,
        trip=trip.name,
        event_class=event.event_class,
        probability=event.probability,
        probabilities=event.probabilities,
        calibrated_probability=event.calibrated_probability,
        trip_time_s=round(event.time_s, 3),
        start_s=round(event.start_s, 3),
        end_s=round(event.end_s, 3),
        alert_time_s=None if event.alert_time_s is None else round(event.alert_time_s, 3),
        file=file.path,
        file_time_s=round(file_time_s, 3),
        wall_clock=wall_clock(file, file_time_s),
        reasoning=in_trip_time(event.reasoning, _reasoning_start(trip.detections, event)),
        reasoning_class=event.reasoning_class,
        contradicts=event.contradicts,
        reasoning_time_s=event.reasoning_time_s,
        cited_times_s=event.cited_times_s,
        model=trip.detections.model,
        threshold=trip.detections.threshold,
        folder=trip.folder.name,
        page=f"incidents/{event_id}.html",
    )


def in_trip_time(reasoning: str, start_s: float) -> str:
    """A reasoning trace whose seconds count from ``start_s``, with its moments in trip time, as ``[t=93.4]``."""
    parts, end = [], 0
    for cited in find_times(reasoning):
        parts += [reasoning[end : cited.start], f"[t={start_s + cited.time_s:.1f}]"]
        end = cited.end
    return "".join([*parts, reasoning[end:]])


def _reasoning_start(found: VideoDetections, event: DetectedEvent) -> float:
    """From when an event's reasoning counts; where detections do not tell, from the window of its probabilities."""
    if event.reasoning_start_s is not None:
        return event.reasoning_start_s
    peaks = (window.start_s for window in found.windows if window.probabilities == event.probabilities)
    return next((start_s for start_s in peaks if event.start_s <= start_s < event.end_s), event.start_s)


def wall_clock(file: TripFile, file_time_s: float) -> str | None:
    """The wall-clock time of a moment in a file, to a tenth of a second, in ISO 8601; None if it is not known."""
    if file.recorded_at is None:
        return None
    try:
        moment = datetime.fromisoformat(file.recorded_at) + timedelta(seconds=round(file_time_s, 1))
    except ValueError:
        return None
    return moment.isoformat(timespec="milliseconds")


def _located(found: VideoDetections, folder: Path) -> VideoDetections:
    """The detections with the absolute paths of their files, found by what the folder keeps relative to itself."""
    inputs = [Path(absolute_from_artifact(ref.path, folder)) for ref in read_provenance(folder).inputs.values()]
    whole = TripFile(path=found.video, start_s=0.0, duration_s=max((w.end_s for w in found.windows), default=0.0))
    files = []
    for file in found.files or ((whole,) if found.windows else ()):
        named = [path for path in inputs if path.name == PurePath(file.path).name and is_file(path)]
        files.append(file.model_copy(update={"path": place_of(named[0] if named else file.path)}))
    return found.model_copy(update={"files": tuple(files)})
