"""Tiny models learn from simulated clips what they did not know: verdicts on clips that they never saw.

Half the clips of the benchmark, which are too few for the tiny Qwen2.5-VL: that it learns on held-out clips is in the
benchmark's table, and that its training learns at all in ``tests/training/test_stage.py``.
"""

import pytest

from benchmarks import families

TRIPLETS, EPOCHS = 100, 12


@pytest.fixture(scope="module")
def data(tmp_path_factory):
    return families.make_data(tmp_path_factory.mktemp("simulated"), TRIPLETS)


@pytest.mark.slow
@pytest.mark.parametrize("family", ["qwen3_vl", "internvl", "qwen3_5"])
def test_a_family_learns_from_simulated_clips(data, tmp_path, family):
    learnt = families.learn(family, data, tmp_path, EPOCHS)
    assert learnt.gain.n == 3 * TRIPLETS // 4
    assert learnt.gain.low > 0  # the interval of the paired difference
    assert len(families.table([learnt])[-1].split("|")) == len(families.table([])[0].split("|"))
