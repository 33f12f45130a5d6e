"""``autodrive models``: checks of a model before anything is trained."""

from typing import Annotated

import typer

from vlm_autodrive.cli.options import AsJson

CANNOT_BE_TRAINED = 1

app = typer.Typer(no_args_is_help=True)


@app.callback()
def models() -> None:
    """Check whether a model can be trained, and how.

    Example: autodrive models check tiny-base
    """


@app.command("check")
def check(
    model: Annotated[str, typer.Argument(metavar="MODEL", help="tiny-base, a folder, or a name on the hub.")],
    random_layers: Annotated[
        int | None,
        typer.Option(
            "--random-layers",
            metavar="N",
            min=1,
            help="Read configuration and processor only, and build N layers of each type with random weights. Without "
            "it the first layers are loaded with their own weights if they are on this machine; else N is 1.",
        ),
    ] = None,
    as_json: AsJson = False,
) -> None:
    """Check on a CPU what training needs of a model, prefix sharing first.

    Samples that share one encoded video give the loss and gradients of separate ones; training and inference see the
    same frames; each verdict code is one token; LoRA reaches the language model alone. Exits with status 1 if the
    model cannot be trained.

    Example: autodrive models check nvidia/Cosmos-Reason1-7B --random-layers 1
    """
    from vlm_autodrive.training import check_model

    found = check_model(model, random_layers)
    if as_json:
        print(found.model_dump_json(indent=1))
    else:
        print("\n".join(found.lines()))
    if not found.can_be_trained:
        raise typer.Exit(CANNOT_BE_TRAINED)
