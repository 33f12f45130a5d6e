"""Tables as people write them: what can be taken is taken, what cannot is named with its line."""

import csv
import io
import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from vlm_autodrive.errors import UserError
from vlm_autodrive.records import DEFAULT_TAXONOMY
from vlm_autodrive.tables import CellError, Row, class_named, flag_cell, read_table, read_whole_table, time_cell

PLAIN = "video,class,event_time_s\na.mp4,collision,12.5\nb.mp4,normal,\n"


def cells(table):
    return [dict(row.cells) for row in table.rows]


EXPECTED = [
    {"video": "a.mp4", "class": "collision", "event_time_s": "12.5"},
    {"video": "b.mp4", "class": "normal", "event_time_s": ""},
]


@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "utf-16", "utf-16-le", "utf-16-be"])
@pytest.mark.parametrize("delimiter", [",", ";", "\t", "|"])
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


@pytest.mark.parametrize(
    ("above", "delimiter", "lines"),
    [
        ("sep=;\r\n", ";", 1),
        ("SEP=,\n", ",", 1),
        ("sep=\t\n", "\t", 1),
        ('"sep=|"\n', "|", 1),
        ("sep=;;;\n", ";", 1),
        ("sep=:\n", ":", 1),
        ("# labelled in May; by two people\n#\n\n", ",", 3),
        ("# video, class and time\nsep=;\n", ";", 2),
    ],
)
def test_lines_above_the_header_are_no_header(tmp_path, above, delimiter, lines):
    path = tmp_path / "m.csv"
    path.write_text(above + PLAIN.replace(",", delimiter), newline="")
    table = read_table(path, {}, ["video", "class"])
    assert cells(table) == EXPECTED
    assert [row.line for row in table.rows] == [lines + 2, lines + 3]
    assert (table.total, table.issues) == (2, ())


@pytest.mark.parametrize("header", ["# video,class,event_time_s", "#CSV_HEADER = video,class,event_time_s"])
def test_a_header_may_stand_behind_a_hash(tmp_path, header):
    path = tmp_path / "m.csv"
    path.write_text("# a, video\n" + PLAIN.replace("video,class,event_time_s", header))
    table = read_table(path, {}, ["video", "class"])
    assert cells(table) == EXPECTED
    assert [row.line for row in table.rows] == [3, 4]


def test_a_comment_between_rows_is_told_and_a_quoted_name_is_none(tmp_path):
    path = tmp_path / "m.csv"
    path.write_text('video,class\n# until here,\n#1.mp4,collision\n"#2.mp4",\n')
    table = read_table(path, {}, ["video"])
    assert [row.cells["video"] for row in table.rows] == ["#1.mp4", "#2.mp4"]
    [issue] = table.issues
    assert (issue.line, issue.value, issue.rejected, table.total) == (2, "# until here", False, 2)
    assert "taken as a comment" in issue.message
    path.write_text("video\n#1.mp4\n")  # with one column there is no telling, so it is a row
    assert [row.cells["video"] for row in read_table(path, {}, ["video"]).rows] == ["#1.mp4"]


@pytest.mark.parametrize("name", ["m.json", "m.jsonl", "m.csv"])
def test_a_json_list_in_place_of_lines_is_read_and_told(tmp_path, name):
    path = tmp_path / name
    rows = [{"Video": "00042.mp4", "class": "collision", "event_time_s": 3.5}, ["a"], {"video": "b.mp4"}]
    path.write_text(json.dumps(rows, indent=2))
    table = read_table(path, {}, ["video"])
    assert [(row.line, row.text("video"), row.text("event_time_s")) for row in table.rows] == [
        (1, "00042.mp4", "3.5"),
        (3, "b.mp4", ""),
    ]
    assert [(i.line, i.value, i.rejected) for i in table.issues] == [(None, "", False), (2, '["a"]', True)]
    assert "a list in place of an object a line" in table.issues[0].message


def test_json_under_another_name_and_json_without_rows(tmp_path):
    path = tmp_path / "m.csv"
    path.write_text('{"video": "a.mp4"}\n{"video": "b.mp4"}\n')
    assert [row.text("video") for row in read_table(path, {}, ["video"]).rows] == ["a.mp4", "b.mp4"]
    for text in ('{\n"videos": [{"video": "a.mp4"}]}', "[1, 2", '{"video"'):
        path.write_text(text)
        with pytest.raises(UserError, match="neither a list of objects nor an object on each line"):
            read_table(path, {}, ["video"])


def test_a_table_of_which_no_row_may_be_left_out(tmp_path):
    path = tmp_path / "m.csv"
    path.write_text("sep=;\nvideo;class\na.mp4;crash\n")
    assert [row.line for row in read_whole_table(path, {}, ["video"])] == [3]
    path.write_text("sep=;\nvideo;class\na.mp4;crash;3\n")
    with pytest.raises(UserError, match=r"m\.csv, line 3: 3 cells under 2 columns"):
        read_whole_table(path, {}, ["video"])


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


@given(st.lists(st.tuples(texts, texts, texts), max_size=12), st.sampled_from(",;\t|"))
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
