"""``models check`` shows what a model sees, and where that is not the stock conversation."""

import pytest

from tests.models.test_chat_template import QWEN3_5
from tests.real_models import REAL_MODELS
from tests.tiny_models import load_tiny
from vlm_autodrive.models import Encoder, load_meta_model
from vlm_autodrive.training.template_check import check_template
from vlm_autodrive.video import SamplingSettings


@pytest.mark.fixtures
@pytest.mark.parametrize("name", REAL_MODELS)
def test_a_verdict_and_a_trace_of_real_models_are_rendered_and_equal_the_stock_conversation(real_model, name):
    loaded = load_meta_model(str(real_model(name)))
    encoder = Encoder(loaded)
    height, width = encoder.nearest_size(112, 160)
    found = check_template(loaded, encoder, SamplingSettings(height=height, width=width))
    assert found.fault == ""
    verdict, trace = found.conversations
    thinks = name == "qwen3-vl-thinking"
    assert found.direct_by == ("prefill" if thinks else "none")
    assert verdict.given.startswith("<|im_start|>system\nYou watch dashcam video")
    assert verdict.given.count("<|video_pad|> x ") == (1 if name == "qwen2.5-vl" else 2)
    assert verdict.given.endswith("<|im_start|>assistant\n" + ("<think>\n\n</think>\n\n" if thinks else ""))
    assert verdict.supervised == "A<|im_end|>"
    assert trace.given.endswith("<|im_start|>assistant\n" + ("<think>\n" if thinks else ""))
    assert trace.supervised.startswith("A car" if thinks else "<think>\nA car")
    lines = "\n".join(found.lines())
    assert "equal, token by token" in lines and "[[A<|im_end|>]]" in lines


def test_a_template_with_a_switch_gives_the_stock_conversation_of_both_kinds():
    loaded, _ = load_tiny("qwen3_5")
    loaded.processor.chat_template = QWEN3_5
    found = check_template(loaded, Encoder(loaded), loaded.card.sampling)
    verdict, trace = found.conversations
    assert (found.fault, found.direct_by) == ("", "switch")
    assert verdict.given.endswith("<think>\n\n</think>\n\n") and verdict.supervised == "A<|im_end|>"
    assert trace.given.endswith("assistant\n<think>\n") and trace.supervised.startswith("A car")


def test_a_template_that_writes_an_answer_otherwise_is_told_apart():
    loaded, _ = load_tiny("qwen3_vl")
    loaded.processor.chat_template = loaded.processor.chat_template.replace(
        "<|im_end|>\n{% endfor %}", "{% if message.role == 'assistant' %}!{% endif %}<|im_end|>\n{% endfor %}"
    )
    found = check_template(loaded, Encoder(loaded), loaded.card.sampling)
    assert "direct verdict: from token " in found.fault and "in the stock conversation '!" in found.fault
    assert any("'<|im_end|>'" in line for line in found.lines())
