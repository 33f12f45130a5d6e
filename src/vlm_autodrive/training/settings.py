"""Settings of post-training."""

import re
from typing import Literal

from pydantic import Field, field_validator, model_validator

from vlm_autodrive.records import Kind
from vlm_autodrive.settings import Settings
from vlm_autodrive.video.frames import SamplingSettings


class LoraSettings(Settings):
    """Low-rank adapters on the language model's linear layers; see peft's ``LoraConfig``."""

    rank: int = Field(16, ge=1)
    alpha: float = 32.0
    dropout: float = Field(0.0, ge=0, lt=1)


class TrainSettings(Settings):
    """How a model is post-trained.

    Attributes:
        model: What to begin from: ``tiny-base``, a folder or a hub name.
        name: The tuned model's name in records and tables.
        sampling: How frames are taken; None keeps what the model's card says.
        epochs: Passes over the clips of the train split; may be a fraction.
        clips_per_step: Distinct clips in one step. Their items share each clip's prefix.
        clips_per_forward: Rows in one forward pass, one for each clip; gradients add up over a step. None: as many as
            a step has clips.
        row_tokens: Tokens in one forward pass: as many of a step's clips as fit are packed into one row, none seeing
            another, and gradients add up over a step. A longer clip has a row of its own. None: clips_per_forward.
        attention: ``dense`` masks every pair of tokens, ``flex`` skips blocks in which nobody sees anybody and needs a
            GPU; ``auto`` takes flex on a GPU and dense on a CPU.
        processes: Processes that train together on a CPU, each with a share of the cores and of every step; on a
            GPU one trains.
        sampled_items: Of a clip's captions, descriptions and questions, how many are taken at each
            visit, drawn anew each time. The direct verdict and the reasoning always are.
        kind_weights: Weight of each kind's tokens in the loss; 1 if not named.
        pattern_weights: Further factors on the weights of the tokens that hold text which a regular expression
            matches, such as the line of a trace on which its verdict hangs; the first that matches counts.
        optimizer: ``adamw``, or ``muon`` for matrices with AdamW for the rest.
        learning_rate: The peak.
        weight_decay: Decoupled.
        warmup_fraction: Share of the steps in which the rate rises; it then falls as a cosine to 0.
        gradient_clip: Largest norm of a step's gradient.
        precision: ``bf16`` computes in bfloat16 where that is safe, weights stay as loaded.
        lora: Adapters instead of training all weights; None trains all.
        freeze_vision: Leave the vision tower as it is.
        gradient_checkpointing: Compute activations twice to save memory.
        mirror: Show half of the clips mirrored, with texts changed to stay true; a clip with an item
            whose text cannot be changed is never mirrored.
        brightness: Brightness and contrast vary by up to this fraction.
        max_row_tokens: The longest row that is accepted; a longer one is refused before training.
        checkpoint_steps: A checkpoint to resume from is written every so many steps.
        seed: Of data order and augmentation.
    """

    model: str = "tiny-base"
    name: str = "tuned"
    sampling: SamplingSettings | None = None
    epochs: float = Field(1.0, gt=0)
    clips_per_step: int = Field(16, ge=1)
    clips_per_forward: int | None = Field(None, ge=1)
    row_tokens: int | None = Field(None, ge=64)
    attention: Literal["auto", "dense", "flex"] = "auto"
    processes: int = Field(1, ge=1)
    sampled_items: int = Field(2, ge=0)
    kind_weights: dict[Kind, float] = {"verdict": 4.0}
    pattern_weights: dict[str, float] = {}
    optimizer: Literal["adamw", "muon"] = "adamw"
    learning_rate: float = Field(1e-5, gt=0)
    weight_decay: float = Field(0.0, ge=0)
    warmup_fraction: float = Field(0.05, ge=0, lt=1)
    gradient_clip: float = Field(1.0, gt=0)
    precision: Literal["bf16", "fp32"] = "bf16"
    lora: LoraSettings | None = None
    freeze_vision: bool = False
    gradient_checkpointing: bool = False
    mirror: bool = True
    brightness: float = Field(0.2, ge=0, lt=1)
    max_row_tokens: int = Field(16384, ge=64)
    checkpoint_steps: int = Field(100, ge=1)
    seed: int = 0

    @model_validator(mode="after")
    def _one_way_of_laying(self) -> "TrainSettings":
        if self.row_tokens is not None and self.clips_per_forward is not None:
            raise ValueError("row_tokens packs clips by their tokens, clips_per_forward counts them; set only one")
        return self

    @field_validator("pattern_weights")
    @classmethod
    def _patterns(cls, patterns: dict[str, float]) -> dict[str, float]:
        for pattern in patterns:
            try:
                re.compile(pattern)
            except re.error as error:
                raise ValueError(f"{pattern!r} is no regular expression: {error}") from None
        return patterns
