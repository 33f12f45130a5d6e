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
from .launch import slurm_script, start_training, train_command
from .pipeline import RunResult, prepare_training, run_recipe
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
    "prepare_training",
    "preview",
    "recipe_section",
    "recipe_text",
    "run_recipe",
    "shipped_recipes",
    "slurm_script",
    "start_training",
    "table_of",
    "train_command",
    "with_training_frames",
]
