"""Ids that a spreadsheet changed and names in another Unicode form, in manifests, overlays and Nexar's tables."""

from time import process_time
from unicodedata import normalize

import pytest

from vlm_autodrive.datasets import ImportSettings
from vlm_autodrive.datasets.manifest import read_manifest
from vlm_autodrive.datasets.nexar import read_nexar
from vlm_autodrive.datasets.nexar_kaggle import read_nexar_kaggle


def told(reading):
    return [(issue.line, issue.field, issue.value, issue.rejected, issue.message) for issue in reading.issues]


def manifest(folder, *rows, columns="video,class,event_time_s"):
    (folder / "manifest.csv").write_text("\n".join((columns, *rows)) + "\n", encoding="utf-8")
    return read_manifest(folder / "manifest.csv", ImportSettings())


def test_a_manifest_with_ids_that_a_spreadsheet_changed(tmp_path):
    for name in ("20240501123005.mp4", "00822.mp4", "00042.mp4", "42.MP4"):
        (tmp_path / name).touch()
    reading = manifest(
        tmp_path, "2.02405E+13,collision,5", "822,collision,5", "2.02405E+13.mp4,collision,5",
        '"2,02405E+13",collision,5', "822.mp4,normal,", "042.mp4,normal,", "7E+09,normal,", "00042.mp4,normal,",
    )  # fmt: skip
    assert all(field == "video" and rejected for _, field, _, rejected, _ in told(reading))
    messages = {line: (value, message) for line, _, value, _, message in told(reading)}
    for line, value in ((2, "2.02405E+13"), (3, "822"), (4, "2.02405E+13.mp4"), (5, "2,02405E+13"), (6, "822.mp4")):
        assert messages[line][0] == value
        assert messages[line][1].startswith("a spreadsheet changed this id")
        file = "00822.mp4" if "822" in value else "20240501123005.mp4"
        assert f"write {file}, the only file that it fits" in messages[line][1]
    assert "2 files fit it, such as 00042 and 42" in messages[7][1]
    assert "none of the files fits it" in messages[8][1]
    assert [(video.video_id, video.positive) for video in reading.videos] == [("00042", False)]
    assert (reading.rows, reading.rejected) == (8, 7)


def test_a_manifest_keeps_names_that_no_program_changed(tmp_path):
    """Files that are there or missing under their own names, numbers among them."""
    (tmp_path / "2E+05").touch()
    reading = manifest(tmp_path, "2E+05,normal,", "00007.mp4,normal,", "7,normal,", "ä.mp4,normal,")
    assert reading.issues == []
    assert [video.video_id for video in reading.videos] == ["2E+05", "00007", "7", "ä"]


@pytest.mark.parametrize(("on_disk", "in_table"), [("NFD", "NFC"), ("NFC", "NFD")])
def test_a_manifest_in_another_unicode_form_than_the_files(tmp_path, on_disk, in_table):
    folder = tmp_path / normalize(on_disk, "Fürth")
    folder.mkdir()
    (folder / normalize(on_disk, "é.mp4")).touch()
    reading = manifest(tmp_path, normalize(in_table, "Fürth/é.mp4,collision,5"))
    assert reading.videos[0].path == str(folder / normalize(on_disk, "é.mp4"))
    [(line, field, value, rejected, message)] = told(reading)
    assert (line, field, value, rejected) == (2, "video", normalize(in_table, "Fürth/é.mp4"), False)
    assert "another Unicode form" in message
    (folder / normalize(in_table, "é.mp4")).touch()  # now both forms are there, and the folder's alone is changed
    [video] = manifest(tmp_path, normalize(in_table, "Fürth/é.mp4,collision,5")).videos
    assert video.path == str(folder / normalize(in_table, "é.mp4"))


def test_a_drive_that_a_spreadsheet_changed_is_told(tmp_path):
    reading = manifest(tmp_path, "a.mp4,normal,,2.02405E+13", columns="video,class,event_time_s,drive")
    [(_, field, value, rejected, message)] = told(reading)
    assert (field, value, rejected) == ("drive", "2.02405E+13", False)
    assert "several drives may count as one" in message


def hub(root, *rows, files=("00776", "20240501123005", "20240502000000")):
    folder = root / "train" / "positive"
    folder.mkdir(parents=True)
    for name in files:
        (folder / f"{name}.mp4").touch()
    lines = rows or [f"{name}.mp4,2.5" for name in files]
    (folder / "metadata.csv").write_text("file_name,time_of_event\n" + "\n".join(lines) + "\n")
    return root


def overlay(root, *rows):
    (root / "o.csv").write_text("sep=;\nid;class\n" + "\n".join(rows) + "\n")
    return read_nexar(root, ImportSettings(overlay=str(root / "o.csv")))


def classes(reading):
    return {event.video_id: event.event_class for event in reading.events if event.event_class}


def test_an_overlay_takes_a_changed_id_for_the_only_video_that_it_fits(tmp_path):
    reading = overlay(hub(tmp_path), "776;crash", "2.0240501E+13;near-miss")
    assert classes(reading) == {"00776": "collision", "20240501123005": "near_collision"}
    assert [(line, field, value, rejected) for line, field, value, rejected, _ in told(reading)] == [
        (3, "id", "776", False),
        (4, "id", "2.0240501E+13", False),
    ]
    assert "zeros are gone; taken for 00776, the only video" in told(reading)[0][-1]


def test_an_overlay_never_chooses(tmp_path):
    """Two videos fit one id, or two rows have the same rounded id, which may be another video's."""
    reading = overlay(
        hub(tmp_path), "2.02405E+13;crash", "2.0240501E+13;crash", "2.0240501E+13;near-miss", "9E+12;crash"
    )
    assert classes(reading) == {}
    messages = [message for _, _, _, rejected, message in told(reading) if rejected]
    assert [any(words in m for m in messages) for words in ("2 videos fit it", "none of the videos fits it")] == [
        True
    ] * 2
    assert sum("several rows have it" in message for message in messages) == 2
    assert (reading.rows, reading.rejected) == (7, 4)


def test_hub_rows_with_changed_names_describe_their_files(tmp_path):
    rows = ("776.mp4,2.5", "2.0240501E+13.mp4,3.5", "20240502000000,4.5", "2.1E+10.mp4,1")
    reading = read_nexar(hub(tmp_path, *rows), ImportSettings())
    assert {event.video_id: event.time_s for event in reading.events} == {
        "00776": 2.5, "20240501123005": 3.5, "20240502000000": 4.5,
    }  # fmt: skip
    assert [(line, rejected) for line, _, _, rejected, _ in told(reading)] == [(2, False), (3, False), (5, True)]


def test_kaggle_tables_as_spreadsheets_and_pandas_save_them(tmp_path):
    (tmp_path / "train.csv").write_bytes(
        "sep=;\r\nid;time_of_event;time_of_alert;target\r\n822;19,5;18,633;1\r\n42.0;;;0.0\r\n"
        "8.22E+02;3;2;1\r\n".encode("utf-16")
    )
    (tmp_path / "test.csv").write_text('[{"id": 204}, {"id": "00205"}]')
    reading = read_nexar_kaggle(tmp_path, ImportSettings())
    assert {video.video_id: video.positive for video in reading.videos} == {
        "00822": True, "00042": False, "00204": None, "00205": None,
    }  # fmt: skip
    assert [(event.video_id, event.time_s, event.alert_time_s) for event in reading.events] == [("00822", 19.5, 18.633)]
    issues = [(line, field, rejected) for line, field, _, rejected, _ in told(reading)]
    assert issues == [(3, "id", False), (4, "id", False), (5, "id", True), (None, "", False), (1, "id", False)]
    assert told(reading)[2][-1].startswith("a spreadsheet changed this id to a power of ten")
    assert (reading.rows, reading.rejected) == (5, 1)


def test_an_overlay_may_be_a_json_list(tmp_path):
    (tmp_path / "o.json").write_text('[{"file_name": "00776.mp4", "Label": "crash"}, {"id": "20240502000000"}]')
    reading = read_nexar(hub(tmp_path), ImportSettings(overlay=str(tmp_path / "o.json")))
    assert classes(reading) == {"00776": "collision"}
    assert [(line, rejected) for line, _, _, rejected, _ in told(reading)] == [(None, False), (2, True)]


def test_test_clips_are_grouped_by_a_map_that_a_spreadsheet_saved(tmp_path):
    folder = tmp_path / "test-public" / "positive"
    folder.mkdir(parents=True)
    (folder / "metadata.csv").write_text("file_name,time_to_accident\n00100.mp4,0.5\n00200.mp4,1\n")
    (tmp_path / "time_to_accident_test_map.csv").write_text("sep=;\n0,5;1;1,5\n100;200;\n")
    reading = read_nexar(tmp_path, ImportSettings())
    assert len({video.group_id for video in reading.videos}) == 1
    assert reading.issues == []


def test_many_missing_numbers_are_read_in_time(tmp_path):
    """A folder is listed once, not for every row that names a number."""
    for number in range(2000):
        (tmp_path / f"{number:06d}.mp4").touch()
    started = process_time()
    reading = manifest(tmp_path, *(f"{number}.mp4,normal," for number in range(100000, 104000)))
    assert (len(reading.videos), reading.issues) == (4000, [])
    assert process_time() - started < 5


@pytest.mark.parametrize(("on_disk", "in_table"), [("NFD", "NFC"), ("NFC", "NFD")])
def test_an_overlay_and_a_hub_table_in_another_unicode_form(tmp_path, on_disk, in_table):
    row = f"{normalize(in_table, 'Fürth')}.mp4,2.5"
    root = hub(tmp_path, row, files=(normalize(on_disk, "Fürth"),))
    reading = overlay(root, f"{normalize(in_table, 'Fürth')};crash")
    assert classes(reading) == {normalize(on_disk, "Fürth"): "collision"}
    assert [event.time_s for event in reading.events] == [2.5]
    assert [("Unicode form" in message, rejected) for _, _, _, rejected, message in told(reading)] == [
        (True, False)
    ] * 2
