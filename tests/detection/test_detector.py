"""Events of whole videos: every phase of the stride, resumed scans, unreadable videos, and the window's length."""

import csv
import json
import os
from pathlib import Path

import av
import pytest
from PIL import Image

from tests.clocks import write_clock
from tests.detection.flashes import FlashEngine, write_drive
from vlm_autodrive.detection import DetectSettings, detect, detector
from vlm_autodrive.detection.detector import detect_with_engine
from vlm_autodrive.detection.results import read_detections
from vlm_autodrive.engines import InferenceResponse
from vlm_autodrive.errors import UserError
from vlm_autodrive.records import DEFAULT_TAXONOMY, Outcome, VideoDetections, file_name_text

SETTINGS = DetectSettings(eval_batch_size=4)


class Heard:
    """A reporter that remembers."""

    def __init__(self):
        self.total = self.done = 0
        self.said = []

    def task(self, description, total, done=0):
        self.total, self.done = total, done
        return self

    def __enter__(self):
        return self

    def __exit__(self, *_):
        return None

    def advance(self, steps=1, status=""):
        assert steps >= 0
        self.done += steps

    def say(self, message):
        self.said.append(message)


@pytest.mark.parametrize("phase", [0.0, 0.2, 0.4, 0.6, 0.8, 1.0])
@pytest.mark.parametrize("reasoning", [True, False])
def test_an_event_at_every_phase_of_the_stride_is_found(tmp_path, phase, reasoning):
    video = write_drive(tmp_path / "drive.mp4", 16, flashes=[9.6 + phase])
    settings = SETTINGS.model_copy(update={"reasoning": reasoning})
    engine = FlashEngine()
    (found,) = detect_with_engine([video], engine, tmp_path / "out", settings)
    (event,) = found.events
    assert event.event_class == "collision"
    assert event.time_s == pytest.approx(9.6 + phase, abs=0.3 if reasoning else 0.75)
    assert engine.traces_asked == reasoning
    assert bool(event.reasoning) == reasoning


def test_what_is_written(tmp_path):
    video = write_drive(tmp_path / "drive.mp4", 30, flashes=[8], near=[21])
    heard = Heard()
    (found,) = detect_with_engine([video], FlashEngine(), tmp_path / "out", SETTINGS, reporter=heard)
    assert [e.event_class for e in found.events] == ["collision", "near_collision"]
    folder = tmp_path / "out" / f"{tmp_path.name}_drive"
    assert sorted(p.name for p in folder.iterdir()) == ["events.json", "provenance.json", "timeline.png"]
    assert VideoDetections.model_validate_json((folder / "events.json").read_text()) == found
    assert read_detections(tmp_path / "out") == [found]
    assert found.duration_s == pytest.approx(30)
    assert len(found.windows) == 22
    summary = json.loads((tmp_path / "out" / "summary.json").read_text())
    assert summary["total"]["events"] == {"collision": 1, "near_collision": 1}
    assert summary["each"][0]["events"][0] == {
        "class": "collision",
        "time_s": pytest.approx(8, abs=0.3),
        "probability": pytest.approx(0.96),
    }
    assert heard.done == heard.total == 30
    assert "times as fast as real time" in heard.said[-1]
    with Image.open(folder / "timeline.png") as picture:
        assert picture.width == 1600


class Contrary(FlashEngine):
    """Whose reasoning calls every event Normal, and cites a moment that lies outside of its window too."""

    def _one(self, question, white, blue):
        if question.codes:
            return super()._one(question, white, blue)
        return InferenceResponse(Outcome.OK, f"<think>\n[t={white[0]:.1f}] and [t=99.0]\n</think>\n<answer>C</answer>")


@pytest.mark.parametrize(("engine", "named"), [(FlashEngine(), "collision"), (Contrary(), "normal")])
def test_a_trace_that_contradicts_its_event_is_marked_and_its_moments_are_in_trip_time(tmp_path, engine, named):
    video = write_drive(tmp_path / "drive.mp4", 30, flashes=[17])
    (found,) = detect_with_engine([video], engine, tmp_path / "out", SETTINGS)
    (event,) = found.events
    assert (event.event_class, event.reasoning_class) == ("collision", named)
    assert event.contradicts == (named == "normal")
    assert event.cited_times_s == pytest.approx([17], abs=0.3)
    assert f"t={event.cited_times_s[0] - event.reasoning_start_s:.1f}]" in event.reasoning
    summary = json.loads((tmp_path / "out" / "summary.json").read_text())
    assert summary["each"][0]["events"][0].get("reasoning_says") == ("normal" if named == "normal" else None)


def test_a_flash_in_the_first_and_in_the_last_moment(tmp_path):
    video = write_drive(tmp_path / "drive.mp4", 21.7, flashes=[0.0, 21.5])
    (found,) = detect_with_engine([video], FlashEngine(), tmp_path / "out", SETTINGS)
    assert [e.time_s for e in found.events] == pytest.approx([0, 21.5], abs=0.4)


def test_videos_that_cannot_be_read_never_stop_the_rest(tmp_path):
    good = write_drive(tmp_path / "good.mp4", 8, flashes=[4])
    empty = tmp_path / "empty.mp4"
    empty.touch()
    noise = tmp_path / "noise.mp4"
    noise.write_bytes(bytes(range(256)) * 40)
    folder = tmp_path / "folder.mp4"
    folder.mkdir()
    videos = [empty, tmp_path / "absent.mp4", noise, good, folder]
    results = detect_with_engine(videos, FlashEngine(), tmp_path / "out", SETTINGS)
    assert [r.outcome for r in results] == ["error", "error", "error", "ok", "error"]
    assert all(r.reason and r.duration_s is None and not r.windows for r in results if r.outcome == "error")
    assert len(results[3].events) == 1
    assert len(list((tmp_path / "out").glob("*/events.json"))) == 5
    assert len(list((tmp_path / "out").glob("*/timeline.png"))) == 1


@pytest.mark.parametrize("name", [b"caf\xe9.mp4", b"new\nline.mp4", b"12:30:05.mp4", "\u202egpm.mp4".encode()])
def test_files_of_any_name_are_searched_and_written_down(tmp_path, monkeypatch, name):
    name = os.fsdecode(name)
    write_drive(tmp_path / "drive.mp4", 8, flashes=[4]).rename(tmp_path / name)
    monkeypatch.chdir(tmp_path)
    (found,) = detect_with_engine([Path(name)], FlashEngine(), Path("out"), SETTINGS)
    assert (found.video, found.outcome, len(found.events)) == (name, "ok", 1)
    assert read_detections(Path("out")) == [found]
    assert len(list(Path("out").glob("*/timeline.png"))) == 1
    assert json.loads(Path("out", "summary.json").read_text())["each"][0]["video"] == file_name_text(name)


def test_a_video_cut_off_is_scanned_as_far_as_it_goes(tmp_path):
    whole = write_drive(tmp_path / "whole.ts", 20, flashes=[5])
    with (
        av.open(str(whole)) as source,
        av.open(str(tmp_path / "cut.mp4"), "w", options={"movflags": "faststart"}) as to,
    ):
        stream = to.add_stream_from_template(source.streams.video[0])
        for packet in source.demux(source.streams.video[0]):
            if packet.dts is not None:
                packet.stream = stream
                to.mux(packet)
    content = (tmp_path / "cut.mp4").read_bytes()
    (tmp_path / "cut.mp4").write_bytes(content[: len(content) * 6 // 10])
    (found,) = detect_with_engine([tmp_path / "cut.mp4"], FlashEngine(), tmp_path / "out", SETTINGS)
    assert found.outcome == "error"
    assert "ends after" in found.reason
    assert 8 < found.duration_s < 16
    assert [e.time_s for e in found.events] == pytest.approx([5], abs=0.3)


def test_nothing_is_done_twice(tmp_path):
    videos = [write_drive(tmp_path / f"{i}.mp4", 9, flashes=[4]) for i in range(3)]
    first = FlashEngine()
    results = detect_with_engine(videos[:2], first, tmp_path / "out", SETTINGS)
    again = FlashEngine()
    assert detect_with_engine(videos, again, tmp_path / "out", SETTINGS)[:2] == results
    assert again.clips_seen * 2 == first.clips_seen
    heard = Heard()
    detect_with_engine(videos, FlashEngine(fail_after=0), tmp_path / "out", SETTINGS, reporter=heard)
    assert heard.done == heard.total == 27


@pytest.fixture(scope="module")
def searched_whole(tmp_path_factory):
    """Two drives, the folder of what was found in them without a stop, and the engine that was asked."""
    folder = tmp_path_factory.mktemp("drives")
    videos = [write_drive(folder / f"{i}.mp4", 17 + i, flashes=[4, 13], near=[16]) for i in range(2)]
    engine = FlashEngine()
    detect_with_engine(videos, engine, folder / "whole", SETTINGS)
    return videos, folder / "whole", engine


@pytest.mark.parametrize("killed_after", [1, 6, 9, 14, 18, 23])
def test_killed_and_started_again_it_ends_with_the_same_bytes(searched_whole, tmp_path, killed_after):
    videos, found, whole = searched_whole
    killed = FlashEngine(fail_after=killed_after)
    with pytest.raises(KeyboardInterrupt):
        detect_with_engine(videos, killed, tmp_path / "out", SETTINGS)
    rest = FlashEngine()
    detect_with_engine(videos, rest, tmp_path / "out", SETTINGS)
    judged = killed_after + rest.clips_seen
    assert whole.clips_seen <= judged <= whole.clips_seen + SETTINGS.eval_batch_size
    assert killed.traces_asked + rest.traces_asked == whole.traces_asked
    for name in (f"{found.parent.name}_0", f"{found.parent.name}_1"):
        same = [(out / name / "events.json").read_bytes() for out in (found, tmp_path / "out")]
        assert same[0] == same[1]
    assert {path.name for path in (tmp_path / "out").glob(".*")} == {".lock"}


def test_files_of_one_name_do_not_clash(tmp_path):
    for name in ("a", "b"):
        (tmp_path / name).mkdir()
    videos = [write_drive(tmp_path / n / "front cam.mp4", 6, flashes=[2] if n == "b" else []) for n in ("a", "b")]
    results = detect_with_engine([*videos, videos[0]], FlashEngine(), tmp_path / "out", SETTINGS)
    assert [len(r.events) for r in results] == [0, 1]
    assert {p.name for p in (tmp_path / "out").iterdir()} == {".lock", "a_front_cam", "b_front_cam", "summary.json"}
    assert detect_with_engine([videos[1]], FlashEngine(fail_after=0), tmp_path / "out", SETTINGS) == results[1:]


def test_other_settings_are_refused_unless_overwritten(tmp_path):
    video = write_drive(tmp_path / "drive.mp4", 8, flashes=[4])
    detect_with_engine([video], FlashEngine(), tmp_path / "out", SETTINGS)
    other = SETTINGS.model_copy(update={"threshold": 0.99})
    with pytest.raises(UserError, match="--overwrite"):
        detect_with_engine([video], FlashEngine(), tmp_path / "out", other)
    (found,) = detect_with_engine([video], FlashEngine(), tmp_path / "out", other, overwrite=True)
    assert found.threshold == 0.99
    assert not found.events


def test_windows_that_the_model_failed_on_are_told_of_and_tried_again(tmp_path):
    video = write_drive(tmp_path / "drive.mp4", 12, flashes=[9])
    (found,) = detect_with_engine([video], FlashEngine(refuse=[2]), tmp_path / "out", SETTINGS)
    assert found.outcome == "error"
    assert "1 of 7 windows have no score" in found.reason
    assert "the endpoint is down" in found.reason
    assert [w.outcome for w in found.windows].count("error") == 1
    assert len(found.events) == 1
    (found,) = detect_with_engine([video], FlashEngine(), tmp_path / "out", SETTINGS)
    assert found.outcome == "ok"


def test_a_model_without_probabilities_is_taken_at_its_word(tmp_path):
    video = write_drive(tmp_path / "drive.mp4", 12, flashes=[6])
    (found,) = detect_with_engine([video], FlashEngine(probabilities=False), tmp_path / "out", SETTINGS)
    assert found.events[0].probability == 1
    assert all("no probabilities" in w.reason for w in found.windows)


@pytest.mark.fixtures
@pytest.mark.slow
def test_real_clips(tmp_path, real_videos):
    with (real_videos / "labels.csv").open() as stream:
        videos = [real_videos / row["file"] for row in csv.DictReader(stream)]
    results = detect_with_engine(videos, FlashEngine(), tmp_path / "out", SETTINGS, DEFAULT_TAXONOMY)
    assert [r.video for r in results] == [str(v) for v in videos]
    assert {r.video: r.reason for r in results if r.outcome != "ok"} == {}
    assert len(list((tmp_path / "out").glob("*/timeline.png"))) == len(videos)


@pytest.mark.parametrize(("window_s", "warned"), [(4.8, False), (5.0, False), (10.0, True), (2.0, True)])
def test_windows_unlike_the_clips_of_training_are_warned_of(monkeypatch, tmp_path, window_s, warned):
    monkeypatch.setattr(detector, "detect_trips", lambda *given, **named: [])
    heard = Heard()
    detect([], "tiny-base", tmp_path, DetectSettings(window_s=window_s, stride_s=1), heard)  # trained on clips of 4.8 s
    assert any("window_s=4.8" in line for line in heard.said) == warned


def test_a_hole_in_the_footage_is_noted_with_its_place(tmp_path):
    video = write_clock(tmp_path / "hole.mkv", times_s=[i / 10 for i in range(100) if not 43 <= i < 48], gop=5)
    (found,) = detect_with_engine([video], FlashEngine(), tmp_path / "out", SETTINGS, DEFAULT_TAXONOMY)
    assert found.notes["damaged"].startswith("pictures are missing or smeared from 4.30 to ")


@pytest.mark.parametrize("stride_s", [1.2, 4.8])
def test_no_window_and_no_event_lies_across_a_gap(tmp_path, stride_s):
    """The clock begins anew in a joined file: two flashes near the joint are two events, each in its own section."""
    parts = [write_drive(tmp_path / f"{i}.ts", 12, flashes=[flash]) for i, flash in enumerate((11.4, 0.6))]
    video = tmp_path / "joined.ts"
    video.write_bytes(b"".join(part.read_bytes() for part in parts))
    settings = SETTINGS.model_copy(update={"stride_s": stride_s, "reasoning": False})
    (found,) = detect_with_engine([video], FlashEngine(), tmp_path / "out", settings)
    assert (found.outcome, found.reason) == ("ok", "")
    assert found.duration_s == pytest.approx(24, abs=0.01)
    assert "2 continuous sections" in found.notes["gaps"]
    assert all(window.end_s <= 12.001 or window.start_s >= 11.999 for window in found.windows)
    assert [window.section for window in found.windows] == sorted(window.start_s >= 11.999 for window in found.windows)
    assert [event.end_s <= 12.001 for event in found.events] == [True, False]
    assert [event.time_s for event in found.events] == pytest.approx([11.4, 12.6], abs=2.5)


def with_jumps(drive, path, jump_of):
    """The same packets, each this many thousand seconds later: ``jump_of`` its time."""
    with av.open(str(drive)) as source, av.open(str(path), "w") as out:
        stream = out.add_stream_from_template(source.streams.video[0])
        for packet in source.demux(video=0):
            if packet.dts is not None:
                shift = int(1000 * jump_of(float(packet.pts * packet.time_base)) / packet.time_base)
                packet.pts, packet.dts, packet.stream = packet.pts + shift, packet.dts + shift, stream
                out.mux(packet)
    return path


def test_a_section_too_short_to_be_judged_has_no_window_and_is_named(tmp_path):
    drive = write_drive(tmp_path / "drive.mp4", 12)
    video = with_jumps(drive, tmp_path / "jumps.mkv", lambda time_s: (time_s > 5.95) + (time_s > 6.25))
    (found,) = detect_with_engine([video], FlashEngine(), tmp_path / "out", SETTINGS, DEFAULT_TAXONOMY)
    assert (found.outcome, found.reason) == ("ok", "")
    assert "3 continuous sections" in found.notes["gaps"]
    (hole,) = found.not_judged
    assert (hole.start_s, hole.duration_s) == pytest.approx((6.0, 0.3), abs=0.02)
    assert "too short to be judged" in hole.reason


def test_a_file_of_nothing_but_short_sections_is_an_error_that_says_so(tmp_path):
    drive = write_drive(tmp_path / "drive.mp4", 12)
    video = with_jumps(drive, tmp_path / "jumps.mkv", lambda time_s: time_s // 0.3)
    (found,) = detect_with_engine([video], FlashEngine(), tmp_path / "out", SETTINGS, DEFAULT_TAXONOMY)
    assert (found.outcome, found.windows, len(found.not_judged)) == ("error", (), 1)
    assert "each is too short to be judged" in found.reason


def test_a_day_without_footage_is_not_scanned(tmp_path):
    drive = write_drive(tmp_path / "drive.mp4", 12, flashes=[9.0])
    late = with_jumps(drive, tmp_path / "late.mkv", lambda time_s: 95.443 * (time_s >= 6))
    settings = SETTINGS.model_copy(update={"reasoning": False})
    (found,) = detect_with_engine([late], FlashEngine(), tmp_path / "out", settings)
    assert found.duration_s == pytest.approx(12, abs=0.01)
    assert len(found.windows) < 20
    (event,) = found.events
    assert event.time_s == pytest.approx(9.0, abs=1.5)
