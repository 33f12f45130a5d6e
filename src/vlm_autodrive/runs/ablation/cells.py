"""The cells of an ablation: recipes that differ in the varied settings, and are named by their values.

A cell's values of everything that is varied anywhere in the ablation are its name. All else is the same in all cells,
so two cells share a stage exactly if they agree in the values of the settings that the stage depends on, and the folder
of that stage is named by these values.
"""

import hashlib
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import product
from typing import Any
from urllib.parse import quote

from vlm_autodrive.errors import UserError
from vlm_autodrive.models import read_card
from vlm_autodrive.records import SUPERVISION_TYPES, TAXONOMIES, SupervisionType
from vlm_autodrive.runs.ablation_settings import AblateSettings, GridSettings, TypesChoice
from vlm_autodrive.runs.recipe import Recipe
from vlm_autodrive.settings import merge_values, parse_settings

TYPES_KEY = "types"
_TAXONOMY_KEY = "import.taxonomy"
SEED_KEY = "seed"
_LONGEST_NAME = 160  # bytes; a stage adds to it while it works, and file systems allow 255
_DATA = ("simulate", "import", "validate", "corrections", "clips")
DEPENDS_ON: dict[str, tuple[str, ...]] = {
    "simulated": ("simulate",),
    "catalog": ("simulate", "import"),
    "validated": ("simulate", "import", "validate"),
    "corrected": ("simulate", "import", "validate", "corrections", "clips.frozen_test"),
    "clips": _DATA,
    "supervision": (*_DATA, "supervise"),
    "chosen": (*_DATA, "supervise", TYPES_KEY),
    "plans": (*_DATA, "supervise", TYPES_KEY, "train"),
    "checkpoints": (*_DATA, "supervise", TYPES_KEY, "train", SEED_KEY),
    "predictions/cells": (*_DATA, "supervise", TYPES_KEY, "train", SEED_KEY, "evaluate"),
    "validation/base": (*_DATA, "train.model", "train.sampling", "evaluate"),
    "predictions/base": (*_DATA, "supervise.seed", "train.model", "train.sampling", "evaluate"),
    "predictions/majority": _DATA,
    "predictions/camera_shake": _DATA,
}
"""What each stage depends on: sections of the recipe, or single settings."""


@dataclass(frozen=True)
class AblationCell:
    """One training and its evaluation.

    Attributes:
        recipe: All settings.
        types: The supervision types that it is trained on, in the order of all types.
        values: What is varied in the ablation, by its dotted key, as this cell has it.
        seed: Of the training.
    """

    recipe: Recipe
    types: tuple[SupervisionType, ...]
    values: Mapping[str, str]
    seed: int

    @property
    def name(self) -> str:
        """The varied settings, without the seed."""
        return _named(self.values) or "as in the recipe"

    @property
    def title(self) -> str:
        """The name with the seed."""
        return f"{self.name}, seed={self.seed}"

    def shared_by(self, stage: str) -> dict[str, str]:
        """What the stage depends on of what is varied: cells that agree in it share its result."""
        wanted = DEPENDS_ON[stage]
        values = {**self.values, SEED_KEY: str(self.seed)}
        return {key: value for key, value in values.items() if any(_within(key, each) for each in wanted)}

    def place(self, stage: str) -> str:
        """The stage's folder, in the folder of the ablation."""
        name = quote(_named(self.shared_by(stage)), safe=" =,+")
        if len(name) > _LONGEST_NAME:
            name = name[: _LONGEST_NAME - 17] + "~" + hashlib.sha256(name.encode()).hexdigest()[:16]
        if stage in ("plans", "checkpoints", "predictions/cells", "chosen"):
            return f"{stage}/{name or 'as in the recipe'}"
        return f"{stage}, {name}" if name else stage


def cells_of(recipe: Recipe) -> list[AblationCell]:
    """All cells of a recipe's ablation, in the order of its grids; the seeds of a cell follow each other.

    Raises:
        UserError: If it has none, or settings of cells are wrong; all that are wrong are named at once.
    """
    wanted = recipe.ablate
    if wanted is None:
        raise UserError(
            f"the recipe {recipe.name} says nothing of an ablation; give it a section ablate with grids, or write "
            "'ablate.grids=[{types: [all, each_left_out]}]' behind it."
        )
    keys = _varied(wanted)
    found: dict[tuple[str, ...], tuple[Recipe, tuple[SupervisionType, ...], dict[str, str]]] = {}
    wrong: list[str] = []
    for types, changes in _combinations(recipe, wanted):
        try:
            changed = _changed(recipe, changes)
        except UserError as error:
            wrong.append(str(error))
            continue
        values = _values(changed, types, keys)
        found.setdefault(tuple(values.values()), (changed, types, values))
    if wrong:
        raise UserError(f"{len(wrong)} cells have settings that are wrong; " + " ".join(wrong))
    return [
        AblationCell(
            changed.model_copy(update={"train": changed.train.model_copy(update={"seed": seed})}), types, values, seed
        )
        for changed, types, values in found.values()
        for seed in wanted.seeds
    ]


def short_names(keys: Sequence[str]) -> dict[str, str]:
    """How dotted keys are called: by their last part, unless two would be called the same."""
    last = [key.rpartition(".")[2] for key in keys]
    return {key: name if last.count(name) == 1 else key for key, name in zip(keys, last, strict=True)}


def _within(key: str, wanted: str) -> bool:
    return key == wanted or key.startswith(f"{wanted}.")


def _named(values: Mapping[str, str]) -> str:
    names = short_names(list(values))
    return ", ".join(f"{names[key]}={value}" for key, value in values.items())


def _combinations(
    recipe: Recipe, wanted: AblateSettings
) -> Iterator[tuple[tuple[SupervisionType, ...], dict[str, Any]]]:
    """The types and the changes of each cell, before its settings are checked."""
    made = recipe.supervise.types
    missing = [supervision_type for supervision_type in wanted.always if supervision_type not in made]
    if missing:
        raise UserError(
            f"ablate.always names {', '.join(missing)}, which supervise.types does not make; add it there, or leave it "
            "out here."
        )
    for grid in wanted.grids:
        choices: tuple[TypesChoice, ...] = grid.types or ("all",)
        sets = [types for choice in choices for types in _types_of(choice, made, wanted.always)]
        for types in sets:
            for values in product(*grid.axes.values()):
                yield types, _nested(dict(zip(grid.axes, values, strict=True)))


def _types_of(
    choice: TypesChoice, made: Sequence[SupervisionType], always: Sequence[SupervisionType]
) -> list[tuple[SupervisionType, ...]]:
    switched = [supervision_type for supervision_type in made if supervision_type not in always]
    if choice == "all":
        chosen = [switched]
    elif choice == "none":
        if not always:
            raise UserError(
                "types: none leaves nothing to train on; name a supervision type in ablate.always, or leave none out."
            )
        chosen = [[]]
    elif choice == "each_alone":
        chosen = [[supervision_type] for supervision_type in switched]
    elif choice == "each_left_out":
        chosen = [
            [supervision_type for supervision_type in switched if supervision_type != left_out] for left_out in switched
        ]
    else:
        unmade = [supervision_type for supervision_type in choice if supervision_type not in made]
        if unmade:
            raise UserError(f"types names {', '.join(unmade)}, which supervise.types does not make; add it there.")
        chosen = [list(choice)]
    return [
        tuple(
            supervision_type
            for supervision_type in SUPERVISION_TYPES
            if supervision_type in always or supervision_type in few
        )
        for few in chosen
    ]


def _nested(values: Mapping[str, Any]) -> dict[str, Any]:
    nested: dict[str, Any] = {}
    for key, value in values.items():
        for part in reversed(key.split(".")):
            value = {part: value}
        nested = merge_values(nested, value)
    return nested


def _changed(recipe: Recipe, changes: dict[str, Any]) -> Recipe:
    """The recipe under a cell's changes."""
    # What the recipe leaves unset must stay unset: evaluate.sampling takes from train.sampling what it does not set.
    plain = recipe.model_dump(mode="json", by_alias=True, exclude_unset=True)
    of_training = changes.get("train", {})
    if recipe.train.sampling is None and isinstance(of_training.get("sampling"), dict):
        # What is not changed is as the model's card says, and not as the settings' defaults do.
        card = read_card(of_training.get("model", recipe.train.model))
        plain.setdefault("train", {})["sampling"] = card.sampling.model_dump(mode="json")
    return parse_settings(Recipe, merge_values(plain, changes), f"cell {_plain_name(changes)}")


def _plain_name(changes: Mapping[str, Any]) -> str:
    return ", ".join(f"{key}={_worded(value)}" for key, value in _leaves(changes))


def _varied(wanted: AblateSettings) -> list[str]:
    """The dotted keys of all that is varied, mappings resolved, in order of appearance."""
    keys = dict.fromkeys([TYPES_KEY] if any(grid.types for grid in wanted.grids) else [])
    for grid in wanted.grids:
        for key, value in _axis_values(grid):
            keys |= dict.fromkeys(leaf for leaf, _ in _leaves(_nested({key: value})))
    return list(keys)


def _axis_values(grid: GridSettings) -> Iterator[tuple[str, Any]]:
    for key, values in grid.axes.items():
        for value in values:
            yield key, value


def _leaves(values: Mapping[str, Any], above: str = "") -> Iterator[tuple[str, Any]]:
    for key, value in values.items():
        if isinstance(value, Mapping) and value:
            yield from _leaves(value, f"{above}{key}.")
        else:
            yield f"{above}{key}", value


def _values(recipe: Recipe, types: Sequence[SupervisionType], keys: Sequence[str]) -> dict[str, str]:
    plain = recipe.model_dump(mode="json", by_alias=True)
    values = {}
    for key in keys:
        if key == TYPES_KEY:
            values[key] = "+".join(types)
            continue
        if key == _TAXONOMY_KEY and recipe.import_.taxonomy in TAXONOMIES.values():
            values[key] = next(name for name, each in TAXONOMIES.items() if each == recipe.import_.taxonomy)
            continue
        value: Any = plain
        for part in key.split("."):
            value = value.get(part) if isinstance(value, Mapping) else None
        values[key] = _worded(value)
    return values


def _worded(value: Any) -> str:
    if value is None or isinstance(value, bool):
        return {None: "none", True: "yes", False: "no"}[value]
    if isinstance(value, float):
        return f"{value:.12g}"
    if isinstance(value, list):
        return "+".join(_worded(each) for each in value)
    if isinstance(value, Mapping):
        return "+".join(f"{key} {_worded(each)}" for key, each in value.items())
    return str(value)
