"""What examples cost is what torch counts of them, and a step is shared out among processes by it."""

import pytest
from torch.utils.flop_counter import FlopCounterMode

from tests.tiny_models import MODELS, load_tiny
from tests.training.noise import NoiseCache, noise_example
from vlm_autodrive.progress import SILENT
from vlm_autodrive.training import TrainSettings
from vlm_autodrive.training.example_costs import ExampleCosts
from vlm_autodrive.training.loss import weighted_loss
from vlm_autodrive.training.modules import prepare_model
from vlm_autodrive.training.packing import build_batches
from vlm_autodrive.training.parity import prepare_packing
from vlm_autodrive.training.processes import Rank, share_out

FULL, LORA = {}, {"lora": {"r": 2}}


@pytest.mark.parametrize(
    ("model_type", "changes"), [*((name, FULL) for name in MODELS), ("qwen3_vl", LORA)], ids=lambda value: str(value)
)
def test_a_longer_clip_costs_as_much_more_as_torch_counts(model_type, changes):
    loaded, encoder = load_tiny(model_type)
    sampling = loaded.card.sampling.model_copy(update={"fps": 2.0, "max_frames": 12})
    settings = TrainSettings(precision="fp32", sampling=sampling, **changes)
    model = prepare_model(loaded, settings, SILENT)
    packing = prepare_packing(model, loaded, encoder, settings, SILENT)
    cost_of, computed, counted = ExampleCosts(model, loaded, encoder, packing, settings), [], []
    for seconds in (1.0, 6.0):  # below 512 tokens: torch counts nothing of the fused attention that longer ones take
        example = noise_example("clip", seconds)
        computed.append(cost_of(example))
        with FlopCounterMode(display=False) as counter:
            for batch in build_batches(encoder, NoiseCache(sampling), [example], settings, packing):
                weighted_loss(model, batch.packed, batch.vision).backward()
        counted.append(counter.get_total_flops())
    assert counted[1] > 1.3 * counted[0]
    assert computed[1] / computed[0] == pytest.approx(counted[1] / counted[0], rel=0.2)


def test_cost_rises_with_the_square_of_the_length_and_falls_with_what_is_frozen():
    loaded, encoder = load_tiny("qwen3_vl")
    sampling = loaded.card.sampling.model_copy(update={"fps": 4.0, "max_frames": 512})

    def costs(*seconds, **changes):
        settings = TrainSettings(precision="fp32", sampling=sampling, **changes)
        model = prepare_model(loaded, settings, SILENT)
        packing = prepare_packing(model, loaded, encoder, settings, SILENT)
        cost_of = ExampleCosts(model, loaded, encoder, packing, settings)
        return [cost_of(noise_example("clip", each)) for each in seconds]

    one, two = costs(60.0, 120.0)
    assert 2.5 * one < two < 4 * one
    [checkpointed] = costs(60.0, gradient_checkpointing=True)
    [frozen] = costs(60.0, modules={"vision": "frozen"})  # last, since it freezes the tower
    assert frozen < one < checkpointed


@pytest.mark.parametrize("in_step", [False, True])
@pytest.mark.parametrize("world", [2, 3, 8])
def test_shares_are_disjoint_and_whole_and_no_process_has_much_more_than_another(world, in_step):
    for count in (0, 1, 7, 64):
        costs = [(number * 37) % 101 + 1 for number in range(count)]
        shares = share_out(costs, world, in_step=in_step)
        assert sorted(number for share in shares for number in share) == list(range(count))
        loads = [sum(costs[number] for number in share) for share in shares]
        assert max(loads) - min(loads) <= max(costs, default=0)


def test_who_has_the_long_video_has_nothing_else():
    assert share_out([1, 1, 6, 1, 1, 1, 1], 2) == [[2], [0, 1, 3, 4, 5, 6]]


def test_in_step_the_passes_made_together_are_alike():
    costs = [1, 90, 2, 100, 3, 80, 4, 70]
    shares = share_out(costs, 2, in_step=True)
    together = [[costs[number] for number in row] for row in zip(*shares, strict=True)]
    assert [sorted(row) for row in together] == [[90, 100], [70, 80], [3, 4], [1, 2]]


def test_one_process_takes_all_in_order_and_each_of_several_its_own():
    examples = ["long", "short", "brief"]
    costs = {"long": 10, "short": 3, "brief": 2}
    assert Rank().share(examples, costs.__getitem__) == examples
    assert Rank(0, 2).share(examples, costs.__getitem__) == ["long"]
    assert Rank(1, 2).share(examples, costs.__getitem__) == ["short", "brief"]
    assert Rank(2, 3).share(["long"], costs.__getitem__) == []
