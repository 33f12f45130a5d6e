"""A supervision set reduced to some of its types, without making samples anew."""

import json
from pathlib import Path

from vlm_autodrive.artifacts import (
    SAMPLES_FILE,
    input_key,
    iterate_clips,
    read_taxonomy,
    write_clips,
    write_text,
    writing_artifact,
)
from vlm_autodrive.errors import UserError
from vlm_autodrive.records import SFTSample, SupervisionType, iterate_jsonl, writing_jsonl
from vlm_autodrive.settings import Settings
from vlm_autodrive.supervision.stage import SUMMARY_FILE


class ChoiceSettings(Settings):
    """What is kept of a supervision set.

    Attributes:
        types: The types that are kept.
    """

    types: tuple[SupervisionType, ...]


def choose_types(supervision: Path, out: Path, types: tuple[SupervisionType, ...], *, overwrite: bool = False) -> Path:
    """Write the samples of some types as a supervision set of its own, with the same clips.

    The samples are those of the whole set, to the letter; only a teacher's raw replies are not copied.

    Args:
        supervision: The whole set.
        out: Where the chosen samples go.
        types: The types that are kept.
        overwrite: Replace another result at ``out``.

    Returns:
        ``out``.

    Raises:
        UserError: If no sample of these types is accepted.
    """
    input_key(supervision, "supervision")
    settings = ChoiceSettings(types=types)
    with writing_artifact(out, "supervision", {"supervision": supervision}, settings, overwrite=overwrite) as folder:
        if folder is None:
            return out
        accepted = dict.fromkeys(types, 0)
        with writing_jsonl(folder / SAMPLES_FILE) as write:
            for sample in iterate_jsonl(supervision / SAMPLES_FILE, SFTSample):
                if sample.type in accepted:
                    accepted[sample.type] += sample.accepted
                    write(sample)
        if not any(accepted.values()):
            raise UserError(
                f"{supervision} has no accepted sample of the types {', '.join(types)}; see its summary.json."
            )
        write_clips(folder, out, read_taxonomy(supervision), iterate_clips(supervision))
        write_text(folder / SUMMARY_FILE, json.dumps({"accepted": accepted}, indent=1) + "\n")
    return out
