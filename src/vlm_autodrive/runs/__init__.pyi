from .ablation.page import (
    CONSISTENCY,
    DETECTABLE,
    GAIN,
    HTML_FILE,
    JSON_FILE,
    MARKDOWN_FILE,
    effect_rows,
    failure_lines,
    table_of,
)
from .ablation.result import AblationResult
from .ablation.runner import AblationPreview, ablate, preview
from .capacity import SOURCES, Capacity, CapacityInputs, Work, compute_capacity
from .pipeline import RunResult, run_recipe
from .recipe import (
    SECTIONS,
    full_recipe,
    load_recipe,
    recipe_section,
    recipe_text,
    shipped_recipes,
    with_training_frames,
)

__all__ = [
    "CONSISTENCY",
    "DETECTABLE",
    "GAIN",
    "HTML_FILE",
    "JSON_FILE",
    "MARKDOWN_FILE",
    "SECTIONS",
    "SOURCES",
    "AblationPreview",
    "AblationResult",
    "Capacity",
    "CapacityInputs",
    "RunResult",
    "Work",
    "ablate",
    "compute_capacity",
    "effect_rows",
    "failure_lines",
    "full_recipe",
    "load_recipe",
    "preview",
    "recipe_section",
    "recipe_text",
    "run_recipe",
    "shipped_recipes",
    "table_of",
    "with_training_frames",
]
