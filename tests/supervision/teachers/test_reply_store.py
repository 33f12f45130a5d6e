"""What a served teacher keeps on disk: replies, budgets, and what happens to a damaged file or a killed process."""

import asyncio
import multiprocessing
import os
import random
import re
import sqlite3
import stat
import sys
import threading
import time
from collections import Counter

import pytest
from starlette.responses import Response

from tests.fake_endpoint import completion, serve
from tests.listening import Listens
from tests.supervision.teachers.jobs import FACTS, SeenAnswer, ask, request, run_job, served
from vlm_autodrive.engines import cache_path
from vlm_autodrive.engines.endpoint import retrying
from vlm_autodrive.errors import UserError
from vlm_autodrive.progress import SILENT
from vlm_autodrive.records import Outcome, TeacherPrompt, read_jsonl
from vlm_autodrive.supervision.teachers.priced import open_priced
from vlm_autodrive.supervision.teachers.protocol import TeacherReply, TeacherRequest, TeacherVideo
from vlm_autodrive.supervision.teachers.served import open_served
from vlm_autodrive.video import SamplingSettings

SAMPLING = SamplingSettings(fps=1.0, max_frames=8, height=64, width=128)


@pytest.fixture
def processes(monkeypatch):
    """Makes processes quickly: what they need is imported once, in the one that all are forked from."""
    monkeypatch.setenv("PYTHONPATH", os.pathsep.join(path for path in sys.path if path))
    context = multiprocessing.get_context("forkserver")
    context.set_forkserver_preload(["teacher_jobs"])
    return context


def number_of(asked):
    return int(re.findall(r"<(\d+)>", asked.text)[-1])


def echo(asked):
    return completion(f'{{"seen": "{number_of(asked)}"}}')


async def slow_echo(asked, seconds=0.03):
    await asyncio.sleep(seconds)
    return echo(asked)


def stored_numbers(cache):
    with sqlite3.connect(cache) as connection:
        return {int(re.findall(r"\d+", text)[0]) for (text,) in connection.execute("SELECT text FROM replies")}


def asked_after(endpoint, action):
    before = len(endpoint.asked)
    action()
    return len(endpoint.asked) - before


def test_the_same_request_is_paid_once_whatever_it_is_called(tmp_path):
    twins = [TeacherRequest(f"twin_{n}", "description", FACTS, request(1).prompt, SeenAnswer) for n in range(5)]
    with serve(slow_echo) as endpoint:
        replies, use = ask(served(endpoint.url, tmp_path / "c"), twins)
    assert [reply.request_id for reply in replies] == [twin.request_id for twin in twins]
    assert (len(endpoint.asked), use.from_cache) == (1, 4)


def test_whatever_a_reply_depends_on_is_part_of_its_key(tmp_path, make_video):
    video, cache = make_video("a.mp4"), tmp_path / "c"
    make_video("b.mp4", count=50)
    shown = TeacherVideo(video, 0.0, 4.0, SAMPLING)

    class Other(SeenAnswer):
        more: str = ""

    def one(footage=shown, answer=SeenAnswer, text="What?", system="You write.", answered=None, **settings):
        prompt = TeacherPrompt(system=system, text=f"{text} <1>", version="1")
        wanted = TeacherRequest("r", "description", FACTS, prompt, answer, footage, answered)
        values = {"url": endpoint.url, "cache": cache, **settings}
        return lambda: ask(served(**values), [wanted])

    with serve(echo) as endpoint, serve(echo) as other:
        assert asked_after(endpoint, one()) == 1
        moved = tmp_path / "moved.mp4"
        moved.write_bytes(video.read_bytes())
        for same in (one(), one(TeacherVideo(moved, 0.0, 4.0, SAMPLING)), one(timeout_s=9.0, max_attempts=2)):
            assert asked_after(endpoint, same) == 0
        for change in (
            one(None),
            one(TeacherVideo(tmp_path / "b.mp4", 0.0, 4.0, SAMPLING)),
            one(TeacherVideo(video, 0.5, 4.0, SAMPLING)),
            one(TeacherVideo(video, 0.0, 3.5, SAMPLING)),
            one(TeacherVideo(video, 0.0, 4.0, SAMPLING.model_copy(update={"fps": 2.0}))),
            one(TeacherVideo(video, 0.0, 4.0, SAMPLING, as_video=True)),
            one(answer=Other),
            one(text="What else?"),
            one(system="You sing."),
            one(answered=("a", "b")),
            one(json_schema=False),
            one(model="other"),
            one(temperature=0.0),
            one(max_tokens=99),
        ):
            assert asked_after(endpoint, change) == 1
            assert asked_after(endpoint, change) == 0
        assert asked_after(other, one(url=other.url)) == 1
        video.write_bytes((tmp_path / "b.mp4").read_bytes())
        os.utime(video, (1, 1))
        assert asked_after(endpoint, one(text="What else?")) == 1  # another video behind the same name


def test_the_file_is_the_owners_alone_and_stands_in_the_users_cache(tmp_path, monkeypatch):
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    with serve(echo) as endpoint:
        ask(served(endpoint.url, "").model_copy(update={"cache": ""}), [request(1)])
    path = cache_path(served("http://127.0.0.1:9/v1", "").model_copy(update={"cache": ""}))
    assert path == tmp_path / "vlm-autodrive" / "teacher_replies.sqlite"
    assert {stat.S_IMODE(file.stat().st_mode) for file in path.parent.iterdir()} == {0o600}
    monkeypatch.setenv("XDG_CACHE_HOME", "relative")
    assert cache_path(served("http://127.0.0.1:9/v1", "").model_copy(update={"cache": ""})).is_absolute()


@pytest.mark.parametrize("damage", ["cut", "overwritten"])
def test_a_torn_file_is_set_aside_and_told(tmp_path, damage):
    cache, heard = tmp_path / "c", Listens()
    with serve(echo) as endpoint:
        ask(served(endpoint.url, cache), [request(n) for n in range(200)])
        whole = cache.read_bytes()
        cache.write_bytes(whole[: len(whole) // 2] if damage == "cut" else whole[:4096] + b"\xff" * (len(whole) - 4096))
        replies, use = ask(served(endpoint.url, cache), [request(1)], reporter=heard)
        assert (replies[0].outcome, use.tries) == (Outcome.OK, 1)
        assert any("damaged" in message and "c.damaged-1" in message for message in heard.said)
        assert (tmp_path / "c.damaged-1").stat().st_size
        _, use = ask(served(endpoint.url, cache), [request(1)])
    assert use.from_cache == 1


@pytest.mark.parametrize("content", [b"My notes.\n", b"SQLite"])
def test_a_file_of_something_else_is_left_alone(tmp_path, content):
    cache = tmp_path / "c"
    cache.write_bytes(content)
    with pytest.raises(UserError, match=r"no file of replies; name another in served\.cache"):
        ask(served("http://127.0.0.1:9/v1", cache), [])
    assert cache.read_bytes() == content


def test_a_database_of_something_else_is_left_alone(tmp_path):
    cache = tmp_path / "c"
    with sqlite3.connect(cache) as connection:
        connection.execute("CREATE TABLE birds (name TEXT)")
    with pytest.raises(UserError, match="something else"):
        ask(served("http://127.0.0.1:9/v1", cache), [])


def test_a_place_that_cannot_be_written_is_told(tmp_path):
    (tmp_path / "file").write_text("")
    with pytest.raises(UserError, match=r"cannot be kept .*served\.cache"):
        ask(served("http://127.0.0.1:9/v1", tmp_path / "file" / "c"), [])


def test_a_budget_of_requests_counts_every_try_and_is_never_passed(tmp_path, monkeypatch):
    monkeypatch.setattr(retrying, "_FIRST_WAIT_S", 0.01)
    settings = {"budget": {"requests": 20}, "max_connections": 8}
    with serve(lambda asked: Response(status_code=500) if asked.number < 3 else echo(asked)) as endpoint:
        wanted = [request(n) for n in range(30)]
        replies, use = ask(served(endpoint.url, tmp_path / "c", **settings), wanted)
        assert len(endpoint.asked) == use.tries == use.of_job.requests == 20
        stopped = [str(reply) for reply in replies if isinstance(reply, UserError)]
        assert "20 of 20 requests" in stopped[0]
        assert "raise served.budget.requests" in stopped[0]
        replies, use = ask(served(endpoint.url, tmp_path / "c", **settings), wanted)
        assert len(endpoint.asked) == 20  # a new start has no new budget
        kept = sum(isinstance(reply, TeacherReply) for reply in replies)
        assert kept == use.from_cache
        _, use = ask(served(endpoint.url, tmp_path / "c", **settings), [request(99)], job="another job")
        assert use.of_job.requests == use.tries == 3
        replies, use = ask(served(endpoint.url, tmp_path / "c"), wanted)  # without a budget it goes on
    assert all(reply.outcome is Outcome.OK for reply in replies)
    assert use.of_job.requests == 20 + use.tries


@pytest.mark.parametrize("bound", [{"tokens": 5000}, {"money": 0.05}])
def test_a_budget_of_tokens_or_money_is_used_up_and_never_passed(tmp_path, bound):
    price = {"prompt_per_million": 2.0, "completion_per_million": 30.0}
    settings = {"budget": bound, "price": price, "max_tokens": 600, "max_connections": 16}
    told = {"prompt_tokens": 80, "completion_tokens": 20}

    async def answer(asked):
        await asyncio.sleep(random.Random(number_of(asked)).uniform(0, 0.05))
        return completion("x", usage=told)

    with serve(answer) as endpoint:
        replies, use = ask(served(endpoint.url, tmp_path / "c", **settings), [request(n) for n in range(200)])
    tokens, money = len(endpoint.asked) * 100, len(endpoint.asked) * (80 * 2 + 20 * 30) / 1e6
    assert (use.prompt_tokens + use.completion_tokens, use.money) == (tokens, pytest.approx(money))
    assert use.of_job.money == pytest.approx(money)
    # It stops where one more could pass it, not where those in flight could: what they do not use is freed.
    most_tokens, most_money = 600 + 500, 600 * 30 / 1e6 + 500 * 2 / 1e6
    spent, end, one = (tokens, 5000, most_tokens) if "tokens" in bound else (money, 0.05, most_money)
    assert end - one <= spent <= end
    (name,) = bound
    assert all(f"raise served.budget.{name}" in str(reply) for reply in replies if isinstance(reply, UserError))
    assert sum(isinstance(reply, TeacherReply) for reply in replies) == len(endpoint.asked)


def test_an_endpoint_that_counts_nothing_is_held_to_the_most(tmp_path):
    settings = {"budget": {"tokens": 5000}, "max_tokens": 600}
    with serve(lambda asked: completion("x", usage=None)) as endpoint:
        _, use = ask(served(endpoint.url, tmp_path / "c", **settings), [request(n) for n in range(50)])
    assert 3 <= len(endpoint.asked) <= 8
    assert 5000 - 1100 <= use.of_job.prompt_tokens + use.of_job.completion_tokens <= 5000


def test_two_processes_share_a_ledger_and_a_cache(tmp_path, processes):
    with serve(slow_echo) as endpoint:
        settings = {"budget": {"requests": 60}}
        jobs = [
            processes.Process(
                target=run_job, args=(endpoint.url, tmp_path / "c", numbers, tmp_path / f"{n}.jsonl"), kwargs=settings
            )
            for n, numbers in enumerate((range(80), range(1000, 1080)))
        ]
        for job in jobs:
            job.start()
        for job in jobs:
            job.join()
        assert [job.exitcode for job in jobs] == [0, 0]
        assert len(endpoint.asked) == 60
        replies = [read_jsonl(tmp_path / f"{n}.jsonl", TeacherReply) for n in range(2)]
        assert sum(map(len, replies)) == 60
        _, use = ask(served(endpoint.url, tmp_path / "c"), [request(n) for n in (*range(80), *range(1000, 1080))])
    assert use.from_cache == 60
    assert use.of_job.requests == 160


def start_equal_jobs(processes, url, folder, count=2):
    jobs = [
        processes.Process(target=run_job, args=(url, folder / "c", range(60), folder / f"{n}.jsonl"))
        for n in range(count)
    ]
    for job in jobs:
        job.start()
    return jobs


def test_processes_with_the_same_questions_pay_each_once(tmp_path, processes):
    with serve(slow_echo) as endpoint:
        for job in start_equal_jobs(processes, endpoint.url, tmp_path):
            job.join()
            assert job.exitcode == 0
    assert sorted(map(number_of, endpoint.asked)) == list(range(60))
    for n in range(2):
        replies = read_jsonl(tmp_path / f"{n}.jsonl", TeacherReply)
        assert [reply.text for reply in replies] == [f'{{"seen": "{number}"}}' for number in range(60)]
    assert [path.name for path in tmp_path.glob("c.owner-*")] == []


def test_what_a_killed_process_had_in_flight_is_asked_by_the_one_that_waits(tmp_path, processes):
    """The first of two is killed while it holds claims that the other has come to wait for."""

    async def never_first(asked):
        if asked.number == 1 and number_of(asked) in (20, 21):
            await asyncio.sleep(600)
        return await slow_echo(asked)

    with serve(never_first) as endpoint:
        (killed,) = start_equal_jobs(processes, endpoint.url, tmp_path, 1)
        while not {20, 21} <= set(map(number_of, endpoint.asked)):
            time.sleep(0.001)
        job = processes.Process(target=run_job, args=(endpoint.url, tmp_path / "c", range(60), tmp_path / "left.jsonl"))
        job.start()
        while len(stored_numbers(tmp_path / "c")) < 58:
            time.sleep(0.005)
        assert job.is_alive()
        killed.kill()
        job.join()
        asked = Counter(map(number_of, endpoint.asked))
    assert job.exitcode == 0
    assert len(read_jsonl(tmp_path / "left.jsonl", TeacherReply)) == 60
    assert asked == {number: 1 + (number in (20, 21)) for number in range(60)}


def test_a_request_of_another_client_is_waited_for_told_once_and_sent_if_it_fails(tmp_path):
    go = threading.Event()

    async def fail_once(asked):
        while not go.is_set():
            await asyncio.sleep(0.01)
        return Response(status_code=400) if asked.number == 1 and number_of(asked) == 1 else echo(asked)

    async def ask_twice(settings, heard):
        async with open_served(settings, "one", SILENT) as one, open_served(settings, "two", heard) as two:
            first = [asyncio.create_task(one.write(request(n))) for n in range(3)]
            await asyncio.sleep(0)
            second = [asyncio.create_task(two.write(request(n))) for n in range(3)]
            while not heard.said:
                await asyncio.sleep(0.01)
            second[2].cancel()  # who waits may be interrupted
            go.set()
            replies = await asyncio.gather(*first, *second[:2])
            return replies, one.use(), two.use()

    heard = Listens()
    with serve(fail_once) as endpoint:
        settings = served(endpoint.url, tmp_path / "c", budget={"requests": 3})
        replies, one, two = asyncio.run(ask_twice(settings, heard))
        outcomes = [reply.outcome for reply in replies]
        assert outcomes == [Outcome.OK, Outcome.ERROR, Outcome.OK, Outcome.OK, Outcome.OK]
        assert (one.tries, two.tries, two.from_cache, two.of_job.requests) == (3, 1, 1, 1)
        assert len([line for line in heard.said if "its replies are waited for" in line]) == 1


def test_a_request_of_a_cancelled_caller_stays_claimed_until_it_has_landed(tmp_path):
    async def cancel_and_ask(settings):
        async with open_served(settings, "one", SILENT) as one, open_served(settings, "two", SILENT) as two:
            task = asyncio.create_task(one.write(request(1)))
            while not endpoint.asked:
                await asyncio.sleep(0.01)
            task.cancel()
            return await two.write(request(1)), two.use()

    with serve(lambda asked: slow_echo(asked, 0.3)) as endpoint:
        reply, use = asyncio.run(cancel_and_ask(served(endpoint.url, tmp_path / "c")))
    assert (reply.outcome, use.tries, len(endpoint.asked)) == (Outcome.OK, 0, 1)


def test_a_file_of_a_release_without_claims_is_used_further(tmp_path):
    with serve(echo) as endpoint:
        ask(served(endpoint.url, tmp_path / "c"), [request(1)])
        with sqlite3.connect(tmp_path / "c") as connection:
            connection.execute("DROP TABLE claims")
        _, use = ask(served(endpoint.url, tmp_path / "c"), [request(1), request(2)])
    assert (use.from_cache, use.tries) == (1, 1)


def estimate(requests, settings):
    async def price(teacher):
        return [await teacher.write(request) for request in requests]

    with open_priced(settings, lambda request: "", SILENT) as teacher:
        asyncio.run(price(teacher))
        return teacher.estimate()


def test_an_estimate_prices_what_is_not_yet_known(tmp_path, make_video):
    price = {"prompt_per_million": 1e6, "completion_per_million": 10e6}
    footage = TeacherVideo(make_video(), 0.0, 4.0, SAMPLING)
    wanted = [request(1), request(2), request(3, footage=footage), request(4, footage=footage)]
    missing = request(5, footage=TeacherVideo(tmp_path / "no.mp4", 0.0, 4.0, SAMPLING))
    with serve(echo) as endpoint:
        settings = served(endpoint.url, tmp_path / "c", price=price, max_tokens=50)
        before = estimate([*wanted, missing], settings)
        assert (before.requests, before.in_cache, before.images, before.completion_tokens) == (5, 0, 8, 200)
        assert before.money == before.prompt_tokens + 2000
        words = estimate(wanted[:2], settings).prompt_tokens
        assert 100 < words / 2 < 250  # a third of some 450 bytes
        assert before.prompt_tokens - 2 * words == 8 * (255 + 16)
        assert endpoint.asked == []
        ask(settings, wanted[1:3])
        after = estimate(wanted, settings)
    assert (after.requests, after.in_cache, after.images, after.completion_tokens) == (4, 2, 4, 100)


@pytest.mark.slow
def test_a_job_killed_at_any_moment_goes_on_and_asks_nothing_twice(tmp_path, processes):
    count, kills, concurrency = 500, 20, 8
    cache, out = tmp_path / "c", tmp_path / "replies.jsonl"
    rng = random.Random(4)
    lost = []

    def started():
        arguments = (endpoint.url, cache, range(count), out)
        process = processes.Process(target=run_job, args=arguments, kwargs={"max_connections": concurrency})
        process.start()
        return process

    with serve(slow_echo) as endpoint:
        for _ in range(kills):
            before, process = len(endpoint.asked), started()
            while len(endpoint.asked) == before and process.is_alive():
                time.sleep(0.001)
            time.sleep(rng.uniform(0.0, 0.1))
            process.kill()
            process.join()
            while endpoint.open_now:
                time.sleep(0.005)
            stored = stored_numbers(cache)
            in_flight = [number_of(asked) for asked in endpoint.asked[before:] if number_of(asked) not in stored]
            assert len(in_flight) <= concurrency
            lost += in_flight
        assert not out.exists()
        assert len(stored) < count
        process = started()
        process.join()
        asked = [number_of(asked) for asked in endpoint.asked]
    replies = read_jsonl(out, TeacherReply)
    assert [reply.request_id for reply in replies] == [f"clip_{n}/description" for n in range(count)]
    assert [reply.text for reply in replies] == [f'{{"seen": "{n}"}}' for n in range(count)]
    assert len(asked) == count + len(lost)  # one pass, and what was in flight at a kill
    assert sorted(asked) == sorted([*range(count), *lost])
    with sqlite3.connect(cache) as connection:
        (reserved,) = connection.execute("SELECT requests FROM jobs").fetchone()
    assert len(asked) <= reserved <= len(asked) + kills * concurrency
    print(f"{kills} kills: {len(asked)} calls for {count} requests, {len(lost)} were in flight at the kills")
