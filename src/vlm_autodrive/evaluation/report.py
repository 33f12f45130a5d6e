"""The report: one HTML page without a network, and the same figures as JSON."""

import base64
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from jinja2 import Environment, PackageLoader, StrictUndefined, select_autoescape

from vlm_autodrive.artifacts import input_key, making, write_text
from vlm_autodrive.evaluation.comparing import predictions_file, read_comparison
from vlm_autodrive.evaluation.comparison import Comparison, Finding, PairScores
from vlm_autodrive.evaluation.examples import Example, choose_examples, make_example
from vlm_autodrive.evaluation.settings import ReportSettings
from vlm_autodrive.evaluation.svg import Bar, confusion_svg, intervals_svg
from vlm_autodrive.metrics.drive_search import DriveSearch, read_drives
from vlm_autodrive.metrics.intervals import Figure
from vlm_autodrive.progress import SILENT, Reporter
from vlm_autodrive.records import Clip, Outcome, Prediction, Record, Taxonomy, read_jsonl
from vlm_autodrive.stores import read_clips, read_taxonomy

HTML_FILE = "report.html"
JSON_FILE = "report.json"

_TITLES = {"base": "Before", "tuned": "After", "camera_shake": "Camera shake", "majority": "Commonest class"}
_FEW_CLIPS = 30


class Report(Record):
    """The content of ``report.json``: the comparison, what stands at the page's head, and the search of whole drives.

    ``drives`` is None if none were searched; its timelines are pictures on the page, and not named in the file.
    """

    title: str
    notes: tuple[str, ...]
    before: str | None
    after: str | None
    classes: tuple[str, ...]
    n: int
    unlabelled: int
    class_counts: dict[str, int]
    clusters: int
    warnings: tuple[str, ...]
    findings: tuple[Finding, ...] = ()
    models: dict[str, Any]
    pairs: tuple[PairScores, ...]
    drives: DriveSearch | None


def write_report(
    comparison: Path,
    out: Path,
    settings: ReportSettings,
    reporter: Reporter = SILENT,
    *,
    drives: Path | None = None,
    overwrite: bool = False,
) -> Path:
    """Write ``report.html``, which needs no other file and no network, and ``report.json`` beside it.

    Args:
        comparison: What ``compare`` made.
        out: The folder to write.
        settings: Title, notes and examples.
        reporter: Hears of the progress.
        drives: What a search of whole drives made, to be shown too.
        overwrite: Replace another result at ``out``.
    """
    inputs = {"comparison": comparison}
    input_key(comparison, "comparison")
    if drives is not None:
        inputs["drives"] = drives
        input_key(drives, "drives")
    with making(out, "report", inputs, settings, overwrite=overwrite) as folder:
        if folder is None:
            return out
        figures = read_comparison(comparison)
        taxonomy, clips = read_taxonomy(comparison), read_clips(comparison)
        notes = (*settings.notes, *_data_notes(clips, figures))
        before, after = _before_and_after(figures)
        searched = None if drives is None else read_drives(drives)
        timelines = [] if drives is None or searched is None else [drives / name for name in searched.timelines]
        report = Report(
            title=settings.title,
            notes=notes,
            before=before,
            after=after,
            drives=searched,
            **dict(figures.model_copy()),
        )
        write_text(folder / JSON_FILE, report.model_dump_json(indent=1, exclude={"drives": {"timelines"}}) + "\n")
        predictions = {
            name: {p.clip_id: p for p in read_jsonl(comparison / predictions_file(name), Prediction)}
            for name in figures.models
        }
        examples = _examples(
            clips, predictions, after or before or next(iter(figures.models)), taxonomy, settings, reporter
        )
        write_text(folder / HTML_FILE, _render(report, figures, taxonomy, examples, timelines))
    return out


def _before_and_after(figures: Comparison) -> tuple[str | None, str | None]:
    """The two models that the page is about: ``base`` and ``tuned``, else the first two with reasoning."""
    names = list(figures.models)
    reasoning = [name for name in names if figures.models[name].reasoning_outcomes]
    candidates = reasoning if len(reasoning) > 1 else names
    before = "base" if "base" in names else candidates[0]
    after = "tuned" if "tuned" in names else next((name for name in candidates if name != before), None)
    return before, after


def _data_notes(clips: list[Clip], figures: Comparison) -> list[str]:
    """What the data is, said by the data itself."""
    simulated = sum(1 for clip in clips if clip.scenario is not None)
    notes = []
    if simulated == len(clips):
        notes.append(f"All {len(clips)} test clips are simulated. The figures say nothing about real footage.")
    elif simulated:
        notes.append(f"{simulated} of the {len(clips)} test clips are simulated, the others are real.")
    else:
        notes.append(f"All {len(clips)} test clips are real footage.")
    counts = {name.replace("_", "-"): count for name, count in figures.class_counts.items()}
    scarce = [f"{count} {name}" for name, count in counts.items() if 0 < count < _FEW_CLIPS]
    missing = [name for name, count in counts.items() if not count]
    if figures.n < _FEW_CLIPS:
        notes.append(f"These figures mean nothing: {figures.n} clips are too few to judge a model by.")
    elif scarce:
        notes.append(f"There are only {', '.join(scarce)} clips: too few for firm conclusions about them.")
    if missing:
        notes.append(f"There is no {' and no '.join(missing)} among them, so the macro-F1 has nothing to go by there.")
    return [*notes, *figures.warnings]


def _examples(
    clips: list[Clip],
    predictions: Mapping[str, Mapping[str, Prediction]],
    first: str,
    taxonomy: Taxonomy,
    settings: ReportSettings,
    reporter: Reporter,
) -> list[tuple[str, bool, list[Example]]]:
    """Class label, whether answered rightly, and the examples, for each class."""
    chosen = [
        (c.label, right, choose_examples(clips, predictions[first], c.name, right, settings.examples_per_class))
        for c in taxonomy.classes
        for right in (True, False)
    ]
    made = []
    with reporter.task("Film strips", sum(len(group) for _, _, group in chosen)) as task:
        for label, right, group in chosen:
            examples = []
            for clip in group:
                said = {name: by_clip[clip.clip_id] for name, by_clip in predictions.items()}
                examples.append(make_example(clip, said, first, taxonomy, settings))
                task.advance()
            made.append((label, right, examples))
    return made


def _render(
    report: Report,
    figures: Comparison,
    taxonomy: Taxonomy,
    examples: list[tuple[str, bool, list[Example]]],
    timelines: list[Path],
) -> str:
    environment = Environment(
        loader=PackageLoader("vlm_autodrive.evaluation", "templates"),
        autoescape=select_autoescape(default=True, default_for_string=True),
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.filters.update(
        figure=_figure,
        interval=_interval,
        signed=_signed,
        signed_interval=_signed_interval,
        title_of=title_of,
        p_value=_p_value,
    )
    labels = [c.label for c in taxonomy.classes]
    charts: dict[str, dict[str, Figure]] = {
        "Accuracy": {name: m.accuracy for name, m in figures.models.items()},
        "Macro-F1": {name: m.macro_f1 for name, m in figures.models.items()},
    }
    for c in taxonomy.classes:
        charts[f"{c.label} F1"] = {name: m.per_class[c.name].f1 for name, m in figures.models.items()}
    template = environment.get_template("report.html.j2")
    return template.render(
        report=report,
        models=figures.models,
        classes=taxonomy.classes,
        headline=next((p for p in figures.pairs if (p.first, p.second) == (report.before, report.after)), None),
        charts={
            title: intervals_svg([Bar(title_of(name), f, _style(name, report)) for name, f in rows.items()])
            for title, rows in charts.items()
        },
        confusions={name: confusion_svg(labels, m.confusion) for name, m in figures.models.items()},
        outcomes=[o.value for o in Outcome if any(o.value in m.outcomes for m in figures.models.values())],
        examples=examples,
        shown=report.after or report.before,
        timelines=[(path.stem.partition("_")[2], _embedded(path)) for path in timelines],
    )


def title_of(name: str) -> str:
    """What a model is called on the page."""
    return _TITLES.get(name, name)


def _embedded(picture: Path) -> str:
    return "data:image/png;base64," + base64.b64encode(picture.read_bytes()).decode("ascii")


def _style(name: str, report: Report) -> str:
    return {report.before: "before", report.after: "after"}.get(name, "other")


def _figure(figure: Figure | None, digits: int = 2) -> str:
    return "–" if figure is None or figure.value is None else f"{figure.value:.{digits}f}"


def _interval(figure: Figure | None, digits: int = 2) -> str:
    if figure is None or figure.low is None or figure.high is None:
        return ""
    return f"{figure.low:.{digits}f} – {figure.high:.{digits}f}"


def _signed(figure: Figure) -> str:
    return "–" if figure.value is None else f"{figure.value:+.2f}".replace("-", "−")


def _signed_interval(figure: Figure) -> str:
    if figure.low is None or figure.high is None:
        return ""
    return f"{figure.low:+.2f} to {figure.high:+.2f}".replace("-", "−")


def _p_value(p: float) -> str:
    return "< 0.0001" if p < 0.0001 else f"{p:.4f}"
