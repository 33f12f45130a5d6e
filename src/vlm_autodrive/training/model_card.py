"""The model card of an export: base model, training data, licences and metrics."""

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml

from vlm_autodrive.artifacts import (
    PROVENANCE,
    absolute_from_artifact,
    read_data_sets,
    read_provenance,
    read_taxonomy,
)
from vlm_autodrive.errors import UserError
from vlm_autodrive.models import (
    SHIPPED_MODELS,
    SYSTEM_PROMPT,
    ModelCard,
    find_published,
    locate_model,
    verdict_prompt,
)
from vlm_autodrive.records import Calibration

_OWN_LICENCE = "apache-2.0"
_NAMED_ELSEWHERE = ("nvidia-open-model-license", "qwen-research")  # not on the hub's own list of licences
_FIGURES = ("accuracy", "balanced_accuracy", "macro_f1")


@dataclass(frozen=True)
class ModelExport:
    """What is exported.

    Attributes:
        checkpoint: What training made.
        card: The export's own card.
        to: ``merged`` or ``adapter``.
        name: The export's folder.
        check: How it compares with the checkpoint, in a sentence.
        report: A report or comparison to take figures from.
    """

    checkpoint: Path
    card: ModelCard
    to: str
    name: str
    check: str
    report: Path | None


def model_card(export: ModelExport) -> str:
    """The card as Markdown with the hub's YAML head."""
    card, base = export.card, export.card.base or "none"
    licence = _licence_of(base)
    head: dict[str, Any] = {
        "library_name": "transformers" if export.to == "merged" else "peft",
        "pipeline_tag": "video-text-to-text",
        "base_model": base,
        "tags": ["dashcam", "collision", "vlm-autodrive"],
    }
    if licence in _NAMED_ELSEWHERE:
        head |= {"license": "other", "license_name": licence}
    elif licence:
        head["license"] = licence
    taxonomy = read_taxonomy(export.checkpoint)
    classes = ", ".join(f"{each.label} (answer {each.code})" for each in taxonomy.classes)
    parts = [
        f"---\n{yaml.safe_dump(head, sort_keys=False).rstrip()}\n---",
        f"# {card.name}",
        f"A vision-language model post-trained with VLM-AutoDrive to find collisions in dashcam video. "
        f"It tells these classes apart: {classes}.",
        f"Base model: `{base}`, licence: {licence or 'not known here; look at its own card'}. "
        "What the base's licence asks of works made from it holds for this model too.",
        "## Use\n\n" + _use(export, base),
        "## Data\n\n" + _data(export.checkpoint, card),
        "## Training\n\n" + _training(export.checkpoint, card),
        "## On long video\n\n" + _calibration(card.calibration),
        "## Figures\n\n" + _figures(export.report),
        "## Check of the export\n\n" + export.check,
    ]
    return "\n\n".join(parts) + "\n"


def ancestor(folder: Path, kind: str) -> Path | None:
    """The nearest artefact of a kind that ``folder`` was made from, if it and all between are still there."""
    if not (folder / PROVENANCE).is_file():
        return None
    provenance = read_provenance(folder)
    if provenance.kind == kind:
        return folder
    for made_from in provenance.inputs.values():
        found = ancestor(Path(absolute_from_artifact(made_from.path, folder)), kind)
        if found is not None:
            return found
    return None


def _licence_of(base: str) -> str:
    if base in SHIPPED_MODELS:
        return _OWN_LICENCE
    published = find_published(base)
    if published is not None:
        return published.licence
    try:
        readme = locate_model(base, (), fetch=False).folder / "README.md"
    except UserError:
        return ""
    text = readme.read_text(encoding="utf-8") if readme.is_file() else ""
    head = text.split("---")[1] if text.startswith("---") and text.count("---") > 1 else ""
    try:
        values = yaml.safe_load(head) or {}
    except yaml.YAMLError:
        return ""
    return str(values.get("license", "")) if isinstance(values, dict) else ""


def _use(export: ModelExport, base: str) -> str:
    sampling = export.card.sampling
    question = verdict_prompt(read_taxonomy(export.checkpoint)).text
    if export.to == "merged":
        code = f'model = AutoModelForImageTextToText.from_pretrained("{export.name}")'
        generation = "Its `generation_config.json` is greedy: the sampling defaults of the base are left out."
    else:
        of_commit = f', revision="{export.card.base_revision}"' if export.card.base_revision else ""
        code = (
            f'base = AutoModelForImageTextToText.from_pretrained("{base}"{of_commit})\n'
            f'model = PeftModel.from_pretrained(base, "{export.name}")'
        )
        generation = (
            "Generate with `do_sample=False, repetition_penalty=1.0`, and ask a server for the same: otherwise the "
            "sampling defaults in the base's `generation_config.json` change its answers."
        )
    count = f"{sampling.n_frames} frames" if sampling.n_frames else f"{sampling.fps:g} frames a second"
    drawn = f" above a black band of {sampling.band_height} rows that shows each frame's time in white, such as 3.25s"
    drawn = drawn if sampling.draw_timestamps else ""
    return (
        f"```python\n{code}\n"
        f'processor = AutoProcessor.from_pretrained("{export.name}")\n```\n\n'
        "It needs transformers 5 or newer, and to be served vLLM 0.19 or newer: older ones read its configuration "
        f"otherwise. {generation}\n\n"
        f"It was trained on {count}, at most {sampling.max_frames}, of {sampling.height} x {sampling.width} pixels "
        f"(height x width), the whole picture squeezed to that size{drawn}. Give it frames in this way, with their "
        f"true times.\n\nThe system prompt:\n\n```text\n{SYSTEM_PROMPT}\n```\n\n"
        "The question of the verdict, after the video; the answer is one letter, and the softmax over the letters' "
        f"log-probabilities is the probability of each class:\n\n```text\n{question}\n```"
    )


def _data(checkpoint: Path, card: ModelCard) -> str:
    trained = card.trained_on
    if trained is None:
        return "The checkpoint's card does not tell what it was trained on."
    catalog = ancestor(checkpoint, "catalog")
    licences = {each.name: each.licence for each in read_data_sets(catalog)} if catalog is not None else {}
    rows = [
        f"| {name} | {clips} | {licences.get(name) or 'not known here'} |" for name, clips in trained.data_sets.items()
    ]
    classes = ", ".join(f"{count} {name}" for name, count in trained.classes.items())
    return (
        "\n".join(["| data set | clips | licence |", "|---|---|---|", *rows])
        + f"\n\n{card.training[0].upper()}{card.training[1:]}: {trained.clips} clips of {trained.videos} videos, "
        f"{trained.hours:.2g} hours of footage ({classes})."
    )


def _calibration(calibration: Calibration | None) -> str:
    if calibration is None:
        return "It is not calibrated: which threshold gives how many false alarms per hour is not known."
    rows = [
        f"| {point.max_false_alarms_per_hour:g} | {'-' if point.threshold is None else f'{point.threshold:.4g}'} | "
        f"{point.min_windows} | {_figure(point.recall.model_dump())} | "
        f"{_figure(point.false_alarms_per_hour.model_dump())} | {point.hours_needed:.1f} |"
        for point in calibration.points
    ]
    head = "| false alarms per hour | threshold | windows | recall | false alarms per hour, measured | hours needed |"
    told = (
        f"Windows of {calibration.window_s:g} s, {calibration.stride_s:g} s apart; calibrated on "
        f"{len(calibration.videos)} videos of {calibration.hours:.2f} h with {calibration.events} events. With fewer "
        "hours than are needed, a rate is not to be promised. "
    )
    return "\n".join([head, "|---|---|---|---|---|---|", *rows]) + "\n\n" + told + " ".join(calibration.notes)


def _training(checkpoint: Path, card: ModelCard) -> str:
    lines = [f"It was trained for {card.steps} steps." if card.steps else ""]
    if card.validation_macro_f1 is not None:
        lines.append(f"Macro-F1 of the direct verdict on the validation split: {card.validation_macro_f1:.3f}.")
    if (checkpoint / PROVENANCE).is_file():
        settings = yaml.safe_dump(read_provenance(checkpoint).settings, sort_keys=False, allow_unicode=True)
        lines.append(f"The settings, as a recipe's section:\n\n```yaml\ntrain:\n{_indented(settings)}\n```")
    return "\n\n".join(line for line in lines if line)


def _indented(text: str) -> str:
    return "\n".join(f"  {line}" for line in text.rstrip().splitlines())


def _figures(report: Path | None) -> str:
    if report is None:
        return "No report was given when this card was written."
    file = next((report / name for name in ("report.json", "comparison.json") if (report / name).is_file()), None)
    if file is None:
        raise UserError(
            f"{report} holds neither report.json nor comparison.json; give what `report` or `compare` made."
        )
    content = json.loads(file.read_text(encoding="utf-8"))
    lines = [f"| model | clips | {' | '.join(name.replace('_', ' ') for name in _FIGURES)} |", "|---|---|---|---|---|"]
    lines += [
        f"| {name} | {scores['n']} | {' | '.join(_figure(scores[figure]) for figure in _FIGURES)} |"
        for name, scores in content["models"].items()
    ]
    return "\n".join(lines) + "\n\nOn held-out clips; in brackets 95 % intervals."


def _figure(figure: dict[str, Any]) -> str:
    if figure["value"] is None:
        return "-"
    if figure["low"] is None:
        return f"{figure['value']:.3f}"
    return f"{figure['value']:.3f} [{figure['low']:.3f}, {figure['high']:.3f}]"
