"""Settings of the corrections stage."""

from pydantic import Field

from vlm_autodrive.settings import Settings


class CorrectionSettings(Settings):
    """How reviewers' corrections are applied to a catalog.

    Attributes:
        reviewer: Name of the reviewer whose decision counts where reviewers disagree. None to apply neither decision,
            and to list them as conflicts.
        relabel_test: Whether to apply corrections of the test split too. Scores on the relabelled clips cannot be
            compared with earlier ones.
        time_tolerance_s: Two times of one event that differ by more than this are a disagreement.
    """

    reviewer: str | None = Field(default=None, min_length=1)
    relabel_test: bool = False
    time_tolerance_s: float = Field(default=1.0, ge=0)
