"""Do other trainers train on an export as docs/export.md says?

    python -m venv /tmp/swift && /tmp/swift/bin/pip install ms-swift==4.6.0 qwen_vl_utils decord
    python -m benchmarks.peer_trainers --fixtures FOLDER --python ms-swift=/tmp/swift/bin/python --write

Simulated clips are supervised and exported by our own stages, and each trainer trains two steps of a model with the
real tokenizer and random weights. Commands, configuration and code are those of the page. Put in their place are only
the model, what the page names for Qwen3-VL, and two steps on a CPU: :data:`FOR_QWEN3` and :data:`TWO_STEPS`. The
trainers need releases of transformers that exclude each other, so each runs in an environment of its own.
"""

import argparse
import json
import math
import os
import re
import shlex
import shutil
import subprocess
import tempfile
from dataclasses import dataclass
from pathlib import Path

from benchmarks.docs_table import write_table
from tests.real_models import write_real_model
from vlm_autodrive.clips import ClipSettings, build_clips
from vlm_autodrive.clips.settings import SplitFractions
from vlm_autodrive.datasets import ImportSettings, import_dataset
from vlm_autodrive.simulation import SimulateSettings, simulate
from vlm_autodrive.supervision import ExportSettings, SuperviseSettings, export_supervision, supervise

DOCS = Path(__file__).parents[1] / "docs" / "export.md"
MODELS = ("qwen2.5-vl", "qwen3-vl-instruct")
PACKAGES = {"LLaMA-Factory": "llamafactory", "ms-swift": "ms-swift", "TRL": "trl"}
LANGUAGES = {"LLaMA-Factory": "yaml", "ms-swift": "bash", "TRL": "python"}
FILES = {"LLaMA-Factory": "sft.yaml", "ms-swift": "sft.sh", "TRL": "sft.py"}
FOR_QWEN3 = {
    "LLaMA-Factory": {"template: qwen2_vl ": "template: qwen3_vl_nothink "},
    "ms-swift": {
        "--model_type qwen2_5_vl --template qwen2_5_vl": "--model_type qwen3_vl --template qwen3_vl",
        "VIDEO_MAX_PIXELS=100352": "VIDEO_MIN_TOKEN_NUM=98 VIDEO_MAX_TOKEN_NUM=98",
    },
    "TRL": {},
}
TWO_STEPS = {
    "LLaMA-Factory": ("output_dir:", "max_steps: 2\nlogging_steps: 1\noutput_dir:"),
    "ms-swift": ("--output_dir", "--max_steps 2 --logging_steps 1 --output_dir"),
    "TRL": ("max_length=None,", "max_length=None, max_steps=2, logging_steps=1, use_cpu=True, bf16=False,"),
}
RECORDER = """
import functools, os
from transformers.models.qwen2_5_vl.modeling_qwen2_5_vl import Qwen2_5_VisionTransformerPretrainedModel
from transformers.models.qwen3_vl.modeling_qwen3_vl import Qwen3VLVisionModel

def recorded(forward, side):
    @functools.wraps(forward)
    def run(self, pixels, grid_thw=None, *rest, **more):
        with open(os.environ["VISION_LOG"], "a") as log:
            for t, h, w in grid_thw.tolist():
                print(2 * t, side * h, side * w, sep=" x ", file=log)
        return forward(self, pixels, grid_thw, *rest, **more)
    return run

Qwen2_5_VisionTransformerPretrainedModel.forward = recorded(Qwen2_5_VisionTransformerPretrainedModel.forward, 14)
Qwen3VLVisionModel.forward = recorded(Qwen3VLVisionModel.forward, 16)
"""
"""Python imports it as ``sitecustomize``; it writes frames, height and width of whatever meets the vision tower."""


@dataclass(frozen=True)
class Trained:
    """What came of one trainer and model.

    Attributes:
        trainer: As its section of the page is called.
        versions: Of the trainer and transformers.
        model: One of :data:`MODELS`.
        steps: That were taken.
        losses: Of each step, and other than NaN.
        frames: Number, height and width in pixels as the vision tower got them; each that occurred.
        error: The last line of what it printed, where it failed.
    """

    trainer: str
    versions: str
    model: str
    steps: int
    losses: tuple[float, ...]
    frames: tuple[str, ...]
    error: str | None

    @property
    def ok(self) -> bool:
        """Whether two steps were trained, with videos."""
        return self.error is None and self.steps == len(self.losses) == 2 and bool(self.frames)

    def row(self) -> str:
        """A line of the table."""
        losses = ", ".join(f"{loss:.2f}" for loss in self.losses)
        verdict = "trained" if self.ok else f"failed: {self.error}"
        return (
            f"| {self.trainer} | {self.versions} | {self.model} | {self.steps} | {losses} "
            f"| {', '.join(self.frames)} | {verdict} |"
        )


def documented(trainer: str, language: str) -> str:
    """The first block of a language in a trainer's section of the page."""
    section = DOCS.read_text(encoding="utf-8").partition(f"### {trainer}\n")[2].partition("\n## ")[0]
    found = re.search(rf"```{language}\n(.*?)```", section.partition("\n### ")[0], re.DOTALL)
    assert found is not None, (trainer, language)
    return found[1]


def replaced(text: str, replacements: dict[str, str]) -> str:
    """A text with other words in the place of some, each of which stands there once."""
    for old, new in replacements.items():
        assert text.count(old) == 1, (old, text)
        text = text.replace(old, new)
    return text


def make_exports(work: Path) -> Path:
    """Simulate two triplets of 16:9 videos, and export their samples to ``s/export`` and ``s/parquet``."""
    simulated, catalog, clips, folder = (work / name for name in ("simulated", "catalog", "clips", "s"))
    simulate(simulated, SimulateSettings(triplets=2, singles=0, video_duration_s=5.0, width=640, height=360, workers=1))
    import_dataset("nexar", simulated, catalog, ImportSettings())
    split = SplitFractions(train=0.5, validation=0.5, test=0.0)
    build_clips(catalog, clips, ClipSettings(window_s=4.0, split=split, split_by="count"))
    supervise(clips, folder / "supervision", SuperviseSettings(types=("verdict", "reasoning")))
    export_supervision(folder / "supervision", folder / "export", ExportSettings(to="messages"), workers=1)
    export_supervision(folder / "supervision", folder / "parquet", ExportSettings(to="hf-parquet"), workers=1)
    return folder


def run(trainer: str, python: Path, model: Path, exports: Path, work: Path) -> Trained:
    """Train two steps in an environment.

    Args:
        trainer: As its section of the page is called.
        python: The environment's interpreter.
        model: The model's folder.
        exports: That :func:`make_exports` made.
        work: A new folder, from which everything is started.
    """
    shutil.copytree(exports, work / "s")
    (work / "recorder").mkdir()
    (work / "recorder" / "sitecustomize.py").write_text(RECORDER)
    text = documented(trainer, LANGUAGES[trainer])
    named = re.search(r"nvidia/Cosmos-Reason\d-\d+B", text)
    assert named is not None
    others = FOR_QWEN3[trainer] if model.name.startswith("qwen3") else {}
    text = replaced(text, dict([(named[0], str(model)), TWO_STEPS[trainer], *others.items()]))
    (work / FILES[trainer]).write_text(text)
    script = documented(trainer, "bash") if trainer != "ms-swift" else text
    script = "\n".join(line for line in script.splitlines() if not line.startswith("pip install "))
    log = work / "frames.log"
    environment = os.environ | {
        "PATH": f"{python.parent}{os.pathsep}{os.environ['PATH']}",
        "PYTHONPATH": str(work / "recorder"),
        "VISION_LOG": str(log),
        "HF_HOME": str(work / "cache"),
        "HF_HUB_OFFLINE": "1",
    }
    done = subprocess.run(
        ["bash", "-e", "-c", script], cwd=work, env=environment, text=True, stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
    )  # fmt: skip
    (work / "output.log").write_text(done.stdout)
    states = [json.loads(path.read_text()) for path in (work / "s").rglob("trainer_state.json")]
    state = max(states, key=lambda one: len(one["log_history"]), default={"global_step": 0, "log_history": []})
    losses = tuple(float(entry["loss"]) for entry in state["log_history"] if "loss" in entry)
    return Trained(
        trainer,
        _versions(python, PACKAGES[trainer]),
        model.name,
        state["global_step"],
        tuple(loss for loss in losses if math.isfinite(loss)),
        tuple(sorted(set(log.read_text().splitlines()))) if log.exists() else (),
        None if done.returncode == 0 else done.stdout.strip().splitlines()[-1],
    )


def _versions(python: Path, package: str) -> str:
    code = f"from importlib.metadata import version as v; print(v({package!r}), 'with transformers', v('transformers'))"
    return subprocess.run([python, "-c", code], check=True, text=True, stdout=subprocess.PIPE).stdout.strip()


def main() -> None:
    """Run, print the table, and write it into the page if asked; the exit status is 1 if one did not train."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--fixtures", type=Path, required=True, help="the folder of real material")
    parser.add_argument(
        "--python", action="append", required=True, metavar="TRAINER=PATH",
        help=f"the interpreter of a trainer's environment; {shlex.join(PACKAGES)}",
    )  # fmt: skip
    parser.add_argument("--models", nargs="*", default=list(MODELS), choices=MODELS)
    parser.add_argument("--keep", type=Path, help="a new folder for all that is written")
    parser.add_argument("--write", action="store_true", help="put the table into docs/export.md")
    asked = parser.parse_args()
    interpreters = dict(one.split("=", 1) for one in asked.python)
    lines = [
        "| trainer | versions | model | steps | losses | frames x height x width as trained | result |",
        "|---|---|---|---|---|---|---|",
    ]
    every = []
    with tempfile.TemporaryDirectory() as scratch:
        work = asked.keep or Path(scratch)
        exports = make_exports(work)
        for name in asked.models:
            model = write_real_model(asked.fixtures, name, work / "models" / name)
            for trainer, python in interpreters.items():
                every.append(run(trainer, Path(python), model, exports, work / f"{trainer}-{name}"))
                print(every[-1].row(), flush=True)
    if asked.write:
        write_table("peer trainers", [*lines, *(one.row() for one in every)], DOCS)
    raise SystemExit(0 if all(one.ok for one in every) else 1)


if __name__ == "__main__":
    main()
