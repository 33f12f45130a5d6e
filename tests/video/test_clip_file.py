"""A window as a file of its own: its frames and no others, at their times, as other programs read them."""

from fractions import Fraction

import av
import numpy as np
import pytest
from av.video.reformatter import ColorRange, Colorspace
from transformers.video_utils import load_video

from tests.clocks import numbers_shown, turn
from tests.video.test_matrix import ENCODINGS, noisy_video
from vlm_autodrive.video import (
    ClipPiece,
    OpenVideo,
    SamplingSettings,
    VideoError,
    probe,
    read_frames,
    write_clip_file,
    write_joined_clip,
)

ALL = SamplingSettings(n_frames=1000, max_frames=1000, height=64, width=128)
SOURCES = (
    "h264-b-frames.mp4",
    "hevc-444-10-bit.mp4",
    "vp9.webm",
    "mpeg4-b-frames.avi",
    "mjpeg.avi",
    "a.gif",
    "late.ts",
)


def as_llama_factory(path, fps, most):
    """The frames that LLaMA-Factory would take, by the rule of its `_regularize_videos`.

    So many as fit the stream's own duration at `fps`, no more than its header counts, spread from first to last.
    """
    with av.open(str(path)) as container:
        stream = container.streams.video[0]
        seconds = float(stream.duration * stream.time_base)
        count = int(min(stream.frames, most, seconds * fps))
        wanted = set(np.linspace(0, stream.frames - 1, count).astype(int).tolist())
        frames = [f.to_ndarray(format="rgb24") for i, f in enumerate(container.decode(stream)) if i in wanted]
    return np.stack(frames)


@pytest.mark.parametrize("name", SOURCES)
def test_the_file_holds_the_frames_of_the_window_at_their_times(make_video, tmp_path, name):
    source = make_video(name, **ENCODINGS[name])
    written = write_clip_file(source, 3.25, 5.5, tmp_path / "clip.mp4")
    shown, copied = read_frames(source, 3.25, 5.5, ALL), read_frames(tmp_path / "clip.mp4", 0.0, 2.2, ALL)
    assert numbers_shown(copied.pixels) == list(range(33, 55))
    assert written.times_s == shown.times_s
    assert copied.times_s == pytest.approx(np.array(shown.times_s) - shown.times_s[0], abs=1e-4)
    assert np.abs(copied.pixels.astype(int) - shown.pixels).mean() < 4
    info = probe(tmp_path / "clip.mp4")
    assert (info.frames, info.header_frames, info.codec, info.start_s) == (22, 22, "h264", 0)
    assert info.header_duration_s == pytest.approx(2.2, abs=1e-3)
    assert written.frame_rate == pytest.approx(10, rel=1e-3)
    assert written.miscounted_s == pytest.approx(0.05, abs=1e-3)  # the first frame comes 0.05 s after the start
    assert not list(tmp_path.glob("*.partial"))


def test_other_programs_find_the_frames_of_the_right_seconds(make_video, tmp_path):
    source = make_video("long.mp4", count=200, options={"preset": "medium", "bf": "3"}, gop=50)
    path = tmp_path / "clip.mp4"
    write_clip_file(source, 12.0, 18.0, path)
    assert numbers_shown(as_llama_factory(path, fps=2, most=32)) == [
        120 + i for i in np.linspace(0, 59, 12).astype(int)
    ]
    pixels, metadata = load_video(str(path), fps=2)  # what TRL's users and transformers' processors read with
    times_s = np.array(metadata.frames_indices) / metadata.fps
    assert numbers_shown(pixels) == [round(10 * (12 + time_s)) for time_s in times_s]
    ours = read_frames(source, 12.0, 18.0, SamplingSettings(fps=2, height=64, width=128))
    assert numbers_shown(pixels) == numbers_shown(ours.pixels)
    assert times_s == pytest.approx(ours.times_s, abs=1e-3)


def test_uneven_times_are_kept_and_told(make_video, tmp_path):
    times_s = [0.0, 0.04, 0.3, 0.31, 0.7, 1.5, 1.52, 1.9, 2.6, 2.61, 2.9, 3.3, 3.31, 3.9, 4.4, 4.6, 5.0, 5.7]
    source = make_video("uneven.mkv", times_s=times_s)
    written = write_clip_file(source, 0.5, 4.5, tmp_path / "clip.mp4")
    inside_s = np.array([t for t in times_s if 0.5 <= t < 4.5])
    assert written.times_s == pytest.approx(inside_s - 0.5, abs=1e-3)
    copied = read_frames(tmp_path / "clip.mp4", 0.0, 3.9, ALL)
    assert copied.times_s == pytest.approx(inside_s - inside_s[0], abs=1e-3)
    with av.open(str(tmp_path / "clip.mp4")) as container:
        rate = float(container.streams.video[0].average_rate)
    counted_s = np.arange(len(inside_s)) / rate
    assert written.frame_rate == pytest.approx(rate, rel=1e-3)
    assert written.miscounted_s == pytest.approx(np.abs(counted_s - (inside_s - 0.5)).max(), abs=1e-3)
    assert written.miscounted_s > 0.5


def test_rotation_is_applied_for_readers_that_know_none(make_video, tmp_path):
    source = make_video("turned.mp4", count=20)
    turn(source, (0, 1, -1, 0))
    write_clip_file(source, 0.5, 1.5, tmp_path / "clip.mp4")
    with OpenVideo(tmp_path / "clip.mp4") as video:
        assert (video.first.height, video.first.width, video.first.rotation) == (128, 64, 0)
    shown, copied = read_frames(source, 0.5, 1.5, ALL), read_frames(tmp_path / "clip.mp4", 0, 1, ALL)
    assert np.abs(copied.pixels.astype(int) - shown.pixels).mean() < 1


@pytest.mark.parametrize("size", [(640, 480), (321, 181)])
def test_colours_and_odd_sizes(tmp_path, size):
    rng = np.random.default_rng(0)
    cells = rng.integers(0, 256, (size[1] // 20 + 1, size[0] // 20 + 1, 3), np.uint8)
    picture = cells.repeat(20, 0).repeat(20, 1)[: size[1], : size[0]]
    for name, colorspace, colours in (
        ("bt709.mkv", Colorspace.ITU709, ColorRange.MPEG),
        ("full.mkv", 5, ColorRange.JPEG),
    ):
        with av.open(str(tmp_path / name), "w") as container:
            stream = container.add_stream("libx264", rate=10, options={"crf": "1", "preset": "ultrafast"})
            stream.width, stream.height, stream.pix_fmt = *size, "yuv444p"
            stream.codec_context.colorspace, stream.codec_context.color_range = int(colorspace), colours
            for number in range(10):
                frame = av.VideoFrame.from_ndarray(picture, "rgb24").reformat(
                    format="yuv444p", dst_colorspace=colorspace, dst_color_range=colours
                )
                frame.pts, frame.time_base = number, Fraction(1, 10)
                container.mux(stream.encode(frame))
            container.mux(stream.encode(None))
        write_clip_file(tmp_path / name, 0.0, 1.0, tmp_path / "clip.mp4")
        shown, copied = read_frames(tmp_path / name, 0, 1, ALL), read_frames(tmp_path / "clip.mp4", 0, 1, ALL)
        difference = shown.pixels.astype(int) - copied.pixels
        assert np.abs(difference.mean(axis=(0, 1, 2))).max() < 3, name
        assert np.abs(difference).mean() < 6, name


def test_the_same_bytes_each_time(tmp_path):
    source = noisy_video(tmp_path / "a.mp4", options={"preset": "veryfast", "bf": "3"})
    for name in ("one.mp4", "two.mp4"):
        write_clip_file(source, 1.1, 2.5, tmp_path / name)
    assert (tmp_path / "one.mp4").read_bytes() == (tmp_path / "two.mp4").read_bytes()


@pytest.mark.parametrize(
    ("window", "reason"),
    [((4.0, 9.0), "ends after 6.0 of 9.0 s"), ((7.0, 9.0), "ends after"), ((2.01, 2.05), "has no frame between")],
)
def test_a_window_that_is_not_there_leaves_no_file(make_video, tmp_path, window, reason):
    with pytest.raises(VideoError, match=reason):
        write_clip_file(make_video(), *window, tmp_path / "clip.mp4")
    assert not (tmp_path / "clip.mp4").exists()


@pytest.mark.fixtures
@pytest.mark.slow
def test_real_footage(fixtures_dir, tmp_path):
    sources = [p for p in sorted((fixtures_dir / "videos").iterdir()) if p.suffix in (".mp4", ".avi", ".gif")]
    assert len(sources) == 17
    for source in sources:
        seconds = probe(source).duration_s
        window = (0.3 * seconds, min(0.8 * seconds, 0.3 * seconds + 2))
        written = write_clip_file(source, *window, tmp_path / "clip.mp4")
        shown = read_frames(source, *window, ALL)
        copied = read_frames(tmp_path / "clip.mp4", 0, probe(tmp_path / "clip.mp4").duration_s, ALL)
        assert written.times_s == shown.times_s
        assert copied.times_s == pytest.approx(np.array(shown.times_s) - shown.times_s[0], abs=1e-4)
        assert np.abs(copied.pixels.astype(int) - shown.pixels).mean() < 3, source.name


@pytest.mark.parametrize(("width", "expected"), [(None, (480, 640)), (321, (240, 320)), (2000, (480, 640))])
def test_a_joined_clip_is_no_wider_than_asked_for(tmp_path, width, expected):
    noisy_video(tmp_path / "source.mp4", count=10)
    piece = ClipPiece(tmp_path / "source.mp4", 0.0, 0.3, offset_s=0.0)
    assert write_joined_clip([piece], tmp_path / "clip.mp4", width=width) == ""
    with OpenVideo(tmp_path / "clip.mp4") as video:
        assert video.display_size == expected
