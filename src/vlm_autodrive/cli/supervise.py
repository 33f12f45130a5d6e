"""``autodrive supervise``: make SFT samples of every clip."""

from pathlib import Path
from typing import Annotated

import typer

from vlm_autodrive.cli.options import (
    AsJson,
    BlurFaces,
    DryRun,
    OnCluster,
    OutUnlessDry,
    Overrides,
    Overwrite,
    RecipeName,
    RetryQuarantined,
)


def supervise(
    clips: Annotated[Path, typer.Argument(metavar="CLIPS", help="What `clips` made.")],
    out: OutUnlessDry = None,
    settings: Overrides = None,
    recipe: RecipeName = None,
    blur: BlurFaces = None,
    on: OnCluster = None,
    retry_errors: RetryQuarantined = False,
    overwrite: Overwrite = False,
    dry_run: DryRun = False,
    as_json: AsJson = False,
) -> None:
    """Make the SFT samples of every clip: captions, descriptions, VQA, reasoning VQA and chain-of-thought reasoning.

    Rules write them, or models: set teacher, and captioner where another model describes what it sees. chain=paper
    has them written from captions, as in the paper. --dry-run says what either model would be asked, and the price.
    Samples that contradict the metadata, or leak the answer, are kept as rejected, with the reason; have people look at
    others with `autodrive review SUPERVISION`.
    --json prints the estimate of a dry run, or else the summary of the set that was made.

    Example: autodrive supervise runs/mine/clips --out runs/mine/supervision
    """
    from vlm_autodrive.cli.options import named_out, on_cluster_if, print_json, settings_from
    from vlm_autodrive.console import make_reporter
    from vlm_autodrive.supervision import SuperviseSettings

    chosen = settings_from(SuperviseSettings, "supervise", recipe, settings, blur=blur)
    if dry_run:
        from vlm_autodrive.supervision import estimate_lines, estimate_supervision

        found = estimate_supervision(clips, chosen, make_reporter())
        if as_json:
            print_json(found.model_dump(mode="json"))
        else:
            print("\n".join(estimate_lines(found, chosen)))
        return
    from vlm_autodrive.supervision import SUMMARY_FILE
    from vlm_autodrive.supervision import supervise as supervise_clips

    folder, reporter = named_out(out), make_reporter()
    with on_cluster_if(on, reporter) as executor:
        made = supervise_clips(
            clips, folder, chosen, reporter, executor=executor, retry_errors=retry_errors, overwrite=overwrite
        )
    if as_json:
        print((made / SUMMARY_FILE).read_text(encoding="utf-8"), end="")
    else:
        print(made)
