"""The short list in the formats of annotation tools, for people to correct it there.

Label Studio: tasks with predictions of the tag TimelineLabels, and the configuration for labelling. FiftyOne:
a folder of the type FiftyOneTemporalDetectionDataset, with ``labels.json``, and ``data.json`` with the place of each
video, so that no video is copied. Both count frames from 1. Sources: the documentation of both, and
``fiftyone.utils.data.importers``. An event reaches from its time to the end of its windows, within its file; so
``autodrive import`` with ``segments.event_at=start``, its default, finds the time again, to a frame.
"""

import json
import math
from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import quote
from xml.sax.saxutils import quoteattr

from vlm_autodrive.artifacts import write_text
from vlm_autodrive.detection.short_list.listing import ListedEvent, ListedTrip, distinct_names
from vlm_autodrive.palette import EVENT_CLASSES
from vlm_autodrive.records import TripFile, file_name_text
from vlm_autodrive.video import VideoError, probe

LABEL_STUDIO_FILE, LABEL_STUDIO_CONFIG, FIFTYONE_FOLDER = "label-studio.json", "label-studio.xml", "fiftyone"

_CONFIG = """<View>
  <Video name="video" value="$video" frameRate="$fps"/>
  <TimelineLabels name="events" toName="video">
{labels}
  </TimelineLabels>
</View>
"""


@dataclass(frozen=True)
class _SearchedFile:
    """One file, its mean frame rate, and its events in order of time."""

    trip: ListedTrip
    file: TripFile
    fps: float
    events: list[ListedEvent]

    def frames(self, event: ListedEvent) -> tuple[int, int]:
        """First and last frame of an event."""
        end_s = max(event.file_time_s, min(event.end_s - self.file.start_s, self.file.duration_s))
        return math.floor(event.file_time_s * self.fps) + 1, math.floor(end_s * self.fps) + 1


def write_exports(
    out: Path, formats: Sequence[str], trips: Sequence[ListedTrip], events: Sequence[ListedEvent]
) -> list[str]:
    """Write the files of annotation tools; returns what is left out of them, in words.

    Args:
        out: The folder to write to.
        formats: ``label-studio``, ``fiftyone``, both or none.
        trips: All trips.
        events: Their events.
    """
    if not formats:
        return []
    files, problems = _searched_files(trips, events)
    if "label-studio" in formats:
        _write_label_studio(out, files)
    if "fiftyone" in formats:
        _write_fiftyone(out / FIFTYONE_FOLDER, files)
    return problems


def _write_label_studio(out: Path, files: Sequence[_SearchedFile]) -> None:
    """Videos are named as local files below the server's LOCAL_FILES_DOCUMENT_ROOT, which is to be ``/``."""
    tasks = []
    for each in files:
        regions = [
            {
                "id": event.event_id,
                "type": "timelinelabels",
                "from_name": "events",
                "to_name": "video",
                "score": event.probability,
                "value": {
                    "ranges": [dict(zip(("start", "end"), each.frames(event), strict=True))],
                    "timelinelabels": [each.trip.label(event.event_class)],
                },
                "meta": {"text": [event.reasoning]} if event.reasoning else {},
            }
            for event in each.events
        ]
        place = f"/data/local-files/?d={quote(each.file.path.lstrip('/'), errors='surrogateescape')}"
        score = max((event.probability for event in each.events), default=0.0)
        prediction = {"model_version": each.trip.detections.model, "score": score, "result": regions}
        tasks.append({"data": {"video": place, "fps": each.fps}, "predictions": [prediction]})
    write_text(out / LABEL_STUDIO_FILE, json.dumps(tasks, indent=1) + "\n")
    labels = _labels(files, events_only=True)
    lines = [
        f'    <Label value={quoteattr(label)} background="{EVENT_CLASSES[number % len(EVENT_CLASSES)]}"/>'
        for number, label in enumerate(labels)
    ]
    write_text(out / LABEL_STUDIO_CONFIG, _CONFIG.format(labels="\n".join(lines)))


def _write_fiftyone(folder: Path, files: Sequence[_SearchedFile]) -> None:
    labels = _labels(files, events_only=False)
    # FiftyOne cuts a name off at its last dot. The number keeps names apart that are alike without their endings.
    names = distinct_names([each.file.path for each in files])
    ids = [f"{number:05d} {name.replace('.', '_')}" for number, name in enumerate(names, start=1)]
    detections = {
        name: [
            {
                "label": labels.index(each.trip.label(event.event_class)),
                "support": list(each.frames(event)),
                "confidence": event.probability,
                "attributes": {"event_id": event.event_id, "reasoning": event.reasoning},
            }
            for event in each.events
        ]
        for name, each in zip(ids, files, strict=True)
    }
    places = {name: file_name_text(each.file.path) for name, each in zip(ids, files, strict=True)}
    folder.mkdir(exist_ok=True)
    write_text(folder / "labels.json", json.dumps({"classes": labels, "labels": detections}, indent=1) + "\n")
    write_text(folder / "data.json", json.dumps(places, indent=1) + "\n")


def _labels(files: Sequence[_SearchedFile], *, events_only: bool) -> list[str]:
    classes = [each_class for each in files for each_class in each.trip.taxonomy.classes]
    return list({each.label: None for each in classes if each.is_event or not events_only})


def _searched_files(
    trips: Sequence[ListedTrip], events: Sequence[ListedEvent]
) -> tuple[list[_SearchedFile], list[str]]:
    """Every file that was searched; and those that cannot be read any more, in words."""
    found: defaultdict[tuple[str, str], list[ListedEvent]] = defaultdict(list)
    for event in sorted(events, key=lambda event: event.trip_time_s):
        found[event.folder, event.file].append(event)
    files, problems = [], []
    for trip, file in ((each, file) for each in trips for file in each.detections.files):
        try:
            info = probe(Path(file.path), trip.detections.video_stream)
        except VideoError as error:
            problems.append(f"{error}; it is left out of the files for annotation tools.")
            continue
        files.append(_SearchedFile(trip, file, info.frames / info.duration_s, found[trip.folder.name, file.path]))
    return files, problems
