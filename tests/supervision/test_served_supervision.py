"""The stage with a served teacher: every wanted text gives one record, is paid for once, and is bounded in cost."""

import json
import os
import random
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
from starlette.responses import JSONResponse, Response

from tests.fake_endpoint import completion, serve
from tests.supervision.teachers.served_world import clip_set, data_of, described, honest, served_settings, wanted_of
from tests.supervision.worlds import random_clip, real_clip
from vlm_autodrive.artifacts import read_samples
from vlm_autodrive.errors import UserError
from vlm_autodrive.records import SUPERVISION_TYPES, Outcome, read_jsonl
from vlm_autodrive.supervision import REPLIES_FILE, SUMMARY_FILE, estimate_lines, estimate_supervision, supervise
from vlm_autodrive.supervision.stage import _job
from vlm_autodrive.supervision.teachers.protocol import TeacherReply
from vlm_autodrive.video import probe

CLASSES = ("collision", "near_collision", "normal")
KEY = "sk-never-to-be-seen"


def clips_of(folder, count=4):
    return clip_set(folder, [random_clip(n, name) for n in range(count) for name in CLASSES])


def wanted_ids(clips, questions=4):
    """Every sample that a teacher is to write, by its clip."""
    return len(clips) * (2 + questions)


def test_all_four_kinds_come_from_a_served_teacher_at_the_price_that_was_told(tmp_path):
    clips = clips_of(tmp_path / "clips")
    with serve(honest) as endpoint:
        settings = served_settings(endpoint.url, tmp_path / "cache")
        told = estimate_supervision(clips, settings)
        assert endpoint.asked == []
        out = supervise(clips, tmp_path / "out", settings)
        assert told.teacher.asked.requests == len(endpoint.asked) == 36
        left = estimate_supervision(clips, settings).teacher.asked
        assert (left.requests, left.in_cache, left.completion_tokens) == (36, 36, 0)
    samples = [sample for sample in read_samples(out) if sample.teacher == "big-teacher"]
    assert [
        (sample.sample_id, sample.checks)
        for sample in samples
        if not sample.accepted and "same" not in str(sample.checks)
    ] == []
    by_kind = {kind: sum(sample.type == kind for sample in samples) for kind in ("description", "vqa", "reasoning")}
    assert by_kind == {"description": 12, "vqa": 48, "reasoning": 12}
    replies = read_jsonl(out / REPLIES_FILE, TeacherReply)
    assert len(replies) == 36
    assert {reply for sample in samples for reply in sample.replies} == {reply.request_id for reply in replies}
    summary = json.loads((out / SUMMARY_FILE).read_text())
    assert summary["accepted"]["verdict"] == summary["accepted"]["caption"] == 12


def test_done_again_with_other_limits_nothing_is_asked_again(tmp_path):
    clips = clips_of(tmp_path / "clips")
    with serve(honest) as endpoint:
        first = supervise(clips, tmp_path / "a", served_settings(endpoint.url, tmp_path / "cache"))
        asked = len(endpoint.asked)
        again = served_settings(endpoint.url, tmp_path / "cache", limits={"max_rejected": 0.9})
        second = supervise(clips, tmp_path / "b", again)
        assert len(endpoint.asked) == asked
    for name in ("samples.jsonl", REPLIES_FILE):
        assert (first / name).read_bytes() == (second / name).read_bytes()
    uses = [json.loads((out / SUMMARY_FILE).read_text())["use"] for out in (first, second)]
    assert [(use["tries"], use["from_cache"], use["of_job"]["requests"]) for use in uses] == [(36, 0, 36), (0, 36, 36)]


FAULTS = {
    "truncated": (lambda asked: completion('{"scene": "a ro', finish="length"), Outcome.TRUNCATED),
    "refused": (lambda asked: completion(None, refusal="I cannot"), Outcome.REFUSED),
    "unreadable": (lambda asked: completion("It rains."), Outcome.UNPARSEABLE),
    "no completion": (lambda asked: JSONResponse({"choices": []}), Outcome.ERROR),
    "failing": (lambda asked: JSONResponse({"error": "overloaded"}, status_code=500), Outcome.ERROR),
    "half a character in an error": (
        lambda asked: Response('{"error": {"message": "near \\ud83d"}}', 400),
        Outcome.ERROR,
    ),
    "bad request": (lambda asked: JSONResponse({"error": "too long"}, status_code=400), Outcome.ERROR),
}


@pytest.mark.parametrize("fault", FAULTS)
def test_whatever_the_endpoint_does_each_wanted_text_is_one_record(tmp_path, fault):
    answer, outcome = FAULTS[fault]
    clips = [real_clip(n, CLASSES[n % 3], 3.0 if n % 3 < 2 else None, weather="Rain") for n in range(6)]
    folder = clip_set(tmp_path / "clips", clips)

    def sometimes(asked):
        return answer(asked) if data_of(asked).get("class") == "Collision" else honest(asked)

    with serve(sometimes) as endpoint:
        settings = served_settings(endpoint.url, tmp_path / "cache", served={"max_attempts": 2, "max_backoff_s": 0.1})
        out = supervise(folder, tmp_path / "out", settings)
    samples = [sample for sample in read_samples(out) if sample.teacher == "big-teacher"]
    assert len(samples) == wanted_ids(clips)
    assert len({sample.sample_id for sample in samples}) == len(samples)
    failed = [sample for sample in samples if sample.outcome not in (Outcome.OK, Outcome.REPAIRED)]
    assert {sample.clip_id for sample in failed} == {"real_00000", "real_00003"}
    assert {sample.outcome for sample in failed} == {outcome}
    assert not any(sample.accepted for sample in failed)
    assert len(failed) == 12


def test_a_half_surrogate_from_an_endpoint_is_kept_without_harm(tmp_path):
    def odd(asked):
        body = described(asked) | {"scene": "a road \ud83d by day"}
        is_odd = wanted_of(asked) == "description" and data_of(asked)["class"] == "Collision"
        return completion(json.dumps(body)) if is_odd else honest(asked)

    clips = clips_of(tmp_path / "clips", 1)
    with serve(odd) as endpoint:
        out = supervise(clips, tmp_path / "out", served_settings(endpoint.url, tmp_path / "cache"))
    assert len(read_jsonl(out / REPLIES_FILE, TeacherReply)) >= 3
    assert len([sample for sample in read_samples(out) if sample.type == "description"]) == 3


def test_a_spent_budget_stops_the_run_and_a_raised_one_goes_on(tmp_path):
    clips = clips_of(tmp_path / "clips")
    with serve(honest) as endpoint:
        few = served_settings(endpoint.url, tmp_path / "cache", served={"budget": {"requests": 20}})
        for _ in range(2):
            with pytest.raises(UserError, match=r"raise served\.budget\.requests"):
                supervise(clips, tmp_path / "out", few)
            assert len(endpoint.asked) == 20
        assert not (tmp_path / "out").exists()
        more = served_settings(endpoint.url, tmp_path / "cache", served={"budget": {"requests": 36}})
        supervise(clips, tmp_path / "out", more)
        assert len(endpoint.asked) == 36


def test_too_many_rejections_stop_the_run_before_all_is_paid(tmp_path):
    clips = clips_of(tmp_path / "clips", 70)

    def wrong(asked):
        return completion("no") if wanted_of(asked) == "description" else honest(asked)

    with serve(wrong) as endpoint:
        settings = served_settings(endpoint.url, tmp_path / "cache", served={"max_connections": 4})
        with pytest.raises(UserError, match=r"stopped after 100 of 210 .*description by big-teacher were") as told:
            supervise(clips, tmp_path / "out", settings)
        assert len(endpoint.asked) < 2 * 130
    samples = Path(str(told.value).split("Read ")[1].split(", then")[0])
    assert len(read_samples(samples.parent)) > 1000


@pytest.mark.parametrize(
    "changes",
    [
        {"served": {"timeout_s": 9, "max_attempts": 2, "max_connections": 3, "max_backoff_s": 1, "json_schema": False}},
        {"served": {"max_tokens": 900, "temperature": None, "token_limit": "max_completion_tokens"}},
        {"served": {"budget": {"requests": 7}, "price": {"prompt_per_million": 2}}, "limits": {"max_rejected": 1.0}},
    ],
)
def test_what_our_messages_say_to_change_goes_on_with_the_same_account(tmp_path, changes):
    clips = clips_of(tmp_path / "clips", 1)
    before, after = (served_settings("http://127.0.0.1:1/v1", "c", **more) for more in ({}, changes))
    assert _job(clips, before, "teacher") == _job(clips, after, "teacher")
    assert _job(clips, before, "teacher") != _job(clips, before.model_copy(update={"teacher_questions": 1}), "teacher")


def test_an_endpoint_of_which_nothing_is_taken_is_told_of_however_small_the_set(tmp_path):
    clips = clips_of(tmp_path / "clips", 1)
    with serve(lambda asked: JSONResponse({"error": "overloaded"}, status_code=500)) as endpoint:
        settings = served_settings(endpoint.url, tmp_path / "cache", served={"max_attempts": 1})
        with pytest.raises(UserError, match=r"3 of 3 samples of the type description .* rejected, and none was"):
            supervise(clips, tmp_path / "out", settings)


def test_what_is_sent_is_named_down_to_the_columns_of_ones_own(tmp_path):
    clip = real_clip(1, "normal", None, weather="Rain", driver="D. River", gps="52.5")
    clips = clip_set(tmp_path / "clips", [clip])
    settings = served_settings("http://127.0.0.1:1/v1", tmp_path / "cache")
    found = estimate_supervision(clips, settings)
    assert found.columns == ("driver", "gps", "weather")
    assert "incident metadata and labels, driver, gps, weather, no frames" in " ".join(estimate_lines(found, settings))


@pytest.mark.fixtures
def test_real_footage_is_shown_to_the_teacher_frame_by_frame(tmp_path, fixtures_dir):
    videos = [path for path in sorted((fixtures_dir / "videos").glob("*.mp4")) if probe(path).duration_s > 4][:3]
    clips = [
        real_clip(n, name, 2.0 if name == "collision" else None, weather="Clear", light_conditions="Normal").model_copy(
            update={"path": str(path), "end_s": 4.0}
        )
        for n, (path, name) in enumerate(zip(videos, ("collision", "normal", "normal"), strict=True))
    ]
    folder = clip_set(tmp_path / "clips", clips)
    with serve(honest) as endpoint:
        context = {"frames": 4, "frame_height": 64, "frame_width": 112}
        settings = served_settings(endpoint.url, tmp_path / "cache", context=context)
        told = estimate_supervision(folder, settings)
        out = supervise(folder, tmp_path / "out", settings)
        parts = [asked.body["messages"][1]["content"] for asked in endpoint.asked]
    images = sum(part["type"] == "image_url" for content in parts if isinstance(content, list) for part in content)
    assert images == told.teacher.asked.images == 12
    accepted = {sample.type for sample in read_samples(out) if sample.accepted and sample.teacher == "big-teacher"}
    assert accepted == {"description", "vqa", "reasoning"}
    (description,) = [i for i in read_samples(out) if i.type == "description" and i.clip_id == "real_00000"]
    assert description.teacher_inputs == ("label", "metadata", "frames")


def start(clips, out, url, cache, *more):
    program = "from vlm_autodrive.cli.main import main; main()"
    settings = ["teacher=served", f"served.base_url={url}", "served.model=big-teacher", f"served.cache={cache}"]
    command = [sys.executable, "-c", program, "supervise", str(clips), "--out", str(out), *settings]
    environment = os.environ | {"OMP_NUM_THREADS": "1", "TEACHER_KEY": KEY}
    arguments = [*command, "served.api_key_env=TEACHER_KEY", "served.max_connections=8", *more]
    return subprocess.Popen(arguments, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, env=environment)


@pytest.mark.slow
def test_killed_at_any_moment_the_stage_goes_on_and_pays_once(tmp_path):
    clips = clips_of(tmp_path / "clips", 20)  # 60 clips, 180 requests
    rng = random.Random(4)

    def slow(asked):
        time.sleep(0.01)
        return honest(asked)

    with serve(honest) as endpoint:
        settings = served_settings(endpoint.url, tmp_path / "a.sqlite", SUPERVISION_TYPES)
        untouched = supervise(clips, tmp_path / "a", settings)
        one_pass = len(endpoint.asked)
    said = ""
    with serve(slow) as endpoint:
        kills = 0
        while kills < 6:
            process = start(clips, tmp_path / "b", endpoint.url, tmp_path / "b.sqlite")
            begun = len(endpoint.asked)
            stop_at = begun + rng.randrange(1, 25)
            while len(endpoint.asked) < stop_at and process.poll() is None:
                time.sleep(0.005)
            if process.poll() is not None:
                break
            os.kill(process.pid, signal.SIGKILL)
            said += process.communicate()[0]
            kills += 1
        process = start(clips, tmp_path / "b", endpoint.url, tmp_path / "b.sqlite")
        said += process.communicate(timeout=120)[0]
        assert process.returncode == 0, said
        assert one_pass <= len(endpoint.asked) <= one_pass + 8 * kills
        assert all(asked.headers["authorization"] == f"Bearer {KEY}" for asked in endpoint.asked)
    assert kills == 6
    for name in ("samples.jsonl", REPLIES_FILE):
        assert (tmp_path / "b" / name).read_text() == (untouched / name).read_text()
    kept = b"".join(path.read_bytes() for path in tmp_path.rglob("*") if path.is_file())
    assert KEY.encode() not in kept
    assert KEY not in said
