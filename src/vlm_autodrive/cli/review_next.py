"""``autodrive review next``: which moments of unlabelled trips to label next."""

from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from vlm_autodrive.cli.options import AsJson

if TYPE_CHECKING:
    from vlm_autodrive.review import Proposals, ProposedMoment


def review_next(
    found: Annotated[Path, typer.Argument(metavar="FOUND", help="What `detect` wrote.")],
    count: Annotated[int, typer.Option("--count", metavar="N", min=1, help="How many moments to propose.")] = 50,
    against: Annotated[
        Path | None,
        typer.Option(
            "--against",
            metavar="DIR",
            help="What `detect` wrote with another model for the same files; where they disagree comes first.",
            show_default=False,
        ),
    ] = None,
    as_json: AsJson = False,
) -> None:
    """Propose the moments of unlabelled trips that are most worth labelling (active learning).

    Proposed are the moments at which the model is least certain whether there is an event, and at which two models
    disagree; no two overlap. The list is written to FOUND/next.json, and `autodrive review FOUND` shows its moments
    too: confirm that nothing happens there, or say what does. More of them: --count 100 keeps the first 50.

    Example: autodrive review next found
    """
    from vlm_autodrive.review import propose

    proposals = propose(found, count, against)
    if as_json:
        print(proposals.model_dump_json(indent=1))
        return
    _print(proposals)
    for line in _not_judged(proposals):
        print(line)
    print(f"{len(proposals.moments)} of {proposals.candidates} moments are proposed. To label them:")
    print(f"autodrive review {found} --queue slice=proposed:yes")


def _print(proposals: "Proposals") -> None:
    from vlm_autodrive.cli.tables import print_columns
    from vlm_autodrive.progress import format_clock

    rows = [
        (
            moment.folder,
            format_clock(moment.start_s, True),
            format_clock(moment.end_s, True),
            _says(moment),
            f"{moment.worth:.2f}",
        )
        for moment in proposals.moments
    ]
    print_columns(("trip", "from", "to", "model says", "worth"), rows)


def _says(moment: "ProposedMoment") -> str:
    """The classes that models name, and each once."""
    names = dict.fromkeys(each.label.event_class for each in moment.answers if each.label is not None)
    return " / ".join(name.replace("_", "-") for name in names)


def _not_judged(proposals: "Proposals") -> Iterator[str]:
    """A line for each file of which something has no score, and why."""
    from vlm_autodrive.records import shown_name

    spans: dict[tuple[str, str], list[float | None]] = {}
    for span in proposals.not_judged:
        spans.setdefault((span.path, span.reason), []).append(span.duration_s)
    for (path, reason), lengths_s in spans.items():
        known_s = sum(each for each in lengths_s if each is not None)
        length = f"{known_s:.1f} s of it" if None not in lengths_s else "a part of unknown length, or all of it,"
        yield f"{shown_name(path)}: {length} cannot be proposed, as the model gave no score there: {reason}"
