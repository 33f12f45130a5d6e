"""Whatever is killed, each input gives its one record, and a paid reply is not asked for again."""

import pytest

from benchmarks.counting_teacher import counting_teacher
from benchmarks.kill_drill import DRIVER, KINDS, SUPERVISE, VALIDATE, WORKER, Drill, Tally, write_world
from benchmarks.two_nodes import CORES, two_nodes
from tests.scale import steps
from vlm_autodrive.executor import Job, Quarantined, Step
from vlm_autodrive.progress import SILENT
from vlm_autodrive.scale import on_cluster

pytestmark = [pytest.mark.slow, pytest.mark.timeout(1800)]


@pytest.fixture(scope="module")
def nodes():
    """A cluster of this module alone, since parts of it are killed."""
    with two_nodes() as running:
        yield running


def test_five_kills(tmp_path, nodes):
    write_world(tmp_path, 40)
    with counting_teacher() as teacher:
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


def test_a_lost_node_is_no_failure_of_its_jobs_and_what_lay_there_is_made_again(nodes):
    found = {}
    with on_cluster(f"ray={nodes.address}", SILENT) as executor:
        jobs = (Job(str(number), number) for number in range(100))
        for job_id, result in executor.run([Step(steps.heavy)], jobs):
            assert job_id not in found and not isinstance(result, Quarantined)
            found[job_id] = result[0]
            if len(found) in (10, 40, 70):
                nodes.kill_second_node()
                nodes.add_second_node()
    assert found == {str(number): number for number in range(100)}


def test_a_worker_that_dies_as_it_begins_is_not_started_for_ever(nodes):
    with on_cluster(f"ray={nodes.address}", SILENT) as executor:
        results = list(executor.run([Step(steps.dying)], [Job("a", 1), Job("b", 2)]))
    assert {job_id: "the worker process died" in result.reason for job_id, result in results} == {"a": True, "b": True}
