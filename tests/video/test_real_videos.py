"""Times and pictures of real videos, wherever they are read, equal those of a sequential decode."""

import csv
import random

import av
import numpy as np
import pytest

from tests.video.test_h264 import clip_of
from vlm_autodrive.video import FrameCache, OpenVideo, SamplingSettings, read_frames, read_windows
from vlm_autodrive.video.geometry import Resizer

ALL = SamplingSettings(fps=60, max_frames=256, height=32, width=64)
SOME = SamplingSettings(fps=4, max_frames=32, height=32, width=64)


@pytest.mark.fixtures
def test_times_and_pictures_equal_a_sequential_decode(fixtures_dir, tmp_path):
    rows = list(csv.DictReader((fixtures_dir / "videos" / "labels.csv").open()))
    draws = random.Random(0)
    for row in rows:
        path = fixtures_dir / "videos" / row["file"]
        with av.open(str(path)) as container:
            stream = container.streams.video[0]
            resizer = Resizer(path, 32, 64)
            decoded = [(frame.pts, resizer.picture(frame)) for frame in container.decode(stream)]
            ticks = stream.time_base
        times_s = np.array([float((pts - decoded[0][0]) * ticks) for pts, _ in decoded])
        with OpenVideo(path) as video:
            assert [time_s for time_s, _ in video.frames(0.0)] == pytest.approx(times_s, abs=1e-6)
        starts_s = [round(draws.uniform(0, max(0.0, times_s[-1] - 1)), 3) for _ in range(3)]
        windows = [(start_s, start_s + 1.0) for start_s in starts_s if start_s + 1 <= times_s[-1]]
        together = dict(read_windows(path, windows, ALL))
        for window in windows:
            inside = [i for i, time_s in enumerate(times_s) if window[0] - 1e-6 <= time_s < window[1] - 1e-6]
            for frames in (read_frames(path, *window, ALL), together[window]):
                assert frames.times_s == pytest.approx(times_s[inside] - window[0], abs=2e-6)
                assert np.array_equal(frames.pixels, np.stack([decoded[i][1] for i in inside]))
            # What is trained on is what inference reads.
            cache = FrameCache(tmp_path, SOME)
            cache.fill([clip_of(path, *window)])
            ((_, inferred),) = read_windows(path, [window], SOME)
            assert np.array_equal(cache.get(clip_of(path, *window)).pixels, inferred.pixels)
