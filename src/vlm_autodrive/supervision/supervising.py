"""The stage: clips in, supervision items out, each accepted or rejected with a reason."""

import json
from pathlib import Path

from vlm_autodrive.artifacts import making, write_text
from vlm_autodrive.errors import UserError
from vlm_autodrive.progress import SILENT, Reporter
from vlm_autodrive.records import Clip, ImportedQuestion, Kind, SupervisionItem, Taxonomy, write_jsonl
from vlm_autodrive.stores import ITEMS_FILE, read_clips, read_questions, read_taxonomy, write_clips
from vlm_autodrive.supervision.building import items_for_clip, known_shares, why_not
from vlm_autodrive.supervision.facts import shows_its_event
from vlm_autodrive.supervision.imported import NOBODY_TO_COMPARE, imported_items
from vlm_autodrive.supervision.settings import SuperviseSettings
from vlm_autodrive.supervision.summary import summarise
from vlm_autodrive.supervision.teaching import SERVED_KINDS, Taught, teach

SUMMARY_FILE = "summary.json"


def supervise(
    clips: Path,
    out: Path,
    settings: SuperviseSettings,
    reporter: Reporter = SILENT,
    *,
    overwrite: bool = False,
) -> Path:
    """Make the supervision of a clip set.

    Only clips of the splits train and validation get items: test clips are for evaluation, and no
    teacher ever sees them. Rejected items stay in ``items.jsonl`` with the reason; ``summary.json``
    counts them, and every clip without items.

    Args:
        clips: A clip set.
        out: Where the supervision set is to stand.
        settings: What is wanted.
        reporter: Told of the progress.
        overwrite: Replace a finished result that was made otherwise.

    Returns:
        ``out``.

    Raises:
        UserError: If no clip can be supervised, or the served teacher cannot be used.
    """
    with making(out, "supervision", {"clips": clips}, settings, overwrite=overwrite) as folder:
        if folder is not None:
            taxonomy = read_taxonomy(clips)
            every = read_clips(clips)
            questions = read_questions(clips) if settings.imported_questions and "vqa" in settings.kinds else []
            items, summary = _supervise(every, questions, taxonomy, settings, folder, reporter)
            write_jsonl(folder / ITEMS_FILE, items)
            write_clips(folder, out, taxonomy, every)
            write_text(folder / SUMMARY_FILE, json.dumps(summary, indent=1) + "\n")
    return out


def _supervise(
    every: list[Clip],
    questions: list[ImportedQuestion],
    taxonomy: Taxonomy,
    settings: SuperviseSettings,
    folder: Path,
    reporter: Reporter,
) -> tuple[list[SupervisionItem], dict[str, object]]:
    unsupervised = {clip.clip_id: reason for clip in every if (reason := why_not(clip, taxonomy))}
    clips = [clip for clip in every if clip.clip_id not in unsupervised]
    if not clips:
        raise UserError("no clip of the splits train and validation has a usable label; supervise another clip set.")
    by_rules, served = _who_writes(settings)
    shown = [clip for clip in clips if shows_its_event(clip)]
    taught = teach(shown, taxonomy, settings, served, folder, reporter) if served else {}
    imported = imported_items(shown, questions, taxonomy, settings.seed)
    known = known_shares(clips, taxonomy)
    items: list[SupervisionItem] = []
    missing: list[dict[str, str]] = []
    with reporter.task("Writing supervision", total=len(clips)) as task:
        for clip in clips:
            made = items_for_clip(clip, taxonomy, settings, known=known, kinds=by_rules)
            by_teacher = taught.get(clip.clip_id, Taught())
            brought = imported.items.get(clip.clip_id, ())
            items += [*made.items, *by_teacher.items, *brought]
            reasons = {**made.missing, **by_teacher.missing}
            missing.append({kind: why for kind, why in reasons.items() if not (kind == "vqa" and brought)})
            task.advance()
    summary = summarise(items, unsupervised, missing)
    if imported.left_out:
        reporter.say(f"{imported.left_out} imported questions were not asked: {NOBODY_TO_COMPARE}.")
    test = sum(clip.split == "test" for clip in every)
    rejected = sum(not item.accepted for item in items)
    reporter.say(
        f"{len(items) - rejected} items for {len(clips)} clips, {rejected} rejected; "
        f"{test} test clips and {len(unsupervised) - test} others without items."
    )
    return items, summary


def _who_writes(settings: SuperviseSettings) -> tuple[tuple[Kind, ...], tuple[Kind, ...]]:
    if settings.teacher == "rules":
        return settings.kinds, ()
    served = tuple(kind for kind in settings.kinds if kind in SERVED_KINDS)
    return tuple(kind for kind in settings.kinds if kind not in served), served
