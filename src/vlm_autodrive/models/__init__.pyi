from . import prompts
from .card import (
    CARD_FILE,
    SIMULATED_FOOTAGE,
    ModelCard,
    TrainingData,
    read_card,
    training_data,
    write_calibration,
    write_card,
)
from .chat_template import EMPTY_THOUGHTS, ChatTemplate, DirectBy, begins_with_thoughts
from .conventions import Convention, find_convention
from .cpu_speed import LONG
from .encoding import Encoder
from .families import Family
from .loading import (
    LoadedModel,
    default_device,
    load_model,
    load_processor,
    model_key,
    quiet_libraries,
)
from .meta_model import find_published, load_meta_model
from .missing import reading
from .model_files import (
    ADAPTER_FOLDER,
    SHIPPED_MODELS,
    TINY_BASE,
    TINY_SIMULATED,
    ModelFiles,
    lasting_name,
    locate_model,
    require_model,
    resolve_model,
    write_base,
)
from .mrope import video_metadata
from .precision import cast, stored_dtype
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
from .serving import export_processor, find_chat_template
from .short_model import has_weights, short_model
from .video_format import Prefix, forward_positions

__all__ = [
    "ADAPTER_FOLDER",
    "CARD_FILE",
    "EMPTY_THOUGHTS",
    "LONG",
    "MAIN",
    "SHIPPED_MODELS",
    "SIMULATED_FOOTAGE",
    "SYSTEM_PROMPT",
    "TINY_BASE",
    "TINY_SIMULATED",
    "ChatTemplate",
    "Convention",
    "DirectBy",
    "Encoder",
    "Family",
    "LoadedModel",
    "ModelCard",
    "ModelFiles",
    "Prefix",
    "PromptName",
    "PromptVariant",
    "TrainingData",
    "begins_with_thoughts",
    "cast",
    "default_device",
    "export_processor",
    "find_chat_template",
    "find_convention",
    "find_published",
    "format_reasoning",
    "forward_positions",
    "has_weights",
    "lasting_name",
    "load_meta_model",
    "load_model",
    "load_processor",
    "locate_model",
    "model_key",
    "paper_taxonomy",
    "prompts",
    "quiet_libraries",
    "read_card",
    "reading",
    "reasoning_prompt",
    "require_model",
    "resolve_model",
    "short_model",
    "stored_dtype",
    "training_data",
    "variant_verdict_prompt",
    "verdict_prompt",
    "video_metadata",
    "write_base",
    "write_calibration",
    "write_card",
]
