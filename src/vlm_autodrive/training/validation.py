"""Evaluation during training: macro-F1 of the direct verdict on the validation split."""

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from vlm_autodrive.metrics import macro_f1
from vlm_autodrive.models import Encoder, verdict_prompt
from vlm_autodrive.records import Clip, SFTSample, Taxonomy
from vlm_autodrive.training.loss import logits_at
from vlm_autodrive.training.packing import Packing, TrainBatch, build_batches
from vlm_autodrive.training.precision import computes_in_bf16
from vlm_autodrive.training.prefix_sharing import IGNORE_INDEX
from vlm_autodrive.training.processes import Rank
from vlm_autodrive.training.sampler import TrainExample
from vlm_autodrive.training.settings import TrainSettings
from vlm_autodrive.video import FrameCache


def validation_examples(clips: Sequence[Clip], taxonomy: Taxonomy) -> list[TrainExample]:
    """The validation clips of known class, each with its true verdict as the target."""
    prompt = verdict_prompt(taxonomy)
    return [
        TrainExample(
            clip,
            (
                SFTSample(
                    sample_id=f"{clip.clip_id}-validation",
                    clip_id=clip.clip_id,
                    type="verdict",
                    topic="verdict",
                    prompt=prompt,
                    target=taxonomy.by_name(clip.event_class).code,
                    mirror_target=None,
                    teacher="label",
                    teacher_prompt_version=prompt.version,
                ),
            ),
        )
        for clip in clips
        if clip.split == "validation" and clip.event_class is not None
    ]


@torch.no_grad()
def verdict_macro_f1(
    model: Any,
    encoder: Encoder,
    cache: FrameCache,
    packing: Packing,
    cost: Callable[[TrainExample], float],
    examples: Sequence[TrainExample],
    taxonomy: Taxonomy,
    settings: TrainSettings,
    device: torch.device,
    rank: Rank,
) -> float:
    """Macro-F1 of the likeliest class code, over all processes' shares of the examples.

    The forward passes are packed as those of training are, so a sharded model is gathered layer by layer as there.
    """
    plain = settings.model_copy(update={"loss_weights": {}, "token_loss_weights": {}})
    codes = torch.tensor(encoder.code_ids(taxonomy.codes), device=device)
    table = np.zeros((len(codes), len(codes) + 1))
    mine = rank.share(examples, cost, in_step=True)
    # Passes of weight 0, for a process with fewer than others: see TrainBatch.zero_weight.
    passes = build_batches(encoder, cache, mine or examples[:1], plain, packing)
    if not mine:
        passes = [each.zero_weight() for each in passes]
    model.eval()
    for number in range(rank.all_reduce_max(len(passes))):
        batch = passes[number] if number < len(passes) else passes[-1].zero_weight()
        with torch.autocast(device.type, torch.bfloat16, enabled=computes_in_bf16(settings.precision, device.type)):
            _count(model, batch.to(device), codes, table)
    model.train()
    return float(macro_f1(np.array(rank.all_reduce_sum(table.ravel().tolist())).reshape(table.shape)))


def _count(model: Any, batch: TrainBatch, codes: torch.Tensor, table: NDArray[np.float64]) -> None:
    """Add a forward pass's answers to the confusion matrix; examples of weight 0 do not count."""
    packed = batch.packed
    places = (packed.labels != IGNORE_INDEX).any(dim=0).nonzero()[:, 0]
    logits = logits_at(model, packed, batch.vision, places - 1)
    labels, counted = packed.labels[:, places], packed.loss_weights[:, places] > 0
    for truth, code in enumerate(codes):
        answers = logits[(labels == code) & counted][:, codes].argmax(dim=-1)
        for answer in answers.tolist():
            table[truth, answer] += 1
