"""Model families: the little that must be known of each, in one explicit list."""

from dataclasses import dataclass

from vlm_autodrive.errors import UserError

_QWEN_LANGUAGE_LINEAR = r".*language_model\.layers\.\d+\.(self_attn\.[qkvo]_proj|mlp\.(gate|up|down)_proj)"


@dataclass(frozen=True)
class Family:
    """One family of video models.

    Attributes:
        model_type: ``model_type`` of its Hugging Face configuration.
        known_as: Names that people know it by.
        lora_targets: A regular expression for the linear layers that LoRA adapts. It names the
            language model in full, so that it cannot reach the vision tower by accident.
        text_timestamps: True if frame times are written into the prompt as text (Qwen3-VL); False if
            they are one scalar interval in the position ids (Qwen2.5-VL), which cannot express
            frames at uneven times.
        vision_tower: The module that sees, by its name in the model.
        projector: A regular expression for the names of the modules that map what it sees into the language
            model; some families keep them inside the vision tower.
    """

    model_type: str
    known_as: str
    lora_targets: str
    text_timestamps: bool
    vision_tower: str = "model.visual"
    projector: str = r"model\.visual\.(merger|deepstack_merger_list)\."


FAMILIES = (
    Family("qwen2_5_vl", "Qwen2.5-VL, Cosmos-Reason1", _QWEN_LANGUAGE_LINEAR, text_timestamps=False),
    Family("qwen3_vl", "Qwen3-VL, Cosmos-Reason2", _QWEN_LANGUAGE_LINEAR, text_timestamps=True),
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
