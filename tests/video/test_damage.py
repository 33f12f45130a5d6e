"""One bad packet costs one frame; where pictures are missing or smeared is told."""

from itertools import pairwise

import av
import numpy as np
import pytest

from tests.clocks import numbers_shown, write_clock
from tests.remuxing import spoil_pictures
from vlm_autodrive.datasets.video_validation import VideoValidation, assess
from vlm_autodrive.records import Video
from vlm_autodrive.video import OpenVideo, SamplingSettings, VideoError, probe, read_frames, read_windows
from vlm_autodrive.video.check import check_video

ALL = SamplingSettings(fps=10, max_frames=64, height=32, width=64)
HEVC = {"x265-params": "log-level=none:keyint=30:min-keyint=30:bframes=0"}


def damaged(path, packet, how):
    """Overwrite one packet in its place; the container stays sound."""
    with av.open(str(path)) as source:
        position, size = [(p.pos, p.size) for p in source.demux(video=0) if p.size][packet]
    content = bytearray(path.read_bytes())
    fill = {"zero": bytes(size), "ones": b"\xff" * size, "random": np.random.default_rng(3).bytes(size)}[how]
    content[position : position + size] = fill
    path.write_bytes(content)
    return path


def notes_of(path):
    video = Video(video_id="a", path=str(path), positive=False, group_id="a", duration_s=1.0)
    found = VideoValidation(video_id="a", path=str(path), check=check_video(path))
    _, assessed = assess(video, found, None, strict=False, max_black_fraction=2, max_frozen_fraction=2)
    assert not assessed.problem
    return assessed.notes


@pytest.mark.parametrize("how", ["zero", "ones", "random"])
@pytest.mark.parametrize(
    ("name", "codec", "options", "until"),
    [
        ("a.mp4", "libx264", {}, 30),
        ("a.mov", "libx265", HEVC, 30),
        ("a.avi", "mpeg4", {"g": "10"}, 30),
        ("a.avi", "mjpeg", {}, 26),
        ("a.mp4", "mpeg4", {"g": "10"}, 30),
    ],
)
def test_one_bad_packet_costs_one_frame(tmp_path, name, codec, options, until, how):
    path = damaged(write_clock(tmp_path / name, codec=codec, options=options), 25, how)
    with OpenVideo(path) as video:
        times_s = [time_s for time_s, _ in video.frames(0.0)]
    missing = [i for i in range(60) if not any(abs(time_s - i / 10) < 0.01 for time_s in times_s)]
    assert missing in ([25], []), "what follows the packet is lost"
    (_, frames), *_ = read_windows(path, [(2.0, 6.0)], ALL)
    assert len(frames.times_s) == 40 - len(missing)
    assert numbers_shown(frames.pixels)[-30:] == list(range(30, 60))
    assert np.array_equal(read_frames(path, 2.0, 6.0, ALL).pixels, frames.pixels)
    if missing:
        assert notes_of(path)["damaged"] == (
            f"pictures are missing or smeared from 2.50 to {until / 10:.2f} s; 1 of 60 frames cannot be decoded"
        )


@pytest.mark.parametrize("threads", [False, True])
def test_threads_lose_no_more(tmp_path, threads):
    path = damaged(write_clock(tmp_path / "a.mp4"), 25, "zero")
    with OpenVideo(path, threads=threads) as video:
        assert len(list(video.frames(0.0))) == 59


def test_pictures_that_cannot_be_decoded_to_the_end_are_named_so(tmp_path):
    path = spoil_pictures(write_clock(tmp_path / "a.mp4"), 35)
    assert len(read_frames(path, 0, 3, ALL).times_s) == 30
    with pytest.raises(VideoError, match=r"no picture can be decoded from 3\.5 to 6\.0 s"):
        read_frames(path, 2, 6, ALL)


def test_lost_and_flipped_bytes_of_a_transport_stream_are_told_with_their_place(tmp_path):
    path = write_clock(tmp_path / "a.ts", size=(256, 128))
    content = path.read_bytes()
    middle = len(content) // 188 // 2
    path.write_bytes(content[: 188 * middle] + content[188 * (middle + 4) :])
    check = check_video(path)
    (start_s, end_s), *_ = check.damaged_s
    assert 2.0 < start_s < 4.0
    assert start_s < end_s <= start_s + 1.3  # the next key frame: one of twelve is
    assert "pictures are missing or smeared from" in notes_of(path)["damaged"]
    assert f"{start_s:.2f}" in probe(path).notes["damaged"]  # which import and detect keep


def test_a_hole_is_told_and_its_key_frame_ends_it(tmp_path):
    times_s = [i / 10 for i in range(60) if not 23 <= i < 28]
    path = write_clock(tmp_path / "a.mkv", times_s=times_s, gop=5)
    check = check_video(path)
    ((start_s, end_s),) = check.damaged_s
    assert start_s == pytest.approx(2.3, abs=0.01)
    assert 2.8 - 0.01 <= end_s <= 3.3
    assert probe(path).notes == {"damaged": f"pictures are missing or smeared from 2.30 to {end_s:.2f} s"}
    assert all(later - earlier < 0.7 for earlier, later in pairwise(times_s))


def test_sound_files_and_uneven_rates_have_no_damage(tmp_path):
    uneven = [0.0, 0.04, 0.3, 0.31, 0.7, 1.5, 1.52, 1.9, 2.6, 2.61, 2.9, 3.3, 3.31, 3.9, 4.4, 4.6, 5.0, 5.7]
    videos = [write_clock(tmp_path / "a.mp4", times_s=uneven)]
    videos += [write_clock(tmp_path / name) for name in ("a.ts", "a.mkv", "b.mp4")]
    assert [check_video(video).damaged_s for video in videos] == [()] * 4
    assert [probe(video).notes for video in videos] == [{}] * 4


def test_a_part_that_no_decoder_can_read_is_one_stretch_to_its_end(tmp_path):
    check = check_video(spoil_pictures(write_clock(tmp_path / "a.mp4"), 35))
    assert check.damaged_s == ((3.5, 6.0),)
    assert (check.frames, check.undecodable_frames) == (35, 25)


def test_a_short_video_with_one_hole_is_no_video_of_variable_rate(tmp_path):
    check = check_video(write_clock(tmp_path / "a.mkv", times_s=[i / 10 for i in range(40) if not 12 <= i < 35]))
    assert not check.variable_rate
    ((start_s, _),) = check.damaged_s
    assert start_s == pytest.approx(1.2, abs=0.01)
