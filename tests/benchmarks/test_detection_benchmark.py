"""The benchmark of detection runs at a tiny shape: both ways agree, and the bound is what sharing saves."""

from fractions import Fraction

import av
import pytest
import torch

from benchmarks import detection
from benchmarks.video import write_video
from vlm_autodrive.models import load_model


@pytest.fixture(scope="module")
def video(tmp_path_factory):
    path = tmp_path_factory.mktemp("video") / "video.mp4"
    write_video(path, 96, 160, 12, {"preset": "ultrafast"})
    return path


def test_both_ways_are_measured(video, tmp_path):
    model = detection.save_mid_size(tmp_path / "model", parts=8)
    search = detection.Search(load_model(str(model), torch.device("cpu")), video, 12)
    naive, ours, apart = detection.measure(search, rounds=1)
    assert apart < 1e-5
    # Seven windows of eight pairs; of ours the first has eight and each further one two that are new.
    vision = naive.operations - ours.operations
    assert 1.2 < naive.operations / ours.operations < 56 / 20
    assert vision > 0.2 * naive.operations
    for way in (naive, ours):
        assert way.decoding_s > 0
        assert 0 < way.vision_s + way.language_s < way.model_s
    speed = detection.speed_table([("m", naive, ours)], [12])
    bound = detection.bound_table([("m", naive, ours)], [apart])
    assert [line.count("|") for line in speed] == [10] * 4
    assert [line.count("|") for line in bound] == [8] * 3


def test_memory_is_measured_over_a_long_video(video, tmp_path):
    long = tmp_path / "long.mp4"
    detection.loop_video(video, long, 6, Fraction(30000, 1001))
    with av.open(str(long)) as container:
        times_s = [frame.time for frame in container.decode(video=0)]
    assert len(times_s) == 6 * 360
    assert times_s[-1] == pytest.approx((6 * 360 - 1) * 1001 / 30000, abs=1e-3)
    grown, most = detection.memory_growth_mb(long, 1.2, from_minute=0.5)
    assert 0 <= grown < 64
    assert most > 100
