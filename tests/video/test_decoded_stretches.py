"""Long videos are judged by samples: every packet is read, and what was decoded is on record."""

import math
import shutil
from itertools import pairwise
from pathlib import Path

import av
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.clocks import write_clock
from vlm_autodrive.video.check import check_video
from vlm_autodrive.video.decoded_stretches import stretches_to_decode

LONG_S = 1300


@pytest.fixture(scope="module")
def long_video(tmp_path_factory):
    """More than ten minutes at one frame a second, with a gap in it that lies in no sample."""
    times_s = [float(second) for second in range(LONG_S) if not 200 <= second < 203]
    return write_clock(tmp_path_factory.mktemp("long") / "long.mp4", times_s=times_s, size=(64, 32), gop=5)


@given(st.floats(0.1, 1e6), st.booleans())
def test_ends_and_samples_lie_in_order_and_cover_short_videos_whole(duration_s, whole):
    stretches = stretches_to_decode(duration_s, whole=whole)
    assert stretches[0][0] == 0
    assert stretches[-1][1] == math.inf
    if whole or duration_s <= 600:
        assert len(stretches) == 1
        return
    edges = [edge for stretch in stretches for edge in stretch]
    assert edges == sorted(set(edges))
    unseen_s = [later[0] - earlier[1] for earlier, later in pairwise(stretches)]
    assert max(unseen_s) <= 300
    assert sum(min(end_s, duration_s) - start_s for start_s, end_s in stretches) <= 120 + duration_s / 300 * 10


def test_samples_of_a_long_video_tell_its_length_and_gaps_like_all_of_it(long_video):
    sampled, whole = check_video(long_video), check_video(long_video, whole=True)
    assert len(whole.decoded_s) == 1
    assert whole.seconds_decoded == pytest.approx(LONG_S)
    assert sampled.decoded_s[0] == (0.0, 60.0)
    assert sampled.decoded_s[-1][1] == pytest.approx(LONG_S)
    assert sampled.seconds_decoded < 0.15 * LONG_S
    assert [end_s - start_s for start_s, end_s in sampled.decoded_s[1:-1]] == pytest.approx([10.0] * 3)
    same = ("frames", "duration_s", "fps", "shortest_gap_s", "longest_gap_s", "variable_rate", "damage", "notes")
    assert {name: getattr(sampled, name) for name in same} == {name: getattr(whole, name) for name in same}
    assert sampled.longest_gap_s == 4.0


def test_a_long_video_without_change_is_known_by_its_samples(long_video, tmp_path):
    assert check_video(long_video).frozen_fraction == 0
    path = tmp_path / "frozen.mp4"
    with av.open(str(path), "w") as container:
        stream = container.add_stream("libx264", rate=1, options={"preset": "ultrafast"})
        stream.width, stream.height, stream.pix_fmt = 64, 32, "yuv420p"
        grey = av.VideoFrame.from_ndarray(np.full((32, 64, 3), 120, np.uint8), format="rgb24")
        for second in range(700):
            grey.pts = second
            container.mux(stream.encode(grey))
        container.mux(stream.encode())
    frozen = check_video(path)
    assert frozen.frozen_fraction > 0.98
    assert 50 < frozen.frozen_s < 61


def test_progress_is_told_while_packets_are_read_and_while_samples_are_decoded(long_video, tmp_path):
    told = []
    check_video(Path(shutil.copy(long_video, tmp_path)), told.append)  # packets of a known file are remembered
    assert len(told) > 60
    assert told[0] > 900, "reading packets is progress, too"
