"""``autodrive review``: the review page."""

from contextlib import suppress
from importlib.util import find_spec
from pathlib import Path
from typing import Annotated

import typer

from vlm_autodrive.errors import UserError

_ENDS = "Ctrl-C ends it; `autodrive review export` then makes your decisions the next version of the data."
WITHOUT_SERVER = "the review page needs two more packages: pip install '.[review]'."


def review(
    path: Annotated[
        Path,
        typer.Argument(
            metavar="PATH",
            help="What `detect`, `clips`, `supervise` or `evaluate` wrote; a folder of several models' predictions.",
        ),
    ],
    reviewer: Annotated[
        str | None,
        typer.Option(
            "--reviewer", metavar="NAME", help="Your name, kept with each decision.", show_default="login name"
        ),
    ] = None,
    store: Annotated[
        Path | None,
        typer.Option(
            "--store",
            metavar="FILE",
            help="File of the decisions.",
            show_default="PATH/review.sqlite3, or PATH.review.sqlite3 beside a single result",
        ),
    ] = None,
    samples: Annotated[
        int | None,
        typer.Option("--samples", metavar="N", min=1, help="SFT samples to draw.", show_default="100"),
    ] = None,
    type_: Annotated[
        list[str] | None,
        typer.Option("--type", metavar="TYPE", help="Draw SFT samples of this type only; may be repeated."),
    ] = None,
    seed: Annotated[
        int | None,
        typer.Option("--seed", metavar="N", help="Random seed of the draw of SFT samples.", show_default="0"),
    ] = None,
    blind: Annotated[
        bool,
        typer.Option("--blind", help="Hide the model's answer, or the checks, until your first decision on an item."),
    ] = False,
    queue: Annotated[
        str,
        typer.Option("--queue", metavar="QUERY", help="Queue to begin with, such as slice=proposed:yes."),
    ] = "",
    port: Annotated[int, typer.Option("--port", metavar="N", min=0, max=65535, help="Port; 0 for a free one.")] = 0,
    open_: Annotated[bool, typer.Option("--open/--no-open", help="Open the page in your browser.")] = True,
    host: Annotated[
        str, typer.Option("--host", metavar="ADDRESS", help="Address to listen on; others than this need --token.")
    ] = "127.0.0.1",
    token: Annotated[
        bool, typer.Option("--token", help="Let in only who opens the printed address, which works once.")
    ] = False,
    allow_host: Annotated[
        list[str] | None,
        typer.Option("--allow-host", metavar="NAME", help="Further name to be asked by; may be repeated."),
    ] = None,
    media_root: Annotated[
        list[Path] | None,
        typer.Option("--media-root", metavar="DIR", help="Folder that links to videos may lead to; may be repeated."),
    ] = None,
) -> None:
    """Open the review page: watch what a model found, confirm it or correct it.

    Of a supervision set it shows a random draw of samples: accept, reject or correct their texts; the queue shows the
    acceptance rates with 95 % confidence intervals. `autodrive review export` makes decisions the next version, and
    `autodrive review next` proposes moments of trips that are worth labelling.
    Prints the page's address, and serves it on this computer until Ctrl-C. Each decision is kept at once.

    Example: autodrive review found
    """
    if not has_server():
        raise UserError(WITHOUT_SERVER)
    from urllib.parse import parse_qsl

    from vlm_autodrive.review import open_review, queue_state, serve
    from vlm_autodrive.settings import parse_settings
    from vlm_autodrive.supervision import ReviewSettings

    drawn = {"samples": samples, "types": tuple(type_) if type_ else None, "seed": seed}
    given = {key: value for key, value in drawn.items() if value is not None}
    opened = open_review(
        path,
        reviewer or _login_name(),
        store,
        drawing=parse_settings(ReviewSettings, given, "options of review") if given else None,
        blind=blind,
        media_roots=tuple(media_root or ()),
        start=queue_state(dict(parse_qsl(queue))).query(),
    )
    with suppress(KeyboardInterrupt):  # the ordinary end
        serve(
            opened,
            host=host,
            port=port,
            with_token=token,
            names=tuple(allow_host or ()),
            opens_browser=open_,
            tell=lambda address: print(f"Review {len(opened.source.items)} items at {address}\n{_ENDS}", flush=True),
        )
    print(f"Stopped. The decisions are in {opened.store.path}.")


def has_server() -> bool:
    """Whether the packages are there that serve the page."""
    return all(find_spec(name) for name in ("starlette", "uvicorn"))


def _login_name() -> str:
    import getpass

    try:
        return getpass.getuser()
    except (KeyError, OSError, ImportError):
        raise UserError("your login name is not known; give your name with --reviewer.") from None
