"""The files of an ablation: ``ablation.json``, a table in ``ablation.md``, an HTML page with a plot and the table."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from markupsafe import Markup

from vlm_autodrive.artifacts import write_text
from vlm_autodrive.html_pages import page_templates
from vlm_autodrive.metrics import Estimate
from vlm_autodrive.runs.ablation.result import AblationResult
from vlm_autodrive.runs.ablation.row_metrics import MACRO_F1, VQA_ACCURACY
from vlm_autodrive.runs.ablation.scores import AblationRow, CellScores, reference_of
from vlm_autodrive.runs.ablation.type_effects import TypeEffect

HTML_FILE = "ablation.html"
JSON_FILE = "ablation.json"
MARKDOWN_FILE = "ablation.md"
USED = "✓"
GAIN = "gain"
DETECTABLE = "detectable"
VQA = "VQA accuracy"
CONSISTENCY = "reasoning consistency"
EFFECT_HEADINGS = ("type", "metric", "with it minus without", DETECTABLE, "result", "cells compared")
_MARGIN = 2.0  # per cent of the plot's width on each side, so that a dot at 0 or 1 is whole
_STRIP_H = 20


@dataclass(frozen=True)
class TableCell:
    """One cell of the table: what it says, and the interval below it."""

    text: str
    interval: str = ""

    def __str__(self) -> str:
        return f"{self.text} [{self.interval}]" if self.interval else self.text


@dataclass(frozen=True)
class TableRow:
    """One row of the table.

    Attributes:
        label: What the row is, in words.
        role: Of the row.
        cells: One for each heading.
    """

    label: str
    role: str
    cells: tuple[TableCell, ...]


def write_ablation(ablation: AblationResult, out: Path) -> None:
    """Write the three files, replacing earlier ones."""
    environment = page_templates("vlm_autodrive.runs.ablation")
    headings, rows = table_of(ablation)
    page = environment.get_template("ablation.html.j2").render(
        ablation=ablation,
        headings=headings,
        rows=rows,
        strips=[(row_label(row, ablation), row, _macro_f1(row), _strip(row)) for row in ablation.rows],
        axis=_axis(),
        failures=failure_lines(ablation),
        reference=_reference_label(ablation),
        effect_headings=EFFECT_HEADINGS,
        effects=effect_rows(ablation),
    )
    write_text(out / JSON_FILE, ablation.model_dump_json(indent=1) + "\n")
    write_text(out / MARKDOWN_FILE, _markdown(ablation, headings, rows))
    write_text(out / HTML_FILE, page)


def table_of(ablation: AblationResult) -> tuple[list[str], list[TableRow]]:
    """The headings behind the row's own name, and the rows."""
    labels = ablation.classes
    headings = [
        *ablation.types,
        *ablation.varied,
        "seeds",
        "accuracy",
        "macro-F1",
        *(f"{label} F1" for label in labels.values()),
        *_further(ablation),
        GAIN,
        DETECTABLE,
        "tokens",
    ]
    return headings, [TableRow(row_label(row, ablation), row.role, _cells(row, ablation)) for row in ablation.rows]


def _further(ablation: AblationResult) -> list[str]:
    """The headings of metrics that not every evaluation has."""
    scored = [row.scores for row in ablation.rows if row.scores is not None]
    found = {
        VQA: [scores.vqa_accuracy for scores in scored],
        CONSISTENCY: [scores.reasoning_consistency for scores in scored],
    }
    return [heading for heading, shown in found.items() if any(each and each.value is not None for each in shown)]


def effect_rows(ablation: AblationResult) -> list[tuple[str, ...]]:
    """What each supervision type brings, one row for each metric, under ``EFFECT_HEADINGS``."""
    names = {MACRO_F1: "macro-F1", VQA_ACCURACY: VQA}
    names |= {f"{name}_f1": f"{label} F1" for name, label in ablation.classes.items()}
    labels = {row.name: row_label(row, ablation) for row in ablation.rows}

    def texts(effect: TypeEffect) -> tuple[str, ...]:
        difference = str(_cell(effect.gain.difference, signed=True))
        cells = f"{labels[effect.beside]} − {labels[effect.without]}"
        detectable = _detectable(effect.gain.detectable)
        return effect.type, names[effect.metric], difference, detectable, effect.conclusion, cells

    return [texts(effect) for effect in ablation.type_effects]


def row_label(row: AblationRow, ablation: AblationResult) -> str:
    """A row's name in words, such as ``without vqa, max_frames 16``."""
    if row.role != "cell":
        return row.name
    parts = [_types_label(row, ablation)] if ablation.types else []
    parts += [f"{key} {row.values[key]}" for key in ablation.varied]
    return ", ".join(parts) or row.name


def failure_lines(ablation: AblationResult) -> list[str]:
    """What failed, and why; one line each."""
    return [
        f"{row_label(row, ablation)}{'' if failure.seed is None else f', seed {failure.seed}'}: {failure.reason}"
        for row in ablation.rows
        for failure in row.failures
    ]


def _types_label(row: AblationRow, ablation: AblationResult) -> str:
    cells = [set(each.types) for each in ablation.rows if each.role == "cell"]
    always = set.intersection(*cells)
    switched = [supervision_type for supervision_type in ablation.types if supervision_type not in always]
    used = [supervision_type for supervision_type in switched if supervision_type in row.types]
    left_out = [supervision_type for supervision_type in switched if supervision_type not in row.types]
    if not left_out:
        return "all types"
    if len(left_out) == 1 and len(switched) > 2:
        return f"without {left_out[0]}"
    return " + ".join([*sorted(always), *used]) if used else f"{' + '.join(sorted(always))} alone"


def _reference_label(ablation: AblationResult) -> str:
    name = reference_of(ablation.rows)
    return next((row_label(row, ablation) for row in ablation.rows if row.name == name), "")


def _cells(row: AblationRow, ablation: AblationResult) -> tuple[TableCell, ...]:
    types = [TableCell(USED if supervision_type in row.types else "") for supervision_type in ablation.types]
    varied = [TableCell(row.values.get(key, "")) for key in ablation.varied]
    state = "failed" if row.failures else "waiting" if row.waiting else "–"
    trained = len(row.seeds) + row.waiting + sum(failure.seed is not None for failure in row.failures)
    seeds = str(len(row.seeds)) if len(row.seeds) == trained else f"{len(row.seeds)} of {trained}"
    scores = row.scores
    further = _further(ablation)
    shown = [TableCell(state), *[TableCell("")] * (3 + len(ablation.classes) + len(further))]
    if scores is not None:
        shown = _score_cells(scores, ablation, further)
    tokens = TableCell(f"{row.budget.tokens:,}" if row.budget is not None else "")
    return (*types, *varied, TableCell(seeds if row.role == "cell" else ""), *shown, tokens)


def _score_cells(scores: CellScores, ablation: AblationResult, further: Sequence[str]) -> list[TableCell]:
    of_further = {VQA: scores.vqa_accuracy, CONSISTENCY: scores.reasoning_consistency}
    estimates = [
        scores.accuracy,
        scores.macro_f1,
        *(scores.f1[name] for name in ablation.classes),
        *(of_further[heading] for heading in further),
    ]
    gained = scores.gains.get(MACRO_F1)
    return [
        *(_cell(estimate, signed=False) for estimate in estimates),
        _cell(None if gained is None else gained.difference, signed=True),
        TableCell(_detectable(None if gained is None else gained.detectable)),
    ]


def _detectable(difference: float | None) -> str:
    """The detectable difference; of metrics between 0 and 1 no true difference is larger than 1."""
    if difference is None:
        return ""
    return f"{difference:.2f}" if difference <= 1 else "> 1"


def _cell(estimate: Estimate | None, *, signed: bool) -> TableCell:
    if estimate is None or estimate.value is None:
        return TableCell("")
    how = "+.2f" if signed else ".2f"
    interval = ""
    if estimate.low is not None and estimate.high is not None:
        interval = f"{estimate.low:{how}}, {estimate.high:{how}}"
    return TableCell(_minus(f"{estimate.value:{how}}"), _minus(interval))


def _minus(text: str) -> str:
    return text.replace("-", "−")


def _markdown(ablation: AblationResult, headings: Sequence[str], rows: Sequence[TableRow]) -> str:
    lines = [f"# Ablation: {ablation.name}", "", ablation.description, ""]
    lines += [*(f"- {note}" for note in ablation.notes), ""] if ablation.notes else []
    lines += ["|".join(["", "", *headings, ""]), "|" + "---|" * (len(headings) + 1)]
    for row in rows:
        lines.append("|".join(["", row.label, *(str(cell) for cell in row.cells), ""]))
    lines += [
        "",
        "In brackets: 95 % confidence intervals over clips and seeds. "
        f"Gain: macro-F1 over that of {_reference_label(ablation)}. "
        "Detectable: the smallest true difference that would show with a power of 80 %.",
    ]
    effects = effect_rows(ablation)
    if effects:
        lines += ["", "## What each supervision type brings", ""]
        lines += ["|".join(["", *EFFECT_HEADINGS, ""]), "|" + "---|" * len(EFFECT_HEADINGS)]
        lines += ["|".join(["", *texts, ""]) for texts in effects]
    failed = failure_lines(ablation)
    lines += ["", "Failed:", "", *(f"- {line}" for line in failed)] if failed else []
    return "\n".join(lines) + "\n"


def _macro_f1(row: AblationRow) -> str:
    if row.scores is None:
        return "failed" if row.failures else "waiting"
    return str(_cell(row.scores.macro_f1, signed=False)) or "not defined"


def _at(value: float) -> str:
    return f"{_MARGIN + (100 - 2 * _MARGIN) * min(max(value, 0.0), 1.0):.2f}%"


def _strip(row: AblationRow) -> Markup:
    """A row's macro-F1 with its interval, as wide as the page: the dot, and a stroke for each seed."""
    parts = [
        Markup('<line class="grid" x1="{0}" x2="{0}" y1="0" y2="{1}"/>').format(_at(step / 4), _STRIP_H)
        for step in range(5)
    ]
    middle = _STRIP_H / 2
    scores = row.scores
    estimate = None if scores is None else scores.macro_f1
    if scores is not None and estimate is not None and estimate.value is not None:
        if estimate.low is not None and estimate.high is not None:
            parts.append(
                Markup('<line class="whisker" x1="{}" x2="{}" y1="{y}" y2="{y}"/>').format(
                    _at(estimate.low), _at(estimate.high), y=middle
                )
            )
        if len(scores.macro_f1_by_seed) > 1:
            parts += [
                Markup('<line class="seed" x1="{0}" x2="{0}" y1="3" y2="{1}"/>').format(_at(score), _STRIP_H - 3)
                for score in scores.macro_f1_by_seed
                if score is not None
            ]
        parts.append(Markup('<circle class="dot" cx="{}" cy="{}" r="5"/>').format(_at(estimate.value), middle))
    return _svg(_STRIP_H, f"macro-F1 {_macro_f1(row)}", parts)


def _axis() -> Markup:
    parts = [
        Markup('<text x="{}" y="13" text-anchor="middle">{}</text>').format(_at(step / 4), f"{step / 4:g}")
        for step in range(5)
    ]
    return _svg(18, "macro-F1 from 0 to 1", parts)


def _svg(height: int, title: str, parts: Sequence[Markup]) -> Markup:
    return Markup('<svg width="100%" height="{}" role="img" aria-label="{}">{}</svg>').format(
        height, title, Markup("").join(parts)
    )
