"""How long does the faster of two training processes wait for the other, with clips shared by number and by cost?

    python -m benchmarks.rank_sharing --write

Two processes that meet over gloo, each with one thread, compute forward and backward passes of the same steps of clips
of mixed lengths: in turns with every second clip of the step, in the order in which they were drawn, and with the share
that :meth:`Rank.share` gives. Both begin each step together. The frames are noise, and nothing is decoded.
"""

import argparse
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
import torch
import torch.distributed as dist

from benchmarks.docs_table import write_table
from benchmarks.machine import processor_name
from tests.tiny_families import tiny_processor, tiny_qwen3_vl, train_tokenizer
from tests.training.noise import NoiseCache, noise_example
from vlm_autodrive.models import SYSTEM_PROMPT, Encoder, LoadedModel, ModelCard
from vlm_autodrive.models.cpu_speed import prefer_cpu_speed
from vlm_autodrive.models.families import find_family
from vlm_autodrive.training import TrainSettings
from vlm_autodrive.training.example_costs import ExampleCosts
from vlm_autodrive.training.loop import accumulate_gradients
from vlm_autodrive.training.packing import Packing, TrainBatch, build_batches
from vlm_autodrive.training.processes import Rank, spawned
from vlm_autodrive.training.sampler import TrainExample
from vlm_autodrive.video import SamplingSettings

WORLD = 2
LENGTHS_S = ((2.0, 5.0, 10.0, 30.0), (0.4, 0.3, 0.2, 0.1))
"""Lengths of clips in seconds, and how often each is drawn."""
PATCH = 14
SAMPLING = SamplingSettings(fps=2.0, max_frames=60, height=4 * PATCH, width=8 * PATCH)
SETTINGS = TrainSettings(precision="fp32", micro_batch_size=1, sampling=SAMPLING)
CPU = torch.device("cpu")


@dataclass(frozen=True)
class Idle:
    """What one way of sharing leaves idle.

    Attributes:
        computed: Share of the two processes' time, by the costs of the examples.
        measured: Share of their time.
        cpu: Share of their time, if each second of the processor that one uses more is one that the other waits.
        waited_s: Seconds that the faster process waits in a step, on average.
        step_s: Seconds of a step, on average.
    """

    computed: float
    measured: float
    cpu: float
    waited_s: float
    step_s: float


def make_model() -> LoadedModel:
    """A Qwen3-VL of four layers, with the same random weights in every process."""
    tokenizer = train_tokenizer([SYSTEM_PROMPT] * 50, vocabulary=400)
    torch.manual_seed(0)
    model, family = tiny_qwen3_vl(tokenizer, layers=4, patch_size=PATCH), find_family("qwen3_vl")
    prefer_cpu_speed(model, family)
    processor = tiny_processor(tokenizer, "qwen3_vl", PATCH)
    return LoadedModel(model.train(), processor, family, ModelCard(name="qwen3_vl", sampling=SAMPLING), CPU)


def draw_step(step: int, clips: int) -> list[TrainExample]:
    """The examples of a step."""
    lengths, odds = LENGTHS_S
    drawn = np.random.default_rng(step).choice(lengths, clips, p=odds)
    return [noise_example(f"{step}-{number}", float(seconds)) for number, seconds in enumerate(drawn)]


def compute(rank: Rank, steps: int, clips: int) -> list[list[tuple[float, float, float]]]:
    """Compute each step in both ways: for each, the computed cost and the seconds of the clock and of the processor."""
    loaded = make_model()
    encoder = Encoder(loaded)
    costs = ExampleCosts(loaded.model, loaded, encoder, Packing(), SETTINGS)
    ways: list[Callable[[Sequence[TrainExample]], list[TrainExample]]] = [
        lambda examples: list(examples[rank.number :: rank.world]),
        lambda examples: rank.share(examples, costs),
    ]
    measured: list[list[tuple[float, float, float]]] = [[] for _ in ways]
    for step in range(-1, steps):  # the first is not counted
        examples = draw_step(max(step, 0), clips)
        for number, share in enumerate(ways):
            mine = share(examples)
            batches = build_batches(encoder, NoiseCache(SAMPLING), mine, SETTINGS, Packing())  # type: ignore[arg-type]
            dist.barrier()
            seconds = _timed(loaded, batches)
            if step >= 0:
                measured[number].append((float(sum(map(costs, mine))), *seconds))
    return measured


def _timed(loaded: LoadedModel, batches: Sequence[TrainBatch]) -> tuple[float, float]:
    """Seconds of the clock and of the processor for this process's passes, without the all-reduce after them."""
    loaded.model.zero_grad()
    begun, begun_cpu = time.perf_counter(), time.process_time()
    accumulate_gradients(loaded.model, batches, CPU, SETTINGS)
    return time.perf_counter() - begun, time.process_time() - begun_cpu


def compute_and_send(rank: Rank, steps: int, clips: int) -> list[list[list[tuple[float, float, float]]]]:
    """What every process measured, in each of them."""
    gathered: list[list[list[tuple[float, float, float]]]] = [[] for _ in range(rank.world)]
    dist.all_gather_object(gathered, compute(rank, steps, clips))
    return gathered


def idle_of(processes: Sequence[Sequence[tuple[float, float, float]]]) -> Idle:
    """What the steps of some processes leave idle together."""
    figures = np.array(processes)  # [processes, steps, 3]
    longest = figures.max(axis=0).sum(axis=0)
    computed, measured, cpu = 1 - figures.sum(axis=(0, 1)) / (len(processes) * longest)
    waited = (figures.max(axis=0) - figures.min(axis=0)).mean(axis=0)
    return Idle(computed, measured, cpu, float(waited[1]), float(longest[1] / figures.shape[1]))


def table(ways: Sequence[tuple[str, Idle]], steps: int, clips: int) -> list[str]:
    """The table, and what stands below it."""
    lines = [
        "| clips are shared | idle by computed cost | idle, measured | idle, by CPU seconds | "
        "the faster waits, s per step | s per step |",
        "|---|---|---|---|---|---|",
    ]
    for name, idle in ways:
        shares = " | ".join(f"{100 * share:.1f} %" for share in (idle.computed, idle.measured, idle.cpu))
        lines.append(f"| {name} | {shares} | {idle.waited_s:.2f} | {idle.step_s:.2f} |")
    lengths = ", ".join(f"{seconds:g}" for seconds in LENGTHS_S[0])
    odds = ", ".join(f"{100 * share:.0f}" for share in LENGTHS_S[1])
    return [
        *lines,
        "",
        f"{steps} steps of {clips} clips of {lengths} s ({odds} % of them) at {SAMPLING.fps:g} frames per second, one "
        f"clip in a pass, a Qwen3-VL of 4 layers; two processes of one thread each, gloo, {processor_name()}. "
        "Simulated clips: the frames are noise. `python -m benchmarks.rank_sharing --write` makes this table.",
    ]


def main() -> None:
    """Measure, print, and write the table if it is asked for."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--write", action="store_true", help="write the table into docs/benchmarks.md")
    parser.add_argument("--steps", type=int, default=16)
    parser.add_argument("--clips", type=int, default=8, help="clips of a step")
    asked = parser.parse_args()
    torch.set_num_threads(WORLD)
    with spawned(WORLD, compute_and_send, (asked.steps, asked.clips)) as rank:
        gathered = compute_and_send(rank, asked.steps, asked.clips)
    names = ("by number, each the next one", "by cost")
    ways = [(name, idle_of([each[number] for each in gathered])) for number, name in enumerate(names)]
    lines = table(ways, asked.steps, asked.clips)
    print("\n".join(lines))
    if asked.write:
        write_table("rank sharing", lines)


if __name__ == "__main__":
    main()
