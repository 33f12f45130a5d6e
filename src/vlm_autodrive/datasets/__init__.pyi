from . import manifest_row
from .importing import import_dataset
from .judging import Validation, ValidationSummary
from .settings import ImportSettings
from .validating import ValidateSettings, read_validations, validate

__all__ = [
    "ImportSettings",
    "ValidateSettings",
    "Validation",
    "ValidationSummary",
    "import_dataset",
    "manifest_row",
    "read_validations",
    "validate",
]
