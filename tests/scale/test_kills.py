"""Whatever is killed, each input gives its one record, and a paid reply is not asked for again."""

import pytest

from benchmarks.counting_teacher import counting_teacher
from benchmarks.kill_drill import DRIVER, KINDS, SUPERVISE, VALIDATE, WORKER, Drill, Tally, write_world
from benchmarks.two_nodes import CORES, two_nodes


@pytest.mark.slow
@pytest.mark.timeout(1800)
def test_five_kills(tmp_path):
    write_world(tmp_path, 40)
    with two_nodes() as nodes, counting_teacher() as teacher:
        tallies = Drill(tmp_path, nodes, teacher, seed=3).run(5, (VALIDATE, SUPERVISE))
    validated, supervised = tallies["validate"], tallies["supervise"]
    assert validated.kills.total() + supervised.kills.total() == 5
    assert (validated.kills | supervised.kills).keys() == set(KINDS)
    for tally in (validated, supervised):
        assert tally.records > 0
        assert (tally.lost, tally.doubled, tally.changed) == (0, 0, 0)
    assert 0 <= supervised.repeated <= supervised.most_repeated
    assert supervised.asked > 0 and validated.asked == 0


def test_how_many_requests_may_be_repeated():
    tally = Tally()
    assert tally.most_repeated == 0 and tally.is_right
    tally.kills.update({WORKER: 2, DRIVER: 1})
    assert tally.most_repeated == 2 * (2 + CORES)
    tally.repeated = tally.most_repeated + 1
    assert not tally.is_right
