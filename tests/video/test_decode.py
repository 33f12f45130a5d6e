"""Frames are the right ones, at their true times, from every kind of file and by every reader."""

import csv
import re

import numpy as np
import pytest

from tests.clocks import numbers_shown, turn
from tests.remuxing import faststart
from vlm_autodrive.video import SamplingSettings, VideoError, probe, read_frames, read_pictures, read_windows
from vlm_autodrive.video.frame_sampler import sample_frames

FOUR = SamplingSettings(fps=4, max_frames=32, height=32, width=64)
UNEVEN = [0.0, 0.04, 0.3, 0.31, 0.7, 1.5, 1.52, 1.9, 2.6, 2.61, 2.9, 3.3, 3.31, 3.9, 4.4, 4.6, 5.0, 5.7]


def assert_same_as_sampler(frames, times_s, window, sampling=FOUR):
    """The frames show what the sampler chooses from the true times, and carry these."""
    chosen = sample_frames(times_s, *window, sampling)
    assert numbers_shown(frames.pixels) == chosen
    assert frames.times_s == pytest.approx([times_s[i] - window[0] for i in chosen], abs=1e-3)


@pytest.mark.parametrize(
    ("name", "how"),
    [
        ("a.mp4", {}),
        ("bframes.mp4", {"options": {"preset": "medium", "bf": "3"}, "gop": 25}),
        ("a.mkv", {"options": {"preset": "medium", "bf": "2"}}),
        ("late.ts", {"offset_s": 3.7, "options": {"preset": "medium", "bf": "2"}}),
        ("late.mkv", {"offset_s": 2.5}),
        ("a.avi", {"codec": "mpeg4"}),
        ("m.avi", {"codec": "mjpeg"}),
        ("a.gif", {"codec": "gif"}),
        ("m.mp4", {"codec": "mpeg4"}),
    ],
)
@pytest.mark.parametrize("window", [(0.0, 6.0), (3.25, 5.5), (5.0, 5.5)])
def test_right_frames_at_true_times(make_video, name, how, window):
    path = make_video(name, **how)
    assert_same_as_sampler(read_frames(path, *window, FOUR), [i / 10 for i in range(60)], window)


@pytest.mark.parametrize("window", [(0.0, 5.7), (2.55, 4.5), (1.0, 1.6)])
def test_variable_frame_rate(make_video, window):
    path = make_video("vfr.mp4", times_s=UNEVEN, options={"preset": "medium", "bf": "2"})
    assert_same_as_sampler(read_frames(path, *window, FOUR), UNEVEN, window)


@pytest.mark.parametrize("how", [{}, {"options": {"preset": "medium", "bf": "3"}, "gop": 250}, {"codec": "mpeg4"}])
def test_both_readers_give_the_same_frames(make_video, how):
    path = make_video("long.mp4", count=250, **how)
    windows = [(0.0, 4.0), (2.0, 6.0), (2.0, 6.0), (18.0, 25.0), (20.5, 21.0), (1.95, 2.05)]
    results = list(read_windows(path, windows, FOUR))
    assert sorted(window for window, _ in results) == sorted(windows)
    for window, frames in results:
        alone = read_frames(path, *window, FOUR)
        assert alone.times_s == frames.times_s
        assert np.array_equal(alone.pixels, frames.pixels)
        assert_same_as_sampler(frames, [i / 10 for i in range(250)], window)


def test_fewer_frames_than_wanted_are_all_given(make_video):
    path = make_video("slow.mp4", fps=2, count=5)
    assert numbers_shown(read_frames(path, 0, 2.5, FOUR).pixels) == [0, 1, 2, 3, 4]


def test_one_frame_video(make_video):
    path = make_video("one.mp4", count=1)
    frames = read_frames(path, 0, probe(path).duration_s, FOUR)
    assert frames.times_s == (0.0,)


def test_whole_picture_is_squeezed_not_cropped(make_video):
    path = make_video("wide.mp4", size=(512, 64), count=8)
    frames = read_frames(path, 0, 0.8, SamplingSettings(fps=10, max_frames=8, height=40, width=40))
    assert frames.pixels.shape == (8, 40, 40, 3)
    assert numbers_shown(frames.pixels) == list(range(8))


def test_rotated_picture_stands_upright(make_video):
    path = make_video("turned.mp4", count=4)
    plain = read_frames(path, 0, 0.4, SamplingSettings(fps=10, max_frames=4, height=32, width=64)).pixels
    turn(path, (0, 1, -1, 0))  # a quarter turn clockwise
    info = probe(path)
    assert (info.width, info.height) == (64, 128)
    turned = read_frames(path, 0, 0.4, SamplingSettings(fps=10, max_frames=4, height=64, width=32)).pixels
    assert np.array_equal(turned, np.rot90(plain, -1, axes=(1, 2)))
    assert read_pictures(path, [0.0], 32)[0].shape == (64, 32, 3)


def truncated(path, share):
    content = path.read_bytes()
    path.write_bytes(content[: int(len(content) * share)])
    return path


def test_cut_off_file_gives_what_is_left_and_errors_for_the_rest(make_video):
    options = {"preset": "medium", "bf": "0"}
    path = truncated(make_video("cut.ts", count=100, options=options), 0.6)
    windows = [(0.0, 2.0), (1.0, 3.0), (5.0, 9.0), (9.0, 10.0)]
    results = dict(read_windows(path, windows, FOUR))
    assert set(results) == set(windows)
    assert_same_as_sampler(results[0.0, 2.0], [i / 10 for i in range(100)], (0.0, 2.0))
    for window in [(5.0, 9.0), (9.0, 10.0)]:
        assert isinstance(results[window], VideoError)
        assert "ends after" in results[window].reason
        with pytest.raises(VideoError, match="ends after"):
            read_frames(path, *window, FOUR)


def test_cut_off_faststart_is_known_for_what_it_is(make_video, tmp_path):
    path = truncated(faststart(make_video("a.mp4", count=100), tmp_path / "fast.mp4"), 0.5)
    left = probe(path)
    assert re.fullmatch(r"ends after \d\.\d of 9\.9 s", left.notes["cut off"])
    assert 1 < left.duration_s < 9
    assert left.header_duration_s == pytest.approx(9.9, abs=0.1)
    window = (0.0, left.duration_s - 0.5)
    assert_same_as_sampler(read_frames(path, *window, FOUR), [i / 10 for i in range(100)], window)
    with pytest.raises(VideoError):
        read_frames(path, left.duration_s - 1, left.duration_s + 2, FOUR)


def test_window_behind_the_end(make_video):
    path = make_video(count=30)
    with pytest.raises(VideoError, match=r"ends after 3\.0 of 10\.0 s"):
        read_frames(path, 0, 10, FOUR)
    with pytest.raises(VideoError):
        read_frames(path, 8, 10, FOUR)
    assert len(read_frames(path, 0, 3.05, FOUR).times_s) == 12  # a header may be off by a frame


@pytest.mark.parametrize(
    ("content", "reason"), [(b"", "empty"), (b"id,class\n1,normal\n" * 50, "not a video"), (None, "does not exist")]
)
def test_no_video(tmp_path, content, reason):
    path = tmp_path / "bad.mp4"
    if content is not None:
        path.write_bytes(content)
    for act in (lambda: probe(path), lambda: read_frames(path, 0, 1, FOUR), lambda: read_pictures(path, [0], 64)):
        with pytest.raises(VideoError, match=reason):
            act()
    ((window, error),) = read_windows(path, [(0.0, 1.0)], FOUR)
    assert window == (0.0, 1.0)
    assert isinstance(error, VideoError)


def test_sound_without_pictures(tmp_path):
    import av

    path = tmp_path / "sound.mp4"
    with av.open(str(path), "w") as container:
        stream = container.add_stream("aac", rate=16000, layout="mono")
        frame = av.AudioFrame.from_ndarray(np.zeros((1, 16000), np.float32), format="fltp", layout="mono")
        frame.sample_rate = 16000
        container.mux(stream.encode(frame))
        container.mux(stream.encode())
    with pytest.raises(VideoError, match="no video stream"):
        probe(path)


def test_pictures_are_the_nearest_in_the_order_asked(make_video):
    path = make_video("long.mp4", count=250)
    times = [24.9, 0.0, 3.44, 3.46, 0.0, 99.0]
    pictures = read_pictures(path, times, 64)
    assert {p.shape for p in pictures} == {(32, 64, 3)}
    assert numbers_shown(np.stack(pictures)) == [249, 0, 34, 35, 0, 249]


@pytest.mark.fixtures
def test_real_clips_read_whole_and_alike(fixtures_dir):
    rows = list(csv.DictReader((fixtures_dir / "videos" / "labels.csv").open()))
    assert len(rows) == 17
    for row in rows:
        path = fixtures_dir / "videos" / row["file"]
        info = probe(path)
        assert info.duration_s == pytest.approx(float(row["duration_s"]), abs=0.02)
        assert (info.width, info.height, info.codec) == (int(row["width"]), int(row["height"]), row["codec"])
        end = min(info.duration_s, 2.0)
        frames = read_frames(path, 0, end, FOUR)
        assert len(frames.times_s) == min(round(end * 4 / 2 + 0.01) * 2, info.frames)
        ((_, again),) = read_windows(path, [(0.0, end)], FOUR)
        assert np.array_equal(frames.pixels, again.pixels)
