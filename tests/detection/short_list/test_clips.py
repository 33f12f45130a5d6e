"""Clips of events: the right seconds, across a file's cut too, in a form that browsers play."""

import numpy as np
import pytest

from tests.detection.flashes import FlashEngine, write_drive
from tests.detection.short_list.searched import event, write_trip
from tests.detection.short_list.test_short_list import rows
from vlm_autodrive.detection import DetectSettings, ShortListSettings, write_short_list
from vlm_autodrive.detection.detector import detect_with_engine
from vlm_autodrive.video import OpenVideo, probe


def frames(path):
    with OpenVideo(path) as video:
        return [(time_s, frame.to_ndarray(format="rgb24")) for time_s, frame in video.frames(0.0)]


@pytest.fixture
def cut_trip(tmp_path):
    """A trip of two files of 10 s, with a flash 0.5 s into the second one; its event cites a moment before the cut."""
    files = [
        (write_drive(tmp_path / "1.mp4", 10), 10.0),
        (write_drive(tmp_path / "2.mp4", 10, flashes=[0.5]), 10.0),
    ]
    write_trip(tmp_path / "out", "trip", files, [event(10.5, cited_times_s=(9.0,))])
    return tmp_path / "out"


def test_a_clip_across_a_cut_is_whole_and_shows_the_event_at_its_time(cut_trip):
    write_short_list(cut_trip, ShortListSettings(clips=True, before_s=2, after_s=3))
    (row,) = rows(cut_trip)
    assert (row.problem, row.annotated_clip) == ("", None)
    info = probe(cut_trip / row.clip)
    assert (info.codec, info.frames, info.start_s) == ("h264", 50, 0)
    assert info.duration_s == pytest.approx(5, abs=0.01)
    white = [time_s for time_s, pixels in frames(cut_trip / row.clip) if pixels.mean() > 200]
    assert np.mean(white) == pytest.approx(2.0, abs=0.06)
    content = (cut_trip / row.clip).read_bytes()
    assert content.index(b"moov") < content.index(b"mdat")  # so that it plays while it loads
    assert not list((cut_trip / "clips").glob("*.partial"))


def test_an_annotated_copy_differs_in_its_band_and_tells_the_cited_moment(cut_trip):
    write_short_list(cut_trip, ShortListSettings(annotate=True, before_s=2, after_s=3))
    (row,) = rows(cut_trip)
    plain, drawn = (frames(cut_trip / clip) for clip in (row.clip, row.annotated_clip))
    assert [time_s for time_s, _ in plain] == [time_s for time_s, _ in drawn]
    for (time_s, one), (_, other) in zip(plain, drawn, strict=True):
        apart = np.abs(one.astype(int) - other).mean(axis=(1, 2))
        assert apart[-30:].mean() > 10, time_s
        assert apart[:15].mean() < 12, time_s
    cited = [abs(a.astype(int) - b)[20:36, 30:98].mean() for (_, a), (_, b) in zip(plain, drawn, strict=True)]
    named = [time_s for (time_s, _), level in zip(plain, cited, strict=True) if level > 10]
    assert named
    assert np.mean(named) == pytest.approx(0.5, abs=0.15)  # 9.0 s of the trip


def test_clips_are_kept_by_a_later_call_and_end_with_the_trip(tmp_path):
    video = write_drive(tmp_path / "drive.mp4", 8, flashes=[1, 7.5])
    out = tmp_path / "out"
    write_trip(out, "t", [(video, 8.0)], [event(1), event(7.5)])
    write_short_list(out, ShortListSettings(clips=True, before_s=3, after_s=2))
    first = rows(out)
    assert sorted(probe(out / row.clip).duration_s for row in first) == pytest.approx([3.0, 3.5], abs=0.02)
    video.unlink()
    write_short_list(out)
    assert rows(out) == first
    write_short_list(out, ShortListSettings(clips=True, before_s=1, after_s=1))
    assert all(row.clip is None and "clip: " in row.problem for row in rows(out))


def test_a_clip_of_a_damaged_file_holds_what_can_be_read_and_says_what_not(tmp_path):
    files = [(write_drive(tmp_path / "1.mp4", 10, flashes=[9]), 10.0), (tmp_path / "2.mp4", 10.0)]
    files[1][0].write_bytes(b"")
    write_trip(tmp_path / "out", "t", files, [event(9)])
    write_short_list(tmp_path / "out", ShortListSettings(clips=True))
    (row,) = rows(tmp_path / "out")
    assert probe(tmp_path / "out" / row.clip).duration_s == pytest.approx(5.0, abs=0.02)
    assert "2.mp4" in row.problem


def test_an_event_in_a_camera_folder_is_listed_with_its_places_and_cut_across_the_files(tmp_path):
    camera = tmp_path / "truck1"
    camera.mkdir()
    write_drive(camera / "NO20230501-120000-000001F.MP4", 10)
    write_drive(camera / "NO20230501-120010-000002F.MP4", 10, flashes=[0.3])
    out = tmp_path / "out"
    detect_with_engine([camera], FlashEngine(), out, DetectSettings(eval_batch_size=4))
    write_short_list(out, ShortListSettings(clips=True, before_s=2, after_s=2))
    (row,) = rows(out)
    assert (row.trip_time_s, row.file_time_s) == pytest.approx((10.3, 0.3), abs=0.3)
    assert row.file.endswith("000002F.MP4")
    assert row.wall_clock.startswith("2023-05-01T12:00:10.")
    white = [time_s for time_s, pixels in frames(out / row.clip) if pixels.mean() > 200]
    assert np.mean(white) == pytest.approx(10.3 - (row.trip_time_s - 2), abs=0.06)
    assert probe(out / row.clip).frames == pytest.approx(40, abs=1)
