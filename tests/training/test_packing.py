"""How clips are packed into sequences changes nothing but time and memory."""

import json

import pytest
import torch

from tests.tiny_models import HYBRID, MODELS, load_tiny, saved_tiny_model
from tests.training.supervision_set import make_supervision
from vlm_autodrive.artifacts import read_clips, read_samples
from vlm_autodrive.engines import InferenceRequest, load_engine
from vlm_autodrive.errors import UserError
from vlm_autodrive.models import Encoder, load_model
from vlm_autodrive.progress import SilentReporter
from vlm_autodrive.records import DEFAULT_TAXONOMY
from vlm_autodrive.training import TrainSettings, train
from vlm_autodrive.training.packing import Packing, build_batches, first_fit
from vlm_autodrive.training.parity import probe_prefix_sharing
from vlm_autodrive.training.prefix_sharing import IGNORE_INDEX
from vlm_autodrive.training.sampler import examples_of_step, join_samples
from vlm_autodrive.video import FrameCache


class Listening(SilentReporter):
    def __init__(self):
        self.said = []

    def say(self, message):
        self.said.append(message)


def settings(model_type, **changes):
    values = {"model": str(saved_tiny_model(model_type)), "epochs": 1, "batch_size": 4, "learning_rate": 1e-3}
    return TrainSettings(**{**values, "precision": "fp32", **changes})


@pytest.fixture
def supervision(tmp_path):
    return make_supervision(tmp_path / "data", count=4)


def losses(checkpoint):
    return [json.loads(line)["loss"] for line in (checkpoint / "log.jsonl").read_text().splitlines()]


def batches_of(model_type, supervision, packing, **changes):
    """The forward passes of a step, and the step's examples."""
    chosen = settings(model_type, **changes)
    loaded = load_model(chosen.model)
    train_clips = join_samples(read_clips(supervision), read_samples(supervision))
    examples = examples_of_step(train_clips, 0, chosen)
    cache = FrameCache(supervision.parent / ".frames", loaded.card.sampling)
    return build_batches(Encoder(loaded), cache, examples, chosen, packing), examples


def test_pieces_go_into_the_first_bin_with_room_and_long_ones_alone():
    assert first_fit([5, 9, 4, 30, 1, 6], 10, lambda piece: piece) == [[5, 4, 1], [9], [30], [6]]
    assert first_fit([], 10, lambda piece: piece) == []


@pytest.mark.parametrize("model_type", ["qwen3_vl", "internvl"])
@pytest.mark.parametrize("pack_to_tokens", [64, 500, 100_000])
def test_packing_keeps_the_clips_the_order_of_their_frames_and_the_weights(supervision, model_type, pack_to_tokens):
    padded, examples = batches_of(model_type, supervision, Packing())
    packed, again = batches_of(model_type, supervision, Packing(), pack_to_tokens=pack_to_tokens)
    assert examples == again and len(examples) == 4
    longest = max(int((row >= 0).sum()) for row in padded[0].packed.segments)
    for batch in packed:
        assert batch.packed.input_ids.shape[0] == 1
        assert batch.tokens <= max(pack_to_tokens, longest)
    assert len(packed) == {64: 4, 100_000: 1}.get(pack_to_tokens, len(packed))
    assert sum(batch.tokens for batch in packed) == padded[0].tokens
    assert sum(batch.weight for batch in packed) == pytest.approx(padded[0].weight)

    def supervised(batches):
        return sorted(
            token for batch in batches for token in batch.packed.labels.flatten().tolist() if token != IGNORE_INDEX
        )

    assert supervised(packed) == supervised(padded)
    if pack_to_tokens == 100_000:
        for name, value in padded[0].vision.items():
            assert torch.equal(packed[0].vision[name], value)


@pytest.mark.parametrize("model_type", MODELS)
def test_packed_sequences_train_what_padded_ones_do(supervision, tmp_path, model_type):
    listening = Listening()
    padded = train(supervision, tmp_path / "a", settings(model_type, epochs=2), listening)
    packed = train(supervision, tmp_path / "b", settings(model_type, epochs=2, pack_to_tokens=700))
    assert losses(padded) == pytest.approx(losses(packed), rel=1e-4)
    told = [line for line in listening.said if "in a sequence of its own" in line]
    assert len(told) == (1 if model_type == HYBRID else 0)
    engine = load_engine(str(packed))
    clip = read_clips(supervision)[0]
    frames = FrameCache(tmp_path / ".frames", engine.sampling).get(clip)
    [[verdict]] = engine.generate([frames], [InferenceRequest("Which?", DEFAULT_TAXONOMY.codes)])
    assert sum(verdict.probabilities) == pytest.approx(1.0)


def test_without_sharing_each_sample_has_a_sequence_and_a_pass_keeps_to_its_tokens(supervision):
    batches, examples = batches_of(HYBRID, supervision, Packing(share=False, attention="causal"), pack_to_tokens=600)
    samples = sum(len(example.samples) for example in examples)
    assert sum(batch.packed.input_ids.shape[0] for batch in batches) == samples
    assert all(batch.packed.input_ids.numel() <= 600 or len(batch.packed.input_ids) == 1 for batch in batches)
    assert all(int(batch.packed.segments.max()) == 1 for batch in batches)
    packed, _ = batches_of(HYBRID, supervision, Packing())
    assert sum(batch.weight for batch in batches) == pytest.approx(sum(batch.weight for batch in packed))


@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16])
@pytest.mark.parametrize("model_type", MODELS)
def test_a_model_says_itself_whether_its_samples_can_share(model_type, dtype):
    """Also with half the bits and the fused attention that a GPU has."""
    loaded, encoder = load_tiny(model_type)
    loaded.model.to(dtype).set_attn_implementation("sdpa")
    assert probe_prefix_sharing(loaded.model, loaded, encoder, loaded.card.sampling) == (model_type != HYBRID)


def test_flex_attention_is_refused_on_a_cpu_before_the_first_step(supervision, tmp_path):
    if torch.cuda.is_available():
        pytest.skip("there is a GPU")
    with pytest.raises(UserError, match=r"no backward pass; set train\.attention=dense"):
        train(supervision, tmp_path / "out", settings("qwen3_vl", attention="flex"))


def test_two_sizes_of_a_pass_are_one_too_many():
    with pytest.raises(ValueError, match="set only one"):
        TrainSettings(pack_to_tokens=4096, micro_batch_size=2)
