"""What a pass over the jobs means for those of which nothing came back, with passes that are written down here."""

import pickle

import pytest
from ray.exceptions import ObjectLostError

from vlm_autodrive.errors import UserError
from vlm_autodrive.executor import Job, Quarantined
from vlm_autodrive.scale import RayExecutor, ray_executor

DONE, RAISES, SILENT, NODE_LOST, BROKEN = "done", "raises", "silent", "node lost", "broken"


@pytest.fixture
def run(monkeypatch):
    """Runs jobs through passes: each says of each job what comes back; the last one is repeated."""
    lost = 0

    def results(*passes):
        waiting = list(passes)

        class Scripted(RayExecutor):
            def _pass(self, steps, jobs, *, alone):
                nonlocal lost
                script = waiting.pop(0) if len(waiting) > 1 else waiting[0]
                for job_id in jobs:
                    what = script[job_id]
                    if what == DONE:
                        yield ray_executor._row(job_id, pickle.dumps("result"))
                    elif what == RAISES:
                        yield ray_executor._row(job_id, b"", problem="ValueError: no")
                    elif what == NODE_LOST:
                        lost += 1
                    elif what == BROKEN:
                        raise ObjectLostError("ab" * 28, "", "")

        jobs = [Job(job_id, job_id) for job_id in passes[0]]
        found = list(Scripted(cores=1, gpus=0).run([], jobs))
        assert len(found) == len(jobs)
        return {job_id: each.reason if isinstance(each, Quarantined) else each for job_id, each in found}

    monkeypatch.setattr(ray_executor, "_lost_nodes", lambda: lost)
    return results


def test_a_job_is_quarantined_after_two_failures(run):
    died = ray_executor._DIED
    assert run({"a": SILENT, "b": DONE}, {"a": SILENT}) == {"a": died, "b": "result"}
    assert run({"a": RAISES, "b": SILENT}, {"a": RAISES, "b": DONE}) == {"a": "ValueError: no", "b": "result"}
    assert run({"a": RAISES, "b": RAISES}, {"a": DONE, "b": SILENT}) == {"a": "result", "b": "ValueError: no"}


def test_what_is_lost_with_its_node_has_not_failed(run):
    assert run(*[{"a": NODE_LOST}] * 4, {"a": DONE}) == {"a": "result"}
    assert run(*[{"b": DONE, "a": BROKEN}] * 4, {"a": DONE}) == {"a": "result", "b": "result"}
    with_exceptions = [{"a": RAISES, "b": NODE_LOST}] * 2
    assert run(*with_exceptions, {"b": DONE}) == {"a": "ValueError: no", "b": "result"}


def test_a_job_that_takes_nodes_down_is_quarantined_in_the_end(run):
    assert run({"a": NODE_LOST}) == {"a": ray_executor._DIED}


def test_where_nothing_comes_of_it_again_and_again_the_user_is_told_why(run):
    with pytest.raises(UserError, match=r"^the Ray cluster gives nothing any more \(.*goes on from there\.$"):
        run({"a": BROKEN})
