"""The label mask of a clip: what the model is given, and what it learns."""

from pathlib import Path

from vlm_autodrive.artifacts import read_clips, read_samples
from vlm_autodrive.errors import UserError
from vlm_autodrive.models import Encoder, load_meta_model
from vlm_autodrive.training.batching import item_tokens
from vlm_autodrive.training.prefix_sharing import IGNORED, share_prefix
from vlm_autodrive.training.settings import TrainSettings
from vlm_autodrive.training.visits import Visit, taught_clips
from vlm_autodrive.video import FrameCache


def show_clip(supervision: Path, settings: TrainSettings, clip_id: str, *, frame_cache: Path | None = None) -> str:
    """The label mask of one clip: each token of its row, those that are learned in ``[[...]]``.

    Raises:
        UserError: If the clip has no accepted items in the train split, or the model's tokenizer is not at hand.
    """
    loaded = load_meta_model(settings.model)
    if loaded.processor is None:
        raise UserError(f"the tokenizer of {settings.model} is not on this machine; give a folder that holds it.")
    encoder = Encoder(loaded)
    cache = FrameCache(frame_cache or supervision.parent / ".frames", settings.sampling or loaded.card.sampling)
    taught = [t for t in taught_clips(read_clips(supervision), read_samples(supervision)) if t.clip.clip_id == clip_id]
    if not taught:
        raise UserError(f"clip {clip_id} has no accepted items in the train split of {supervision}.")
    frames = cache.get(taught[0].clip)
    height, width = frames.pixels.shape[1:3]
    visit = Visit(taught[0].clip, taught[0].items)
    row = share_prefix(encoder.prefix(frames.times_s, height, width), item_tokens(encoder, visit, settings))
    pieces = []
    for segment in range(int(row.segments.max()) + 1):
        here = row.segments == segment
        ids, learned = row.input_ids[here].tolist(), (row.labels[here] != IGNORED).tolist()
        given = loaded.processor.tokenizer.decode([i for i, learn in zip(ids, learned, strict=True) if not learn])
        target = loaded.processor.tokenizer.decode([i for i, learn in zip(ids, learned, strict=True) if learn])
        heading = (
            "prefix, seen by every item" if segment == 0 else f"item {segment}: {visit.items[segment - 1].sample_id}"
        )
        pieces.append(
            f"--- {heading} ({len(ids)} tokens, {sum(learned)} learned)\n{given}" + (f"[[{target}]]" if target else "")
        )
    return "\n".join(pieces)
