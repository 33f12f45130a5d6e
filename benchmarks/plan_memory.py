"""Is the memory that `plan` estimates the memory that training takes, on a CPU?

    python -m benchmarks.plan_memory --write

Models of 0.1 to 0.5 billion random weights, with the vocabulary of the published ones, are planned and then trained for
two steps, each in a process of its own, whose peak of resident memory (``VmHWM`` of /proc) stands beside the estimate.
"""

import argparse
import subprocess
import sys
import tempfile
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from benchmarks.docs_table import write_table
from benchmarks.machine import processor_name
from tests.tiny_families import tiny_processor, train_tokenizer
from tests.training.supervision_set import make_supervision
from vlm_autodrive.training import TrainSettings, plan
from vlm_autodrive.training.plan.machines import GB

VOCABULARY = 151_936
PATCH = 16
CLIPS = 8
SAMPLING = {"fps": 4, "max_frames": 8, "height": 224, "width": 448}
_TRAINED = """
import sys
from pathlib import Path
import torch
import vlm_autodrive.training.loop
from vlm_autodrive.training import TrainSettings, train

def kilobytes(name):
    return next(line for line in Path("/proc/self/status").read_text().splitlines() if line.startswith(name)).split()[1]

torch.set_num_threads(1)
begun = kilobytes("VmRSS")
train(Path(sys.argv[1]), Path(sys.argv[2]), TrainSettings.model_validate_json(sys.argv[3]))
print(begun, kilobytes("VmHWM"))
"""


@dataclass(frozen=True)
class Shape:
    """A model and how it is trained."""

    name: str
    hidden: int
    layers: int
    how: str
    settings: dict[str, Any] = field(default_factory=dict)


_FULL, _LORA = {}, {"lora": {"r": 8}}
_SPARING = {"gradient_checkpointing": True, "micro_batch_size": 1}
_LARGE = {"batch_size": 8, "sampling": {**SAMPLING, "fps": 10, "max_frames": 20}}
SHAPES = (
    Shape("0.1 B", 512, 6, "all weights", _FULL),
    Shape("0.1 B", 512, 6, "adapters", _LORA),
    Shape("0.1 B", 512, 6, "adapters, 8 clips of 20 frames a pass", {**_LORA, **_LARGE}),
    Shape("0.2 B", 768, 12, "all weights, fp32", {"precision": "fp32"}),
    Shape("0.2 B", 768, 12, "all weights, checkpointed", _SPARING),
    Shape("0.5 B", 1024, 24, "adapters", _LORA),
    Shape("0.5 B", 1024, 24, "adapters, checkpointed", {**_LORA, **_SPARING}),
    Shape("0.5 B", 1024, 24, "all weights, checkpointed", _SPARING),
)


def write_model(shape: Shape, folder: Path) -> int:
    """A Qwen3-VL of the shape in bfloat16, as published ones are; returns the number of its weights."""
    import torch
    from transformers import Qwen3VLConfig, Qwen3VLForConditionalGeneration, logging

    logging.disable_progress_bar()
    head = 128
    config = Qwen3VLConfig(
        text_config={
            "vocab_size": VOCABULARY,
            "hidden_size": shape.hidden,
            "intermediate_size": shape.hidden * 3,
            "num_hidden_layers": shape.layers,
            "num_attention_heads": shape.hidden // head,
            "num_key_value_heads": shape.hidden // head // 2,
            "head_dim": head,
            "rope_parameters": {
                "rope_type": "default",
                "rope_theta": 5e6,
                "mrope_section": [24, 20, 20],
                "mrope_interleaved": True,
            },
            "tie_word_embeddings": True,
        },
        vision_config={
            "depth": shape.layers // 2,
            "hidden_size": shape.hidden // 2,
            "intermediate_size": shape.hidden * 2,
            "num_heads": shape.hidden // 128,
            "out_hidden_size": shape.hidden,
            "patch_size": PATCH,
            "spatial_merge_size": 2,
            "temporal_patch_size": 2,
            "deepstack_visual_indexes": [0, 1],
        },
        tie_word_embeddings=True,
    )
    tokenizer = train_tokenizer(["The car ahead brakes. <0.2 seconds>"] * 20, vocabulary=600)
    for name in ("image_token_id", "video_token_id", "vision_start_token_id", "vision_end_token_id"):
        mark = {"image": "<|image_pad|>", "video": "<|video_pad|>"}.get(name.split("_")[0], f"<|{name[:-9]}|>")
        setattr(config, name, tokenizer.token_to_id(mark))
    torch.manual_seed(0)
    model = Qwen3VLForConditionalGeneration._from_config(config, dtype=torch.bfloat16)
    model.save_pretrained(folder)
    tiny_processor(tokenizer, "qwen3_vl", PATCH).save_pretrained(folder)
    return sum(parameter.numel() for parameter in model.parameters())


@dataclass(frozen=True)
class Measured:
    """Bytes of one shape."""

    shape: Shape
    weights: int
    estimate: float
    begun: float
    peak: float
    parts: str


def measure(shape: Shape, scratch: Path) -> Measured:
    """Plan and train one shape."""
    model = scratch / f"{shape.hidden}x{shape.layers}"
    weights = write_model(shape, model)
    supervision = scratch / "data" / "supervision"
    if not supervision.is_dir():
        make_supervision(scratch / "data", count=CLIPS)
    chosen = {"sampling": SAMPLING, "batch_size": 2, **shape.settings}
    settings = TrainSettings(model=str(model), epochs=2 * chosen["batch_size"] / CLIPS, **chosen)
    planned = plan(supervision, settings).memory
    assert planned is not None
    out = scratch / "out" / shape.how / shape.name
    out.parent.mkdir(parents=True, exist_ok=True)
    command = [sys.executable, "-c", _TRAINED, str(supervision), str(out), settings.model_dump_json()]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    if done.returncode:
        raise RuntimeError(done.stderr)
    begun, peak = (1024.0 * int(kilobytes) for kilobytes in done.stdout.split()[-2:])
    return Measured(shape, weights, planned.peak, begun, peak, planned.line().partition("usable: ")[2])


def table(rows: Sequence[Measured]) -> list[str]:
    """The table, and what stands below it."""
    lines = ["| model | trained | estimate, GB | peak, GB | estimate / peak |", "|---|---|---|---|---|"]
    lines += [
        f"| {row.shape.name} ({row.weights / 1e6:.0f} M) | {row.shape.how} | {row.estimate / GB:.1f} | "
        f"{row.peak / GB:.1f} | {row.estimate / row.peak:.2f} |"
        for row in rows
    ]
    how = "one thread, 8 frames of 224 x 448 a clip and 2 clips a step where nothing else is said"
    return [*lines, "", f"On {processor_name()}, {how}."]


def main() -> None:
    """Measure, print, and write the table if it is asked for."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--write", action="store_true", help="write the table into docs/benchmarks.md")
    parser.add_argument("--only", type=int, nargs="*", help="these rows alone")
    asked = parser.parse_args()
    rows = []
    with tempfile.TemporaryDirectory() as scratch:
        for number, shape in enumerate(SHAPES):
            if asked.only is None or number in asked.only:
                rows.append(row := measure(shape, Path(scratch)))
                print(f"{row.begun / GB:.2f} begun;", row.parts, "\n" + table([row])[2], flush=True)
    if asked.write:
        write_table("plan memory", table(rows))


if __name__ == "__main__":
    main()
