"""The content of ``ablation.json``."""

from vlm_autodrive.records import Record
from vlm_autodrive.runs.ablation.scores import AblationRow
from vlm_autodrive.runs.ablation.type_effects import TypeEffect


class AblationResult(Record):
    """The content of ``ablation.json``.

    Attributes:
        name: The recipe.
        description: What it is for.
        notes: What to mind in reading the table.
        varied: Short names of what is varied, in order.
        types: The supervision types of all cells, in order; empty if types are not varied.
        classes: The classes' names and labels.
        rows: Base and baselines first, then the cells in the order of the grids.
        type_effects: What each supervision type brings, where cells differ in one type alone.
    """

    name: str
    description: str
    notes: tuple[str, ...]
    varied: tuple[str, ...]
    types: tuple[str, ...]
    classes: dict[str, str]
    rows: tuple[AblationRow, ...]
    type_effects: tuple[TypeEffect, ...] = ()

    @property
    def failed(self) -> list[AblationRow]:
        """Rows of which something failed."""
        return [row for row in self.rows if row.failures]
