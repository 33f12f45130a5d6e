"""Which cells a grid has, what they are called, and which of them share a stage."""

import json

import pytest

from vlm_autodrive.errors import UserError
from vlm_autodrive.runs import load_recipe
from vlm_autodrive.runs.ablation.cells import cells_of

FIVE = ("caption", "description", "vqa", "reasoning_vqa", "reasoning")


def cells(*grids, recipe="smoke", settings=(), **more):
    changes = [
        f"ablate.grids={json.dumps(grids)}",
        *(f"ablate.{key}={value}" for key, value in more.items()),
        *settings,
    ]
    return cells_of(load_recipe(recipe, changes))


def kinds_of(*choices, **more):
    return [set(cell.types) for cell in cells({"types": list(choices)}, **more)]


def test_types_alone_left_out_all_and_none():
    verdict = {"verdict"}
    assert kinds_of("all") == [verdict | set(FIVE)]
    assert kinds_of("none") == [verdict]
    assert kinds_of("each_alone") == [verdict | {supervision_type} for supervision_type in FIVE]
    assert kinds_of("each_left_out") == [verdict | set(FIVE) - {supervision_type} for supervision_type in FIVE]
    assert kinds_of(["vqa", "caption"]) == [verdict | {"vqa", "caption"}]
    assert kinds_of("each_alone", always=[]) == [{supervision_type} for supervision_type in ("verdict", *FIVE)]
    only_two = ["supervise.types=[verdict, vqa]"]
    assert kinds_of("all", "each_left_out", settings=only_two) == [{"verdict", "vqa"}, verdict]


def test_a_grid_is_every_combination_and_what_two_grids_name_is_one_cell():
    axes = {"train.sampling.max_frames": [16, 8], "train.learning_rate": [1.0e-5, 1.0e-3, 0.1]}
    assert len(cells({"axes": axes})) == 6
    assert len(cells({"axes": axes}, {"axes": {"train.sampling.max_frames": [16, 8, 4]}}, seeds=[3, 4])) == 2 * 7
    names = [cell.name for cell in cells({"types": ["all"]}, {"axes": {"clips.window_s": [4.8, 2]}})]
    types = "types=verdict+caption+description+vqa+reasoning_vqa+reasoning"
    assert names == [f"{types}, window_s=4.8", f"{types}, window_s=2"]


def test_a_cell_has_its_settings_and_all_else_is_the_recipes():
    [cell] = cells({"axes": {"train.sampling": [{"height": 42, "width": 84}], "train.lora": [None]}}, seeds=[7])
    assert (cell.recipe.train.sampling.height, cell.recipe.train.sampling.width) == (42, 84)
    assert cell.recipe.train.sampling.fps == pytest.approx(10 / 3)  # of the model's card, not the default
    assert cell.recipe.train.seed == 7
    assert cell.name == "height=42, width=84, lora=none"
    plain = load_recipe("smoke")
    assert (cell.recipe.clips, cell.recipe.supervise) == (plain.clips, plain.supervise)


def test_values_are_told_apart_by_their_names():
    found = cells({"axes": {"train.epochs": [1, 1.0, 1.0000000001], "train.mirror": [True, False]}})
    assert len({cell.name for cell in found}) == len(found) == 4


def test_a_taxonomy_with_a_name_is_called_by_it():
    found = cells({"axes": {"import.taxonomy": ["three_class", "paper"]}})
    assert [cell.name for cell in found] == ["taxonomy=three_class", "taxonomy=paper"]
    assert found[1].place("clips") == "clips, taxonomy=paper"


def test_two_settings_of_one_name_are_called_in_full():
    [cell] = cells({"axes": {"clips.seed": [1], "simulate.seed": [2]}})
    assert cell.name == "clips.seed=1, simulate.seed=2"


def test_cells_share_a_stage_exactly_where_they_agree_in_what_it_hangs_on():
    found = cells(
        {
            "types": ["all", "none"],
            "axes": {"clips.window_s": [4.8, 2.4], "train.sampling.max_frames": [8, 16], "train.model": ["a/b", "c"]},
        },
        settings=["train.sampling={}"],
        seeds=[0, 1],
    )
    times = {stage: len({cell.place(stage) for cell in found}) for stage in (
        "simulated", "catalog", "clips", "supervision", "chosen", "plans", "checkpoints", "predictions/cells",
        "validation/base", "predictions/base", "predictions/majority",
    )}  # fmt: skip
    assert times == {
        "simulated": 1, "catalog": 1, "clips": 2, "supervision": 2, "chosen": 4, "plans": 16, "checkpoints": 32,
        "predictions/cells": 32, "validation/base": 8, "predictions/base": 8, "predictions/majority": 2,
    }  # fmt: skip
    assert found[0].place("clips") == "clips, window_s=4.8"
    assert found[0].place("predictions/base") == "predictions/base, window_s=4.8, max_frames=8, model=a%2Fb"
    assert found[0].place("simulated") == "simulated"


def test_a_folders_name_is_never_too_long_and_still_its_own():
    texts = ["x" * 300, "x" * 301]
    first, second = cells({"axes": {"train.model": texts}}, settings=["train.sampling={}"])
    places = {first.place("checkpoints"), second.place("checkpoints")}
    assert len(places) == 2
    assert all(len(place.partition("/")[2]) <= 160 for place in places)


@pytest.mark.parametrize(
    ("grid", "more", "sentence"),
    [
        ({"axes": {"supervise.types": [["vqa"]]}}, {}, "supervise.types is no axis; write types of the grid"),
        ({"axes": {"train.seed": [1]}}, {}, "train.seed is no axis; write ablate.seeds"),
        ({"axes": {"report.title": ["a"]}}, {}, "report.title is no axis; an axis is a setting of simulate, import"),
        ({"axes": {"train.epochs": []}}, {}, "at least 1 item"),
        ({"types": ["each"]}, {}, "ablate.grids.0.types.0"),
        ({"types": ["none"]}, {"always": []}, "types: none leaves nothing to train on"),
        ({"types": ["all"]}, {"seeds": [1, 1]}, "seeds names a seed twice"),
        ({"types": [["vqa"]]}, {"settings": ["supervise.types=[verdict]"]}, "types names vqa, which supervise.types"),
        ({"types": ["all"]}, {"settings": ["supervise.types=[vqa]"]}, "ablate.always names verdict"),
    ],
)
def test_a_wrong_grid_is_refused_in_one_sentence(grid, more, sentence):
    with pytest.raises(UserError) as caught:
        cells(grid, **more)
    assert sentence in str(caught.value)


def test_all_cells_with_wrong_settings_are_named_at_once():
    with pytest.raises(UserError) as caught:
        cells({"axes": {"train.epochs": [1, -1], "train.optimzer": ["muon"], "train.seed_": [1]}})
    assert "2 cells have settings that are wrong" in str(caught.value)
    assert "cell train.epochs=-1" in str(caught.value)
    assert "did you mean optimizer?" in str(caught.value)


def test_a_recipe_without_an_ablation_says_how_to_get_one():
    with pytest.raises(UserError, match="says nothing of an ablation"):
        cells_of(load_recipe("smoke"))


def test_the_shipped_ablations():
    smoke = cells_of(load_recipe("ablation-smoke"))
    assert (len({cell.name for cell in smoke}), len(smoke)) == (6, 12)
    nexar = cells_of(load_recipe("nexar-ablation"))
    rows = {cell.name: cell for cell in nexar}
    assert (len(rows), len(nexar)) == (20, 60)
    alone = [cell for cell in rows.values() if len(cell.types) == 2]
    assert {frozenset(cell.types) - {"verdict"} for cell in alone} == {
        frozenset((supervision_type,)) for supervision_type in FIVE
    }
    assert {cell.recipe.clips.window_s for cell in rows.values()} == {5, 10}


@pytest.mark.parametrize("name", ["paper-ablation", "paper-ablation-simulated"])
def test_the_papers_ablation_has_ours_each_type_left_out_and_the_papers(name):
    found = cells_of(load_recipe(name))
    ours, *without, paper = (found[n] for n in range(0, len(found), 3))
    assert len(without) == 5 and len(found) == 3 * 7
    assert [set(ours.types) - set(cell.types) for cell in without] == [{type_} for type_ in FIVE]
    assert {cell.recipe.supervise.chain for cell in without} == {ours.recipe.supervise.chain}
    published = load_recipe("paper")
    assert paper.types == published.supervise.types
    assert paper.recipe.import_.taxonomy == published.import_.taxonomy != ours.recipe.import_.taxonomy
    assert paper.recipe.supervise.vqa_per_clip == 0
    if name == "paper-ablation":
        assert paper.recipe.supervise == published.supervise
