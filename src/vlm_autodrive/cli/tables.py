"""Tables on the terminal: scores, and lists of things."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from rich.console import Console
from rich.table import Table

if TYPE_CHECKING:
    from vlm_autodrive.pipeline import Outcome
    from vlm_autodrive.records import VideoDetections

_WIDE = 120
_SEVEREST = ("recall", "precision")
_FURTHER: tuple[tuple[str, tuple[str, ...]], ...] = (
    ("triplets told apart", ("triplets", "told_apart")),
    ("triplets in order", ("triplets", "in_order")),
    ("hard negatives taken for events", ("hard_negatives", "false_positives")),
    ("reasoning agrees with verdict", ("agreement",)),
)


def print_columns(titles: Sequence[str], rows: Sequence[Sequence[str]]) -> None:
    """Print a plain table; in a pipe it is wide enough to keep each row readable."""
    table = Table(*titles, box=None, pad_edge=False, padding=(0, 3, 0, 0), header_style="bold")
    for row in rows:
        table.add_row(*row)
    _console().print(table, markup=False)


def print_scores(models: Mapping[str, Mapping[str, Any]]) -> None:
    """Print the scores of each model, with 95 % intervals.

    Args:
        models: By name, what stands in ``models`` of a report.json.
    """
    names = list(models)
    table = Table(title=f"Held-out clips: {_counts(models)}", title_justify="left", header_style="bold")
    table.add_column("")
    for name in names:
        table.add_column(name, justify="right")
    table.add_row("right answers", *(_right(model) for model in models.values()))
    for label, path in _rows(models):
        table.add_row(label, *(_score(_dig(models[name], path)) for name in names))
    console = _console()
    console.print(table, markup=False)
    console.print("In brackets: 95 % intervals.", style="dim")


def print_outcome(outcome: "Outcome") -> None:
    """Print what a run came to: scores, drives searched, and where the report is."""
    if outcome.models:
        print_scores(outcome.models)
    console = _console()
    for note in outcome.notes:
        console.print(note, markup=False)
    if outcome.drives is not None:
        console.print(_drives_line(outcome.drives), markup=False, soft_wrap=True)
    if not outcome.made:
        console.print("Nothing was to be done: every stage is up to date.")
    console.print(f"Report: {outcome.report_html}", markup=False, soft_wrap=True)
    console.print(f"Figures: {outcome.report_json}", markup=False, soft_wrap=True)


def _drives_line(drives: Mapping[str, Any]) -> str:
    score = drives["score"]
    if score is None:
        return f"Drives: {drives['events']} events found in {drives['videos']} videos."
    scores = score["scores"]
    return (
        f"Drives: {scores['found']} of {scores['events']} events found within {score['tolerance_s']:g} s "
        f"(recall {_score(scores['recall'])}), {_score(scores['false_alarms_per_hour'])} false alarms per hour "
        f"in {score['videos']} drives of {scores['hours'] * 60:.0f} min together"
        + (f", at {score['times_real_time']:.1f} times real time." if score["times_real_time"] else ".")
    )


def _console() -> Console:
    console = Console(highlight=False)
    return console if console.is_terminal else Console(highlight=False, width=max(_WIDE, console.width))


def _counts(models: Mapping[str, Mapping[str, Any]]) -> str:
    counts = {str(model.get("n", "?")) for model in models.values()}
    return " / ".join(sorted(counts))


def _rows(models: Mapping[str, Mapping[str, Any]]) -> list[tuple[str, tuple[str, ...]]]:
    first: Mapping[str, Any] = next(iter(models.values()), {})
    rows: list[tuple[str, tuple[str, ...]]] = [
        ("accuracy", ("accuracy",)),
        ("balanced accuracy", ("balanced_accuracy",)),
        ("macro F1", ("macro_f1",)),
    ]
    classes = list(first.get("per_class", {}))
    wanted = [(name, "f1") for name in classes] + [(name, figure) for name in classes[:1] for figure in _SEVEREST]
    rows += [
        (f"{name.replace('_', '-')} {figure.replace('f1', 'F1')}", ("per_class", name, figure))
        for name, figure in wanted
    ]
    ahead = {key: None for model in models.values() for key in _dig(model, ("anticipation", "average_precision")) or ()}
    rows += [(f"AP {key} s ahead of the event", ("anticipation", "average_precision", key)) for key in ahead]
    rows += [("mean AP ahead of the event", ("anticipation", "mean_average_precision"))] if ahead else []
    return rows + [row for row in _FURTHER if any(_dig(model, row[1]) is not None for model in models.values())]


def _dig(value: Any, path: Sequence[str]) -> Any:
    for part in path:
        value = value.get(part) if isinstance(value, Mapping) else None
    return value


def _right(model: Mapping[str, Any]) -> str:
    """How many clips are answered rightly, and their share as papers write it."""
    value = _dig(model, ("accuracy", "value"))
    return "-" if value is None else f"{round(value * model['n'])} of {model['n']} = {100 * value:.2f} %"


def _score(value: Any) -> str:
    if isinstance(value, Mapping):
        middle, low, high = (value.get(key) for key in ("value", "low", "high"))
        if middle is None:
            return "-"
        return f"{middle:.2f}" if low is None or high is None else f"{middle:.2f} [{low:.2f}, {high:.2f}]"
    return "-" if value is None else f"{value:.2f}"


def print_detections(found: Sequence["VideoDetections"]) -> None:
    """Print what was found in each video."""
    rows = []
    for video in found:
        events = ", ".join(
            f"{e.event_class.replace('_', '-')} at {e.time_s:.1f} s ({e.probability:.2f})" for e in video.events
        )
        seconds = round(video.duration_s or 0)
        length = "-" if video.duration_s is None else f"{seconds // 60}:{seconds % 60:02d}"
        rows.append((Path(video.video).name, length, events or ("no event" if not video.reason else ""), video.reason))
    print_columns(("video", "length", "events", "problem"), rows)
