"""Records come back from an artefact as they went in, also after the run was moved."""

import shutil

import pytest

from vlm_autodrive.artifacts import files
from vlm_autodrive.errors import UserError
from vlm_autodrive.records import (
    DEFAULT_TAXONOMY,
    PAPER_TAXONOMY,
    Clip,
    Event,
    EventClass,
    ImportIssue,
    Taxonomy,
    Video,
)

TWO = Taxonomy(
    classes=(
        EventClass(name="stop", label="Stop", code="A", definition="a stop"),
        EventClass(name="go", label="Go", code="B", definition="no stop", is_event=False),
    )
)


def video(folder, name="00042"):
    return Video(video_id=name, path=str(folder / "videos" / f"{name}.mp4"), positive=True, group_id="g")


def clip(folder):
    return Clip(
        clip_id="c1",
        video_id="00042",
        path=str(folder / "videos" / "00042.mp4"),
        start_s=1.5,
        end_s=6.3,
        split="train",
        event_class=None,
        event_time_s=2.0,
        alert_time_s=None,
        ego_involved=None,
        group_id="g",
        triplet_id=None,
        metadata={"weather": "Rain"},
    )


def write_run(run):
    (run / "catalog").mkdir(parents=True)
    (run / "clips").mkdir()
    event = Event(event_id="e", video_id="00042", event_class="stop", time_s=1.0)
    issue = ImportIssue(file="m.csv", line=3, field="time", value="x", message="no number", rejected=True)
    files.write_catalog(run / "catalog", run / "catalog", TWO, [video(run)], [event], [], [issue])
    files.write_clips(run / "clips", run / "clips", TWO, [clip(run)])
    return event


def test_the_wording_of_a_taxonomy_comes_back(tmp_path):
    files.write_clips(tmp_path, tmp_path, PAPER_TAXONOMY, [])
    assert files.read_taxonomy(tmp_path) == PAPER_TAXONOMY


def test_options_that_cannot_be_told_apart_are_refused():
    said = [each.model_copy(update={"option": "It stops."}) for each in TWO.classes]
    with pytest.raises(ValueError, match="belongs to two classes"):
        Taxonomy(classes=said)


def test_a_catalog_comes_back(tmp_path):
    event = write_run(tmp_path / "run")
    catalog = tmp_path / "run" / "catalog"
    assert files.read_videos(catalog) == [video(tmp_path / "run")]
    assert files.read_events(catalog) == [event]
    assert files.read_scenarios(catalog) == {}
    assert files.read_taxonomy(catalog) == TWO
    assert str(tmp_path) not in (catalog / files.VIDEOS_FILE).read_text()


def test_paths_follow_a_moved_run(tmp_path):
    write_run(tmp_path / "run")
    shutil.move(tmp_path / "run", tmp_path / "moved")
    assert files.read_videos(tmp_path / "moved" / "catalog") == [video(tmp_path / "moved")]
    assert files.read_clips(tmp_path / "moved" / "clips") == [clip(tmp_path / "moved")]


def test_paths_are_right_though_written_in_a_partial_folder(tmp_path):
    final, partial = tmp_path / "deep" / "clips", tmp_path / "deep" / ".clips.partial-1" / "inner"
    partial.mkdir(parents=True)
    files.write_clips(partial, final, TWO, [clip(tmp_path)])
    shutil.move(partial, final)
    assert files.read_clips(final) == [clip(tmp_path)]


def test_the_default_classes_where_none_are_named(tmp_path):
    assert files.read_taxonomy(tmp_path) == DEFAULT_TAXONOMY


def test_a_missing_or_broken_file_is_named(tmp_path):
    with pytest.raises(UserError, match=r"clips\.jsonl does not exist"):
        files.read_clips(tmp_path)
    write_run(tmp_path / "run")
    path = tmp_path / "run" / "clips" / files.CLIPS_FILE
    path.write_text(path.read_text() + '{"clip_id": 3}\n')
    with pytest.raises(UserError, match=r"clips\.jsonl, line 2: "):
        files.read_clips(tmp_path / "run" / "clips")


def test_characters_that_look_like_line_ends_stay_inside_their_record(tmp_path):
    """Free text of metadata and of models holds them; JSON does not escape them."""
    spoken = clip(tmp_path).model_copy(update={"metadata": {"note": "one\u2028two\x85three\x0bfour\rfive\nsix"}})
    other = clip(tmp_path).model_copy(update={"clip_id": "other"})
    files.write_clips(tmp_path, tmp_path, TWO, [spoken, other])
    assert files.read_clips(tmp_path) == [spoken, other]


def test_clips_are_read_one_by_one_up_to_a_broken_line(tmp_path):
    written = [clip(tmp_path).model_copy(update={"clip_id": clip_id}) for clip_id in ("one", "two")]
    files.write_clips(tmp_path, tmp_path, TWO, written)
    with (tmp_path / "clips.jsonl").open("a") as stream:
        stream.write('{"clip_id": 1}\n')
    one_by_one = files.iterate_clips(tmp_path)
    assert [next(one_by_one), next(one_by_one)] == written
    with pytest.raises(UserError, match=r"clips\.jsonl, line 3"):
        next(one_by_one)
