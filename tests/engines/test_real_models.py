"""The local engine gives the verdicts and texts of the stock model, with real tokenizers, templates and settings."""

import numpy as np
import pytest
import torch

from tests.real_models import REAL_MODELS
from vlm_autodrive.engines import InferenceRequest, LocalEngine
from vlm_autodrive.models import SYSTEM_PROMPT, Encoder, load_model, reasoning_prompt, verdict_prompt
from vlm_autodrive.records import DEFAULT_TAXONOMY, Outcome
from vlm_autodrive.video import Frames

pytestmark = pytest.mark.fixtures

TIMES = tuple(0.25 * number for number in range(6))
VERDICT = InferenceRequest(verdict_prompt(DEFAULT_TAXONOMY).text, codes=DEFAULT_TAXONOMY.codes)
TRACE = InferenceRequest(reasoning_prompt(DEFAULT_TAXONOMY).text, max_new_tokens=12, thinking=True)


@pytest.fixture(scope="module", params=REAL_MODELS)
def world(request, real_model):
    """Our engine, and the stock model with its processor, on the same frames."""
    from transformers import AutoModelForImageTextToText, AutoProcessor

    folder = str(real_model(request.param))
    loaded = load_model(folder, torch.device("cpu"))
    shape = (len(TIMES), *Encoder(loaded).nearest_size(128, 192), 3)
    frames = Frames(np.random.default_rng(0).integers(0, 256, shape, dtype=np.uint8), TIMES)
    model = AutoModelForImageTextToText.from_pretrained(folder, dtype=torch.float32).eval()
    # Tied to its random embedding, the output layer would repeat the last token for ever.
    weights = 0.1 * torch.randn(model.lm_head.weight.shape, generator=torch.Generator().manual_seed(1))
    for each in (loaded.model, model):
        each.lm_head.weight = torch.nn.Parameter(weights)
    return request.param, loaded, frames, model, AutoProcessor.from_pretrained(folder)


def stock_inputs(world, prompt, answer_begins):
    """The stock conversation up to where the answer begins, by the stock processor."""
    name, _, frames, _, processor = world
    messages = [
        {"role": "system", "content": [{"type": "text", "text": SYSTEM_PROMPT}]},
        {"role": "user", "content": [{"type": "video"}, {"type": "text", "text": prompt}]},
    ]
    text = processor.apply_chat_template(messages, tokenize=False, add_generation_prompt=True)
    if name == "qwen3-vl-thinking":
        assert text.endswith("assistant\n<think>\n")
    if name != "qwen2.5-vl":  # see tests/training/test_stock_conversations.py
        text = text.replace("<|vision_start|><|video_pad|><|vision_end|>", "<|video_pad|>")
    height, width = frames.pixels.shape[1:3]
    metadata = {"total_num_frames": 6, "fps": 4.0, "frames_indices": list(range(6)), "height": height, "width": width}
    return processor(
        text=[text + answer_begins],
        videos=[torch.from_numpy(frames.pixels).permute(0, 3, 1, 2)],
        video_metadata=[metadata],
        do_sample_frames=False,
        do_resize=False,
        return_tensors="pt",
    )


def test_a_verdict_is_the_softmax_of_the_stock_logits_where_the_answer_begins(world):
    name, loaded, frames, model, processor = world
    ((answer,),) = LocalEngine(loaded).generate([frames], [VERDICT])
    closed = "\n</think>\n\n" if name == "qwen3-vl-thinking" else ""
    codes = processor.tokenizer.convert_tokens_to_ids(list(VERDICT.codes))
    with torch.inference_mode():
        logits = model(**stock_inputs(world, VERDICT.prompt, closed)).logits[0, -1]
    torch.testing.assert_close(torch.tensor(answer.probabilities), logits[codes].softmax(-1), atol=1e-5, rtol=1e-4)
    assert answer.code_mass == pytest.approx(float(logits.softmax(-1)[codes].sum()), rel=1e-3)
    with torch.inference_mode():  # the check has teeth: inside an open block the probabilities are others
        inside = model(**stock_inputs(world, VERDICT.prompt, "")).logits[0, -1, codes].softmax(-1)
    assert (float((inside - logits[codes].softmax(-1)).abs().max()) > 1e-3) == bool(closed)


def generate(world, **how):
    model = world[3]
    inputs = stock_inputs(world, TRACE.prompt, "")
    settings = {"max_new_tokens": TRACE.max_new_tokens, "do_sample": False, "repetition_penalty": 1.0, **how}
    with torch.inference_mode():
        return model.generate(**inputs, **settings)[0, inputs["input_ids"].shape[1] :].tolist()


def test_reasoning_is_greedy_generation_of_the_stock_model_and_ends_at_each_token_that_it_lists(world):
    _, loaded, frames, _, processor = world
    written = generate(world)
    assert len(set(written)) >= 3
    ((answer,),) = LocalEngine(loaded).generate([frames], [TRACE])
    assert answer.text == processor.tokenizer.decode(written, skip_special_tokens=True)
    assert answer.outcome is Outcome.TRUNCATED
    assert set(Encoder(loaded).end_ids) == {151645, 151643}
    usual = loaded.model.generation_config.eos_token_id
    later = next(token for token in written if token != written[0])
    loaded.model.generation_config.eos_token_id = [151645, later]
    try:
        ((ended,),) = LocalEngine(loaded).generate([frames], [TRACE])
    finally:
        loaded.model.generation_config.eos_token_id = usual
    until = written[: written.index(later)]
    assert generate(world, eos_token_id=[151645, later]) == [*until, later]
    assert ended.text == processor.tokenizer.decode(until, skip_special_tokens=True)
    assert ended.reason in ("", "it ended within its thoughts")
    assert (ended.outcome is Outcome.TRUNCATED) == (world[0] == "qwen3-vl-thinking")


def test_the_makers_sampling_defaults_are_gone_and_its_end_tokens_stay(world):
    _, loaded, _, model, _ = world
    theirs = model.generation_config
    assert theirs.do_sample and (theirs.repetition_penalty != 1 or theirs.top_k == 20)
    ours = loaded.model.generation_config
    kept = {name: value for name, value in ours.to_diff_dict().items() if name != "transformers_version"}
    special = {name: getattr(theirs, name) for name in ("bos_token_id", "eos_token_id", "pad_token_id")}
    assert kept == {"do_sample": False, **special}
    assert ours.eos_token_id == [151645, 151643]
