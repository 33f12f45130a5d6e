"""Times are told without decoding; and frames that are decoded in the background are those that decoding gives."""

import errno
import json
import shutil
from types import SimpleNamespace

import numpy as np
import pytest

from tests.remuxing import spoil_pictures
from tests.video.test_frame_cache import SMALL, clip, same
from tests.video.test_matrix import ENCODINGS
from vlm_autodrive.errors import UserError
from vlm_autodrive.video import (
    DAMAGED_FILE,
    FrameCache,
    PrefetchedFrames,
    VideoError,
    damaged_clips,
    prefetch_frames,
    read_frames,
)
from vlm_autodrive.video.frame_store import FrameStore


@pytest.mark.parametrize("workers", [0, 2])
def test_times_are_those_of_the_frames_and_nothing_is_decoded_for_them(make_video, tmp_path, workers):
    uneven = make_video("u.mp4", times_s=[0.0, 0.04, 0.3, 0.31, 0.7, 1.5, 1.52, 1.9, 2.6, 2.61, 2.9, 3.3])
    clips = [clip(uneven, 0, 3, "u"), clip(make_video("odd.mp4", count=25), 0, 2.5, "odd")]
    for name in ("h264-b-frames.mp4", "hevc.mp4", "vp9.webm"):
        path = make_video(name, **ENCODINGS[name])
        clips += [clip(path, 0, 3, f"{name} 0"), clip(path, 2.75, 5.25, f"{name} 1")]
    cache = FrameCache(tmp_path / "cache", SMALL)
    told = cache.times(clips, workers=workers)
    assert not list((tmp_path / "cache").glob("*.frames"))
    assert told == {each.clip_id: cache.get(each).times_s for each in clips}
    assert cache.times(clips) == told  # from the cache


def test_where_packets_do_not_tell_times_decoding_does(make_video, tmp_path):
    untidy = clip(make_video("b.avi", **ENCODINGS["mpeg4-b-frames.avi"]), name="untidy")
    short, none = clip(make_video(), 5, 9, "short"), clip(tmp_path / "none.mp4", name="none")
    told = FrameCache(tmp_path / "cache", SMALL).times([untidy, short, none, clip(tmp_path, problem="bad", name="p")])
    assert told["untidy"] == read_frames(tmp_path / "b.avi", 0, 3, SMALL).times_s
    assert told["short"] == "ends after 6.0 of 9.0 s"
    assert (told["none"], told["p"]) == ("the file does not exist", "bad")


@pytest.fixture
def clips(make_video):
    paths = [make_video(f"{name}.mp4") for name in "abc"]
    return [clip(paths[number % 3], number / 4, number / 4 + 3, f"{number}") for number in range(9)]


def test_frames_are_waited_for_while_they_are_decoded(clips, tmp_path):
    status_folder = tmp_path / "run"
    status_folder.mkdir()
    prefetched = PrefetchedFrames(tmp_path / "cache", SMALL, status_folder)
    with prefetch_frames(FrameCache(tmp_path / "cache", SMALL), clips, status_folder, workers=2):
        for each in reversed(clips):
            fresh = read_frames(tmp_path / each.path, each.start_s, each.end_s, SMALL)
            assert same(prefetched.get(each), fresh)
    assert prefetched.damaged() == {} and not list(status_folder.iterdir())


def test_a_full_disk_is_told_by_whoever_waits_and_by_nobody_else(clips, tmp_path, monkeypatch, capfd):
    def full(*_):
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(FrameStore, "save", full)
    cache = FrameCache(tmp_path / "cache", SMALL)
    with prefetch_frames(cache, clips, tmp_path, workers=0), pytest.raises(OSError, match="No space left"):
        PrefetchedFrames(tmp_path / "cache", SMALL, tmp_path).get(clips[0])
    assert capfd.readouterr().err == ""


def test_decoding_does_not_begin_where_the_frames_have_no_room(clips, tmp_path, monkeypatch):
    monkeypatch.setattr(shutil, "disk_usage", lambda _: SimpleNamespace(free=1000))
    cache = FrameCache(tmp_path / "cache", SMALL)
    with pytest.raises(UserError, match=r"decoded frames of the clips take about .* has 0\.0 MB left"):
        cache.fill(clips)


def test_left_early_it_stops_and_the_rest_is_decoded_when_it_is_asked_for(clips, tmp_path):
    cache = FrameCache(tmp_path / "cache", SMALL)
    with prefetch_frames(cache, clips, tmp_path, workers=1):
        pass
    assert not (tmp_path / ".decoding").exists()
    assert len(list((tmp_path / "cache").glob("*.frames"))) < len(clips)
    assert np.array_equal(
        PrefetchedFrames(tmp_path / "cache", SMALL, tmp_path).get(clips[8]).times_s, cache.times(clips)["8"]
    )


def test_damaged_pictures_are_told_by_the_clips_id_and_only_those(make_video, tmp_path):
    sound, spoiled = make_video("a.mp4"), spoil_pictures(make_video("b.mp4"), 35)
    clips = [clip(spoiled, 0, 3, "before"), clip(sound, 0, 3, "sound"), clip(spoiled, 2, 5, "within")]
    cache = FrameCache(tmp_path / "cache", SMALL)
    assert all(isinstance(times, tuple) for times in cache.times(clips).values())  # the packets are sound
    prefetched = PrefetchedFrames(tmp_path / "cache", SMALL, tmp_path)
    with prefetch_frames(cache, clips, tmp_path, workers=1):
        with pytest.raises(VideoError, match="damaged"):
            prefetched.get(clips[2])
        assert len(prefetched.get(clips[0]).times_s) == len(prefetched.get(clips[1]).times_s) == 10
    assert list(damaged_clips(tmp_path)) == ["within"]
    assert json.loads((tmp_path / DAMAGED_FILE).read_text())["within"].startswith("damaged")
    with pytest.raises(VideoError, match="damaged"):  # known, and not tried again
        prefetched.get(clips[2])


def test_a_cache_too_small_is_not_filled_ahead_but_what_is_damaged_is_known(make_video, tmp_path):
    clips = [clip(make_video("a.mp4"), name="sound"), clip(spoil_pictures(make_video("b.mp4"), 5), name="spoiled")]
    cache = FrameCache(tmp_path / "cache", SMALL, limit_bytes=30_000)
    with prefetch_frames(cache, clips, tmp_path, workers=0):
        assert not (tmp_path / ".decoding").exists()
        assert list(damaged_clips(tmp_path)) == ["spoiled"]
        assert len(PrefetchedFrames(tmp_path / "cache", SMALL, tmp_path).get(clips[0]).times_s) == 10


@pytest.mark.filterwarnings("ignore::pytest.PytestUnhandledThreadExceptionWarning")
def test_whoever_waits_is_told_when_decoding_breaks_off(clips, tmp_path, monkeypatch):
    def broken(*_):
        raise ValueError("no more pipes")

    cache = FrameCache(tmp_path / "cache", SMALL)
    monkeypatch.setattr(cache, "decode", broken)
    prefetched = PrefetchedFrames(tmp_path / "cache", SMALL, tmp_path)
    with prefetch_frames(cache, clips, tmp_path, workers=2), pytest.raises(UserError, match="no more pipes"):
        prefetched.get(clips[0])
