"""The loss mask of a clip, as text: which tokens are given, and which are supervised."""

from pathlib import Path

from vlm_autodrive.artifacts import read_clips, read_samples
from vlm_autodrive.errors import UserError
from vlm_autodrive.models import Encoder, load_meta_model
from vlm_autodrive.training.packing import sample_tokens
from vlm_autodrive.training.prefix_sharing import IGNORE_INDEX, share_prefix
from vlm_autodrive.training.sampler import TrainExample, join_samples
from vlm_autodrive.training.settings import TrainSettings
from vlm_autodrive.video import FrameCache


def show_loss_mask(supervision: Path, settings: TrainSettings, clip_id: str, *, frame_cache: Path | None = None) -> str:
    """The loss mask of one clip: all tokens of its sequence, the supervised ones in ``[[...]]``.

    Raises:
        UserError: If the clip has no accepted samples in the train split, or the model's tokenizer is not at hand.
    """
    loaded = load_meta_model(settings.model)
    if loaded.processor is None:
        raise UserError(f"the tokenizer of {settings.model} is not on this machine; give a folder that holds it.")
    encoder = Encoder(loaded)
    cache = FrameCache(frame_cache or supervision.parent / ".frames", settings.sampling or loaded.card.sampling)
    clips = join_samples(read_clips(supervision), read_samples(supervision))
    chosen = next((each for each in clips if each.clip.clip_id == clip_id), None)
    if chosen is None:
        raise UserError(f"clip {clip_id} has no accepted samples in the train split of {supervision}.")
    frames = cache.get(chosen.clip)
    example = TrainExample(chosen.clip, chosen.samples)
    prefix = encoder.frames_prefix(frames)
    sequence = share_prefix(prefix, sample_tokens(encoder, example, settings))
    decode = loaded.processor.tokenizer.decode
    pieces = []
    for segment in range(int(sequence.segments.max()) + 1):
        here = sequence.segments == segment
        ids, supervised = sequence.input_ids[here], sequence.labels[here] != IGNORE_INDEX
        given, target = decode(ids[~supervised].tolist()), decode(ids[supervised].tolist())
        name = (
            "prefix, shared by all samples"
            if segment == 0
            else f"sample {segment}: {example.samples[segment - 1].sample_id}"
        )
        heading = f"--- {name} ({len(ids)} tokens, {int(supervised.sum())} supervised)"
        pieces.append(f"{heading}\n{given}" + (f"[[{target}]]" if target else ""))
    return "\n".join(pieces)
