from . import prompts
from .conventions import Convention, find_convention
from .cpu_speed import LONG
from .encoding import Encoder
from .families import Family
from .loading import (
    CARD_FILE,
    LoadedModel,
    ModelCard,
    default_device,
    load_model,
    load_processor,
    model_key,
    quiet_loading,
    quiet_renames,
    read_card,
    write_card,
)
from .meta_model import find_published, load_meta_model
from .missing import hub_origin, reading
from .model_files import (
    ADAPTER_CONFIG,
    ADAPTER_FOLDER,
    TINY_BASE,
    ModelFiles,
    locate_model,
    require_model,
    resolve_model,
)
from .prompts import (
    MAIN,
    SYSTEM_PROMPT,
    PromptName,
    PromptVariant,
    format_reasoning,
    paper_taxonomy,
    reasoning_prompt,
    variant_verdict_prompt,
    verdict_prompt,
)
from .random_weights import random_model, suits_a_check
from .video_format import Prefix, forward_positions

__all__ = [
    "ADAPTER_CONFIG",
    "ADAPTER_FOLDER",
    "CARD_FILE",
    "LONG",
    "MAIN",
    "SYSTEM_PROMPT",
    "TINY_BASE",
    "Convention",
    "Encoder",
    "Family",
    "LoadedModel",
    "ModelCard",
    "ModelFiles",
    "Prefix",
    "PromptName",
    "PromptVariant",
    "default_device",
    "find_convention",
    "find_published",
    "format_reasoning",
    "forward_positions",
    "hub_origin",
    "load_meta_model",
    "load_model",
    "load_processor",
    "locate_model",
    "model_key",
    "paper_taxonomy",
    "prompts",
    "quiet_loading",
    "quiet_renames",
    "random_model",
    "read_card",
    "reading",
    "reasoning_prompt",
    "require_model",
    "resolve_model",
    "suits_a_check",
    "variant_verdict_prompt",
    "verdict_prompt",
    "write_card",
]
