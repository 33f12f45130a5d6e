"""The cache gives what decoding gives, decodes once, and never mixes videos or settings up."""

import numpy as np
import pytest

from tests.clocks import numbers_shown
from vlm_autodrive.records import Clip
from vlm_autodrive.video import frame_cache
from vlm_autodrive.video.decode import VideoError, read_frames
from vlm_autodrive.video.frame_cache import FrameCache
from vlm_autodrive.video.frames import SamplingSettings

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
    monkeypatch.setattr(frame_cache, "_fill_video", lambda *_: pytest.fail("decoded again"))
    assert cache.fill(clips) == {}


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
