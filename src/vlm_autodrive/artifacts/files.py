"""The files in each artefact, by which one stage hands its records to the next.

Video paths are absolute in memory and relative to the artefact on disk, so that a run can be moved.
``final`` is the folder's final name, since a stage writes while the folder still has a partial one.
"""

from collections.abc import Iterable, Iterator, Sequence
from itertools import chain
from pathlib import Path

from vlm_autodrive.artifacts.folders import absolute_from_artifact, file_in, relative_to_artifact, write_text
from vlm_autodrive.errors import UserError
from vlm_autodrive.records import (
    DEFAULT_TAXONOMY,
    Clip,
    DataSet,
    DatasetQuestion,
    Event,
    HeldOutQuestion,
    HumanRating,
    ImportIssue,
    Judgement,
    Prediction,
    Scenario,
    SFTSample,
    Taxonomy,
    TelemetrySeries,
    Video,
    has_records,
    iterate_jsonl,
    read_jsonl,
    write_jsonl,
)

TAXONOMY_FILE = "taxonomy.json"
VIDEOS_FILE = "videos.jsonl"
EVENTS_FILE = "events.jsonl"
SCENARIOS_FILE = "scenarios.jsonl"
TELEMETRY_FILE = "telemetry.jsonl"
ISSUES_FILE = "issues.jsonl"
QUESTIONS_FILE = "questions.jsonl"
DATA_SETS_FILE = "datasets.jsonl"
CLIPS_FILE = "clips.jsonl"
SAMPLES_FILE = "samples.jsonl"
HELD_OUT_QUESTIONS_FILE = "held_out_questions.jsonl"
PREDICTIONS_FILE = "predictions.jsonl"
JUDGEMENTS_FILE = "judgements.jsonl"
HUMAN_RATINGS_FILE = "human_ratings.jsonl"
LONG_VIDEOS_FILE = "long_videos.json"


def write_taxonomy(folder: Path, taxonomy: Taxonomy) -> None:
    """Write the classes beside the records that use them."""
    write_text(folder / TAXONOMY_FILE, taxonomy.model_dump_json(indent=1) + "\n")


def read_taxonomy(folder: Path) -> Taxonomy:
    """The classes that an artefact or checkpoint was made with; the default three if it names none."""
    path = folder / TAXONOMY_FILE
    if not path.is_file():
        return DEFAULT_TAXONOMY
    return Taxonomy.model_validate_json(path.read_text(encoding="utf-8"))


def write_catalog(
    folder: Path,
    final: Path,
    taxonomy: Taxonomy,
    videos: Sequence[Video],
    events: Sequence[Event],
    scenarios: Sequence[Scenario],
    issues: Sequence[ImportIssue],
    questions: Sequence[DatasetQuestion] = (),
    data_sets: Sequence[DataSet] = (),
) -> None:
    """Write a catalog.

    Args:
        folder: Where to write.
        final: The folder's final name.
        taxonomy: The classes that the events name.
        videos: The videos.
        events: Their annotated events.
        scenarios: The simulation's ground truth, if any.
        issues: Faults in the annotation files.
        questions: The data sets' own questions.
        data_sets: The data sets, with their licences and numbers of rows.
    """
    write_taxonomy(folder, taxonomy)
    write_jsonl(
        folder / VIDEOS_FILE, (v.model_copy(update={"path": relative_to_artifact(v.path, final)}) for v in videos)
    )
    write_jsonl(folder / EVENTS_FILE, events)
    write_jsonl(folder / SCENARIOS_FILE, scenarios)
    write_jsonl(folder / ISSUES_FILE, issues)
    write_jsonl(folder / QUESTIONS_FILE, questions)
    write_jsonl(folder / DATA_SETS_FILE, data_sets)


def read_videos(catalog: Path) -> list[Video]:
    """The videos of a catalog."""
    return list(iterate_videos(catalog))


def iterate_videos(catalog: Path) -> Iterator[Video]:
    """As :func:`read_videos`, one by one, for catalogs that are larger than memory should hold."""
    for video in iterate_jsonl(file_in(catalog, VIDEOS_FILE, "catalog"), Video):
        yield video.model_copy(update={"path": absolute_from_artifact(video.path, catalog)})


def read_events(catalog: Path) -> list[Event]:
    """The annotated events of a catalog."""
    return read_jsonl(catalog / EVENTS_FILE, Event)


def read_issues(catalog: Path) -> list[ImportIssue]:
    """The faults in the annotation files of a catalog."""
    return read_jsonl(catalog / ISSUES_FILE, ImportIssue)


def read_questions(catalog: Path) -> list[DatasetQuestion]:
    """The dataset questions of a catalog or a clip set; none if there is no such file."""
    path = catalog / QUESTIONS_FILE
    return read_jsonl(path, DatasetQuestion) if has_records(path) else []


def carry_questions(source: Path, folder: Path) -> None:
    """Copy the questions of an artefact, if it has any, into the one that is made from it."""
    path = source / QUESTIONS_FILE
    questions = iterate_jsonl(path, DatasetQuestion) if has_records(path) else iter(())
    if (first := next(questions, None)) is not None:
        write_jsonl(folder / QUESTIONS_FILE, chain([first], questions))


def read_data_sets(catalog: Path) -> list[DataSet]:
    """The data sets of a catalog; none if there is no such file."""
    path = catalog / DATA_SETS_FILE
    return read_jsonl(path, DataSet) if has_records(path) else []


def read_scenarios(catalog: Path) -> dict[str, Scenario]:
    """The simulation's scenarios of a catalog by video id; empty for real footage."""
    return {s.video_id: s for s in read_jsonl(catalog / SCENARIOS_FILE, Scenario)}


def iterate_telemetry(catalog: Path) -> Iterator[TelemetrySeries]:
    """The telemetry of a catalog's videos, one by one: an hour takes megabytes. None if there is no file."""
    if has_records(catalog / TELEMETRY_FILE):
        yield from iterate_jsonl(catalog / TELEMETRY_FILE, TelemetrySeries)


def write_clips(folder: Path, final: Path, taxonomy: Taxonomy, clips: Iterable[Clip]) -> None:
    """Write clips, beside the taxonomy of their labels."""
    write_taxonomy(folder, taxonomy)
    write_jsonl(
        folder / CLIPS_FILE, (c.model_copy(update={"path": relative_to_artifact(c.path, final)}) for c in clips)
    )


def read_clips(folder: Path) -> list[Clip]:
    """The clips of a clip set, or of a supervision set, which carries its clips with it."""
    return list(iterate_clips(folder))


def iterate_clips(folder: Path) -> Iterator[Clip]:
    """As :func:`read_clips`, one by one: a simulated clip with its motion takes some 35 kB of memory.

    Raises:
        UserError: If two clips have one id, as in files that were edited or appended to by hand.
    """
    seen: set[str] = set()
    for clip in iterate_jsonl(file_in(folder, CLIPS_FILE, "clips"), Clip):
        if clip.clip_id in seen:
            raise UserError(
                f"{folder / CLIPS_FILE} holds two clips called {clip.clip_id}; everything is joined by that id, so "
                "take one of them out or give it an id of its own."
            )
        seen.add(clip.clip_id)
        yield clip.model_copy(update={"path": absolute_from_artifact(clip.path, folder)})


def read_samples(supervision: Path) -> list[SFTSample]:
    """The SFT samples of a supervision set, rejected ones too."""
    return read_jsonl(file_in(supervision, SAMPLES_FILE, "supervision"), SFTSample)


def read_held_out_questions(folder: Path) -> list[HeldOutQuestion]:
    """The held-out questions of a supervision set, or those that a model was asked, beside its predictions.

    There are none if there is no such file.
    """
    path = folder / HELD_OUT_QUESTIONS_FILE
    return read_jsonl(path, HeldOutQuestion) if has_records(path) else []


def read_predictions(folder: Path) -> list[Prediction]:
    """The predictions of one model on a clip set."""
    return read_jsonl(file_in(folder, PREDICTIONS_FILE, "predictions"), Prediction)


def read_judgement_records(folder: Path) -> list[Judgement]:
    """A judge's grades of one model's reasoning traces."""
    return read_jsonl(file_in(folder, JUDGEMENTS_FILE, "judgements"), Judgement)


def read_human_ratings(folder: Path) -> list[HumanRating]:
    """Human ratings of the same traces; none if there is no such file."""
    path = folder / HUMAN_RATINGS_FILE
    return read_jsonl(path, HumanRating) if has_records(path) else []
