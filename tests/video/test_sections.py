"""A clock that jumps, restarts or strays: length is footage, and every frame has its place in it."""

import pytest

from tests.clocks import numbers_shown, write_clock
from vlm_autodrive.video import OpenVideo, SamplingSettings, probe, read_frames, read_pictures, read_windows
from vlm_autodrive.video.sections import PacketClock, find_timeline

ALL = SamplingSettings(fps=10, max_frames=64, height=32, width=64)
B_FRAMES = {"preset": "medium", "bf": "2"}


def jumping(path, by_s, **how):
    """Five seconds, a jump of the clock, and one second more, at 10 frames a second."""
    return write_clock(path, times_s=[i / 10 + by_s * (i >= 50) for i in range(60)], **how)


def joined(path, *parts):
    path.write_bytes(b"".join(part.read_bytes() for part in parts))
    return path


def assert_in_two_sections(path, at_s=5.0, numbers=None):
    """All frames are there at footage times, by every way of reading, and the gap is told."""
    numbers = list(range(60)) if numbers is None else numbers
    info = probe(path)
    assert info.frames == len(numbers)
    assert info.duration_s == pytest.approx(len(numbers) / 10, abs=0.01)
    assert info.section_starts_s == pytest.approx((at_s,), abs=0.01)
    assert f"at {at_s:.1f} s; the footage is 2 continuous sections" in info.notes["gaps"]
    with OpenVideo(path) as video:
        times_s = [time_s for time_s, _ in video.frames(0.0)]
    assert times_s == pytest.approx([i / 10 for i in range(len(numbers))], abs=0.002)
    windows = [(0.5, 2.0), (at_s - 2.0, at_s), (at_s, at_s + 1.0), (at_s + 0.3, at_s + 0.8)]
    together = dict(read_windows(path, windows, ALL))
    for window in windows:
        wanted = [numbers[i] for i in range(len(numbers)) if window[0] - 1e-3 <= i / 10 < window[1] - 1e-3]
        for frames in (together[window], read_frames(path, *window, ALL)):
            assert numbers_shown(frames.pixels) == wanted
    pictures = read_pictures(path, [at_s + 0.51, 0.31, at_s - 0.12], 128)
    assert [numbers_shown(picture[None])[0] for picture in pictures] == [
        numbers[round(10 * at_s) + 5], numbers[3], numbers[round(10 * at_s) - 1]
    ]  # fmt: skip
    return info


@pytest.mark.parametrize("by_s", [20.0, 120.0, 95443.0])
@pytest.mark.parametrize("name", ["a.mp4", "a.mkv", "a.ts"])
def test_a_jump_is_no_length(tmp_path, name, by_s):
    assert_in_two_sections(jumping(tmp_path / name, by_s, options=B_FRAMES))


def test_a_clock_that_restarts_in_a_joined_file_goes_on(tmp_path):
    parts = [write_clock(tmp_path / f"{i}.ts", times_s=[j / 10 for j in range(30)], options=B_FRAMES) for i in (0, 1)]
    assert_in_two_sections(joined(tmp_path / "a.ts", *parts), 3.0, [*range(30), *range(30)])


def test_a_clock_that_is_set_back_while_recording_goes_on(tmp_path):
    early = write_clock(tmp_path / "early.ts", times_s=[j / 10 for j in range(30)])
    late = write_clock(tmp_path / "late.ts", times_s=[j / 10 for j in range(30)], offset_s=1000.0)
    assert_in_two_sections(joined(tmp_path / "a.ts", late, early), 3.0, [*range(30), *range(30)])
    assert_in_two_sections(joined(tmp_path / "b.ts", early, late), 3.0, [*range(30), *range(30)])


def test_many_joined_files(tmp_path):
    part = write_clock(tmp_path / "part.ts", times_s=[j / 10 for j in range(20)])
    path = joined(tmp_path / "a.ts", *[part] * 9)
    info = probe(path)
    assert info.section_starts_s == pytest.approx([2.0 * i for i in range(1, 9)], abs=0.01)
    assert info.duration_s == pytest.approx(18.0, abs=0.01)
    assert "and 3 more times; the footage is 9 continuous sections" in info.notes["gaps"]
    assert numbers_shown(read_frames(path, 14.0, 16.0, ALL).pixels) == list(range(20))


@pytest.mark.parametrize("times_s", [[i * 8.0 for i in range(30)], [0.0, 0.04, 9.0, 9.3, 12.0, 20.5, 21.0]])
def test_few_frames_are_no_gaps(tmp_path, times_s):
    """A time lapse has a frame every few seconds, and a recorder may leave out what does not change."""
    info = probe(write_clock(tmp_path / "a.mkv", times_s=times_s))
    assert info.section_starts_s == ()
    assert "gaps" not in info.notes
    assert info.duration_s >= times_s[-1]


def clock_of(stamps, clock=None):
    count = len(stamps)
    return PacketClock(tuple(clock or stamps), tuple(stamps), (True,) * count, (False,) * count, (1,) * count)


@pytest.mark.parametrize("wrong", [10**6, -500])
def test_a_packet_with_a_wrong_time_is_no_section(wrong):
    stamps = [*range(100), 100 + wrong, *range(101, 200)]
    timeline = find_timeline(clock_of(stamps), 0.1, 0)
    assert [(s.first, s.last) for s in timeline.sections] == [(0, 199)]
    assert timeline.footage_time(0, 150, 0.1) == pytest.approx(15.0)
    assert timeline.footage_time(0, 100 + 10**6, 0.1) is None


def test_frames_that_are_shown_in_another_order_are_no_restart():
    order = [0, 3, 1, 2, 6, 4, 5, 9, 7, 8]
    assert len(find_timeline(clock_of(order), 0.2, 0).sections) == 1


@pytest.mark.timeout(20)  # a quarter of a second; where each section is compared with every other it takes a minute
def test_a_file_of_many_sections_takes_no_longer_for_it():
    """A recorder that motion wakes: two frames every half a minute."""
    stamps = [number // 2 * 300 + number % 2 for number in range(20_000)]
    timeline = find_timeline(clock_of(stamps), 0.1, 0)
    assert len(timeline.sections) == 10_000
    times_s = [timeline.footage_time(timeline.run_of(place), stamp, 0.1) for place, stamp in enumerate(stamps)]
    assert times_s == pytest.approx([number * 0.1 for number in range(20_000)])
