"""Tables as people write them: what can be taken is taken, what cannot is named with its line."""

import csv
import io

import pytest
from hypothesis import given
from hypothesis import strategies as st

from vlm_autodrive.datasets.table import CellError, Row, class_named, flag_cell, read_table, time_cell
from vlm_autodrive.errors import UserError
from vlm_autodrive.records import DEFAULT_TAXONOMY

PLAIN = "video,class,event_time_s\na.mp4,collision,12.5\nb.mp4,normal,\n"


def cells(table):
    return [dict(row.cells) for row in table.rows]


EXPECTED = [
    {"video": "a.mp4", "class": "collision", "event_time_s": "12.5"},
    {"video": "b.mp4", "class": "normal", "event_time_s": ""},
]


@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "utf-16", "utf-16-le", "utf-16-be"])
@pytest.mark.parametrize("delimiter", [",", ";", "\t"])
@pytest.mark.parametrize("newline", ["\n", "\r\n"])
def test_encodings_delimiters_and_line_ends(tmp_path, encoding, delimiter, newline):
    path = tmp_path / "m.csv"
    path.write_bytes(PLAIN.replace(",", delimiter).replace("\n", newline).encode(encoding))
    table = read_table(path, {}, ["video"])
    assert cells(table) == EXPECTED
    assert [row.line for row in table.rows] == [2, 3]
    assert (table.total, table.issues) == (2, ())


def test_columns_in_any_case_and_order_with_aliases_and_doubles(tmp_path):
    path = tmp_path / "m.csv"
    path.write_text(" Event_Time_S ,FILE, video ,note\n1,a.mp4,b.mp4,x\n2,c.mp4\n")
    table = read_table(path, {"file": "video"}, ["video"])
    assert cells(table) == [
        {"event_time_s": "1", "video": "a.mp4", "note": "x"},
        {"event_time_s": "2", "video": "c.mp4", "note": ""},
    ]
    doubled, short = table.issues
    assert (doubled.line, doubled.field, doubled.rejected) == (1, "video", False)
    assert (short.line, short.rejected) == (3, False)
    assert "only 2 cells under 4 columns" in short.message


def test_unquoted_decimal_comma_is_rejected_and_quoted_newlines_keep_line_numbers(tmp_path):
    path = tmp_path / "m.csv"
    path.write_text('video,event_time_s\na.mp4,19,5\n"b\nb.mp4",1\n\nc.mp4,"2,5"\n')
    table = read_table(path, {}, ["video"])
    (issue,) = table.issues
    assert (issue.line, issue.rejected) == (2, True)
    assert [(row.line, time_cell(row, "event_time_s")) for row in table.rows] == [(3, 1.0), (6, 2.5)]
    assert table.total == 3


def test_missing_column_and_unreadable_file(tmp_path):
    path = tmp_path / "m.csv"
    path.write_text("name,when\na,1\n")
    with pytest.raises(UserError, match=r"no column video; its columns are name, when"):
        read_table(path, {}, ["video"])
    path.write_bytes(b"video\n\xff\xfa\x81caf\xe9\n")
    with pytest.raises(UserError, match="UTF-8"):
        read_table(path, {}, ["video"])
    with pytest.raises(UserError, match="cannot be read"):
        read_table(tmp_path / "none.csv", {}, ["video"])


def test_jsonl(tmp_path):
    path = tmp_path / "m.jsonl"
    path.write_text('{"video": "00042", "event_time_s": 3.5, "ego_involved": true}\n[1]\n\n{"video": null}\n{"vid\n')
    table = read_table(path, {}, ["video"])
    first, second = table.rows
    assert (first.text("video"), time_cell(first, "event_time_s"), flag_cell(first, "ego_involved")) == (
        "00042",
        3.5,
        True,
    )
    assert (second.line, second.text("video")) == (4, "")
    assert [(i.line, i.rejected) for i in table.issues] == [(2, True), (5, True)]
    assert table.total == 4


def row(tmp_path, text):
    return Row(tmp_path, 2, {"t": text})


@pytest.mark.parametrize(
    ("text", "value"),
    [("12.5", 12.5), ("12,5", 12.5), (" 3 ", 3), ("1e1", 10), ("-0.02", 0)]
    + [(empty, None) for empty in ("", "NaN", "None", " null ", "N/A", "-")],
)
def test_times(tmp_path, text, value):
    assert time_cell(row(tmp_path, text), "t") == value


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("-3", "negative"),
        ("inf", "finite"),
        ("-inf", "finite"),
        ("soon", "number"),
        ("1.2.3", "number"),
        ("1:05", "number"),
    ],
)
def test_times_that_are_none(tmp_path, text, message):
    with pytest.raises(CellError, match=message):
        time_cell(row(tmp_path, text), "t")


def test_flags(tmp_path):
    said = [flag_cell(row(tmp_path, text), "t") for text in ("Yes", "1", "TRUE", "no", "0", "", "none")]
    assert said == [True, True, True, False, False, None, None]
    with pytest.raises(CellError):
        flag_cell(row(tmp_path, "maybe"), "t")


def test_classes():
    for spelling, name in (
        ("Near-Collision", "near_collision"),
        ("near_miss", "near_collision"),
        ("CRASH", "collision"),
    ):
        assert class_named(spelling, DEFAULT_TAXONOMY).name == name
    with pytest.raises(CellError, match=r"did you mean collision\?"):
        class_named("colision", DEFAULT_TAXONOMY)


texts = st.text(st.characters(exclude_categories=["Cs", "Cc"]), max_size=12)


@given(st.lists(st.tuples(texts, texts, texts), max_size=12), st.sampled_from(",;\t"))
def test_whatever_csv_writes_comes_back(tmp_path_factory, written, delimiter):
    path = tmp_path_factory.mktemp("t") / "m.csv"
    stream = io.StringIO()
    writer = csv.writer(stream, delimiter=delimiter, quoting=csv.QUOTE_ALL)
    writer.writerows([("video", "class", "note"), *written])
    path.write_text(stream.getvalue(), newline="", encoding="utf-8")
    table = read_table(path, {}, [])
    kept = [r for r in written if any(cell.strip() for cell in r)]
    assert [tuple(r.cells[c] for c in ("video", "class", "note")) for r in table.rows] == kept
    assert table.total == len(kept)


@given(st.binary(max_size=300))
def test_any_bytes_give_a_table_or_a_plain_error(tmp_path_factory, content):
    path = tmp_path_factory.mktemp("t") / "m.csv"
    path.write_bytes(content)
    try:
        table = read_table(path, {}, [])
    except UserError:
        return
    assert table.total == len(table.rows) + sum(issue.rejected for issue in table.issues)
