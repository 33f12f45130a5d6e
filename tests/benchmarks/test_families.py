"""A tiny model of each family learns from simulated clips what it did not know: verdicts on clips that it never saw."""

import pytest

from benchmarks import families

TRIPLETS, EPOCHS = 200, 12


@pytest.fixture(scope="module")
def data(tmp_path_factory):
    return families.make_data(tmp_path_factory.mktemp("simulated"), TRIPLETS)


@pytest.mark.slow
@pytest.mark.parametrize("family", ["qwen2_5_vl", "qwen3_vl", "internvl", "qwen3_5"])
def test_a_family_learns_from_simulated_clips(data, tmp_path, family):
    learnt = families.learn(family, data, tmp_path, EPOCHS)
    assert learnt.gain.n == 3 * TRIPLETS // 4
    assert learnt.gain.low > 0  # the interval of the paired difference
    assert learnt.after.value > 0.45
    assert len(families.table([learnt])[-1].split("|")) == len(families.table([])[0].split("|"))
