"""Models with the real tokenizers, templates and settings of published ones load, and have the published tokens."""

import pytest

from tests.real_models import REAL_MODELS
from vlm_autodrive.models import load_model

pytestmark = pytest.mark.fixtures


@pytest.mark.parametrize("name", REAL_MODELS)
def test_a_real_model_loads_with_the_published_token_ids(real_model, name):
    loaded = load_model(str(real_model(name)))
    tokenizer = loaded.processor.tokenizer
    assert tokenizer.convert_tokens_to_ids(["<|endoftext|>", "<|im_end|>", "<|video_pad|>"]) == [151643, 151645, 151656]
    assert tokenizer("A", add_special_tokens=False)["input_ids"] == [32]
    assert tokenizer.get_vocab().get("<think>") == (None if name == "qwen2.5-vl" else 151667)
