"""Options that several commands have, and settings from a recipe and the command line."""

import json
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal, TypeVar

import typer

if TYPE_CHECKING:
    from vlm_autodrive.executor import Executor
    from vlm_autodrive.progress import Reporter
    from vlm_autodrive.settings import Settings

S = TypeVar("S", bound="Settings")

Out = Annotated[Path, typer.Option("--out", "-o", metavar="DIR", help="Folder to write the result to.")]
Overwrite = Annotated[bool, typer.Option("--overwrite", help="Replace a result made from other inputs or settings.")]
RecipeName = Annotated[
    str | None,
    typer.Option("--recipe", "-r", metavar="RECIPE", help="Start from this recipe's settings: a name or a file."),
]
Overrides = Annotated[
    list[str] | None,
    typer.Argument(metavar="KEY=VALUE", help="Settings: see `autodrive recipes keys STAGE`.", show_default=False),
]
EndpointUrl = Annotated[
    str | None,
    typer.Option(
        "--endpoint",
        metavar="URL",
        help="OpenAI-compatible endpoint of the model, such as http://127.0.0.1:8000/v1; settings: endpoint.KEY=VALUE.",
        show_default=False,
    ),
]
OutUnlessDry = Annotated[Path | None, typer.Option("--out", "-o", metavar="DIR", help="Folder to write the result to.")]
DryRun = Annotated[bool, typer.Option("--dry-run", help="Estimate requests, tokens and cost, and send nothing.")]
BlurFaces = Annotated[
    Literal["faces"] | None,
    typer.Option(
        "--blur",
        help="Blur the faces found in pictures that a teacher or other people get, never in frames that a model "
        "judges. Number plates are not blurred. Needs the extra privacy; see docs/privacy.md.",
        show_default=False,
    ),
]
OnCluster = Annotated[
    str | None,
    typer.Option(
        "--on",
        metavar="ray[=ADDRESS]",
        help="Work on a Ray cluster, or in workers of this machine if no address is given; see docs/cluster.md.",
        show_default=False,
    ),
]
RetryQuarantined = Annotated[
    bool, typer.Option("--retry-errors", help="Try what is quarantined again, which only a cluster does.")
]
AllFigures = Annotated[bool, typer.Option("--all", help="Print all figures, not only the main ones.")]
AsJson = Annotated[bool, typer.Option("--json", help="Print the result as JSON, for programs.")]


def settings_from(
    model: type[S], section: str, recipe: str | None, overrides: Sequence[str] | None, /, **given: Any
) -> S:
    """The settings of one section: the recipe's, then the overrides, then what options gave.

    Args:
        model: The settings model.
        section: The section's name in recipes; its keys may be written with or without it.
        recipe: A recipe to start from.
        overrides: Overrides such as ``epochs=2``.
        **given: Values of dedicated options; None if not given.

    Raises:
        UserError: If the recipe, a key or a value is wrong.
    """
    from vlm_autodrive.settings import merge_values, parse_overrides, parse_settings

    values: dict[str, Any] = {}
    if recipe is not None:
        from vlm_autodrive.runs import recipe_section

        fields = {field.alias or name for name, field in model.model_fields.items()}
        values = recipe_section(recipe, section, fields)
    changes = parse_overrides(overrides or ())
    if section not in model.model_fields and isinstance(changes.get(section), dict):
        changes = merge_values(changes, changes.pop(section))
    values = merge_values(values, changes)
    values = merge_values(values, {key: value for key, value in given.items() if value is not None})
    return parse_settings(model, values, f"settings of {section}")


@contextmanager
def on_cluster_if(on: str | None, reporter: "Reporter") -> Iterator["Executor | None"]:
    """The executor of the cluster that ``--on`` names; None without it, and then nothing of Ray is imported."""
    if on is None:
        yield None
        return
    from vlm_autodrive.scale import on_cluster

    with on_cluster(on, reporter) as executor:
        yield executor


def served_at(url: str | None) -> dict[str, str] | None:
    """The endpoint settings that ``--endpoint`` sets."""
    return None if url is None else {"base_url": url}


def named_out(out: Path | None) -> Path:
    """The folder to write to, where it may be left out for a dry run alone."""
    if out is None:
        raise typer.BadParameter("give the folder to write to, or --dry-run.", param_hint="'--out' / '-o'")
    return out


def is_setting(text: str) -> bool:
    """Whether an argument is a setting such as ``lora.r=8`` rather than a path."""
    key, equals, _ = text.partition("=")
    return bool(equals) and all(part.isidentifier() for part in key.split(".")) and not Path(text).exists()


def print_json(value: Any) -> None:
    """Print a value for a program to read."""
    print(json.dumps(value, indent=1, ensure_ascii=False))
