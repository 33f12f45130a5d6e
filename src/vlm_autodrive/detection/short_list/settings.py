"""Settings of the short list."""

from typing import Literal

from pydantic import Field

from vlm_autodrive.settings import Settings

ExportFormat = Literal["label-studio", "fiftyone"]


class ShortListSettings(Settings):
    """What is made of the events beside pages, film strips and tables.

    Attributes:
        clips: Cut each event to a video file.
        annotate: Cut it to a second one as well, with class, probability and cited moments drawn on the pictures.
        before_s: Seconds of a clip before its event.
        after_s: Seconds of it after its event.
        single_file: Embed the film strips of the first events in the index page.
        formats: Annotation tools to write a file for.
    """

    clips: bool = False
    annotate: bool = False
    before_s: float = Field(4.0, ge=0, le=600)
    after_s: float = Field(4.0, gt=0, le=600)
    single_file: bool = False
    formats: tuple[ExportFormat, ...] = ()
