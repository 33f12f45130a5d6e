"""How much faster our training step is than the stock Trainer's, and how long it waits for data.

    python -m benchmarks.training --write

Each cell of the table is one clip with its samples. The stock ``Trainer`` takes a sequence for each
sample, with a copy of the video of its own, through the stock model; ours takes them as the loop does. Both begin with
the same weights and have the same optimizer, and they take
their steps in turns in one process: ours behind each of the Trainer's.
Neither's time holds the making of its batch. The process keeps the memory that it has: on a virtual machine, taking it
anew from the system for every large tensor can cost more than the arithmetic, and noise more than that.
"""

import argparse
import os
import statistics
import sys
import tempfile
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from transformers import (
    AutoModelForImageTextToText,
    PrinterCallback,
    Trainer,
    TrainerCallback,
    TrainingArguments,
    logging,
)

from benchmarks.data_wait import Wait, measure_waits
from benchmarks.docs_table import write_table
from benchmarks.flops import stock_work, training_flops, work_of
from benchmarks.machine import processor_name
from benchmarks.steps import GRIDS, PATCH, TOKENIZER, BenchmarkExample, make_example, shared_batches
from tests.tiny_families import tiny_processor, tiny_qwen2_5_vl
from vlm_autodrive.models import Encoder, LoadedModel, load_model
from vlm_autodrive.progress import SILENT
from vlm_autodrive.training import TrainSettings
from vlm_autodrive.training.loop import accumulate_gradients
from vlm_autodrive.training.modules import prepare_model
from vlm_autodrive.training.optimizers import build_optimizers, optimizer_step

SETTINGS = TrainSettings(precision="fp32", lr_scheduler_type="constant", learning_rate=1e-4, warmup_steps=0.0)
ROW_TOKENS = 8192  # the Trainer's rows of one forward pass have no more tokens together; the rest accumulates
CPU = torch.device("cpu")


@dataclass(frozen=True)
class Cell:
    """What was measured of a clip with its samples.

    Attributes:
        video_tokens: Tokens of the video.
        samples: SFT samples of about 50 tokens.
        stock_s: Median seconds of the Trainer's step.
        ours_s: Median seconds of our step.
        stock_cpu_s: Median seconds of the processor, of all cores together, of the Trainer's step.
        ours_cpu_s: Likewise of our step.
        bound: How many times as many operations the Trainer's step needs.
        apart: Relative difference between the losses of the last step.
    """

    video_tokens: int
    samples: int
    stock_s: float
    ours_s: float
    stock_cpu_s: float
    ours_cpu_s: float
    bound: float
    apart: float

    @property
    def times(self) -> float:
        """How many times as fast ours is, by the clock."""
        return self.stock_s / self.ours_s


def save_model(folder: Path, layers: int) -> Path:
    """A Qwen2.5-VL with random weights."""
    tiny_qwen2_5_vl(TOKENIZER, layers=layers, patch_size=PATCH).save_pretrained(folder)
    tiny_processor(TOKENIZER, "qwen2_5_vl", PATCH).save_pretrained(folder)
    return folder


class OurStep:
    """Our training step on one clip."""

    def __init__(self, loaded: LoadedModel, encoder: Encoder, example: BenchmarkExample) -> None:
        self._model = prepare_model(loaded, SETTINGS, SILENT)
        self._optimizers = build_optimizers(self._model, loaded.family, SETTINGS)
        self.batches = shared_batches(encoder, example, "dense")

    def __call__(self) -> float:
        """Change the weights by the clip's gradients; the loss before."""
        made = accumulate_gradients(self._model, self.batches, CPU, SETTINGS)
        optimizer_step(self._optimizers, 0, 1, SETTINGS)
        return made.loss_sum / made.weight


class InTurns(TrainerCallback):  # type: ignore[misc]
    """Times the Trainer's steps, and takes one of ours behind each."""

    def __init__(self, ours: OurStep) -> None:
        self._ours = ours
        self.stock: list[tuple[float, float]] = []
        self.own: list[tuple[float, float]] = []
        self.loss = 0.0
        self._begun = (0.0, 0.0)

    def on_step_begin(self, *_: Any, **__: Any) -> None:
        """The Trainer has its batch."""
        self._begun = _clocks()

    def on_step_end(self, *_: Any, **__: Any) -> None:
        """The Trainer has changed the weights."""
        self.stock.append(_since(self._begun))
        begun = _clocks()
        self.loss = self._ours()
        self.own.append(_since(begun))


def _clocks() -> tuple[float, float]:
    return time.perf_counter(), time.process_time()


def _since(begun: tuple[float, float]) -> tuple[float, float]:
    return time.perf_counter() - begun[0], time.process_time() - begun[1]


class Rows(torch.utils.data.Dataset[dict[str, Any]]):
    """A sequence for each sample, as many times over as there are steps."""

    def __init__(self, rows: list[dict[str, Any]], steps: int) -> None:
        self._rows, self._steps = rows, steps

    def __len__(self) -> int:
        return len(self._rows) * self._steps

    def __getitem__(self, number: int) -> dict[str, Any]:
        return self._rows[number % len(self._rows)]


def stock_rows(encoder: Encoder, example: BenchmarkExample) -> list[dict[str, Any]]:
    """What the stock processor makes of each sample with the video.

    The positions are given, since the stock model's own begin text on top of a video of so many frames.
    """
    prefix, video_pad = example.prefix, TOKENIZER.token_to_id("<|video_pad|>")
    rows = []
    for sample in example.samples:
        ids = torch.cat([prefix.input_ids, torch.tensor(sample.question + sample.target)])
        behind = prefix.next_position + torch.arange(len(ids) - len(prefix.input_ids))
        learned = torch.arange(len(ids)) >= len(ids) - len(sample.target)
        rows.append(
            {
                "input_ids": ids,
                "labels": torch.where(learned, ids, -100),
                "mm_token_type_ids": 2 * (ids == video_pad),
                "position_ids": torch.cat([prefix.position_ids, behind.expand(3, -1)], dim=1),
                **encoder.vision_inputs(example.pixels, torch.tensor([prefix.grid_thw])),
            }
        )
    return rows


_PER_ROW = {"input_ids": 0, "labels": 0, "mm_token_type_ids": 0, "position_ids": 1}
"""The tensors that have an axis of rows, and which it is; the others are joined."""


def collate(rows: Sequence[dict[str, Any]]) -> dict[str, torch.Tensor]:
    """A batch: rows of one length, so that none is padded, and all videos' patches behind one another."""
    batch = {key: torch.cat([row[key] for row in rows]) for key in rows[0] if key not in _PER_ROW}
    return batch | {key: torch.stack([row[key] for row in rows], dim=dim) for key, dim in _PER_ROW.items()}


def measure(folder: Path, video_tokens: int, samples: int, rounds: int) -> Cell:
    """Take steps of both in turns; the first of each is not counted."""
    loaded = load_model(str(folder), CPU, torch.float32)
    encoder = Encoder(loaded)
    example = make_example(encoder, video_tokens, samples)
    ours = OurStep(loaded, encoder, example)
    stock = AutoModelForImageTextToText.from_pretrained(folder, dtype=torch.float32, attn_implementation="sdpa")
    rows = stock_rows(encoder, example)
    tokens = len(rows[0]["input_ids"])
    together = next(n for n in range(samples, 0, -1) if samples % n == 0 and (n == 1 or n * tokens <= ROW_TOKENS))
    turns = InTurns(ours)
    with tempfile.TemporaryDirectory() as out:
        arguments = TrainingArguments(
            output_dir=out, max_steps=rounds + 1, per_device_train_batch_size=together,
            gradient_accumulation_steps=samples // together, max_grad_norm=SETTINGS.max_grad_norm,
            learning_rate=SETTINGS.learning_rate, lr_scheduler_type="constant", save_strategy="no", report_to="none",
            logging_steps=1, disable_tqdm=True, remove_unused_columns=False, use_cpu=True,
            train_sampling_strategy="sequential",
        )  # fmt: skip
        [optimizer] = build_optimizers(stock, loaded.family, SETTINGS)
        trainer = Trainer(
            stock, arguments, collate, Rows(rows, rounds + 1), callbacks=[turns], optimizers=(optimizer, None)
        )
        trainer.remove_callback(PrinterCallback)
        trainer.train()
    loss = trainer.state.log_history[rounds]["loss"]
    work = stock_work(samples, tokens, example.prefix.grid_thw)
    bound = training_flops(loaded.model, work) / training_flops(loaded.model, work_of(ours.batches))
    medians = [statistics.median(figures) for way in (turns.stock, turns.own) for figures in zip(*way[1:], strict=True)]
    return Cell(
        video_tokens, samples, stock_s=medians[0], stock_cpu_s=medians[1], ours_s=medians[2], ours_cpu_s=medians[3],
        bound=bound, apart=abs(turns.loss - loss) / loss,
    )  # fmt: skip


def table(cells: Sequence[Cell]) -> list[str]:
    """The measured cells as lines of a table."""
    lines = [
        "| video tokens | samples | Trainer, samples/s | ours, samples/s | speed-up | speed-up in CPU time "
        "| bound by operations | speed-up / bound | relative difference of loss |",
        "|---|---|---|---|---|---|---|---|---|",
    ]
    return lines + [
        f"| {cell.video_tokens} | {cell.samples} "
        f"| {cell.samples / cell.stock_s:.2f} | {cell.samples / cell.ours_s:.2f} "
        f"| {cell.times:.2f} | {cell.stock_cpu_s / cell.ours_cpu_s:.2f} | {cell.bound:.2f} "
        f"| {100 * cell.times / cell.bound:.0f} % | {cell.apart:.0e} |"
        for cell in cells
    ]


def wait_table(waits: Sequence[Wait]) -> list[str]:
    """How long the loop waited, as lines of a table."""
    lines = ["| epoch | steps | s per step | waiting for data |", "|---|---|---|---|"]
    return lines + [
        f"| {wait.name} | {wait.steps} | {wait.step_s:.2f} | {100 * wait.share:.1f} % of the time |" for wait in waits
    ]


def keep_memory() -> None:
    """Start again with an allocator that gives nothing back to the system."""
    if "MALLOC_MMAP_MAX_" not in os.environ:
        wanted = {"MALLOC_MMAP_MAX_": "0", "MALLOC_TRIM_THRESHOLD_": str(1 << 40), "MALLOC_TOP_PAD_": str(1 << 28)}
        command = [sys.executable, "-m", "benchmarks.training", *sys.argv[1:]]
        os.execve(sys.executable, command, {**os.environ, **wanted})


def main() -> None:
    """Measure, print the tables, and write them into the docs if asked."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--samples", type=int, nargs="*", default=[1, 2, 4, 8, 16])
    parser.add_argument("--video-tokens", type=int, nargs="*", default=[128, 520, 2048], choices=list(GRIDS))
    parser.add_argument("--rounds", type=int, default=5, help="Steps of each, of which the median is taken.")
    parser.add_argument("--clips", type=int, default=24, help="Clips by which the wait for data is measured; 0: none.")
    parser.add_argument("--layers", type=int, default=6, help="Of the language model.")
    parser.add_argument("--write", action="store_true", help="Put the tables into docs/benchmarks.md.")
    arguments = parser.parse_args()
    keep_memory()
    logging.set_verbosity_error()
    logging.disable_progress_bar()
    with tempfile.TemporaryDirectory() as work:
        folder = save_model(Path(work) / "model", arguments.layers)
        cells = []
        for video_tokens in arguments.video_tokens:
            for samples in arguments.samples:
                cells.append(measure(folder, video_tokens, samples, arguments.rounds))
                print(table(cells)[-1], flush=True)
        lines = table(cells)
        if arguments.clips:
            waits = wait_table(measure_waits(folder, Path(work), arguments.clips))
            print("\n".join(waits))
            lines += ["", *waits]
    lines.append(
        f"\nMachine: {torch.get_num_threads()} threads of an {processor_name()}, no GPU, fp32, torch "
        f"{torch.__version__}, 1-minute load {os.getloadavg()[0]:.1f} at the end, of which this program accounts "
        f"for two; medians of {arguments.rounds} rounds. `python -m benchmarks.training --write` makes these tables."
    )
    if arguments.write:
        write_table("training", lines)


if __name__ == "__main__":
    main()
