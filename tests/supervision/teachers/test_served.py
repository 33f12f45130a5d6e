"""The served teacher against a real HTTP server that misbehaves by script."""

import asyncio
import base64
import io
import json
import math
import re
from collections import Counter
from email.utils import formatdate
from pathlib import Path
from time import monotonic, time

import av
import httpx
import numpy as np
import pytest
from starlette.responses import HTMLResponse, JSONResponse, PlainTextResponse, Response, StreamingResponse

from tests.clocks import numbers_shown
from tests.fake_endpoint import completion, serve
from tests.listening import Listens
from tests.supervision.teachers.jobs import ask, request, served
from vlm_autodrive.engines.endpoint import client, retrying
from vlm_autodrive.engines.endpoint.retrying import asked_wait_s, wait_s
from vlm_autodrive.errors import UserError
from vlm_autodrive.progress import SILENT
from vlm_autodrive.records import Outcome
from vlm_autodrive.supervision.teachers.protocol import TeacherVideo
from vlm_autodrive.supervision.teachers.served import open_served
from vlm_autodrive.video import SamplingSettings, read_frames

GOOD = '{"seen": "A car."}'
SAMPLING = SamplingSettings(fps=1.0, max_frames=8, height=64, width=128)


@pytest.fixture(autouse=True)
def quick(monkeypatch):
    monkeypatch.setattr(retrying, "_FIRST_WAIT_S", 0.01)


def good(asked=None):
    return completion(GOOD)


def status(code, body="", **headers):
    return lambda: Response(body, code, {name.replace("_", "-"): value for name, value in headers.items()})


def broken_off():
    """Fewer bytes than were announced, then the connection ends."""
    return Response(b'{"choices": [', headers={"content-length": "500"})


def drips():
    async def drops():
        while True:
            yield b" "
            await asyncio.sleep(0.05)

    return StreamingResponse(drops(), media_type="application/json")


def late():
    return slow(20.0)


NEVER_IN_TIME = (drips, late)


def patience(fault):
    """Little where nothing comes, and much elsewhere, so that a busy machine changes no outcome."""
    return {"timeout_s": 0.5 if fault in NEVER_IN_TIME else 30.0}


async def slow(seconds):
    await asyncio.sleep(seconds)
    return good()


CONTEXT = json.dumps({"error": {"message": "This model's maximum context length is 4096 tokens."}})
SCHEMA = json.dumps({"error": {"message": "response_format is not supported"}})
PASSING = [
    ("429", status(429)),
    ("429 with Retry-After in seconds", status(429, retry_after="0.02")),
    ("429 with Retry-After as a date", status(429, retry_after=formatdate(0, usegmt=True))),
    ("429 with a senseless Retry-After", status(429, retry_after="soon")),
    ("500 with nothing", status(500)),
    ("502 with a page", lambda: HTMLResponse("<h1>Bad gateway</h1>", status_code=502)),
    ("503", status(503, "overloaded")),
    ("408", status(408)),
    ("529", status(529)),
    ("broken off", broken_off),
    ("drips", drips),
    ("too slow", late),
]
LASTING = [
    # fault, outcome, tries of 3, reason
    (status(500, '{"detail": "worker died"}'), Outcome.ERROR, 3, r"failed 3 times: HTTP 500 \(worker died\)"),
    (lambda: HTMLResponse("<h1>Bad</h1>", status_code=502), Outcome.ERROR, 3, r"HTTP 502$"),
    (status(429), Outcome.ERROR, 3, "HTTP 429"),
    (broken_off, Outcome.ERROR, 3, "the connection broke"),
    (drips, Outcome.ERROR, 3, "no answer within served.timeout_s = 0.5"),
    (late, Outcome.ERROR, 3, "no answer within"),
    (status(400, CONTEXT), Outcome.ERROR, 1, r"HTTP 400 \(This model's maximum context.*; raise the"),
    (status(400, SCHEMA), Outcome.ERROR, 1, "set served.json_schema: false"),
    (status(413), Outcome.ERROR, 1, "HTTP 413; raise the server's context length"),
    (status(422, "no such field"), Outcome.ERROR, 1, r"HTTP 422 \(no such field\)"),
    (lambda: HTMLResponse("<h1>Welcome</h1>"), Outcome.ERROR, 3, "no chat completion$"),
    (lambda: JSONResponse([1]), Outcome.ERROR, 3, "no chat completion"),
    (lambda: JSONResponse({"error": {"message": "no worker"}}), Outcome.ERROR, 3, r"no chat completion \(no worker\)"),
    (lambda: Response(b"[" * 100_000), Outcome.ERROR, 3, "no chat completion"),
    (lambda: Response(b"\xff\xfe\x00"), Outcome.ERROR, 3, "no chat completion"),
    (lambda: JSONResponse({"choices": []}), Outcome.ERROR, 3, "no answer"),
    (lambda: JSONResponse({"choices": [None], "usage": [3]}), Outcome.ERROR, 3, "no answer"),
    (lambda: completion('{"seen": "A', finish="error"), Outcome.ERROR, 3, r'its end \(finish_reason "error"\)'),
    (lambda: completion('{"seen": "A', finish="abort"), Outcome.ERROR, 3, 'finish_reason "abort"'),
    (lambda: completion(GOOD, finish=None), Outcome.ERROR, 3, "finish_reason null"),
    (lambda: completion(None), Outcome.UNPARSEABLE, 1, "empty"),
    (lambda: completion(" \n"), Outcome.UNPARSEABLE, 1, "empty"),
    (lambda: completion([]), Outcome.UNPARSEABLE, 1, "empty"),
    (lambda: completion(None, reasoning_content="Hm."), Outcome.UNPARSEABLE, 1, "reasoning, but no answer"),
    (lambda: completion('{"seen": "It was a', finish="length", usage=None), Outcome.TRUNCATED, 1, "served.max_tokens"),
    (lambda: completion("\n" * 4000, finish="length", usage=None), Outcome.TRUNCATED, 1, "served.max_tokens"),
    (lambda: completion("", finish="content_filter"), Outcome.REFUSED, 1, "refused"),
    (lambda: completion(None, refusal="I cannot help."), Outcome.REFUSED, 1, "refused"),
    (lambda: completion([{"type": "refusal", "refusal": "No."}]), Outcome.REFUSED, 1, "refused"),
    (lambda: completion(GOOD, usage=None), Outcome.OK, 1, "^$"),
    (lambda: completion(GOOD, usage={"prompt_tokens": "many", "completion_tokens": 10**40}), Outcome.OK, 1, "^$"),
    (lambda: completion([{"type": "text", "text": GOOD[:5]}, {"type": "text", "text": GOOD[5:]}]), Outcome.OK, 1, "^$"),
]


@pytest.mark.parametrize("fault", [fault for _, fault in PASSING], ids=[name for name, _ in PASSING])
def test_a_fault_that_passes_is_tried_again(tmp_path, fault):
    with serve(lambda asked: fault() if asked.number < 3 else good()) as endpoint:
        replies, use = ask(served(endpoint.url, tmp_path / "c", **patience(fault)), [request(n) for n in range(3)])
    assert [(reply.outcome, reply.text) for reply in replies] == [(Outcome.OK, GOOD)] * 3
    assert set(Counter(asked.text for asked in endpoint.asked).values()) == {3}
    assert (use.tries, use.retries) == (9, 6)


@pytest.mark.parametrize(("fault", "outcome", "tries", "reason"), LASTING)
def test_a_fault_that_lasts_is_one_reply_with_its_outcome(tmp_path, fault, outcome, tries, reason):
    settings = {"max_attempts": 3, **patience(fault)}
    wanted = [request(n) for n in range(3)]
    with serve(lambda asked: fault() if "<1>" in asked.text else good()) as endpoint:
        (before, bad, after), use = ask(served(endpoint.url, tmp_path / "c", **settings), wanted)
        assert (bad.request_id, bad.outcome) == ("clip_1/description", outcome)
        assert re.search(reason, bad.reason), bad.reason
        assert before.outcome is after.outcome is Outcome.OK
        assert sum("<1>" in asked.text for asked in endpoint.asked) == tries
        assert use.tries == tries + 2
        again, _ = ask(served(endpoint.url, tmp_path / "c", **settings), wanted)
    # What is whole is not asked again; errors, and answers with nothing to read, are.
    paid = 0 if outcome in (Outcome.ERROR, Outcome.UNPARSEABLE) else tries
    assert sum("<1>" in asked.text for asked in endpoint.asked) == 2 * tries - paid
    assert again[1].outcome is outcome


def test_texts_and_thoughts_are_kept_whole(tmp_path):
    odd = 'Hm <think> \ud800 \x00 "ü" '
    with serve(
        lambda asked: Response(
            json.dumps({"choices": [{"message": {"content": odd, "reasoning": "I see."}, "finish_reason": "stop"}]})
        )
    ) as e:
        for _ in range(2):  # the second is from the cache
            (reply,), use = ask(served(e.url, tmp_path / "c"), [request(1)])
            assert (reply.text, reply.thoughts) == (odd.replace("\ud800", "?"), "I see.")
            reply.model_dump_json()
    assert (use.tries, use.from_cache) == (0, 1)


def test_a_repair_turn_holds_what_was_written(tmp_path):
    with serve(good) as endpoint:
        ask(served(endpoint.url, tmp_path / "c", json_schema=False), [request(1, answered=("Sure!", "Again."))])
    (asked,) = endpoint.asked
    assert [message["role"] for message in asked.body["messages"]] == ["system", "user", "assistant", "user"]
    assert [message["content"] for message in asked.body["messages"][2:]] == ["Sure!", "Again."]
    assert "response_format" not in asked.body


def test_the_schema_and_the_parameters_are_sent(tmp_path):
    with serve(good) as endpoint:
        ask(served(endpoint.url, tmp_path / "c", max_tokens=77, temperature=0.5), [request(1)])
    body = endpoint.asked[0].body
    assert (body["model"], body["max_tokens"], body["temperature"]) == ("big-teacher", 77, 0.5)
    assert body["response_format"]["json_schema"]["schema"]["required"] == ["seen"]


def test_retry_after_holds_for_all(tmp_path):
    def slow_down(asked):
        return status(429, retry_after="0.6")() if len(endpoint.asked) == 1 else good()

    with serve(slow_down) as endpoint:
        replies, use = ask(served(endpoint.url, tmp_path / "c", max_connections=1), [request(n) for n in range(4)])
    assert all(reply.outcome is Outcome.OK for reply in replies)
    assert use.refused == use.retries == 1
    first, second, *_ = (asked.at for asked in endpoint.asked)
    assert second - first >= 0.59


@pytest.mark.parametrize("code", [429, 503])
def test_a_server_that_wants_more_patience_than_is_allowed_stops_the_run(tmp_path, code):
    with serve(lambda asked: status(code, retry_after="3600")()) as endpoint:
        replies, _ = ask(served(endpoint.url, tmp_path / "c", max_connections=1), [request(n) for n in range(5)])
    assert len(endpoint.asked) == 1
    assert all("3600 s" in str(reply) and "served.max_backoff_s" in str(reply) for reply in replies)


@pytest.mark.parametrize("code", [401, 402, 403, 404, 307])
def test_what_can_never_succeed_stops_the_run_and_keeps_what_is_in_flight(tmp_path, monkeypatch, caplog, code):
    monkeypatch.setenv("TEACHER_KEY", "sk-very-secret")
    caplog.set_level("DEBUG")

    async def answer(asked):
        if "<2>" in asked.text:
            return PlainTextResponse("bad key sk-very-secret", code, {"location": "http://127.0.0.1:9/v1"})
        await asyncio.sleep(0.3)
        return completion(GOOD + "sk-very-secret", reasoning="sk-very-secret")

    with serve(answer) as endpoint:
        settings = served(endpoint.url, tmp_path / "c", api_key_env="TEACHER_KEY", max_connections=4)
        replies, _ = ask(settings, [request(n) for n in range(12)])
        stopped = [reply for reply in replies if isinstance(reply, UserError)]
        assert [isinstance(reply, UserError) for reply in replies[:4]] == [False, False, True, False]
        assert len(stopped) == 9
        assert all(str(code) in str(error) for error in stopped)
        assert endpoint.asked[0].headers["authorization"] == "Bearer sk-very-secret"
        asked_before = len(endpoint.asked)
        endpoint.answer = good
        replies_again, use = ask(settings, [request(n) for n in range(12)])
    assert asked_before == 4
    assert use.from_cache == 3
    assert all(reply.outcome is Outcome.OK for reply in replies_again)
    left = b"".join(path.read_bytes() for path in tmp_path.rglob("*") if path.is_file()).decode("latin-1")
    assert "very-secret" not in left + caplog.text + repr(replies) + repr(stopped)


@pytest.mark.parametrize("code", [400, 500, 200])
def test_a_key_that_the_server_repeats_is_hidden(tmp_path, monkeypatch, code):
    monkeypatch.setenv("TEACHER_KEY", "sk/very/secret")
    said = r'{"error": "your key sk\/very\/secret is odd"}'  # escaped as JSON allows
    with serve(lambda asked: Response(said, code)) as endpoint:
        (reply,), _ = ask(served(endpoint.url, tmp_path / "c", api_key_env="TEACHER_KEY", max_attempts=2), [request(1)])
    assert "your key [the key] is odd" in reply.reason
    assert "secret" not in reply.reason


@pytest.mark.parametrize("key", ["sk-secret\nX-Other: 1", "sk secret", "ключ-secret"])
def test_a_key_that_cannot_be_a_header_is_refused_without_showing_it(tmp_path, monkeypatch, key):
    monkeypatch.setenv("TEACHER_KEY", key)
    with pytest.raises(UserError, match="TEACHER_KEY") as failure:
        ask(served("http://127.0.0.1:9/v1", tmp_path / "c", api_key_env="TEACHER_KEY"), [])
    assert "secret" not in repr(failure.value)


def test_an_account_without_money_stops_the_run(tmp_path):
    body = '{"error": {"code": "insufficient_quota", "message": "You exceeded your current quota"}}'
    with serve(lambda asked: status(429, body)()) as endpoint:
        replies, _ = ask(served(endpoint.url, tmp_path / "c", max_connections=1), [request(n) for n in range(3)])
    assert len(endpoint.asked) == 1
    assert all("used up" in str(reply) for reply in replies)


def test_a_cancelled_caller_loses_no_paid_reply(tmp_path):
    async def cancel_all(settings):
        async with open_served(settings, "job", SILENT) as teacher:
            tasks = [asyncio.create_task(teacher.write(request(n))) for n in range(20)]
            while len(endpoint.asked) < 4:
                await asyncio.sleep(0.01)
            for task in tasks:
                task.cancel()
            await asyncio.gather(*tasks, return_exceptions=True)

    with serve(lambda asked: slow(0.2)) as endpoint:
        settings = served(endpoint.url, tmp_path / "c", max_connections=4)
        asyncio.run(cancel_all(settings))
        assert len(endpoint.asked) == 4
        _, use = ask(settings, [request(n) for n in range(20)])
    assert (use.from_cache, use.tries) == (4, 16)
    assert use.of_job.requests == len(endpoint.asked) == 20


def test_an_endpoint_that_is_not_there_is_said_plainly(tmp_path):
    replies, use = ask(served("http://127.0.0.1:9/v1", tmp_path / "c", max_attempts=2), [request(n) for n in range(3)])
    assert all("cannot be reached" in str(reply) and isinstance(reply, UserError) for reply in replies)
    assert use.of_job.prompt_tokens == 0


def test_a_port_that_speaks_no_tls_is_said_plainly(tmp_path):
    with serve(good) as endpoint:
        url = endpoint.url.replace("http", "https", 1)
        (reply,), _ = ask(served(url, tmp_path / "c", max_attempts=2), [request(1)])
    assert "speaks no TLS" in str(reply) and "write http:// in" in str(reply)


@pytest.mark.parametrize(
    "url", ["http://10.0.0.5:8000/v1", "https://api.example.com/v1", "http://127.0.0.1.evil.org/v1"]
)
def test_another_machine_is_refused_unless_allowed(tmp_path, url):
    with pytest.raises(UserError, match="allow_remote"):
        ask(served(url, tmp_path / "c"), [])
    ask(served(url, tmp_path / "c", allow_remote=True), [])


@pytest.mark.parametrize("url", ["http://127.0.0.1:1/v1", "http://localhost:1/v1", "http://[::1]:1/v1"])
def test_this_machine_is_allowed(tmp_path, url):
    ask(served(url, tmp_path / "c"), [])


@pytest.mark.parametrize(
    ("url", "match"),
    [
        ("localhost:8000", "no address"),
        ("http://me:sk-secret@127.0.0.1/v1", "api_key_env"),
        ("http://127.0.0.1/v1?key=sk-secret", "api_key_env"),
    ],
)
def test_a_bad_address_is_said_plainly(tmp_path, url, match):
    with pytest.raises(UserError, match=match) as failure:
        ask(served(url, tmp_path / "c"), [])
    assert "secret" not in str(failure.value)


def test_an_address_that_servers_print_is_this_machine(tmp_path, monkeypatch):
    monkeypatch.setenv("HTTP_PROXY", "http://127.0.0.1:9")
    with serve(good) as endpoint:
        (reply,), _ = ask(served(endpoint.url.replace("127.0.0.1", "0.0.0.0"), tmp_path / "c"), [request(1)])
    assert reply.outcome is Outcome.OK


def test_a_slow_server_is_sent_fewer_requests_that_are_waited_for_longer(tmp_path):
    """It works on one request at a time, and drops its work where the client hangs up, as llama.cpp's server does."""
    one_at_a_time = asyncio.Lock()

    async def slowly(asked):
        async with one_at_a_time:
            await asyncio.sleep(0.15)
        return good()

    told = Listens()
    with serve(slowly) as endpoint:
        settings = served(endpoint.url, tmp_path / "c", timeout_s=0.5)
        replies, use = ask(settings, [request(n) for n in range(16)], reporter=told)
    assert [reply.outcome for reply in replies] == [Outcome.OK] * 16
    assert use.tries < 48
    (line,) = [line for line in told.said if "had no answer in time" in line]
    assert "raise served.timeout_s or lower served.max_connections" in line


def test_while_nothing_comes_back_that_is_told(tmp_path, monkeypatch):
    monkeypatch.setattr(client, "_QUIET_S", 0.1)
    told = Listens()
    with serve(lambda asked: slow(0.8)) as endpoint:
        begun_s = monotonic()
        ask(served(endpoint.url, tmp_path / "c"), [request(n) for n in range(3)], reporter=told)
        took_s = monotonic() - begun_s
    waiting = [line for line in told.said if "are under way and none came back" in line]
    most = math.log2(took_s / 0.1 + 1)  # each pause is twice as long as the one before
    assert 1 <= len(waiting) <= most and waiting[0].startswith("3 requests to the teacher at 127.0.0.1")


@pytest.mark.parametrize("body", ["refused", "no completion"])
def test_where_nothing_works_from_the_first_the_run_ends_and_says_how_to_go_on(tmp_path, body):
    def never(asked):
        return Response("unknown field", 400) if body == "refused" else JSONResponse({"error": "CUDA out of memory"})

    with serve(never) as endpoint:
        settings = served(endpoint.url, tmp_path / "c", max_connections=1, max_attempts=2)
        replies, _ = ask(settings, [request(n) for n in range(12)])
    assert [isinstance(reply, UserError) for reply in replies] == [False] * 7 + [True] * 5
    assert "8 requests failed in a row" in str(replies[-1]) and "run the same command again" in str(replies[-1])
    assert ("unknown field" if body == "refused" else "CUDA out of memory") in str(replies[-1])


def test_a_missing_key_is_said_plainly(tmp_path, monkeypatch):
    monkeypatch.delenv("NO_SUCH_KEY", raising=False)
    with pytest.raises(UserError, match="NO_SUCH_KEY"):
        ask(served("http://127.0.0.1:9/v1", tmp_path / "c", api_key_env="NO_SUCH_KEY"), [])


def test_proxies_of_the_environment_are_not_for_this_machine(tmp_path, monkeypatch):
    monkeypatch.setenv("HTTP_PROXY", "http://127.0.0.1:9")
    with serve(good) as endpoint:
        (reply,), _ = ask(served(endpoint.url, tmp_path / "c", allow_remote=True), [request(1)])
    assert reply.outcome is Outcome.OK


def test_images_follow_their_true_times_and_stand_before_the_text(tmp_path, make_video):
    times = [0.0, 0.3, 1.1, 1.2, 2.7, 3.3, 3.9, 4.0]
    footage = TeacherVideo(make_video(times_s=times), 0.2, 4.0, SAMPLING)
    expected = read_frames(footage.path, 0.2, 4.0, SAMPLING)
    with serve(good) as endpoint:
        ask(served(endpoint.url, tmp_path / "c"), [request(1, footage=footage)])
    *shown, text = endpoint.asked[0].body["messages"][1]["content"]
    assert "What is seen?" in text["text"]
    assert [part["text"] for part in shown[::2]] == [f"The frame at t={time_s:.2f}:" for time_s in expected.times_s]
    streams = [io.BytesIO(base64.b64decode(part["image_url"]["url"].partition(",")[2])) for part in shown[1::2]]
    pixels = np.stack([next(av.open(stream).decode(video=0)).to_ndarray(format="rgb24") for stream in streams])
    assert numbers_shown(pixels) == numbers_shown(expected.pixels)


def test_a_video_keeps_the_frames_true_times(tmp_path, make_video):
    sampling = SAMPLING.model_copy(update={"height": 65})  # odd: the last row is left out
    footage = TeacherVideo(make_video(times_s=[0.5, 0.8, 1.1, 1.2, 2.7, 3.3, 3.9]), 0.2, 3.3, sampling, as_video=True)
    expected = read_frames(footage.path, 0.2, 3.3, sampling)
    with serve(good) as endpoint:
        ask(served(endpoint.url, tmp_path / "c"), [request(1, footage=footage)])
    video, times, _ = endpoint.asked[0].body["messages"][1]["content"]
    assert times["text"].endswith(f"t={', '.join(f'{time_s:.2f}' for time_s in expected.times_s)} seconds.")
    kind, _, data = video["video_url"]["url"].partition(";base64,")
    assert kind == "data:video/mp4"
    frames = list(av.open(io.BytesIO(base64.b64decode(data))).decode(video=0))
    assert [frame.time for frame in frames] == pytest.approx(expected.times_s, abs=1e-4)
    assert numbers_shown(np.stack([frame.to_ndarray(format="rgb24") for frame in frames])) == numbers_shown(
        expected.pixels
    )


def test_frames_that_cannot_be_read_are_an_error_of_their_clip(tmp_path, make_video):
    torn = tmp_path / "torn.mp4"
    torn.write_bytes(make_video().read_bytes()[:500])
    bad = [TeacherVideo(path, 0.0, 4.0, SAMPLING) for path in (tmp_path / "missing.mp4", torn, Path(tmp_path))]
    with serve(good) as endpoint:
        replies, use = ask(served(endpoint.url, tmp_path / "c"), [request(n, footage=f) for n, f in enumerate(bad)])
    assert [reply.outcome for reply in replies] == [Outcome.ERROR] * 3
    assert all(reply.reason.startswith("its frames cannot be read") for reply in replies)
    assert endpoint.asked == []
    assert use.of_job.requests == 0


def test_waiting_doubles_with_jitter_and_reads_what_the_server_says():
    first = {wait_s(1, 60.0) for _ in range(50)}
    assert len(first) == 50
    assert 0.005 <= min(first) <= max(first) <= 0.01
    assert wait_s(5, 60.0) > max(first)
    assert wait_s(30, 2.0) <= 2.0

    def asked(value):
        return asked_wait_s(httpx.Response(503, headers={"retry-after": value}))

    assert asked("7") == 7.0
    assert asked(" 0.5 ") == 0.5
    assert 17 < asked(formatdate(time() + 20, usegmt=True)) < 21
    assert asked(formatdate(time() - 20, usegmt=True)) == 0.0
    assert [asked(value) for value in ("soon", "", "-3", "nan", "1e9999", "Wed, 99 Foo 2031 00:00:00 GMT")] == [
        None
    ] * 6
    assert asked_wait_s(httpx.Response(503)) is None
