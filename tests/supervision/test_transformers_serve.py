"""The served teacher against ``transformers serve`` with the project's base model: no schemas, no log-probabilities."""

import os
import shutil
import socket
import subprocess
import sys
import time

import httpx
import pytest
from teacher_jobs import ask, request, served

from vlm_autodrive.models.loading import TINY_BASE, resolve_model
from vlm_autodrive.records import Outcome
from vlm_autodrive.supervision.teachers.protocol import Footage
from vlm_autodrive.video.frames import SamplingSettings

_VIDEO_PART = "{% if part.type == 'video' %}"
_IMAGE_PART = "{% if part.type == 'image' %}<|vision_start|><|image_pad|><|vision_end|>{% elif part.type == 'video' %}"


@pytest.fixture(scope="module")
def server(tmp_path_factory):
    """The address and the model's name; its chat template, made for videos, is taught to take images too."""
    folder = tmp_path_factory.mktemp("serve") / "tiny"
    shutil.copytree(resolve_model(TINY_BASE), folder)
    template = folder / "chat_template.jinja"
    assert _VIDEO_PART in template.read_text()
    template.write_text(template.read_text().replace(_VIDEO_PART, _IMAGE_PART))
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = str(free.getsockname()[1])
    command = [sys.executable, "-m", "transformers.cli.transformers", "serve", str(folder), "--device", "cpu"]
    environment = {**os.environ, "HF_HUB_OFFLINE": "1", "OMP_NUM_THREADS": "1"}
    log = folder.with_name("log.txt")
    with log.open("w") as stream:
        process = subprocess.Popen(
            [*command, "--host", "127.0.0.1", "--port", port], stdout=stream, stderr=stream, env=environment
        )
        try:
            until = time.monotonic() + 120
            while time.monotonic() < until:
                assert process.poll() is None, log.read_text()
                try:
                    if httpx.get(f"http://127.0.0.1:{port}/health", trust_env=False).status_code == 200:
                        break
                except httpx.TransportError:
                    time.sleep(0.2)
            else:
                pytest.fail(log.read_text())
            yield f"http://127.0.0.1:{port}/v1", str(folder)
        finally:
            process.terminate()
            process.wait(timeout=30)


@pytest.mark.slow
@pytest.mark.parametrize("json_schema", [True, False])  # the server ignores a schema, and says so in its log only
@pytest.mark.parametrize("shown", [False, True])
def test_a_real_server_without_schemas_is_coped_with(tmp_path, make_video, server, shown, json_schema):
    url, model = server
    sampling = SamplingSettings(fps=1.0, max_frames=4, height=84, width=126)
    footage = Footage(make_video(size=(128, 96)), 0.0, 4.0, sampling) if shown else None
    settings = served(url, tmp_path / "c", model=model, json_schema=json_schema, max_tokens=40, timeout_s=60)
    wanted = [request(number, footage=footage) for number in range(4)]
    replies, use = ask(settings, wanted)
    assert [reply.request_id for reply in replies] == [one.request_id for one in wanted]
    assert all(reply.outcome in (Outcome.OK, Outcome.TRUNCATED, Outcome.UNPARSEABLE) for reply in replies), replies
    assert any(reply.text for reply in replies)
    assert all(reply.prompt_tokens > (50 if shown else 10) and reply.completion_tokens > 0 for reply in replies)
    assert use.tries == 4
    assert use.prompt_tokens == sum(reply.prompt_tokens for reply in replies)
    again, use = ask(settings, wanted)
    assert again == replies
    assert (use.tries, use.from_cache) == (0, 4)


@pytest.mark.slow
def test_a_model_that_a_real_server_does_not_have_is_an_error_in_its_own_words(tmp_path, server):
    url, _ = server
    (reply,), use = ask(served(url, tmp_path / "c", model="no/such-model", timeout_s=60), [request(1)])
    assert reply.outcome is Outcome.ERROR
    assert "HTTP 400 (" in reply.reason
    assert "no/such-model" in reply.reason
    assert use.tries == 1
