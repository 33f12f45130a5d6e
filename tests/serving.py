"""A real ``transformers serve`` with the project's base model: no schemas, no log-probabilities."""

import os
import shutil
import socket
import subprocess
import sys
import time
from contextlib import contextmanager

import httpx

from vlm_autodrive.models import TINY_BASE, resolve_model

_VIDEO_PART = "{% if part.type == 'video' %}"
_IMAGE_PART = "{% if part.type == 'image' %}<|vision_start|><|image_pad|><|vision_end|>{% elif part.type == 'video' %}"


@contextmanager
def transformers_serve(folder):
    """The address and the model's name; its chat template, made for videos, is taught to take images too."""
    folder = folder / "tiny"
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
                raise AssertionError(log.read_text())
            yield f"http://127.0.0.1:{port}/v1", str(folder)
        finally:
            process.terminate()
            process.wait(timeout=30)
