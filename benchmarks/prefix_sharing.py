"""How much faster a training step is with shared prefixes than with a sequence for every sample.

    python -m benchmarks.prefix_sharing

Both ways run in turns in one process, on the same weights, samples and frames, and give the same loss;
the table gives their ratio. It is written into docs/benchmarks.md between the marks.
"""

import argparse
import statistics
import time
from collections.abc import Callable, Sequence

import numpy as np
import torch

from benchmarks.docs_table import write_table
from benchmarks.machine import processor_name
from tests.tiny_families import tiny_processor, tiny_qwen2_5_vl, tiny_qwen3_vl, train_tokenizer
from vlm_autodrive.models import SYSTEM_PROMPT, TINY_BASE, Encoder, LoadedModel, ModelCard, Prefix, load_model
from vlm_autodrive.models.cpu_speed import prefer_cpu_speed
from vlm_autodrive.models.families import find_family
from vlm_autodrive.training.loss import weighted_loss
from vlm_autodrive.training.prefix_sharing import SampleTokens, collate, share_prefix
from vlm_autodrive.video import SamplingSettings


def long_clip(model_type: str) -> tuple[LoadedModel, Encoder, Prefix, torch.Tensor, list[SampleTokens]]:
    """A 6-layer model of the family, 520 video tokens, and 8 samples of 50 tokens."""
    tokenizer = train_tokenizer([SYSTEM_PROMPT] * 50, vocabulary=400)
    patch = 14
    if model_type == "qwen3_vl":
        model = tiny_qwen3_vl(tokenizer, layers=6, patch_size=patch)
    else:
        model = tiny_qwen2_5_vl(tokenizer, layers=6, patch_size=patch)
    family = find_family(model_type)
    prefer_cpu_speed(model, family)
    processor = tiny_processor(tokenizer, model_type, patch)
    rows, columns, frames = 10, 26, 16  # 8 pairs of frames x 5 x 13 merged patches = 520 video tokens
    sampling = SamplingSettings(fps=4, max_frames=frames, height=rows * patch, width=columns * patch)
    card = ModelCard(name=model_type, sampling=sampling)
    loaded = LoadedModel(model.train(), processor, family, card, torch.device("cpu"))
    samples = [SampleTokens(list(range(10, 40)), list(range(50, 70))) for _ in range(8)]
    return (*_encode(loaded, frames, sampling), samples)


def demo_clip() -> tuple[LoadedModel, Encoder, Prefix, torch.Tensor, list[SampleTokens]]:
    """The demo's model and the samples that one of its visits takes."""
    loaded = load_model(TINY_BASE, device=torch.device("cpu"))
    loaded.model.train()
    lengths = ((17, 2), (25, 60), (8, 20), (8, 4))  # verdict, reasoning, a caption, a question
    samples = [SampleTokens(list(range(10, 10 + q)), list(range(100, 100 + t))) for q, t in lengths]
    return (*_encode(loaded, 16, loaded.card.sampling), samples)


def _encode(
    loaded: LoadedModel, frames: int, sampling: SamplingSettings
) -> tuple[LoadedModel, Encoder, Prefix, torch.Tensor]:
    encoder = Encoder(loaded)
    prefix = encoder.prefix(tuple(i * 0.3 for i in range(frames)), sampling.height, sampling.width)
    shape = (frames, sampling.height, sampling.width, 3)
    pixels = np.random.default_rng(0).integers(0, 256, shape, dtype=np.uint8)
    return loaded, encoder, prefix, encoder.pixel_values(pixels)


def measure(
    loaded: LoadedModel,
    encoder: Encoder,
    prefix: Prefix,
    pixels: torch.Tensor,
    samples: Sequence[SampleTokens],
    clips: int,
    rounds: int,
) -> tuple[float, float, float]:
    """Median seconds of a shared and of a separate step, taken in turns, and the relative difference of loss."""

    def step(groups: list[list[SampleTokens]]) -> Callable[[], float]:
        batch = collate([share_prefix(prefix, group) for group in groups], 0)
        vision = encoder.vision_inputs(pixels.repeat(len(groups), 1), torch.tensor([prefix.grid_thw] * len(groups)))

        def run() -> float:
            loaded.model.zero_grad()
            loss = weighted_loss(loaded.model, batch, vision)
            loss.backward()  # type: ignore[no-untyped-call]
            return float(loss.detach())

        return run

    shared = step([list(samples)] * clips)
    separate = step([[sample] for sample in samples] * clips)
    difference = abs(shared() - separate()) / separate()
    seconds: dict[int, list[float]] = {0: [], 1: []}
    for _ in range(rounds):
        for which, run in enumerate((shared, separate)):
            begun = time.perf_counter()
            run()
            seconds[which].append(time.perf_counter() - begun)
    return statistics.median(seconds[0]), statistics.median(seconds[1]), difference


def main() -> None:
    """Measure every shape and write the table."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--rounds", type=int, default=5)
    arguments = parser.parse_args()
    shapes = [
        ("Qwen2.5-VL, 6 layers, 520 video tokens, 8 samples of 50 tokens", long_clip("qwen2_5_vl"), 1),
        ("Qwen3-VL, 6 layers, 520 video tokens, 8 samples of 50 tokens", long_clip("qwen3_vl"), 1),
        ("the demo's model, clips and samples, batch size 24", demo_clip(), 24),
    ]
    lines = [
        "| model and shape | shared prefix, s per step | separate sequences, s per step | speed-up "
        "| relative difference of loss |",
        "|---|---|---|---|---|",
    ]
    for name, (loaded, encoder, prefix, pixels, samples), clips in shapes:
        shared, separate, difference = measure(loaded, encoder, prefix, pixels, samples, clips, arguments.rounds)
        line = f"| {name} | {shared:.3f} | {separate:.3f} | {separate / shared:.1f} | {difference:.0e} |"
        print(line, flush=True)
        lines.append(line)
    machine = f"{torch.get_num_threads()} threads of an {processor_name()}, no GPU, fp32, torch {torch.__version__}"
    lines.append(f"\nMachine: {machine}. `python -m benchmarks.prefix_sharing` makes this table.")
    write_table("prefix sharing", lines)


if __name__ == "__main__":
    main()
