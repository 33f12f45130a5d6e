"""Trips: which files are joined, what is told of gaps, and frames across cuts that equal those of one file."""

from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.detection.flashes import write_drive
from tests.trips import START, cut, seventy_mai, tesla
from vlm_autodrive.video import (
    SamplingSettings,
    VideoError,
    VideoInfo,
    join_files,
    probe,
    read_pictures,
    read_windows,
    trips,
)

TEN = SamplingSettings(fps=10, max_frames=64, height=36, width=64)


@pytest.fixture(scope="module")
def drive(tmp_path_factory):
    return write_drive(tmp_path_factory.mktemp("drive") / "drive.mp4", 30, flashes=[4, 19.9])


@pytest.fixture(scope="module")
def files(drive, tmp_path_factory):
    names = [seventy_mai(seconds=s, number=n) for n, s in enumerate((0, 10, 20))]
    return cut(drive, [10, 20], names, tmp_path_factory.mktemp("card") / "Normal")


def test_frames_across_cuts_equal_those_of_one_file(drive, files):
    [trip], copies = join_files(files[::-1])
    assert [Path(file.path) for file in trip.files] == files and copies == []
    assert [file.start_s for file in trip.files] == pytest.approx([0, 10, 20], abs=1e-6)
    assert trip.duration_s == pytest.approx(30) and trip.section_starts_s == () and trip.problem == ""
    windows = [(start / 2, start / 2 + 4.8) for start in range(0, 50, 3)]
    whole, joined = dict(read_windows(drive, windows, TEN)), dict(read_windows(trip.files, windows, TEN))
    assert whole.keys() == joined.keys() == set(windows)
    for window in windows:
        assert joined[window].times_s == pytest.approx(whole[window].times_s, abs=1e-5)
        assert np.array_equal(joined[window].pixels, whole[window].pixels)
    times = [25.3, 0.4, 9.95, 10.0, 19.9]
    for one, other in zip(read_pictures(trip.files, times, 64), read_pictures(drive, times, 64), strict=True):
        assert np.abs(one.astype(int) - other).max() <= 2


def test_wall_clock_times(files):
    [trip], _ = join_files(files)
    assert [file.recorded_at for file in trip.files] == [f"2023-05-01T12:00:{s:02d}" for s in (0, 10, 20)]


def test_a_file_that_vanishes_or_is_damaged_costs_its_own_windows(drive, tmp_path):
    files = cut(drive, [10, 20], [seventy_mai(seconds=s) for s in (0, 10, 20)], tmp_path)
    [trip], _ = join_files(files)
    files[1].unlink()
    windows = [(start, start + 4.0) for start in range(0, 27)]
    read = list(read_windows(trip.files, windows, TEN))
    assert [window for window, _ in read] == windows
    failed = [window for window, frames in read if isinstance(frames, VideoError)]
    assert failed == [window for window in windows if window[1] > 10.2 and window[0] < 20]


def test_an_unreadable_file_is_a_named_hole(drive, tmp_path):
    files = cut(drive, [10, 20], [seventy_mai(seconds=s) for s in (0, 10, 20)], tmp_path)
    files[1].write_bytes(b"x" * 5000)
    [trip], _ = join_files(files)
    assert [Path(file.path) for file in trip.files] == [files[0], files[2]]
    assert trip.section_starts_s == pytest.approx((10,))
    [hole] = trip.not_judged
    assert (Path(hole.path), hole.start_s, hole.duration_s) == (files[1], pytest.approx(10), 10)
    assert files[1].name in trip.problem and files[1].name in trip.notes["trip gaps"]


def test_gaps_and_stops(drive, tmp_path):
    names = [seventy_mai(seconds=s) for s in (0, 10, 32)]
    files = cut(drive, [10, 20], names, tmp_path)
    [trip], _ = join_files(files)
    assert trip.section_starts_s == pytest.approx((20,))
    assert trip.notes["trip gaps"] == f"12.0 s without footage before {names[2]} (20.0 s)"
    assert trip.files[2].recorded_at == "2023-05-01T12:00:32"
    far = files[2].rename(tmp_path / seventy_mai(seconds=20 + 301))
    assert [len(trip.files) for trip in join_files([*files[:2], far])[0]] == [2, 1]


def test_chapters(drive, tmp_path):
    files = cut(drive, [10, 20], ["GX010007.MP4", "GX020007.MP4", "GX040007.MP4"], tmp_path)
    other = cut(drive, [10], ["GX010008.MP4"], tmp_path)
    first, second = join_files([*other, *files])[0]
    assert [len(first.files), len(second.files)] == [1, 3]
    assert second.section_starts_s == pytest.approx((20,))
    assert "a chapter is missing" in second.notes["trip gaps"]


def test_cameras_channels_and_copies(drive, tmp_path):
    names = [
        f"truck1/RecentClips/{tesla(0)}",
        f"truck1/SavedClips/2023-05-01_12-00-15/{tesla(10)}",
        f"truck1/SavedClips/2023-05-01_12-00-15/{tesla(20)}",
    ]
    files = cut(drive, [10, 20], names, tmp_path)
    copy = tmp_path / "truck1" / "RecentClips" / tesla(10)
    copy.write_bytes(files[1].read_bytes())
    rear = cut(drive, [10], [f"truck1/RecentClips/{tesla(0, 'back')}"], tmp_path)
    other = cut(drive, [10], [f"truck2/RecentClips/{tesla(0)}"], tmp_path)
    trips, copies = join_files([*files, copy, *rear, *other])
    assert [len(trip.files) for trip in trips] == [3, 1, 1]
    assert [trip.folder.name for trip in trips] == ["truck1", "truck1", "truck2"]
    [left] = copies
    assert {left.path, Path(left.reason.removeprefix("a copy of "))} == {copy, files[1]}


def test_what_overlaps_is_a_trip_of_its_own(drive, tmp_path):
    files = cut(drive, [10, 20], [seventy_mai(seconds=s) for s in (0, 10, 20)], tmp_path)
    event = cut(drive, [10], [seventy_mai("EV", seconds=5)], tmp_path)
    first, second = join_files([*files, *event])[0]
    assert len(first.files) == 3 and first.section_starts_s == ()
    assert [Path(file.path) for file in second.files] == event
    assert "5 s before another file" in second.notes["overlaps"]


def test_a_container_tells_when_it_was_made(drive, tmp_path, monkeypatch):
    monkeypatch.setattr(trips, "probe", lambda path, stream: INFO)
    [trip], _ = join_files([tmp_path / "front.mp4"])
    assert trip.files[0].recorded_at == "2023-05-01T12:00:00+00:00"
    [trip], _ = join_files([tmp_path / f"GX0{n}0001.MP4" for n in (1, 2)])
    assert [file.recorded_at[14:19] for file in trip.files] == ["00:00", "00:10"]
    assert probe(drive).created_at is None


INFO = VideoInfo(10.0, 64, 36, "h264", 100, 100, 10.0, 0.0, (), {}, "2023-05-01T12:00:00+00:00")


@settings(max_examples=200)
@given(
    st.lists(
        st.tuples(st.floats(0.5, 400).map(lambda s: round(s, 3)), st.floats(-300, 700), st.booleans()),
        min_size=1,
        max_size=12,
    )
)
def test_no_second_is_lost(pieces):
    """Files of any lengths, gaps, overlaps and damage: each is in one trip, and its seconds count once."""
    known, now_s = {}, 0.0
    for number, (length_s, gap_s, readable) in enumerate(pieces):
        path = Path(seventy_mai(number=number, seconds=max(0.0, now_s)))
        known[path] = length_s if readable else None
        now_s = max(0.0, now_s) + length_s + gap_s

    def fake_probe(path, stream):
        if known[path] is None:
            raise VideoError(path, "damaged")
        return VideoInfo(known[path], 64, 36, "h264", 1, 1, known[path], 0.0, (), {})

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(trips, "probe", fake_probe)
        found, copies = join_files(list(known))
    assert copies == []
    assert sorted(path for trip in found for path in trip.paths) == sorted(known)
    assert sum(trip.duration_s for trip in found) == pytest.approx(sum(s or 0 for s in known.values()))
    assert {hole.path for trip in found for hole in trip.not_judged} == {str(p) for p, s in known.items() if s is None}
    for trip in found:
        starts = [file.start_s for file in trip.files]
        assert starts == pytest.approx(np.cumsum([0, *(file.duration_s for file in trip.files)])[:-1].tolist())
        for one, other in zip(trip.files, trip.files[1:], strict=False):
            gap_s = (_clock(other) - _clock(one)) - one.duration_s
            assert gap_s >= -1.0
            assert gap_s <= 1.0 or other.start_s in trip.section_starts_s


def _clock(file):
    stem = Path(file.path).stem
    found = stem[2:17]
    return (np.datetime64(f"{found[:4]}-{found[4:6]}-{found[6:8]}T{found[9:11]}:{found[11:13]}:{found[13:15]}")
            - np.datetime64(START)) / np.timedelta64(1, "s")  # fmt: skip
