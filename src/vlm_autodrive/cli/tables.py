"""Tables on the terminal: scores, detections and plain columns."""

import re
import shlex
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from rich.console import Console
from rich.table import Table

from vlm_autodrive.progress import format_clock

if TYPE_CHECKING:
    from vlm_autodrive.evaluation import Diagnostic, ModelScores
    from vlm_autodrive.metrics import LongVideoSearch
    from vlm_autodrive.records import DetectedEvent, Taxonomy, VideoDetections
    from vlm_autodrive.runs import RunResult

_WIDE = 120


def print_columns(titles: Sequence[str], rows: Sequence[Sequence[str]]) -> None:
    """Print a plain table without columns that are empty in all rows; in a pipe it keeps each row readable."""
    from vlm_autodrive.records import shown_name

    shown = [place for place in range(len(titles)) if not rows or any(row[place] for row in rows)]
    table = Table(
        *(titles[place] for place in shown), box=None, pad_edge=False, padding=(0, 3, 0, 0), header_style="bold"
    )
    for row in rows:
        table.add_row(*(shown_name(row[place]) for place in shown))
    _console().print(table, markup=False)


def print_comparison(folder: Path, *, everything: bool) -> None:
    """Print a comparison: the headline, the diagnostics, and the main scores, or all of them."""
    from vlm_autodrive.artifacts import read_clips, read_taxonomy
    from vlm_autodrive.evaluation import headline, model_notes, read_comparison, scarcity_notes, statistics_sentence

    comparison, taxonomy = read_comparison(folder), read_taxonomy(folder)
    said = headline(comparison, taxonomy, read_clips(folder))
    _print_head(said, statistics_sentence(comparison, taxonomy), comparison.diagnostics)
    for note in scarcity_notes(comparison):
        _console().print(note, style="yellow", markup=False)
    _print_scores(comparison.models, taxonomy, everything)
    for note in model_notes(comparison):
        _console().print(note, markup=False)


def print_run_result(result: "RunResult", *, everything: bool) -> None:
    """Print the result of a run: headline, the main scores or all, long videos searched, and where the report is."""
    from vlm_autodrive.artifacts import read_taxonomy
    from vlm_autodrive.evaluation import read_report

    report = read_report(result.report_json)
    _print_head(report.headline, report.statistics, report.diagnostics)
    _print_scores(report.models, read_taxonomy(result.run_dir / "comparison"), everything)
    console = _console()
    for note in result.notes:
        console.print(note, markup=False)
    if report.long_videos is not None:
        console.print(_long_videos_line(report.long_videos), markup=False, soft_wrap=True)
    if not result.executed:
        console.print("Nothing to do: every stage is up to date.")
    console.print(f"Report: {result.report_html}", markup=False, soft_wrap=True)
    console.print(f"Metrics: {result.report_json}", markup=False, soft_wrap=True)
    predictions, checkpoint = (shlex.quote(str(result.run_dir / name)) for name in ("predictions", "checkpoint"))
    console.print(f"Next: autodrive review {predictions}", markup=False, soft_wrap=True)
    console.print(f"  or: autodrive detect VIDEOS --model {checkpoint} --out FOUND", markup=False, soft_wrap=True)


def _print_head(headline: str, statistics: str, diagnostics: Sequence["Diagnostic"]) -> None:
    """The headline, and under it every diagnostic, the worst first, and the sentence for statisticians."""
    console = _console()
    invalid = any(diagnostic.severity == "invalid" for diagnostic in diagnostics)
    console.print(headline, style="bold red" if invalid else "bold", markup=False)
    for severity, text in _merged(diagnostics):
        console.print(f"{severity.upper()}: {text}", style="red" if severity == "invalid" else "yellow", markup=False)
    console.print(statistics, markup=False)
    console.print()


def _merged(diagnostics: Sequence["Diagnostic"]) -> list[tuple[str, str]]:
    """Severity and text of each; those that say the same of several models are one, which names these models."""
    alike: dict[tuple[str, str], list[Diagnostic]] = {}
    for found in diagnostics:
        name = re.escape(found.model or "")
        text = re.sub(rf"(?<![\w-]){name}(?![\w-])", "the model", found.text) if name else found.text
        alike.setdefault((found.severity, text), []).append(found)
    return [
        (
            severity,
            all_of[0].text if len(all_of) == 1 else f"{' and '.join(str(f.model) for f in all_of)} alike: {text}",
        )
        for (severity, text), all_of in alike.items()
    ]


def _print_scores(models: Mapping[str, "ModelScores"], taxonomy: "Taxonomy", everything: bool) -> None:
    """The scores of each model, with 95 % confidence intervals."""
    from vlm_autodrive.evaluation import main_rows, right_answers, with_interval

    count = next(iter(models.values())).n
    rows = main_rows(models, taxonomy, short=not everything)
    table = Table(title=f"Held-out clips: {count}", title_justify="left", header_style="bold")
    table.add_column("", overflow="fold")
    for name in models:
        table.add_column(name, justify="right", overflow="fold")
    table.add_row("correct", *(right_answers(scores) for scores in models.values()))
    for label, cells in rows:
        table.add_row(label, *(with_interval(cell) for cell in cells))
    console = _console()
    natural = console.measure(table, options=console.options.update(max_width=1000)).maximum
    if console.width < min(natural, _WIDE):
        table.columns[0].width = max(len(word) for label, _ in rows for word in label.split())  # no word is cut
    console.print(table, markup=False)
    more = "" if everything else " --all prints all figures."
    console.print(f"In brackets: 95 % confidence intervals.{more}", style="dim")


def _long_videos_line(search: "LongVideoSearch") -> str:
    from vlm_autodrive.evaluation import with_interval

    score = search.score
    if score is None:
        return f"Long videos: {search.events} events found in {search.videos} videos."
    scores = score.scores
    return (
        f"Long videos: {scores.found} of {scores.events} events found within {score.tolerance_s:g} s "
        f"(recall {with_interval(scores.recall)}), {with_interval(scores.false_alarms_per_hour)} false alarms per hour "
        f"in {score.videos} videos of {scores.hours * 60:.0f} min together"
        + (f", at {score.times_real_time:.1f} times real time." if score.times_real_time else ".")
        + few_events_note(scores.events)
    )


def few_events_note(events: int) -> str:
    """A sentence to add, with its blank, where events are too few; else empty."""
    from vlm_autodrive.metrics import FEW_CLIPS

    return " So few events allow no firm conclusion." if events < FEW_CLIPS else ""


def _console() -> Console:
    console = Console(highlight=False)
    return console if console.is_terminal else Console(highlight=False, width=max(_WIDE, console.width))


def _event_words(event: "DetectedEvent") -> str:
    words = f"{event.event_class.replace('_', '-')} at {event.time_s:.1f} s ({event.probability:.2f}"
    if event.calibrated_probability is not None:
        words += f", calibrated {event.calibrated_probability:.2f}"
    named = (event.reasoning_class or "").replace("_", "-")
    return f"{words}; its reasoning says {named})" if event.contradicts else f"{words})"


def print_detections(found: Sequence["VideoDetections"]) -> None:
    """Print what was found in each video."""
    rows = []
    for video in found:
        events = ", ".join(_event_words(event) for event in video.events)
        length = "-" if video.duration_s is None else format_clock(video.duration_s)
        rows.append((video.title, length, events or ("no event" if not video.reason else ""), video.reason))
    print_columns(("video", "length", "events", "problem"), rows)
