"""The served engine against a real ``transformers serve``: what can be compared equals the model in this process."""

import numpy as np
import pytest
import torch

from tests.serving import transformers_serve
from vlm_autodrive.engines import InferenceRequest, ServedModelSettings, load_engine
from vlm_autodrive.engines.served import open_served_engine
from vlm_autodrive.models import SYSTEM_PROMPT, TINY_BASE, load_model, reasoning_prompt, verdict_prompt
from vlm_autodrive.records import DEFAULT_TAXONOMY, Outcome
from vlm_autodrive.video import Frames

VERDICT = InferenceRequest(verdict_prompt(DEFAULT_TAXONOMY).text, codes=DEFAULT_TAXONOMY.codes)
TRACE = InferenceRequest(reasoning_prompt(DEFAULT_TAXONOMY).text, max_new_tokens=40)


@pytest.fixture(scope="module")
def server(tmp_path_factory):
    with transformers_serve(tmp_path_factory.mktemp("serve")) as address:
        yield address


def ask(server, folder, clips, questions, **settings):
    url, model = server
    chosen = ServedModelSettings(base_url=url, cache=str(folder / "account"), **settings)
    with open_served_engine(chosen, model, "job") as engine:
        return engine.generate(clips, questions)


def grey(count):
    return Frames(np.full((count, 84, 126, 3), 120, np.uint8), tuple(0.5 * i for i in range(count)))


def in_this_process(prompt, most):
    """Greedy decoding of the same conversation by the stock model."""
    loaded = load_model(TINY_BASE, torch.device("cpu"))
    messages = [
        {"role": "system", "content": [{"type": "text", "text": SYSTEM_PROMPT}]},
        {"role": "user", "content": [{"type": "text", "text": prompt}]},
    ]
    text = loaded.processor.apply_chat_template(messages, tokenize=False, add_generation_prompt=True)
    inputs = loaded.processor.tokenizer(text, return_tensors="pt", add_special_tokens=False)
    written = loaded.model.generate(**inputs, do_sample=False, max_new_tokens=most)[0, inputs["input_ids"].shape[1] :]
    return loaded.processor.tokenizer.decode(written, skip_special_tokens=True)


@pytest.mark.slow
def test_words_alone_are_answered_as_by_the_model_in_this_process(tmp_path, server):
    ((verdict, trace),) = ask(server, tmp_path, [grey(0)], [VERDICT, TRACE])
    assert verdict.text == in_this_process(VERDICT.prompt, 16)
    assert (verdict.outcome, verdict.probabilities) == (Outcome.OK, None)  # this server gives no log-probabilities
    assert trace.text == in_this_process(TRACE.prompt, 40).rstrip()  # as this server gives it
    assert (trace.outcome, trace.reason) == (Outcome.TRUNCATED, "no end within 40 tokens")


@pytest.mark.slow
def test_votes_are_for_what_the_model_in_this_process_finds_all_but_sure(tmp_path, server):
    ((verdict,),) = ask(server, tmp_path, [grey(0)], [VERDICT], votes=3)
    local = load_engine(TINY_BASE).generate([grey(8)], [VERDICT])[0][0]
    assert max(local.probabilities) > 0.999
    assert verdict.probabilities == pytest.approx(local.probabilities, abs=0.001)
    assert verdict.probability_source == "votes"


@pytest.mark.slow
def test_frames_arrive(tmp_path, server):
    words, shown = ask(server, tmp_path, [grey(0), grey(8)], [TRACE])
    assert shown[0].outcome in (Outcome.OK, Outcome.TRUNCATED)
    assert shown[0].text
    assert shown[0].text != words[0].text
