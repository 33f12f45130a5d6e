"""Watching folders: files are taken once they are whole, once each, and nothing that was found is lost."""

import json
import multiprocessing
import os
import signal
import sys
import time
from contextlib import contextmanager

import pytest

from tests.detection.flashes import FlashEngine, write_drive
from tests.detection.test_detector import Heard
from tests.trips import cut, seventy_mai
from vlm_autodrive.cli.main import main
from vlm_autodrive.detection import DetectSettings, detector, watch
from vlm_autodrive.detection.results import read_detections
from vlm_autodrive.errors import UserError

SETTINGS = DetectSettings(eval_batch_size=4, reasoning=False)


@pytest.fixture
def engine(monkeypatch):
    """The model that any name opens."""
    flash = FlashEngine()

    @contextmanager
    def open_model(*_):
        yield flash, ""

    monkeypatch.setattr(detector, "open_model", open_model)
    return flash


@pytest.fixture
def rounds(engine, tmp_path):
    """The next round of a watcher of the folder ``in`` that searches anything."""
    (tmp_path / "in").mkdir()
    watchers = []

    def next_round(**named):
        if named or not watchers:
            while watchers:
                watchers.pop().close()
            watchers.append(watch([tmp_path / "in"], "tiny-base", tmp_path / "out", SETTINGS, settle_s=0.3, **named))
        until = time.monotonic() + 60
        while time.monotonic() < until:
            if found := next(watchers[0]):
                return found
        raise AssertionError("nothing was searched")

    yield next_round
    for watcher in watchers:
        watcher.close()


class Clock:
    """Time that passes by sleeping only, so that a slow machine does not settle a file that is being written."""

    now_s = 0.0

    def monotonic(self):
        return self.now_s

    def sleep(self, seconds):
        self.now_s += seconds


def test_a_file_is_taken_once_it_is_whole(engine, rounds, tmp_path, monkeypatch):
    folder = tmp_path / "in"
    write_drive(folder / "one.mp4", 8, flashes=[4])
    monkeypatch.setattr(sys.modules[watch.__module__], "time", Clock())
    assert [len(found.events) for found in rounds()] == [1]
    asked = engine.clips_seen
    whole = write_drive(tmp_path / "two.mp4", 8, flashes=[5]).read_bytes()
    watcher = watch([folder], "tiny-base", tmp_path / "other", SETTINGS, settle_s=30)
    with (folder / "two.mp4").open("wb") as stream:
        for begin in range(0, len(whole), len(whole) // 8 + 1):
            stream.write(whole[begin : begin + len(whole) // 8 + 1])
            stream.flush()
            for found in (next(watcher), next(watcher)):
                assert not any(each.video.endswith("two.mp4") for each in found)
    (one, two) = [found for found in (next(watcher), next(watcher)) if found][-1]
    assert (len(one.events), len(two.events)) == (1, 1)
    watcher.close()
    engine.clips_seen = asked
    first, second = rounds()
    assert (first.video, second.video) == (str(folder / "one.mp4"), str(folder / "two.mp4"))
    assert len(second.events) == 1
    assert engine.clips_seen == asked + len(second.windows)  # the first was not judged again


def test_a_trip_grows_and_outlives_the_files_that_the_camera_deletes(engine, rounds, tmp_path):
    names = [tmp_path / "in" / seventy_mai(seconds=at) for at in (0, 10, 20, 30)]
    later = [tmp_path / "later" / name.name for name in names]
    drive = write_drive(tmp_path / "whole.mp4", 40, flashes=[6, 16, 26, 36])
    cut(drive, [10, 20, 30], [name.name for name in names], tmp_path / "later")

    def record(number):
        names[number].parent.mkdir(exist_ok=True)
        later[number].rename(names[number])

    record(0)
    assert [event.time_s for (found,) in [rounds()] for event in found.events] == pytest.approx([6], abs=2)
    record(1)
    before = engine.clips_seen
    (found,) = rounds()
    assert [event.time_s for event in found.events] == pytest.approx([6, 16], abs=2)
    assert engine.clips_seen - before < len(found.windows)
    names[0].unlink()
    record(2)
    (new,) = rounds()
    assert [event.time_s for event in new.events] == pytest.approx([6], abs=2)
    record(3)
    (new,) = rounds()
    assert [event.time_s for event in new.events] == pytest.approx([6, 16], abs=2)
    everything = read_detections(tmp_path / "out")
    assert sorted(len(each.events) for each in everything) == [2, 2]
    assert sum(each.duration_s for each in everything) == pytest.approx(40)
    (again,) = rounds(overwrite=False)  # begun again, with the first file gone: still nothing is lost
    assert again == new
    assert read_detections(tmp_path / "out") == everything


def test_a_file_that_is_written_anew_is_searched_anew(rounds, tmp_path):
    path = tmp_path / "in" / "a.mp4"
    write_drive(path, 8, flashes=[4])
    rounds()
    write_drive(path, 8)
    assert [len(found.events) for found in rounds()] == [0]
    path.write_text("no video")
    (found,) = rounds()
    assert (found.outcome, found.events) == ("error", ())


def test_other_settings_are_refused_before_anything_is_replaced(rounds, engine, tmp_path):
    write_drive(tmp_path / "in" / "a.mp4", 8, flashes=[4])
    rounds()
    engine.name = "another"
    with pytest.raises(UserError, match="another model"):
        rounds(overwrite=False)
    assert [found.model for found in rounds(overwrite=True)] == ["another"]


def test_an_empty_folder_is_waited_for_and_said_once(engine, tmp_path):
    (tmp_path / "in").mkdir()
    heard = Heard()
    watcher = watch([tmp_path / "in"], "tiny-base", tmp_path / "out", SETTINGS, heard, settle_s=0.01)
    assert [next(watcher) for _ in range(5)] == [[]] * 5
    watcher.close()
    assert [words for words in heard.said if "Watching" in words] == [
        f"Watching {tmp_path / 'in'} for new videos. Ctrl-C ends it."
    ]


def test_only_folders_are_watched(engine, tmp_path):
    with pytest.raises(UserError, match="is not a folder"):
        next(watch([tmp_path / "none"], "tiny-base", tmp_path / "out", SETTINGS))


class Slow(FlashEngine):
    def generate(self, clips, requests, own=()):
        time.sleep(0.1)
        return super().generate(clips, requests, own)


def autodrive(arguments, log):
    """The command line, in a process that was forked for it."""

    @contextmanager
    def open_model(*_):
        yield Slow(), ""

    sys.stdout = sys.stderr = log.open("w", buffering=1)
    detector.open_model = open_model
    sys.argv = ["autodrive", *arguments]
    main()


def test_a_watcher_that_is_killed_again_and_again_sends_every_event(tmp_path):
    incoming, out, log = tmp_path / "in", tmp_path / "out", tmp_path / "log"
    incoming.mkdir()
    arguments = ["detect", str(incoming), "--model", "tiny-base", "--out", str(out), "--watch", "--settle", "0.3"]
    arguments += ["--on-event", """sh -c 'cat >> "$AUTODRIVE_OUT/../got"; sleep 0.3'""", "reasoning=false"]
    fork = multiprocessing.get_context("fork")

    def rows(path):
        return [json.loads(line) for line in path.read_text().splitlines()] if path.exists() else []

    def sent():
        return [row["event_id"] for row in rows(tmp_path / "got")]

    def start(until):
        process = fork.Process(target=autodrive, args=(arguments, log), daemon=True)
        process.start()
        end = time.monotonic() + 120
        while not until():
            assert process.is_alive(), log.read_text()
            assert time.monotonic() < end, log.read_text()
            time.sleep(0.02)
        return process

    moments = {  # of the file of this number: half searched, searched, listed, being sent
        0: lambda: any(out.glob(".*in_0*/*")),
        1: lambda: any(out.glob("in_1*")),
        2: lambda: any("in_2" in row["event_id"] for row in rows(out / "events.jsonl")),
        3: lambda: any("in_3" in each for each in sent()),
    }
    for number, until in moments.items():
        write_drive(incoming / f"{number}.mp4", 8, flashes=[4])
        process = start(until)
        process.kill()
        process.join()
    write_drive(incoming / "last.mp4", 8, flashes=[4])
    process = start(lambda: len(set(sent())) == 5)
    second = fork.Process(target=autodrive, args=(arguments, tmp_path / "second"), daemon=True)
    second.start()
    second.join()
    assert second.exitcode == 1
    assert "another process searches videos into" in (tmp_path / "second").read_text()
    os.kill(process.pid, signal.SIGINT)
    process.join()
    assert process.exitcode == 130
    assert "interrupted; the same command resumes from here." in log.read_text()
    listed = [row["event_id"] for row in rows(out / "events.jsonl")]
    assert len(listed) == 5
    assert sorted(set(sent())) == sorted(listed)
    assert len(sent()) <= 6  # only the one that was being sent was sent again
