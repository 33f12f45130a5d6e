"""``autodrive validate``: decode every video of a catalog, and mark those that cannot be used."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from vlm_autodrive.cli.options import AsJson, OnCluster, Overwrite, RetryQuarantined

if TYPE_CHECKING:
    from vlm_autodrive.datasets import ValidationSummary, VideoValidation

NOT_GOOD = 1
_MAX_ROWS = 40


def validate(
    catalog: Annotated[Path, typer.Argument(metavar="CATALOG", help="What `import` made.")],
    settings: Annotated[
        list[str] | None, typer.Argument(metavar="KEY=VALUE", help="Settings, as listed above.", show_default=False)
    ] = None,
    out: Annotated[
        Path | None,
        typer.Option("--out", "-o", metavar="DIR", help="The new catalog; CATALOG-validated unless given."),
    ] = None,
    strict: Annotated[
        bool, typer.Option("--strict", help="Refuse videos that are cut off or damaged; status 1 if any is refused.")
    ] = False,
    whole: Annotated[bool, typer.Option("--whole", help="Decode all of a long video too, not samples of it.")] = False,
    workers: Annotated[
        int | None,
        typer.Option("--workers", min=1, metavar="N", help="Videos decoded at once; all cores if not given."),
    ] = None,
    on: OnCluster = None,
    retry_errors: RetryQuarantined = False,
    as_json: AsJson = False,
    overwrite: Overwrite = False,
) -> None:
    """Decode every video of a catalog, and mark those that cannot be used with the reason.

    Of a video longer than ten minutes all packets are read, and the first and last minute and ten seconds out of every
    five minutes are decoded, unless --whole. Each video is decoded in a process with a limit of memory, which must get
    on: a crash of the decoder affects that video alone. Give the new catalog to `clips`; videos that cannot be used
    become clips with that reason, and are never cut. The table shows these first, then what else is worth a note.

    Settings: max_black_fraction and max_frozen_fraction (0.98; 1.01 lets all pass), memory_mb (2000),
    stall_timeout_s (60).

    Exits with status 0 even if some videos cannot be used; with 1 if none can, or, with --strict, if any cannot.

    Example: autodrive validate runs/mine/catalog --out runs/mine/validated
    """
    from vlm_autodrive.cli.options import on_cluster_if, settings_from
    from vlm_autodrive.console import make_reporter
    from vlm_autodrive.datasets import ValidateSettings, read_validations
    from vlm_autodrive.datasets import validate as validate_catalog

    chosen = settings_from(ValidateSettings, "validate", None, settings, strict=strict or None, whole=whole or None)
    folder = out or catalog.absolute().with_name(f"{catalog.absolute().name}-validated")
    reporter = make_reporter()
    with on_cluster_if(on, reporter) as executor:
        summary = validate_catalog(
            catalog,
            folder,
            chosen,
            reporter,
            workers=workers,
            executor=executor,
            retry_errors=retry_errors,
            overwrite=overwrite,
        )
    if as_json:
        print(summary.model_dump_json(indent=1))
    else:
        _print(read_validations(folder), summary)
        print(folder)
    if not summary.usable or (chosen.strict and summary.quarantined):
        raise typer.Exit(NOT_GOOD)


def _print(found: "list[VideoValidation]", summary: "ValidationSummary") -> None:
    from vlm_autodrive.cli.tables import print_columns

    rows = []
    for each in sorted(found, key=lambda each: (not each.problem, not each.notes)):
        check = each.check
        remarks = [*(f"cannot be used: {each.problem}" for _ in range(bool(each.problem))), *each.notes.values()]
        rows.append(
            (
                each.video_id,
                check.codec if check else "-",
                f"{check.width} x {check.height}" if check else "-",
                f"{check.fps:.4g}" if check else "-",
                f"{check.duration_s:.2f}" if check else "-",
                f"{check.frames}" + (f" of {check.header_frames}" if check.header_frames else "") if check else "-",
                "; ".join(dict.fromkeys(remarks)),
            )
        )
    if rows:
        print_columns(("video", "codec", "size", "fps", "seconds", "frames", "what was found"), rows[:_MAX_ROWS])
    if len(rows) > _MAX_ROWS:
        print(f"and {len(rows) - _MAX_ROWS} more; validation.jsonl has them all.")
    codecs = ", ".join(f"{name} {count}" for name, count in summary.codecs.items()) or "none"
    print(
        f"{summary.videos} videos: {summary.usable} can be used, {len(summary.quarantined)} cannot; "
        f"{summary.hours:.2f} hours decode. Codecs: {codecs}."
    )
    if summary.notes:
        print("Noted: " + ", ".join(f"{kind} {count}" for kind, count in summary.notes.items()) + ".")
