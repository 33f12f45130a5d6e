"""Exporting a checkpoint as a folder that plain transformers, peft and vLLM load, checked against the checkpoint."""

import shutil
import tempfile
from dataclasses import replace
from pathlib import Path
from typing import Literal

import torch

from vlm_autodrive.artifacts import read_clips, read_taxonomy, write_taxonomy, write_text, writing_artifact
from vlm_autodrive.engines import InferenceRequest, LocalEngine
from vlm_autodrive.errors import UserError
from vlm_autodrive.models import (
    ADAPTER_FOLDER,
    CARD_FILE,
    ModelCard,
    cast,
    export_processor,
    load_meta_model,
    load_model,
    locate_model,
    quiet_libraries,
    read_card,
    stored_dtype,
    verdict_prompt,
    write_base,
    write_card,
)
from vlm_autodrive.progress import SILENT, Reporter
from vlm_autodrive.records import Clip, Record
from vlm_autodrive.settings import Settings
from vlm_autodrive.training.model_card import ModelExport, ancestor, model_card
from vlm_autodrive.video import FrameCache

_MOST_DIFFERENCE = 0.05
"""Of a verdict's probability, between checkpoint and export; rounding to bfloat16 makes a few hundredths."""
_DTYPES = {"bfloat16": torch.bfloat16, "float32": torch.float32}


class ExportModelSettings(Settings):
    """How a model is exported.

    Attributes:
        to: ``merged`` for whole weights, ``adapter`` for the adapter alone, as a folder of peft's.
        dtype: Precision of merged weights; ``auto`` keeps that of the checkpoint's files, or of those of the base under
            an adapter.
        base: Hub name of the base, with ``@REVISION`` behind it if it is known, for a model that was trained from a
            folder; empty for what the checkpoint itself says.
        check: On how many clips the verdicts of checkpoint and export are compared; 0 for none.
    """

    to: Literal["merged", "adapter"] = "merged"
    dtype: Literal["auto", "bfloat16", "float32"] = "auto"
    base: str = ""
    check: int = 8


class ExportCheck(Record):
    """How export and checkpoint compare.

    Attributes:
        clips: On how many clips; 0 if they were not compared.
        split: Of which split.
        difference: The largest difference of a verdict's probability.
        why_not: Why they were not compared; empty if they were.
    """

    clips: int = 0
    split: str = ""
    difference: float = 0.0
    why_not: str = ""

    def sentence(self) -> str:
        """In words."""
        if not self.clips:
            return f"The export was not compared with the training checkpoint: {self.why_not}."
        return (
            f"On {self.clips} {self.split} clips, no probability of a direct verdict differs by more than "
            f"{self.difference:.2g} between this export and the training checkpoint."
        )


def export_model(
    checkpoint: Path,
    out: Path,
    settings: ExportModelSettings,
    reporter: Reporter = SILENT,
    *,
    report: Path | None = None,
    frame_cache: Path | None = None,
    overwrite: bool = False,
) -> ExportCheck | None:
    """Write a checkpoint's weights with a model card, and compare their verdicts with the checkpoint's.

    Args:
        checkpoint: What training made.
        out: Where to.
        settings: What is written.
        reporter: Told of progress.
        report: A report or comparison whose figures are to stand in the card.
        frame_cache: Folder of decoded frames; none is kept by default.
        overwrite: Replace an export that was made otherwise.

    Returns:
        How the two compare; None if the export was there already.

    Raises:
        UserError: If there is no adapter to export, or the export does not answer as the checkpoint does.
    """
    adapter = checkpoint / ADAPTER_FOLDER
    if not (checkpoint / CARD_FILE).is_file():
        raise UserError(f"{checkpoint} is no checkpoint; give a folder that `train` made.")
    if settings.to == "adapter" and not adapter.is_dir():
        raise UserError(f"{checkpoint} holds whole weights and no adapter; export it with --to merged.")
    inputs = {"checkpoint": checkpoint} if report is None else {"checkpoint": checkpoint, "report": report}
    with writing_artifact(out, "model", inputs, settings, overwrite=overwrite) as folder:
        if folder is None:
            return None
        if settings.to == "merged":
            _write_merged(checkpoint, folder, settings)
        else:
            _write_adapter(checkpoint, folder, settings)
        write_card(folder, _card(checkpoint, settings))
        write_taxonomy(folder, read_taxonomy(checkpoint))
        with tempfile.TemporaryDirectory() as scratch:
            cache = frame_cache or Path(scratch)
            checked = _compare(checkpoint, folder, settings, cache, reporter)
        if checked.difference > _MOST_DIFFERENCE:
            raise UserError(
                f"the export does not answer as {checkpoint} does: a probability differs by {checked.difference:.2g}; "
                f"export it with --dtype float32, and if that does not help, tell us."
            )
        write_text(folder / "check.json", checked.model_dump_json(indent=1) + "\n")
        card = read_card(str(folder))
        export = ModelExport(checkpoint, card, settings.to, out.absolute().name, checked.sentence(), report)
        write_text(folder / "README.md", model_card(export))
        reporter.say(checked.sentence())
    return checked


def _card(checkpoint: Path, settings: ExportModelSettings) -> ModelCard:
    """The checkpoint's card, with the base's name as it was told."""
    card = read_card(str(checkpoint))
    if not settings.base:
        return card
    name, _, revision = settings.base.partition("@")
    return card.model_copy(update={"base": name, "base_revision": revision or None})


def _write_merged(checkpoint: Path, folder: Path, settings: ExportModelSettings) -> None:
    loaded = load_model(str(checkpoint), torch.device("cpu"), torch.float32)
    dtype = _DTYPES.get(settings.dtype) or stored_dtype(locate_model(str(checkpoint)))
    with quiet_libraries():
        cast(loaded.model, dtype).save_pretrained(folder)
    export_processor(loaded.processor, loaded.family, loaded.card.sampling).save_pretrained(folder)


def _write_adapter(checkpoint: Path, folder: Path, settings: ExportModelSettings) -> None:
    for file in sorted((checkpoint / ADAPTER_FOLDER).iterdir()):
        if file.name != "README.md":
            shutil.copyfile(file, folder / file.name)
    card = _card(checkpoint, settings)
    write_base(folder, str(card.base), card.base_revision)
    described = load_meta_model(str(checkpoint), processor=True)
    export_processor(described.processor, described.family, card.sampling).save_pretrained(folder)


def _compare(
    checkpoint: Path, folder: Path, settings: ExportModelSettings, cache: Path, reporter: Reporter
) -> ExportCheck:
    if settings.check == 0:
        return ExportCheck(why_not="no comparison was asked for")
    supervision = ancestor(checkpoint, "supervision")
    if supervision is None:
        return ExportCheck(why_not="the supervision set that it was trained on is not there")
    clips = read_clips(supervision)
    split = next((name for name in ("validation", "test", "train") if any(c.split == name for c in clips)), "")
    chosen = [clip for clip in clips if clip.split == split]
    chosen = chosen[:: max(1, len(chosen) // settings.check)][: settings.check]
    frames = FrameCache(cache, read_card(str(checkpoint)).sampling)
    unreadable = frames.fill(chosen, reporter)
    chosen = [clip for clip in chosen if clip.clip_id not in unreadable]
    if not chosen:
        return ExportCheck(why_not="none of the clips that it was trained with can be read any more")
    first = _verdicts(LocalEngine(load_model(str(checkpoint))), checkpoint, chosen, frames)
    exported = LocalEngine(load_model(str(folder))) if settings.to == "merged" else _with_adapter(checkpoint, folder)
    second = _verdicts(exported, checkpoint, chosen, frames)
    difference = max(abs(a - b) for one, two in zip(first, second, strict=True) for a, b in zip(one, two, strict=True))
    return ExportCheck(clips=len(chosen), split=split, difference=difference)


def _with_adapter(checkpoint: Path, folder: Path) -> LocalEngine:
    """The base with the exported adapter beside its weights, not merged into them."""
    from peft import PeftModel

    files = locate_model(str(checkpoint))
    assert files.base is not None
    base = load_model(str(files.base.folder))
    with quiet_libraries():
        model = PeftModel.from_pretrained(base.model, str(folder)).eval()
    return LocalEngine(replace(base, model=model.get_base_model()))


def _verdicts(engine: LocalEngine, checkpoint: Path, clips: list[Clip], frames: FrameCache) -> list[tuple[float, ...]]:
    taxonomy = read_taxonomy(checkpoint)
    question = InferenceRequest(verdict_prompt(taxonomy).text, taxonomy.codes)
    found = []
    for clip in clips:
        [[answer]] = engine.generate([frames.get(clip)], [question])
        if answer.probabilities is None:
            raise UserError(f"the export could not be compared with the checkpoint: {answer.reason}.")
        found.append(answer.probabilities)
    return found
