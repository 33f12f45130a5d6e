"""How large is a merged model, and in which precision?

    python -m benchmarks.export_sizes --fixtures FOLDER --write

Measured: adapters on small models with the layout and configuration of the published ones are merged and exported with
the default settings, and the tensors in the files are read. Computed: the numbers of weights that the published shapes
have on the meta device, times the bytes of a number; the measured rows show how near that is.
"""

import argparse
import json
import tempfile
from pathlib import Path

from safetensors import safe_open

from benchmarks.docs_table import write_table
from tests.adapters import write_adapter_checkpoint
from tests.real_models import write_published_layout, write_real_model
from vlm_autodrive.models import load_meta_model
from vlm_autodrive.models.meta_model import PUBLISHED
from vlm_autodrive.training import ExportModelSettings, export_model

DOCS = Path(__file__).parents[1] / "docs" / "export.md"
LAYOUTS = (("qwen2.5-vl", True), ("qwen2.5-vl", False), ("qwen3-vl-instruct", True), ("qwen3-vl-instruct", False))
HALF, FLOAT = 2, 4


def weights_of(model: str) -> tuple[int, bool]:
    """How many weights a model has, one that is tied counted once; and whether its embeddings are tied."""
    meta = load_meta_model(model).model
    return sum(parameter.numel() for parameter in meta.parameters()), bool(meta.config.tie_word_embeddings)


def measured_row(fixtures: Path, name: str, tied: bool, scratch: Path) -> str:
    """Export one layout, and read what was written."""
    real = scratch / name
    if not real.is_dir():
        write_real_model(fixtures, name, real)
    folder = scratch / f"{name}-{tied}"
    folder.mkdir()
    base = write_published_layout(fixtures, name, real, folder / "base", tied=tied)
    checkpoint = write_adapter_checkpoint(str(base), folder / "checkpoint")
    export_model(checkpoint, folder / "merged", ExportModelSettings(check=0))
    file = folder / "merged" / "model.safetensors"
    with safe_open(file, "pt") as opened:
        tensors = [opened.get_tensor(key) for key in opened.keys()]  # noqa: SIM118
    precisions = ", ".join(sorted({str(tensor.dtype).removeprefix("torch.") for tensor in tensors}))
    weights, _ = weights_of(str(base))
    return row(f"{name} layout, reduced", tied, weights, precisions, f"{file.stat().st_size / 1e6:.1f} MB", "MB", 1e6)


def row(name: str, tied: bool, weights: int, precisions: str, file: str, unit: str, scale: float) -> str:
    """One row of the table."""
    half, whole = (f"{weights * size / scale:.1f} {unit}" for size in (HALF, FLOAT))
    embeddings = "tied" if tied else "untied"
    return f"| {name} | {embeddings} | {weights / 1e6:,.1f} M | {precisions} | {file} | {half} | {whole} |"


def main() -> None:
    """Measure, print, and write the table if it is asked for."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--fixtures", type=Path, required=True, help="the folder of real material")
    parser.add_argument("--write", action="store_true", help="write the table into docs/export.md")
    asked = parser.parse_args()
    lines = [
        "| model | embeddings | weights | tensors | file, measured | in bfloat16, computed | in float32, computed |",
        "|---|---|---|---|---|---|---|",
    ]
    with tempfile.TemporaryDirectory() as scratch:
        lines += [measured_row(asked.fixtures, name, tied, Path(scratch)) for name, tied in LAYOUTS]
    for published in PUBLISHED:
        weights, tied = weights_of(published.name)
        precision = json.loads(published.path.read_text(encoding="utf-8"))["dtype"]
        lines.append(row(published.name, tied, weights, precision, "-", "GB", 1e9))
    print("\n".join(lines))
    if asked.write:
        write_table("export sizes", lines, DOCS)


if __name__ == "__main__":
    main()
