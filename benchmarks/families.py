"""Does a tiny model of each family learn to tell collisions, from nothing but simulated clips?

    python -m benchmarks.families --write

The whole way by the stages themselves: drives are simulated and cut into clips, a model with random weights is trained
on the direct verdict, and before and after it is asked about held-out clips. The clips are easy on purpose, 1.2 s
right behind the event, so that a few hundred steps of a model with half a million weights are enough. It shows that a
family's gradients teach it what they should, and nothing of what a model of full size would reach.
"""

import argparse
import tempfile
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from transformers import logging

from benchmarks.docs_table import write_table
from benchmarks.machine import processor_name
from tests.tiny_families import (
    tiny_internvl,
    tiny_processor,
    tiny_qwen2_5_vl,
    tiny_qwen3_5,
    tiny_qwen3_vl,
    train_tokenizer,
)
from vlm_autodrive.artifacts import read_clips, write_clips, writing_artifact
from vlm_autodrive.clips import ClipSettings, build_clips
from vlm_autodrive.clips.settings import SplitFractions
from vlm_autodrive.datasets import ImportSettings, import_dataset
from vlm_autodrive.evaluation import CompareSettings, EvaluateSettings, compare, evaluate
from vlm_autodrive.evaluation.compare_stage import COMPARISON_FILE
from vlm_autodrive.evaluation.score.records import Comparison
from vlm_autodrive.metrics import Estimate
from vlm_autodrive.models import SYSTEM_PROMPT, ModelCard, verdict_prompt, write_card
from vlm_autodrive.records import DEFAULT_TAXONOMY, Clip
from vlm_autodrive.settings import Settings
from vlm_autodrive.simulation import SimulateSettings, simulate
from vlm_autodrive.supervision import SuperviseSettings, supervise
from vlm_autodrive.training import TrainSettings, train
from vlm_autodrive.training.logs import LOG_FILE
from vlm_autodrive.video import SamplingSettings

FRAMES, WINDOW_S, BEHIND_S = 4, 1.2, 0.2  # windows begin so long behind the event, and all frames show what came of it
VIDEO_S = 6.0
PATCH = 14
FAMILIES: dict[str, tuple[Callable[..., Any], tuple[int, int]]] = {
    "qwen2_5_vl": (tiny_qwen2_5_vl, (4, 6)),
    "qwen3_vl": (
        lambda tokenizer, **how: tiny_qwen3_vl(tokenizer, hidden=96, layers=2, vision_hidden=64, vision_depth=2, **how),
        (4, 6),
    ),
    "internvl": (tiny_internvl, (4, 4)),
    "qwen3_5": (tiny_qwen3_5, (4, 6)),
}
"""How each is built, and the rows and columns of patches in its frames."""


@dataclass(frozen=True)
class Data:
    """Simulated clips.

    Attributes:
        clips: The clip set, of which a quarter of the triplets is held out.
        supervision: The direct verdicts of the others.
    """

    clips: Path
    supervision: Path


@dataclass(frozen=True)
class Learnt:
    """What a family learnt.

    Attributes:
        family: Its name.
        weights: Of the model.
        steps: Of training.
        seconds: Of training.
        before: Macro-F1 of the direct verdict on held-out clips, with random weights.
        after: After training.
        gain: The difference, paired by clip.
    """

    family: str
    weights: int
    steps: int
    seconds: float
    before: Estimate
    after: Estimate
    gain: Estimate


def make_data(work: Path, triplets: int) -> Data:
    """Simulate and cut clips: of each triplet a Collision, a Near-Collision and a Normal one."""
    simulated, catalog, clips, supervision = (work / name for name in ("simulated", "catalog", "clips", "supervision"))
    simulate(
        simulated,
        SimulateSettings(triplets=triplets, singles=0, video_duration_s=VIDEO_S, width=160, height=90, seed=11),
    )
    import_dataset("nexar", simulated, catalog, ImportSettings())
    split = SplitFractions(train=0.75, validation=0.0, test=0.25)
    cut = work / "cut"
    build_clips(catalog, cut, ClipSettings(window_s=2 * WINDOW_S, edge_margin_s=0.3, split=split, split_by="count"))
    with writing_artifact(clips, "clips", {"cut": cut}, Settings()) as folder:
        if folder is not None:
            write_clips(folder, clips, DEFAULT_TAXONOMY, [_behind_event(clip) for clip in read_clips(cut)])
    supervise(clips, supervision, SuperviseSettings(types=("verdict",)))
    return Data(clips, supervision)


def _behind_event(clip: Clip) -> Clip:
    """The part of a clip that shows what came of its event; of a Normal one its first part."""
    start_s = clip.start_s
    if clip.event_time_s is not None:
        start_s = min(start_s + clip.event_time_s + BEHIND_S, VIDEO_S - WINDOW_S)
    moved = {
        "start_s": start_s,
        "end_s": start_s + WINDOW_S,
        "event_time_s": None,
        "alert_time_s": None,
        "scenario": None,
    }
    return clip.model_copy(update=moved)


def build_model(family: str, folder: Path) -> int:
    """Save a model with random weights; how many."""
    build, (rows, columns) = FAMILIES[family]
    texts = [verdict_prompt(DEFAULT_TAXONOMY).text, SYSTEM_PROMPT, "Times of the frames: "]
    tokenizer = train_tokenizer(texts * 20, 600, family)
    model = build(tokenizer, patch_size=PATCH)
    model.save_pretrained(folder)
    tiny_processor(tokenizer, family, PATCH).save_pretrained(folder)
    sampling = SamplingSettings(n_frames=FRAMES, max_frames=FRAMES, height=rows * PATCH, width=columns * PATCH)
    write_card(folder, ModelCard(name=f"tiny-{family}", sampling=sampling))
    return sum(p.numel() for p in model.parameters())


def learn(family: str, data: Data, work: Path, epochs: float) -> Learnt:
    """Train a model of the family, and ask it about the held-out clips before and after."""
    weights = build_model(family, work / family)
    settings = TrainSettings(
        model=str(work / family), epochs=epochs, batch_size=24, optimizer="muon", learning_rate=3e-3,
        precision="fp32", save_steps=10**6,
    )  # fmt: skip
    begun = time.monotonic()
    trained = train(data.supervision, work / f"{family}-trained", settings, frame_cache=work / "frames")
    seconds = time.monotonic() - begun
    asked = EvaluateSettings(reasoning=False, eval_batch_size=32, frame_cache=str(work / "frames"))
    predictions = {
        name: evaluate(data.clips, str(model), work / f"{family}-{name}", asked)
        for name, model in (("before", work / family), ("after", trained))
    }
    compared = compare(predictions, work / f"{family}-compared", CompareSettings())
    found = Comparison.model_validate_json((compared / COMPARISON_FILE).read_text(encoding="utf-8"))
    steps = len((trained / LOG_FILE).read_text(encoding="utf-8").splitlines())
    before, after = (found.models[name].macro_f1 for name in ("before", "after"))
    return Learnt(family, weights, steps, seconds, before, after, found.pairs[0].macro_f1)


def table(learnt: Sequence[Learnt]) -> list[str]:
    """Lines of a table."""
    lines = [
        "| family | parameters, millions | steps | training, s | macro-F1 before | macro-F1 after "
        "| paired difference |",
        "|---|---|---|---|---|---|---|",
    ]
    return lines + [
        f"| {each.family} | {each.weights / 1e6:.2f} | {each.steps} | {each.seconds:.0f} | {_told(each.before)} "
        f"| {_told(each.after)} | {_told(each.gain)} |"
        for each in learnt
    ]


def _told(figure: Estimate) -> str:
    if figure.low is None:  # a model that always says the same shows no spread
        return f"{figure.value:.2f}"
    return f"{figure.value:.2f} ({figure.low:.2f} to {figure.high:.2f})"


def main() -> None:
    """Measure, print the table, and write it into the docs if asked."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--families", nargs="*", default=list(FAMILIES), choices=list(FAMILIES))
    parser.add_argument("--triplets", type=int, default=200, help="Simulated, of which a quarter is held out.")
    parser.add_argument("--epochs", type=float, default=12)
    parser.add_argument("--write", action="store_true", help="Put the table into docs/benchmarks.md.")
    arguments = parser.parse_args()
    logging.set_verbosity_error()
    logging.disable_progress_bar()
    learnt = []
    with tempfile.TemporaryDirectory() as folder:
        data = make_data(Path(folder), arguments.triplets)
        for family in arguments.families:
            learnt.append(learn(family, data, Path(folder), arguments.epochs))
            print(table(learnt)[-1], flush=True)
    lines = table(learnt)
    lines.append(
        f"\n{learnt[0].gain.n} held-out clips, a third of them of each class; 95 % confidence intervals by resampling "
        "triplets. "
        f"Machine: {torch.get_num_threads()} threads of an {processor_name()}, no GPU, fp32, torch "
        f"{torch.__version__}. `python -m benchmarks.families --write` makes this table."
    )
    if arguments.write:
        write_table("families", lines)


if __name__ == "__main__":
    main()
