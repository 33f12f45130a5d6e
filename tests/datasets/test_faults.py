"""Every fault that people's tables have: told with file, line, field, value and what to do; no row is lost."""

import csv
import json

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from vlm_autodrive.artifacts import read_data_sets, read_events, read_videos
from vlm_autodrive.artifacts.files import read_issues
from vlm_autodrive.datasets import ImportSettings, import_dataset
from vlm_autodrive.datasets.manifest import read_manifest
from vlm_autodrive.errors import UserError

HEADER = "video,class,event_time_s,alert_time_s,ego_involved,drive"
GOOD = "good.mp4,collision,3,2,yes,d1"

FAULTS = {  # the row below a good one: field, value, words of the message, whether it is left out
    "nan_time": ("a.mp4,collision,NaN,,,", "event_time_s", "NaN", "no time of the event", False),
    "none_time": ("a.mp4,collision,None,,,", "event_time_s", "None", "no time of the event", False),
    "no_time_on_a_positive": ("a.mp4,collision,,,,", "event_time_s", "", "no time of the event", False),
    "infinite_time": ("a.mp4,collision,inf,,,", "event_time_s", "inf", "finite", True),
    "no_number": ("a.mp4,collision,1:05,,,", "event_time_s", "1:05", "write it like 12.5", True),
    "negative_time": ("a.mp4,collision,-4,,,", "event_time_s", "-4", "after the video's first frame", True),
    "time_on_a_normal_row": ("a.mp4,normal,4,,,", "event_time_s", "4", "empty the cell or name", True),
    "alert_on_a_normal_row": ("a.mp4,normal,,4,,", "alert_time_s", "4", "empty the cell or name", True),
    "alert_after_event": ("a.mp4,collision,3,4,,", "alert_time_s", "4", "after the event", False),
    "alert_no_number": ("a.mp4,collision,3,x,,", "alert_time_s", "x", "taken without it", False),
    "unknown_class": ("a.mp4,colision,3,,,", "class", "colision", "did you mean collision?", True),
    "class_none": ("a.mp4,None,,,,", "class", "None", "write the class for that", False),
    "flag_no_flag": ("a.mp4,collision,3,,perhaps,", "ego_involved", "perhaps", "taken as unknown", False),
    "path_leaves_the_root": ("../a.mp4,collision,3,,,", "video", "../a.mp4", "name a file below it", True),
    "windows_path_leaves_the_root": ("..\\a.mp4,collision,3,,,", "video", "..\\a.mp4", "name a file below", True),
    "absolute_path": ("/etc/a.mp4,collision,3,,,", "video", "/etc/a.mp4", "name a file below it", True),
    "no_video": (",collision,3,,,", "video", "", "no video is named", True),
    "case_only_duplicate": ("GOOD.mp4,collision,3,,,", "video", "GOOD.mp4", "line 2 has the same name", False),
    "duplicate": ("good.mp4,collision,3,,,d1", "video", "good.mp4", "remove one", True),
    "conflicting_label": ("good.mp4,normal,,,,d1", "class", "normal", "settle which is right", True),
    "conflicting_kind": ("good.mp4,near-miss,3,,,d1", "class", "near-miss", "settle which is right", True),
    "conflicting_drive": ("good.mp4,collision,5,,,d2", "drive", "d2", "settle which is right", False),
    "missing_cells": ("a.mp4,collision", "", "", "only 2 cells under 6 columns", False),
    "unclosed_quote": ('a.mp4,"collision,3,,,\nb.mp4,normal,,,,', "", "", "close it where its cell ends", True),
}  # fmt: skip


def write(folder, *lines, name="manifest.csv", encoding="utf-8", newline="\n"):
    path = folder / name
    path.write_bytes((newline.join(lines) + newline).encode(encoding))
    return path


@pytest.mark.parametrize("fault", FAULTS)
def test_a_fault_is_told_and_the_good_row_is_kept(tmp_path, fault):
    line, field, value, words, rejected = FAULTS[fault]
    path = write(tmp_path, HEADER, GOOD, line)
    out = import_dataset("manifest", path, tmp_path / "catalog", ImportSettings())
    issue = next(i for i in read_issues(out) if words in i.message)
    assert (issue.file, issue.line, issue.field, issue.value) == (str(path), 3, field, value)
    assert issue.rejected == rejected
    [data_set] = read_data_sets(out)
    assert (data_set.rows, data_set.rejected, data_set.imported) == (2, int(rejected), 2 - int(rejected))
    assert ("good", 3.0) in {(e.video_id, e.time_s) for e in read_events(out)}
    with pytest.raises(UserError, match=r"manifest\.csv, line 3"):
        import_dataset("manifest", path, tmp_path / "strict", ImportSettings(strict=True))
    assert not (tmp_path / "strict").exists()


def test_strict_is_named_only_where_it_was_asked_for(tmp_path):
    path = write(tmp_path, HEADER, "../a.mp4,collision,3,,,")
    with pytest.raises(UserError, match=r"names no video.*name a file below it\. Put them right\.$"):
        import_dataset("manifest", path, tmp_path / "catalog", ImportSettings())
    path = write(tmp_path, '[{"video": "good.mp4"}]', name="m.json")
    with pytest.raises(UserError, match=r"^m\.json, row '': a list in place.*right, or import without strict\.$"):
        import_dataset("manifest", path, tmp_path / "catalog", ImportSettings(strict=True))


def test_extra_cells(tmp_path):
    reading = read_manifest(write(tmp_path, HEADER, GOOD, "a.mp4,collision,19,5,18,2,yes,d"), ImportSettings())
    assert [(i.line, i.rejected) for i in reading.issues] == [(3, True)]
    assert "8 cells under 6 columns" in reading.issues[0].message
    trailing = read_manifest(write(tmp_path, HEADER, GOOD + ",,,"), ImportSettings())  # as spreadsheets leave them
    assert (trailing.issues, len(trailing.events)) == ([], 1)


def test_a_time_behind_the_end_of_the_video(tmp_path, make_video):
    make_video("a.mp4", count=60)
    path = write(tmp_path, HEADER, "a.mp4,collision,9.5,,,", "a.mp4,near-miss,2,,,")
    out = import_dataset("manifest", path, tmp_path / "catalog", ImportSettings())
    [issue] = read_issues(out)
    assert (issue.line, issue.field, issue.value, issue.rejected) == (2, "event_time_s", "9.5", True)
    assert "the video ends at 6.00 s" in issue.message
    assert [e.event_class for e in read_events(out)] == ["near_collision"]
    assert read_data_sets(out)[0].rejected == 1


@pytest.mark.parametrize("encoding", ["utf-8-sig", "utf-16", "utf-16-le"])
@pytest.mark.parametrize(("delimiter", "time"), [(",", '"3,5"'), (";", "3,5"), ("\t", "3,5")])
@pytest.mark.parametrize("newline", ["\n", "\r\n"])
def test_encodings_delimiters_and_decimal_commas_are_no_fault(tmp_path, encoding, delimiter, time, newline):
    lines = [HEADER.replace(",", delimiter), delimiter.join(["ä.mp4", "collision", time, "", "ja"[:0], "d1"])]
    reading = read_manifest(write(tmp_path, *lines, encoding=encoding, newline=newline), ImportSettings())
    assert reading.issues == []
    assert [(e.video_id, e.time_s) for e in reading.events] == [("ä", 3.5)]


def test_columns_missing_doubled_misspelt_and_unnamed(tmp_path):
    with pytest.raises(UserError, match="no column video; its columns are"):
        read_manifest(write(tmp_path, "name,when", "a,3"), ImportSettings())
    path = write(tmp_path, ",video,classs,event_time_s,event_time_s,note", "0,a.mp4,collision,3,4,x")
    reading = read_manifest(path, ImportSettings())
    told = {(i.line, i.field): i.message for i in reading.issues}
    assert set(told) == {(1, ""), (1, "event_time_s"), (None, "classs")}
    assert "if you mean class" in told[None, "classs"]
    assert "without a name" in told[1, ""]
    assert [(e.event_class, e.time_s) for e in reading.events] == [(None, 3.0)]
    assert reading.videos[0].metadata == {"classs": "collision", "note": "x"}


def test_jsonl_faults(tmp_path):
    lines = [
        '{"video": "a.mp4", "class": "collision", "event_time_s": NaN}',
        '{"video": "b.mp4", "class": "normal", "class": "collision"}',
        '{"video": "c.mp4", "tags": {"a": [1, {"b": null}]}}',
        "[" * 100_000,
        '{"class": "normal"}',
        '{"video": "a\\u0000.mp4"}',
    ]
    reading = read_manifest(write(tmp_path, *lines, name="m.jsonl"), ImportSettings())
    assert sorted({i.line for i in reading.issues if i.rejected}) == [4, 5, 6]
    assert [(i.line, i.field) for i in reading.issues if not i.rejected] == [(2, "class"), (1, "event_time_s")]
    assert {v.video_id: v.positive for v in reading.videos} == {"a": True, "b": False, "c": None}
    assert json.loads(reading.videos[2].metadata["tags"]) == {"a": [1, {"b": None}]}
    assert (reading.rows, reading.rejected) == (6, 3)


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("video", "a\ud800.mp4"),
        ("class", "\ud800"),
        ("drive", "d\udc00\ud800"),
        ("note", "\udfff"),
        ("no\ud83dte", "x"),
    ],
)
def test_half_a_character_is_told_and_the_good_row_is_kept(tmp_path, field, value):
    """JSON can write it as an escape, but no file in UTF-8 and no path can hold it."""
    lines = [json.dumps({"video": "good.mp4", "note": "\U0001f697"}), json.dumps({"video": "a.mp4"} | {field: value})]
    path = write(tmp_path, *lines, name="m.jsonl")
    out = import_dataset("manifest", path, tmp_path / "catalog", ImportSettings())
    [issue] = read_issues(out)
    written = [json.dumps(text)[1:-1] for text in (field, value)]
    assert (issue.file, issue.line, [issue.field, issue.value], issue.rejected) == (str(path), 2, written, True)
    assert "write the character whole" in issue.message
    assert [v.metadata for v in read_videos(out)] == [{"note": "\U0001f697"}]
    with pytest.raises(UserError, match=r"m\.jsonl, line 2"):
        import_dataset("manifest", path, tmp_path / "strict", ImportSettings(strict=True))


def test_half_a_character_in_an_annotation_file_is_told_with_its_entry(tmp_path):
    path = tmp_path / "metadata_train.json"
    entry = {"anomaly_start": 3, "num_frames": 9, "anomaly_class": "ego: lateral"}
    path.write_text(json.dumps({"a": entry | {"note": "\U0001f697"}, "b\ud800": entry}))
    with pytest.raises(UserError, match=r"metadata_train\.json, entry 2 holds half of a character"):
        import_dataset("dota", path, tmp_path / "catalog", ImportSettings())


def test_a_missing_video_is_a_state_and_no_fault(tmp_path):
    path = write(tmp_path, HEADER, GOOD)
    out = import_dataset("manifest", path, tmp_path / "catalog", ImportSettings(strict=True))
    assert [v.problem for v in read_videos(out)] == ["the file does not exist"]
    assert len(read_events(out)) == 1


def test_a_catalog_is_made_anew_when_a_video_has_changed(tmp_path, make_video):
    path = write(tmp_path, HEADER, GOOD)
    out = import_dataset("manifest", path, tmp_path / "catalog", ImportSettings())
    made = (out / "provenance.json").read_text()
    import_dataset("manifest", path, out, ImportSettings())
    assert (out / "provenance.json").read_text() == made
    make_video("good.mp4", count=60)
    with pytest.raises(UserError, match="already holds another result"):
        import_dataset("manifest", path, out, ImportSettings())
    import_dataset("manifest", path, out, ImportSettings(), overwrite=True)
    assert [v.problem for v in read_videos(out)] == [""]


names = st.sampled_from(["a.mp4", "A.mp4", "b.mp4", "x/a.mp4", "../c.mp4", "", "nan", "a\\b.mp4", "/a.mp4"])
classes = st.sampled_from(["", "collision", "Near-Miss", "normal", "None", "crsh"])
times = st.sampled_from(["", "3", "4,5", "-1", "-0.01", "nan", "inf", "1e9", "soon", "None"])
flags = st.sampled_from(["", "yes", "0", "perhaps"])
drives = st.sampled_from(["", "d1", "d2"])
rows = st.lists(st.tuples(names, classes, times, times, flags, drives), max_size=12)


def accounted(reading, lines, path_of):
    """No line is lost: left out with a reason, or what it says is in the reading."""
    rejected = {i.line for i in reading.issues if i.rejected}
    assert reading.rows == len(lines)
    assert reading.rejected == len(rejected)
    assert rejected <= set(lines)
    events = {row.line for row in reading.rows_of_events.values()}
    assert len(events) == len(reading.events) == len(reading.rows_of_events)
    assert not events & rejected
    told_of = {video.path for video in reading.videos}
    for line in set(lines) - rejected:
        assert line in events or path_of(line) in told_of
    assert all(i.message and i.file for i in reading.issues)
    ids = [video.video_id for video in reading.videos]
    assert len(set(ids)) == len(ids)
    assert {event.video_id for event in reading.events} <= set(ids)


@settings(max_examples=150)
@given(
    rows, st.sampled_from(",;\t"), st.sampled_from(["\n", "\r\n"]), st.sampled_from(["utf-8", "utf-8-sig", "utf-16"])
)
def test_csv_imported_and_rejected_are_all_rows(tmp_path_factory, written, delimiter, newline, encoding):
    path = tmp_path_factory.mktemp("m") / "manifest.csv"
    with path.open("w", newline="", encoding=encoding) as stream:
        csv.writer(stream, delimiter=delimiter, lineterminator=newline).writerows([HEADER.split(","), *written])
    kept = {line: row for line, row in enumerate(written, start=2) if any(row)}
    accounted(
        read_manifest(path, ImportSettings()),
        list(kept),
        lambda line: str(path.parent / kept[line][0].replace("\\", "/")),
    )


halves = st.sampled_from(["\ud800", "a\udfff.mp4", "\udc00\ud83d", "\U0001f697"])  # json.dumps escapes them
cell = st.one_of(
    st.none(), st.booleans(), st.floats(), st.integers(), st.text(max_size=5), times, classes, names, halves
)
objects = st.dictionaries(st.sampled_from([*HEADER.split(","), "note", "no\ud800te"]), cell, max_size=6)
characters = st.characters(codec="utf-8", exclude_characters="\n\r")
jsonl_lines = st.one_of(objects.map(json.dumps), st.text(characters, min_size=1, max_size=9))


@settings(max_examples=100)
@given(st.lists(jsonl_lines, max_size=8))
def test_jsonl_imported_and_rejected_are_all_rows(tmp_path_factory, written):
    path = tmp_path_factory.mktemp("m") / "manifest.jsonl"
    lines = ['{"video": "good.mp4"}', *written]
    path.write_text("".join(line + "\n" for line in lines), encoding="utf-8", newline="")
    reading = read_manifest(path, ImportSettings())
    kept = [number for number, line in enumerate(lines, start=1) if line.strip()]
    rejected = {i.line for i in reading.issues if i.rejected}
    assert (reading.rows, reading.rejected) == (len(kept), len(rejected))
    assert {row.line for row in reading.rows_of_events.values()}.isdisjoint(rejected)
    for record in (*reading.videos, *reading.events, *reading.issues):
        record.model_dump_json()  # all of it can be written


@settings(max_examples=60)
@given(st.lists(st.text(st.sampled_from('ab,;\t"\n\r ./1-'), max_size=20), max_size=8))
def test_any_text_below_a_header_keeps_the_sum(tmp_path_factory, lines):
    path = tmp_path_factory.mktemp("m") / "manifest.csv"
    path.write_text("\n".join([HEADER, *lines]), newline="", encoding="utf-8")
    try:
        out = import_dataset("manifest", path, path.parent / "catalog", ImportSettings())
    except UserError:
        return
    [data_set] = read_data_sets(out)
    issues = read_issues(out)
    assert data_set.imported + data_set.rejected == data_set.rows
    assert data_set.rejected == len({i.line for i in issues if i.rejected})
