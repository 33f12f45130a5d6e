"""Where a direct answer and where thoughts begin is read off the template itself."""

import pytest

from tests.real_models import REAL_MODELS
from tests.tiny_models import load_tiny
from vlm_autodrive.models.chat_template import ChatTemplate

CHATML = (
    "{% for message in messages %}<|im_start|>{{ message.role }}\n"
    "{% for part in message.content %}{% if part.type == 'video' %}<|vision_start|><|video_pad|><|vision_end|>"
    "{% else %}{{ part.text }}{% endif %}{% endfor %}<|im_end|>\n{% endfor %}"
    "{% if add_generation_prompt %}<|im_start|>assistant\n{% endif %}"
)
PROMPT = "{% if add_generation_prompt %}<|im_start|>assistant\n"
OPENS = PROMPT + "<think>\n"
SWITCH_OFF = (
    PROMPT + "{% if enable_thinking is defined and enable_thinking is false %}<think>\n\n</think>\n\n"
    "{% else %}<think>\n{% endif %}"
)
SWITCH_ON = (
    PROMPT + "{% if enable_thinking is defined and enable_thinking is true %}<think>\n"
    "{% else %}<think>\n\n</think>\n\n{% endif %}"
)
HYBRID = PROMPT + "{% if enable_thinking is defined and not enable_thinking %}<think>\n\n</think>\n\n{% endif %}"
QWEN3_5 = CHATML.replace(
    "{% for part in message.content %}",
    "{% if message.role == 'assistant' and not message.content[0].text.startswith('<think>') %}"
    "<think>\n\n</think>\n\n{% endif %}{% for part in message.content %}",
).replace(PROMPT, SWITCH_OFF)
"""Of the form that the makers of Qwen3.5 document; their own file was not at hand."""
CLOSED, OPEN, PLAIN = "<think>\n\n</think>\n\n", "<think>\n", ""


def template_of(generation_prompt):
    processor = load_tiny("qwen3_5")[0].processor
    processor.chat_template = CHATML.replace(PROMPT, generation_prompt)
    return ChatTemplate(processor)


@pytest.mark.parametrize(
    ("generation_prompt", "direct", "thoughts", "direct_by", "thinks"),
    [
        (PROMPT, PLAIN, PLAIN, "none", False),
        (OPENS, CLOSED, OPEN, "prefill", True),
        (SWITCH_OFF, CLOSED, OPEN, "switch", True),
        (SWITCH_ON, CLOSED, OPEN, "switch", False),
        (HYBRID, CLOSED, PLAIN, "switch", True),
    ],
    ids=["plain", "opens without a switch", "switched off", "switched on", "the model opens its thoughts itself"],
)
def test_a_direct_answer_is_asked_for_behind_a_closed_block(generation_prompt, direct, thoughts, direct_by, thinks):
    turn, template = "<|im_end|>\n<|im_start|>assistant\n", template_of(generation_prompt)
    assert (template.before_answer, template.before_thoughts) == (turn + direct, turn + thoughts)
    assert (template.opening, template.direct_by, template.thinks) == (thoughts, direct_by, thinks)


def test_an_answer_loses_the_tag_that_the_template_has_written():
    trace = "<think>\nA car brakes.\n</think>\n\n<answer>\nA\n</answer>"
    assert template_of(OPENS).without_opening(trace) == trace.removeprefix("<think>\n")
    assert template_of(OPENS).without_opening("A") == "A"
    assert template_of(HYBRID).without_opening(trace) == template_of(PROMPT).without_opening(trace) == trace


@pytest.mark.fixtures
@pytest.mark.parametrize("name", REAL_MODELS)
def test_the_real_templates(real_model, name):
    from transformers import AutoProcessor

    template = ChatTemplate(AutoProcessor.from_pretrained(real_model(name)))
    turn, thinks = "<|im_end|>\n<|im_start|>assistant\n", name == "qwen3-vl-thinking"
    assert template.before_answer == turn + (CLOSED if thinks else PLAIN)
    assert template.before_thoughts == turn + (OPEN if thinks else PLAIN)
    assert (template.direct_by, template.thinks) == ("prefill" if thinks else "none", thinks)
