"""From files to clips: telemetry in the catalog, its numbers and shocks in the clips of every class."""

import numpy as np
import pytest

from tests.datasets.test_import_stage import Listener
from tests.telemetry_files import drive, gps_of_blackvue, shocks_of_blackvue, write_video_with
from vlm_autodrive.artifacts import iterate_telemetry, read_clips, read_events, read_videos
from vlm_autodrive.clips import ClipSettings, build_clips
from vlm_autodrive.datasets import ImportSettings, ValidateSettings, import_dataset, validate

SECONDS = 12


def shocks(blow_s=None):
    times = np.arange(10 * SECONDS) / 10
    forward = np.where(times == blow_s, -2.0, 0.1 * np.sin(times))
    return shocks_of_blackvue(times, forward, np.where(times == blow_s, 1.5, 0.0), np.ones(len(times)))


@pytest.fixture
def source(tmp_path):
    folder = tmp_path / "set"
    folder.mkdir()
    names = ["blow", "calm", "told", "bare", "broken"]
    for name in names:
        write_video_with(folder / f"{name}.mp4", [], seconds=SECONDS)
    for number, name in enumerate(names[:3]):
        (folder / f"{name}.gps").write_bytes(gps_of_blackvue(drive(SECONDS, speed_mps=10.0 + number)))
        (folder / f"{name}.3gf").write_bytes(shocks(None if name == "calm" else 6.0))
    (folder / "broken.gpx").write_bytes(b"<gpx")
    (folder / "manifest.csv").write_text(
        "video,class,event_time_s,speed_kmh\nblow.mp4,collision,6.0,\ncalm.mp4,normal,,\ntold.mp4,collision,6.0,99\n"
        "bare.mp4,normal,,\nbroken.mp4,collision,6.0,\n"
    )
    return folder


def test_telemetry_reaches_the_clips(source, tmp_path):
    catalog, listener = tmp_path / "catalog", Listener()
    import_dataset("manifest", source, catalog, ImportSettings(), listener)
    series = {one.video_id: one for one in iterate_telemetry(catalog)}
    assert list(series) == ["blow", "calm", "told"]
    videos = {video.video_id: video for video in read_videos(catalog)}
    assert not any(video.problem for video in videos.values())
    assert videos["broken"].notes["telemetry"].startswith("used without its telemetry: broken.gpx is no GPX file")
    assert videos["blow"].notes == {}
    assert "telemetry: blackvue 3; 3 videos with speed and position, 3 with acceleration" in listener.lines
    assert any("1 videos are used without their telemetry" in line for line in listener.lines)

    build_clips(catalog, tmp_path / "clips", ClipSettings(window_s=8.0))
    clips = {clip.video_id: clip for clip in read_clips(tmp_path / "clips")}
    recorded = clips["blow"].incident
    measured = (recorded.speed_kmh, recorded.longitudinal_g, recorded.lateral_g)
    assert measured == pytest.approx((36.0, -2.0, 1.5), abs=0.02)
    assert clips["blow"].peak_g == pytest.approx(2.5, abs=0.02)
    # What a person wrote stays, and what nobody wrote is measured.
    assert (clips["told"].incident.speed_kmh, clips["told"].incident.lateral_g) == (99.0, 1.5)
    # A clip without event has numbers as well.
    assert clips["calm"].incident.known == ("speed_kmh", "longitudinal_g", "lateral_g")
    assert clips["calm"].incident.speed_kmh == pytest.approx(39.6)
    assert clips["calm"].peak_g < 0.2
    for name in ("bare", "broken"):
        assert clips[name].peak_g is None
        assert clips[name].incident.known == ()


def test_new_telemetry_makes_the_catalog_anew_and_can_be_left_out(source, tmp_path):
    catalog = tmp_path / "catalog"
    (source / "blow.3gf").unlink()
    import_dataset("manifest", source, catalog, ImportSettings())
    before = next(iterate_telemetry(catalog))
    (source / "blow.3gf").write_bytes(shocks(6.0))
    import_dataset("manifest", source, catalog, ImportSettings(), overwrite=True)
    assert before.peak_g(0, SECONDS) is None
    assert next(iterate_telemetry(catalog)).peak_g(0, SECONDS) == pytest.approx(2.5, abs=0.02)
    import_dataset("manifest", source, tmp_path / "without", ImportSettings(telemetry=False))
    assert list(iterate_telemetry(tmp_path / "without")) == []
    assert not (tmp_path / "without" / "telemetry.jsonl").exists()
    assert read_videos(tmp_path / "without")[-1].notes == {}
    assert read_events(catalog) == read_events(tmp_path / "without")


@pytest.mark.slow
def test_validation_keeps_telemetry(source, tmp_path):
    import_dataset("manifest", source, tmp_path / "catalog", ImportSettings())
    validate(tmp_path / "catalog", tmp_path / "validated", ValidateSettings(), workers=1)
    assert list(iterate_telemetry(tmp_path / "validated")) == list(iterate_telemetry(tmp_path / "catalog"))
