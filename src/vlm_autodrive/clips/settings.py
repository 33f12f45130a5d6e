"""Settings of the clips stage."""

import math
from typing import Annotated, Literal

from pydantic import Field, model_validator

from vlm_autodrive.settings import NOT_IN_KEY, Settings


class SplitFractions(Settings):
    """Fractions of the split groups that go to each split; they add up to 1.

    Attributes:
        train: Fraction of the groups in the train split.
        validation: Fraction of the groups in the validation split.
        test: Fraction of the groups in the test split.
    """

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
        window_s: Length of a clip in seconds; a shorter video gives one clip of its whole length.
        windows_per_event: Clips around each event of the train split, each with a random offset of its own; validation
            and test get one clip per event.
        windows_per_normal: Clips from each Normal video of the train split, each with a random offset of its own;
            validation and test get one.
        normal_windows_per_minute: Additional Normal clips per minute of video, taken away from any event from videos
            longer than two windows.
        edge_margin_s: Minimum distance in seconds of an event from both ends of its window; its position between them
            is uniformly random. Normal windows keep the same distance from events.
        anticipation_s: Lead times in seconds, such as [0.5, 1.0, 1.5]: for each, cut a window that ends that long
            before the event and shows nothing later. Empty for windows that show the event.
        split: Fractions of the split groups that go to each split.
        split_by: How groups are assigned to splits. With ``hash`` a group's split depends only on its name, so adding
            videos never moves a group, and class proportions match the fractions approximately. With ``count`` the
            groups of each class are cut exactly at the fractions, and adding videos can move groups at a cut.
        respect_split: Keep the data set's own splits. A split that it lacks is taken out of its train split.
        frozen_test: File of video ids that are always the test split, as the clips stage writes it (test_ids.txt). None
            draws the test split anew.
        unknown_events: How events of unknown class are treated: ``leave_out`` gives their videos no clip, ``error``
            refuses the data set, and ``binary`` merges all event classes into one, for the binary task.
        ego_only: Exclude events that are known not to involve the recording vehicle.
        seed: Random seed of the window offsets and of the split.
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
