"""Clips: the labelled windows of video that are trained on and evaluated."""

from typing import Literal

from vlm_autodrive.records.base import Record
from vlm_autodrive.records.file_names import FileName
from vlm_autodrive.records.incident import IncidentMetadata
from vlm_autodrive.records.scenario import Scenario

Split = Literal["train", "validation", "test"]

ANTICIPATION = "anticipation_s"
"""The key, in a clip's metadata, of how many seconds before the event its window ends; Normal clips have it too."""


CAMERA_CHANNEL = "camera_channel"
"""The key, in metadata, of the channel of a file that a known camera named: ``front``, ``rear`` or another."""
CAMERA_EVENT = "camera_event"
"""The key, in metadata, of why a camera marked a file as an event; a weak label, and no class."""
CAMERA_EVENT_TIME = "camera_event_time_s"
"""The key of when that was, in seconds after the video's first frame; not there if only the file is marked."""
HUMAN_VERIFIED = "human_verified"
"""The key, in metadata, of a video of which a reviewer has confirmed or corrected a moment: ``yes``."""


class Clip(Record):
    """One window of one video, with what is known of it. All times but the first two are in clip time.

    Attributes:
        clip_id: Unique in the clip set.
        video_id: The video.
        path: Its file: absolute in memory, relative to the clip set's folder on disk.
        video_stream: Which of its video streams is read, as in the catalog.
        start_s: Start of the window, in seconds after the video's first frame.
        end_s: End of the window, likewise.
        split: Where it belongs.
        event_class: The label, a class name; None for an event of unknown kind.
        event_time_s: The event, in seconds after ``start_s``; None without one.
        alert_time_s: The warning, likewise.
        ego_involved: Whether the recording vehicle is involved; None if unknown.
        group_id: The drive or source; clips of a group share a split.
        triplet_id: The matched triplet, if any.
        metadata: As in the catalog.
        incident: What is recorded of the video, and of the clip's event if it has one. Of a clip without event that
            has telemetry, its numbers are those at the middle of the window.
        peak_g: The largest horizontal acceleration within the window, as an accelerometer measured it, in g; None
            without telemetry.
        scenario: The simulation's truth with all times moved into clip time; None for real footage.
        problem: Why the clip cannot be used; empty if it can. Such a clip stays in every denominator.
        source: The data set that its video came with; empty if unknown.
    """

    clip_id: str
    video_id: str
    path: FileName
    video_stream: int | None = None
    start_s: float
    end_s: float
    split: Split
    event_class: str | None
    event_time_s: float | None
    alert_time_s: float | None
    ego_involved: bool | None
    group_id: str
    triplet_id: str | None
    metadata: dict[str, str]
    incident: IncidentMetadata = IncidentMetadata()
    peak_g: float | None = None
    scenario: Scenario | None = None
    problem: str = ""
    source: str = ""

    @property
    def duration_s(self) -> float:
        """Length of the window in seconds."""
        return self.end_s - self.start_s

    @property
    def camera_marked(self) -> bool | None:
        """Whether the camera itself marked an event in the window, or in the file; None if no known camera made it."""
        if CAMERA_EVENT not in self.metadata:
            return False if CAMERA_CHANNEL in self.metadata else None
        try:
            return self.start_s <= float(self.metadata[CAMERA_EVENT_TIME]) < self.end_s
        except (KeyError, ValueError):  # people may write such columns, too
            return True
