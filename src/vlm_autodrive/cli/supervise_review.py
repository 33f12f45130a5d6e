"""``autodrive supervise audit``: let people judge a sample of what is to be taught."""

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
    verdicts: Annotated[
        list[Path] | None,
        typer.Option("--verdicts", metavar="FILE", help="Verdicts that were saved from the page; may be given again."),
    ] = None,
    items: Annotated[
        int | None, typer.Option("--items", metavar="N", min=1, help="How many items to draw; 100 if not given.")
    ] = None,
    kind: Annotated[
        list[str] | None, typer.Option("--kind", metavar="KIND", help="Draw of this kind alone; may be given again.")
    ] = None,
    seed: Annotated[int | None, typer.Option("--seed", metavar="N", help="Of the draw; 0 if not given.")] = None,
    overwrite: Overwrite = False,
    as_json: AsJson = False,
) -> None:
    """Draw items for people to judge, and say what share of them they accept.

    First without --verdicts: writes audit.html, a page that needs no network, with some items of every kind, class
    and teacher, accepted and rejected by the checks, beside the frames of their clips. Then with --verdicts: takes
    what people saved from the page into verdicts.jsonl, and tells the rates with 95 % intervals, as in audit.json.

    Example: autodrive supervise audit runs/mine/supervision --out runs/mine/audit --items 60
    """
    from vlm_autodrive.cli.console import make_reporter
    from vlm_autodrive.settings import parse_settings
    from vlm_autodrive.supervision import ReviewSettings, start_review

    drawing = {"items": items, "types": tuple(kind) if kind else None, "seed": seed}
    if not verdicts:
        given = {key: value for key, value in drawing.items() if value is not None}
        settings = parse_settings(ReviewSettings, given, "options of supervise audit")
        page = start_review(supervision, out, settings, make_reporter(), overwrite=overwrite)
        if as_json:
            from vlm_autodrive.supervision import read_sample

            print(read_sample(supervision, out).model_dump_json(indent=1))
        else:
            print(page)
        return
    if overwrite or any(value is not None for value in drawing.values()):
        raise UserError("--items, --kind, --seed and --overwrite are for drawing a sample; leave them out here.")
    from vlm_autodrive.supervision import take_verdicts

    result = take_verdicts(supervision, out, verdicts)
    if as_json:
        print(result.model_dump_json(indent=1))
    else:
        _print_result(result)


def _print_result(result: "ReviewResult") -> None:
    from vlm_autodrive.cli.tables import print_columns
    from vlm_autodrive.records import REASONS

    rows = [("accepted by the checks", *_rate(result.accepted))]
    for group, rates in result.accepted_by.items():
        rows += [(f"  {group} {name}", *_rate(rate)) for name, rate in rates.items() if len(rates) > 1]
    if result.rejected.size:
        rows.append(("rejected by the checks", *_rate(result.rejected)))
    print_columns(("items", "people accept", "95 % interval", "judged", "drawn", "of"), rows)
    print(f"Verdicts: {', '.join(f'{name} {count}' for name, count in result.reviewers.items())}.")
    if result.reasons:
        chosen: dict[Any, int] = dict(result.reasons)
        print(f"Reasons: {', '.join(f'{REASONS[reason].lower()} {count}' for reason, count in chosen.items())}.")
    for pair in result.agreement:
        if pair.alike.value is None:
            print(f"{pair.first} and {pair.second} judged no item in common.")
            continue
        kappa = "" if pair.kappa is None else f", kappa {pair.kappa:.2f}"
        print(f"{pair.first} and {pair.second} agree on {pair.alike.value:.0%} of {pair.alike.n} items{kappa}.")
    for warning in result.warnings:
        print(f"Note: {warning}.")


def _rate(rate: "AcceptanceRate") -> tuple[str, str, str, str, str]:
    figure = rate.rate
    share, interval = "-", "-"
    if figure.value is not None:
        share, interval = (
            f"{100 * figure.value:.0f} %",
            f"{100 * (figure.low or 0):.0f} to {100 * (figure.high or 0):.0f} %",
        )
    return share, interval, str(figure.n), str(rate.drawn), str(rate.size)
