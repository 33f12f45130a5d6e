"""The training stage: it learns, resumes exactly, and refuses what does not fit."""

import json
import signal
from pathlib import Path

import numpy as np
import pytest
import torch
from safetensors import safe_open
from safetensors.torch import load_file

from tests.listening import Listens
from tests.tiny_models import saved_tiny_model
from tests.training.breaking import break_off
from tests.training.supervision_set import make_clips, make_samples, make_supervision
from vlm_autodrive.artifacts import read_clips, read_samples, write_taxonomy
from vlm_autodrive.engines import InferenceRequest, load_engine
from vlm_autodrive.errors import UserError
from vlm_autodrive.models import Encoder, load_model, reasoning_prompt, verdict_prompt
from vlm_autodrive.records import DEFAULT_TAXONOMY
from vlm_autodrive.training import TrainSettings, plan, show_loss_mask, train
from vlm_autodrive.training.packing import Packing, augment, build_batches, sample_tokens
from vlm_autodrive.training.prefix_sharing import share_prefix
from vlm_autodrive.training.sampler import TrainExample, join_samples
from vlm_autodrive.video import FrameCache, Frames, SamplingSettings


def settings(**changes) -> TrainSettings:
    values = {
        "model": str(saved_tiny_model("qwen3_vl")),
        "epochs": 4,
        "batch_size": 3,
        "learning_rate": 1e-3,
        "precision": "fp32",
        "save_steps": 2,
    }
    return TrainSettings(**{**values, **changes})


@pytest.fixture(scope="module")
def supervision(tmp_path_factory):
    return make_supervision(tmp_path_factory.mktemp("data"))


@pytest.fixture(scope="module")
def frames(supervision):
    """The folder of decoded frames that trainings share where decoding is not what they are for."""
    return supervision.parent / "frames"


def losses(checkpoint: Path) -> list[float]:
    return [json.loads(line)["loss"] for line in (checkpoint / "log.jsonl").read_text().splitlines()]


@pytest.mark.slow
@pytest.mark.parametrize(
    ("model_type", "changes"),
    [
        ("qwen3_vl", {"optimizer": "adamw"}),
        ("qwen3_vl", {"optimizer": "muon", "pack_to_tokens": 300}),
        ("qwen2_5_vl", {}),
        ("internvl", {}),
        ("qwen3_5", {}),
    ],
)
def test_a_tiny_model_learns_its_clips_by_heart(supervision, frames, tmp_path, model_type, changes):
    chosen = {"epochs": 40, "learning_rate": 3e-3, "mirror": False, "brightness": 0, **changes}
    wanted = settings(model=str(saved_tiny_model(model_type)), **chosen)
    out = train(supervision, tmp_path / "out", wanted, frame_cache=frames)
    history = losses(out)
    assert np.mean(history[-3:]) < 0.1 * history[0]
    engine = load_engine(str(out))
    cache = FrameCache(frames, engine.sampling)
    clips = read_clips(supervision)
    questions = [
        InferenceRequest(verdict_prompt(DEFAULT_TAXONOMY).text, DEFAULT_TAXONOMY.codes),
        InferenceRequest(reasoning_prompt(DEFAULT_TAXONOMY).text, max_new_tokens=120),
    ]
    answers = engine.generate([cache.get(clip) for clip in clips], questions)
    expected = {sample.sample_id: sample.target for sample in read_samples(supervision)}
    for clip, (verdict, reasoning) in zip(clips, answers, strict=True):
        assert verdict.text == expected[f"{clip.clip_id}-verdict"]
        assert reasoning.text == expected[f"{clip.clip_id}-reasoning"]


def test_a_checkpoint_is_a_folder_that_loads_under_its_name(tmp_path):
    supervision = make_supervision(tmp_path / "data", count=3)
    out = train(supervision, tmp_path / "out", settings(epochs=2))
    assert (out / "model.safetensors").is_file()
    assert not (out / "states").exists()
    assert load_engine(str(out)).name == "tuned"


def test_training_says_its_plan_before_it_begins(tmp_path):
    supervision = make_supervision(tmp_path / "data", count=2)
    reporter = Listens()
    train(supervision, tmp_path / "out", settings(epochs=1), reporter)
    lines = plan(supervision, settings(epochs=1)).lines()
    assert [line for line in reporter.said if line in lines] == lines
    first = next(number for number, line in enumerate(reporter.said) if line.startswith("training "))
    assert reporter.said.index(lines[-1]) < first


def test_a_pattern_weighs_the_tokens_that_hold_its_text_and_no_others(tmp_path):
    encoder = Encoder(load_model("tiny-base"))
    text = "<think>\nA car is ahead.\n[t=3.2] closest: contact.\nContact: Collision.\n</think>"
    [clip] = make_clips(tmp_path, count=1)
    sample = make_samples(clip)[1].model_copy(update={"target": text})
    example = TrainExample(clip, (sample,))
    [plain] = sample_tokens(encoder, example, TrainSettings())
    [weighed] = sample_tokens(
        encoder, example, TrainSettings(token_loss_weights={r"\[t=[^\n]* closest: [^\n]*": 5.0, "C": 9.0})
    )
    assert plain.token_weights is None
    assert weighed.target == plain.target
    assert len(weighed.token_weights) == len(weighed.target)
    assert [round(factor) for factor in weighed.token_weights].count(9) >= 1  # the C behind the line, not that of it
    line = encoder.decode(
        [token for token, factor in zip(weighed.target, weighed.token_weights, strict=True) if factor == 5]
    )
    assert line == "[t=3.2] closest: contact."
    row = share_prefix(encoder.prefix((0.0, 0.3), 84, 126), [weighed])
    assert row.loss_weights.sum() == pytest.approx(sum(weighed.token_weights))


def test_a_pattern_that_is_none_is_refused_with_its_fault():
    with pytest.raises(ValueError, match="no regular expression"):
        TrainSettings(token_loss_weights={"(": 2.0})


@pytest.mark.slow
def test_killed_again_and_again_training_ends_with_bitwise_the_same_weights(tmp_path):
    supervision = make_supervision(tmp_path / "data", count=5)
    frames = tmp_path / "frames"
    wanted = settings(epochs=7, save_steps=3, lora={"r": 32, "lora_dropout": 0.3}, balance="class")
    whole = train(supervision, tmp_path / "whole", wanted, frame_cache=frames)
    out = tmp_path / "killed"

    def found(pattern):
        return sorted(path.name for path in tmp_path.glob(f".killed.partial-*/states/{pattern}"))

    assert break_off(supervision, out, wanted, frames, 2, "kill") == -signal.SIGKILL  # before the first state
    assert found("state-*") == []
    assert break_off(supervision, out, wanted, frames, 4, "kill") == -signal.SIGKILL
    assert found("state-*") == ["state-00000003.safetensors"]
    assert break_off(supervision, out, wanted, frames, 2, "torn") == -signal.SIGXFSZ  # steps 3 to 5, then a state
    [whole_state, torn] = reversed(found("*"))
    assert whole_state == "state-00000003.safetensors" and torn.startswith(".tmp")
    assert break_off(supervision, out, wanted, frames, 7, "kill") == -signal.SIGKILL
    assert found("*") == ["state-00000006.safetensors", "state-00000009.safetensors"]
    newest = next(tmp_path.glob(".killed.partial-*/states/state-00000009.safetensors"))
    newest.write_bytes(newest.read_bytes()[:5000])  # as a disk that breaks might leave it
    reporter = Listens()
    assert train(supervision, out, wanted, reporter, frame_cache=frames) == out
    assert "state-00000009.safetensors cannot be read and is passed over" in reporter.said
    first, second = (load_file(f / "adapter" / "adapter_model.safetensors") for f in (whole, out))
    assert first.keys() == second.keys()
    assert all(torch.equal(first[name], second[name]) for name in first)
    assert losses(whole) == losses(out)
    assert sorted(p.name for p in whole.iterdir()) == sorted(p.name for p in out.iterdir())


@pytest.mark.slow
def test_a_state_carries_its_settings_and_without_a_readable_one_nothing_is_guessed(supervision, frames, tmp_path):
    wanted = settings(epochs=4, save_total_limit=1, save_steps=1)
    assert break_off(supervision, tmp_path / "out", wanted, frames, 4, "kill") == -signal.SIGKILL
    [state] = tmp_path.glob(".out.partial-*/states/*")
    with safe_open(state, "pt") as opened:
        assert TrainSettings.model_validate_json(opened.metadata()["settings"]) == wanted
        names = {key.split(":")[0] for key in opened.keys()}  # noqa: SIM118
    assert names == {"weight", "optimizer"}
    state.write_bytes(b"torn")
    with pytest.raises(UserError, match=r"no state in .* can be read"):
        train(supervision, tmp_path / "out", wanted, frame_cache=frames)


def test_done_again_it_does_nothing_and_other_settings_are_refused(supervision, frames, tmp_path):
    out = train(supervision, tmp_path / "out", settings(epochs=1), frame_cache=frames)
    before = (out / "model.safetensors").stat().st_mtime_ns
    train(supervision, out, settings(epochs=1))
    assert (out / "model.safetensors").stat().st_mtime_ns == before
    with pytest.raises(UserError, match="--overwrite"):
        train(supervision, out, settings(epochs=2))


def test_micro_batch_size_changes_nothing_but_memory(supervision, frames, tmp_path):
    whole = train(supervision, tmp_path / "a", settings(epochs=1, batch_size=4), frame_cache=frames)
    wanted = settings(epochs=1, batch_size=4, micro_batch_size=1)
    parts = train(supervision, tmp_path / "b", wanted, frame_cache=frames)
    assert losses(whole) == pytest.approx(losses(parts), rel=1e-4)


def test_lora_trains_the_language_model_alone_and_merges_on_loading(supervision, frames, tmp_path):
    out = train(supervision, tmp_path / "out", settings(epochs=2, lora={"r": 4}), frame_cache=frames)
    adapter = load_file(out / "adapter" / "adapter_model.safetensors")
    assert adapter and all("language_model.layers" in name for name in adapter)
    base, tuned = load_model(str(saved_tiny_model("qwen3_vl"))).model, load_model(str(out)).model
    changed = {
        name
        for (name, one), (_, other) in zip(base.named_parameters(), tuned.named_parameters(), strict=True)
        if not torch.equal(one, other)
    }
    assert changed and all("language_model.layers" in name for name in changed)


def test_plan_counts_the_tokens_that_training_sees_and_refuses_long_sequences(supervision):
    planned = plan(supervision, settings())
    assert planned.fits and len(planned.clips) == 6
    loaded = load_model(settings().model)
    encoder = Encoder(loaded)
    train_clips = join_samples(read_clips(supervision), read_samples(supervision))
    cache = FrameCache(supervision.parent / ".frames", loaded.card.sampling)
    example = TrainExample(train_clips[0].clip, train_clips[0].samples, mirrored=False, gain=1.0, offset=0.0)
    [batch] = build_batches(encoder, cache, [example], settings(), Packing())
    assert batch.tokens == planned.clips[0].sequence_tokens
    longest = max(clip.sequence_tokens for clip in planned.clips)
    refused = plan(supervision, settings(max_length=longest - 1))
    assert not refused.fits and f"train.max_length={longest}" in refused.refusal()
    with pytest.raises(UserError, match="max_length"):
        train(supervision, supervision.parent / "out", settings(max_length=longest - 1))


def test_frames_that_do_not_fit_the_patches_are_refused_before_any_is_read(tmp_path):
    supervision = make_supervision(tmp_path, count=1)
    with pytest.raises(UserError, match=r"multiples of 42, and not 252 x 448; .*height=252 and sampling.width=462"):
        plan(supervision, settings(sampling=SamplingSettings(height=252, width=448)))
    assert not (supervision.parent / ".frames").exists()


@pytest.mark.parametrize("grid", [28, 32])
def test_the_default_size_fits_both_families(grid):
    assert (SamplingSettings().height % grid, SamplingSettings().width % grid) == (0, 0)


def test_an_unreadable_clip_is_named_and_left_out(tmp_path):
    supervision = make_supervision(tmp_path / "data")
    broken = Path(read_clips(supervision)[1].path)
    broken.write_bytes(broken.read_bytes()[:100])
    planned = plan(supervision, settings())
    assert planned.fits and [clip.clip_id for clip in planned.unreadable] == ["train1-w0"]
    assert any("train1-w0" in line for line in planned.lines())
    assert len(losses(train(supervision, tmp_path / "out", settings(epochs=1)))) == 2


def test_codes_of_several_tokens_are_refused_before_training(tmp_path):
    supervision = make_supervision(tmp_path / "data", count=1)
    three = [
        each.model_copy(update={"code": code})
        for each, code in zip(DEFAULT_TAXONOMY.classes, ("CRASH", "NEAR", "NO"), strict=True)
    ]
    write_taxonomy(supervision, DEFAULT_TAXONOMY.model_copy(update={"classes": tuple(three)}))
    with pytest.raises(UserError, match=r"CRASH, NEAR, NO are not one token each .* import.taxonomy"):
        train(supervision, tmp_path / "out", settings())


def test_nothing_to_train_on_is_refused(tmp_path):
    supervision = make_supervision(tmp_path / "data", count=1, rejected=0)
    with pytest.raises(UserError, match="no clip with accepted samples"):
        train(supervision, tmp_path / "out", settings())


def test_loss_mask_view_marks_the_targets_and_nothing_else(supervision):
    text = show_loss_mask(supervision, settings(), "train0-w0")
    assert "[[A<|im_end|>]]" in text and "[[From the left.<|im_end|>]]" in text
    assert "[[" not in text.split("--- sample 1")[0]


def test_mirrored_frames_are_mirrored_in_every_frame():
    frames = Frames(np.random.default_rng(0).integers(0, 256, (2, 4, 6, 3), dtype=np.uint8), (0.0, 0.5))
    example = TrainExample(clip=None, samples=(), mirrored=True, gain=1.0, offset=0.0)  # type: ignore[arg-type]
    assert (augment(frames, example).pixels == frames.pixels[:, :, ::-1]).all()


def test_mirrored_examples_have_the_mirrored_text(supervision):
    loaded = load_model(settings().model)
    encoder = Encoder(loaded)
    train_clips = join_samples(read_clips(supervision), read_samples(supervision))[0]
    cache = FrameCache(supervision.parent / ".frames", loaded.card.sampling)
    [batch] = build_batches(
        encoder, cache, [TrainExample(train_clips.clip, train_clips.samples, True, 1.0, 0.0)], settings(), Packing()
    )
    supervised = encoder.decode(batch.packed.labels[0][batch.packed.labels[0] != -100].tolist())
    assert "From the right." in supervised and "left" not in supervised
