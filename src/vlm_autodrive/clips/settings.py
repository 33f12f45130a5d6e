"""Settings of the clips stage."""

import math
from typing import Literal

from pydantic import Field, model_validator

from vlm_autodrive.settings import Settings


class SplitFractions(Settings):
    """Which share of the groups each split gets; together 1."""

    train: float = Field(0.7, ge=0, le=1)
    validation: float = Field(0.1, ge=0, le=1)
    test: float = Field(0.2, ge=0, le=1)

    @model_validator(mode="after")
    def _whole(self) -> "SplitFractions":
        if not math.isclose(self.train + self.validation + self.test, 1.0, abs_tol=1e-6):
            raise ValueError("train, validation and test must add up to 1")
        return self


class ClipSettings(Settings):
    """How windows are cut and shared out.

    Attributes:
        window_s: Length of a clip; a shorter video gives one clip of its whole length.
        windows_per_event: Clips around each event of the train split, each with a jitter of its own;
            validation and test get one.
        windows_per_normal: Clips from each Normal video of the train split, likewise.
        normal_windows_per_minute: Further Normal clips, away from any event, from each minute of a video
            of more than two windows' length.
        edge_margin_s: An event lies at least this far inside its window; a Normal window keeps this far away.
        split: The share of each split.
        respect_split: Follow the data set's own splits. A split that it does not have is taken out of its
            training part.
        unknown_events: What becomes of events of unknown kind: their videos give no usable clip
            (``leave_out``), or the stage refuses (``error``).
        ego_only: Leave out events that are known not to involve the recording vehicle.
        seed: Of every random choice.
    """

    window_s: float = Field(10.0, gt=0)
    windows_per_event: int = Field(1, ge=1)
    windows_per_normal: int = Field(1, ge=1)
    normal_windows_per_minute: float = Field(0.0, ge=0)
    edge_margin_s: float = Field(0.5, ge=0)
    split: SplitFractions = SplitFractions()
    respect_split: bool = True
    unknown_events: Literal["leave_out", "error"] = "leave_out"
    ego_only: bool = False
    seed: int = 0

    @model_validator(mode="after")
    def _room(self) -> "ClipSettings":
        if 2 * self.edge_margin_s >= self.window_s:
            raise ValueError("edge_margin_s must be less than half of window_s")
        return self
