"""Records as Parquet parts: the same lines as the JSONL file, in bounded parts, and never fewer unnoticed."""

from io import BytesIO

import pytest

from vlm_autodrive.artifacts import (
    carry_questions,
    input_key,
    read_clips,
    read_corrections,
    read_questions,
    write_catalog,
    write_clips,
    write_corrections,
)
from vlm_autodrive.clips.catalog_records import reading_catalog
from vlm_autodrive.errors import UserError
from vlm_autodrive.records import (
    DEFAULT_TAXONOMY,
    Clip,
    Correction,
    DatasetQuestion,
    Record,
    TelemetrySeries,
    copy_records,
    has_records,
    parts,
    read_jsonl,
    write_jsonl,
)


class Noted(Record):
    number: int
    text: str


LINES = [Noted(number=n, text=f"café \u2028 {n}") for n in range(25)]


def cut(path):
    """Put the parts of a JSONL file in its place, as they lie in a folder that was copied from a store."""
    folder = parts.parts_folder(path)
    folder.mkdir()
    for number, (part, *_) in enumerate(parts.packed_parts(path.read_bytes().splitlines(True), 0, is_all=True)):
        (folder / parts.part_name(number)).write_bytes(part)
    path.unlink()


@pytest.fixture
def stored(tmp_path, monkeypatch):
    """The parts of 25 records, ten in each, as they lie in a folder copied from a store; and the JSONL file's bytes."""
    monkeypatch.setattr(parts, "MOST_LINES", 10)
    content = "".join(record.model_dump_json() + "\n" for record in LINES).encode()
    path = tmp_path / "noted.jsonl"
    path.write_bytes(content)
    cut(path)
    return path, content


def test_parts_are_read_where_the_file_is_not_there(stored, tmp_path):
    path, content = stored
    assert len(list((tmp_path / "noted.parts").iterdir())) == 3
    assert not path.exists() and has_records(path) and read_jsonl(path, Noted) == LINES
    assert copy_records(path, tmp_path / "copy.jsonl") and (tmp_path / "copy.jsonl").read_bytes() == content
    path.write_text(LINES[0].model_dump_json() + "\n")
    assert read_jsonl(path, Noted) == LINES[:1]
    assert not copy_records(tmp_path / "none.jsonl", tmp_path / "nothing.jsonl")


@pytest.mark.parametrize("lost", [0, 1, 2])
def test_a_part_that_is_missing_is_noticed(stored, tmp_path, lost):
    (tmp_path / "noted.parts" / parts.part_name(lost)).unlink()
    with pytest.raises(UserError, match="lacks parts behind line"):
        read_jsonl(stored[0], Noted)


def test_what_is_no_part_is_told(stored, tmp_path):
    (tmp_path / "noted.parts" / parts.part_name(1)).write_bytes(b"torn")
    with pytest.raises(UserError, match="is no part of records"):
        read_jsonl(stored[0], Noted)


def test_parts_are_bounded_in_bytes_too(monkeypatch):
    monkeypatch.setattr(parts, "MOST_BYTES", 100)
    assert [len(group) for group in parts.cut_into_parts([b"x" * 40] * 5)] == [2, 2, 1]
    assert list(parts.cut_into_parts([])) == [[]]
    assert parts.unpack_part(BytesIO(parts.pack_part([], 0, is_last=True))) == ([], 0, True)


def test_an_artefact_of_parts_is_read_like_any_other(tmp_path):
    folder = tmp_path / "clips"
    folder.mkdir()
    unknown = dict.fromkeys(("event_class", "event_time_s", "alert_time_s", "ego_involved", "triplet_id"))
    of_a = {"clip_id": "a", "video_id": "a", "path": str(tmp_path / "a.mp4"), "start_s": 0.0, "end_s": 1.0}
    clip = Clip(**of_a, **unknown, split="test", group_id="a", metadata={})
    write_clips(folder, folder, DEFAULT_TAXONOMY, [clip])
    cut(folder / "clips.jsonl")
    assert read_clips(folder) == [clip] and read_questions(folder) == []


def test_nothing_of_a_catalog_of_parts_is_lost(tmp_path):
    catalog, clips = tmp_path / "catalog", tmp_path / "clips"
    catalog.mkdir()
    clips.mkdir()
    question = DatasetQuestion(question_id="q", video_id="a", topic="", question="Why?", answer="It rained.")
    write_catalog(catalog, catalog, DEFAULT_TAXONOMY, [], [], [], [], [question])
    series = TelemetrySeries(video_id="a", sources=("gpx",), alignment="by clock")
    write_jsonl(catalog / "telemetry.jsonl", [series])
    said = {
        "correction_id": "c",
        "item_id": "i",
        "decision": "accept",
        "reviewer": "ada",
        "before": None,
        "after": None,
    }
    shown = {"at": "2026-01-01T00:00:00Z", "video": str(tmp_path / "a.mp4"), "window_start_s": 0, "window_end_s": 1}
    correction = Correction(**said, **shown)
    write_corrections(catalog / "corrections.jsonl", [correction], catalog)
    files = sorted(catalog.glob("*.jsonl"))
    keys = [input_key(file) for file in files]
    for file in files:
        cut(file)
    assert [input_key(file) for file in files] == keys
    with reading_catalog(catalog) as records:
        assert records.telemetry_of("a") == [series]
    carry_questions(catalog, clips)
    assert read_questions(clips) == [question]
    assert read_corrections([catalog]) == [correction]


def test_lines_behind_a_missing_part_are_not_taken_for_all(stored):
    path, content = stored
    first, _, last = parts.parts_of(path)
    found = BytesIO()
    assert parts.write_lines([first, last], found) == (10, False)  # though the last says that none follows
    assert found.getvalue() == b"".join(content.splitlines(True)[:10])
