"""``autodrive compare``: scores with confidence intervals, and tests of the difference."""

import difflib
from pathlib import Path
from typing import Annotated

import typer

from vlm_autodrive.cli.options import AllFigures, AsJson, Out, Overwrite, RecipeName
from vlm_autodrive.errors import UserError


def compare(
    arguments: Annotated[
        list[str],
        typer.Argument(
            metavar="NAME=PREDICTIONS|KEY=VALUE",
            help="A name for each model and what `evaluate` made, the base first; then settings.",
        ),
    ],
    out: Out,
    validation: Annotated[
        list[str] | None,
        typer.Option(
            "--validation",
            metavar="NAME=PREDICTIONS",
            help="A model's predictions on validation clips, to fit its temperature on; may be given for each model.",
            show_default=False,
        ),
    ] = None,
    anticipation: Annotated[
        list[str] | None,
        typer.Option(
            "--anticipation",
            metavar="NAME=PREDICTIONS",
            help="A model's predictions on windows that end before an event (clips anticipation_s=...).",
            show_default=False,
        ),
    ] = None,
    references: Annotated[
        Path | None,
        typer.Option(
            "--references",
            metavar="SUPERVISION",
            help="What `supervise` made of the same clips: the models' traces are compared with its reasoning.",
            show_default=False,
        ),
    ] = None,
    judgements: Annotated[
        list[str] | None,
        typer.Option(
            "--judgements",
            metavar="NAME=JUDGEMENTS",
            help="What `judge` made of a model's traces; may be given for each model.",
            show_default=False,
        ),
    ] = None,
    recipe: RecipeName = None,
    overwrite: Overwrite = False,
    everything: AllFigures = False,
    as_json: AsJson = False,
) -> None:
    """Score models on the same clips, with confidence intervals and significance tests.

    Prints the headline, the diagnostics, and a table.

    Example: autodrive compare base=predictions/base tuned=predictions/tuned --out comparison
    """
    from vlm_autodrive.cli.options import print_json, settings_from
    from vlm_autodrive.cli.tables import print_comparison
    from vlm_autodrive.console import make_reporter
    from vlm_autodrive.evaluation import CompareSettings, read_comparison
    from vlm_autodrive.evaluation import compare as compare_predictions

    predictions: dict[str, Path] = {}
    overrides = []
    for text in arguments:
        name, equals, value = text.partition("=")
        if name.split(".")[0] in {"compare", *CompareSettings.model_fields} and equals:
            overrides.append(text)
            continue
        name, folder = (name, Path(value)) if equals else (Path(text).name, Path(text))
        near = difflib.get_close_matches(name, CompareSettings.model_fields, n=1, cutoff=0.8)
        if near and not folder.exists():
            raise UserError(f"there is no setting {name}, nor a folder {folder}; did you mean {near[0]}?")
        _put(predictions, name, folder)
    chosen = settings_from(CompareSettings, "compare", recipe, overrides)
    made = compare_predictions(
        predictions,
        out,
        chosen,
        make_reporter(),
        validation=_named(validation, "--validation"),
        anticipation=_named(anticipation, "--anticipation"),
        references=references,
        judgements=_named(judgements, "--judgements"),
        overwrite=overwrite,
    )
    if as_json:
        print_json(read_comparison(made).model_dump(mode="json"))
    else:
        print_comparison(made, everything=everything)
        print(made)


def _named(texts: list[str] | None, option: str) -> dict[str, Path]:
    named: dict[str, Path] = {}
    for text in texts or ():
        name, equals, folder = text.partition("=")
        if not equals or not folder:
            raise typer.BadParameter(
                f"write NAME=FOLDER, with the model's name as in the predictions, not {text}.", param_hint=option
            )
        _put(named, name, Path(folder))
    return named


def _put(named: dict[str, Path], name: str, folder: Path) -> None:
    if name in named:
        raise UserError(f"{named[name]} and {folder} are both called {name}; give each a name of its own: NAME=FOLDER.")
    named[name] = folder
