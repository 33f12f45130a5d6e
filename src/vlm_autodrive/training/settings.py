"""Settings of post-training."""

import difflib
import re
from typing import Annotated, Any, Literal

from pydantic import Field, field_validator, model_validator

from vlm_autodrive.records import SupervisionType
from vlm_autodrive.settings import Settings
from vlm_autodrive.video import SamplingSettings

Part = Literal["vision", "projector", "language"]
PartChoice = Literal["trained", "frozen"] | Annotated[float, Field(gt=0)]
ALWAYS_TAUGHT: frozenset[SupervisionType] = frozenset(("verdict", "reasoning"))


class ModulesSettings(Settings):
    """What becomes of each part of the model: ``trained``, ``frozen``, or trained at a learning rate of its own.

    Attributes:
        vision: The vision tower. None trains it with all weights, and leaves it as it is with adapters.
        projector: What maps the tower's output into the language model. None: as for the vision tower.
        language: The language model. None trains it.
    """

    vision: PartChoice | None = None
    projector: PartChoice | None = None
    language: PartChoice | None = None


class TrainSettings(Settings):
    """How a model is post-trained.

    Attributes:
        model: What to begin from: ``tiny-base``, a folder or a hub name.
        name: The tuned model's name in records and tables.
        sampling: How frames are taken; None keeps what the model's card says.
        epochs: Passes over the clips of the train split; may be a fraction.
        batch_size: Distinct clips in one step. Their items share each clip's prefix.
        micro_batch_size: Rows in one forward pass, one for each clip; gradients add up over a step. None: as many as
            a step has clips.
        row_tokens: Tokens in one forward pass: as many of a step's clips as fit are packed into one row, none seeing
            another, and gradients add up over a step. A longer clip has a row of its own. None: micro_batch_size.
        attention: ``dense`` masks every pair of tokens, ``flex`` skips blocks in which nobody sees anybody and needs a
            GPU; ``auto`` takes flex on a GPU and dense on a CPU.
        processes: Processes that train together on a CPU, each with a share of the cores and of every step; on a
            GPU one trains.
        balance: Which clips an epoch visits; it makes as many visits as there are clips either way. ``none``: every
            clip once, in an order shuffled anew. ``class``: the classes in turn, so that all are visited equally
            often, and each class's clips one after another, shuffled anew when all have been visited; clips of a
            rare class come several times an epoch. Clips whose class is not known count as one more class.
        samples_per_clip: Of a clip's captions, descriptions and questions, how many are taken at each
            visit, drawn anew each time. The direct verdict and the reasoning always are.
        sampling_weights: How likely an item of a kind is drawn, against the others of its clip; 1 if not named, and
            with 0 none is.
        loss_weights: Weight of each kind's tokens in the loss; 1 if not named.
        token_loss_weights: Further factors on the weights of the tokens that hold text which a regular expression
            matches, such as the line of a trace on which its verdict hangs; the first that matches counts.
        optimizer: ``adamw``, or ``muon`` for matrices with AdamW for the rest.
        learning_rate: The peak.
        schedule: How the rate goes on when it has risen: down to 0 as a cosine or a line, or constant.
        weight_decay: Decoupled.
        warmup_fraction: Share of the steps in which the rate rises to its peak.
        max_grad_norm: Largest norm of a step's gradient.
        precision: ``bf16`` computes in bfloat16 where that is safe, weights stay as loaded.
        lora: Adapters instead of training all weights, as fields of peft's ``LoraConfig`` (``r``, ``lora_alpha``,
            ``use_dora``, ...) with its defaults, but the language model's linear layers for ``target_modules``.
            None trains all weights.
        parts: What of the model is trained, and how fast.
        gradient_checkpointing: Compute activations twice to save memory.
        mirror: Show half of the clips mirrored, with texts changed to stay true; a clip with an item
            whose text cannot be changed is never mirrored.
        brightness: Brightness and contrast vary by up to this fraction.
        max_length: The longest row that is accepted; a longer one is refused before training.
        shard: ``full`` divides weights, gradients and the optimiser's state among the processes (``fully_shard``);
            ``none`` gives each process all of them. ``auto`` is ``full`` where several processes train all
            weights on GPUs, else ``none``.
        save_steps: A checkpoint to resume from is written every so many steps.
        save_total_limit: How many of these are kept, the newest ones, until training ends.
        eval_steps: Every so many steps, and after the last, the direct verdict is asked about the validation
            split, and its macro-F1 is logged. None: never.
        patience: Training stops when so many validations one after another were no better than the best. None: never.
        keep: Which weights the finished checkpoint holds: those of the ``best`` validation, or the ``last`` ones.
        report_to: Trackers besides the log file, by accelerate's names: ``tensorboard``, ``wandb``, ``mlflow``, ...
        seed: Of data order and augmentation.
    """

    model: str = "tiny-base"
    name: str = "tuned"
    sampling: SamplingSettings | None = None
    epochs: float = Field(1.0, gt=0)
    batch_size: int = Field(16, ge=1)
    micro_batch_size: int | None = Field(None, ge=1)
    row_tokens: int | None = Field(None, ge=64)
    attention: Literal["auto", "dense", "flex"] = "auto"
    processes: int = Field(1, ge=1)
    balance: Literal["none", "class"] = "none"
    samples_per_clip: int = Field(2, ge=0)
    sampling_weights: dict[SupervisionType, Annotated[float, Field(ge=0)]] = {}
    loss_weights: dict[SupervisionType, float] = {"verdict": 4.0}
    token_loss_weights: dict[str, float] = {}
    optimizer: Literal["adamw", "muon"] = "adamw"
    learning_rate: float = Field(1e-5, gt=0)
    schedule: Literal["cosine", "linear", "constant"] = "cosine"
    weight_decay: float = Field(0.0, ge=0)
    warmup_fraction: float = Field(0.05, ge=0, lt=1)
    max_grad_norm: float = Field(1.0, gt=0)
    precision: Literal["bf16", "fp32"] = "bf16"
    lora: dict[str, Any] | None = None
    parts: ModulesSettings = ModulesSettings()
    gradient_checkpointing: bool = False
    mirror: bool = True
    brightness: float = Field(0.2, ge=0, lt=1)
    max_length: int = Field(16384, ge=64)
    shard: Literal["auto", "none", "full"] = "auto"
    save_steps: int = Field(100, ge=1)
    save_total_limit: int = Field(2, ge=1)
    eval_steps: int | None = Field(None, ge=1)
    patience: int | None = Field(None, ge=1)
    keep: Literal["best", "last"] = "last"
    report_to: tuple[str, ...] = ()
    seed: int = 0

    @model_validator(mode="after")
    def _one_way_of_laying(self) -> "TrainSettings":
        if self.row_tokens is not None and self.micro_batch_size is not None:
            raise ValueError("row_tokens packs clips by their tokens, micro_batch_size counts them; set only one")
        return self

    @field_validator("token_loss_weights")
    @classmethod
    def _patterns(cls, patterns: dict[str, float]) -> dict[str, float]:
        for pattern in patterns:
            try:
                re.compile(pattern)
            except re.error as error:
                raise ValueError(f"{pattern!r} is no regular expression: {error}") from None
        return patterns

    @field_validator("lora")
    @classmethod
    def _lora_fields(cls, lora: dict[str, Any] | None) -> dict[str, Any] | None:
        if lora is None:
            return None
        from peft import LoraConfig

        known = sorted(LoraConfig.__dataclass_fields__)
        for name in lora:
            if name not in known:
                nearest = ["r"] if name == "rank" else difflib.get_close_matches(name, known, n=1, cutoff=0.5)
                hint = f"did you mean {nearest[0]}?" if nearest else f"its fields are {', '.join(known)}."
                raise ValueError(f"peft's LoraConfig has no field {name}; {hint}")
        try:
            LoraConfig(**lora)
        except (ValueError, TypeError) as error:
            raise ValueError(f"peft's LoraConfig refuses it: {error}") from None
        return lora

    @field_validator("sampling_weights")
    @classmethod
    def _drawn_kinds(cls, weights: dict[SupervisionType, float]) -> dict[SupervisionType, float]:
        if ALWAYS_TAUGHT & weights.keys():
            raise ValueError("the verdict and the reasoning are not drawn but taken at every visit; leave them out")
        return weights

    @model_validator(mode="after")
    def _validated(self) -> "TrainSettings":
        if self.eval_steps is None and (self.patience is not None or self.keep == "best"):
            raise ValueError("patience and keep=best need validations to go by; set eval_steps")
        return self
