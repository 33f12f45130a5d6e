"""Rows, tables and film strips of the short list: every event once, with its place, and no formula for a sheet."""

import csv
import fcntl
import os
import threading

import numpy as np
import pyarrow.parquet as pq
import pytest
from PIL import Image

from tests.detection.flashes import FlashEngine, write_drive
from tests.detection.short_list.searched import event, write_trip
from vlm_autodrive.detection import DetectSettings, ShortListSettings, write_short_list
from vlm_autodrive.detection.detector import detect_with_engine
from vlm_autodrive.detection.short_list.listing import ListedEvent, distinct_names, in_trip_time
from vlm_autodrive.errors import UserError
from vlm_autodrive.records import NotJudged, Outcome, read_jsonl


def rows(out):
    return read_jsonl(out / "events.jsonl", ListedEvent)


def test_all_that_was_detected_is_listed_the_likeliest_first(tmp_path):
    for name in ("a", "b"):
        (tmp_path / name).mkdir()
    videos = [
        write_drive(tmp_path / "a" / "front.mp4", 20, flashes=[6]),
        write_drive(tmp_path / "b" / "front.mp4", 30, flashes=[8], near=[21]),
    ]
    out = tmp_path / "out"
    detect_with_engine(videos[:1], FlashEngine(), out, DetectSettings())
    detect_with_engine([videos[1], tmp_path / "gone.mp4"], FlashEngine(), out, DetectSettings())
    index = write_short_list(out)
    found = rows(out)
    assert [(row.trip, row.event_class) for row in found] == [
        ("a/front.mp4", "collision"),
        ("b/front.mp4", "collision"),
        ("b/front.mp4", "near_collision"),
    ]
    assert [row.trip_time_s for row in found] == pytest.approx([6, 8, 21], abs=0.3)
    assert all(row.cited_times_s and "[t=" in row.reasoning for row in found)
    for row in found:
        with Image.open(out / row.strip) as strip:
            pixels = np.asarray(strip.convert("RGB")).astype(float)
        frames = [pixels[20:-20, n * 404 + 20 : n * 404 + 380].mean(axis=(0, 1)) for n in range(6)]
        at = row.strip_times_s.index(row.trip_time_s)
        bright = [frame[0] if row.event_class == "collision" else frame[2] for frame in frames]
        assert bright[at] > 190
        assert sum(level > 190 for level in bright) == 1
        assert (out / row.page).is_file()
    assert "gone.mp4" in index.read_text()
    assert "the file does not exist" in index.read_text()


def test_the_tables_agree_and_hold_no_formula(tmp_path):
    name = "=1+1\n.mp4"
    nasty = event(3, reasoning="=HYPERLINK(1)", reasoning_class="normal", contradicts=True)
    write_trip(tmp_path / "out", "one", [(tmp_path / name, 10.0)], [nasty, event(7, "near_collision")])
    write_trip(tmp_path / "out", "two", [(os.fsdecode(os.fsencode(tmp_path) + b"/caf\xe9.mp4"), 10.0)], [event(3)])
    write_short_list(tmp_path / "out")
    found = rows(tmp_path / "out")
    with (tmp_path / "out" / "events.csv").open(newline="") as stream:
        table = list(csv.DictReader(stream))
    parquet = pq.read_table(tmp_path / "out" / "events.parquet").to_pylist()
    assert len(found) == len(table) == len(parquet) == 3
    for row, line, other in zip(found, table, parquet, strict=True):
        assert row.event_id == line["event_id"] == other["event_id"]
        assert row.probability == float(line["probability"]) == other["probability"]
        assert row.probabilities["normal"] == float(line["p_normal"]) == other["p_normal"]
        assert "no pictures" in row.problem
    first = next(line for line in table if line["reasoning"])
    assert (first["reasoning"], first["trip"], first["contradicts"]) == ("'=HYPERLINK(1)", "'=1+1\\n.mp4", "True")
    assert not any(cell[:1] in "=+-@\t\r" for line in table for cell in line.values() if cell)
    assert any(row.file.endswith(name) for row in found)  # read back as it was
    assert any(r"caf\xe9.mp4" in line["file"] for line in table)


def test_times_of_a_moment_in_the_second_file(tmp_path):
    found = write_trip(tmp_path / "out", "t", [(tmp_path / "1.mp4", 60.0), (tmp_path / "2.mp4", 60.0)], [event(75.5)])
    files = found.files
    for told, wanted in [
        ("2020-02-28T23:59:50", "2020-02-29T00:00:05.500"),
        ("2020-02-28T23:59:50+01:00", "2020-02-29T00:00:05.500+01:00"),
        ("yesterday", None),
    ]:
        second = files[1].model_copy(update={"recorded_at": told})
        write_trip(
            tmp_path / "out", "t", [(f.path, f.duration_s) for f in files], found.events, files=(files[0], second)
        )
        write_short_list(tmp_path / "out")
        (row,) = rows(tmp_path / "out")
        assert (row.file, row.trip_time_s, row.file_time_s) == (files[1].path, 75.5, 15.5)
        assert row.wall_clock == wanted


def test_cited_moments_are_told_in_trip_time():
    trace = "A car at 1.2 s [t=0.5], 2 lanes, then [t=3.4].\nA\nt=3.4"
    assert in_trip_time(trace, 57.0) == "A car at [t=58.2] [t=57.5], 2 lanes, then [t=60.4].\nA\n[t=60.4]"


def test_names_tell_files_apart():
    paths = ["/x/truck1/front.mp4", "/x/truck2/front.mp4", "/x/truck2/rear.mp4", "/y/truck1/front.mp4", "z.mp4"]
    wanted = ["x/truck1/front.mp4", "truck2/front.mp4", "rear.mp4", "y/truck1/front.mp4", "z.mp4"]
    assert distinct_names(paths) == wanted
    assert distinct_names(["/a.mp4", "/a.mp4"]) == ["/a.mp4", "/a.mp4"]


def test_pictures_are_kept_when_the_video_has_moved_and_missing_ones_are_told(tmp_path):
    video = write_drive(tmp_path / "drive.mp4", 12, flashes=[4])
    out = tmp_path / "out"
    write_trip(out, "kept", [(video, 12.0)], [event(4)])
    write_short_list(out)
    (before,) = rows(out)
    made = (out / before.strip).stat().st_mtime_ns
    write_trip(out, "late", [(video, 12.0)], [event(4)])
    video.unlink()
    write_short_list(out)
    kept, late = sorted(rows(out), key=lambda row: row.folder)
    assert (kept.strip, kept.strip_times_s) == (before.strip, before.strip_times_s)
    assert (out / kept.strip).stat().st_mtime_ns == made
    assert late.strip is None
    assert late.problem == "no pictures: the file does not exist"
    assert "the file does not exist" in (out / late.page).read_text()


def test_a_damaged_stretch_costs_its_own_events_only(tmp_path):
    whole = write_drive(tmp_path / "whole.mp4", 30, flashes=[4])
    (tmp_path / "cut.mp4").write_bytes(b"")
    files = [(whole, 30.0), (tmp_path / "cut.mp4", 30.0)]
    write_trip(tmp_path / "out", "t", files, [event(4), event(12), event(50)])
    write_short_list(tmp_path / "out", ShortListSettings(clips=True))
    found = sorted(rows(tmp_path / "out"), key=lambda row: row.trip_time_s)
    assert [row.strip is not None for row in found] == [True, True, False]
    assert [row.clip is not None for row in found] == [True, True, False]
    assert "empty" in found[2].problem


def test_a_trip_searched_anew_gets_new_pictures_and_loses_pages_of_gone_events(tmp_path):
    video = write_drive(tmp_path / "drive.mp4", 12, flashes=[4, 8])
    out = tmp_path / "out"
    write_trip(out, "t", [(video, 12.0)], [event(4), event(8)])
    write_short_list(out)
    first = {row.trip_time_s: row for row in rows(out)}
    stale = out / first[4].strip
    stale.write_bytes(b"stale")
    os.utime(stale, ns=(0, 0))
    write_trip(out, "t", [(video, 12.0)], [event(4)])
    write_short_list(out)
    assert [path.name for path in (out / "incidents").iterdir()] == [f"{first[4].event_id}.html"]
    assert [path.name for path in (out / "strips").iterdir()] == [f"{first[4].event_id}.jpg"]
    with Image.open(stale) as strip:
        assert strip.width > 2000


def test_nothing_found_says_what_was_searched(tmp_path):
    out = tmp_path / "out"
    hole = NotJudged(path=str(tmp_path / "quiet-2.mp4"), start_s=5400.0, duration_s=65.0, reason="quiet-2 is torn")
    write_trip(out, "quiet", [(tmp_path / "quiet.mp4", 5400.0)], not_judged=(hole,))
    gone = {"outcome": Outcome.ERROR, "reason": "no video stream in it", "files": (), "windows": (), "duration_s": None}
    write_trip(out, "gone", [(tmp_path / "gone.avi", 0.0)], **gone)
    page = write_short_list(out).read_text()
    assert "No event was found in 2 trips, 1 h 30 min of video searched" in page
    assert "1 min 05 s of the footage could not be searched" in page
    assert "2 trips were not searched, or not in full" in page
    assert "quiet-2 is torn" in page
    assert "no video stream in it" in page
    assert pq.read_table(out / "events.parquet").num_rows == 0
    assert len((out / "events.csv").read_text().splitlines()) == 1


def test_a_folder_without_detections_is_refused(tmp_path):
    with pytest.raises(UserError, match="holds no detections"):
        write_short_list(tmp_path)


def test_older_detections_tell_neither_files_nor_when_the_reasoning_begins(tmp_path):
    video = write_drive(tmp_path / "drive.mp4", 12, flashes=[4])
    old = event(4, reasoning="[t=1.5] flash")
    write_trip(tmp_path / "out", "old", [(video, 12.0)], [old], files=(), video="elsewhere/drive.mp4")
    write_short_list(tmp_path / "out")
    (row,) = rows(tmp_path / "out")
    assert (row.file, row.strip is None) == (str(video), False)
    assert row.reasoning == "[t=3.5] flash"  # its window begins at 2 s


def test_a_second_process_waits_and_lists_what_both_have_found(tmp_path):
    out = tmp_path / "out"
    write_trip(out, "one", [(tmp_path / "1.mp4", 10.0)], [event(3)])
    with (out / ".short_list.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        other = threading.Thread(target=write_short_list, args=(out,))
        other.start()
        other.join(0.2)
        assert not (out / "events.jsonl").exists()
        write_trip(out, "two", [(tmp_path / "2.mp4", 10.0)], [event(5)])
    other.join()
    assert sorted(row.folder for row in rows(out)) == ["one", "two"]
