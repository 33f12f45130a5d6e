"""``autodrive clips``: cut windows and split them."""

from pathlib import Path
from typing import Annotated

import typer

from vlm_autodrive.cli.options import OnCluster, Out, Overrides, Overwrite, RecipeName, RetryQuarantined


def clips(
    catalog: Annotated[Path, typer.Argument(metavar="CATALOG", help="What `import` made.")],
    out: Out,
    settings: Overrides = None,
    recipe: RecipeName = None,
    on: OnCluster = None,
    retry_errors: RetryQuarantined = False,
    overwrite: Overwrite = False,
) -> None:
    """Cut clips around or before the events, and split them by drive.

    A drive, footage that several data sets share, and a matched triplet each stay in one split. `test_ids.txt` in the
    result lists the videos of the test split; frozen_test=FILE keeps that split. anticipation_s=[0.5,1.0] cuts windows
    that end so many seconds before the event. unknown_events=binary makes the binary task, event or none. See
    docs/leaks.md.

    Example: autodrive clips runs/mine/catalog --out runs/mine/clips window_s=10
    """
    from vlm_autodrive.cli.options import on_cluster_if, settings_from
    from vlm_autodrive.clips import ClipSettings, build_clips
    from vlm_autodrive.console import make_reporter

    chosen = settings_from(ClipSettings, "clips", recipe, settings)
    reporter = make_reporter()
    with on_cluster_if(on, reporter) as executor:
        made = build_clips(
            catalog, out, chosen, reporter, executor=executor, retry_errors=retry_errors, overwrite=overwrite
        )
    print(made)
