"""Damaged telemetry: each file gives a series or a note, what is left out is told, and nothing ends the import."""

import random

import numpy as np
import pytest

from tests.datasets.telemetry.test_formats import read
from tests.telemetry_files import (
    BEGIN_MS,
    boxed,
    drive,
    gpmf_payload,
    gps_of_blackvue,
    gpx,
    nmea,
    shocks_of_blackvue,
    write_video_with,
)


@pytest.fixture(scope="module")
def video(tmp_path_factory):
    return write_video_with(tmp_path_factory.mktemp("videos") / "20200913_122640_NF.mp4", [])


def beside(video, tmp_path, ending, content):
    """A video of its own with one file beside it."""
    path = tmp_path / video.name
    path.hardlink_to(video)
    path.with_suffix(ending).write_bytes(content)
    return read(path)


TEXT = gpx(drive(5))
SHOCKS = shocks_of_blackvue(np.arange(40) / 10, np.zeros(40), np.zeros(40), np.ones(40))


@pytest.mark.parametrize(
    ("ending", "content", "told"),
    [
        (".nmea", b"", "has no fix with a time"),
        (".nmea", random.Random(0).randbytes(5000), "has no fix with a time"),
        (".nmea", "Gerät ausgeschaltet\n".encode("latin-1"), "has no fix with a time"),
        (".nmea", nmea([(*point, "V") for point in drive(5)]), "has no fix with a time"),
        (".nmea", nmea(drive(5)).replace(b",A*", b",A*0"), "has no fix with a time"),
        (".gps", b"[1600000000123]", "holds no fix and no acceleration"),
        (".gps", b"", "has no fix with a time"),
        (".gpx", b"", "is no GPX file"),
        (".gpx", TEXT[:300], "is no GPX file"),
        (".gpx", TEXT.replace(b"<time>", b"<tame>").replace(b"</time>", b"</tame>"), "has no point with a time"),
        (".gpx", TEXT.replace(b'lat="52', b'lat="north'), "is no GPX file"),
        (".gpx", gpx(drive(60)).replace(b"2020-", b"2010-"), "is of another time than the video"),
        (".3gf", b"", "holds no fix and no acceleration"),
        (".3gf", b"\xff" * 1000, "holds no fix and no acceleration"),
        (".3gf", SHOCKS[:7], "holds no fix and no acceleration"),
        (".3gf", bytes(400), "reads 0 g at rest instead of 1 g"),
        (".3gf", shocks_of_blackvue(np.arange(40) / 10, np.ones(40), np.zeros(40), np.zeros(40)), "looks up or down"),
    ],
)
def test_what_cannot_be_used_is_told(video, tmp_path, ending, content, told):
    series, note = beside(video, tmp_path, ending, content)
    assert series is None
    assert told in note


def test_what_can_be_used_is(video, tmp_path):
    points = drive(5)
    lines = nmea([points[0], (*points[1], "V"), *points[2:]]).split(b"\r\n")
    lines[2] = lines[2].replace(b"N,", b"S,")  # the checksum is wrong now
    lines.insert(1, b"\xff\xfe\x00 L\xf6we $GPRMC,garbage*00\n$GPRMC,,,,,,,,,*")
    series, note = beside(video, tmp_path, ".nmea", b"\n".join(lines))
    assert series.fix_times_s == (0.0, 3.0, 4.0)
    assert note == "left out: 3 damaged, 1 without a fix"


def test_jumps_and_steps_back_are_left_out(video, tmp_path):
    points = drive(5)
    far = (points[2][0], 10.0, 100.0, 10.0)
    series, note = beside(video, tmp_path, ".gps", gps_of_blackvue([points[0], points[1], far, points[1], *points[3:]]))
    assert series.fix_times_s == (0.0, 1.0, 3.0, 4.0)
    assert max(series.latitude_deg) < 53
    assert note == "left out: 1 not later than the one before, 1 too far from the one before"


def test_after_a_wrong_first_fix_the_others_are_believed(video, tmp_path):
    points = drive(5)
    wrong = (points[0][0], 10.0, 100.0, 500.0)
    series, note = beside(video, tmp_path, ".gps", gps_of_blackvue([wrong, *points[1:]]))
    assert series.fix_times_s == (0.0, 2.0, 3.0, 4.0)
    assert series.speed_mps[0] is None  # 1800 km/h
    assert note == "left out: 1 too far from the one before"


def test_one_file_of_two_can_be_used(video, tmp_path):
    path = tmp_path / video.name
    path.hardlink_to(video)
    path.with_suffix(".gps").write_bytes(b"\x00" * 100)
    path.with_suffix(".3gf").write_bytes(SHOCKS)
    series, note = read(path)
    assert len(series.acceleration_times_s) == 40
    assert "has no fix with a time" in note
    path.with_suffix(".gps").write_bytes(gps_of_blackvue(drive(4)))
    path.with_suffix(".3gf").write_bytes(b"\x01" * 401)
    series, note = read(path)
    assert len(series.fix_times_s) == 4
    assert series.acceleration_times_s == ()
    assert "instead of 1 g" in note


def test_shock_files_that_step_back(video, tmp_path):
    content = SHOCKS[:200] + SHOCKS[100:]
    series, note = beside(video, tmp_path, ".3gf", content)
    assert series.acceleration_times_s == pytest.approx(np.arange(40) / 10)
    assert note == "left out: 10 accelerations not later than one before"


def test_impossible_shocks_are_left_out(video, tmp_path):
    forward = np.where(np.arange(40) == 7, 200.0, 0.0)
    content = shocks_of_blackvue(np.arange(40) / 10, forward, np.zeros(40), np.ones(40))
    series, note = beside(video, tmp_path, ".3gf", content)
    assert (series.peak_g(0.0, 4.0), len(series.acceleration_times_s)) == (0.0, 39)
    assert note == "left out: 1 accelerations beyond 50 g"


@pytest.mark.parametrize("seed", [*range(8), 25, 161, 251, 350])  # the last four once raised
def test_damaged_gopro_payloads(tmp_path, seed):
    rng = random.Random(seed)
    sound = gpmf_payload([(4090, 0, 0)] * 5, [(47.1, 8.1, 15.0)] * 2, newer=seed % 2 == 0)
    damaged = bytearray(sound)
    for _ in range(rng.choice([1, 2, 4, 10])):
        at = rng.randrange(len(damaged))
        damaged[at] = rng.choice([0, 255, rng.randrange(256), damaged[at] ^ 1])
    damaged = damaged[: rng.randrange(1, len(damaged))] if seed in (0, 3) else damaged
    series, note = read(write_video_with(tmp_path / "a.mp4", [sound, bytes(damaged), sound], seconds=3), 3.0)
    assert len(series.fix_times_s) >= 4
    assert set(series.latitude_deg) >= {47.1}
    assert ("damaged payloads" in note) == (seed in (25, 161, 251, 350))


def test_gopro_track_of_nonsense(tmp_path):
    series, note = read(write_video_with(tmp_path / "a.mp4", [b"nonsense" * 10] * 4))
    assert series is None
    assert "GoPro telemetry" in note


def test_boxes_that_lie_about_their_size(tmp_path):
    path = write_video_with(tmp_path / "a.mp4", [])
    whole = path.read_bytes()
    for tail in (
        b"\xff\xff\xff\xfffree",
        b"\x00\x00\x00\x04free",
        b"\x00\x00\x00\x01free\xff" * 3,
        boxed(b"free", b""),
    ):
        path.write_bytes(whole + tail)
        assert read(path) == (None, "")
    path.write_bytes(whole + boxed(b"free", boxed(b"gps ", b"[1600000000123]$GPRMC,") + b"\xff\xff\xff\xff3gf "))
    assert "holds no fix and no acceleration" in read(path)[1]


def test_hours_are_read_whole(video, tmp_path):
    hours = 3 * 3600
    points = drive(hours)
    path = tmp_path / video.name
    path.hardlink_to(video)
    path.with_suffix(".gps").write_bytes(gps_of_blackvue(points, begin_ms=BEGIN_MS))
    times = np.arange(10 * hours) / 10
    zeros = np.zeros(len(times))
    path.with_suffix(".3gf").write_bytes(shocks_of_blackvue(times, zeros, zeros, np.ones(len(times))))
    series, note = read(path, duration_s=float(hours))
    assert (len(series.fix_times_s), len(series.acceleration_times_s), note) == (hours, 10 * hours, "")
    assert len(series.model_dump_json()) < 8_000_000
