"""``autodrive ablate``: a grid of trainings, and the table of what each choice brings."""

from typing import Annotated

import typer

from vlm_autodrive.cli.options import AsJson, Out, Overrides
from vlm_autodrive.errors import UserError

FAILED = 1


def ablate(
    recipe: Annotated[str, typer.Argument(metavar="RECIPE", help="A recipe with a section ablate: a name or a file.")],
    out: Out,
    settings: Overrides = None,
    dry_run: Annotated[
        bool, typer.Option("--dry-run", help="Say which cells there are, what they share and what they take.")
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

    What cells share is made once. Interrupted, the same command goes on from there. A cell that fails is a row with
    the reason, and the status is then 1; the same command tries it again. --dry-run trains nothing: it makes the
    clips and their texts, which counting needs, and the ablation takes them up.

    Example: autodrive ablate ablation-smoke --out runs/ablation

    Example: autodrive ablate mine.yaml --out runs/mine-ablation --dry-run --gpus 1 --memory 80
    """
    from vlm_autodrive.cli.ablation_tables import print_ablation, print_preview
    from vlm_autodrive.cli.console import make_reporter
    from vlm_autodrive.cli.options import print_json
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
            print_preview(seen)
        failed = any(row.failures for row in seen.rows)
    else:
        table = run_ablation(loaded, out, make_reporter())
        if as_json:
            print_json(table.model_dump(mode="json"))
        else:
            print_ablation(table, out)
        failed = bool(table.failed)
    if failed:
        raise typer.Exit(FAILED)
