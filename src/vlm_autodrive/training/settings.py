"""Settings of training."""

import difflib
import re
from typing import Annotated, Any, Literal

from pydantic import Field, field_validator, model_validator

from vlm_autodrive.records import SupervisionType
from vlm_autodrive.settings import NOT_IN_KEY, Settings
from vlm_autodrive.video import SamplingSettings

ModuleName = Literal["vision", "projector", "language"]
ModuleChoice = Literal["trained", "frozen"] | Annotated[float, Field(gt=0)]
ALWAYS_INCLUDED: frozenset[SupervisionType] = frozenset(("verdict", "reasoning"))
"""Types of samples that every example of a clip holds; those of the other types are drawn."""


class ModulesSettings(Settings):
    """Which modules of the model are trained: ``trained``, ``frozen``, or a learning rate of the module's own.

    Attributes:
        vision: The vision tower: ``trained``, ``frozen`` or a learning rate. None trains it with all weights, and
            freezes it with LoRA.
        projector: The projector from the vision tower to the language model. None: as for the vision tower.
        language: The language model. None trains it.
    """

    vision: ModuleChoice | None = None
    projector: ModuleChoice | None = None
    language: ModuleChoice | None = None


class TrainSettings(Settings):
    """How a model is fine-tuned. Most names are those of transformers' ``TrainingArguments``.

    These differ: ``batch_size`` and ``micro_batch_size`` are in clips, since the samples of a clip share its video, and
    ``batch_size`` is global, where ``per_device_train_batch_size`` counts samples on each device; ``precision`` is one
    choice in place of ``bf16`` and ``fp16``; ``epochs``, ``optimizer`` and ``name`` are ``num_train_epochs``,
    ``optim`` and ``run_name``, without abbreviation or prefix. ``name`` also names the model in tables.

    Attributes:
        model: The base model: ``tiny-base``, a folder or a hub name.
        name: Name of the fine-tuned model in records and tables.
        sampling: How frames are sampled; None keeps the sampling of the model card.
        epochs: Passes over the clips of the train split; may be a fraction.
        batch_size: Clips per optimizer step, over all processes. All samples of a clip share its encoded video.
        micro_batch_size: Clips per forward pass; gradients accumulate over the passes of an optimizer step. None: as
            many as a step has clips.
        pack_to_tokens: Tokens per forward pass: clips are packed into one sequence up to this length, none attending
            to another, and gradients accumulate. A longer clip has a sequence of its own. None: micro_batch_size.
        attention: ``dense`` masks every pair of tokens; ``flex`` is FlexAttention, which skips blocks that are masked
            entirely and needs a GPU; ``auto`` takes flex on a GPU and dense on a CPU.
        processes: Number of data-parallel processes on a CPU, each with an equal part of the cores and of the cost of
            every batch; on a GPU one process trains.
        balance: How an epoch samples clips; it has as many examples as there are clips either way. ``none``: every
            clip once, reshuffled every epoch. ``class``: the classes in turn, so that all come equally often; within
            a class its clips in turn, reshuffled when all have come, so clips of a rare class come several times an
            epoch. Clips of unknown class count as one more class.
        samples_per_clip: Captions, descriptions and questions drawn for each example, anew each time. The verdict and
            the reasoning are always included.
        sampling_weights: Relative probability with which samples of a type are drawn from their clip; 1 if not named,
            and with 0 none is.
        loss_weights: Weight of each type's supervised tokens in the loss; 1 if not named.
        token_loss_weights: Further factors on the loss weights of tokens whose text matches a regular expression, such
            as the line of a reasoning trace on which its verdict depends; the first that matches counts.
        optimizer: ``adamw``, or ``muon`` for weight matrices with AdamW for the other parameters.
        learning_rate: Peak learning rate, after the warm-up.
        lr_scheduler_type: How the learning rate decays after the warm-up: to 0 as a ``cosine`` or ``linear``, or
            ``constant``.
        weight_decay: Decoupled weight decay, as in AdamW.
        warmup_steps: Optimizer steps in which the learning rate rises to its peak; below 1, a fraction of all steps.
        max_grad_norm: Maximum norm for gradient clipping.
        precision: ``bf16`` computes in bfloat16 by autocast, with weights as they are loaded; ``fp32`` in float32.
            ``auto`` is ``bf16`` on a GPU and on a CPU with instructions for it, and ``fp32`` on other CPUs.
        lora: Train LoRA adapters instead of all weights, as fields of peft's ``LoraConfig`` (``r``, ``lora_alpha``,
            ``use_dora``, ...) with its defaults, but the language model's linear layers for ``target_modules``.
            None trains all weights.
        modules: Which modules of the model are trained, and at what learning rate.
        gradient_checkpointing: Recompute activations in the backward pass, to save memory.
        mirror: Mirror half of the examples horizontally and adapt their text; an example with a sample whose text
            cannot be adapted is never mirrored.
        brightness: Maximum relative change of brightness and contrast, drawn at random for each example.
        max_length: Maximum number of tokens of one clip with its samples; a longer one is refused before training,
            never truncated.
        shard: ``full`` shards weights, gradients and optimizer state over the processes (FSDP2's ``fully_shard``);
            ``none`` replicates them. ``auto`` is ``full`` where several processes train all weights on GPUs, else
            ``none``.
        save_steps: Optimizer steps between two checkpoints for resuming.
        save_total_limit: Maximum number of these checkpoints to keep until training ends; the oldest are deleted.
        eval_steps: Optimizer steps between two evaluations of the direct verdict on the validation split, by macro-F1;
            one more follows the last step. None: never.
        early_stopping_patience: Evaluations without a better macro-F1 after which training stops. None: never.
        load_best_model_at_end: Whether the finished checkpoint holds the weights of the best evaluation, not the last.
        save_dtype: Precision in which whole weights are written at the end; ``auto`` is that of the base's files.
            An adapter is written as it was trained.
        report_to: Trackers besides the log file, by accelerate's names: ``tensorboard``, ``wandb``, ``mlflow``, ...
        seed: Random seed of data order, augmentation, adapter initialisation and dropout.
    """

    model: str = "tiny-base"
    name: str = "tuned"
    sampling: SamplingSettings | None = None
    epochs: float = Field(1.0, gt=0)
    batch_size: int = Field(16, ge=1)
    micro_batch_size: int | None = Field(None, ge=1)
    pack_to_tokens: int | None = Field(None, ge=64)
    attention: Literal["auto", "dense", "flex"] = "auto"
    processes: Annotated[int, NOT_IN_KEY] = Field(1, ge=1)
    balance: Literal["none", "class"] = "none"
    samples_per_clip: int = Field(2, ge=0)
    sampling_weights: dict[SupervisionType, Annotated[float, Field(ge=0)]] = {}
    loss_weights: dict[SupervisionType, float] = {"verdict": 4.0}
    token_loss_weights: dict[str, float] = {}
    optimizer: Literal["adamw", "muon"] = "adamw"
    learning_rate: float = Field(1e-5, gt=0)
    lr_scheduler_type: Literal["cosine", "linear", "constant"] = "cosine"
    weight_decay: float = Field(0.0, ge=0)
    warmup_steps: float = Field(0.05, ge=0)
    max_grad_norm: float = Field(1.0, gt=0)
    precision: Literal["auto", "bf16", "fp32"] = "auto"
    lora: dict[str, Any] | None = None
    modules: ModulesSettings = ModulesSettings()
    gradient_checkpointing: bool = False
    mirror: bool = True
    brightness: float = Field(0.2, ge=0, lt=1)
    max_length: int = Field(16384, ge=64)
    shard: Annotated[Literal["auto", "none", "full"], NOT_IN_KEY] = "auto"
    save_steps: int = Field(100, ge=1)
    save_total_limit: int = Field(2, ge=1)
    eval_steps: int | None = Field(None, ge=1)
    early_stopping_patience: int | None = Field(None, ge=1)
    load_best_model_at_end: bool = False
    save_dtype: Literal["auto", "bfloat16", "float32"] = "auto"
    report_to: tuple[str, ...] = ()
    seed: int = 0

    @model_validator(mode="after")
    def _one_size_of_pass(self) -> "TrainSettings":
        if self.pack_to_tokens is not None and self.micro_batch_size is not None:
            raise ValueError(
                "pack_to_tokens limits the tokens of a forward pass, micro_batch_size its clips; set only one"
            )
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
    def _drawn_types(cls, weights: dict[SupervisionType, float]) -> dict[SupervisionType, float]:
        if ALWAYS_INCLUDED & weights.keys():
            raise ValueError("the verdict and the reasoning are not drawn but part of every example; leave them out")
        return weights

    @model_validator(mode="after")
    def _needs_evaluations(self) -> "TrainSettings":
        if self.eval_steps is None and (self.early_stopping_patience is not None or self.load_best_model_at_end):
            raise ValueError("early_stopping_patience and load_best_model_at_end need evaluations; set eval_steps")
        return self
