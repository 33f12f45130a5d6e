"""Every kind of video that people bring: the right frames at their true times, or one clear sentence."""

import random
from fractions import Fraction

import av
import numpy as np
import pytest

from tests.clocks import numbers_shown, turn
from tests.remuxing import cut_by_edit_list
from vlm_autodrive.video import OpenVideo, SamplingSettings, VideoError, probe, read_frames, read_pictures, read_windows
from vlm_autodrive.video.frame_sampler import sample_frames
from vlm_autodrive.video.selective_decode import decode_from, decode_selected

FOUR = SamplingSettings(fps=4, max_frames=32, height=32, width=64)
QUIET_HEVC = {"preset": "ultrafast", "x265-params": "log-level=none"}
ENCODINGS = {
    "h264.mp4": {},
    "h264-b-frames.mp4": {"options": {"preset": "medium", "bf": "3"}, "gop": 25},
    "hevc.mp4": {"codec": "libx265", "options": QUIET_HEVC},
    "hevc-b-frames.mkv": {"codec": "libx265", "options": {**QUIET_HEVC, "preset": "medium"}},
    "av1.mp4": {"codec": "libsvtav1", "options": {"preset": "12", "svtav1-params": "lookahead=0"}},
    "vp9.webm": {"codec": "libvpx-vp9", "options": {"deadline": "realtime", "cpu-used": "8"}},
    "vp9-hidden-frames.webm": {"codec": "libvpx-vp9", "options": {"lag-in-frames": "16", "auto-alt-ref": "1"}},
    "mpeg4.avi": {"codec": "mpeg4"},
    "mpeg4-b-frames.avi": {"codec": "mpeg4", "options": {"bf": "2"}},
    "mjpeg.avi": {"codec": "mjpeg"},
    "a.gif": {"codec": "gif"},
    "late.ts": {"offset_s": 3.7, "options": {"preset": "medium", "bf": "2"}},
    "h264-444.mp4": {"pix_fmt": "yuv444p"},
    "h264-10-bit.mp4": {"pix_fmt": "yuv420p10le"},
    "hevc-444-10-bit.mp4": {"codec": "libx265", "options": QUIET_HEVC, "pix_fmt": "yuv444p10le"},
    "vp9-444.webm": {"codec": "libvpx-vp9", "options": {"deadline": "realtime"}, "pix_fmt": "yuv444p"},
    "av1-10-bit.mkv": {"codec": "libsvtav1", "options": {"preset": "12"}, "pix_fmt": "yuv420p10le"},
}


@pytest.mark.parametrize("name", ENCODINGS)
def test_right_frames_at_true_times(make_video, name):
    path = make_video(name, **ENCODINGS[name])
    times_s = [i / 10 for i in range(60)]
    info = probe(path)
    assert info.frames == 60
    assert info.duration_s == pytest.approx(6.0, abs=0.01)
    windows = [(0.0, 6.0), (3.25, 5.5), (5.0, 5.5)]
    together = dict(read_windows(path, windows, FOUR))
    for window in windows:
        chosen = sample_frames(times_s, *window, FOUR)
        for frames in (read_frames(path, *window, FOUR), together[window]):
            assert numbers_shown(frames.pixels) == chosen
            assert frames.times_s == pytest.approx([times_s[i] - window[0] for i in chosen], abs=1e-3)
    assert numbers_shown(np.stack(read_pictures(path, [4.41, 0.0], 64))) == [44, 0]


@pytest.mark.parametrize("codec", ["libx264", "libx265", "libvpx-vp9", "libsvtav1"])
def test_variable_frame_rate_of_every_codec(make_video, codec):
    times_s = [0.0, 0.04, 0.3, 0.31, 0.7, 1.5, 1.52, 1.9, 2.6, 2.61, 2.9, 3.3, 3.31, 3.9, 4.4, 4.6, 5.0, 5.7]
    options = {"libx265": QUIET_HEVC, "libsvtav1": {"preset": "12"}}.get(codec)
    path = make_video("vfr.mkv", times_s=times_s, codec=codec, options=options)
    for window in [(0.0, 5.7), (2.55, 4.5)]:
        chosen = sample_frames(times_s, *window, FOUR)
        frames = read_frames(path, *window, FOUR)
        assert numbers_shown(frames.pixels) == chosen
        assert frames.times_s == pytest.approx([times_s[i] - window[0] for i in chosen], abs=1e-3)


@pytest.mark.parametrize("how", [{}, {"options": {"preset": "medium", "bf": "2"}, "gop": 10}])
def test_edit_list_hides_what_lies_before_it(make_video, how):
    path = cut_by_edit_list(make_video("whole.mp4", **how), start_s=2.3)
    with av.open(str(path)) as container:
        packets = [p for p in container.demux(video=0) if p.size]
    assert any(p.is_discard for p in packets), "the file has no edit list"
    info = probe(path)
    assert info.frames == 37
    assert info.duration_s == pytest.approx(3.7, abs=0.01)
    for window in [(0.0, 3.7), (0.0, 1.0), (2.05, 3.5)]:
        chosen = sample_frames([i / 10 for i in range(37)], *window, FOUR)
        assert numbers_shown(read_frames(path, *window, FOUR).pixels) == [23 + i for i in chosen]
        ((_, again),) = read_windows(path, [window], FOUR)
        assert numbers_shown(again.pixels) == [23 + i for i in chosen]


@pytest.mark.parametrize(
    ("matrix", "turns"), [((0, 1, -1, 0), -1), ((-1, 0, 0, -1), 2), ((0, -1, 1, 0), 1)], ids=["90", "180", "270"]
)
def test_rotation_is_applied(make_video, matrix, turns):
    path = make_video("turned.mp4", count=8)
    square = SamplingSettings(fps=10, max_frames=8, height=64, width=64)
    plain = read_frames(path, 0, 0.8, square).pixels
    turn(path, matrix)
    assert np.array_equal(read_frames(path, 0, 0.8, square).pixels, np.rot90(plain, turns, axes=(1, 2)))


@pytest.mark.parametrize("name", ["one.mp4", "one.avi", "one.gif", "one.webm", "one.ts"])
def test_one_frame(make_video, name):
    codec = {"avi": "mjpeg", "gif": "gif", "webm": "libvpx-vp9"}.get(name.split(".")[1], "libx264")
    path = make_video(name, count=1, codec=codec)
    info = probe(path)
    assert info.frames == 1
    frames = read_frames(path, 0, info.duration_s, FOUR)
    assert frames.times_s == (0.0,)
    assert numbers_shown(frames.pixels) == [0]


def test_four_frames_a_second_and_ten_in_all(make_video):
    path = make_video("few.avi", codec="mpeg4", fps=4, count=10)
    assert probe(path).duration_s == pytest.approx(2.5)
    frames = read_frames(path, 0, 2.5, SamplingSettings(fps=8, max_frames=32, height=32, width=64))
    assert numbers_shown(frames.pixels) == list(range(10))  # 20 are asked for; each is given once
    assert frames.times_s == pytest.approx([i / 4 for i in range(10)])


@pytest.mark.parametrize("name", ["a.mp4", "a.avi", "a.mkv", "a.ts", "a.gif"])
def test_random_and_no_bytes_get_one_clear_sentence(tmp_path, name):
    for seed, size in ((0, 0), (1, 100), (2, 70_000), (3, 200_000)):
        path = tmp_path / name
        path.write_bytes(random.Random(seed).randbytes(size))
        for act in (lambda path=path: probe(path), lambda path=path: read_frames(path, 0, 1, FOUR)):
            with pytest.raises(VideoError) as caught:
                act()
            assert str(caught.value).startswith(f"{path}: ")
            assert "\n" not in str(caught.value)


def noisy_video(path, codec="libx264", options=None, count=90, size=(640, 480), pix_fmt="yuv420p"):
    """Texture that moves and a little noise, so that a wrong reference shows."""
    rng = np.random.default_rng(0)
    texture = rng.integers(0, 256, (size[1] // 8 + 20, size[0] // 8 + 20), np.uint8).repeat(8, 0).repeat(8, 1)
    with av.open(str(path), "w") as container:
        stream = container.add_stream(codec, rate=30)
        stream.width, stream.height = size
        stream.pix_fmt, stream.options = pix_fmt, options or {}
        for number in range(count):
            crop = texture[number : number + size[1], 2 * (number % 60) :][:, : size[0]]
            noise = rng.integers(0, 12, crop.shape, np.uint8)
            rgb = np.repeat((crop // 2 + noise)[..., None], 3, axis=2)
            frame = av.VideoFrame.from_ndarray(rgb, "rgb24")
            frame.pts, frame.time_base = number, Fraction(1, 30)
            container.mux(stream.encode(frame))
        container.mux(stream.encode())
    return path


@pytest.mark.parametrize(
    ("name", "how"),
    [
        ("b-pyramid.mp4", {"options": {"preset": "veryfast", "bf": "5", "b-pyramid": "normal", "g": "40"}}),
        ("open-gop.mkv", {"options": {"preset": "veryfast", "bf": "3", "x264-params": "open-gop=1:keyint=20"}}),
        ("interlaced.ts", {"options": {"preset": "veryfast", "bf": "2", "x264-params": "tff=1", "g": "30"}}),
        ("refresh.mp4", {"options": {"preset": "veryfast", "x264-params": "intra-refresh=1:keyint=20"}}),
        ("slices.mp4", {"options": {"preset": "ultrafast", "x264-params": "slices=4", "g": "30"}}),
        ("demo.mp4", {"options": {"preset": "ultrafast", "crf": "23", "g": "50"}, "size": (320, 180)}),
        ("b.avi", {"codec": "mpeg4", "options": {"bf": "2"}, "size": (320, 180)}),
        ("b.mkv", {"codec": "libx265", "options": {**QUIET_HEVC, "preset": "fast"}, "size": (320, 180)}),
    ],
)
def test_the_quick_way_gives_the_very_pixels_of_decoding_everything(tmp_path, name, how):
    path = noisy_video(tmp_path / name, **how)
    for window in [(0.0, 3.0), (1.1, 1.9), (2.3, 2.9), (0.4, 0.5)]:
        quick = read_frames(path, *window, FOUR)
        ((_, whole),) = read_windows(path, [window], FOUR)
        assert quick.times_s == whole.times_s
        assert np.array_equal(quick.pixels, whole.pixels)


@pytest.mark.parametrize("threads", [False, True])
def test_the_quick_way_is_taken_and_decodes_less(tmp_path, threads, monkeypatch):
    path = noisy_video(tmp_path / "a.mp4", options={"preset": "veryfast", "bf": "3", "g": "40"})
    with OpenVideo(path, threads=threads) as video:
        assert decode_selected(video, 1.0, 2.5, FOUR) is not None
        stamps = {packet.pts for packet in video.packets_from(1.0) if packet.size}
        counts = {
            skip: sum(1 for _ in decode_from(video, 1.0, {max(stamps)}, skip_unreferred=skip)) for skip in (False, True)
        }
        assert counts[True] < 0.8 * counts[False]
        everything = [time_s for time_s, _ in video.frames(0.0)]  # the decoder is whole again
    assert everything == pytest.approx([i / 30 for i in range(90)], abs=1e-4)


def test_the_quick_way_gives_up_on_a_window_behind_the_end(make_video):
    with OpenVideo(make_video(count=30)) as video:
        assert decode_selected(video, 0.0, 10.0, FOUR) is None
