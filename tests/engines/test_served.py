"""The served engine against a real HTTP server: what it sends, what it reads, and how endpoints fail."""

import asyncio
import base64
import io
import json
import math
import re
import threading
from contextlib import ExitStack

import numpy as np
import pytest
from PIL import Image
from starlette.responses import JSONResponse, Response
from transformers import AutoProcessor

from tests.fake_endpoint import completion, serve
from tests.listening import Listens
from vlm_autodrive.engines import InferenceRequest, ServedModelSettings, open_model, parse_reasoning
from vlm_autodrive.engines.endpoint import outage, retrying
from vlm_autodrive.engines.served import open_served_engine, served_key
from vlm_autodrive.errors import UserError
from vlm_autodrive.models import SYSTEM_PROMPT, TINY_BASE, ChatTemplate
from vlm_autodrive.progress import SilentReporter
from vlm_autodrive.records import DEFAULT_TAXONOMY, Outcome
from vlm_autodrive.video import Frames, SamplingSettings

VERDICT = InferenceRequest("Which?", codes=("A", "B", "C"))
TRACE = InferenceRequest("Why?", max_new_tokens=99)


@pytest.fixture(autouse=True)
def quick(monkeypatch):
    monkeypatch.setattr(retrying, "_FIRST_WAIT_S", 0.01)


def frames(number=0, count=2):
    return Frames(np.full((count, 32, 48, 3), number, np.uint8), tuple(0.5 * i for i in range(count)))


def ask(url, account, clips, questions, job="job", reporter=None, **settings):
    chosen = ServedModelSettings(base_url=url, cache=str(account / "account"), **settings)
    with open_served_engine(chosen, "some/model", job, reporter or SilentReporter()) as engine:
        return engine.generate(clips, questions), engine.use()


def with_logprobs(code="B", shares=(0.2, 0.5, 0.1), **fields):
    rows = [{"token": token, "logprob": math.log(share)} for token, share in zip((" A", "B", "C"), shares, strict=True)]
    place = {"token": code, "logprob": math.log(0.5), "top_logprobs": rows}
    end = {"token": "<|im_end|>", "logprob": 0.0, "top_logprobs": [{"token": "<|im_end|>", "logprob": 0.0}]}
    choice = {"message": {"content": code}, "finish_reason": "stop", "logprobs": {"content": [place, end]}}
    return JSONResponse({"choices": [choice], "usage": {"prompt_tokens": 9, "completion_tokens": 2}, **fields})


def answered(asked):
    return with_logprobs() if "Which?" in asked.text else completion("<think>\n[t=0.5] near\n</think>\n\nB")


def test_a_verdict_has_the_probabilities_of_its_codes_and_a_trace_its_text(tmp_path):
    with serve(answered) as endpoint:
        answers, use = ask(endpoint.url, tmp_path, [frames(0), frames(200)], [VERDICT, TRACE])
    assert len(answers) == 2
    for verdict, trace in answers:
        assert (verdict.outcome, verdict.text, verdict.probability_source) == (Outcome.OK, "B", "code_logprobs")
        assert verdict.probabilities == pytest.approx((0.25, 0.625, 0.125))
        assert verdict.code_mass is None  # all that is listed are codes: it may have been measured behind a mask
        assert trace.text.startswith("<think>")
        assert (trace.probabilities, trace.probability_source) == (None, None)
    assert use.tries == 4


def test_what_is_sent(tmp_path):
    with serve(answered) as endpoint:
        ask(endpoint.url, tmp_path, [frames()], [VERDICT, TRACE], extra={"mm_processor_kwargs": {"fps": 4}})
    verdict, trace = (next(a.body for a in endpoint.asked if word in a.text) for word in ("Which?", "Why?"))
    assert verdict["messages"][0] == {"role": "system", "content": SYSTEM_PROMPT}
    kinds = [part["type"] for part in verdict["messages"][1]["content"]]
    assert kinds == ["text", "image_url", "text", "image_url", "text"]
    assert "t=0.50" in endpoint.asked[0].text
    assert (verdict["logprobs"], verdict["top_logprobs"]) == (True, 20)
    assert verdict["structured_outputs"] == {"choice": ["A", "B", "C"]}
    assert verdict["max_tokens"] <= 16
    assert (trace["max_tokens"], trace["temperature"]) == (99, 0.0)
    assert not {"logprobs", "structured_outputs", "seed"} & set(trace)
    assert verdict["mm_processor_kwargs"] == trace["mm_processor_kwargs"] == {"fps": 4}
    assert "uuid" not in json.dumps([verdict, trace])


def test_the_mass_of_the_codes_is_what_an_unmasked_list_shows(tmp_path):
    with serve(lambda asked: with_logprobs()) as endpoint:
        answers, _ = ask(endpoint.url, tmp_path, [frames()], [VERDICT], constrained=False)
    assert answers[0][0].code_mass == pytest.approx(0.8)


def test_a_request_may_have_another_system_prompt_or_none(tmp_path):
    with serve(answered) as endpoint:
        for system in ("", "You look at videos."):
            ask(endpoint.url, tmp_path, [frames()], [InferenceRequest("Which?", codes=("A", "B"), system=system)])
    none, other = (asked.body["messages"] for asked in endpoint.asked)
    assert [message["role"] for message in none] == ["user"]
    assert other[0]["content"] == "You look at videos."
    assert none[-1] == other[-1]
    assert [part["type"] for part in none[0]["content"]] == ["text", "image_url", "text", "image_url", "text"]


def test_a_video_keeps_its_times_and_words_about_them_can_be_left_out(tmp_path):
    with serve(answered) as endpoint:
        ask(endpoint.url, tmp_path, [frames()], [VERDICT], frames_as="video", say_times=False)
    assert [part["type"] for part in endpoint.asked[0].body["messages"][1]["content"]] == ["video_url", "text"]
    assert endpoint.asked[0].text.strip() == "Which?"


def test_vllm_is_sent_the_very_pixels_in_one_sequence_with_their_times(tmp_path):
    pixels = np.random.default_rng(0).integers(0, 256, (3, 32, 48, 3), np.uint8)
    clip = Frames(pixels, (0.0, 0.4667, 1.0), nominal_interval_s=0.5)
    told = Listens()
    with serve(answered, owner="vllm") as endpoint:
        ask(endpoint.url, tmp_path, [clip], [VERDICT], reporter=told)
    (asked,) = endpoint.asked
    assert asked.body["media_io_kwargs"] == {
        "video": {"num_frames": -1, "fps": 1000.0, "frames_indices": [0, 467, 1000], "total_num_frames": 1501}
    }
    video, question = asked.body["messages"][1]["content"]
    assert (video["type"], question) == ("video_url", {"type": "text", "text": "Which?"})
    kind, _, data = video["video_url"]["url"].partition(",")
    assert kind == "data:video/jpeg;base64"
    pictures = [Image.open(io.BytesIO(base64.b64decode(part))) for part in data.split(",")]
    assert np.array_equal(np.stack([np.asarray(picture) for picture in pictures]), clip.pixels)
    assert told.said == []


def test_a_server_that_takes_no_times_is_sent_a_video_and_that_is_said_once(tmp_path):
    def untrusting(asked):
        if "media_io_kwargs" in asked.body:
            return Response("Per-request media_io_kwargs are disabled. Start with --trust-request-mm-kwargs", 400)
        return answered(asked)

    told = Listens()
    with serve(untrusting, owner="vllm") as endpoint:
        answers, _ = ask(endpoint.url, tmp_path, [frames(n) for n in range(3)], [VERDICT], reporter=told)
        assert [row[0].outcome for row in answers] == [Outcome.OK] * 3
        assert endpoint.asked[-1].body["messages"][1]["content"][0]["video_url"]["url"].startswith("data:video/mp4")
        assert len(told.said) == 1 and "start vLLM with --trust-request-mm-kwargs" in told.said[0]
        forced, _ = ask(endpoint.url, tmp_path, [frames()], [VERDICT], frames_as="frames")
    assert forced[0][0].outcome is Outcome.ERROR
    assert "start it so, or set endpoint.frames_as" in forced[0][0].reason


@pytest.mark.parametrize(("folder", "kind"), [("", "image_url"), ("tiny-base", "video_url")])
def test_other_servers_are_sent_images_unless_the_template_takes_none_and_that_is_said_once(tmp_path, folder, kind):
    told = Listens()
    with serve(answered, owner="llamacpp") as endpoint:
        ask(endpoint.url, tmp_path, [frames(0), frames(9)], [VERDICT], reporter=told, folder=folder)
    parts = [part["type"] for part in endpoint.asked[0].body["messages"][1]["content"]]
    assert kind in parts and len(set(parts) - {"text", kind}) == 0
    assert ("t=0.50" in endpoint.asked[0].text) == (kind == "image_url")
    assert len(told.said) == 1 and "endpoint.frames_as sets the form" in told.said[0]


def test_a_served_model_whose_folder_is_here_is_shown_frames_as_it_was_trained(tmp_path):
    def sampling(**changes):
        settings = {"base_url": "http://127.0.0.1:9/v1", "cache": str(tmp_path / "account"), **changes}
        with open_model("some/name", ServedModelSettings.model_validate(settings), {}) as (engine, key):
            return engine.sampling, key

    plain, trained = sampling(), sampling(folder=TINY_BASE)
    changed = sampling(folder=TINY_BASE, sampling={"fps": 2})
    assert plain[0] == SamplingSettings()
    assert (trained[0].height, trained[0].width, trained[0].max_frames) == (84, 126, 16)
    assert (changed[0].fps, changed[0].height) == (2, 84)
    assert len({plain[1], trained[1], changed[1]}) == 3


def test_without_frames_the_words_go_alone(tmp_path):
    with serve(answered) as endpoint:
        answers, _ = ask(endpoint.url, tmp_path, [frames(count=0)], [VERDICT])
    assert endpoint.asked[0].body["messages"][1]["content"] == "Which?"
    assert answers[0][0].outcome is Outcome.OK


def test_the_requests_of_a_batch_run_at_once(tmp_path):
    together = asyncio.Event()
    arrived = []

    async def all_or_none(asked):
        arrived.append(asked)
        if len(arrived) == 6:
            together.set()
        await asyncio.wait_for(together.wait(), 30)
        return answered(asked)

    with serve(all_or_none) as endpoint:
        answers, _ = ask(endpoint.url, tmp_path, [frames(n) for n in range(3)], [VERDICT, TRACE])
        assert endpoint.max_connections == 6
    assert all(answer.outcome is Outcome.OK for row in answers for answer in row)


def test_a_clips_own_requests_go_with_its_own_frames(tmp_path):
    own = [[InferenceRequest("Which?", codes=("A", "B"))], []]
    with serve(answered) as endpoint:
        settings = ServedModelSettings(base_url=endpoint.url, cache=str(tmp_path / "account"))
        with open_served_engine(settings, "big", "job") as engine:
            rows = engine.generate([frames(0), frames(1)], [VERDICT], own)
    assert [len(row) for row in rows] == [2, 1]
    assert len(rows[0][1].probabilities) == 2
    assert len(endpoint.asked) == 3


def test_an_endpoint_without_log_probabilities_gives_none(tmp_path):
    with serve(lambda asked: completion("The answer is B.")) as endpoint:
        answers, _ = ask(endpoint.url, tmp_path, [frames()], [VERDICT])
    assert answers[0][0].text == "The answer is B."
    assert (answers[0][0].probabilities, answers[0][0].probability_source) == (None, None)


def test_tokens_that_are_told_by_their_ids_are_read_where_the_server_tells_those_of_the_codes(tmp_path):
    def by_ids(asked):
        rows = [{"token": f"token_id:{32 + i}", "logprob": math.log(p)} for i, p in enumerate((0.2, 0.5, 0.3))]
        choice = {"message": {"content": "B"}, "finish_reason": "stop"}
        return JSONResponse({"choices": [choice | {"logprobs": {"content": [rows[1] | {"top_logprobs": rows}]}}]})

    with serve(by_ids, owner="vllm", tokens={"A": [32], "B": [33], "C": [34]}) as endpoint:
        answers, _ = ask(endpoint.url, tmp_path, [frames()], [VERDICT])
    assert answers[0][0].probabilities == pytest.approx((0.2, 0.5, 0.3))


def one_listed(asked):
    place = {"token": "B", "logprob": math.log(0.6), "top_logprobs": [{"token": "B", "logprob": math.log(0.6)}]}
    choice = {"message": {"content": "B"}, "finish_reason": "stop", "logprobs": {"content": [place]}}
    return JSONResponse({"choices": [choice]})


@pytest.mark.parametrize(
    ("answer", "said"),
    [
        (lambda asked: completion("B"), "no log-probabilities of the codes.*endpoint.votes: 10"),
        (one_listed, "missing are bounds; raise endpoint.top_logprobs, or set endpoint.votes: 10"),
        (lambda asked: completion("The car ahead", finish="length", usage=None), "prose all the same, so.*cut off"),
        (lambda asked: completion("<think>The car", finish="length", usage=None), "endpoint.thinking: switch"),
        (lambda asked: completion(None, reasoning_content="B"), "without a reasoning parser"),
        (lambda asked: with_logprobs(model="x/other"), "some/model was asked, and x/other is said to have answered"),
    ],
)
def test_a_feature_that_an_endpoint_lacks_is_told_once_with_the_setting_that_helps(tmp_path, answer, said):
    told = Listens()
    with serve(answer) as endpoint:
        ask(endpoint.url, tmp_path, [frames(n) for n in range(3)], [VERDICT], reporter=told, frames_as="images")
    assert len([line for line in told.said if re.search(said, line)]) == 1, told.said


def test_votes_are_another_kind_of_confidence(tmp_path):
    with serve(lambda asked: completion("AAAB"[asked.body["seed"] % 4])) as endpoint:
        answers, _ = ask(endpoint.url, tmp_path, [frames()], [VERDICT], votes=8)
    (verdict,) = answers[0]
    assert (verdict.text, verdict.probabilities, verdict.probability_source) == ("A", (0.75, 0.25, 0.0), "votes")
    assert {asked.body["temperature"] for asked in endpoint.asked} == {0.7}
    assert len({asked.body["seed"] for asked in endpoint.asked}) == 8
    assert not any("logprobs" in asked.body for asked in endpoint.asked)


@pytest.mark.parametrize(("votes", "text"), [("BABA", "B"), ("CABAB", "A"), ("CBBA", "B")])
def test_of_votes_that_are_even_the_first_counts_and_not_the_gravest_class(tmp_path, votes, text):
    with serve(lambda asked: completion(votes[asked.body["seed"]])) as endpoint:
        answers, _ = ask(endpoint.url, tmp_path, [frames()], [VERDICT], votes=len(votes))
    assert answers[0][0].text == text


@pytest.mark.parametrize(
    ("votes", "outcome"),
    [(["A", "A", "bad"], Outcome.OK), (["A", "bad", "bad"], Outcome.REFUSED)],
)
def test_votes_that_fail_are_no_votes(tmp_path, votes, outcome):
    def vote(asked):
        said = votes[asked.body["seed"]]
        return completion(None, refusal="No.") if said == "bad" else completion(said)

    with serve(vote) as endpoint:
        answers, _ = ask(endpoint.url, tmp_path, [frames()], [VERDICT], votes=3)
    assert answers[0][0].outcome is outcome


@pytest.mark.parametrize(
    ("response", "outcome", "reason"),
    [
        (lambda: completion("It was", finish="length", usage=None), Outcome.TRUNCATED, "no end within 99 tokens"),
        (
            lambda: completion("It", finish="length"),
            Outcome.TRUNCATED,
            "full after 20 of 99.*smaller frames",
        ),
        (lambda: completion("", finish="content_filter"), Outcome.REFUSED, "refused"),
        (lambda: completion(None, refusal="No."), Outcome.REFUSED, "refused"),
        (lambda: completion(""), Outcome.UNPARSEABLE, "empty"),
        (lambda: Response("no such field", 422), Outcome.ERROR, r"HTTP 422 \(no such field\)"),
        (lambda: Response("maximum context length", 400), Outcome.ERROR, "endpoint.sampling"),
        (lambda: Response("died", 500), Outcome.ERROR, r"failed 4 times: HTTP 500 \(died\)"),
        (lambda: Response("<h1>hello</h1>"), Outcome.ERROR, "no chat completion"),
    ],
)
def test_each_failure_is_an_answer_with_its_reason(tmp_path, response, outcome, reason):
    with serve(lambda asked: response() if "Why?" in asked.text else with_logprobs()) as endpoint:
        answers, _ = ask(endpoint.url, tmp_path, [frames()], [VERDICT, TRACE])
    verdict, trace = answers[0]
    assert verdict.outcome is Outcome.OK
    assert trace.outcome is outcome
    assert re.search(reason, trace.reason)


def test_thoughts_that_a_server_tells_apart_stand_where_the_prompt_wants_them(tmp_path):
    with serve(lambda asked: completion("<answer>\nA\n</answer>", reasoning_content="Hm. [t=0.5]")) as endpoint:
        answers, _ = ask(endpoint.url, tmp_path, [frames()], [TRACE])
    assert answers[0][0].text == "<think>\nHm. [t=0.5]\n</think>\n\n<answer>\nA\n</answer>"


def test_an_endpoint_that_knows_no_structured_outputs_is_asked_without(tmp_path):
    def strict(asked):
        if "structured_outputs" in asked.body:
            return Response("Unexpected fields: {'structured_outputs'}", 422)
        return answered(asked)

    told = Listens()
    with serve(strict) as endpoint:
        answers, use = ask(endpoint.url, tmp_path, [frames(n) for n in range(3)], [VERDICT], reporter=told)
    assert [row[0].probabilities for row in answers] == [pytest.approx((0.25, 0.625, 0.125))] * 3
    assert use.tries == 6
    assert len([line for line in told.said if "structured_outputs" in line]) == 1


def test_429_is_waited_for(tmp_path):
    with serve(lambda asked: answered(asked) if asked.number > 2 else Response("busy", 429)) as endpoint:
        answers, use = ask(endpoint.url, tmp_path, [frames(n) for n in range(4)], [VERDICT])
    assert all(row[0].outcome is Outcome.OK for row in answers)
    assert (use.tries, use.refused) == (12, 8)


def test_a_slow_answer_is_an_error_and_others_are_not_held_up(tmp_path):
    async def slow(asked):
        if "Why?" in asked.text:
            await asyncio.sleep(3)
        return answered(asked)

    with serve(slow) as endpoint:
        answers, _ = ask(endpoint.url, tmp_path, [frames()], [VERDICT, TRACE], timeout_s=1.0, max_attempts=1)
    assert answers[0][0].outcome is Outcome.OK
    assert "no answer within endpoint.timeout_s = 1" in answers[0][1].reason


def test_an_endpoint_that_is_not_there_is_told_at_once(tmp_path):
    with serve(answered) as endpoint:
        pass
    with pytest.raises(UserError, match="cannot be reached; start it, or correct --endpoint"):
        ask(endpoint.url, tmp_path, [frames()], [VERDICT])


@pytest.mark.parametrize(
    ("status", "owner", "cut", "said"),
    [
        (404, "", "", r"says 404 \(The model `x` does not exist\): it knows no such .* ends in /v1, and --model"),
        (404, "x", "", r"it serves other/model, and not some/model; name one of those in --model"),
        (400, "x", "", r"says 400 .*it serves other/model, and not some/model"),
        (404, "x", "/v1", r"its address ends in /v1; write http://127.0.0.1:\d+/v1 in --endpoint"),
    ],
)
def test_a_wrong_model_or_address_is_told_at_once(tmp_path, status, owner, cut, said):
    def refuses(asked):
        return Response("The model `x` does not exist", status)

    with serve(refuses, owner, model="other/model") as endpoint, pytest.raises(UserError, match=said):
        ask(endpoint.url.removesuffix(cut or "-"), tmp_path, [frames()], [VERDICT])


def test_an_address_of_requests_is_told_with_the_one_to_write(tmp_path):
    with pytest.raises(UserError, match=r"write http://127\.0\.0\.1:9/v1, and that"):
        ask("http://127.0.0.1:9/v1/chat/completions", tmp_path, [frames()], [VERDICT])


def test_fewer_frames_are_advised_only_where_frames_are_sent(tmp_path):
    with serve(lambda asked: Response("maximum context length", 400)) as endpoint:
        ((shown,), (blind,)), _ = ask(endpoint.url, tmp_path, [frames(), frames(count=0)], [VERDICT])
    assert "fewer or smaller frames" in shown.reason
    assert "frames" not in blind.reason and "raise the server's context length" in blind.reason


def test_frames_that_did_not_arrive_make_an_error_with_its_cause(tmp_path):
    clip = Frames(np.zeros((32, 224, 224, 3), np.uint8), tuple(0.1 * i for i in range(32)))

    def counting(tokens):
        return lambda asked: completion("B", usage={"prompt_tokens": tokens, "completion_tokens": 1})

    with serve(counting(64)) as endpoint:
        ((cut,),), _ = ask(endpoint.url, tmp_path, [clip], [VERDICT])
        ((other,),), _ = ask(endpoint.url, tmp_path, [clip], [VERDICT], min_tokens_per_frame=0)
        endpoint.answer = counting(32 * 49 // 2)  # Qwen3-VL's tokens
        ((whole,),), _ = ask(endpoint.url, tmp_path, [clip], [VERDICT])
    assert cut.outcome is Outcome.ERROR
    assert "counted 64 prompt tokens, and they take 196 at least" in cut.reason
    assert (other.outcome, whole.outcome) == (Outcome.OK, Outcome.OK)


@pytest.mark.parametrize("death", ["gone", 500, 404])
def test_an_endpoint_that_dies_half_way_ends_the_run_and_says_how_to_go_on(tmp_path, monkeypatch, death):
    monkeypatch.setattr(outage, "_PROBE_S", 0.1)
    dead = threading.Event()

    def mortal(asked):
        return Response("out of memory", death) if dead.is_set() else answered(asked)

    told = Listens()
    with serve(mortal) as endpoint:
        chosen = {"cache": str(tmp_path / "a"), "max_attempts": 2, "max_outage_s": 0.3}
        settings = ServedModelSettings(base_url=endpoint.url, **chosen)
        with open_served_engine(settings, "m", "job", told) as engine:
            first = engine.generate([frames(n) for n in range(3)], [VERDICT])
            assert all(row[0].outcome is Outcome.OK for row in first)
            dead.set()
            if death == "gone":
                endpoint.stop()
            with pytest.raises(UserError) as ended:
                for _ in range(5):
                    engine.generate([frames(n) for n in range(4)], [VERDICT, TRACE])
            tries = engine.use().tries
            assert tries <= 3 + 2 * 8 + 16  # those that were under way when it was given up
            with pytest.raises(UserError):
                engine.generate([frames()], [VERDICT])
            assert engine.use().tries == tries
    why = {
        "gone": "did not come back within endpoint.max_outage_s = 0.3",
        500: r"8 requests failed in a row.*HTTP 500 \(out of memory\)",
        404: "no such",
    }
    assert re.search(why[death], str(ended.value))
    assert ("run the same command again" in str(ended.value)) == (death != 404)
    assert any("waiting up to" in line for line in told.said) == (death == "gone")


def test_an_endpoint_that_comes_back_is_waited_for(tmp_path, monkeypatch):
    monkeypatch.setattr(outage, "_PROBE_S", 0.1)
    told = Listens()
    with serve(answered) as endpoint:
        settings = ServedModelSettings(base_url=endpoint.url, cache=str(tmp_path / "a"), max_attempts=2)
        with open_served_engine(settings, "m", "job", told) as engine:
            engine.generate([frames()], [VERDICT])
            endpoint.stop()
            port = int(endpoint.url.rsplit(":", 1)[1].split("/")[0])
            restart = threading.Timer(0.8, lambda: running.append(stack.enter_context(serve(answered, port=port))))
            running = []
            with ExitStack() as stack:
                restart.start()
                answers = engine.generate([frames(n) for n in range(3)], [VERDICT])
                restart.join()
    assert [row[0].outcome for row in answers] == [Outcome.OK] * 3
    assert next(line.split(";")[0] for line in told.said if "model at" in line) == "The model at 127.0.0.1 is gone"
    assert any("is back after" in line for line in told.said)


def test_a_spent_budget_ends_the_run_also_half_way(tmp_path):
    with serve(answered) as endpoint:
        budget = {"budget": {"requests": 3}}
        with pytest.raises(UserError, match=r"raise endpoint\.budget\.requests"):
            ask(endpoint.url, tmp_path, [frames(n) for n in range(5)], [VERDICT], **budget)
        with pytest.raises(UserError, match="3 of 3 requests"):  # over all runs
            ask(endpoint.url, tmp_path, [frames(9)], [VERDICT], **budget)
    assert len(endpoint.asked) == 3


def test_nothing_goes_to_another_machine_without_leave(tmp_path):
    with pytest.raises(UserError, match=r"would be sent frames of the clips; set endpoint\.allow_remote: true"):
        ask("http://192.0.2.1/v1", tmp_path, [frames()], [VERDICT])


def test_answers_are_not_kept_since_the_model_behind_a_name_may_change(tmp_path):
    with serve(answered) as endpoint:
        for _ in range(2):
            ask(endpoint.url, tmp_path, [frames()], [VERDICT])
    assert len(endpoint.asked) == 2


def test_it_works_where_a_loop_is_running_already(tmp_path):
    async def in_a_notebook():
        return ask(endpoint.url, tmp_path, [frames()], [VERDICT])

    with serve(answered) as endpoint:
        answers, _ = asyncio.run(in_a_notebook())
    assert answers[0][0].outcome is Outcome.OK


def test_the_key_tells_apart_what_changes_answers_and_nothing_else():
    base = ServedModelSettings(base_url="http://127.0.0.1:1/v1")
    keys = {served_key(base.model_copy(update=change), "m") for change in ({}, {"votes": 3}, {"extra": {"a": 1}})}
    assert len(keys | {served_key(base, "other")}) == 4
    assert served_key(base.model_copy(update={"timeout_s": 1.0, "max_attempts": 9}), "m") in keys


def test_every_sampling_default_is_stated_and_only_vllm_is_sent_its_own_fields(tmp_path):
    for owner in ("vllm", "system", ""):
        with serve(answered, owner=owner) as endpoint:
            ask(endpoint.url, tmp_path / owner, [frames()], [VERDICT, TRACE], frames_as="images")
        for asked in endpoint.asked:
            assert (asked.body["temperature"], asked.body["top_p"]) == (0.0, 1.0)
            sent = {name: asked.body[name] for name in ("top_k", "min_p", "repetition_penalty") if name in asked.body}
            assert sent == ({"top_k": -1, "min_p": 0.0, "repetition_penalty": 1.0} if owner == "vllm" else {})
            assert "chat_template_kwargs" not in asked.body and asked.body["messages"][-1]["role"] == "user"


def test_a_field_that_a_server_refuses_is_named_and_can_be_left_out(tmp_path):
    def refuses(asked):
        if "top_p" in asked.body:
            return Response('{"error": {"message": "temperature and top_p cannot both be specified"}}', 400)
        return answered(asked)

    with serve(refuses) as endpoint:
        refused, _ = ask(endpoint.url, tmp_path / "a", [frames()], [VERDICT])
        answers, _ = ask(endpoint.url, tmp_path / "b", [frames()], [VERDICT], extra={"top_p": None})
    assert "set endpoint.extra: {top_p: null}" in refused[0][0].reason
    assert answers[0][0].outcome is Outcome.OK


@pytest.mark.fixtures
def test_a_server_of_a_thinking_model_renders_what_the_local_engine_shows(tmp_path, real_model):
    """The server's part is played by transformers' template code, which vLLM calls with these very arguments."""
    folder = str(real_model("qwen3-vl-thinking"))
    processor = AutoProcessor.from_pretrained(folder)
    template, rendered = ChatTemplate(processor), {}

    def render(asked):
        turns = [
            {"role": turn["role"], "content": [{"type": "text", "text": turn["content"]}]}
            for turn in asked.body["messages"]
        ]
        goes_on = asked.body.get("continue_final_message", False)
        rendered[asked.text] = processor.apply_chat_template(
            turns,
            add_generation_prompt=asked.body.get("add_generation_prompt", True),
            continue_final_message=goes_on,
        )
        return answered(asked) if "Which?" in asked.text else completion("A car brakes.\n</think>\n\nB")

    thinks = InferenceRequest("Why?", max_new_tokens=99, thinking=True)
    with serve(render, owner="vllm") as endpoint:
        for settings in ({"folder": folder}, {"thinking": "prefill"}):
            ((verdict, trace),), _ = ask(
                endpoint.url, tmp_path, [frames(count=0)], [VERDICT, thinks], job=str(settings), **settings
            )
            assert rendered["Which?"].endswith("Which?" + template.before_answer)
            assert rendered["Why?"].endswith("Why?" + template.before_thoughts)
            assert (verdict.text, trace.outcome) == ("B", Outcome.OK)
            found = parse_reasoning(trace.text, DEFAULT_TAXONOMY, 2.0)
            assert (found.event_class, found.trace) == ("near_collision", "A car brakes.")
            rendered.clear()


@pytest.mark.fixtures
def test_an_answer_that_ends_within_its_thoughts_is_truncated(tmp_path, real_model):
    thinks = InferenceRequest("Why?", max_new_tokens=99, thinking=True)
    with serve(lambda asked: completion("A car brakes, so it is a collision.")) as endpoint:
        for folder, outcome in ((str(real_model("qwen3-vl-thinking")), Outcome.TRUNCATED), ("", Outcome.OK)):
            answers, _ = ask(endpoint.url, tmp_path, [frames(count=0)], [thinks], folder=folder)
            assert answers[0][0].outcome is outcome


def test_a_template_with_a_switch_is_switched(tmp_path):
    thinks = InferenceRequest("Why?", max_new_tokens=99, thinking=True)
    with serve(answered) as endpoint:
        ask(endpoint.url, tmp_path, [frames(count=0)], [VERDICT, thinks], thinking="switch")
    switched = {asked.text: asked.body["chat_template_kwargs"] for asked in endpoint.asked}
    assert switched == {"Which?": {"enable_thinking": False}, "Why?": {"enable_thinking": True}}
