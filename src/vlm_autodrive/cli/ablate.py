"""``autodrive ablate``: a grid of trainings, and a table of what each setting changes."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from vlm_autodrive.cli.options import AsJson, Out, Overrides
from vlm_autodrive.errors import UserError

if TYPE_CHECKING:
    from vlm_autodrive.runs import AblationPreview, AblationResult

FAILED = 1


def ablate(
    recipe: Annotated[str, typer.Argument(metavar="RECIPE", help="A recipe with a section ablate: a name or a file.")],
    out: Out,
    settings: Overrides = None,
    dry_run: Annotated[
        bool, typer.Option("--dry-run", help="Print the cells, the stages that they share, and their steps and tokens.")
    ] = False,
    gpus: Annotated[
        int | None, typer.Option("--gpus", min=0, metavar="N", help="With --dry-run: as for `plan`.")
    ] = None,
    memory: Annotated[
        float | None, typer.Option("--memory", min=0.001, metavar="GB", help="With --dry-run: as for `plan`.")
    ] = None,
    as_json: AsJson = False,
) -> None:
    """Train and evaluate the cells of a grid: supervision types on and off, frames, resolution, window, seeds.

    Results common to several cells are made once. Interrupted, the same command resumes. A cell that fails is a row
    with the reason, and the exit status is then 1; the same command retries it. --dry-run trains nothing: it makes
    the clips and their samples, which it needs to count tokens, and the ablation uses them.

    Example: autodrive ablate ablation-smoke --out runs/ablation

    Example: autodrive ablate mine.yaml --out runs/mine-ablation --dry-run --gpus 1 --memory 80
    """
    from vlm_autodrive.cli.options import print_json
    from vlm_autodrive.console import make_reporter
    from vlm_autodrive.runs import ablate as run_ablation
    from vlm_autodrive.runs import load_recipe, preview

    if not dry_run and (gpus is not None or memory is not None):
        raise UserError("--gpus and --memory describe a machine to count for; give --dry-run, or leave them out.")
    loaded = load_recipe(recipe, settings or ())
    if dry_run:
        seen = preview(loaded, out, make_reporter(), gpus=gpus, gigabytes=memory)
        if as_json:
            print_json(seen.model_dump(mode="json"))
        else:
            _print_preview(seen)
        failed = any(row.failures for row in seen.rows)
    else:
        table = run_ablation(loaded, out, make_reporter())
        if as_json:
            print_json(table.model_dump(mode="json"))
        else:
            _print_ablation(table, out)
        failed = bool(table.failed)
    if failed:
        raise typer.Exit(FAILED)


def _print_preview(seen: "AblationPreview") -> None:
    """Print the cells, the stages that they share, and their cost."""
    from vlm_autodrive.cli.tables import print_columns

    rows = []
    for row in seen.rows:
        counts = ["cannot be trained"]
        if row.budget is not None:
            b = row.budget
            counts = [f"{size:,}" for size in (b.clips, b.samples, b.steps, b.frames, b.sequence_tokens, b.tokens)]
        rows.append((row.name, *counts))
    print_columns(("cell", "clips", "samples", "steps", "frames", "longest sequence", "tokens"), rows)
    print()
    shared = [(each.stage, str(each.times), str(each.there)) for each in seen.shared]
    print_columns(("stage", "times run", "up to date"), shared)
    print(f"\n{len(seen.rows)} cells, {seen.trainings} trainings: {seen.steps:,} steps, about {seen.tokens:,} tokens.")
    if any(row.budget is not None and not row.budget.exact for row in seen.rows):
        print(
            "Text tokens are an estimate: the tokenizer is not here, or a teacher model has yet to write the samples."
        )
    for row in seen.rows:
        for failure in row.failures:
            print(f"{row.name}: {failure.reason}")


def _print_ablation(table: "AblationResult", out: Path) -> None:
    """Print the table, what to mind in reading it, and where it lies; the classes' intervals are in the files."""
    from vlm_autodrive.cli.tables import print_columns
    from vlm_autodrive.runs import (
        CONSISTENCY,
        DETECTABLE,
        GAIN,
        HTML_FILE,
        JSON_FILE,
        MARKDOWN_FILE,
        effect_rows,
        failure_lines,
        table_of,
    )

    headings, rows = table_of(table)
    with_interval = ("accuracy", "macro-F1", GAIN)
    left_out = (*table.types, *table.varied, CONSISTENCY, DETECTABLE, "tokens")
    places = [place for place, name in enumerate(headings) if name not in left_out]
    printed = []
    for row in rows:
        cells = [(headings[place], row.cells[place]) for place in places]
        shown = (str(cell).replace(" [", "\n[") if name in with_interval else cell.text for name, cell in cells)
        printed.append((row.label, *shown))
    print_columns(["", *(headings[place] for place in places)], printed)
    print("In brackets: 95 % confidence intervals over clips and seeds. Gain: macro-F1 over that of the first cell.")
    for type_, metric, difference, _, conclusion, compared in effect_rows(table):
        print(f"{type_}: {conclusion} ({metric} {difference}; {compared})")
    for note in table.notes:
        print(note)
    for line in failure_lines(table):
        print(f"failed: {line}")
    for name in (HTML_FILE, MARKDOWN_FILE, JSON_FILE):
        print(out / name)
