"""What corrections changed, for people: a page of Markdown."""

from collections.abc import Sequence

from vlm_autodrive.datasets.corrections.editing import UNKNOWN
from vlm_autodrive.datasets.corrections.labels import words
from vlm_autodrive.records import CatalogChange, CorrectionOutcome, CorrectionsResult, Taxonomy, shown_name

OUTCOMES = ("applied", "unchanged", "conflict", "refused", "superseded")


def diff_markdown(result: CorrectionsResult, outcomes: Sequence[CorrectionOutcome], taxonomy: Taxonomy) -> str:
    """Counts by class before and after, every change, and every correction that was not applied with its reason.

    Args:
        result: What changed.
        outcomes: What became of each correction.
        taxonomy: The classes of the catalog.
    """
    parts = ["# What the corrections changed", f"{result.corrections} corrections: {counts_of(result.outcomes)}."]
    if result.new_videos:
        parts.append(f"{len(result.new_videos)} videos are new in the catalog.")
    parts.append(_counts(result, taxonomy))
    parts.append("## Changes\n\n" + (_changes(result.changes, taxonomy) or "None."))
    left = [each for each in outcomes if each.outcome in ("conflict", "refused")]
    if left:
        parts.append("## Not applied\n\n" + _not_applied(left))
    if result.left_out:
        parts.append("## Left out\n\n" + "\n".join(f"- {text}" for text in result.left_out))
    return "\n\n".join(parts) + "\n"


def counts_of(outcomes: dict[str, int]) -> str:
    """How many corrections came to each outcome, in words."""
    return ", ".join(f"{outcomes.get(name, 0)} {name}" for name in OUTCOMES)


def _counts(result: CorrectionsResult, taxonomy: Taxonomy) -> str:
    rows = ["| class | before | after |", "|---|---:|---:|"]
    for each in taxonomy.classes:
        label = each.label if each.is_event else f"{each.label} videos and moments"
        rows.append(f"| {_cell(label)} | {result.before.get(each.name, 0)} | {result.after.get(each.name, 0)} |")
    unknown = result.before.get(UNKNOWN, 0), result.after.get(UNKNOWN, 0)
    if any(unknown):
        rows.append(f"| unknown kind | {unknown[0]} | {unknown[1]} |")
    return "\n".join(rows)


def _changes(changes: Sequence[CatalogChange], taxonomy: Taxonomy) -> str:
    if not changes:
        return ""
    rows = ["| video | was | is | reviewer | reason |", "|---|---|---|---|---|"]
    for change in changes:
        cells = (
            change.video_id,
            words(change.before, taxonomy),
            words(change.after, taxonomy),
            change.reviewer,
            change.reason,
        )
        rows.append(f"| {' | '.join(_cell(cell) for cell in cells)} |")
    return "\n".join(rows)


def _not_applied(outcomes: Sequence[CorrectionOutcome]) -> str:
    rows = ["| item | video | reviewer | outcome | reason |", "|---|---|---|---|---|"]
    for each in outcomes:
        cells = each.item_id, each.video_id or "", each.reviewer, each.outcome, each.reason
        rows.append(f"| {' | '.join(_cell(cell) for cell in cells)} |")
    return "\n".join(rows)


def _cell(text: str) -> str:
    """Text on one line, without what Markdown would take for a table's edge, emphasis, code, a tag or a link."""
    joined = shown_name(" ".join(text.split()))
    return "".join("\\" + c if c in "\\`*_|<[" else c for c in joined)
