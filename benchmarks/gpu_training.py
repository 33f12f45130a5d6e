"""Speed, use of the GPU and memory of training steps at the size of a Qwen2.5-VL-3B and 7B with random weights.

    python -m benchmarks.gpu_training --write

One clip with its samples per step, in three ways: a sequence and a forward pass for every sample (separate), samples
each with a copy of the video, packed into sequences as long as allowed (packed), and all samples behind one copy
(shared). All compute the same loss. bfloat16, gradient checkpointing, all weights trained, AdamW. The model's
operations are counted without
what checkpointing computes again and without masked pairs of tokens (``flops.py``), for each way what it has to
compute. Without a GPU, a tiny shape shows that it runs, and no more.
"""

import argparse
import datetime
import gc
import statistics
import time
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import torch
from transformers import Qwen2_5_VLConfig, Qwen2_5_VLForConditionalGeneration

from benchmarks.docs_table import write_table
from benchmarks.flops import training_flops, work_of
from benchmarks.machine import processor_name
from benchmarks.steps import (
    GRIDS,
    PATCH,
    TOKENIZER,
    make_example,
    packed_batches,
    sampling_of,
    separate_batches,
    shared_batches,
)
from tests.tiny_families import tiny_processor, tiny_qwen2_5_vl
from vlm_autodrive.models import Encoder, LoadedModel, ModelCard, default_device
from vlm_autodrive.models.cpu_speed import prefer_cpu_speed
from vlm_autodrive.models.families import find_family
from vlm_autodrive.progress import SILENT
from vlm_autodrive.training import TrainSettings
from vlm_autodrive.training.attention import choose_attention, use_flex
from vlm_autodrive.training.loop import accumulate_gradients
from vlm_autodrive.training.modules import prepare_model
from vlm_autodrive.training.optimizers import build_optimizers, optimizer_step
from vlm_autodrive.training.packing import TrainBatch

SETTINGS = TrainSettings(learning_rate=1e-6, lr_scheduler_type="constant", gradient_checkpointing=True)
PEAK_TFLOPS = {"H200": 989.0, "H100": 989.0, "A100": 312.0, "L40S": 362.0}
"""Dense bfloat16 operations a second that the makers name, in 10^12, by a part of the GPU's name."""
WAYS = ("separate", "packed", "shared")

# From the models' published config.json, https://huggingface.co/Qwen/Qwen2.5-VL-7B-Instruct and -3B-Instruct.
_TEXT_7B = {
    "hidden_size": 3584, "intermediate_size": 18944, "num_hidden_layers": 28, "num_attention_heads": 28,
    "num_key_value_heads": 4, "vocab_size": 152064, "tie_word_embeddings": False,
}  # fmt: skip
_TEXT_3B = {
    "hidden_size": 2048, "intermediate_size": 11008, "num_hidden_layers": 36, "num_attention_heads": 16,
    "num_key_value_heads": 2, "vocab_size": 151936, "tie_word_embeddings": True,
}  # fmt: skip
_ROPE = {"rope_type": "default", "rope_theta": 1e6, "mrope_section": [16, 24, 24]}
_VISION = {
    "depth": 32, "hidden_size": 1280, "intermediate_size": 3420, "num_heads": 16, "patch_size": PATCH,
    "spatial_merge_size": 2, "temporal_patch_size": 2, "window_size": 112, "fullatt_block_indexes": [7, 15, 23, 31],
    "tokens_per_second": 2,
}  # fmt: skip
SHAPES: dict[str, dict[str, Any]] = {"3B": _TEXT_3B, "7B": _TEXT_7B}


@dataclass(frozen=True)
class Cell:
    """What was measured of one way.

    Attributes:
        shape: The model's.
        video_tokens: Tokens of the video.
        samples: Items of 50 tokens.
        way: How they were packed.
        step_s: Median seconds of a step; None if the GPU's memory did not suffice.
        tflops: Operations that a step needs, in 10^12.
        peak_gb: Most memory that was in use on the GPU; None without one.
    """

    shape: str
    video_tokens: int
    samples: int
    way: str
    step_s: float | None
    tflops: float
    peak_gb: float | None


def build(shape: str, device: torch.device) -> LoadedModel:
    """A model with random weights: ``tiny``, or of a published shape."""
    family = find_family("qwen2_5_vl")
    model: Any
    if shape == "tiny":
        model = tiny_qwen2_5_vl(TOKENIZER, patch_size=PATCH)
    else:
        text = SHAPES[shape]
        special = {
            f"{name}_token_id": TOKENIZER.token_to_id(f"<|{name}|>") for name in ("vision_start", "vision_end")
        } | {f"{name}_token_id": TOKENIZER.token_to_id(f"<|{name}_pad|>") for name in ("image", "video")}
        config = Qwen2_5_VLConfig(
            text_config={**text, "max_position_embeddings": 128000, "rope_parameters": _ROPE},
            vision_config={**_VISION, "out_hidden_size": text["hidden_size"]},
            tie_word_embeddings=text["tie_word_embeddings"],
            dtype="bfloat16",
            **special,
        )
        with torch.device(device):
            model = Qwen2_5_VLForConditionalGeneration._from_config(config, dtype=torch.bfloat16)
    if device.type == "cpu":
        prefer_cpu_speed(model, family)
    card = ModelCard(name=shape, sampling=sampling_of(min(GRIDS)))
    return LoadedModel(model.to(device), tiny_processor(TOKENIZER, "qwen2_5_vl", PATCH), family, card, device)


def measure(loaded: LoadedModel, video_tokens: int, samples: int, pack_to_tokens: int, rounds: int) -> list[Cell]:
    """Steps of all three ways in turns; the first of each is not counted."""
    encoder = Encoder(loaded)
    example = make_example(encoder, video_tokens, samples)
    model = prepare_model(loaded, SETTINGS, SILENT)
    optimizers = build_optimizers(model, loaded.family, SETTINGS)
    language = loaded.model.get_submodule(loaded.family.language_model)
    stock = language.config._attn_implementation
    attention = choose_attention("auto", loaded.device)
    batches = {
        "separate": separate_batches(encoder, example),
        "packed": packed_batches(encoder, example, attention, pack_to_tokens),
        "shared": shared_batches(encoder, example, attention),
    }
    seconds: dict[str, list[float]] = {way: [] for way in WAYS}
    peaks: dict[str, float | None] = dict.fromkeys(WAYS)
    full: set[str] = set()
    for number in range(rounds + 1):
        for way in WAYS:
            if way in full:
                continue
            language.config._attn_implementation = stock
            if way != "separate" and attention == "flex":
                use_flex(language)
            try:
                step_s, peaks[way] = _timed(model, batches[way], optimizers, loaded.device)
            except torch.OutOfMemoryError:
                full.add(way)
                _forget(optimizers)
                continue
            if number:
                seconds[way].append(step_s)
    language.config._attn_implementation = stock
    return [
        Cell(
            loaded.card.name, video_tokens, samples, way, None if way in full else statistics.median(seconds[way]),
            training_flops(loaded.model, work_of(batches[way])) / 1e12, peaks[way],
        )
        for way in WAYS
    ]  # fmt: skip


def _timed(
    model: Any, batches: Sequence[TrainBatch], optimizers: list[torch.optim.Optimizer], device: torch.device
) -> tuple[float, float | None]:
    """Seconds of a step, and its peak of memory in GB."""
    on_gpu = device.type == "cuda"
    if on_gpu:
        torch.cuda.reset_peak_memory_stats()
        torch.cuda.synchronize()
    begun = time.perf_counter()
    accumulate_gradients(model, batches, device, SETTINGS)
    optimizer_step(optimizers, 0, 1, SETTINGS)
    if on_gpu:
        torch.cuda.synchronize()
    return time.perf_counter() - begun, torch.cuda.max_memory_allocated() / 1e9 if on_gpu else None


def _forget(optimizers: list[torch.optim.Optimizer]) -> None:
    for optimizer in optimizers:
        optimizer.zero_grad(set_to_none=True)
    gc.collect()
    torch.cuda.empty_cache()


def peak_tflops(name: str) -> float | None:
    """What the maker names for a GPU of this name; None if it is not in the list."""
    return next((peak for part, peak in PEAK_TFLOPS.items() if part in name), None)


def table(cells: Sequence[Cell], peak: float | None) -> list[str]:
    """The measured cells as lines of a table.

    Args:
        cells: In threes, the ways of one clip one after another, the separate one first.
        peak: Operations a second that the GPU can do, in 10^12; None if unknown.
    """
    lines = [
        "| model | video tokens | samples | method | s per step | samples/s | speed-up | 10^12 operations per step "
        "| model FLOP utilisation | peak memory, GB |",
        "|---|---|---|---|---|---|---|---|---|---|",
    ]
    separate_s: float | None = None
    for cell in cells:
        if cell.way == WAYS[0]:
            separate_s = cell.step_s
        head = f"| {cell.shape} | {cell.video_tokens} | {cell.samples} | {cell.way} | "
        if cell.step_s is None:
            lines.append(f"{head}out of memory | - | - | {cell.tflops:.3g} | - | - |")
            continue
        times = "-" if separate_s is None else f"{separate_s / cell.step_s:.2f}"
        used = "-" if peak is None else f"{100 * cell.tflops / cell.step_s / peak:.0f} %"
        memory = "-" if cell.peak_gb is None else f"{cell.peak_gb:.1f}"
        lines.append(
            f"{head}{cell.step_s:.3g} | {cell.samples / cell.step_s:.3g} | {times} | {cell.tflops:.3g} | {used} "
            f"| {memory} |"
        )
    return lines


def main() -> None:
    """Measure, print the table, and write it into the docs if asked."""
    device = default_device()
    on_gpu = device.type == "cuda"
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--shapes", nargs="*", choices=["tiny", *SHAPES], default=list(SHAPES) if on_gpu else ["tiny"])
    parser.add_argument(
        "--video-tokens", type=int, nargs="*", choices=list(GRIDS), default=[4096, 8192] if on_gpu else [128]
    )
    parser.add_argument("--samples", type=int, nargs="*", default=[8])
    parser.add_argument("--pack-to-tokens", type=int, default=32768, help="The longest packed sequence.")
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--peak-tflops", type=float, help="Of the GPU, dense bfloat16; for one that is not listed.")
    parser.add_argument("--write", action="store_true", help="Put the table into docs/benchmarks.md.")
    arguments = parser.parse_args()
    name = torch.cuda.get_device_name() if on_gpu else f"no GPU, {processor_name()}"
    peak = arguments.peak_tflops or peak_tflops(name)
    cells = []
    for shape in arguments.shapes:
        loaded = build(shape, device)
        for video_tokens in arguments.video_tokens:
            for samples in arguments.samples:
                cells += measure(loaded, video_tokens, samples, arguments.pack_to_tokens, arguments.rounds)
                print("\n".join(table(cells, peak)[-3:]), flush=True)
        del loaded
        gc.collect()
        torch.cuda.empty_cache()
    lines = table(cells, peak)
    lines.append(
        f"\nMachine: {name}, torch {torch.__version__}, {datetime.date.today()}; operations per second by its maker: "
        f"{'unknown' if peak is None else f'{peak:g} x 10^12'}. Medians of {arguments.rounds} rounds. "
        "`python -m benchmarks.gpu_training --write` makes this table."
    )
    if arguments.write:
        write_table("gpu training", lines)


if __name__ == "__main__":
    main()
