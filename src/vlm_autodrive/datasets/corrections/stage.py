"""The corrections stage: a catalog and the decisions of reviewers become a new catalog."""

from collections import Counter
from collections.abc import Sequence
from pathlib import Path
from tempfile import TemporaryDirectory

from vlm_autodrive.artifacts import (
    CORRECTIONS_FILE,
    CORRECTIONS_OUTCOME_FILE,
    CORRECTIONS_RESULT_FILE,
    TELEMETRY_FILE,
    corrections_key,
    input_key,
    read_corrections,
    read_data_sets,
    read_events,
    read_issues,
    read_questions,
    read_scenarios,
    read_taxonomy,
    read_videos,
    reduce_history,
    write_catalog,
    write_corrections,
    write_text,
    writing_artifact,
)
from vlm_autodrive.datasets.corrections.agreement import reviewer_agreement
from vlm_autodrive.datasets.corrections.applying import AppliedCorrections, apply_history, read_ids
from vlm_autodrive.datasets.corrections.diff import counts_of, diff_markdown
from vlm_autodrive.datasets.corrections.labels import label_of
from vlm_autodrive.datasets.corrections.settings import CorrectionSettings
from vlm_autodrive.datasets.corrections.videos import SOURCE
from vlm_autodrive.datasets.telemetry.catalog import write_telemetry
from vlm_autodrive.datasets.video_files import look_at
from vlm_autodrive.errors import UserError
from vlm_autodrive.progress import SILENT, Reporter
from vlm_autodrive.records import (
    TAXONOMIES,
    Correction,
    CorrectionsResult,
    DataSet,
    SampleLabel,
    Taxonomy,
    Video,
    copy_records,
    write_jsonl,
)

DIFF_FILE = "diff.md"


def apply_corrections(
    catalog: Path | None,
    corrections: Sequence[Path],
    out: Path,
    settings: CorrectionSettings,
    reporter: Reporter = SILENT,
    *,
    test_ids: Path | None = None,
    overwrite: bool = False,
) -> Path:
    """Apply reviewers' corrections to a catalog, and write the result as a new one.

    Beside the files of every catalog it holds all decisions (``corrections.jsonl``), what became of each
    (``corrections_outcome.jsonl``), and what they changed (``diff.md`` for people, ``diff.json`` for programs).

    Args:
        catalog: The catalog that was reviewed, or a later version of it; None if all corrections are of videos that
            came from none, such as those that a model searched for events.
        corrections: Folders that were reviewed, stores of a review, or files of corrections.
        out: Folder of the new catalog.
        settings: Whose decision counts, and whether the test split may change.
        reporter: Gets the counts.
        test_ids: File of the video ids of a frozen test split, as the clips stage writes it.
        overwrite: Replace another result in ``out``.

    Returns:
        ``out``.

    Raises:
        UserError: If there are no corrections, or there is no catalog though they are of clips of one.
    """
    history = read_corrections(corrections)
    if not history:
        raise UserError(f"{', '.join(map(str, corrections))} holds no correction yet; review some items first.")
    if any(isinstance(correction.after, SampleLabel) for correction in history):
        raise UserError(
            f"{', '.join(map(str, corrections))} holds decisions on SFT samples; export these with their supervision "
            "set: autodrive review export SUPERVISION --out NEW_SUPERVISION."
        )
    in_catalog = sum(correction.video_id is not None for correction in history)
    if catalog is None and in_catalog:
        raise UserError(
            f"{in_catalog} of {len(history)} corrections are of clips that were cut from a catalog; name it with "
            "--catalog."
        )
    inputs = {"corrections" if place == 0 else f"corrections {place + 1}": p for place, p in enumerate(corrections)}
    known_keys = dict.fromkeys(inputs, corrections_key(history))
    if catalog is not None:
        input_key(catalog, "catalog")
        inputs["catalog"] = catalog
    if test_ids is not None:
        inputs["test_ids"] = test_ids
    facts = {"files": look_at([_as_video(c) for c in history if c.video_id is None]).key}
    with writing_artifact(
        out, "catalog", inputs, settings, facts=facts, overwrite=overwrite, known_keys=known_keys
    ) as folder:
        if folder is not None:
            _write(folder, out, catalog, history, settings, reporter, test_ids)
    return out


def _write(
    folder: Path,
    out: Path,
    catalog: Path | None,
    history: Sequence[Correction],
    settings: CorrectionSettings,
    reporter: Reporter,
    test_ids: Path | None,
) -> None:
    taxonomy = _taxonomy_of(history) if catalog is None else read_taxonomy(catalog)
    reduced = reduce_history(history)
    made = apply_history(
        history,
        reduced,
        [] if catalog is None else read_videos(catalog),
        [] if catalog is None else read_events(catalog),
        taxonomy,
        settings,
        frozenset() if test_ids is None else read_ids(test_ids),
    )
    scenarios = {} if catalog is None else read_scenarios(catalog)
    questions = [] if catalog is None else read_questions(catalog)
    fitting = [q for q in questions if q.video_id not in made.reclassified]
    left_out = []
    if gone := scenarios.keys() & made.relabelled:
        left_out.append(f"the simulation's ground truth of {len(gone)} videos, which says something else now")
    if len(fitting) < len(questions):
        left_out.append(f"{len(questions) - len(fitting)} questions of the data set on videos of another class now")
    videos = list(made.videos)
    _write_telemetry(folder, catalog, videos, made, reporter)
    result = CorrectionsResult(
        corrections=len(history),
        outcomes=dict(Counter(each.outcome for each in made.outcomes)),
        new_videos=made.new_videos,
        before=made.before,
        after=made.after,
        changes=made.changes,
        left_out=tuple(left_out),
        agreement=reviewer_agreement(reduced),
    )
    write_catalog(
        folder,
        out,
        taxonomy,
        videos,
        made.events,
        [scenario for name, scenario in scenarios.items() if name not in made.relabelled],
        [] if catalog is None else read_issues(catalog),
        fitting,
        _data_sets(catalog, made),
    )
    write_corrections(folder / CORRECTIONS_FILE, history, out)
    write_jsonl(folder / CORRECTIONS_OUTCOME_FILE, made.outcomes)
    write_text(folder / CORRECTIONS_RESULT_FILE, result.model_dump_json(indent=1) + "\n")
    write_text(folder / DIFF_FILE, diff_markdown(result, made.outcomes, taxonomy))
    reporter.say(
        f"{result.corrections} corrections: {counts_of(result.outcomes)}. "
        f"{len(result.changes)} changes are listed in {DIFF_FILE}."
    )
    for text in left_out:
        reporter.say(f"Left out: {text}.")


def _write_telemetry(
    folder: Path, catalog: Path | None, videos: list[Video], made: AppliedCorrections, reporter: Reporter
) -> None:
    """The catalog's telemetry, and that of the new videos; a note of it is put into these."""
    target = folder / TELEMETRY_FILE
    if catalog is not None:
        copy_records(catalog / TELEMETRY_FILE, target)
    new = [video for video in videos if video.video_id in made.new_videos]
    if not new:
        return
    with TemporaryDirectory() as aside:
        write_telemetry(Path(aside), new, None, reporter)
        if (Path(aside) / TELEMETRY_FILE).is_file():
            with target.open("ab") as stream:
                stream.write((Path(aside) / TELEMETRY_FILE).read_bytes())
    videos[-len(new) :] = new


def _data_sets(catalog: Path | None, made: AppliedCorrections) -> list[DataSet]:
    known = [] if catalog is None else read_data_sets(catalog)
    count = len(made.new_videos)
    if not count:
        return known
    new = DataSet(name=SOURCE, licence="", videos=count, rows=count, imported=count, rejected=0)
    return [*known, new]


def _taxonomy_of(history: Sequence[Correction]) -> Taxonomy:
    """The classes of corrections without a catalog: the first taxonomy that has all of them, or else the default."""
    names = {label.event_class for c in history if (label := label_of(c)) is not None}
    return next((t for t in TAXONOMIES.values() if names <= set(t.names)), next(iter(TAXONOMIES.values())))


def _as_video(correction: Correction) -> Video:
    return Video(video_id=Path(correction.video).name, path=correction.video, positive=None, group_id="")
