"""Evaluation of a served model: exactly one record for each clip, whatever the endpoint does."""

import base64
import io
import math
import threading
from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from starlette.responses import JSONResponse, Response
from typer.testing import CliRunner

from tests.evaluation.builders import make_clip, make_question, write_clip_set, write_question_set, write_video
from tests.fake_endpoint import completion, serve
from vlm_autodrive.artifacts import read_clips, read_predictions
from vlm_autodrive.cli.main import app
from vlm_autodrive.engines.endpoint import retrying
from vlm_autodrive.errors import UserError
from vlm_autodrive.evaluation import EvaluateSettings, evaluate
from vlm_autodrive.records import Outcome
from vlm_autodrive.video import SamplingSettings, read_frames

SAMPLING = {"fps": 2, "max_frames": 4, "height": 48, "width": 80}


@pytest.fixture(autouse=True)
def quick(monkeypatch):
    monkeypatch.setattr(retrying, "_FIRST_WAIT_S", 0.01)


@pytest.fixture
def clip_set(tmp_path):
    video = write_video(tmp_path / "street.mp4")
    (tmp_path / "broken.mp4").write_bytes(b"no video")
    clips = [make_clip(f"clip-{n}", path=str(video), start_s=0.1 * n, end_s=0.1 * n + 1) for n in range(8)]
    clips[2] = clips[2].model_copy(update={"path": str(tmp_path / "broken.mp4")})
    return write_clip_set(tmp_path / "clips", clips)


def sure(asked):
    if "<think>" in asked.text:
        return completion("<think>\n[t=0.5] A car.\n</think>\n\n<answer>\nB\nt=0.5\n</answer>")
    rows = [{"token": code, "logprob": math.log(share)} for code, share in (("A", 0.1), ("B", 0.7), ("C", 0.2))]
    place = {"token": "B", "logprob": math.log(0.7), "top_logprobs": rows}
    choice = {"message": {"content": "B"}, "finish_reason": "stop", "logprobs": {"content": [place]}}
    return JSONResponse({"choices": [choice]})


def settings(url, tmp_path, **endpoint):
    values = {"base_url": url, "cache": str(tmp_path / "account"), "sampling": SAMPLING, "max_attempts": 2, **endpoint}
    return EvaluateSettings.model_validate(
        {"eval_batch_size": 2, "prompt_variants": [], "controls": [], "endpoint": values}
    )


def test_each_clip_has_one_record_with_probabilities_and_trace(clip_set, tmp_path):
    with serve(sure) as endpoint:
        out = evaluate(clip_set, "big", tmp_path / "out", settings(endpoint.url, tmp_path))
        asked = len(endpoint.asked)
        evaluate(clip_set, "big", tmp_path / "out", settings(endpoint.url, tmp_path))  # is done already
    predictions = read_predictions(out)
    assert [p.clip_id for p in predictions] == [f"clip-{n}" for n in range(8)]
    assert {p.model for p in predictions} == {"big"}
    broken = predictions.pop(2)
    assert broken.verdict.outcome is Outcome.ERROR
    for prediction in predictions:
        assert prediction.verdict.event_class == prediction.reasoning.event_class == "near_collision"
        assert prediction.verdict.probabilities == pytest.approx(
            {"collision": 0.1, "near_collision": 0.7, "normal": 0.2}
        )
        assert prediction.reasoning.cited_times_s == (0.5,)
        assert len(prediction.frame_times_s) == 2
    assert asked == len(endpoint.asked) == 14


def test_a_served_model_is_sent_the_times_on_its_frames(clip_set, tmp_path):
    sampling = {"fps": 4, "max_frames": 4, "height": 112, "width": 168, "draw_timestamps": True}
    with serve(sure) as endpoint:
        wanted = settings(endpoint.url, tmp_path, sampling=sampling).model_copy(update={"controls": ("black",)})
        evaluate(clip_set, "big", tmp_path / "out", wanted)
    clip = read_clips(clip_set)[0]
    expected = read_frames(Path(clip.path), clip.start_s, clip.end_s, SamplingSettings(**sampling))
    rows = SamplingSettings(**sampling).band_height
    parts = [part for asked in endpoint.asked for part in asked.body["messages"][1]["content"]]
    urls = [part["image_url"]["url"] for part in parts if isinstance(part, dict) and part["type"] == "image_url"]
    sent = np.stack([np.asarray(Image.open(io.BytesIO(base64.b64decode(url.partition(",")[2])))) for url in urls])
    assert sent.shape == (7 * 3 * 4, 112, 168, 3)
    for place, band in enumerate(sent[:, -rows:].astype(float)):
        distances = np.abs(expected.pixels[:, -rows:] - band).mean(axis=(1, 2, 3))
        assert distances.argmin() == place % 4 and distances.min() < 3


def test_wordings_and_controls_are_asked_of_a_served_model_too(clip_set, tmp_path):
    asked_for = {"prompt_variants": ("short",), "controls": ("black", "no_video")}
    with serve(sure) as endpoint:
        wanted = settings(endpoint.url, tmp_path).model_copy(update=asked_for)
        made = read_predictions(evaluate(clip_set, "big", tmp_path / "out", wanted))
    shown = ["image_url" in str(asked.body) for asked in endpoint.asked]
    assert (shown.count(True), shown.count(False)) == (7 * 4, 1)
    for prediction in made[:2] + made[3:]:
        said = [prediction.prompt_variants["short"], *prediction.controls.values()]
        assert {verdict.event_class for verdict in said} == {"near_collision"}
        assert {verdict.probability_source for verdict in said} == {"code_logprobs"}


def test_an_endpoint_that_dies_half_way_ends_the_run_which_goes_on_where_it_was(clip_set, tmp_path):
    answered = threading.Semaphore(6)

    def mortal(asked):
        return sure(asked) if answered.acquire(blocking=False) else Response("out of memory", 500)

    with serve(mortal) as endpoint:
        with pytest.raises(UserError, match=r"HTTP 500 \(out of memory\).*run the same command.* of 8 clips are done"):
            evaluate(clip_set, "big", tmp_path / "out", settings(endpoint.url, tmp_path))
        endpoint.answer = sure
        out = evaluate(clip_set, "big", tmp_path / "out", settings(endpoint.url, tmp_path), retry_errors=True)
    assert [p.verdict.outcome for p in read_predictions(out)].count(Outcome.OK) == 7


@pytest.mark.parametrize("reasoning", [True, False])
def test_the_last_lines_say_why_answers_failed_and_without_any_answer_the_status_is_1(clip_set, tmp_path, reasoning):
    words = ["evaluate", str(clip_set), "--model", "big", "--out", str(tmp_path / "out"), f"reasoning={reasoning}"]
    words += [f"endpoint.cache={tmp_path / 'account'}", "endpoint.sampling={fps: 2, max_frames: 2}"]
    with serve(lambda asked: sure(asked) if "<think>" in asked.text else Response("no such field", 422)) as endpoint:
        result = CliRunner().invoke(app, [*words, "controls=[]", "prompt_variants=[]", "--endpoint", endpoint.url])
    assert result.exit_code == (0 if reasoning else 1), result.stderr
    assert "verdict error: the model refuses the request: HTTP 422 (no such field) (7)" in result.stderr
    assert ("add --retry-errors" in result.stderr) == (not reasoning)


def test_a_run_whose_budget_is_spent_goes_on_where_it_was(clip_set, tmp_path):
    with serve(sure) as endpoint:
        with pytest.raises(UserError, match=r"raise endpoint\.budget\.requests"):
            evaluate(clip_set, "big", tmp_path / "out", settings(endpoint.url, tmp_path, budget={"requests": 8}))
        before = len(endpoint.asked)
        evaluate(clip_set, "big", tmp_path / "out", settings(endpoint.url, tmp_path))
    assert before == 8
    assert len(endpoint.asked) < 8 + 14
    assert [p.verdict.outcome for p in read_predictions(tmp_path / "out")].count(Outcome.OK) == 7


def test_the_command_line_names_an_endpoint(clip_set, tmp_path):
    words = ["evaluate", str(clip_set), "--model", "majority", "--out", str(tmp_path / "out"), "reasoning=false"]
    words += [f"endpoint.cache={tmp_path / 'account'}", "endpoint.sampling={fps: 2, max_frames: 2}"]
    with serve(sure) as endpoint:
        result = CliRunner().invoke(app, [*words, "--endpoint", endpoint.url])
    assert result.exit_code == 0, result.stderr
    assert {p.model for p in read_predictions(tmp_path / "out")} == {"majority"}  # there it is a model like any other
    gone = CliRunner().invoke(
        app, [*words, "--endpoint", endpoint.url, "--out", str(tmp_path / "other"), "endpoint.max_attempts=1"]
    )
    assert gone.exit_code == 1
    assert "cannot be reached; start it, or correct --endpoint" in gone.stderr


def test_held_out_questions_are_answered_by_the_letter_written_where_there_are_no_log_probabilities(clip_set, tmp_path):
    def wordy(asked):
        return completion("B: wet, as the road shines and" if "Which weather?" in asked.text else "A")

    questions = [make_question(f"clip-{n}", "weather", "AB"[n % 2]) for n in range(8)]
    supervision = write_question_set(tmp_path / "supervision", clip_set, questions)
    with serve(wordy) as endpoint:
        wanted = settings(endpoint.url, tmp_path).model_copy(update={"reasoning": False})
        made = read_predictions(evaluate(clip_set, "big", tmp_path / "out", wanted, questions=supervision))
    answers = [prediction.questions[f"{prediction.clip_id}/vqa/weather"] for prediction in made]
    assert answers.pop(2).outcome is Outcome.ERROR
    assert {(answer.letter, answer.probabilities) for answer in answers} == {("B", None)}
