"""The paper's chain over HTTP: two models with an endpoint and a budget each, killed and resumed, at the price told."""

import json
import os
import signal
import time
from zlib import crc32

import pytest

from tests.fake_endpoint import completion, serve
from tests.supervision.teachers.served_world import clip_set, endpoint_at, honest, served_settings, wanted_of
from tests.supervision.test_served_supervision import CLASSES, start
from tests.supervision.worlds import random_clip
from vlm_autodrive.artifacts import read_samples
from vlm_autodrive.errors import UserError
from vlm_autodrive.records import Outcome, read_jsonl
from vlm_autodrive.supervision import REPLIES_FILE, SUMMARY_FILE, estimate_lines, estimate_supervision, supervise
from vlm_autodrive.supervision.teachers.protocol import TeacherReply

TYPES = ("description", "vqa", "reasoning_vqa", "reasoning")
SEEN = {"label": False, "frames": 4, "frame_height": 64, "frame_width": 112}


def clips_of(folder, make_video=None, count=3):
    clips = [random_clip(n, name) for n in range(count) for name in CLASSES]
    if make_video is not None:
        path = str(make_video())
        for n, clip in enumerate(clips):  # windows of their own, so that no reply answers for two
            clips[n] = clip.model_copy(update={"path": path, "start_s": n / 100, "end_s": clip.end_s + n / 100})
    return clip_set(folder, clips)


def paper(url, cache, captioner=None, types=TYPES, **values):
    """Settings of the paper's chain; rules describe if there is no captioner."""
    captioner = {"teacher": "served", "served": captioner} if captioner else {"teacher": "rules"}
    return served_settings(
        url, cache, types, chain="paper", captioner=captioner, vqa_per_clip=0, understanding_per_clip=0, **values
    )


def test_two_models_are_asked_for_what_is_theirs_at_the_price_told(tmp_path, make_video):
    clips = clips_of(tmp_path / "clips", make_video)
    with serve(honest) as writer, serve(honest) as captioner:
        sees = endpoint_at(captioner.url, tmp_path / "c.sqlite", model="a-captioner")
        settings = paper(writer.url, tmp_path / "w.sqlite", sees, context=SEEN)
        told = estimate_supervision(clips, settings)
        out = supervise(clips, tmp_path / "out", settings)
        assert {wanted_of(asked) for asked in captioner.asked} == {"description"}
        assert {wanted_of(asked) for asked in writer.asked} == {"understanding", "reasoning_vqa", "thinking"}
        assert (told.captioner.asked.requests, told.teacher.asked.requests) == (9, 27)
        assert (len(captioner.asked), len(writer.asked)) == (9, 27)
        assert (told.captioner.asked.images, told.teacher.asked.images) == (36, 0)
        lines = " ".join(estimate_lines(told, settings))
    assert "go to a-captioner at 127.0.0.1" in lines and "go to big-teacher at 127.0.0.1" in lines
    assert "light, weather and road, no labels, 4 frames each" in lines
    samples = read_samples(out)
    assert [(s.sample_id, s.checks) for s in samples if not s.accepted and "another clip" not in str(s.checks)] == []
    by_type = {type_: {s.teacher for s in samples if s.type == type_} for type_ in TYPES}
    assert by_type == {type_: {"a-captioner" if type_ == "description" else "big-teacher"} for type_ in TYPES}
    assert {s.sample_id.split("/")[0] for s in samples if s.type == "reasoning_vqa"} == {s.clip_id for s in samples}
    summary = json.loads((out / SUMMARY_FILE).read_text())
    assert (summary["use"]["tries"], summary["captioner_use"]["tries"]) == (27, 9)
    replies = read_jsonl(out / REPLIES_FILE, TeacherReply)
    assert {reply for sample in samples for reply in sample.replies} == {reply.request_id for reply in replies}


@pytest.mark.parametrize(("whose", "key"), [("captioner", r"captioner\.served\.budget"), ("writer", r"served\.budget")])
def test_each_model_has_a_budget_of_its_own(tmp_path, make_video, whose, key):
    clips = clips_of(tmp_path / "clips", make_video)
    with serve(honest) as writer, serve(honest) as captioner:
        budgets = {whose: {"budget": {"requests": 5}}}
        sees = endpoint_at(captioner.url, tmp_path / "r.sqlite", model="a-captioner", **budgets.get("captioner", {}))
        settings = paper(writer.url, tmp_path / "r.sqlite", sees, context=SEEN, served=budgets.get("writer", {}))
        with pytest.raises(UserError, match=rf"raise {key}\.requests"):
            supervise(clips, tmp_path / "out", settings)
        assert len((writer if whose == "writer" else captioner).asked) == 5
        sees.pop("budget", None)
        supervise(clips, tmp_path / "out", paper(writer.url, tmp_path / "r.sqlite", sees, context=SEEN))
        assert (len(captioner.asked), len(writer.asked)) == (9, 27)


def test_a_refusal_and_a_wrong_letter_are_records_and_the_rest_is_taken(tmp_path):
    clips = clips_of(tmp_path / "clips", count=6)

    def odd(asked):
        some = crc32(asked.text.encode()) % 3 == 0
        if wanted_of(asked) == "reasoning_vqa" and some:
            return completion(None, refusal="I cannot")
        if wanted_of(asked) == "thinking" and some:
            return completion(json.dumps({"steps": ["A lorry stands there.", "All is calm."], "answer": "C"}))
        return honest(asked)

    with serve(odd) as endpoint:
        settings = paper(endpoint.url, tmp_path / "cache", limits={"max_rejected": 1.0})
        samples = [s for s in read_samples(supervise(clips, tmp_path / "out", settings)) if s.teacher != "rules"]
    by_type = {type_: [s for s in samples if s.type == type_] for type_ in TYPES[1:]}
    assert len(by_type["reasoning_vqa"]) == len(by_type["reasoning"]) == 18
    assert {s.outcome for s in by_type["reasoning_vqa"]} == {Outcome.OK, Outcome.REFUSED}
    wrong = [s for s in by_type["reasoning"] if "All is calm" in s.target and "normal" not in s.clip_id]
    assert wrong
    assert all(next(c for c in s.checks if not c.passed).name == "verdict" for s in wrong)
    assert all(s.accepted for s in by_type["vqa"])


@pytest.mark.slow
def test_killed_at_any_moment_the_chain_goes_on_and_pays_once(tmp_path):
    clips = clips_of(tmp_path / "clips", count=12)

    def slow(asked):
        time.sleep(0.01)
        return honest(asked)

    more = [
        "chain=paper",
        "captioner.teacher=rules",
        "types=[vqa,reasoning_vqa,reasoning]",
        "vqa_per_clip=0",
        "understanding_per_clip=0",
    ]
    with serve(honest) as endpoint:
        settings = paper(endpoint.url, tmp_path / "a.sqlite", types=TYPES[1:])
        untouched = supervise(clips, tmp_path / "a", settings)
        one_pass = len(endpoint.asked)
    with serve(slow) as endpoint:
        kills = 0
        for kills in range(1, 4):
            process = start(clips, tmp_path / "b", endpoint.url, tmp_path / "b.sqlite", *more)
            stop_at = len(endpoint.asked) + 12 * kills
            while len(endpoint.asked) < stop_at and process.poll() is None:
                time.sleep(0.005)
            os.kill(process.pid, signal.SIGKILL)
            process.communicate()
        process = start(clips, tmp_path / "b", endpoint.url, tmp_path / "b.sqlite", *more)
        said = process.communicate(timeout=120)[0]
        assert process.returncode == 0, said
        assert one_pass <= len(endpoint.asked) <= one_pass + 8 * kills
    for name in ("samples.jsonl", REPLIES_FILE):
        assert (tmp_path / "b" / name).read_text() == (untouched / name).read_text()
