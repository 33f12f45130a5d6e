"""Settings of the clips stage."""

import math
from typing import Annotated, Literal

from pydantic import Field, model_validator

from vlm_autodrive.settings import NOT_IN_KEY, Settings


class SplitFractions(Settings):
    """Which fraction of the groups each split gets; together 1."""

    train: float = Field(0.7, ge=0, le=1)
    validation: float = Field(0.1, ge=0, le=1)
    test: float = Field(0.2, ge=0, le=1)

    @model_validator(mode="after")
    def _whole(self) -> "SplitFractions":
        if not math.isclose(self.train + self.validation + self.test, 1.0, abs_tol=1e-6):
            raise ValueError("train, validation and test must add up to 1")
        return self


class ClipSettings(Settings):
    """How windows are cut and split.

    Attributes:
        window_s: Length of a clip; a shorter video gives one clip of its whole length.
        windows_per_event: Clips around each event of the train split, each with a jitter of its own;
            validation and test get one.
        windows_per_normal: Clips from each Normal video of the train split, likewise.
        normal_windows_per_minute: Further Normal clips, away from any event, from each minute of a video
            of more than two windows' length.
        edge_margin_s: An event's place is drawn evenly from this far behind its window's start to this far
            before its end; a Normal window keeps this far away from events.
        anticipation_s: Cut windows that end so long before the event, one for each time, and show nothing
            later, such as [0.5, 1.0, 1.5]; empty for windows that show the event.
        split: The fraction of each split.
        split_by: With hash a group's split follows from its name alone and never changes when videos are
            added, and each class comes near the fractions as far as numbers are large; with count each class
            is cut to the fractions, and a video added moves the groups that stand at a cut.
        respect_split: Follow the data set's own splits. A split that it does not have is taken out of its
            training part.
        frozen_test: A file of video ids, as the clips stage writes it (test_ids.txt), that are the test split
            and stay so; None to draw the test split anew.
        unknown_events: What becomes of events of unknown kind: their videos give no usable clip (leave_out),
            the stage refuses (error), or all events become one class, for the binary task (binary).
        ego_only: Leave out events that are known not to involve the recording vehicle.
        seed: Of every random choice.
    """

    window_s: float = Field(10.0, gt=0)
    windows_per_event: int = Field(1, ge=1)
    windows_per_normal: int = Field(1, ge=1)
    normal_windows_per_minute: float = Field(0.0, ge=0)
    edge_margin_s: float = Field(0.5, ge=0)
    anticipation_s: tuple[float, ...] = ()
    split: SplitFractions = SplitFractions()
    split_by: Literal["hash", "count"] = "hash"
    respect_split: bool = True
    frozen_test: Annotated[str | None, NOT_IN_KEY] = None  # its content is an input; where it lies does not count
    unknown_events: Literal["leave_out", "error", "binary"] = "leave_out"
    ego_only: bool = False
    seed: int = 0

    @model_validator(mode="after")
    def _room(self) -> "ClipSettings":
        if 2 * self.edge_margin_s >= self.window_s:
            raise ValueError("edge_margin_s must be less than half of window_s")
        if any(lead_s <= 0 for lead_s in self.anticipation_s):
            raise ValueError("anticipation_s must hold times above 0; leave it empty for windows that show the event")
        if len(set(self.anticipation_s)) < len(self.anticipation_s):
            raise ValueError("anticipation_s names a time twice")
        return self
