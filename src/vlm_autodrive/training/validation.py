"""The direct verdict on the validation split: the figure by which weights are chosen."""

from collections.abc import Sequence
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from vlm_autodrive.metrics import macro_f1
from vlm_autodrive.models import Encoder, verdict_prompt
from vlm_autodrive.records import Clip, SFTSample, Taxonomy
from vlm_autodrive.training.batching import Layout, TrainBatch, build_batches
from vlm_autodrive.training.prefix_sharing import IGNORED, predict
from vlm_autodrive.training.processes import Rank
from vlm_autodrive.training.settings import TrainSettings
from vlm_autodrive.training.visits import Visit
from vlm_autodrive.video import FrameCache


def validation_visits(clips: Sequence[Clip], taxonomy: Taxonomy) -> list[Visit]:
    """The validation clips whose class is known, each with the verdict that it should get."""
    prompt = verdict_prompt(taxonomy)
    return [
        Visit(
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
    layout: Layout,
    visits: Sequence[Visit],
    taxonomy: Taxonomy,
    settings: TrainSettings,
    device: torch.device,
    rank: Rank,
) -> float:
    """Macro-F1 of the likeliest code over all processes' shares of the visits.

    The forward passes are those of training, so that what is computed does not depend on how the model is
    divided among the processes, and each clip's prefix is computed once.
    """
    plain = settings.model_copy(update={"loss_weights": {}, "token_loss_weights": {}})
    codes = torch.tensor(encoder.code_ids(taxonomy.codes), device=device)
    table = np.zeros((len(codes), len(codes) + 1))
    mine = rank.share(visits)
    passes = build_batches(encoder, cache, mine or visits[:1], plain, layout)
    if not mine:
        passes = [each.weightless() for each in passes]
    model.eval()
    for number in range(rank.most(len(passes))):
        batch = passes[number] if number < len(passes) else passes[-1].weightless()
        with torch.autocast(device.type, torch.bfloat16, enabled=settings.precision == "bf16"):
            _count(model, batch.to(device), codes, table)
    model.train()
    return float(macro_f1(np.array(rank.add_up(table.ravel().tolist())).reshape(table.shape)))


def _count(model: Any, batch: TrainBatch, codes: torch.Tensor, table: NDArray[np.float64]) -> None:
    """Add a forward pass's answers to the confusion table; what has no weight does not count."""
    shared = batch.shared
    places = (shared.labels != IGNORED).any(dim=0).nonzero()[:, 0]
    logits = predict(model, shared, batch.vision, places - 1)
    labels, counted = shared.labels[:, places], shared.weights[:, places] > 0
    for truth, code in enumerate(codes):
        answers = logits[(labels == code) & counted][:, codes].argmax(dim=-1)
        for answer in answers.tolist():
            table[truth, answer] += 1
