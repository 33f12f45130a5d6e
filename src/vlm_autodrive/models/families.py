"""Model families: the little that must be known of each, in one explicit list."""

from dataclasses import dataclass
from typing import Any, Literal

from vlm_autodrive.errors import UserError
from vlm_autodrive.models.internvl import InternVLVideo
from vlm_autodrive.models.qwen import QwenVideo
from vlm_autodrive.models.video_format import VideoFormat

_LANGUAGE_LAYERS = r".*language_model\.layers\.\d+\."
_LANGUAGE_LINEAR = _LANGUAGE_LAYERS + r"(self_attn\.[qkvo]_proj|mlp\.(gate|up|down)_proj)"
_HYBRID_LINEAR = _LANGUAGE_LINEAR.removesuffix(")") + r"|linear_attn\.(in_proj_qkv|in_proj_z|out_proj))"


@dataclass(frozen=True)
class Family:
    """One family of video models.

    Attributes:
        model_type: ``model_type`` of its Hugging Face configuration.
        known_as: Names that people know it by.
        video: How it takes a video: ``qwen`` or ``internvl``.
        lora_targets: A regular expression for the linear layers that LoRA adapts. It names the
            language model in full, so that it cannot reach the vision tower by accident.
        text_timestamps: True if frame times are written into the prompt as text; False if they are one
            scalar interval in the position ids (Qwen2.5-VL), which cannot express frames at uneven times.
        vision_tower: The module that sees, by its name in the model.
        language_model: The module that reads and writes.
        projector: A regular expression for the names of the modules that map visual features into the language
            model; some families keep them inside the vision tower.
    """

    model_type: str
    known_as: str
    video: Literal["qwen", "internvl"]
    lora_targets: str
    text_timestamps: bool
    vision_tower: str = "model.visual"
    language_model: str = "model.language_model"
    projector: str = r"model\.visual\.(merger|deepstack_merger_list)\."

    @property
    def pairs_frames(self) -> bool:
        """Whether two frames become one step of time, so that an odd last one is paired with itself."""
        return self.video == "qwen"


FAMILIES = (
    Family("qwen2_5_vl", "Qwen2.5-VL, Cosmos-Reason1", "qwen", _LANGUAGE_LINEAR, text_timestamps=False),
    Family("qwen3_vl", "Qwen3-VL, Cosmos-Reason2", "qwen", _LANGUAGE_LINEAR, text_timestamps=True),
    Family("qwen3_5", "Qwen3.5", "qwen", _HYBRID_LINEAR, text_timestamps=True),
    Family(
        "internvl",
        "InternVL3, InternVL3.5",
        "internvl",
        _LANGUAGE_LINEAR,
        text_timestamps=True,
        vision_tower="model.vision_tower",
        projector=r"model\.multi_modal_projector\.",
    ),
)


def find_family(model_type: str) -> Family:
    """The family of a configuration's ``model_type``.

    Raises:
        UserError: If the family is not supported.
    """
    for family in FAMILIES:
        if family.model_type == model_type:
            return family
    known = "; ".join(f"{family.model_type} ({family.known_as})" for family in FAMILIES)
    raise UserError(f"models of type {model_type} are not supported yet; use one of these: {known}.")


def video_format(family: Family, processor: Any, model: Any) -> VideoFormat:
    """How a loaded model of a family takes a video."""
    if family.video == "internvl":
        return InternVLVideo(processor, model)
    return QwenVideo(processor, model, text_timestamps=family.text_timestamps)
