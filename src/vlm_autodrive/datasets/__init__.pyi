from .import_stage import import_dataset
from .settings import ImportSettings
from .validation_stage import ValidateSettings, read_validations, validate
from .video_validation import ValidationSummary, VideoValidation

__all__ = [
    "ImportSettings",
    "ValidateSettings",
    "ValidationSummary",
    "VideoValidation",
    "import_dataset",
    "read_validations",
    "validate",
]
