"""``autodrive engines``: checks of an endpoint before anything is paid for."""

from typing import Annotated

import typer

from vlm_autodrive.cli.options import AsJson

app = typer.Typer(no_args_is_help=True)


@app.callback()
def engines() -> None:
    """Check what an endpoint can do.

    Example: autodrive engines check http://127.0.0.1:8000/v1
    """


@app.command("check")
def check(
    url: Annotated[str, typer.Argument(metavar="URL", help="Any OpenAI-compatible endpoint.")],
    settings: Annotated[
        list[str] | None,
        typer.Argument(
            metavar="KEY=VALUE",
            help="Settings of the endpoint, such as allow_remote=true or api_key_env=KEY; see docs/serving.md.",
            show_default=False,
        ),
    ] = None,
    model: Annotated[
        str,
        typer.Option("--model", metavar="MODEL", help="The model's name there; the first listed if not given."),
    ] = "",
    as_json: AsJson = False,
) -> None:
    """Send about ten small probes to an endpoint, and say what it can do.

    Whether answers are held to the class codes, log-probabilities are complete, pictures keep their order and all
    arrive, videos are taken with the times of their frames; whether it thinks, and what it does by default.

    Example: autodrive engines check http://127.0.0.1:8000/v1 --model big
    """
    from vlm_autodrive.cli.options import settings_from
    from vlm_autodrive.console import make_reporter
    from vlm_autodrive.engines import ServedModelSettings, check_endpoint

    chosen = settings_from(ServedModelSettings, "endpoint", None, settings, base_url=url)
    found = check_endpoint(chosen, model, f"check of {url}", make_reporter())
    if as_json:
        print(found.model_dump_json(indent=1))
    else:
        print("\n".join(found.lines()))
