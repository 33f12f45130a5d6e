"""Artefacts are whole or absent, know what made them, and are not made twice."""

import os
import shutil
from pathlib import Path
from typing import Annotated

import pytest
from pydantic import Field

from vlm_autodrive.artifacts import (
    folders,
    input_key,
    is_current,
    read_clips,
    read_predictions,
    read_provenance,
    read_samples,
    read_videos,
    require_space,
    writing_artifact,
)
from vlm_autodrive.errors import UserError
from vlm_autodrive.models.missing import incomplete
from vlm_autodrive.settings import NOT_IN_KEY, Settings


class Nested(Settings):
    workers: Annotated[int, NOT_IN_KEY] = Field(0, ge=0)
    depth: int = 0


class Some(Settings):
    number: int = 1
    cache: Annotated[str, NOT_IN_KEY] = ""
    nested: Nested = Nested()


def make(folder, source, settings=None, text="made", **options):
    with writing_artifact(folder, "things", {"source": source}, settings or Some(), **options) as work:
        if work is not None:
            (work / "result.txt").write_text(text)
        return work is not None


@pytest.fixture
def source(tmp_path):
    path = tmp_path / "source.txt"
    path.write_text("one")
    return path


def hidden(folder):
    return [path.name for path in folder.parent.iterdir() if path.name.startswith(".")]


def test_made_once_from_the_same_input_and_settings(tmp_path, source):
    out = tmp_path / "out"
    assert make(out, source)
    assert not make(out, source, text="again")
    assert (out / "result.txt").read_text() == "made"
    assert hidden(out) == []


@pytest.mark.parametrize("change", ["input", "settings", "nested settings", "facts", "name", "kind", "schema"])
def test_anything_that_decides_the_result_changes_its_key(tmp_path, source, change, monkeypatch):
    out = tmp_path / "out"
    make(out, source)
    before = read_provenance(out).key
    if change == "input":
        source.write_text("two")
    if change == "schema":
        monkeypatch.setattr(folders, "SCHEMA_VERSION", 99)
    keys = {"other" if change == "name" else "source": input_key(source)}
    settings = Some(
        number=2 if change == "settings" else 1, nested=Nested(depth=1 if change == "nested settings" else 0)
    )
    kind = "others" if change == "kind" else "things"
    facts = {"model": "other"} if change == "facts" else {}
    assert folders.artifact_key(kind, keys, settings, facts) != before


def test_settings_marked_as_not_deciding_the_result_are_not_in_its_key(tmp_path, source):
    out = tmp_path / "out"
    assert make(out, source, facts={"model": "m"})
    assert not make(out, source, Some(cache="elsewhere", nested=Nested(workers=7)), facts={"model": "m"})
    provenance = read_provenance(out)
    assert provenance.settings == {"number": 1, "nested": {"depth": 0}}
    assert provenance.facts == {"model": "m"}


def test_another_result_is_refused_unless_it_may_be_replaced(tmp_path, source):
    out = tmp_path / "out"
    make(out, source)
    with pytest.raises(UserError, match="--overwrite"):
        make(out, source, Some(number=2))
    assert (out / "result.txt").read_text() == "made"
    assert make(out, source, Some(number=2), text="new", overwrite=True)
    assert (out / "result.txt").read_text() == "new"
    assert hidden(out) == []


def test_a_failure_leaves_no_result_and_the_next_run_goes_on(tmp_path, source):
    out = tmp_path / "out"
    with pytest.raises(ZeroDivisionError), writing_artifact(out, "things", {"source": source}, Some()) as work:
        (work / "half.txt").write_text("half")
        raise ZeroDivisionError
    assert not out.exists()
    with writing_artifact(out, "things", {"source": source}, Some(number=2)) as work:
        assert not (work / "half.txt").exists(), "other settings must not go on from this"
    shutil.rmtree(out)


def test_the_partial_folder_is_found_again(tmp_path, source):
    out = tmp_path / "out"
    with pytest.raises(KeyboardInterrupt), writing_artifact(out, "things", {"source": source}, Some()) as work:
        (work / "half.txt").write_text("half")
        raise KeyboardInterrupt
    with writing_artifact(out, "things", {"source": source}, Some()) as work:
        assert (work / "half.txt").read_text() == "half"
    assert (out / "half.txt").exists()


def test_a_failure_while_replacing_keeps_the_old_result(tmp_path, source):
    out = tmp_path / "out"
    make(out, source)
    changed = writing_artifact(out, "things", {"source": source}, Some(number=2), overwrite=True)
    with pytest.raises(ZeroDivisionError), changed:
        raise ZeroDivisionError
    assert (out / "result.txt").read_text() == "made"
    assert not make(out, source)


class Killed(BaseException):
    pass


def kill_at_rename(number, monkeypatch):
    """Kills before the given rename of those that put the new result in the old one's place."""
    rename, seen = Path.rename, []

    def counting(path, target):
        seen.append(path)
        if len(seen) == number:
            raise Killed
        return rename(path, target)

    monkeypatch.setattr(Path, "rename", counting)


def kill_while_replacing(out, source, monkeypatch, before):
    with monkeypatch.context() as patched, pytest.raises(Killed):
        if before == "removal":
            patched.setattr(folders, "_discard", lambda path: kill() if path.exists() else None)
        else:
            kill_at_rename(before, patched)
        make(out, source, Some(number=2), text="new", overwrite=True)


def kill():
    raise Killed


@pytest.mark.parametrize("before", [1, 2, "removal"])
def test_killed_while_replacing_the_next_run_ends_whole_and_clean(tmp_path, source, monkeypatch, before):
    out = tmp_path / "out"
    make(out, source)
    kill_while_replacing(out, source, monkeypatch, before)
    make(out, source, Some(number=2), text="new", overwrite=True)
    assert (out / "result.txt").read_text() == "new"
    assert is_current(out, read_provenance(out).key)
    assert hidden(out) == []


def test_killed_between_the_renames_the_old_result_comes_back_if_the_new_one_is_lost(tmp_path, source, monkeypatch):
    out = tmp_path / "out"
    make(out, source)
    kill_while_replacing(out, source, monkeypatch, 2)
    assert not out.exists()
    [partial] = tmp_path.glob(".out.partial-*")
    shutil.rmtree(partial)
    assert not make(out, source), "it was made before and is still there"
    assert (out / "result.txt").read_text() == "made"
    assert hidden(out) == []


def test_an_old_result_that_is_half_removed_never_comes_back(tmp_path, source, monkeypatch):
    out = tmp_path / "out"
    make(out, source)
    with monkeypatch.context() as patched, pytest.raises(Killed):
        patched.setattr(folders.shutil, "rmtree", lambda path, **how: kill() if path.exists() else None)
        make(out, source, Some(number=2), text="new", overwrite=True)
    assert hidden(out) == [".out.replaced"]
    shutil.rmtree(out)
    assert make(out, source, text="anew")
    assert (out / "result.txt").read_text() == "anew"
    assert hidden(out) == []


@pytest.mark.parametrize("name", ["a.mp4", "a.MP4", "a.webm", "a.ts", "a.MTS", "a.m2ts", "a.3gp", "a.LRV", "a.GIF"])
def test_a_video_is_known_by_name_size_and_time_without_reading_it(tmp_path, name):
    video = tmp_path / name
    video.write_bytes(b"1")
    first = input_key(video)
    times = video.stat().st_atime_ns, video.stat().st_mtime_ns
    video.write_bytes(b"2")
    os.utime(video, ns=times)
    assert input_key(video) == first
    os.utime(video, ns=(times[0], times[1] + 1000))
    assert input_key(video) != first


def test_an_artefact_passes_its_key_on(tmp_path, source):
    first, second = tmp_path / "first", tmp_path / "second"
    make(first, source)
    make(second, first)
    assert read_provenance(second).inputs["source"].key == read_provenance(first).key
    source.write_text("two")
    make(first, source, overwrite=True)
    key = folders.artifact_key("things", {"source": input_key(first)}, Some())
    assert not is_current(second, key)


def test_a_moved_run_is_still_current(tmp_path, source):
    (tmp_path / "run").mkdir()
    make(tmp_path / "run" / "first", source)
    make(tmp_path / "run" / "second", tmp_path / "run" / "first")
    (tmp_path / "run").rename(tmp_path / "moved")
    assert not make(tmp_path / "moved" / "second", tmp_path / "moved" / "first")


def test_the_wrong_kind_of_input_is_named(tmp_path, source):
    out = tmp_path / "out"
    make(out, source)
    with pytest.raises(UserError, match="holds things, not clips; give what `autodrive clips` made"):
        input_key(out, "clips")
    with pytest.raises(UserError, match="no finished clips"):
        input_key(source, "clips")
    with pytest.raises(UserError, match="does not exist"):
        input_key(tmp_path / "absent")
    with pytest.raises(UserError, match="no finished result"):
        read_provenance(tmp_path)


@pytest.mark.parametrize(
    ("read", "held", "sentence"),
    [
        (read_clips, "catalog", "out holds a catalog, not clips; run `autodrive clips` on it first."),
        (read_samples, "clips", "out holds clips, not a supervision set; run `autodrive supervise` on it first."),
        (read_samples, "catalog", "holds a catalog, not a supervision set; give what `autodrive supervise` made."),
        (read_predictions, "comparison", "holds a comparison, not predictions; give what `autodrive evaluate` made."),
        (read_videos, None, "out/videos.jsonl does not exist; give a folder that `autodrive import` made."),
    ],
)
def test_a_folder_of_another_stage_is_named_with_the_command_that_is_wanted(tmp_path, read, held, sentence):
    out = tmp_path / "out"
    if held is not None:
        with writing_artifact(out, held, {}, Some()):
            pass
    with pytest.raises(UserError) as raised:
        read(out)
    assert str(raised.value).endswith(sentence)


def test_a_folder_of_another_stage_is_no_model(tmp_path):
    with writing_artifact(tmp_path / "out", "supervision", {}, Some()):
        pass
    said = str(incomplete(tmp_path / "out", "no configuration"))
    assert said.endswith("out holds a supervision set, not a checkpoint; run `autodrive train` on it first.")


def test_what_failed_before_it_wrote_anything_leaves_no_folder(tmp_path, source):
    with pytest.raises(ZeroDivisionError), writing_artifact(tmp_path / "out", "things", {"source": source}, Some()):
        raise ZeroDivisionError
    assert list(tmp_path.iterdir()) == [source]


def test_a_disk_without_room_is_told_before_anything_is_written(tmp_path):
    require_space(tmp_path / "absent" / "out", 1, "the files")
    with pytest.raises(UserError, match=r"the files take about 1000000000\.0 GB, and the disk of .* has .* left"):
        require_space(tmp_path / "absent" / "out", 1e18, "the files")


def test_a_folder_is_known_by_names_and_content(tmp_path):
    folder = tmp_path / "data"
    folder.mkdir()
    (folder / "a.csv").write_text("1")
    before = input_key(folder)
    assert input_key(folder) == before
    (folder / "a.csv").write_text("2")
    assert input_key(folder) != before
    (folder / "a.csv").write_text("1")
    assert input_key(folder) == before
    (folder / "a.csv").rename(folder / "b.csv")
    assert input_key(folder) != before


def test_paths_inside_an_artefact_survive_a_move(tmp_path):
    video = tmp_path / "run" / "videos" / "a.mp4"
    kept = folders.relative_to_artifact(str(video), tmp_path / "run" / "catalog")
    assert kept == str(Path("..") / "videos" / "a.mp4")
    elsewhere = tmp_path / "elsewhere"
    assert folders.absolute_from_artifact(kept, elsewhere / "catalog") == str(elsewhere / "videos" / "a.mp4")
