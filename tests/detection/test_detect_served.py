"""Detection by a served model: the same command, with an endpoint."""

import json
import math

import pytest
from starlette.responses import JSONResponse, Response
from typer.testing import CliRunner

from tests.fake_endpoint import serve
from vlm_autodrive.cli.main import app
from vlm_autodrive.engines.endpoint import retrying


@pytest.fixture(autouse=True)
def quick(monkeypatch):
    monkeypatch.setattr(retrying, "_FIRST_WAIT_S", 0.01)


def verdict(shares):
    rows = [{"token": code, "logprob": math.log(share)} for code, share in zip("ABC", shares, strict=True)]
    best = max(rows, key=lambda row: row["logprob"])
    choice = {"message": {"content": best["token"]}, "finish_reason": "stop"}
    return JSONResponse({"choices": [choice | {"logprobs": {"content": [{**best, "top_logprobs": rows}]}}]})


def run(video, out, url, *more):
    words = ["detect", str(video), "--endpoint", url, "--out", str(out), "--json", "reasoning=false", "window_s=2"]
    words += [
        "stride_s=1",
        "eval_batch_size=1",
        "endpoint.max_attempts=1",
        f"endpoint.cache={out.with_name('account')}",
    ]
    return CliRunner().invoke(app, [*words, "endpoint.sampling={fps: 1, max_frames: 2, height: 32, width: 48}", *more])


def test_a_served_model_finds_an_event_and_a_failed_window_is_told_and_asked_again(make_video, tmp_path):
    def watching(asked):
        if len(endpoint.asked) == 6:
            return Response("out of memory", 400)
        return verdict((0.9, 0.05, 0.05) if len(endpoint.asked) == 3 else (0.1, 0.1, 0.8))

    video = make_video(count=100)
    with serve(watching) as endpoint:
        result = run(video, tmp_path / "out", endpoint.url, "--model", "big")
        assert result.exit_code == 0, result.stderr
        assert "Requests to big go to" in result.stderr
        (found,) = json.loads(result.stdout)
        (event,) = found["events"]
        assert (event["event_class"], found["model"]) == ("collision", "big")
        assert event["probability"] == pytest.approx(0.95)  # of any event
        assert found["outcome"] == "error"
        assert "HTTP 400 (out of memory)" in found["reason"]
        again = json.loads(run(video, tmp_path / "out", endpoint.url, "--model", "big").stdout)
        assert again[0]["outcome"] == "ok"
        asked = len(endpoint.asked)
        assert json.loads(run(video, tmp_path / "out", endpoint.url, "--model", "big").stdout) == again
        assert len(endpoint.asked) == asked


def test_a_model_has_to_be_named(make_video, tmp_path):
    result = run(make_video(), tmp_path / "out", "http://127.0.0.1:9/v1")
    assert result.exit_code == 2
    assert "name the model at the endpoint" in result.stderr
