"""Every video of a catalog is decoded where it can do no harm; what cannot be used says why, as far as the clips."""

import csv
import functools
import json
import os
import re
import subprocess
import sys
import time
from pathlib import Path

import av
import numpy as np
import pytest
from pydantic import BaseModel
from typer.testing import CliRunner

from tests.clocks import turn, write_clock
from tests.remuxing import faststart
from vlm_autodrive.artifacts import read_clips, read_events, read_videos, write_catalog, writing_artifact
from vlm_autodrive.cli.main import app
from vlm_autodrive.clips import ClipSettings, build_clips
from vlm_autodrive.datasets import ImportSettings, ValidateSettings, import_dataset, read_validations, validate
from vlm_autodrive.records import DEFAULT_TAXONOMY, Event, Video
from vlm_autodrive.video import DecodeLimits, SubprocessVideoChecker, join_files
from vlm_autodrive.video.check import check_video

ROOT = Path(__file__).parents[2]


class Nothing(BaseModel):
    pass


def moving(path, count=40, fps=10, size=(128, 64), codec="libx264", **how):
    """A clock is a moving picture: no two frames that follow each other show the same number."""
    return write_clock(path, count=count, fps=fps, size=size, codec=codec, **how)


def shades(path, levels, fps=10):
    """Frames of one grey each."""
    with av.open(str(path), "w") as container:
        stream = container.add_stream("libx264", rate=fps, options={"crf": "10"})
        stream.width, stream.height, stream.pix_fmt = 128, 64, "yuv420p"
        for level in levels:
            container.mux(stream.encode(av.VideoFrame.from_ndarray(np.full((64, 128, 3), level, np.uint8), "rgb24")))
        container.mux(stream.encode())
    return path


def halved(path, share=0.5):
    content = path.read_bytes()
    path.write_bytes(content[: int(len(content) * share)])
    return path


def catalog_of(folder, paths, events=(), problems=None):
    """A finished catalog with these files, each a Normal video unless an event is given for it."""
    shown = {event.video_id for event in events}
    videos = []
    for path in paths:
        problem = (problems or {}).get(path.stem, "")
        duration_s = None if problem == "the file does not exist" else 4.0
        videos.append(
            Video(
                video_id=path.stem, path=str(path), positive=path.stem in shown, group_id=path.stem, problem=problem,
                duration_s=duration_s,
            )
        )  # fmt: skip
    with writing_artifact(folder, "catalog", {}, Nothing()) as partial:
        write_catalog(partial, folder, DEFAULT_TAXONOMY, videos, events, [], [])
    return folder


@pytest.fixture
def odd_videos(tmp_path):
    folder = tmp_path / "videos"
    folder.mkdir()
    sound = moving(folder / "sound.mp4")
    turned = moving(folder / "turned.mp4")
    turn(turned, (0, 1, -1, 0))
    uneven = [0.0, 0.04, 0.3, 0.31, 0.7, 1.5, 1.52, 1.9, 2.6, 2.61, 2.9, 3.3, 3.31, 3.9]
    (folder / "empty.mp4").touch()
    (folder / "random.mp4").write_bytes(os.urandom(50_000))
    return [
        sound,
        turned,
        moving(folder / "uneven.mp4", times_s=uneven),
        moving(folder / "late.ts", offset_s=3.7),
        halved(faststart(moving(tmp_path / "whole.mp4", count=100), folder / "cut.mp4")),
        shades(folder / "black.mp4", [4] * 40),
        shades(folder / "frozen.mp4", [120] * 40),
        shades(folder / "partly.mp4", [*range(60, 140, 4), *[4] * 15]),
        folder / "empty.mp4",
        folder / "random.mp4",
        folder / "missing.mp4",
    ]


def test_what_is_wrong_is_found_and_quarantined_with_its_reason(odd_videos, tmp_path):
    event = Event(event_id="e", video_id="sound", event_class="collision", time_s=2.0)
    catalog = catalog_of(tmp_path / "catalog", odd_videos, [event])
    summary = validate(catalog, tmp_path / "out", ValidateSettings(), workers=2)
    found = {each.video_id: each for each in read_validations(tmp_path / "out")}
    assert list(found) == [path.stem for path in odd_videos]
    assert summary.quarantined == {
        "black": "all of it is black",
        "frozen": "nothing in it ever changes",
        "empty": "the file is empty",
        "random": "not a video, or cut off at its end",
        "missing": "the file does not exist",
    }
    assert summary.usable == 6
    assert found["sound"].notes == {}
    assert (found["sound"].check.frames, found["sound"].check.header_frames) == (40, 40)
    assert found["sound"].check.duration_s == pytest.approx(4.0, abs=0.001)
    assert found["turned"].notes == {"rotated": "pictures are turned by 270 degrees to stand upright"}
    assert (found["turned"].check.width, found["turned"].check.height) == (64, 128)
    assert found["uneven"].check.variable_rate
    assert (found["uneven"].check.shortest_gap_s, found["uneven"].check.longest_gap_s) == (0.01, 0.8)
    assert "begins at 5.1" in found["late"].notes["start offset"] or found["late"].check.start_s > 3
    assert set(found["cut"].notes) >= {"cut off"}
    assert found["cut"].notes["cut off"].startswith("ends after ")
    assert found["partly"].check.black_s == pytest.approx(1.5, abs=0.11)
    videos = {video.video_id: video for video in read_videos(tmp_path / "out")}
    assert videos["cut"].problem == ""
    assert 1 < videos["cut"].duration_s < 9
    assert {name for name, video in videos.items() if video.problem} == set(summary.quarantined)
    assert [Path(video.path) for video in videos.values()] == odd_videos
    assert read_events(tmp_path / "out") == [event]
    build_clips(tmp_path / "out", tmp_path / "clips", ClipSettings(window_s=1.5))
    clips = read_clips(tmp_path / "clips")
    for name, reason in summary.quarantined.items():
        assert [clip.problem for clip in clips if clip.video_id == name] == [reason]
    assert all(clip.end_s <= videos["cut"].duration_s for clip in clips if clip.video_id == "cut")


def test_cut_off_is_refused_when_strict_or_where_its_event_is_lost(odd_videos, tmp_path):
    cut = [path for path in odd_videos if path.stem in ("cut", "sound")]
    strict = validate(catalog_of(tmp_path / "a", cut), tmp_path / "a2", ValidateSettings(strict=True))
    assert list(strict.quarantined) == ["cut"]
    assert strict.quarantined["cut"].startswith("ends after ")
    lost = [Event(event_id="e", video_id="cut", event_class="collision", time_s=9.5)]
    lenient = validate(catalog_of(tmp_path / "b", cut, lost), tmp_path / "b2", ValidateSettings())
    assert lenient.quarantined["cut"].endswith("before its event at 9.5 s")


def test_problems_of_annotation_stay_and_those_of_reading_do_not(tmp_path):
    paths = [moving(tmp_path / f"{name}.mp4") for name in ("back", "wrong")]
    problems = {"back": "the file does not exist", "wrong": "it lies in negative, but has an event's time"}
    summary = validate(catalog_of(tmp_path / "c", paths, problems=problems), tmp_path / "out", ValidateSettings())
    assert summary.quarantined == {"wrong": problems["wrong"]}


WORKER = """
import os, signal, sys, time
from vlm_autodrive.video.check import check_video
from vlm_autodrive.video.subprocess_check import serve

def check(path, tell, stream):
    if "segfault" in path.name:
        import ctypes
        ctypes.string_at(0)
    if "killed" in path.name:
        os.kill(os.getpid(), signal.SIGKILL)
    if "hangs" in path.name:
        time.sleep(60)
    if "slow" in path.name:
        for second in range(12):
            time.sleep(0.5)
            tell(float(second))
    return check_video(path, tell)

serve(int(sys.argv[1]), check)
"""
CRASHING = (sys.executable, "-c", WORKER)


def test_a_crash_of_the_decoder_is_that_videos_reason_and_nothing_else(tmp_path):
    names = ["a", "segfault", "b", "killed", "hangs", "slow", "c"]
    paths = [moving(tmp_path / f"{name}.mp4") for name in names]
    summary = validate(
        catalog_of(tmp_path / "catalog", paths),
        tmp_path / "out",
        ValidateSettings(stall_timeout_s=4.0),
        workers=2,
        check_with=functools.partial(SubprocessVideoChecker, worker=CRASHING),
    )
    assert summary.quarantined == {
        "segfault": "the decoder crashed on it (SIGSEGV)",
        "killed": "the decoder crashed on it (SIGKILL)",
        "hangs": "decoding it made no progress for 4 s",
    }
    assert summary.usable == 4, "a slow one that gets on may take longer than the limit of progress"


def test_memory_is_limited(tmp_path):
    path = moving(tmp_path / "huge.avi", codec="mjpeg", size=(8000, 8000), count=1)
    with SubprocessVideoChecker(DecodeLimits(memory_mb=64)) as checker:
        assert checker.check(path) == "decoding it takes more than 64 MB of memory"
        assert checker.check(moving(tmp_path / "small.mp4")).frames == 40
    with SubprocessVideoChecker(DecodeLimits()) as checker:
        assert checker.check(path).frames == 1


def test_a_killed_run_goes_on_where_it_was(tmp_path):
    paths = [moving(tmp_path / f"{number:03d}.mp4", count=60, size=(320, 240)) for number in range(30)]
    catalog = catalog_of(tmp_path / "catalog", paths)
    command = [sys.executable, "-m", "vlm_autodrive.cli.main", "validate", str(catalog), "--out", str(tmp_path / "out")]
    program = "from vlm_autodrive.cli.main import main; main()"
    command = [sys.executable, "-c", program, *command[3:], "--workers", "1"]
    process = subprocess.Popen(command, stderr=subprocess.DEVNULL, stdout=subprocess.DEVNULL)

    def lines():
        done = list(tmp_path.glob(".out.partial-*/checks.jsonl"))
        return done[0].read_bytes().count(b"\n") if done else 0

    ends_at = time.monotonic() + 60
    while lines() < 3 and time.monotonic() < ends_at:
        time.sleep(0.01)
    process.kill()
    process.wait()
    before = lines()
    assert 3 <= before < 30
    assert not (tmp_path / "out").exists()
    counted = []

    class Counting(SubprocessVideoChecker):
        def check(self, path, stream):
            counted.append(path)
            return super().check(path, stream)

    summary = validate(catalog, tmp_path / "out", ValidateSettings(), workers=1, check_with=Counting)
    assert (summary.videos, summary.usable) == (30, 30)
    assert len(counted) == 30 - before
    validate(catalog, tmp_path / "out", ValidateSettings(), check_with=Counting)
    assert len(counted) == 30 - before  # nothing was to be done
    moving(paths[0], count=20)
    again = validate(catalog, tmp_path / "out", ValidateSettings(), overwrite=True)
    assert again.hours < summary.hours  # another file is another result


def run(*arguments):
    return CliRunner().invoke(app, [str(argument) for argument in arguments])


def test_the_command_line(odd_videos, tmp_path):
    catalog = catalog_of(tmp_path / "catalog", odd_videos)
    result = run("validate", catalog)
    assert result.exit_code == 0, result.output
    assert "cannot be used: the file is empty" in result.stdout
    assert "6 can be used, 5 cannot" in result.stdout
    first_words = [line.split()[0] for line in result.stdout.splitlines() if line[:1].strip()]
    table = [word for word in first_words if word in {path.stem for path in odd_videos}]
    assert set(table[:5]) == {"black", "frozen", "empty", "random", "missing"}
    assert table[-1] == "sound"  # nothing is to be said of it
    assert result.stdout.strip().splitlines()[-1] == str(tmp_path / "catalog-validated")
    strict = run("validate", catalog, "--strict", "--json", "--out", tmp_path / "strict")
    assert strict.exit_code == 1
    assert len(json.loads(strict.stdout)["quarantined"]) == 6
    none = catalog_of(tmp_path / "none", [tmp_path / "videos" / "empty.mp4"])
    assert run("validate", none).exit_code == 1
    wrong = run("validate", tmp_path)
    assert wrong.exit_code == 1
    assert "catalog" in wrong.output


@pytest.mark.fixtures
def test_all_real_clips_can_be_used(fixtures_dir, tmp_path):
    rows = list(csv.DictReader((fixtures_dir / "videos" / "labels.csv").open()))
    catalog = catalog_of(tmp_path / "catalog", [fixtures_dir / "videos" / row["file"] for row in rows])
    summary = validate(catalog, tmp_path / "out", ValidateSettings())
    assert (summary.videos, summary.quarantined) == (17, {})
    for row, each in zip(rows, read_validations(tmp_path / "out"), strict=True):
        assert each.check.duration_s == pytest.approx(float(row["duration_s"]), abs=0.02)
        assert (each.check.codec, each.check.width) == (row["codec"], int(row["width"]))


def test_a_still_camera_is_not_frozen(tmp_path):
    path = tmp_path / "still.mp4"
    rng = np.random.default_rng(0)
    scene = rng.integers(60, 200, (64, 128, 3))
    with av.open(str(path), "w") as container:
        stream = container.add_stream("libx264", rate=10, options={"crf": "18"})
        stream.width, stream.height, stream.pix_fmt = 128, 64, "yuv420p"
        for _ in range(30):
            noisy = np.clip(scene + rng.normal(0, 4, scene.shape), 0, 255).astype(np.uint8)
            container.mux(stream.encode(av.VideoFrame.from_ndarray(noisy, "rgb24")))
        container.mux(stream.encode())
    assert check_video(path).frozen_s < 1


@pytest.mark.parametrize(("shown_fps", "fps"), [(15, 30), (1, 60), (0.5, 30)])
def test_repeated_frames_are_no_standstill(tmp_path, shown_fps, fps):
    """Many recorders fill up their frame rate by repeating pictures."""
    repeats, seconds = round(fps / shown_fps), 12
    levels = [60 + 40 * (number // repeats % 2) + number // repeats % 90 for number in range(seconds * fps)]
    catalog = catalog_of(tmp_path / "catalog", [shades(tmp_path / "a.mp4", levels, fps)])
    assert validate(catalog, tmp_path / "out", ValidateSettings()).usable == 1
    (found,) = read_validations(tmp_path / "out")
    assert "frozen" not in found.notes
    assert found.check.frozen_s == pytest.approx((repeats - 1) / fps, abs=0.001)


def test_the_longest_standstill_is_told(tmp_path):
    levels = [*range(60, 100, 2), *[98] * 39, *range(100, 142, 2), *[140] * 10]
    catalog = catalog_of(tmp_path / "catalog", [shades(tmp_path / "a.mp4", levels)])
    validate(catalog, tmp_path / "out", ValidateSettings())
    (found,) = read_validations(tmp_path / "out")
    assert found.notes == {"frozen": "nothing changes for 3.9 s"}


def test_import_validation_and_detection_use_the_same_files(odd_videos, tmp_path):
    """What opens and whose first frame decodes is used; how much of it is there is noted."""
    folder = odd_videos[0].parent
    (folder / "page.mp4").write_text("<!DOCTYPE html><title>Sign in</title>")
    import_dataset("video-folder", folder, tmp_path / "catalog", ImportSettings())
    imported = {video.video_id: video for video in read_videos(tmp_path / "catalog")}
    everything = ValidateSettings(max_black_fraction=1.01, max_frozen_fraction=1.01)
    validate(tmp_path / "catalog", tmp_path / "validated", everything, workers=1)
    validated = {video.video_id: video for video in read_videos(tmp_path / "validated")}
    searched = {trip.path.stem: trip for trip in join_files(list(folder.iterdir()))[0]}
    refused = {name for name, video in imported.items() if video.problem}
    assert refused == {"empty", "random", "page"}
    assert refused == {name for name, video in validated.items() if video.problem}
    assert refused == {name for name, trip in searched.items() if not trip.files}
    for name in refused:
        assert imported[name].problem == validated[name].problem == searched[name].problem
    cut = [imported["cut"].notes["cut off"], validated["cut"].notes["cut off"], searched["cut"].problem]
    assert all(re.fullmatch(r"ends after \d\.\d of 9\.9 s", note) for note in cut)
