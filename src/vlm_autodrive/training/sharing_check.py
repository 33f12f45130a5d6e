"""Can a model's items share a prefix? Found out by asking the model, not by a list of names.

Two items stand behind one prefix. Where tokens meet in attention only, the second reads the same whatever
the first says, and the same as if it were alone. Linear attention carries a state from token to token, and a
vision tower that reads the question sees another video; there it does not.
"""

from typing import Any

import numpy as np
import torch

from vlm_autodrive.models import Encoder, LoadedModel
from vlm_autodrive.progress import Reporter
from vlm_autodrive.training.attention import choose_attention, use_flex
from vlm_autodrive.training.batching import Layout
from vlm_autodrive.training.prefix_sharing import ItemTokens, pad_rows, predict, share_prefix
from vlm_autodrive.training.settings import TrainSettings
from vlm_autodrive.video import SamplingSettings

_FRAMES, _INTERVAL_S = 4, 0.25
_LEAK = 1e-3  # relative difference of logits between two rows of one shape, where attention alone leaves none
_NOISE = {torch.float32: 1e-3}  # between rows of two shapes, whose sums run in another order
_NOISE_IN_BFLOAT16 = 0.1


def choose_layout(
    model: Any, loaded: LoadedModel, encoder: Encoder, settings: TrainSettings, reporter: Reporter
) -> Layout:
    """How this model's clips and items are laid into rows, and its attention made ready for it.

    Args:
        model: What is trained: the loaded model or peft's wrapper of it.
        loaded: The model as it was loaded.
        encoder: Its encoder.
        settings: How it is trained.
        reporter: Told if items cannot share.

    Raises:
        UserError: If the attention that is asked for cannot train on this device.
    """
    attention = choose_attention(settings.attention, loaded.device)
    if not shares_exactly(model, loaded, encoder, settings.sampling or loaded.card.sampling):
        reporter.say(
            f"{loaded.card.name} mixes the items of a row by more than attention, so its items cannot share their "
            "clip's video: each is trained in a row of its own, with the same result and at several times the cost"
        )
        return Layout(share=False, attention="stock")
    if attention == "flex":
        use_flex(loaded.model.get_submodule(loaded.family.language_model))
    return Layout(share=True, attention=attention)


@torch.no_grad()
def shares_exactly(model: Any, loaded: LoadedModel, encoder: Encoder, sampling: SamplingSettings) -> bool:
    """Whether an item behind a shared prefix reads as it does alone, whatever stands before it."""
    shape = (_FRAMES, sampling.height, sampling.width, 3)
    pixels = np.random.default_rng(0).integers(0, 256, shape, dtype=np.uint8)
    prefix = encoder.prefix(tuple(i * _INTERVAL_S for i in range(_FRAMES)), *shape[1:3])
    vision = encoder.vision_inputs(encoder.pixel_values(pixels), torch.tensor([prefix.grid_thw]))
    vision = {name: value.to(loaded.device) for name, value in vision.items()}
    tokens = encoder.question("What happens?")
    asked = ItemTokens(tokens, [])
    one, other = ItemTokens(tokens, []), ItemTokens(tokens[::-1], [])

    def read(items: list[ItemTokens]) -> torch.Tensor:
        batch = pad_rows([share_prefix(prefix, items)], encoder.pad_id).to(loaded.device)
        row = batch.input_ids.shape[1]
        places = torch.arange(row - len(tokens), row, device=loaded.device)
        return predict(model, batch, vision, places).float()

    was_training = model.training
    model.eval()
    alone, first, second = read([asked]), read([one, asked]), read([other, asked])
    model.train(was_training)
    noise = _NOISE.get(next(model.parameters()).dtype, _NOISE_IN_BFLOAT16)
    return _apart(first, second) <= _LEAK and _apart(first, alone) <= noise


def _apart(one: torch.Tensor, other: torch.Tensor) -> float:
    return float((one - other).norm() / other.norm())
