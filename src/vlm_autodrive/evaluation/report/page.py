"""The HTML page: templates filled with the metrics and charts."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from markupsafe import Markup

from vlm_autodrive.evaluation.report import formats
from vlm_autodrive.evaluation.report.charts import BarGroup, bars_svg, confusion_svg, style_of
from vlm_autodrive.evaluation.report.clip_lists import ClipList, cell_anchor, flip_anchor
from vlm_autodrive.evaluation.report.corrections import corrections_line, moment
from vlm_autodrive.evaluation.report.curves import calibration_charts, ranking_charts
from vlm_autodrive.evaluation.report.examples import Example, ExampleGroup
from vlm_autodrive.evaluation.report.headline import (
    check_lines,
    count_rows,
    gives_one_answer,
    models_for_decision,
)
from vlm_autodrive.evaluation.report.media import PageMedia
from vlm_autodrive.evaluation.report.next_steps import NextStep
from vlm_autodrive.evaluation.report.statements import corrections_pair, main_pair, p_of, scarcity_notes
from vlm_autodrive.evaluation.report.tables import baseline_rows, control_rows, missing_commands
from vlm_autodrive.evaluation.score import ANY_EVENT, Comparison, ModelScores
from vlm_autodrive.html_pages import page_templates
from vlm_autodrive.metrics import FEW_CLIPS, Estimate, LongVideoSearch, undefined
from vlm_autodrive.records import CorrectionsResult, Outcome, Taxonomy

Chart = tuple[str, Markup]
"""A drawing under its caption."""


@dataclass(frozen=True)
class ReportPage:
    """What the page is made from.

    Attributes:
        title: Its heading.
        headline: The comparison in counts, sentence by sentence.
        statistics: The comparison in one sentence for statisticians.
        notes: Notes of the settings.
        data_notes: What the data is and what it cannot show.
        next_steps: What to do next.
        before: The model called before; None where there is none.
        after: The one called after.
        figures: All figures.
        taxonomy: The classes.
        cells: The clips behind the confusion matrices, by model.
        flips: The clips that one model of a pair has right.
        errors: The errors most worth watching.
        examples: Random examples.
        long_videos: The search of long videos; None if none were searched.
        corrections: What reviewers' corrections changed in the data; None if there were none.
        run_dir: The folder of the run that the report is of; None if it is of none.
        timelines: Pictures of some of them.
        media: Takes the page's pictures and style.
    """

    title: str
    headline: tuple[str, ...]
    statistics: str
    notes: tuple[str, ...]
    data_notes: tuple[str, ...]
    next_steps: tuple[NextStep, ...]
    before: str | None
    after: str | None
    figures: Comparison
    taxonomy: Taxonomy
    cells: Mapping[str, Sequence[ClipList]]
    flips: Sequence[ClipList]
    errors: Sequence[Example]
    examples: Sequence[ExampleGroup]
    long_videos: LongVideoSearch | None
    corrections: CorrectionsResult | None
    run_dir: Path | None
    timelines: Sequence[Path]
    media: PageMedia

    @property
    def main(self) -> list[str]:
        """The models called before and after, as far as there are any."""
        return [name for name in (self.before, self.after) if name is not None]


def render(page: ReportPage) -> str:
    """The whole page as HTML."""
    environment = page_templates("vlm_autodrive.evaluation.report")
    environment.filters.update(
        figure=formats.figure,
        interval=formats.interval,
        signed=formats.signed,
        signed_interval=formats.signed_interval,
        signed_with_interval=formats.signed_with_interval,
        title_of=formats.title_of,
        plain=formats.plain,
        p_value=formats.p_value,
        p_of=p_of,
        moment=moment,
        corrections_line=corrections_line,
    )
    environment.globals.update(flip_anchor=flip_anchor)
    css = Markup(environment.get_template("report.css").render())
    models = page.figures.models
    styles = {name: style_of(name, list(models), page.before, page.after) for name in models}
    shown = str(page.after or page.before)
    decided = models_for_decision(page.figures)
    blind = page.before if page.after is not None and gives_one_answer(page.figures, page.before) else None
    compared = [name for name in decided if name != blind]
    labels = [c.label for c in page.taxonomy.classes]
    return environment.get_template("report.html.j2").render(
        page=page,
        report=page.figures,
        models=models,
        classes=page.taxonomy.classes,
        normal=page.taxonomy.normal,
        styles=styles,
        shown=shown,
        compared=compared,
        counts=count_rows(page.figures, page.taxonomy, compared),
        blind=blind,
        blind_counts=count_rows(page.figures, page.taxonomy, [blind]) if blind else [],
        checks=check_lines(page.figures, shown, page.long_videos),
        scarcity=scarcity_notes(page.figures),
        first_warnings=[d for d in page.figures.diagnostics if d.severity == "warning" and d.model in (None, shown)],
        other_warnings=[
            d for d in page.figures.diagnostics if d.severity == "warning" and d.model not in (None, shown)
        ],
        few_clips=FEW_CLIPS,
        css=css,
        style_file=page.media.style(css),
        pair=main_pair(page.figures),
        corrected=corrections_pair(page.figures),
        main={name: models[name] for name in page.main},
        bars=_bars(page, styles),
        confusions={
            name: confusion_svg(f"Confusion matrix of {formats.title_of(name)}", labels, m.confusion, _cells_of(number))
            for number, (name, m) in enumerate(models.items())
        },
        outcomes=[o.value for o in Outcome if any(o.value in m.outcomes for m in models.values())],
        baselines=baseline_rows(page.figures),
        controls={name: control_rows(page.figures, name) for name in reversed(page.main)},
        missing=missing_commands(page.figures, page.main[::-1]),
        rankings=ranking_charts(page.figures, page.taxonomy, styles),
        calibrations=calibration_charts(page.figures, styles, page.main),
        ranked=[*((c.name, c.label) for c in page.taxonomy.classes), (ANY_EVENT, "Any event")],
        strips=_strip_anchors(page),
        timelines=[
            (path.stem.partition("_")[2], page.media.picture(path.read_bytes(), "image/png")) for path in page.timelines
        ],
    )


def _strip_anchors(page: ReportPage) -> dict[str, str]:
    """The place on the page of each clip that is shown as a frame strip."""
    shown = [*page.errors, *(example for group in page.examples for example in group.examples)]
    return {example.clip_id: f"strip-{number}" for number, example in enumerate(shown)}


def _cells_of(model: int) -> Callable[[int, int], str]:
    return lambda truth, answer: cell_anchor(model, truth, answer)


def _bars(page: ReportPage, styles: Mapping[str, str]) -> list[Chart]:
    """Before and after by figure and by class, and everyone's macro-F1."""
    models, first = page.figures.models, page.taxonomy.classes[0]

    def group(label: str, figure_of: Callable[[ModelScores], Estimate], names: Sequence[str] = page.main) -> BarGroup:
        return BarGroup(label, tuple((styles[name], figure_of(models[name])) for name in names))

    overall = [
        group("Accuracy", lambda m: m.accuracy),
        group("Macro-F1", lambda m: m.macro_f1),
        group(f"{first.label} recall", lambda m: m.per_class[first.name].recall),
    ]
    if all(models[name].event is not None for name in page.main):
        overall += [group("Any event recall", _event_recall), group("False alarms", _false_alarms)]
    charts = [
        ("Main metrics", bars_svg("Before and after", overall)),
        ("F1 by class", bars_svg("F1 by class", [group(c.label, _f1_of(c.name)) for c in page.taxonomy.classes])),
    ]
    if len(models) > len(page.main):
        everyone = [group(formats.short(name, 16), lambda m: m.macro_f1, [name]) for name in models]
        charts.append(("Macro-F1 of all models", bars_svg("Macro-F1 of every model", everyone)))
    return charts


def _f1_of(name: str) -> Callable[[ModelScores], Estimate]:
    return lambda model: model.per_class[name].f1


def _event_recall(model: ModelScores) -> Estimate:
    return undefined(model.n) if model.event is None else model.event.recall


def _false_alarms(model: ModelScores) -> Estimate:
    return undefined(model.n) if model.event is None else model.event.false_positive_rate
