"""The summary of the report, as GitHub-flavoured Markdown for a pull request."""

from collections.abc import Sequence

from vlm_autodrive.evaluation.report.corrections import corrections_line, moment
from vlm_autodrive.evaluation.report.formats import p_equals, plain, signed_with_interval, title_of, with_interval
from vlm_autodrive.evaluation.report.headline import count_rows, models_for_decision
from vlm_autodrive.evaluation.report.next_steps import NextStep
from vlm_autodrive.evaluation.report.statements import (
    before_and_after,
    corrections_pair,
    main_pair,
    p_of,
)
from vlm_autodrive.evaluation.report.tables import (
    ControlRow,
    baseline_rows,
    control_rows,
    main_rows,
    missing_commands,
    right_answers,
)
from vlm_autodrive.evaluation.score import Comparison
from vlm_autodrive.records import CorrectionsResult, Taxonomy

_CHANGES = 20
_ALERTS = {"invalid": "CAUTION", "warning": "WARNING"}


def markdown(
    title: str,
    headline: str,
    notes: Sequence[str],
    comparison: Comparison,
    taxonomy: Taxonomy,
    corrections: CorrectionsResult | None = None,
    steps: Sequence[NextStep] = (),
    statistics: str = "",
) -> str:
    """The headline, what to know before the figures, counts, what to do next, the main table and the controls.

    Args:
        title: The heading.
        headline: The comparison in counts.
        notes: What the data is.
        comparison: What the models scored.
        taxonomy: The classes.
        corrections: What reviewers' corrections changed in the data.
        steps: What to do next.
        statistics: The comparison in one sentence for statisticians.
    """
    counts = ", ".join(f"{comparison.class_counts[c.name]} {c.label}" for c in taxonomy.classes)
    parts = [f"## {_escaped(title)}", f"**{_escaped(headline)}**"]
    for severity, alert in _ALERTS.items():
        found = [_escaped(f.text) for f in comparison.diagnostics if f.severity == severity]
        if found:
            parts.append("\n".join([f"> [!{alert}]", *(f"> - {text}" for text in found)]))
    if notes:
        parts.append("\n".join(f"- {_escaped(note)}" for note in notes))
    parts.append(_counts_table(comparison, taxonomy))
    if steps:
        parts.append("### What to do next\n\n" + "\n".join(_step(step) for step in steps))
    parts.append(f"### For statisticians\n\n{_escaped(statistics)}".rstrip())
    parts.append(f"{comparison.n} held-out clips: {counts}. In brackets: 95 % confidence intervals.")
    parts.append(_main_table(comparison, taxonomy))
    pair = main_pair(comparison)
    if pair is not None:
        needed = "" if pair.clips_needed is None else f" About {pair.clips_needed:,} clips would show a difference."
        parts.append(
            f"{title_of(pair.second)} against {title_of(pair.first)}, clip for clip: "
            f"the former alone is right on {len(pair.only_second_right)}, "
            f"the latter alone on {len(pair.only_first_right)} "
            f"({p_equals(p_of(pair))}); "
            f"accuracy {signed_with_interval(pair.accuracy)}, macro-F1 {signed_with_interval(pair.macro_f1)}.{needed}"
        )
    if corrections is not None:
        parts.append(f"### Corrections\n\n{_corrections(corrections, comparison, taxonomy)}")
    if any(scores.vqa for scores in comparison.models.values()):
        parts.append(f"### Held-out questions\n\n{_questions(comparison)}")
    before, after = before_and_after(comparison)
    shown = str(after or before)
    rows = [*baseline_rows(comparison), *control_rows(comparison, shown)]
    parts.append(f"### Controls of {_escaped(title_of(shown))}\n\n{_controls(rows)}")
    missing = missing_commands(comparison, [shown])
    if missing:
        parts.append("To add the missing controls, run: " + "; ".join(f"`{command}`" for command in missing))
    return "\n\n".join(parts) + "\n"


def _counts_table(comparison: Comparison, taxonomy: Taxonomy) -> str:
    models = models_for_decision(comparison)
    lines = [
        f"| | {' | '.join(_escaped(title_of(name)) for name in models)} |",
        f"|---|{'---:|' * len(models)}",
    ]
    for row in count_rows(comparison, taxonomy, models):
        label = f"– {row.label}" if row.is_part else f"{row.label}{', too few clips' if row.is_few else ''}"
        lines.append(f"| {_escaped(label)} | {' | '.join(f'{count} of {row.total}' for count in row.counts)} |")
    return "\n".join(lines)


def _step(step: NextStep) -> str:
    return f"1. {_escaped(step.text)}" + "".join(f" `{command}`" for command in step.commands)


def _main_table(comparison: Comparison, taxonomy: Taxonomy) -> str:
    lines = [
        f"| | {' | '.join(_escaped(title_of(name)) for name in comparison.models)} |",
        f"|---|{'---:|' * len(comparison.models)}",
    ]
    lines.append(f"| correct | {' | '.join(right_answers(scores) for scores in comparison.models.values())} |")
    for label, cells in main_rows(comparison.models, taxonomy):
        lines.append(f"| {label} | {' | '.join(with_interval(cell) for cell in cells)} |")
    return "\n".join(lines)


def _corrections(result: CorrectionsResult, comparison: Comparison, taxonomy: Taxonomy) -> str:
    """What reviewers changed in the data, and the difference that it made."""
    lines = ["| class | before | after |", "|---|---:|---:|"]
    for each in taxonomy.classes:
        before, after = (counts.get(each.name, 0) for counts in (result.before, result.after))
        lines.append(f"| {_escaped(each.label)} | {before} | {after} |")
    parts = [f"{corrections_line(result)}.", "\n".join(lines)]
    shown = result.changes[:_CHANGES]
    if shown:
        listed = [
            f"- {_escaped(c.video_id)}: {moment(c.before, taxonomy)} → "
            f"{'removed' if c.after is None else moment(c.after, taxonomy)} "
            f"({_escaped(c.reviewer)}{': ' if c.reason else ''}{_escaped(c.reason)})"
            for c in shown
        ]
        if more := len(result.changes) - len(shown):
            listed.append(f"- and {more} more, in diff.md of the corrected catalog")
        parts.append("\n".join(listed))
    pair = corrections_pair(comparison)
    if pair is not None:
        parts.append(
            f"Against the model before the corrections, on the same clips: accuracy "
            f"{signed_with_interval(pair.accuracy)}, macro-F1 {signed_with_interval(pair.macro_f1)}; "
            f"{p_equals(p_of(pair))}."
        )
    return "\n\n".join(parts)


def _questions(comparison: Comparison) -> str:
    """Accuracy on held-out questions by topic, and the difference of the main pair."""
    asked = {name: scores.vqa for name, scores in comparison.models.items() if scores.vqa is not None}
    first = next(iter(asked.values()))
    pair = main_pair(comparison)
    paired = None if pair is None or pair.vqa_accuracy is None else pair
    titles = [_escaped(title_of(name)) for name in asked] + ([] if paired is None else ["difference"])
    lines = [f"| topic | questions | chance | {' | '.join(titles)} |", f"|---|---:|---:|{'---:|' * len(titles)}"]
    for topic, (accuracy, chance) in {
        "all": (first.accuracy, first.chance),
        **{topic: (scores.accuracy, scores.chance) for topic, scores in first.topics.items()},
    }.items():
        of_models = [vqa.accuracy if topic == "all" else vqa.topics[topic].accuracy for vqa in asked.values()]
        cells = [with_interval(each) for each in of_models]
        if paired is not None:
            gain = paired.vqa_accuracy if topic == "all" else paired.vqa_topics[topic]
            cells.append(signed_with_interval(gain))
        lines.append(f"| {_escaped(plain(topic))} | {accuracy.n} | {chance:.2f} | {' | '.join(cells)} |")
    return "\n".join(lines)


def _controls(rows: Sequence[ControlRow]) -> str:
    lines = ["| | accuracy | macro-F1 | macro-F1 lost |", "|---|---:|---:|---:|"]
    for row in rows:
        if row.accuracy is None:
            lines.append(f"| {_escaped(row.label)} | not run | | |")
        else:
            lost = "" if row.lost is None else signed_with_interval(row.lost)
            lines.append(
                f"| {_escaped(plain(row.label))} | {with_interval(row.accuracy)} | {with_interval(row.macro_f1)} "
                f"| {lost} |"
            )
    return "\n".join(lines)


def _escaped(text: str) -> str:
    """Text on one line, without what Markdown would take for a table's edge, emphasis, code, a tag or a link."""
    joined = " ".join(text.split())
    return "".join("\\" + c if c in "\\`*_|<" else c for c in joined).replace("](", "]\\(")
