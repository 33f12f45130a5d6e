"""The report stage: an HTML page, its content as JSON, and a summary as Markdown."""

from pathlib import Path

from pydantic import ValidationError

from vlm_autodrive.artifacts import (
    LONG_VIDEOS_FILE,
    input_key,
    read_clips,
    read_corrections_result,
    read_provenance,
    read_taxonomy,
    write_text,
    writing_artifact,
)
from vlm_autodrive.console import TERMINAL
from vlm_autodrive.errors import UserError
from vlm_autodrive.evaluation.compare_stage import predictions_file, read_comparison
from vlm_autodrive.evaluation.report.clip_lists import confusion_lists, flip_lists
from vlm_autodrive.evaluation.report.examples import make_examples
from vlm_autodrive.evaluation.report.headline import headline_sentences
from vlm_autodrive.evaluation.report.markdown import markdown
from vlm_autodrive.evaluation.report.media import PageMedia
from vlm_autodrive.evaluation.report.next_steps import NextStep, next_steps
from vlm_autodrive.evaluation.report.page import ReportPage, render
from vlm_autodrive.evaluation.report.statements import before_and_after, data_notes, statistics_sentence
from vlm_autodrive.evaluation.score import Comparison
from vlm_autodrive.evaluation.settings import ReportSettings
from vlm_autodrive.metrics import LongVideoSearch
from vlm_autodrive.progress import Reporter
from vlm_autodrive.records import CorrectionsResult, Prediction, read_jsonl

HTML_FILE = "report.html"
JSON_FILE = "report.json"
MARKDOWN_FILE = "report.md"


class Report(Comparison):
    """The content of ``report.json``: the comparison, what the page says of it, and the search of long videos.

    ``headline`` is in counts, ``statistics`` the same in one sentence with intervals and a test. ``errors`` are the ids
    of the clips shown as the errors most worth watching. ``long_videos`` is None if none were
    searched; its timelines are pictures on the page, and not named in the file. ``corrections`` is None if the data was
    not corrected by reviewers.
    """

    title: str
    headline: str
    statistics: str
    notes: tuple[str, ...]
    before: str | None
    after: str | None
    errors: tuple[str, ...]
    next_steps: tuple[NextStep, ...]
    long_videos: LongVideoSearch | None
    corrections: CorrectionsResult | None = None


def write_report(
    comparison: Path,
    out: Path,
    settings: ReportSettings,
    reporter: Reporter = TERMINAL,
    *,
    long_videos: Path | None = None,
    corrections: Path | None = None,
    run_dir: Path | None = None,
    overwrite: bool = False,
) -> Path:
    """Write ``report.html``, which needs no network, ``report.json`` and ``report.md`` beside it.

    The page needs no other file either, unless clips or separate files are asked for: these are in ``report-files``.

    Args:
        comparison: What ``compare`` made.
        out: The folder to write.
        settings: Title, notes and examples.
        reporter: Hears of the progress.
        long_videos: What a search of long videos made, to be shown too.
        corrections: The catalog that reviewers' corrections made, to tell what they changed.
        run_dir: The folder of the run that the comparison is of, to be named in the commands of what to do next.
        overwrite: Replace another result at ``out``.
    """
    inputs = {"comparison": comparison}
    input_key(comparison, "comparison")
    if long_videos is not None:
        inputs["long_videos"] = long_videos
        input_key(long_videos, "long videos")
        if read_provenance(long_videos).settings.get("blur") != settings.blur:
            raise UserError(
                f"the timelines in {long_videos} are {'not ' if settings.blur else ''}blurred: make the report as they "
                "were searched (detect.blur in a recipe), or leave out --long-videos."
            )
    corrected = None if corrections is None else read_corrections_result(corrections)
    if corrections is not None:
        inputs["corrections"] = corrections
    with writing_artifact(out, "report", inputs, settings, overwrite=overwrite) as folder:
        if folder is None:
            return out
        figures, taxonomy, clips = read_comparison(comparison), read_taxonomy(comparison), read_clips(comparison)
        predictions = {
            name: {p.clip_id: p for p in read_jsonl(comparison / predictions_file(name), Prediction)}
            for name in figures.models
        }
        before, after = before_and_after(figures)
        media = PageMedia(folder, settings.separate_files)
        errors, examples = make_examples(clips, predictions, str(after or before), taxonomy, settings, media, reporter)
        searched = None if long_videos is None else read_long_videos(long_videos)
        page = ReportPage(
            title=settings.title,
            headline=tuple(headline_sentences(figures, taxonomy, clips)),
            statistics=statistics_sentence(figures, taxonomy),
            notes=settings.notes,
            data_notes=tuple(data_notes(clips, figures)),
            next_steps=tuple(next_steps(figures, taxonomy, clips, run_dir)),
            before=before,
            after=after,
            figures=figures,
            taxonomy=taxonomy,
            cells=confusion_lists(clips, predictions, taxonomy, comparison, settings.clips_listed),
            flips=flip_lists(figures, clips, predictions, taxonomy, comparison, settings.clips_listed),
            errors=errors,
            examples=examples,
            long_videos=searched,
            corrections=corrected,
            run_dir=run_dir,
            timelines=[]
            if long_videos is None or searched is None
            else [long_videos / name for name in searched.timelines],
            media=media,
        )
        report = Report(
            title=page.title,
            headline=" ".join(page.headline),
            statistics=page.statistics,
            notes=(*page.notes, *page.data_notes),
            before=before,
            after=after,
            errors=tuple(example.clip_id for example in errors),
            next_steps=page.next_steps,
            long_videos=searched,
            corrections=corrected,
            **dict(figures),
        )
        write_text(folder / JSON_FILE, report.model_dump_json(indent=1, exclude={"long_videos": {"timelines"}}) + "\n")
        summary = markdown(
            page.title, report.headline, report.notes, figures, taxonomy, corrected, page.next_steps, page.statistics
        )
        write_text(folder / MARKDOWN_FILE, summary)
        write_text(folder / HTML_FILE, render(page))
    return out


def read_report(path: Path) -> Report:
    """The figures of a finished report."""
    return Report.model_validate_json(path.read_text(encoding="utf-8"))


def read_long_videos(folder: Path) -> LongVideoSearch:
    """Read the result of a search of long videos.

    Raises:
        UserError: If ``folder`` does not hold it.
    """
    path = folder / LONG_VIDEOS_FILE
    try:
        return LongVideoSearch.model_validate_json(path.read_text(encoding="utf-8"))
    except FileNotFoundError:
        raise UserError(f"{path} does not exist; a recipe with a detect section makes it.") from None
    except (ValidationError, UnicodeDecodeError):
        raise UserError(
            f"{path} is of another version or damaged; remove its folder and run the recipe again."
        ) from None
