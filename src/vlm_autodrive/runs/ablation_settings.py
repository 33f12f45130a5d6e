"""Settings of an ablation: which cells its grid has."""

from typing import Annotated, Any, Literal

from pydantic import Field, field_validator, model_validator

from vlm_autodrive.records import SupervisionType
from vlm_autodrive.settings import Settings

TypesChoice = (
    Literal["all", "none", "each_alone", "each_left_out"] | Annotated[tuple[SupervisionType, ...], Field(min_length=1)]
)
VARIED_SECTIONS = ("simulate", "import", "clips", "supervise", "train", "evaluate")
_INSTEAD = {
    "supervise.types": "types of the grid, which takes them from samples that are made once",
    "train.seed": "ablate.seeds, over which the intervals are taken",
    "train.name": "nothing: cells are named by what is varied",
}


class GridSettings(Settings):
    """One grid: every choice of types with every combination of the axes' values.

    Attributes:
        types: The supervision types to train on, in addition to those of ``always``: ``all`` of the recipe, ``none``,
            ``each_alone``, ``each_left_out``, or a list of types; empty for those of the recipe.
        axes: Dotted settings with the values of each, such as ``train.sampling.fps: [2, 4]``. A value may be a mapping
            of settings that change together: ``train.sampling: [{height: 140, width: 252}]``.
    """

    types: tuple[TypesChoice, ...] = ()
    axes: dict[str, Annotated[tuple[Any, ...], Field(min_length=1)]] = {}

    @field_validator("axes")
    @classmethod
    def _known(cls, axes: dict[str, tuple[Any, ...]]) -> dict[str, tuple[Any, ...]]:
        for key in axes:
            if key in _INSTEAD:
                raise ValueError(f"{key} is no axis; write {_INSTEAD[key]}")
            section, dot, _ = key.partition(".")
            if section not in VARIED_SECTIONS or not dot:
                raise ValueError(f"{key} is no axis; an axis is a setting of {', '.join(VARIED_SECTIONS)}")
        return axes


class AblateSettings(Settings):
    """Which cells an ablation trains and evaluates.

    Attributes:
        grids: The grids, whose cells are joined; the first cell is the reference that the others are compared with.
        always: Supervision types that every cell is trained on. A cell without verdict is evaluated with a prompt that
            it was not trained on, and the table says so.
        seeds: Random seeds; every cell is trained once with each, and the confidence intervals include the variation
            between seeds.
        unfit: What to do if the plan says that some cells do not fit into memory: ``refuse`` trains nothing;
            ``leave_out`` trains the others and lists these in the table with the reason.
    """

    grids: tuple[GridSettings, ...] = Field((), min_length=1)
    always: tuple[SupervisionType, ...] = ("verdict",)
    seeds: tuple[int, ...] = Field((0,), min_length=1)
    unfit: Literal["refuse", "leave_out"] = "refuse"

    @model_validator(mode="after")
    def _once(self) -> "AblateSettings":
        if len(set(self.seeds)) < len(self.seeds):
            raise ValueError("seeds names a seed twice")
        return self
