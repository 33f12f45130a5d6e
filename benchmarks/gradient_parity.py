"""How far apart are the gradients of shared and separate sequences by rounding alone, at which depth of a model?

    python -m benchmarks.gradient_parity --write

For models with random weights of 1 to 36 layers, in float32, the check of `models check` is made three times with
other weights: the largest ratio of a gradient's difference to its norm, beside the tolerance. Then once more with a
fault, and a small one: each sample begins one position late.
"""

import argparse
from dataclasses import replace
from typing import Any

import torch
from transformers import AutoConfig, AutoModelForImageTextToText

from benchmarks.docs_table import write_table
from tests.tiny_models import saved_tiny_model
from vlm_autodrive.models import Encoder, LoadedModel, read_card, short_model
from vlm_autodrive.training.model_check import passes_of_check
from vlm_autodrive.training.parity import compare_passes, rounding_tolerance

FAMILIES = ("qwen2_5_vl", "qwen3_vl")
LAYERS = (1, 4, 12, 36)
SEEDS = 3


def deep_model(family: str, layers: int, seed: int) -> LoadedModel:
    """The family's tiny model with random weights and more layers."""
    folder = saved_tiny_model(family)
    loaded = short_model(str(folder), 1)
    config: Any = AutoConfig.from_pretrained(folder)
    config.text_config.num_hidden_layers = layers
    if getattr(config.text_config, "layer_types", None):
        config.text_config.layer_types = ["full_attention"] * layers
    torch.manual_seed(seed)
    built = AutoModelForImageTextToText.from_config(config, dtype=torch.float32, attn_implementation="sdpa")
    return LoadedModel(built.eval(), loaded.processor, loaded.family, read_card(str(folder)), loaded.device)


def ratios(family: str, layers: int) -> tuple[float, float, float]:
    """The largest ratio by rounding, the tolerance, and the smallest ratio with the fault."""
    by_rounding, by_fault, tolerance = [], [], 0.0
    for seed in range(SEEDS):
        loaded = deep_model(family, layers, seed)
        encoder = Encoder(loaded)
        sampling = loaded.card.sampling
        tolerance = rounding_tolerance(loaded.model.config)
        by_rounding.append(compare_passes(loaded.model, *passes_of_check(encoder, sampling)).largest_ratio)
        [(shared, vision)], separate = passes_of_check(encoder, sampling)
        late = shared.position_ids + (shared.segments != shared.prefix_segments)
        faulty = [(replace(shared, position_ids=late), vision)]
        by_fault.append(compare_passes(loaded.model, faulty, separate).largest_ratio)
    return max(by_rounding), tolerance, min(by_fault)


def main() -> None:
    """Measure, print, and write the table if it is asked for."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--write", action="store_true", help="write the table into docs/benchmarks.md")
    asked = parser.parse_args()
    torch.set_num_threads(1)
    lines = ["| family | layers | by rounding | tolerance | with the fault |", "|---|---|---|---|---|"]
    for family in FAMILIES:
        for layers in LAYERS:
            lines.append("| {} | {} | {:.1e} | {:.1e} | {:.1e} |".format(family, layers, *ratios(family, layers)))
            print(lines[-1], flush=True)
    if asked.write:
        write_table("gradient parity", lines)


if __name__ == "__main__":
    main()
