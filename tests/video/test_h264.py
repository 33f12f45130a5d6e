"""H.264 whose packets are not its frames, or whose key frames are none: the pictures are those of a sequential pass."""

import av
import numpy as np
import pytest

from tests.clocks import numbers_shown, write_clock
from tests.video.field_coded import FPS, write_field_coded
from vlm_autodrive.records import Clip
from vlm_autodrive.video import (
    FrameCache,
    OpenVideo,
    SamplingSettings,
    probe,
    read_frames,
    read_pictures,
    read_windows,
)
from vlm_autodrive.video.check import check_video
from vlm_autodrive.video.demuxing import packet_clock, syntax_of
from vlm_autodrive.video.geometry import Resizer
from vlm_autodrive.video.selective_decode import decode_selected

ALL = SamplingSettings(fps=30, max_frames=64, height=32, width=64)
SOME = SamplingSettings(fps=4, max_frames=64, height=32, width=64)


def clip_of(path, start_s, end_s):
    return Clip(
        clip_id="c", video_id="v", path=str(path), start_s=start_s, end_s=end_s, split="train", event_class="normal",
        event_time_s=None, alert_time_s=None, ego_involved=None, group_id="v", triplet_id=None, metadata={},
    )  # fmt: skip


@pytest.mark.parametrize("name", ["a.mp4", "a.ts", "a.mts", "a.mkv"])
def test_field_coded_frames_are_counted_as_decoded(tmp_path, name):
    if name == "a.mts":
        path = write_field_coded(tmp_path / "a.ts").rename(tmp_path / name)
    else:
        path = write_field_coded(tmp_path / name)
    with av.open(str(path)) as container:
        assert sum(1 for packet in container.demux(video=0) if packet.size) == 120
    info, check = probe(path), check_video(path)
    assert (info.frames, check.frames, check.undecodable_frames) == (60, 60, 0)
    assert check.header_frames in (0, 60)
    assert info.duration_s == pytest.approx(60 / FPS, abs=0.002)
    assert check.duration_s == pytest.approx(60 / FPS, abs=0.002)


@pytest.mark.parametrize("name", ["a.mp4", "a.ts"])
@pytest.mark.parametrize("sampling", [ALL, SOME], ids=["all", "some"])
def test_plan_and_reading_name_the_same_frames_of_field_coded_video(tmp_path, name, sampling):
    path = write_field_coded(tmp_path / name)
    for window in [(0.0, 2.4), (0.5, 1.3), (1.93, 2.4)]:
        cache = FrameCache(tmp_path / f"cache-{window[0]}", sampling)
        planned = cache.times([clip_of(path, *window)])["c"]
        frames = read_frames(path, *window, sampling)
        ((_, whole),) = read_windows(path, [window], sampling)
        assert planned == frames.times_s == whole.times_s
        assert np.array_equal(frames.pixels, whole.pixels)
        assert numbers_shown(frames.pixels) == [round((window[0] + time_s) * FPS) for time_s in frames.times_s]
    with OpenVideo(path) as video:
        assert decode_selected(video, 0.5, 1.3, sampling) is not None, "its packets tell enough"


@pytest.mark.parametrize(
    ("name", "options", "has_fields"),
    [("a.mp4", {"x264-params": "interlaced=1:tff=1"}, True), ("a.ts", {}, False), ("a.mp4", {}, False)],
)
def test_other_interlaced_video_has_a_packet_for_each_frame(tmp_path, name, options, has_fields):
    path = write_clock(tmp_path / name, options=options)
    with av.open(str(path)) as container:
        assert syntax_of(container.streams.video[0]).has_fields == has_fields
    assert probe(path).frames == 60


@pytest.fixture
def refreshed(tmp_path):
    """Intra refresh: strips of each picture are renewed by and by, and only the first is a key frame."""
    rng = np.random.default_rng(0)
    path = tmp_path / "a.mp4"
    texture = rng.integers(0, 255, (96, 400, 3), np.uint8)
    with av.open(str(path), "w") as container:
        options = {"preset": "veryfast", "x264-params": "intra-refresh=1:keyint=60:bframes=0:scenecut=0"}
        stream = container.add_stream("libx264", rate=25, options=options)
        stream.width, stream.height, stream.pix_fmt = 160, 96, "yuv420p"
        for number in range(400):
            crop = texture[:, number % 200 : number % 200 + 160]
            container.mux(stream.encode(av.VideoFrame.from_ndarray(np.ascontiguousarray(crop), "rgb24")))
        container.mux(stream.encode())
    return path


def test_pictures_behind_a_seek_are_those_of_a_sequential_pass(refreshed):
    keys = packet_clock(refreshed).keys
    with av.open(str(refreshed)) as container:
        marked = [packet.is_keyframe for packet in container.demux(video=0) if packet.size]
    assert sum(marked) > 5
    assert [place for place, key in enumerate(keys) if key] == [0]
    with OpenVideo(refreshed) as video:
        resizer = Resizer(refreshed, 32, 64)
        sequential = [resizer.picture(frame) for _, frame in video.decoded()]
    for start in range(240, 300, 9):  # every phase of the refresh
        window = start / 25, (start + 10) / 25
        assert np.array_equal(read_frames(refreshed, *window, ALL).pixels, sequential[start : start + 10])
        ((_, frames),) = read_windows(refreshed, [window], ALL)
        assert np.array_equal(frames.pixels, sequential[start : start + 10])
    (picture,) = read_pictures(refreshed, [10.0], 160)
    with OpenVideo(refreshed) as video:
        resizer = Resizer(refreshed, 96, 160)
        assert np.array_equal(picture, next(resizer.picture(f) for t, f in video.decoded() if t == 10.0))
