"""A file with several video streams: the driving video is read, and the others are told."""

import av
import pytest

from tests.clocks import numbers_shown, write_clock
from tests.video.test_h264 import clip_of
from vlm_autodrive.video import (
    FrameCache,
    SamplingSettings,
    VideoError,
    probe,
    read_frames,
    read_pictures,
    read_windows,
    write_clip_file,
)
from vlm_autodrive.video.check import check_video

TEN = SamplingSettings(fps=10, max_frames=32, height=32, width=64)
DEFAULT, COVER = av.stream.Disposition.default, av.stream.Disposition.attached_pic


def joined(path, *parts):
    """A file with the video streams of others: ``(file, disposition)`` each, in this order."""
    sources = [av.open(str(file)) for file, _ in parts]
    with av.open(str(path), "w") as out:
        streams = [out.add_stream_from_template(source.streams.video[0]) for source in sources]
        for stream, (_, disposition) in zip(streams, parts, strict=True):
            stream.disposition = disposition
        for source, stream in zip(sources, streams, strict=True):
            for packet in source.demux(video=0):
                if packet.dts is not None:
                    packet.stream = stream
                    out.mux(packet)
    for source in sources:
        source.close()
    return path


@pytest.fixture
def driving(tmp_path):
    return write_clock(tmp_path / "driving.mp4", count=20, size=(128, 64))


@pytest.fixture
def preview(tmp_path):
    return write_clock(tmp_path / "preview.mp4", times_s=[i / 10 + 0.01 for i in range(20)], size=(64, 32))


def cover(folder, codec="mjpeg"):
    return write_clock(folder / "cover.mov", count=1, size=(256, 128), codec=codec)


def assert_is_driving(path):
    info = probe(path)
    assert (info.width, info.height, info.frames) == (128, 64, 20)
    assert info.duration_s == pytest.approx(2.0, abs=0.01)
    assert numbers_shown(read_frames(path, 0, 2, TEN).pixels) == list(range(20))
    return info.notes["other streams"]


@pytest.mark.parametrize(
    ("name", "disposition"),
    [("a.mov", DEFAULT), ("a.mkv", DEFAULT), ("a.mkv", 0), ("a.mp4", DEFAULT), ("a.mp4", 0), ("a.mp4", COVER)],
)
def test_a_cover_before_the_video_is_left_aside(tmp_path, driving, name, disposition):
    told = assert_is_driving(joined(tmp_path / name, (cover(tmp_path), disposition), (driving, 0)))
    assert "left aside" in told


def test_the_default_stream_is_read_before_a_preview(tmp_path, driving, preview):
    told = assert_is_driving(joined(tmp_path / "a.mp4", (preview, 0), (driving, DEFAULT)))
    assert told == "video stream 1 is read; left aside: 0 (h264, 64 x 32, 1.9 s)"


@pytest.mark.parametrize("order", [0, 1])
def test_of_equals_the_largest_is_read(tmp_path, driving, preview, order):
    parts = [(preview, DEFAULT), (driving, DEFAULT)]
    assert_is_driving(joined(tmp_path / "a.mkv", *parts[:: 1 if order else -1]))


def test_the_longest_is_read_before_the_largest(tmp_path, driving):
    short = write_clock(tmp_path / "short.mp4", count=10, size=(256, 128))
    assert_is_driving(joined(tmp_path / "a.mp4", (short, DEFAULT), (driving, DEFAULT)))


def test_of_two_cameras_the_first_is_read_and_the_second_told(tmp_path, driving):
    rear = write_clock(tmp_path / "rear.mp4", count=20, size=(128, 64))
    told = assert_is_driving(joined(tmp_path / "a.mkv", (driving, DEFAULT), (rear, DEFAULT)))
    assert told.startswith("video stream 0 is read; left aside: 1 (h264, 128 x 64")


def test_music_with_a_cover_is_no_video(tmp_path):
    path = joined(tmp_path / "a.mp4", (cover(tmp_path), COVER))
    with pytest.raises(VideoError, match="no video stream"):
        probe(path)


@pytest.mark.parametrize("name", ["a.mkv", "a.mp4", "a.ts"])
def test_the_second_camera_can_be_read(tmp_path, driving, name):
    rear = write_clock(tmp_path / "rear.mp4", times_s=[i / 5 for i in range(8)], size=(64, 64))
    path = joined(tmp_path / name, (driving, DEFAULT), (rear, 0))
    cache = FrameCache(tmp_path / "cache", TEN)
    front_clip = clip_of(path, 0, 1.5)
    rear_clip = front_clip.model_copy(update={"clip_id": "rear", "video_stream": 1})
    info = probe(path, 1)
    assert (info.width, info.frames) == (64, 8)
    assert info.notes["other streams"].startswith("video stream 1 is read; left aside: 0 (h264, 128 x 64")
    assert check_video(path, stream=1).width == 64
    assert numbers_shown(read_frames(path, 0, 1.5, TEN, stream=1).pixels) == list(range(8))
    ((_, frames),) = read_windows(path, [(0, 1.5)], TEN, stream=1)
    assert numbers_shown(frames.pixels) == list(range(8))
    assert read_pictures(path, [0.5], 128, stream=1)[0].shape == (64, 64, 3)
    assert len(write_clip_file(path, 0, 1.5, tmp_path / "cut.mp4", stream=1).times_s) == 8
    assert probe(tmp_path / "cut.mp4").width == 64
    assert {clip_id: len(times_s) for clip_id, times_s in cache.times([front_clip, rear_clip]).items()} == {
        front_clip.clip_id: 15,
        "rear": 8,
    }
    assert cache.fill([front_clip, rear_clip]) == {}
    assert numbers_shown(cache.cached(front_clip).pixels) == list(range(15))
    assert numbers_shown(cache.cached(rear_clip).pixels) == list(range(8)), "the cache tells cameras apart"


def test_a_file_without_the_stream_that_is_asked_for_says_so_and_gives_what_it_has(driving):
    info = probe(driving, 1)
    assert info.width == 128
    assert info.notes["other streams"] == "it has no video stream 1; video stream 0 is read"
    assert "other streams" not in probe(driving, 0).notes
