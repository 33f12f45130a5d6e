"""``autodrive supervise review``: human review of a random draw of SFT samples."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from vlm_autodrive.cli.options import AsJson, Out, Overwrite
from vlm_autodrive.errors import UserError

if TYPE_CHECKING:
    from vlm_autodrive.supervision import AcceptanceRate, ReviewResult


def supervise_review(
    supervision: Annotated[Path, typer.Argument(metavar="SUPERVISION", help="What `supervise` made.")],
    out: Out,
    decisions: Annotated[
        list[Path] | None,
        typer.Option("--decisions", metavar="FILE", help="Decisions saved from the page; may be repeated."),
    ] = None,
    samples: Annotated[
        int | None, typer.Option("--samples", metavar="N", min=1, help="How many samples to draw; 100 if not given.")
    ] = None,
    type_: Annotated[
        list[str] | None,
        typer.Option("--type", metavar="TYPE", help="Draw samples of this type only; may be repeated."),
    ] = None,
    seed: Annotated[
        int | None, typer.Option("--seed", metavar="N", help="Random seed of the draw; 0 if not given.")
    ] = None,
    overwrite: Overwrite = False,
    as_json: AsJson = False,
) -> None:
    """Draw samples for human review, and estimate the proportion that people accept.

    First without --decisions: writes review.html, a page that needs no network, with some samples of every type, class
    and teacher, accepted and rejected by the checks, beside the frames of their clips. Then with --decisions: takes
    what people saved from the page into decisions.jsonl, and prints the acceptance
    rates with 95 % confidence intervals, as in review.json.

    Example: autodrive supervise review runs/mine/supervision --out runs/mine/review --samples 60
    """
    from vlm_autodrive.cli.console import make_reporter
    from vlm_autodrive.settings import parse_settings
    from vlm_autodrive.supervision import ReviewSettings, start_review

    drawing = {"samples": samples, "types": tuple(type_) if type_ else None, "seed": seed}
    if not decisions:
        given = {key: value for key, value in drawing.items() if value is not None}
        settings = parse_settings(ReviewSettings, given, "options of supervise review")
        page = start_review(supervision, out, settings, make_reporter(), overwrite=overwrite)
        if as_json:
            from vlm_autodrive.supervision import read_review

            print(read_review(supervision, out).model_dump_json(indent=1))
        else:
            print(page)
        return
    if overwrite or any(value is not None for value in drawing.values()):
        raise UserError("--samples, --type, --seed and --overwrite are for the draw; leave them out here.")
    from vlm_autodrive.supervision import take_decisions

    result = take_decisions(supervision, out, decisions)
    if as_json:
        print(result.model_dump_json(indent=1))
    else:
        _print_result(result)


def _print_result(result: "ReviewResult") -> None:
    from vlm_autodrive.cli.tables import print_columns
    from vlm_autodrive.records import REJECTION_REASONS

    rows = [("accepted by the checks", *_rate(result.accepted))]
    for group, rates in result.accepted_by.items():
        rows += [(f"  {group} {name}", *_rate(rate)) for name, rate in rates.items() if len(rates) > 1]
    if result.rejected.size:
        rows.append(("rejected by the checks", *_rate(result.rejected)))
    print_columns(("samples", "people accept", "95 % confidence interval", "judged", "drawn", "of"), rows)
    print(f"Decisions: {', '.join(f'{name} {count}' for name, count in result.reviewers.items())}.")
    if result.reasons:
        chosen: dict[Any, int] = dict(result.reasons)
        counts = ", ".join(f"{REJECTION_REASONS[reason].lower()} {count}" for reason, count in chosen.items())
        print(f"Reasons: {counts}.")
    for pair in result.agreement:
        if pair.alike.value is None:
            print(f"{pair.first} and {pair.second} judged no sample in common.")
            continue
        kappa = "" if pair.cohen_kappa is None else f", kappa {pair.cohen_kappa:.2f}"
        print(f"{pair.first} and {pair.second} agree on {pair.alike.value:.0%} of {pair.alike.n} samples{kappa}.")
    for warning in result.warnings:
        print(f"Note: {warning}.")


def _rate(rate: "AcceptanceRate") -> tuple[str, str, str, str, str]:
    estimate = rate.rate
    proportion, interval = "-", "-"
    if estimate.value is not None:
        proportion = f"{100 * estimate.value:.0f} %"
        interval = f"{100 * (estimate.low or 0):.0f} to {100 * (estimate.high or 0):.0f} %"
    return proportion, interval, str(estimate.n), str(rate.drawn), str(rate.size)
