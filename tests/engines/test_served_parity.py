"""The served engine finds the very probabilities and texts of a model that is asked in this process.

The endpoint is a model of this project behind a real HTTP server, which takes frames and times out of each request and
gives log-probabilities, as vLLM does; or an export alone, which stock software serves as vLLM would.
"""

import base64
import io
import math
import re
import threading
from dataclasses import replace

import numpy as np
import pytest
import torch
from PIL import Image
from starlette.responses import JSONResponse

from tests.engines.vllm_double import VllmDouble
from tests.fake_endpoint import serve
from tests.real_models import REAL_MODELS
from tests.tiny_models import saved_tiny_model
from vlm_autodrive.engines import InferenceRequest, ServedModelSettings, load_engine
from vlm_autodrive.engines.endpoint.chat import as_images
from vlm_autodrive.engines.served import open_served_engine
from vlm_autodrive.models import (
    TINY_BASE,
    Encoder,
    export_processor,
    load_model,
    reasoning_prompt,
    verdict_prompt,
    write_card,
)
from vlm_autodrive.records import DEFAULT_TAXONOMY
from vlm_autodrive.video import Frames, SamplingSettings

QUESTIONS = [
    InferenceRequest(verdict_prompt(DEFAULT_TAXONOMY).text, codes=DEFAULT_TAXONOMY.codes),
    InferenceRequest("What happens?", codes=DEFAULT_TAXONOMY.codes),
    InferenceRequest(reasoning_prompt(DEFAULT_TAXONOMY).text, max_new_tokens=24),
]


def pixels_of(url):
    return np.asarray(Image.open(io.BytesIO(base64.b64decode(url.partition(",")[2]))))


def endpoint_of(engine):
    """Answers by a local engine; a mask of the codes is laid over the log-probabilities as a server might."""
    one_at_a_time = threading.Lock()

    def answer(asked):
        *shown, question = asked.body["messages"][1]["content"]
        times = [float(found) for part in shown for found in re.findall(r"t=([\d.]+)", part.get("text", ""))]
        pixels = np.stack([pixels_of(part["image_url"]["url"]) for part in shown if part["type"] == "image_url"])
        codes = tuple(asked.body.get("structured_outputs", {}).get("choice", ()))
        wanted = InferenceRequest(question["text"], codes, max_new_tokens=asked.body["max_tokens"])
        with one_at_a_time:
            found = engine.generate([Frames(pixels, tuple(times))], [wanted])[0][0]
        choice = {"message": {"content": found.text}, "finish_reason": "stop" if found.reason == "" else "length"}
        if codes:
            top = [
                {"token": code, "logprob": math.log(share) - 0.7}
                for code, share in zip(codes, found.probabilities, strict=True)
            ]
            place = {"token": found.text, "logprob": 0.0, "top_logprobs": [*top, {"token": "The", "logprob": -0.7}]}
            choice["logprobs"] = {"content": [place]}
        return JSONResponse({"choices": [choice]})

    return answer


@pytest.mark.slow
def test_a_served_model_answers_as_in_this_process(tmp_path):
    engine = load_engine(TINY_BASE)
    height, width = engine.sampling.height, engine.sampling.width
    rng = np.random.default_rng(0)
    times = tuple(round(0.3 * i, 2) for i in range(8))
    clips = [
        Frames(rng.integers(0, 255, (8, height, width, 3), dtype=np.uint8) // (1 + n) + 20 * n, times) for n in range(3)
    ]
    sent = [Frames(np.stack([pixels_of(url) for url in as_images(clip)]), clip.times_s) for clip in clips]
    expected = engine.generate(sent, QUESTIONS)
    with serve(endpoint_of(engine)) as endpoint:
        settings = ServedModelSettings(base_url=endpoint.url, cache=str(tmp_path / "account"))
        with open_served_engine(settings, "tiny", "job") as served:
            answers = served.generate(clips, QUESTIONS)
    for found, wanted in zip(answers, expected, strict=True):
        for one, other in zip(found, wanted, strict=True):
            assert (one.outcome, one.text, one.reason) == (other.outcome, other.text, other.reason)
            assert (one.probabilities is None) == (other.probabilities is None)
            if one.probabilities is not None:
                assert one.probabilities == pytest.approx(other.probabilities, abs=1e-6)
    assert len({answer.probabilities for row in expected for answer in row}) > 3  # they differ between clips


def write_export(model, out):
    """A model with its template and processor as an export has them, whose verdicts depend on what it sees."""
    loaded = load_model(model)
    height, width = Encoder(loaded).nearest_size(84, 112)
    sampling = SamplingSettings(fps=4, max_frames=8, height=height, width=width)
    with torch.no_grad():
        for name, weight in loaded.model.named_parameters():
            if model == TINY_BASE and name.endswith("language_model.norm.weight"):
                weight /= 20  # it is very sure of what it says
            elif model != TINY_BASE and "merger" in name and weight.ndim > 1:
                weight *= 20
    loaded.model.save_pretrained(out)
    export_processor(loaded.processor, loaded.family, sampling).save_pretrained(out)
    write_card(out, loaded.card.model_copy(update={"sampling": sampling}))
    return sampling


def check_export(model, tmp_path):
    """An export, served as vLLM does, answers as in this process, and otherwise for frames in reverse."""
    sampling = write_export(model, tmp_path / "export")
    rng = np.random.default_rng(0)
    times_s = (0.0, 0.24, 0.51, 0.74, 1.0, 1.27)
    shape = (len(times_s), sampling.height, sampling.width, 3)
    pixels = [rng.integers(0, 255, shape, dtype=np.uint8) // (1 + number) + 20 * number for number in range(2)]
    clips = [Frames(each, times_s, nominal_interval_s=0.25) for each in pixels]
    wrong = [replace(each, pixels=each.pixels[::-1]) for each in clips]
    question = QUESTIONS[:1]
    expected = load_engine(str(tmp_path / "export")).generate(clips, question)
    with serve(VllmDouble(tmp_path / "export"), owner="vllm") as endpoint:
        settings = ServedModelSettings(
            base_url=endpoint.url, cache=str(tmp_path / "account"), folder=str(tmp_path / "export"), max_connections=1
        )
        with open_served_engine(settings, "some/model", "job") as served:
            found, reversed_ = served.generate(clips, question), served.generate(wrong, question)

    def difference(answers):
        pairs = zip(answers, expected, strict=True)
        return max(np.abs(np.subtract(a.probabilities, b.probabilities)).max() for [a], [b] in pairs)

    assert difference(found) < 1e-5
    assert difference(reversed_) > 30 * 1e-5


@pytest.mark.parametrize("name", [TINY_BASE, "qwen2_5_vl", "qwen3_vl", "qwen3_5"])
def test_an_export_served_as_vllm_does_answers_as_in_this_process(tmp_path, name):
    check_export(name if name == TINY_BASE else str(saved_tiny_model(name)), tmp_path)


@pytest.mark.fixtures
@pytest.mark.parametrize("name", REAL_MODELS)
def test_an_export_with_published_template_and_settings_served_as_vllm_does(tmp_path, real_model, name):
    check_export(str(real_model(name)), tmp_path)
