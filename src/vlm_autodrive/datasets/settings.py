"""Settings of the import stage."""

from typing import Any, Literal

from pydantic import Field, field_validator, model_validator

from vlm_autodrive.records import DEFAULT_TAXONOMY, TAXONOMIES, Taxonomy
from vlm_autodrive.settings import Settings
from vlm_autodrive.video import OwnPattern


class SegmentSettings(Settings):
    """What the segments mean that annotation tools export (formats via, label-studio and fiftyone).

    Attributes:
        class_map: The class of each label that is no name or spelling of a class, by the label; empty text to leave
            segments of that label out.
        event_at: Where in its segment an event lies: at its start, in its middle or at its end.
        frames_per_second: Rate of the frame numbers in the file. Label Studio needs it, as its export does not say it:
            the frameRate of the project's Video tag. Of FiftyOne's frames it is otherwise the video file's own.
        empty_is_normal: Whether a video that somebody has annotated without any segment is a video without event. False
            to take it as unlabelled.
    """

    class_map: dict[str, str] = {}
    event_at: Literal["start", "middle", "end"] = "start"
    frames_per_second: float | None = Field(default=None, gt=0)
    empty_is_normal: bool = False


class ImportSettings(Settings):
    """How a data set is imported.

    Attributes:
        format: The data set's format, a key of ``formats.FORMATS``; ``import_dataset`` fills it in.
        taxonomy: The classes, each with its spellings in the files; or the name ``three_class``, ``paper`` (the same
            classes under the paper's verdict question) or ``binary`` (event and normal: collisions, near-collisions
            and events of unknown class are all events).
        overlay: File with the class of each event: a CSV file ``id,class``, or CAViAR's ``test.json``. None for the
            data set's own ``overlay.csv``, if any.
        train_only: Manifest of additional videos, such as long Normal videos, that are imported for training only. None
            for none. A relative path is resolved against the data set's folder.
        videos: Folder that holds the videos of a published data set, in its own layout. None if they are beside the
            annotation files; Nexar's layouts, manifests and plain folders keep their videos in place.
        video_stream: Which video stream to read of files that have several: 0 for the first, 1 for the second, such as
            a rear camera's; every later stage reads the same. None to choose the driving video. Files with fewer
            streams are read so too.
        camera_pattern: For the format video-folder: a regular expression of your own for names of files without their
            ending, with the named groups ``time``, ``channel`` and ``kind``. None for those of the known cameras only.
        segments: What segments labelled in an annotation tool mean.
        telemetry: Whether to read speed, position and acceleration from the telemetry beside and inside video files.
        utc_offset_h: Hours that the camera's clock, in file names, is ahead of UTC, such as -5 or 5.5. It places NMEA
            and GPX files that are longer than their video. None to find it by the only time zone that fits.
        licence: Licence of the data, recorded in the catalog. None for the licence that the format's reader knows.
        strict: Whether to refuse a data set with any error, instead of listing the errors in ``issues.jsonl``.
    """

    format: str = "manifest"
    taxonomy: Taxonomy = DEFAULT_TAXONOMY
    overlay: str | None = None
    train_only: str | None = None
    videos: str | None = None
    video_stream: int | None = Field(default=None, ge=0)
    camera_pattern: OwnPattern | None = None
    segments: SegmentSettings = SegmentSettings()
    telemetry: bool = True
    utc_offset_h: float | None = Field(default=None, ge=-12, le=14)
    licence: str | None = None
    strict: bool = False

    @field_validator("taxonomy", mode="before")
    @classmethod
    def _named(cls, value: Any) -> Any:
        if not isinstance(value, str):
            return value
        if value not in TAXONOMIES:
            raise ValueError(
                f"there is no taxonomy {value!r}; take one of {', '.join(TAXONOMIES)}, or write out its classes"
            )
        return TAXONOMIES[value]

    @model_validator(mode="after")
    def _mapped(self) -> "ImportSettings":
        unknown = [name for name in self.segments.class_map.values() if name and self.taxonomy.find(name) is None]
        if unknown:
            known = ", ".join(self.taxonomy.names)
            raise ValueError(f"segments.class_map: {unknown[0]!r} is no class; the classes are {known}")
        return self
