"""The settings of detection."""

from typing import Annotated

from pydantic import Field, model_validator

from vlm_autodrive.engines import ServedModelSettings
from vlm_autodrive.settings import NOT_IN_KEY, Settings


class DetectSettings(Settings):
    """How long video is cut into windows, and how windows become events.

    Attributes:
        window_s: Length of each window in seconds; best the length of the clips the model was trained on.
        stride_s: Seconds from one window's start to the next; an event is seen by window_s / stride_s windows.
        threshold: The probability of any event from which a window counts.
        low_threshold: Hysteresis: a stretch with a window that counts goes on for as long as its windows reach
            this; if None, 0.6 of the threshold.
        minimum_windows: A stretch with fewer windows that count is no event.
        merge_gap_s: Two stretches are one event if the last window of the one and the first of the other lie no
            further apart than this, from middle to middle.
        reasoning: Ask the model for its reasoning too, in the peak window of each event found and nowhere else.
        reasoning_tokens: The most tokens it may write there.
        batch_windows: Windows that the engine is given at once; their frames are all that is held in memory.
        endpoint: Where the model is served, if it is not in this process.
    """

    window_s: float = Field(4.8, gt=0)
    stride_s: float = Field(1.2, gt=0)
    threshold: float = Field(0.5, gt=0, le=1)
    low_threshold: float | None = Field(None, gt=0, le=1)
    minimum_windows: int = Field(1, ge=1)
    merge_gap_s: float = Field(2.4, ge=0)
    reasoning: bool = True
    reasoning_tokens: int = Field(384, ge=16)
    batch_windows: Annotated[int, NOT_IN_KEY] = Field(32, ge=1)
    endpoint: ServedModelSettings = ServedModelSettings()

    @model_validator(mode="after")
    def _check(self) -> "DetectSettings":
        if self.stride_s > self.window_s:
            raise ValueError("stride_s must not exceed window_s, or moments between two windows would go unseen")
        if self.low_threshold is not None and self.low_threshold > self.threshold:
            raise ValueError("low_threshold must not exceed threshold")
        return self

    @property
    def goes_on_from(self) -> float:
        """The probability from which a stretch goes on."""
        return 0.6 * self.threshold if self.low_threshold is None else self.low_threshold


class DetectRunSettings(DetectSettings):
    """What long video is searched, and how.

    Attributes:
        videos: Files or patterns of your own; empty for the simulated ones.
        tuning_videos: The first of the simulated videos, on which the threshold is fixed beforehand; they
            are left out of the scores. With 0 the threshold of the settings is taken as it stands.
        false_alarms_per_hour: The most false alarms that the threshold fixed on them may allow.
    """

    videos: tuple[str, ...] = ()
    tuning_videos: int = Field(default=0, ge=0)
    false_alarms_per_hour: float = Field(default=12.0, gt=0)

    def settings(self) -> DetectSettings:
        """The stage's own settings."""
        return DetectSettings.model_validate(self.model_dump(include=set(DetectSettings.model_fields)))
