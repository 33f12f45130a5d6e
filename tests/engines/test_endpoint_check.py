"""The probes tell an endpoint that can do everything from one that can do nothing."""

import json
import math

import pytest
from starlette.responses import JSONResponse, Response
from typer.testing import CliRunner

from tests.fake_endpoint import completion, serve
from vlm_autodrive.cli.main import app
from vlm_autodrive.engines import ServedModelSettings, check_endpoint
from vlm_autodrive.engines.endpoint import retrying
from vlm_autodrive.progress import SILENT


@pytest.fixture(autouse=True)
def quick(monkeypatch):
    monkeypatch.setattr(retrying, "_FIRST_WAIT_S", 0.01)


def shown(asked):
    content = asked.body["messages"][0]["content"]
    return 0 if isinstance(content, str) else sum(part["type"] == "image_url" for part in content)


def able(asked):
    usage = {"prompt_tokens": 20 + 64 * shown(asked), "completion_tokens": 1}
    if "structured_outputs" in asked.body:
        rows = [{"token": code, "logprob": math.log(p)} for code, p in zip("ABC", (0.5, 0.3, 0.2), strict=True)]
        choice = {"message": {"content": "A"}, "finish_reason": "stop"}
        return JSONResponse({"choices": [choice | {"logprobs": {"content": [rows[0] | {"top_logprobs": rows}]}}]})
    return completion("Red, then green." if "colour" in asked.text else "Five words.", usage=usage)


def unable(asked):
    if "media_io_kwargs" in asked.body:
        return Response("unknown field media_io_kwargs", 400)
    usage = {"prompt_tokens": 20 + 64 * min(shown(asked), 4), "completion_tokens": 1}
    if "letter" in asked.text:
        return completion("A", usage=usage)
    text = f"<think>Green, red, {asked.body.get('seed')}" if "random" in asked.text else "Green, then red."
    return completion(text, usage=usage)


def checked(answer, folder):
    with serve(answer, owner="x") as endpoint:
        settings = ServedModelSettings(base_url=endpoint.url, cache=str(folder / "account"))
        return check_endpoint(settings, "", "job", SILENT)


def test_what_an_endpoint_can_do_is_told_by_probes(tmp_path):
    whole = checked(able, tmp_path / "a")
    assert (whole.model, whole.served) == ("some/model", ("some/model",))
    assert [one.found for one in whole.abilities] == ["yes"] * 5 + ["no", "no", "yes"]
    assert whole.requests == 8
    broken = checked(unable, tmp_path / "b")
    assert [one.found for one in broken.abilities] == ["no"] * 5 + ["yes", "yes", "yes"]
    details = [one.detail for one in broken.abilities]
    for detail, said in zip(
        details,
        (
            "prose all the same",
            "endpoint.votes",
            "'Green, then red.'",
            "256 for 16; it",
            "unknown field",
            "switch",
        ),
        strict=False,
    ):
        assert said in detail, details


def test_the_command_prints_what_was_found(tmp_path):
    with serve(able, owner="x") as endpoint:
        words = ["engines", "check", endpoint.url, f"cache={tmp_path / 'account'}"]
        plain = CliRunner().invoke(app, words)
        found = json.loads(CliRunner().invoke(app, [*words, "--json"]).stdout)
    assert plain.exit_code == 0, plain.stderr
    assert "answers held to the codes: yes" in plain.stdout
    assert found["abilities"][3]["detail"] == "256 prompt tokens for 4 frames, 1024 for 16"
    missing = CliRunner().invoke(app, ["engines", "check", "http://127.0.0.1:9/v1", words[-1]])
    assert missing.exit_code == 1 and "lists no models" in missing.stderr
