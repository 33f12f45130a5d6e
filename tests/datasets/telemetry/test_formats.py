"""Every format: what was written into it is read from it, at the right time of the video."""

import sys

import numpy as np
import pytest

from tests.telemetry_files import (
    boxed,
    drive,
    gpmf_payload,
    gps_of_blackvue,
    gpx,
    nmea,
    rmc,
    shocks_of_blackvue,
    write_video_with,
)
from vlm_autodrive.datasets.telemetry.reading import read_telemetry, telemetry_files
from vlm_autodrive.records import Video


def read(path, duration_s=4.0, utc_offset_h=None, **changes):
    video = Video(video_id="v", path=str(path), positive=None, group_id="v", duration_s=duration_s, **changes)
    return read_telemetry(video, {}, utc_offset_h)


def assert_is_drive(series, points, first_s=0.0):
    times = [first_s + (point[0] - points[0][0]).total_seconds() for point in points]
    assert series.fix_times_s == pytest.approx(times, abs=1e-3)
    assert series.latitude_deg == pytest.approx([point[1] for point in points], abs=2e-7)
    assert series.longitude_deg == pytest.approx([point[2] for point in points], abs=2e-7)


@pytest.mark.parametrize("newer", [False, True], ids=["GPS5", "GPS9"])
@pytest.mark.parametrize("offset_s", [0.0, 2.0])
def test_gopro(tmp_path, newer, offset_s):
    unit = round(417 * 9.80665)
    payloads = []
    for second in range(4):
        # 0.5 g to the left and 0.25 g of braking in the third second; X is left, Y backward, Z upward
        moved = (unit, unit // 2, unit // 4) if second == 2 else (unit, 0, 0)
        fixes = [(47.1 + 1e-5 * (10 * second + step), 8.1, 15.0 + second) for step in range(10)]
        payloads.append(gpmf_payload([moved] * 200, fixes, newer=newer))
    path = write_video_with(tmp_path / "GX010001.MP4", payloads, offset_s=offset_s)
    series, note = read(path)
    assert (series.sources, series.alignment, note) == (("gpmf",), "the clock of the video file", "")
    assert series.fix_times_s == pytest.approx(np.arange(40) / 10, abs=1e-3)
    assert series.latitude_deg == pytest.approx(47.1 + 1e-5 * np.arange(40), abs=2e-7)
    assert series.speed_mps == pytest.approx(np.repeat([15.0, 16.0, 17.0, 18.0], 10), abs=1e-3)
    at = dict(zip(series.acceleration_times_s, zip(series.longitudinal_g, series.lateral_g, strict=True), strict=True))
    assert at[2.5] == pytest.approx((-0.25, -0.5), abs=2e-3)
    assert at[0.5] == pytest.approx((0.0, 0.0), abs=2e-3)
    assert series.peak_g(2.0, 3.0) == pytest.approx(np.hypot(0.25, 0.5), abs=2e-3)
    assert abs(np.array(series.vertical_g)).max() < 2e-3  # gravity is taken away


def test_gopro_axes_are_those_that_the_payload_names(tmp_path):
    unit = round(417 * 9.80665)
    # "YxZ": backward, then against the left, then upward
    payloads = [gpmf_payload([(-unit // 2 if s == 1 else 0, 0, unit)] * 50, axes=b"YxZ") for s in range(4)]
    series, note = read(write_video_with(tmp_path / "a.mp4", payloads))
    assert note == ""
    assert series.measured_at(1.5).longitudinal_g == pytest.approx(0.5, abs=0.01)
    assert series.measured_at(1.5).speed_kmh is None


def test_gopro_fixes_without_lock_are_left_out(tmp_path):
    payloads = [gpmf_payload(fixes=[(47.1, 8.1, 15.0)] * 10, fix=0 if s < 2 else 3) for s in range(3)]
    payloads.append(gpmf_payload(fixes=[(47.1, 8.1, 15.0)] * 10, precision=9999))
    series, note = read(write_video_with(tmp_path / "a.mp4", payloads))
    assert len(series.fix_times_s) == 10
    assert series.fix_times_s[0] == 2.0
    assert note == "left out: 30 without a fix"


@pytest.mark.parametrize("place", ["beside", "inside"])
def test_blackvue(tmp_path, place):
    times = np.arange(40) / 10
    forward, right = np.where(np.arange(40) == 25, -1.0, 0.0), np.where(np.arange(40) == 26, 0.5, 0.0)
    points = drive(4)
    gps, shocks = gps_of_blackvue(points), shocks_of_blackvue(times, forward, right, np.ones(40))
    path = write_video_with(tmp_path / "20200913_142640_EF.mp4", [])
    if place == "beside":
        (tmp_path / "20200913_142640_E.gps").write_bytes(gps)
        (tmp_path / "20200913_142640_E.3gf").write_bytes(shocks)
    else:
        path.write_bytes(path.read_bytes() + boxed(b"free", boxed(b"gps ", gps) + boxed(b"3gf ", shocks)))
    series, note = read(path)
    assert (series.sources, series.alignment, note) == (("blackvue",), "the begin of the recording", "")
    assert_is_drive(series, points)
    assert series.speed_mps == pytest.approx([10.0] * 4, abs=1e-3)
    assert series.acceleration_times_s == pytest.approx(times)
    assert series.longitudinal_g == pytest.approx(forward, abs=1e-3)
    assert series.lateral_g == pytest.approx(right, abs=1e-3)
    assert series.measured_at(2.6).model_dump(exclude_none=True) == {
        "speed_kmh": 36.0,
        "longitudinal_g": -1.0,
        "lateral_g": 0.5,
    }


def test_an_nmea_file_of_the_videos_length_begins_with_it(tmp_path):
    points = [(*point[:3], 10.0 + number, "A", "GN") for number, point in enumerate(drive(5))]
    (tmp_path / "Clip.NMEA").write_bytes(nmea(points))
    series, note = read(write_video_with(tmp_path / "clip.mp4", []))
    assert (series.sources, note) == (("nmea",), "")
    assert_is_drive(series, points)
    assert series.speed_mps == pytest.approx([10, 11, 12, 13, 14], abs=1e-3)


def test_nmea_in_a_text_track(tmp_path):
    points = drive(4, latitude=-37.9, longitude=-71.2)
    texts = [len(text).to_bytes(2, "big") + text for text in (rmc(*point) for point in points)]
    series, note = read(write_video_with(tmp_path / "a.mp4", texts, kind="mov_text"))
    assert (series.sources, series.alignment, note) == (("nmea",), "the clock of the video file", "")
    assert_is_drive(series, points)


def test_subtitles_are_no_telemetry(tmp_path):
    texts = [len(text).to_bytes(2, "big") + text for text in (b"Turn left", b"now", b"$GPRMC", b"there")]
    assert read(write_video_with(tmp_path / "a.mp4", texts, kind="mov_text")) == (None, "")


@pytest.mark.parametrize("speed", [False, True])
def test_gpx_by_the_creation_time(tmp_path, speed):
    hour = drive(3600, speed_mps=7.0)
    (tmp_path / "a.gpx").write_bytes(gpx(hour, speed=speed))
    path = write_video_with(tmp_path / "a.mp4", [], creation_time="2020-09-13T12:36:40.000000Z")
    series, note = read(path)
    assert (series.sources, series.alignment, note) == (("gpx",), "the creation time in the file", "")
    assert_is_drive(series, hour[600:605])
    assert series.speed_mps == pytest.approx([7.0] * 5, abs=0.05)


def test_local_time_in_the_name_needs_a_time_zone(tmp_path):
    hour = drive(3600)
    path = write_video_with(tmp_path / "2020_0913_143640_001.mp4", [])
    (tmp_path / "2020_0913_143640_001.gpx").write_bytes(gpx(hour))
    series, note = read(path)
    assert series is None
    assert "several time zones; set utc_offset_h" in note
    series, note = read(path, utc_offset_h=2.0)
    assert note == ""
    assert_is_drive(series, hour[600:605])
    assert "another time" in read(path, utc_offset_h=-5)[1]
    # Ten minutes fit one zone alone.
    (tmp_path / "2020_0913_143640_001.gpx").write_bytes(gpx(hour[300:900]))
    series, note = read(path)
    assert series.alignment == "the time in the file's name, in the only zone that fits"
    assert_is_drive(series, hour[600:605])
    # A container that repeats the name's local time is no UTC.
    (tmp_path / "2020_0913_143640_001.gpx").write_bytes(gpx(drive(5 * 3600)))
    write_video_with(path, [], creation_time="2020-09-13T14:36:41Z")
    assert "several time zones" in read(path)[1]


def test_the_creation_time_of_a_later_chapter_is_not_believed(tmp_path):
    for name in ("GX010007", "GX020007"):
        (tmp_path / f"{name}.gpx").write_bytes(gpx(drive(3600)))
        write_video_with(tmp_path / f"{name}.MP4", [], creation_time="2020-09-13T12:36:40Z")
    assert read(tmp_path / "GX010007.MP4")[0].fix_times_s[0] == 0.0
    assert read(tmp_path / "GX020007.MP4")[0] is None


def test_a_track_of_unknown_time_is_not_placed(tmp_path):
    (tmp_path / "a.gpx").write_bytes(gpx(drive(60)))
    series, note = read(write_video_with(tmp_path / "a.mp4", []))
    assert series is None
    assert note == "a.gpx is told in UTC, and neither its name nor the file tells when the video begins"


def test_telemetry_goes_up_to_a_gap(tmp_path):
    (tmp_path / "a.nmea").write_bytes(nmea(drive(5)))
    series, note = read(write_video_with(tmp_path / "a.mp4", []), section_starts_s=(2.5,))
    assert series.fix_times_s == (0.0, 1.0, 2.0)
    assert note == "placed up to the gap at 2.5 s"


@pytest.mark.parametrize(
    ("library", "name", "content"),
    [
        ("pynmeagps", "a.nmea", nmea(drive(5))),
        ("pynmeagps", "a.gps", gps_of_blackvue(drive(4))),
        ("gpxpy", "a.gpx", gpx(drive(5))),
        ("telemetry_parser", "", b""),
    ],
)
def test_without_the_library_a_sentence_says_what_to_install(tmp_path, monkeypatch, library, name, content):
    monkeypatch.setitem(sys.modules, library, None)
    path = write_video_with(tmp_path / "a.mp4", [] if name else [gpmf_payload(fixes=[(47.1, 8.1, 15.0)])])
    if name:
        (tmp_path / name).write_bytes(content)
    series, note = read(path)
    assert series is None
    assert note.endswith("pip install '.[telemetry]' to read it")
    assert ";" not in note


def test_front_and_rear_share_their_telemetry(tmp_path):
    for name in ("20200913_142640_N.gps", "20200913_142640_N.3gf", "20200913_142740_N.gps", "other.gpx"):
        (tmp_path / name).touch()
    for channel in ("NF", "NR", "NFL"):
        found = telemetry_files(tmp_path / f"20200913_142640_{channel}.mp4", {})
        assert {ending: path.name for ending, path in found.items()} == {
            ".gps": "20200913_142640_N.gps",
            ".3gf": "20200913_142640_N.3gf",
        }
    assert telemetry_files(tmp_path / "20200913_142840_NF.mp4", {}) == {}
    assert telemetry_files(tmp_path / "nowhere" / "a.mp4", {}) == {}
