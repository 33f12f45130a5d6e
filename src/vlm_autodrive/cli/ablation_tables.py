"""What ``autodrive ablate`` prints: the cells before they are trained, and the table after."""

from pathlib import Path
from typing import TYPE_CHECKING

from vlm_autodrive.cli.tables import print_columns

if TYPE_CHECKING:
    from vlm_autodrive.runs import AblationPreview, AblationResult


def print_preview(seen: "AblationPreview") -> None:
    """Print the cells, what they share, and what all of it takes."""
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
    print_columns(("stage", "done so often", "there already"), shared)
    print(f"\n{len(seen.rows)} cells, {seen.trainings} trainings: {seen.steps:,} steps, about {seen.tokens:,} tokens.")
    if any(row.budget is not None and not row.budget.exact for row in seen.rows):
        print("Text tokens are an estimate: the tokenizer is not here, or a model has yet to write the samples.")
    for row in seen.rows:
        for failure in row.failures:
            print(f"{row.name}: {failure.reason}")


def print_ablation(table: "AblationResult", out: Path) -> None:
    """Print the table, what to mind in reading it, and where it lies; the classes' intervals are in the files."""
    from vlm_autodrive.runs import GAIN, HTML_FILE, JSON_FILE, MARKDOWN_FILE, failure_lines, table_of

    headings, rows = table_of(table)
    with_interval = ("accuracy", "macro-F1", GAIN)
    places = [place for place, name in enumerate(headings) if name in ("seeds", *with_interval) or name.endswith(" F1")]
    printed = []
    for row in rows:
        cells = [(headings[place], row.cells[place]) for place in places]
        shown = (str(cell).replace(" [", "\n[") if name in with_interval else cell.text for name, cell in cells)
        printed.append((row.label, *shown))
    print_columns(["", *(headings[place] for place in places)], printed)
    print("In brackets: 95 % confidence intervals over clips and seeds. Gain: macro-F1 over that of the first cell.")
    for note in table.notes:
        print(note)
    for line in failure_lines(table):
        print(f"failed: {line}")
    for name in (HTML_FILE, MARKDOWN_FILE, JSON_FILE):
        print(out / name)
