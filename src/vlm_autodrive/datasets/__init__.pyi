from .corrections.agreement import reviewer_agreement
from .corrections.settings import CorrectionSettings
from .corrections.stage import apply_corrections
from .import_stage import import_dataset
from .settings import ImportSettings
from .validation_stage import ValidateSettings, read_validations, validate
from .video_validation import ValidationSummary, VideoValidation

__all__ = [
    "CorrectionSettings",
    "ImportSettings",
    "ValidateSettings",
    "ValidationSummary",
    "VideoValidation",
    "apply_corrections",
    "import_dataset",
    "read_validations",
    "reviewer_agreement",
    "validate",
]
