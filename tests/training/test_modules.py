"""Which weights are trained, how fast, and what is refused."""

from collections import defaultdict

import pytest
import torch

from tests.listening import Listens
from tests.tiny_models import MODELS, load_tiny
from vlm_autodrive.errors import UserError
from vlm_autodrive.progress import SilentReporter
from vlm_autodrive.settings import parse_settings
from vlm_autodrive.training import TrainSettings
from vlm_autodrive.training.modules import module_of, prepare_model
from vlm_autodrive.training.optimizers import build_optimizers, learning_rate, optimizer_step

VISION_LAYERS = r".*visual\.blocks\.\d+\.attn\.proj"
ALL_LAYERS = r".*(visual\.blocks\.\d+\.attn\.proj|language_model\.layers\.\d+\.self_attn\.q_proj)"


def prepare(model_type="qwen3_vl", **settings):
    loaded, _ = load_tiny(model_type)
    reporter = Listens()
    model = prepare_model(loaded, TrainSettings(**settings), reporter)
    return loaded, model, reporter.said


def trained_modules(loaded, model):
    return {module_of(name, loaded.family) for name, p in model.named_parameters() if p.requires_grad}


@pytest.mark.parametrize("model_type", MODELS)
def test_each_familys_weights_fall_into_the_three_modules(model_type):
    loaded, model, said = prepare(model_type)
    names = defaultdict(list)
    for name, _ in model.named_parameters():
        names[module_of(f"base_model.model.{name}", loaded.family)].append(name)  # as peft's wrapper calls it
        assert module_of(name, loaded.family) == module_of(f"base_model.model.{name}", loaded.family)
    assert all("merger" in name or "projector" in name for name in names["projector"]) and names["projector"]
    assert all(loaded.family.vision_tower in name for name in names["vision"]) and names["vision"]
    assert not any("merger" in name or "projector" in name for name in names["vision"] + names["language"])
    assert all("language_model" in name or "lm_head" in name for name in names["language"])
    assert "vision tower" in said[-1] and "frozen" not in said[-1]


@pytest.mark.parametrize("model_type", MODELS)
def test_adapters_target_the_language_model_alone(model_type):
    loaded, model, said = prepare(model_type, lora={"r": 4})
    assert trained_modules(loaded, model) == {"language"}
    assert "vision tower frozen, projector frozen, language model" in said[-1]


def test_what_the_adapters_target_is_told():
    _, model, said = prepare(lora={"r": 4, "use_dora": True})
    assert any("lora_magnitude_vector" in name for name, _ in model.named_parameters())  # DoRA's own
    assert said[0] == (
        "adapters on 14 layers of the language model: "
        "2 q_proj, 2 k_proj, 2 v_proj, 2 o_proj, 2 gate_proj, 2 up_proj, 2 down_proj"
    )


def test_all_fields_of_lora_config_pass_through():
    _, model, _ = prepare(lora={"r": 4, "rank_pattern": {"q_proj": 2}, "lora_alpha": 12, "lora_dropout": 0.25})
    shapes = {name.split(".")[-4]: p.shape[0] for name, p in model.named_parameters() if "lora_A" in name}
    assert (shapes["q_proj"], shapes["k_proj"]) == (2, 4)
    config = model.peft_config["default"]
    assert (config.lora_alpha, config.lora_dropout) == (12, 0.25)


@pytest.mark.parametrize(
    ("lora", "message"),
    [
        ({"lora_alhpa": 8}, "no field lora_alhpa; did you mean lora_alpha"),
        ({"rank": 8}, "no field rank; did you mean r?"),
        ({"target_modules": "q_proj", "layers_to_transform": [0]}, "LoraConfig refuses it"),
    ],
)
def test_a_wrong_field_of_lora_config_is_told_when_settings_are_read(lora, message):
    with pytest.raises(UserError, match=r"train: lora: .*" + message.replace("?", r"\?")):
        parse_settings(TrainSettings, {"lora": lora}, "train")


def test_a_pattern_that_targets_the_vision_tower_is_refused_unless_that_is_to_be_trained():
    with pytest.raises(UserError, match=r"adapts the vision tower, .* set train.modules.vision=trained"):
        prepare(lora={"target_modules": ALL_LAYERS})
    loaded, model, said = prepare(lora={"target_modules": ALL_LAYERS}, modules={"vision": 1e-6})
    assert trained_modules(loaded, model) == {"vision", "language"}
    assert said[0] == "adapters on 2 layers of the vision tower: 2 proj"


def test_a_module_that_no_adapter_targets_cannot_be_trained_and_a_misplaced_pattern_is_told():
    with pytest.raises(UserError, match="the projector is to be trained, but no adapter is placed on it"):
        prepare(lora={}, modules={"projector": "trained"})
    with pytest.raises(UserError, match=r"language model is to be trained, .* set train.modules.language=frozen"):
        prepare(lora={"target_modules": VISION_LAYERS}, modules={"vision": "trained"})
    with pytest.raises(UserError, match="peft cannot place the adapters"):
        prepare(lora={"target_modules": "no_such_layer"})
    loaded, model, _ = prepare(lora={"modules_to_save": ["merger"]}, modules={"projector": 1e-5})
    assert trained_modules(loaded, model) == {"projector", "language"}


def test_nothing_left_to_train_is_refused():
    with pytest.raises(UserError, match="every module of the model is frozen"):
        prepare(modules={"vision": "frozen", "projector": "frozen", "language": "frozen"})


@pytest.mark.parametrize("optimizer", ["adamw", "muon"])
def test_each_module_moves_at_its_own_rate_and_a_frozen_one_not_at_all(optimizer):
    settings = TrainSettings(
        optimizer=optimizer,
        learning_rate=1e-3,
        lr_scheduler_type="linear",
        modules={"vision": "frozen", "projector": 1e-5},
    )
    loaded, _ = load_tiny("qwen3_vl")
    model = prepare_model(loaded, settings, SilentReporter())
    optimizers = build_optimizers(model, loaded.family, settings)
    before = {name: p.detach().clone() for name, p in model.named_parameters()}
    torch.manual_seed(0)
    for parameter in model.parameters():
        if parameter.requires_grad:
            parameter.grad = torch.randn_like(parameter)
    optimizer_step(optimizers, 0, 10, settings)
    moved = {}
    for name, parameter in model.named_parameters():
        change = float((parameter.detach() - before[name]).abs().max())
        moved.setdefault(module_of(name, loaded.family), []).append(change)
    assert max(moved["vision"]) == 0
    assert 0 < max(moved["projector"]) < 2e-4 < max(moved["language"])
    rates = {group["lr"] for each in optimizers for group in each.param_groups}
    assert rates == {1e-3, 1e-5}


@pytest.mark.parametrize(
    ("lr_scheduler_type", "expected"),
    [("cosine", [0.5, 1.0, 1.0, 0.5, 0.0]), ("linear", [0.5, 1.0, 1.0, 0.5, 0.0]), ("constant", [0.5, 1, 1, 1, 1])],
)
def test_schedules_rise_and_then_fall_or_stay(lr_scheduler_type, expected):
    settings = TrainSettings(lr_scheduler_type=lr_scheduler_type, warmup_steps=0.2)
    rates = [learning_rate(1.0, step, 10, settings) for step in (0, 1, 2, 6, 10)]
    assert rates == pytest.approx(expected)


def test_warmup_below_one_is_a_fraction_of_all_steps_and_else_counts_steps():
    settings = TrainSettings(lr_scheduler_type="constant", warmup_steps=4)
    assert [learning_rate(1.0, step, 100, settings) for step in (0, 3, 4)] == [0.25, 1.0, 1.0]


def test_cosine_and_line_part_between_their_ends():
    both = [TrainSettings(lr_scheduler_type=name, warmup_steps=0.2) for name in ("cosine", "linear")]
    rates = [learning_rate(2.0, 4, 10, settings) for settings in both]
    assert rates == pytest.approx([2 * 0.853553, 2 * 0.75], rel=1e-5)


@pytest.mark.filterwarnings("error")
@pytest.mark.parametrize("lora", [None, {"r": 2}])
def test_gradient_checkpointing_is_switched_on_without_a_warning(lora):
    loaded, _, _ = prepare(lora=lora, gradient_checkpointing=True)
    assert loaded.model.is_activation_checkpointing
