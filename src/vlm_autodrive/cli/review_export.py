"""``autodrive review export``: what reviewers decided becomes a new version of the data."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from vlm_autodrive.cli.options import AsJson, Out, Overwrite

if TYPE_CHECKING:
    from vlm_autodrive.records import CorrectionsResult


def review_export(
    paths: Annotated[
        list[Path],
        typer.Argument(metavar="PATH", help="What was reviewed, a review's store or corrections.jsonl; or several."),
    ],
    out: Out,
    catalog: Annotated[
        Path | None,
        typer.Option(
            "--catalog",
            metavar="CATALOG",
            help="The catalog that is corrected; not needed for detections alone.",
            show_default=False,
        ),
    ] = None,
    reviewer: Annotated[
        str | None,
        typer.Option("--reviewer", metavar="NAME", help="Whose decision counts where reviewers disagree."),
    ] = None,
    relabel_test: Annotated[
        bool, typer.Option("--relabel-test", help="Correct the test split too; its scores then start anew.")
    ] = False,
    test_ids: Annotated[
        Path | None,
        typer.Option(
            "--test-ids", metavar="FILE", help="test_ids.txt of a clip set: these videos are the test split, too."
        ),
    ] = None,
    overwrite: Overwrite = False,
    as_json: AsJson = False,
) -> None:
    """Write what reviewers decided as a new catalog, with a list of what it changes.

    Every decision gets one outcome in corrections_outcome.jsonl: applied, unchanged, conflict, refused or superseded,
    with its reason. diff.md counts the classes before and after and lists each change. Where reviewers disagree, or
    the test split would change, nothing is applied, and the exit status is 0 all the same: read the counts.

    Example: autodrive review export runs/mine/predictions/tuned --catalog runs/mine/catalog --out runs/mine-2/catalog
    """
    from vlm_autodrive.artifacts import read_corrections_result
    from vlm_autodrive.cli.console import make_reporter
    from vlm_autodrive.datasets import CorrectionSettings, apply_corrections
    from vlm_autodrive.settings import parse_settings

    given = {"reviewer": reviewer, "relabel_test": relabel_test}
    settings = parse_settings(CorrectionSettings, given, "options of review export")
    apply_corrections(catalog, paths, out, settings, make_reporter(), test_ids=test_ids, overwrite=overwrite)
    result = read_corrections_result(out)
    if as_json:
        print(result.model_dump_json(indent=1))
        return
    _print(result, out)
    print(out)


def _print(result: "CorrectionsResult", out: Path) -> None:
    from vlm_autodrive.artifacts import read_taxonomy
    from vlm_autodrive.cli.tables import print_columns

    labels = {each.name: each.label for each in read_taxonomy(out).classes}
    names = [*labels, *(name for name in result.after if name not in labels)]
    rows = [(labels.get(name, name), str(result.before.get(name, 0)), str(result.after.get(name, 0))) for name in names]
    print_columns(("class", "before", "after"), rows)
    outcomes = ", ".join(f"{name} {count}" for name, count in sorted(result.outcomes.items()))
    print(f"{result.corrections} corrections: {outcomes}. {len(result.changes)} changes are listed in diff.md.")
    agreement = result.agreement
    if agreement.items:
        alpha = agreement.krippendorff_alpha
        told = "is undefined: all said the same" if alpha.value is None else f"{alpha.value:.2f}"
        if alpha.low is not None and alpha.high is not None:
            told += f" (95 % confidence interval {alpha.low:.2f} to {alpha.high:.2f})"
        alike = agreement.alike.value or 0.0
        print(
            f"Several reviewers judged {agreement.items} items and gave {alike:.0%} of them the same class; "
            f"Krippendorff's alpha {told}."
        )
