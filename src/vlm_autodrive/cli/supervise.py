"""``autodrive supervise``: write what the model is to learn from."""

from pathlib import Path
from typing import Annotated

import typer

from vlm_autodrive.cli.options import Out, Overrides, Overwrite, RecipeName

SEE_ALSO = (
    "Afterwards: autodrive supervise audit SUPERVISION --out DIR draws a sample for people to judge; "
    "its own --help tells more. A clip set that is called audit is given as ./audit."
)


def supervise(
    clips: Annotated[Path, typer.Argument(metavar="CLIPS", help="What `clips` made.")],
    out: Out,
    settings: Overrides = None,
    recipe: RecipeName = None,
    overwrite: Overwrite = False,
) -> None:
    """Write captions, questions and reasoning for every clip.

    Texts that contradict what is known, or give the answer away, are kept as rejected, with the reason.

    Example: autodrive supervise runs/mine/clips --out runs/mine/supervision
    """
    from vlm_autodrive.cli.console import make_reporter
    from vlm_autodrive.cli.options import settings_from
    from vlm_autodrive.supervision.settings import SuperviseSettings
    from vlm_autodrive.supervision.supervising import supervise as supervise_clips

    chosen = settings_from(SuperviseSettings, "supervise", recipe, settings)
    print(supervise_clips(clips, out, chosen, make_reporter(), overwrite=overwrite))
