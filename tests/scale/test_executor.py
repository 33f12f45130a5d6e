"""The executor on a real Ray cluster: exactly one result for each job, whatever becomes of the workers."""

from functools import partial

import pytest

from tests.scale import steps
from vlm_autodrive.errors import UserError
from vlm_autodrive.executor import Job, Quarantined, Step
from vlm_autodrive.progress import SILENT
from vlm_autodrive.scale import on_cluster, ray_executor

pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def executor(cluster):
    with on_cluster(cluster, SILENT) as connected:
        yield connected


def numbers(count):
    return (Job(str(number), number) for number in range(count))


def test_jobs_pass_through_the_steps_in_waves(executor, monkeypatch):
    monkeypatch.setattr(ray_executor, "_WAVE", 25)
    drawn = []

    def jobs():
        for job in numbers(60):
            drawn.append(job.job_id)
            yield job

    results = executor.run([Step(partial(steps.times, 2)), Step(partial(steps.times, 5))], jobs())
    first = next(results)
    assert len(drawn) == 25  # the others wait outside of the cluster
    assert dict([first, *results]) == {str(number): number * 10 for number in range(60)}


def test_what_fails_twice_is_quarantined_and_its_neighbours_are_not(executor, tmp_path):
    split = Job("both", 7, lambda number: [Job(f"part {part}", part) for part in (number, number + 1)])
    jobs = [Job(str(number), number) for number in range(20) if number != 7]
    results = list(executor.run([Step(partial(steps.poisoned, tmp_path))], [*jobs, split]))
    assert len(results) == len(dict(results)) == 21
    failed = {job_id: result.reason for job_id, result in results if isinstance(result, Quarantined)}
    assert failed.keys() == {"11", "part 7"}
    assert {result.content for _, result in results if isinstance(result, Quarantined)} == {11, 7}
    assert failed["11"] == "ValueError: first line no number that is liked"
    assert "the worker process died" in failed["part 7"]
    assert dict(results)["part 8"] == 8 and dict(results)["13"] == 13
    assert (tmp_path / "11").stat().st_size == 2
    assert (tmp_path / "13").stat().st_size == 2


def test_a_worker_is_opened_once_and_both_nodes_work(executor, tmp_path):
    results = dict(executor.run([Step(partial(steps.counted, tmp_path))], numbers(60)))
    assert {result[0] for result in results.values()} == set(range(60))
    openings = {int(file.name): file.read_text() for file in tmp_path.iterdir()}
    assert set(openings.values()) == {"opened "}
    assert {pid for _, pid, _ in results.values()} <= openings.keys()
    assert len({node for _, _, node in results.values()}) == 2


def test_workers_are_where_the_command_is_and_have_its_environment(executor, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "beside.txt").write_text("found")
    monkeypatch.setenv("AWS_ENDPOINT_URL", "http://127.0.0.1:9")
    monkeypatch.setenv("MY_KEY", "secret")
    for near, key in ((False, None), (True, "secret")):
        ((_, seen),) = executor.run([Step(steps.looking, near=near)], [Job("beside.txt", "beside.txt")])
        assert seen == ("found", "http://127.0.0.1:9", key)


def test_what_shares_a_file_runs_beside_the_driver(executor, tmp_path):
    import ray

    results = dict(executor.run([Step(partial(steps.counted, tmp_path), near=True)], numbers(10)))
    assert {node for _, _, node in results.values()} == {ray.get_runtime_context().get_node_id()}


@pytest.mark.parametrize(
    ("step", "message"),
    [
        (steps.refusing, "the model is not there; name another."),
        (
            steps.broken,
            "a worker cannot begin (RuntimeError: out of memory); mend that and run the command again.",
        ),
        (
            steps.NotInstalled(),
            "no worker of the cluster can begin (ModuleNotFoundError: No module named 'a_module_that_is_not_there'); "
            "see to it that all machines have the same versions installed, and run the same command again: what is "
            "done is kept.",
        ),
        (steps.refusing_later, "the budget is spent; raise it."),
    ],
)
def test_a_refusal_reaches_the_user_as_it_is(executor, step, message):
    with pytest.raises(UserError) as told:
        list(executor.run([Step(step)], numbers(6)))
    assert str(told.value) == message


@pytest.mark.parametrize(
    ("where", "words"),
    [
        ("ray=127.0.0.1:9", "there is no Ray cluster at 127.0.0.1:9"),
        ("ray=here", "there is no Ray cluster at here"),
        ("ray=ray://127.0.0.1:10001", "is an address for Ray's client"),
        ("spark", "is no place to run"),
    ],
)
def test_no_such_cluster(where, words):
    with pytest.raises(UserError, match=words), on_cluster(where, SILENT):
        pass


def test_two_jobs_of_one_id_are_a_fault_of_the_stage(executor):
    with pytest.raises(ValueError, match="one id"):
        list(executor.run([Step(partial(steps.times, 1))], [Job("a", 1), Job("a", 2)]))
