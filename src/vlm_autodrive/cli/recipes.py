"""``autodrive recipes``: list, print and copy recipes, and list their settings."""

from pathlib import Path
from typing import Annotated

import typer

from vlm_autodrive.cli.options import AsJson, Overrides
from vlm_autodrive.errors import UserError

app = typer.Typer(no_args_is_help=True, help="List, print and copy recipes, and list their settings.")

RecipeArgument = Annotated[str, typer.Argument(metavar="RECIPE", help="A shipped recipe's name, or a YAML file.")]


@app.command("ls")
def list_recipes(as_json: AsJson = False) -> None:
    """List the shipped recipes."""
    from vlm_autodrive.cli.options import print_json
    from vlm_autodrive.cli.tables import print_columns
    from vlm_autodrive.runs import load_recipe, shipped_recipes

    described = {name: load_recipe(name).description for name in shipped_recipes()}
    if as_json:
        print_json(described)
    else:
        print_columns(("recipe", "purpose"), list(described.items()))


@app.command("show")
def show_recipe(
    recipe: RecipeArgument,
    settings: Overrides = None,
    full: Annotated[bool, typer.Option("--full", help="With every default, as a run would take it.")] = False,
) -> None:
    """Print a recipe, as it was written or in full.

    Example: autodrive recipes show demo --full train.epochs=2
    """
    from vlm_autodrive.runs import full_recipe, load_recipe, recipe_text

    loaded = load_recipe(recipe, settings or ())
    print((full_recipe(loaded) if full or settings else recipe_text(recipe)).rstrip())


@app.command("copy")
def copy_recipe(
    recipe: RecipeArgument,
    target: Annotated[Path, typer.Argument(metavar="FILE", help="The YAML file to write.")],
) -> None:
    """Copy a recipe, to change it and run it by its path.

    Example: autodrive recipes copy nexar mine.yaml
    """
    from vlm_autodrive.runs import recipe_text

    text = recipe_text(recipe)
    if target.is_dir():
        target = target / f"{Path(recipe).stem}.yaml"
    if target.exists():
        raise UserError(f"{target} is there already; give another name.")
    if not target.parent.is_dir():
        raise UserError(f"{target.parent} is no folder; make it first.")
    target.write_text(text, encoding="utf-8")
    print(target)


@app.command("keys")
def list_keys(
    section: Annotated[str | None, typer.Argument(metavar="[SECTION]", help="Such as train.")] = None,
    as_json: AsJson = False,
) -> None:
    """List the settings of a section, or of all: key, default and meaning."""
    from vlm_autodrive.cli.options import print_json
    from vlm_autodrive.cli.tables import print_columns
    from vlm_autodrive.runs import SECTIONS
    from vlm_autodrive.settings import describe_settings

    if section is not None and section not in SECTIONS:
        raise UserError(f"there is no section {section}; take {', '.join(SECTIONS)}.")
    rows = [
        (f"{name}.{key}", default, meaning)
        for name in ([section] if section else SECTIONS)
        for key, default, meaning in describe_settings(SECTIONS[name])
    ]
    if as_json:
        print_json([{"key": key, "default": default, "meaning": meaning} for key, default, meaning in rows])
    else:
        print_columns(("setting", "default", "meaning"), rows)
