"""The cache gives what decoding gives, decodes once, and never mixes videos or settings up."""

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest

from tests.clocks import numbers_shown
from vlm_autodrive.errors import UserError
from vlm_autodrive.progress import SilentReporter
from vlm_autodrive.records import Clip
from vlm_autodrive.video import FrameCache, Frames, SamplingSettings, VideoError, frame_cache, read_frames
from vlm_autodrive.video.frame_store import FrameStore

SMALL = SamplingSettings(fps=10 / 3, max_frames=16, height=32, width=64)


def clip(path, start_s=0.0, end_s=3.0, name="c", problem=""):
    return Clip(
        clip_id=name, video_id="v", path=str(path), start_s=start_s, end_s=end_s, split="train", event_class="normal",
        event_time_s=None, alert_time_s=None, ego_involved=None, group_id="v", triplet_id=None, metadata={},
        problem=problem,
    )  # fmt: skip


def same(left, right):
    return left.times_s == right.times_s and np.array_equal(left.pixels, right.pixels)


@pytest.mark.parametrize("workers", [0, 2])
def test_fill_then_get_without_decoding(make_video, tmp_path, monkeypatch, workers):
    path, other = make_video("a.mp4"), make_video("b.mp4", count=30)
    clips = [clip(path, 0, 3, "a0"), clip(path, 1, 4, "a1"), clip(path, 1, 4, "a2"), clip(other, 0, 3, "b0")]
    broken = [
        clip(tmp_path / "none.mp4", name="n"),
        clip(other, 2, 6, "late"),
        clip(path, name="p", problem="no label"),
    ]
    cache = FrameCache(tmp_path / "cache", SMALL)
    failures = cache.fill(clips + broken, workers=workers)
    assert set(failures) == {"n", "late", "p"}
    assert "ends after" in failures["late"]
    assert failures["p"] == "no label"
    fresh = [read_frames(path, c.start_s, c.end_s, SMALL) for c in clips[:3]] + [read_frames(other, 0, 3, SMALL)]
    monkeypatch.setattr(frame_cache, "read_frames", lambda *_: pytest.fail("decoded again"))
    assert all(same(cache.get(c), f) for c, f in zip(clips, fresh, strict=True))
    monkeypatch.setattr(frame_cache, "read_windows", lambda *_, **__: pytest.fail("decoded again"))
    assert cache.fill(clips) == {}


@pytest.mark.parametrize("workers", [0, 1])
@pytest.mark.parametrize("name", [b"caf\xe9.mp4", b"12:30:05.mp4"])
def test_a_file_of_any_name_is_cached(make_video, tmp_path, monkeypatch, name, workers):
    path = make_video("a.mp4").rename(tmp_path / os.fsdecode(name))
    monkeypatch.chdir(tmp_path)
    cache = FrameCache(tmp_path / "cache", SMALL)
    assert cache.fill([clip(path.name)], workers=workers) == {}
    assert same(cache.get(clip(path.name)), read_frames(path, 0, 3, SMALL))


def test_get_decodes_what_is_missing_and_raises_for_what_is_unusable(make_video, tmp_path):
    path = make_video()
    cache = FrameCache(tmp_path / "cache", SMALL)
    assert same(cache.get(clip(path)), read_frames(path, 0, 3, SMALL))
    assert same(cache.get(clip(path)), read_frames(path, 0, 3, SMALL))
    with pytest.raises(VideoError, match="out of focus"):
        cache.get(clip(path, problem="out of focus"))
    with pytest.raises(VideoError, match="ends after"):
        cache.get(clip(path, 5, 9))


def test_other_settings_windows_and_contents_are_other_entries(make_video, tmp_path):
    path = make_video("a.mp4")
    cache = FrameCache(tmp_path / "cache", SMALL)
    assert numbers_shown(cache.get(clip(path)).pixels)[:2] == [0, 3]
    assert numbers_shown(cache.get(clip(path, 1, 4)).pixels)[0] == 10
    wide = FrameCache(tmp_path / "cache", SMALL.model_copy(update={"width": 128}))
    assert wide.get(clip(path)).pixels.shape[2] == 128
    path.unlink()
    make_video("a.mp4", times_s=[i / 5 for i in range(40)])
    assert numbers_shown(cache.get(clip(path)).pixels)[:2] == [0, 1]  # 5 frames a second now


def test_torn_file_is_read_anew(make_video, tmp_path):
    path = make_video()
    cache = FrameCache(tmp_path / "cache", SMALL)
    whole = cache.get(clip(path))
    (file,) = (tmp_path / "cache").glob("*.frames")
    file.write_bytes(file.read_bytes()[:500])
    assert same(cache.get(clip(path)), whole)


def test_pixels_are_mapped_and_changing_them_changes_no_file(make_video, tmp_path):
    path = make_video()
    cache = FrameCache(tmp_path / "cache", SMALL)
    cache.get(clip(path))
    mapped = cache.get(clip(path)).pixels
    assert isinstance(mapped, np.memmap)
    mapped[:] = 0
    assert cache.get(clip(path)).pixels.any()


def test_known_by_content_wherever_it_lies(make_video, tmp_path, monkeypatch):
    path = make_video()
    cache = FrameCache(tmp_path / "cache", SMALL)
    whole = cache.get(clip(path))
    moved = path.rename(tmp_path / "moved.mp4")
    os.utime(moved)
    monkeypatch.setattr(frame_cache, "read_frames", lambda *_: pytest.fail("decoded again"))
    assert same(cache.get(clip(moved)), whole)


def noise(seed, frames=8):
    return Frames(np.random.default_rng(seed).integers(0, 256, (frames, 32, 64, 3), np.uint8), (0.0,) * frames)


def kept_bytes(folder):
    return sum(file.stat().st_size for file in folder.glob("*.frames"))


def test_the_longest_unused_go_first_and_the_limit_holds(tmp_path):
    size = noise(0).pixels.nbytes
    store = FrameStore(tmp_path, limit_bytes=int(5.5 * size))
    for number in range(4):
        store.save(f"{number}", noise(number))
        os.utime(tmp_path / f"{number}.frames", (number, number))
    assert store.load("0") is not None  # used now, so that 1 is the oldest
    for number in range(4, 7):
        store.save(f"{number}", noise(number))
    assert [number for number in range(7) if store.has(f"{number}")] == [0, 3, 4, 5, 6]
    assert kept_bytes(tmp_path) <= store.limit_bytes


def test_limit_from_the_environment(monkeypatch):
    monkeypatch.setenv(frame_cache.LIMIT_VARIABLE, "0.5")
    assert frame_cache.limit_from_environment() == 500_000_000
    for wrong in ("much", "-1", "nan"):
        monkeypatch.setenv(frame_cache.LIMIT_VARIABLE, wrong)
        with pytest.raises(UserError, match="gigabytes"):
            frame_cache.limit_from_environment()


def test_a_cache_too_small_is_told(make_video, tmp_path):
    told = []
    reporter = SilentReporter()
    reporter.say = told.append
    FrameCache(tmp_path / "cache", SMALL, limit_bytes=10_000).fill([clip(make_video())], reporter)
    assert any("decoded again each time" in line for line in told)


WRITER = """
import sys
from pathlib import Path
from tests.video.test_frame_cache import noise
from vlm_autodrive.video.frame_store import FrameStore

store = FrameStore(Path(sys.argv[1]), int(sys.argv[2]))
print("ready", flush=True)
for number in range(int(sys.argv[3])):
    seed = number % 7
    store.save(f"{seed}", noise(seed, 64))
    read = store.load(f"{(seed + 1) % 7}")
    assert read is None or (read.pixels == noise((seed + 1) % 7, 64).pixels).all()
"""


def start_writer(folder, limit, count):
    command = [sys.executable, "-c", WRITER, str(folder), str(limit), str(count)]
    process = subprocess.Popen(command, cwd=Path(__file__).parents[2], stdout=subprocess.PIPE)
    assert process.stdout.readline() == b"ready\n"
    return process


def test_killed_writers_leave_nothing_half_readable(tmp_path):
    limit = 100 * noise(0, 64).pixels.nbytes
    for number in range(4):
        process = start_writer(tmp_path, limit, 10**6)
        time.sleep(0.1 + 0.037 * number)
        process.kill()
        assert process.wait() == -signal.SIGKILL
    store = FrameStore(tmp_path, limit)
    found = [seed for seed in range(7) if store.has(f"{seed}")]
    assert found
    for seed in found:
        assert same(store.load(f"{seed}"), noise(seed, 64))


def test_what_a_killed_writer_left_is_removed_but_not_what_a_living_one_writes(tmp_path):
    store = FrameStore(tmp_path, 10**9)
    code = (
        "import fcntl, sys, time; f = open(sys.argv[1], 'wb'); f.write(b'x' * 999); f.flush();"
        "fcntl.flock(f, fcntl.LOCK_EX); print('ready', flush=True); time.sleep(60)"
    )
    files, writers = [tmp_path / "dead.partial", tmp_path / "living.partial"], []
    for file in files:
        writers.append(subprocess.Popen([sys.executable, "-c", code, str(file)], stdout=subprocess.PIPE))
        writers[-1].stdout.readline()
        os.utime(file, (1, 1))
    writers[0].kill()
    writers[0].wait()
    store.tidy()
    assert [file.exists() for file in files] == [False, True]
    writers[1].kill()
    writers[1].wait()


def test_several_processes_share_a_folder_within_the_limit(tmp_path):
    limit = int(4.5 * noise(0, 64).pixels.nbytes)
    processes = [start_writer(tmp_path, limit, 60) for _ in range(3)]
    assert [process.wait(60) for process in processes] == [0, 0, 0]
    FrameStore(tmp_path, limit).tidy()
    assert 0 < kept_bytes(tmp_path) <= limit
    assert not list(tmp_path.glob("*.partial"))
