"""Shared = separate: loss and gradients of samples behind one prefix equal those of a sequence for each."""

from dataclasses import replace

import pytest
import torch
from peft import LoraConfig, get_peft_model

from tests.tiny_models import FAMILIES, HYBRID, MODELS, load_tiny, random_pixels
from vlm_autodrive.training.attention import block_mask, dense_mask, use_flex
from vlm_autodrive.training.loss import logits_at, weighted_loss
from vlm_autodrive.training.parity import compare_gradients, compare_passes, loss_and_gradients
from vlm_autodrive.training.prefix_sharing import (
    SampleTokens,
    collate,
    pack,
    share_prefix,
)

SAMPLES = (
    SampleTokens([20, 21, 22, 23], [30, 2], sample_weight=4.0),  # a verdict: a code and the end of the turn
    SampleTokens(list(range(40, 60)), list(range(100, 120)), token_weights=[1.0] * 10 + [5.0] * 10),
    SampleTokens([33], [77], sample_weight=0.5),  # one token to learn behind one of a question
    SampleTokens([33], list(range(200, 207))),
)
CLIPS = (  # frame times of clips of several lengths and rates, one of them uneven
    tuple(i * 0.3 for i in range(10)),
    tuple(i * 0.125 for i in range(6)),
    (0.0, 0.31, 0.62, 0.9, 1.22, 1.5, 1.9, 2.8),
)


def clip(encoder, model_type, number):
    """A clip's prefix, the values of its frames and their grid."""
    pixels = random_pixels(model_type, len(CLIPS[number]), number)
    prefix = encoder.prefix(CLIPS[number], *pixels.shape[1:3])
    return prefix, encoder.pixel_values(pixels), prefix.grid_thw


def vision(encoder, clips):
    return encoder.vision_inputs(torch.cat([each[1] for each in clips]), torch.tensor([each[2] for each in clips]))


def separate_passes(encoder, clips, samples=SAMPLES):
    """A sequence for every sample, under the model's own causal mask."""
    return [
        (collate([share_prefix(each[0], [sample])], 0, attention="causal"), vision(encoder, [each]))
        for each in clips
        for sample in samples
    ]


def shared_passes(encoder, clips, counts, samples=SAMPLES):
    """Samples behind shared prefixes; ``counts`` says how many clips each sequence has."""
    sequences, begin = [], 0
    for count in counts:
        sequences.append(pack([share_prefix(each[0], samples) for each in clips[begin : begin + count]]))
        begin += count
    return [(collate(sequences, 0), vision(encoder, clips))]


def lora(model, family):
    torch.manual_seed(0)
    config = LoraConfig(r=4, target_modules=family.lora_targets, init_lora_weights=False)  # else half of it is zero
    return get_peft_model(model, config)


def checkpointed(model, _):
    model.gradient_checkpointing_enable(gradient_checkpointing_kwargs={"use_reentrant": False})
    return model


WAYS = {"full": lambda model, family: model, "lora": lora, "gradient checkpointing": checkpointed}
CASES = (  # and how many clips each sequence has
    ("full", (1, 1, 1)),
    ("full", (3,)),
    ("lora", (2, 1)),
    ("gradient checkpointing", (2, 1)),
)


@pytest.mark.parametrize(("way", "counts"), CASES)
@pytest.mark.parametrize("model_type", FAMILIES)
def test_shared_prefixes_equal_one_sequence_for_each_sample(model_type, way, counts):
    loaded, encoder = load_tiny(model_type)
    model = WAYS[way](loaded.model.train(), loaded.family)
    clips = [clip(encoder, model_type, number) for number in range(len(CLIPS))]
    found = compare_passes(model, shared_passes(encoder, clips, counts), separate_passes(encoder, clips))
    print(f"{model_type}, {way}, clips a sequence {counts}: largest ratio {found.largest_ratio:.1e} at {found.tensor}")
    assert found.loss == pytest.approx(found.other_loss, rel=1e-5)
    assert found.largest_ratio <= 1e-5


@pytest.mark.parametrize("model_type", MODELS)
def test_separate_sequences_equal_the_stock_forward(model_type):
    """Our mask and positions are those that the model makes itself when left alone."""
    loaded, encoder = load_tiny(model_type)
    one = clip(encoder, model_type, 1)  # so short that the stock positions of Qwen2.5-VL do not overlap
    prefix, sample = one[0], SAMPLES[1]
    sample = replace(sample, token_weights=None)
    tokens = torch.tensor(sample.question + sample.target)
    ids = torch.cat([prefix.input_ids, tokens])[None]
    extra = {}
    if loaded.family.video == "qwen":
        extra["mm_token_type_ids"] = 2 * (ids == loaded.model.config.video_token_id).long()
    if not loaded.family.text_timestamps:
        extra["second_per_grid_ts"] = torch.tensor([0.25])
    with torch.no_grad():
        logits = loaded.model(input_ids=ids, **vision(encoder, [one]), **extra).logits[0, -len(sample.target) - 1 : -1]
        stock = torch.nn.functional.cross_entropy(logits, torch.tensor(sample.target), reduction="sum")
        for attention in ("dense", "causal"):
            batch = collate([share_prefix(prefix, [sample])], 0, attention=attention)
            ours = weighted_loss(loaded.model, batch, vision(encoder, [one]))
            assert float(ours) == pytest.approx(float(stock), rel=1e-5)


def masked(batch, prefix_segments):
    return dense_mask(batch.segments, prefix_segments)


def causal(batch):
    return torch.full_like(batch.attention_mask, torch.finfo(torch.float32).min).triu(1)


MUTATIONS = {
    "every token sees all before it": lambda batch: replace(batch, attention_mask=causal(batch)),
    "positions run on from sample to sample": lambda batch: replace(
        batch, position_ids=torch.arange(batch.input_ids.shape[1]).expand_as(batch.position_ids)
    ),
    "a sample begins one place late": lambda batch: replace(
        batch, position_ids=batch.position_ids + (batch.segments > batch.prefix_segments)
    ),
    "the second clip sees the first's prefix": lambda batch: replace(
        batch, attention_mask=masked(batch, torch.zeros_like(batch.prefix_segments))
    ),
    "a sample does not see its prefix": lambda batch: replace(batch, attention_mask=masked(batch, batch.segments)),
}


@pytest.mark.parametrize("mutation", MUTATIONS)
@pytest.mark.parametrize("model_type", FAMILIES)
def test_a_wrong_mask_or_position_breaks_the_equality(model_type, mutation):
    loaded, encoder = load_tiny(model_type)
    clips = [clip(encoder, model_type, number) for number in (1, 2)]
    [(batch, inputs)] = shared_passes(encoder, clips, (2,))
    wrong = [(MUTATIONS[mutation](batch), inputs)]
    found = compare_passes(loaded.model, wrong, separate_passes(encoder, clips))
    assert not found.holds
    assert found.largest_ratio > 1e-3


def test_a_model_with_linear_attention_is_not_equal():
    loaded, encoder = load_tiny(HYBRID)
    clips = [clip(encoder, HYBRID, 1)]
    found = compare_passes(loaded.model, shared_passes(encoder, clips, (1,)), separate_passes(encoder, clips))
    assert found.largest_ratio > 1e-2


@pytest.mark.parametrize("model_type", MODELS)
def test_sequences_of_one_sample_side_by_side_equal_each_alone(model_type):
    """How a model that cannot share is trained: padding changes nothing."""
    loaded, encoder = load_tiny(model_type)
    clips = [clip(encoder, model_type, number) for number in (0, 1)]
    sequences = [share_prefix(each[0], [sample]) for each in clips for sample in SAMPLES]
    beside = [(collate(sequences, 0, attention="causal"), vision(encoder, [each for each in clips for _ in SAMPLES]))]
    found = compare_passes(loaded.model, beside, separate_passes(encoder, clips))
    print(f"{model_type}, sample by sample: largest ratio {found.largest_ratio:.1e} at {found.tensor}")
    assert found.loss == pytest.approx(found.other_loss, rel=1e-5)
    assert found.largest_ratio <= (1e-3 if model_type == HYBRID else 1e-5)  # its states are exponentials of sums


def test_each_token_sees_the_prefix_of_its_clip_and_its_own_sample_only():
    _, encoder = load_tiny("qwen3_vl")
    clips = [clip(encoder, "qwen3_vl", number) for number in (1, 2)]
    sequence = pack([share_prefix(each[0], SAMPLES[:2]) for each in clips])
    mask = collate([sequence], 0).attention_mask[0, 0] == 0
    places = {int(segment): (sequence.segments == segment).nonzero()[:, 0] for segment in sequence.segments.unique()}
    assert list(places) == [0, 1, 2, 3, 4, 5]
    sees = {0: {0}, 1: {0, 1}, 2: {0, 2}, 3: {3}, 4: {3, 4}, 5: {3, 5}}
    for own, tokens in places.items():
        for other, seen in places.items():
            block = mask[tokens[0] : tokens[-1] + 1, seen[0] : seen[-1] + 1]
            if own == other:
                assert torch.equal(block, torch.ones_like(block).tril())
            else:
                assert block.all() if other in sees[own] else not block.any()
    assert sequence.position_ids[:, places[1][0]].tolist() == sequence.position_ids[:, places[2][0]].tolist()
    assert sequence.position_ids[:, places[3][0]].tolist() == [0, 0, 0]
    assert (sequence.labels != -100).sum() == 2 * sum(len(sample.target) for sample in SAMPLES[:2])


def test_the_block_mask_says_what_the_dense_one_says():
    _, encoder = load_tiny("internvl")
    clips = [clip(encoder, "internvl", number) for number in (1, 2)]
    sequences = [pack([share_prefix(each[0], SAMPLES) for each in clips]), share_prefix(clips[0][0], SAMPLES[:1])]
    batch = collate(sequences, 0, attention="flex")
    assert batch.attention_mask is None and batch.input_ids.shape[1] % 128 == 0
    mask = block_mask(batch.segments, batch.prefix_segments)
    tokens = torch.arange(batch.input_ids.shape[1])
    dense = collate(sequences, 0).attention_mask == 0
    length = dense.shape[-1]
    for number in range(2):
        seen = mask.mask_mod(torch.tensor(number), torch.tensor(0), tokens[:, None], tokens[None, :])
        assert torch.equal(seen[:length, :length], dense[number, 0])


@pytest.mark.slow
@pytest.mark.parametrize("model_type", FAMILIES)
def test_flex_forward_equals_the_dense_one(model_type):
    """On a CPU its forward alone can run; it has no backward there."""
    loaded, encoder = load_tiny(model_type)
    clips = [clip(encoder, model_type, 1)]
    sequence = share_prefix(clips[0][0], SAMPLES[:3])
    places = torch.arange(len(sequence.input_ids) - 8, len(sequence.input_ids))
    with torch.no_grad():
        dense = logits_at(loaded.model, collate([sequence], 0), vision(encoder, clips), places)
        use_flex(loaded.model.get_submodule(loaded.family.language_model))
        flex = logits_at(loaded.model, collate([sequence], 0, attention="flex"), vision(encoder, clips), places)
    torch.testing.assert_close(flex, dense, atol=1e-5, rtol=1e-4)


@pytest.mark.gpu
@pytest.mark.parametrize("model_type", FAMILIES)
def test_flex_gradients_equal_the_dense_ones_on_a_gpu(model_type):
    if not torch.cuda.is_available():
        pytest.skip("needs a CUDA device")
    device = torch.device("cuda")
    loaded, encoder = load_tiny(model_type)
    model = loaded.model.to(device)
    clips = [clip(encoder, model_type, number) for number in range(len(CLIPS))]
    sequence = pack([share_prefix(each[0], SAMPLES) for each in clips])
    inputs = {name: value.to(device) for name, value in vision(encoder, clips).items()}
    dense = loss_and_gradients(model, [(collate([sequence], 0).to(device), inputs)])
    use_flex(model.get_submodule(loaded.family.language_model))
    flex = loss_and_gradients(model, [(collate([sequence], 0, attention="flex").to(device), inputs)])
    found = compare_gradients(flex, dense)
    assert found.loss == pytest.approx(found.other_loss, rel=1e-4)
    assert found.largest_ratio <= 1e-3  # a GPU's kernels add in another order
