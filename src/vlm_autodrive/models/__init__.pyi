from . import prompts
from .conventions import Convention, find_convention
from .cpu_speed import LONG
from .encoding import Encoder
from .families import Family
from .loading import (
    ADAPTER_FOLDER,
    CARD_FILE,
    TINY_BASE,
    LoadedModel,
    ModelCard,
    default_device,
    load_model,
    model_key,
    quiet_renames,
    read_card,
    resolve_model,
    write_card,
)
from .meta_model import find_published, load_meta_model
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
    "Prefix",
    "PromptName",
    "PromptVariant",
    "default_device",
    "find_convention",
    "find_published",
    "format_reasoning",
    "forward_positions",
    "load_meta_model",
    "load_model",
    "model_key",
    "paper_taxonomy",
    "prompts",
    "quiet_renames",
    "random_model",
    "read_card",
    "reasoning_prompt",
    "resolve_model",
    "suits_a_check",
    "variant_verdict_prompt",
    "verdict_prompt",
    "write_card",
]
