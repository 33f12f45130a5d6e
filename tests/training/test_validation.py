"""Validations: their figure is the evaluation's, and the best weights and the end of training go by them."""

import json

import numpy as np
import pytest
import torch
from safetensors.torch import load_file

from tests.tiny_models import FAMILIES, load_tiny, saved_tiny_model
from tests.training.breaking import break_off
from tests.training.supervision_set import make_clips, make_samples, make_supervision
from vlm_autodrive.artifacts import SAMPLES_FILE, read_clips, write_clips
from vlm_autodrive.engines import InferenceRequest, LocalEngine
from vlm_autodrive.errors import UserError
from vlm_autodrive.metrics import macro_f1
from vlm_autodrive.metrics.classification import confusion
from vlm_autodrive.models import load_model, read_card, verdict_prompt
from vlm_autodrive.progress import SilentReporter
from vlm_autodrive.records import DEFAULT_TAXONOMY, write_jsonl
from vlm_autodrive.training import TrainSettings, train
from vlm_autodrive.training.example_costs import ExampleCosts
from vlm_autodrive.training.packing import Packing
from vlm_autodrive.training.processes import SINGLE_PROCESS
from vlm_autodrive.training.validation import validation_examples, verdict_macro_f1
from vlm_autodrive.video import FrameCache


def settings(**changes) -> TrainSettings:
    values = {
        "model": str(saved_tiny_model("qwen3_vl")),
        "epochs": 5,
        "batch_size": 4,
        "learning_rate": 3e-3,
        "precision": "fp32",
        "save_steps": 1,
        "eval_steps": 1,
        "mirror": False,
        "brightness": 0,
    }
    return TrainSettings(**{**values, **changes})


@pytest.fixture(scope="module")
def supervision(tmp_path_factory):
    """Four clips to train on, and the same videos again, and one of unknown class, to validate on."""
    data = tmp_path_factory.mktemp("data")
    folder = make_supervision(data, count=4)
    clips = read_clips(folder)
    more = [clip.model_copy(update={"clip_id": f"v{n}", "split": "validation"}) for n, clip in enumerate(clips)]
    unknown = more[0].model_copy(update={"clip_id": "unknown", "event_class": None})
    write_clips(folder, folder, DEFAULT_TAXONOMY, [*clips, *more, unknown])
    write_jsonl(folder / SAMPLES_FILE, [sample for clip in clips for sample in make_samples(clip)])
    return folder


@pytest.fixture(scope="module")
def frames(supervision):
    """The folder of decoded frames, which all trainings share."""
    return supervision.parent / "frames"


def scores(out):
    return [json.loads(line).get("validation_macro_f1") for line in (out / "log.jsonl").open()]


def engine_score(loaded, clips, cache):
    answers = LocalEngine(loaded).generate(
        [cache.get(clip) for clip in clips],
        [InferenceRequest(verdict_prompt(DEFAULT_TAXONOMY).text, DEFAULT_TAXONOMY.codes)],
    )
    said = [DEFAULT_TAXONOMY.by_code(answer.text).name for [answer] in answers]
    return float(macro_f1(confusion([clip.event_class for clip in clips], said, DEFAULT_TAXONOMY.names)))


@pytest.mark.parametrize("model_type", FAMILIES)
def test_the_figure_is_that_of_evaluating_the_same_weights(tmp_path, model_type):
    loaded, encoder = load_tiny(model_type)
    torch.manual_seed(3)
    with torch.no_grad():  # so that it does not say the same of all clips
        for parameter in loaded.model.parameters():
            parameter += 0.05 * torch.randn_like(parameter)
    clips = make_clips(tmp_path, count=12, split="validation")
    cache = FrameCache(tmp_path / "frames", loaded.card.sampling)
    examples = validation_examples(clips, DEFAULT_TAXONOMY)
    chosen = TrainSettings(micro_batch_size=5, precision="fp32", loss_weights={"verdict": 0.0})
    costs = ExampleCosts(loaded.model, loaded, encoder, Packing(), chosen)
    device = torch.device("cpu")
    score = verdict_macro_f1(
        loaded.model, encoder, cache, Packing(), costs, examples, DEFAULT_TAXONOMY, chosen, device, SINGLE_PROCESS
    )
    assert loaded.model.training
    loaded.model.eval()
    assert score < 1
    assert score == pytest.approx(engine_score(loaded, clips, cache))


def test_the_finished_checkpoint_holds_the_best_weights_and_says_so(supervision, frames, tmp_path):
    wanted = settings(load_best_model_at_end=True, modules={"vision": 1e-4})
    out = train(supervision, tmp_path / "best", wanted, frame_cache=frames)
    history = scores(out)
    assert len(history) == 5 and None not in history
    card = read_card(str(out))
    assert (card.steps, card.validation_macro_f1) == (int(np.argmax(history)) + 1, max(history))
    clips = [clip for clip in read_clips(supervision) if clip.split == "validation" and clip.event_class]
    cache = FrameCache(frames, card.sampling)
    assert engine_score(load_model(str(out)), clips, cache) == pytest.approx(max(history))
    wanted = settings(eval_steps=3, modules={"vision": 1e-4})
    last = train(supervision, tmp_path / "last", wanted, frame_cache=frames)
    assert [score is None for score in scores(last)] == [True, True, False, True, False]
    assert (read_card(str(last)).steps, read_card(str(last)).validation_macro_f1) == (5, None)
    one, other = (load_file(folder / "model.safetensors") for folder in (out, last))
    assert all(torch.equal(one[name], other[name]) for name in one) == (int(np.argmax(history)) == 4)


def test_training_stops_when_validations_get_no_better(supervision, frames, tmp_path):
    wanted = settings(epochs=30, early_stopping_patience=2, learning_rate=1e-9)
    out = train(supervision, tmp_path / "out", wanted, frame_cache=frames)
    assert len(scores(out)) == 3  # at that rate nothing changes, so the first is the best
    assert read_card(str(out)).steps == 3


@pytest.mark.slow
def test_killed_between_validations_the_best_weights_are_the_same(supervision, frames, tmp_path):
    wanted = settings(load_best_model_at_end=True, epochs=6, early_stopping_patience=5)
    whole = train(supervision, tmp_path / "whole", wanted, frame_cache=frames)
    for steps in (3, 2):
        assert break_off(supervision, tmp_path / "killed", wanted, frames, steps, "kill") < 0
    killed = train(supervision, tmp_path / "killed", wanted, frame_cache=frames)
    assert scores(whole) == scores(killed)
    assert read_card(str(whole)) == read_card(str(killed))
    one, other = (load_file(folder / "model.safetensors") for folder in (whole, killed))
    assert all(torch.equal(one[name], other[name]) for name in one)


@pytest.mark.slow
def test_processes_validate_together(supervision, frames, tmp_path):
    alone = train(supervision, tmp_path / "alone", settings(epochs=2), frame_cache=frames)
    for shard in ("none", "full"):
        wanted = settings(epochs=2, processes=2, shard=shard, load_best_model_at_end=True)
        both = train(supervision, tmp_path / shard, wanted, frame_cache=frames)
        assert scores(both) == pytest.approx(scores(alone))


def test_without_validation_clips_it_is_refused_and_without_validations_nothing_goes_by_them(tmp_path):
    plain = make_supervision(tmp_path / "plain", count=2)
    with pytest.raises(UserError, match=r"validation split has no clip .* clips.split"):
        train(plain, tmp_path / "out", settings(), SilentReporter())
    for wrong in ({"load_best_model_at_end": True}, {"early_stopping_patience": 3}):
        with pytest.raises(ValueError, match="set eval_steps"):
            settings(eval_steps=None, **wrong)
