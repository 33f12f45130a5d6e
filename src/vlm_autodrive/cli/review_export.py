"""``autodrive review export``: what reviewers decided becomes a new version of the data."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from vlm_autodrive.cli.options import AsJson, Out, Overwrite
from vlm_autodrive.errors import UserError

if TYPE_CHECKING:
    from vlm_autodrive.records import CorrectionsResult
    from vlm_autodrive.supervision import AcceptanceRate, ReviewResult


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
            help="The catalog that is corrected; not needed for detections alone, nor for a supervision set.",
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
    """Write what reviewers decided as a new catalog, or a new supervision set, with a list of what it changes.

    Every decision gets one outcome in corrections_outcome.jsonl: applied, unchanged, conflict, refused or superseded,
    with its reason. diff.md counts the classes before and after and lists each change. Where reviewers disagree, or
    the test split would change, nothing is applied, and the exit status is 0 all the same: read the counts.
    If the first PATH is a supervision set, the result is one: rejected samples are rejected, corrected texts are
    checked and stand in their place, and the acceptance rates are printed.

    Example: autodrive review export runs/mine/predictions/tuned --catalog runs/mine/catalog --out runs/mine-2/catalog
    """
    from vlm_autodrive.artifacts import PROVENANCE, read_provenance
    from vlm_autodrive.console import make_reporter
    from vlm_autodrive.settings import parse_settings

    if (paths[0] / PROVENANCE).is_file() and read_provenance(paths[0]).kind == "supervision":
        if catalog is not None or relabel_test or test_ids is not None:
            raise UserError("--catalog, --relabel-test and --test-ids are not for a supervision set; leave them out.")
        _export_samples(paths, out, reviewer, overwrite=overwrite, as_json=as_json)
        return
    from vlm_autodrive.artifacts import read_corrections_result
    from vlm_autodrive.datasets import CorrectionSettings, apply_corrections

    given = {"reviewer": reviewer, "relabel_test": relabel_test}
    settings = parse_settings(CorrectionSettings, given, "options of review export")
    reporter = make_reporter()
    apply_corrections(catalog, paths, out, settings, reporter, test_ids=test_ids, overwrite=overwrite)
    result = read_corrections_result(out)
    if as_json:
        print(result.model_dump_json(indent=1))
        return
    _print(result, out)
    print(out)
    reporter.say(f"Next: autodrive clips {out} --out CLIPS")


def _export_samples(paths: list[Path], out: Path, reviewer: str | None, *, overwrite: bool, as_json: bool) -> None:
    from vlm_autodrive.console import make_reporter
    from vlm_autodrive.settings import parse_settings
    from vlm_autodrive.supervision import (
        SampleCorrectionSettings,
        correct_supervision,
        read_sample_corrections_result,
    )

    settings = parse_settings(SampleCorrectionSettings, {"reviewer": reviewer}, "options of review export")
    correct_supervision(paths[0], paths, out, settings, make_reporter(), overwrite=overwrite)
    result = read_sample_corrections_result(out)
    if as_json:
        print(result.model_dump_json(indent=1))
        return
    _print_rates(result.review)
    print(f"{result.corrections} decisions: {_counts(result.outcomes)}.")
    print(out)


def _print_rates(review: "ReviewResult") -> None:
    from vlm_autodrive.cli.tables import print_columns
    from vlm_autodrive.records import REJECTION_REASONS

    rows = [("accepted by the checks", *_rate(review.accepted))]
    for group, rates in review.accepted_by.items():
        rows += [(f"  {group} {name}", *_rate(rate)) for name, rate in rates.items() if len(rates) > 1]
    if review.rejected.size:
        rows.append(("rejected by the checks", *_rate(review.rejected)))
    print_columns(("samples", "people accept", "95 % confidence interval", "judged", "of"), rows)
    if review.reviewers:
        print(f"Decisions that hold: {', '.join(f'{name} {count}' for name, count in review.reviewers.items())}.")
    if review.reasons:
        chosen: dict[Any, int] = dict(review.reasons)
        counts = ", ".join(f"{REJECTION_REASONS[reason].lower()} {count}" for reason, count in chosen.items())
        print(f"Reasons: {counts}.")
    for pair in review.agreement:
        if pair.alike.value is None:
            print(f"{pair.first} and {pair.second} judged no sample in common.")
            continue
        kappa = "" if pair.cohen_kappa is None else f", kappa {pair.cohen_kappa:.2f}"
        print(f"{pair.first} and {pair.second} agree on {pair.alike.value:.0%} of {pair.alike.n} samples{kappa}.")
    for warning in review.warnings:
        print(f"Note: {warning}.")


def _rate(rate: "AcceptanceRate") -> tuple[str, str, str, str]:
    estimate = rate.rate
    proportion, interval = "-", "-"
    if estimate.value is not None:
        proportion = f"{100 * estimate.value:.0f} %"
        interval = f"{100 * (estimate.low or 0):.0f} to {100 * (estimate.high or 0):.0f} %"
    return proportion, interval, str(estimate.n), str(rate.size)


def _counts(outcomes: dict[str, int]) -> str:
    return ", ".join(f"{name} {count}" for name, count in sorted(outcomes.items()))


def _print(result: "CorrectionsResult", out: Path) -> None:
    from vlm_autodrive.artifacts import read_taxonomy
    from vlm_autodrive.cli.tables import print_columns

    labels = {each.name: each.label for each in read_taxonomy(out).classes}
    names = [*labels, *(name for name in result.after if name not in labels)]
    rows = [(labels.get(name, name), str(result.before.get(name, 0)), str(result.after.get(name, 0))) for name in names]
    print_columns(("class", "before", "after"), rows)
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
