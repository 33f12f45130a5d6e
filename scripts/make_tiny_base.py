"""Make the shipped base checkpoint: a tiny Qwen3-VL that has seen Normal driving only.

    python -m scripts.make_tiny_base --work runs/tiny-base

It is trained on simulated drives without any event, with seeds that no recipe uses: perception
questions, captions, reasoning, and the verdict question, whose true answer there is always Normal.
So it sees, and is blind to events by construction. Only the tokenizer, which knows spellings and not
pictures, is made from texts about all classes.
"""

import argparse
import shutil
from pathlib import Path

import torch

from tests.tiny_families import tiny_processor, tiny_qwen3_vl, train_tokenizer
from vlm_autodrive.artifacts import read_samples
from vlm_autodrive.clips import ClipSettings, build_clips
from vlm_autodrive.clips.settings import SplitFractions
from vlm_autodrive.console import make_reporter
from vlm_autodrive.datasets import ImportSettings, import_dataset
from vlm_autodrive.models import SYSTEM_PROMPT, TINY_BASE, ModelCard, load_model, resolve_model, write_card
from vlm_autodrive.simulation import SimulateSettings, simulate
from vlm_autodrive.supervision import SuperviseSettings, supervise
from vlm_autodrive.training import TrainSettings, train
from vlm_autodrive.video import SamplingSettings

VOCABULARY_SEED = 900_001
NORMAL_SEED = 900_002
SAMPLING = SamplingSettings(fps=10 / 3, max_frames=16, height=84, width=126)
WINDOW_S = 4.8
PERCEPTION = SuperviseSettings(
    types=("verdict", "caption", "vqa", "reasoning"),
    understanding_per_clip=0,
    vqa_per_clip=12,
    vqa_topics=(
        *("gap", "gap_check", "gap_trend", "closing_speed", "time_to_contact", "lead_gap", "ego_speed", "ego_trend"),
        *("closest_time", "closest_gap", "response", "jolt", "actor_check", "side", "color"),
        *("light_check", "weather_check", "scene_check", "lanes", "ego_lane"),
    ),
)
_REPEATS = 500  # often enough for each to become one token


def main() -> None:
    """Run every step; each goes on where it was if it was stopped."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--work", type=Path, default=Path("runs/tiny-base"), help="folder for all that is made")
    parser.add_argument("--videos", type=int, default=3000, help="Normal videos to train on")
    parser.add_argument("--epochs", type=float, default=3.5, help="passes over their clips")
    parser.add_argument("--install", action="store_true", help="replace the checkpoint that the package ships")
    arguments = parser.parse_args()
    work: Path = arguments.work
    work.mkdir(parents=True, exist_ok=True)
    vocabulary = _supervise(
        work / "vocabulary", SimulateSettings(seed=VOCABULARY_SEED, triplets=60, singles=60), 2, SuperviseSettings()
    )
    random = _random_model(work / "random", vocabulary)
    normals = SimulateSettings(seed=NORMAL_SEED, triplets=0, singles=arguments.videos)
    normal = _supervise(work / "normal", normals, 3, PERCEPTION)
    settings = TrainSettings(
        model=str(random),
        name=TINY_BASE,
        epochs=arguments.epochs,
        batch_size=24,
        processes=2,
        samples_per_clip=3,
        optimizer="muon",
        learning_rate=3e-3,
        loss_weights={"verdict": 0.5},
        seed=NORMAL_SEED,
    )
    trained = train(normal, work / "trained", settings, make_reporter(), overwrite=True)
    shipped = work / TINY_BASE
    ship(trained, shipped, ModelCard(name=TINY_BASE, sampling=SAMPLING, window_s=WINDOW_S))
    if arguments.install:
        target = Path(resolve_model(TINY_BASE))
        shutil.rmtree(target, ignore_errors=True)
        shutil.copytree(shipped, target)


def _supervise(folder: Path, settings: SimulateSettings, windows: int, supervision: SuperviseSettings) -> Path:
    reporter = make_reporter()
    drives = simulate(folder / "drives", settings, reporter, overwrite=True)
    imports = ImportSettings(format="nexar")
    catalog = import_dataset("nexar", drives, folder / "catalog", imports, reporter, overwrite=True)
    clip_settings = ClipSettings(
        window_s=WINDOW_S,
        windows_per_event=windows,
        windows_per_normal=windows,
        split=SplitFractions(train=1.0, validation=0.0, test=0.0),
        respect_split=False,
    )
    clips = build_clips(catalog, folder / "clips", clip_settings, reporter, overwrite=True)
    return supervise(clips, folder / "supervision", supervision, reporter, overwrite=True)


def _random_model(folder: Path, vocabulary: Path) -> Path:
    if not (folder / "config.json").is_file():
        samples = read_samples(vocabulary)
        texts = [text for sample in samples for text in (sample.prompt.text, sample.target)]
        stamps = [f"<{tenths / 10:.1f} seconds>" for tenths in range(100)]
        frame = ["system\n", "user\n", "assistant\n", SYSTEM_PROMPT]
        tokenizer = train_tokenizer([*texts, *(stamps + frame) * _REPEATS], vocabulary=1536)
        tiny_processor(tokenizer).save_pretrained(folder)
        write_card(folder, ModelCard(name="random", sampling=SAMPLING))
        tiny_qwen3_vl(tokenizer, seed=NORMAL_SEED).save_pretrained(folder)
    return folder


def ship(trained: Path, shipped: Path, card: ModelCard) -> None:
    """Write a trained model as the package ships it: in bfloat16, with a card."""
    loaded = load_model(str(trained), device=torch.device("cpu"))
    shutil.rmtree(shipped, ignore_errors=True)
    loaded.model.to(torch.bfloat16).save_pretrained(shipped)
    loaded.processor.save_pretrained(shipped)
    write_card(shipped, card)


if __name__ == "__main__":
    main()
