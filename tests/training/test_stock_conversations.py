"""What is trained on is the stock conversation of the model's own template, token by token.

The stock conversation is ``processor.apply_chat_template`` on all messages, the assistant's too, run through the stock
processor with the frames' times. Two things are set apart, and held to be just these:

- the line end that templates write behind the last ``<|im_end|>``, which no generated answer reaches;
- the pair of vision marks around the whole video that the processor of Qwen3-VL leaves in place from transformers 5.10
  on. Before, as when these models were released, it put the frames' own marks in its place, and vLLM does so now.
"""

import pytest
import torch

from tests.real_models import REAL_MODELS
from tests.training.supervision_set import make_clips, make_samples
from vlm_autodrive.models import SYSTEM_PROMPT, Encoder, load_meta_model
from vlm_autodrive.supervision.export.rows import VIDEO_TAG, row_of
from vlm_autodrive.training.packing import sample_tokens
from vlm_autodrive.training.prefix_sharing import share_prefix
from vlm_autodrive.training.sampler import TrainExample
from vlm_autodrive.training.settings import TrainSettings

pytestmark = pytest.mark.fixtures

MARKS = "<|vision_start|><|video_pad|><|vision_end|>"
TIMES = (0.0, 0.25, 0.5, 0.75, 1.0, 1.25)


@pytest.fixture(scope="module")
def clip(tmp_path_factory):
    return make_clips(tmp_path_factory.mktemp("clips"), count=1)[0]


def stock_tokens(processor, messages, size, *, outer_marks):
    """Tokens of a conversation as stock template and processor write them, without the last line end."""
    text = processor.apply_chat_template(messages, tokenize=False)
    assert text.endswith("<|im_end|>\n")
    if not outer_marks:
        text = text.replace(MARKS, "<|video_pad|>")
    numbers = [round(1000 * time) for time in TIMES]
    metadata = {"total_num_frames": numbers[-1] + 1, "fps": 1000.0, "frames_indices": numbers}
    video = torch.zeros(len(TIMES), 3, *size, dtype=torch.uint8)
    encoded = processor(
        text=[text.removesuffix("\n")],
        videos=[video],
        video_metadata=[{**metadata, "height": size[0], "width": size[1]}],
        do_sample_frames=False,
        do_resize=False,
    )
    return list(encoded["input_ids"][0])


def as_messages(system, prompt, target):
    def turn(role, *parts):
        return {"role": role, "content": list(parts)}

    def text(words):
        return {"type": "text", "text": words}

    return [
        turn("system", text(system)),
        turn("user", {"type": "video"}, text(prompt)),
        turn("assistant", text(target)),
    ]


@pytest.mark.parametrize("name", REAL_MODELS)
def test_each_packed_sample_is_the_stock_conversation(real_model, name, clip):
    loaded = load_meta_model(str(real_model(name)))
    encoder, samples = Encoder(loaded), tuple(make_samples(clip))
    assert {sample.type for sample in samples} >= {"verdict", "reasoning", "caption"}
    size = encoder.nearest_size(112, 160)
    prefix = encoder.prefix(TIMES, *size)
    settings = TrainSettings(model=str(real_model(name)))
    for sample, tokens in zip(samples, sample_tokens(encoder, TrainExample(clip, samples), settings), strict=True):
        sequence = share_prefix(prefix, [tokens])
        row = row_of(sample, clip, "videos/0.mp4")
        system, question, answer = (message.content for message in row.messages)
        messages = as_messages(system, question.removeprefix(VIDEO_TAG), answer)
        # Qwen2.5-VL has one pair of marks around all its frames, and the processor writes no others.
        stock = stock_tokens(loaded.processor, messages, size, outer_marks=name == "qwen2.5-vl")
        assert sequence.input_ids.tolist() == stock
        supervised = sequence.labels[sequence.labels != -100]
        written = loaded.processor.tokenizer.decode(supervised)
        expected = sample.target + "<|im_end|>"
        assert written == (expected.removeprefix("<think>\n") if name == "qwen3-vl-thinking" else expected)


@pytest.mark.parametrize("name", ["qwen3-vl-instruct", "qwen3-vl-thinking"])
def test_the_marks_set_apart_are_one_pair_around_the_whole_video(real_model, name):
    loaded = load_meta_model(str(real_model(name)))
    size = Encoder(loaded).nearest_size(112, 160)
    messages = as_messages(SYSTEM_PROMPT, "Which?", "A")
    with_pair, without = (
        stock_tokens(loaded.processor, messages, size, outer_marks=outer_marks) for outer_marks in (True, False)
    )
    start, end = loaded.processor.tokenizer.convert_tokens_to_ids(["<|vision_start|>", "<|vision_end|>"])
    first = with_pair.index(start)
    last = len(with_pair) - 1 - with_pair[::-1].index(end)
    assert [*with_pair[:first], *with_pair[first + 1 : last], *with_pair[last + 1 :]] == without
