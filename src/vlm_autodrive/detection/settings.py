"""Settings of the detection stage."""

from collections.abc import Set
from typing import Annotated

from pydantic import Field, model_validator

from vlm_autodrive.engines import ServedModelSettings
from vlm_autodrive.settings import NOT_IN_KEY, Settings
from vlm_autodrive.video import FRONT, Blur, OwnPattern


class DetectSettings(Settings):
    """How long video is cut into windows, and how scored windows become events.

    Attributes:
        window_s: Length of a window in seconds; best equal to the length of the training clips.
        stride_s: Seconds between the starts of two windows; an event is covered by window_s / stride_s windows.
        threshold: Threshold on the predicted probability of an event in a window. Unless it is set, the calibration in
            the model's card is used, if there is one.
        low_threshold: Low threshold of the hysteresis: an event span is a run of windows at or above it that contains a
            window at or above ``threshold``. None for 0.6 of ``threshold``.
        min_windows: Minimum number of windows at or above ``threshold`` in an event span.
        causal: Fix an event when its alarm can be given, by the windows up to then alone; later ones change neither its
            class, its time nor its probability.
        merge_gap_s: Merge two event spans if the centres of the last window of one and the first of the other are at
            most this many seconds apart.
        channels: Which channels of a camera's folders to search: front, rear, interior, left, right, or as
            ``camera_pattern`` finds them. Files that are named one by one are searched whatever their channel is.
        camera_pattern: Regular expression of your own for names of files without their ending, with the named groups
            ``time`` (its digits: year, month, day, hour, minute, second), ``channel`` and ``kind``. None for those of
            TeslaCam, 70mai, BlackVue, Viofo, Novatek, Nextbase and GoPro only.
        video_stream: Which video stream to read of files that have several: 0 for the first, 1 for the second, such as
            a rear camera's. None to choose the driving video; files with fewer streams are read so too.
        reasoning: Whether to generate a reasoning trace for the window with the highest probability of each event.
        max_new_tokens: Maximum number of new tokens of a reasoning trace.
        eval_batch_size: Windows per batch; while the model sees them, the next batch is decoded. The frames of no more
            than these two are held in memory.
        blur: What is blurred in timelines, film strips and clips: ``faces``; null for nothing. Number plates are not
            blurred. The model judges frames that are not blurred.
        endpoint: The endpoint of a served model; without base_url the model runs in this process.
    """

    window_s: float = Field(4.8, gt=0)
    stride_s: float = Field(1.2, gt=0)
    threshold: float = Field(0.5, gt=0, le=1)
    low_threshold: float | None = Field(None, gt=0, le=1)
    min_windows: int = Field(1, ge=1)
    causal: bool = False
    merge_gap_s: float = Field(2.4, ge=0)
    channels: Annotated[tuple[str, ...], NOT_IN_KEY] = (FRONT,)
    camera_pattern: Annotated[OwnPattern | None, NOT_IN_KEY] = None
    video_stream: int | None = Field(None, ge=0)
    reasoning: bool = True
    max_new_tokens: int = Field(384, ge=16)
    eval_batch_size: Annotated[int, NOT_IN_KEY] = Field(32, ge=1)
    blur: Blur = None
    endpoint: ServedModelSettings = ServedModelSettings()

    @model_validator(mode="after")
    def _check(self) -> "DetectSettings":
        if self.stride_s > self.window_s:
            raise ValueError("stride_s must not exceed window_s, or moments between two windows would go unseen")
        if self.low_threshold is not None and self.low_threshold > self.threshold:
            raise ValueError("low_threshold must not exceed threshold")
        return self

    @property
    def effective_low_threshold(self) -> float:
        """The low threshold of the hysteresis in use."""
        return 0.6 * self.threshold if self.low_threshold is None else self.low_threshold


class CalibrateSettings(DetectSettings):
    """How long video is scanned for a calibration, and for which rates of false alarms.

    Attributes:
        rates: False alarms per hour for each of which a threshold is fitted.
        max_false_alarms_per_hour: The rate among them that detection takes if none is asked for.
    """

    rates: tuple[Annotated[float, Field(gt=0)], ...] = (0.1, 0.2, 0.5, 1, 2, 5, 10)
    max_false_alarms_per_hour: float = Field(default=12.0, gt=0)

    def settings(self, leave_out: Set[str] = frozenset()) -> DetectSettings:
        """Those of detection; what was not set here, and what is left out, is not set in them either."""
        values = self.model_dump(include=set(DetectSettings.model_fields) - leave_out, exclude_unset=True)
        return DetectSettings.model_validate(values)


class DetectRunSettings(CalibrateSettings):
    """Which long videos a run searches, and how.

    Attributes:
        videos: Video files or glob patterns; empty for the simulated long videos.
        tuning_videos: Number of simulated long videos, the first ones, on which the model is calibrated; they are
            excluded from the scores. With 0, or videos of one's own, the settings and the checkpoint's card decide.
    """

    videos: tuple[str, ...] = ()
    tuning_videos: int = Field(default=0, ge=0)
