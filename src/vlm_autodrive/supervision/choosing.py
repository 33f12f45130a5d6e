"""A supervision set with some of its kinds: what is written once, and paid for once, serves every choice of kinds."""

import json
from pathlib import Path

from vlm_autodrive.artifacts.files import ITEMS_FILE, iterate_clips, read_taxonomy, write_clips
from vlm_autodrive.artifacts.folders import input_key, making, write_text
from vlm_autodrive.errors import UserError
from vlm_autodrive.records import Kind, SupervisionItem, iterate_jsonl, writing_jsonl
from vlm_autodrive.settings import Settings
from vlm_autodrive.supervision.supervising import SUMMARY_FILE


class ChoiceSettings(Settings):
    """What is kept of a supervision set.

    Attributes:
        kinds: The kinds that are kept.
    """

    kinds: tuple[Kind, ...]


def choose_kinds(supervision: Path, out: Path, kinds: tuple[Kind, ...], *, overwrite: bool = False) -> Path:
    """Write the items of some kinds as a supervision set of its own, with the same clips.

    The items are those of the whole set, to the letter; only a teacher's raw replies are not copied.

    Args:
        supervision: The whole set.
        out: Where the chosen items go.
        kinds: The kinds that are kept.
        overwrite: Replace another result at ``out``.

    Returns:
        ``out``.

    Raises:
        UserError: If no item of these kinds is accepted.
    """
    input_key(supervision, "supervision")
    settings = ChoiceSettings(kinds=kinds)
    with making(out, "supervision", {"supervision": supervision}, settings, overwrite=overwrite) as folder:
        if folder is None:
            return out
        accepted = dict.fromkeys(kinds, 0)
        with writing_jsonl(folder / ITEMS_FILE) as write:
            for item in iterate_jsonl(supervision / ITEMS_FILE, SupervisionItem):
                if item.kind in accepted:
                    accepted[item.kind] += item.accepted
                    write(item)
        if not any(accepted.values()):
            raise UserError(
                f"{supervision} has no accepted item of the kinds {', '.join(kinds)}; see its summary.json."
            )
        write_clips(folder, out, read_taxonomy(supervision), iterate_clips(supervision))
        write_text(folder / SUMMARY_FILE, json.dumps({"accepted": accepted}, indent=1) + "\n")
    return out
