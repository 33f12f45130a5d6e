"""The card of a checkpoint: its base, its sampling, and what footage it was trained on."""

import re
from collections import Counter, defaultdict
from collections.abc import Sequence
from pathlib import Path

from vlm_autodrive.artifacts import CALIBRATION_FILE, write_text
from vlm_autodrive.models.missing import reading
from vlm_autodrive.models.model_files import TINY_BASE, resolve_model
from vlm_autodrive.records import Calibration, Clip, Record
from vlm_autodrive.settings import Settings
from vlm_autodrive.video import SamplingSettings

CARD_FILE = "autodrive.json"
SIMULATED_FOOTAGE = "simulated video only"
SIMULATED_ONLY = f"trained on {SIMULATED_FOOTAGE}"
_UNKNOWN_CLASS = "unknown"
_REAL_DATA_SETS = re.compile(r"(?:Nexar|DADA-2000|CAP|MM-AU|DoTA|CCD|DAD|BDD-X|TAU-106K|VRU-Accident|BADAS)\b")
"""How the published data sets of real footage begin their names; the name of a manifest or a folder tells nothing."""


class TrainingData(Record):
    """What footage a model was trained on in one training: the clips that its steps are drawn from.

    Attributes:
        data_sets: Number of clips of each data set, by its name.
        videos: Number of videos.
        clips: Number of clips.
        simulated_clips: How many of them are simulated: the simulation's ground truth came with them.
        real_clips: How many are of published data sets of real footage. Of the others it is not known.
        classes: Number of clips of each class.
        hours: Hours of footage in the clips, each moment counted once.
    """

    data_sets: dict[str, int]
    videos: int
    clips: int
    simulated_clips: int
    real_clips: int
    classes: dict[str, int]
    hours: float

    @property
    def footage(self) -> str:
        """Simulated or real, in words."""
        if not self.clips:
            return "no video"
        if self.simulated_clips == self.clips:
            return SIMULATED_FOOTAGE
        if self.real_clips == self.clips:
            return "real video"
        parts = ((self.simulated_clips, "simulated"), (self.real_clips, "real"))
        known = [f"{count} {kind}" for count, kind in parts if count]
        unknown = self.clips - self.simulated_clips - self.real_clips
        if not known:
            return "video of which it is not known whether it is real or simulated"
        return f"{' and '.join(known)} clips" + (f", and {unknown} of which that is not known" if unknown else "")


class ModelCard(Settings):
    """What a checkpoint of ours says of itself.

    Attributes:
        name: The model's name in records and tables.
        base: What it was trained from: a hub name, a folder or ``tiny-base``; None if from nothing.
        base_revision: The commit of a base on the hub; None for another.
        base_training: What footage that base was trained on, in words; empty if its own card does not tell.
        sampling: How its frames are taken. Evaluation and detection follow it.
        window_s: Length of the clips that it was trained on, the median; None if unknown.
        steps: How many steps its weights were trained for; None if unknown.
        validation_macro_f1: Of the direct verdict, where the weights were chosen by it; else None.
        trained_on: The footage that it was trained on; None if unknown.
        calibration: How it is to be run on long video; in a file of its own, since it comes after the training. None if
            it is not calibrated.
    """

    name: str
    base: str | None = None
    base_revision: str | None = None
    base_training: str = ""
    sampling: SamplingSettings
    window_s: float | None = None
    steps: int | None = None
    validation_macro_f1: float | None = None
    trained_on: TrainingData | None = None
    calibration: Calibration | None = None

    @property
    def training(self) -> str:
        """What footage it was trained on, in words to stand beside its results; empty if the card does not tell."""
        if self.trained_on is None:
            return SIMULATED_ONLY if self.name == TINY_BASE else ""
        footage = self.trained_on.footage
        if self.base_training == SIMULATED_ONLY:
            return f"trained on {footage if footage == SIMULATED_FOOTAGE else f'simulated video, then on {footage}'}"
        base = f", its base {self.base_training}" if self.base_training else ""
        return f"fine-tuned on {footage}{base}"


def training_data(clips: Sequence[Clip]) -> TrainingData:
    """What footage some clips are."""
    spans: dict[str, list[tuple[float, float]]] = defaultdict(list)
    for clip in clips:
        spans[clip.path].append((clip.start_s, clip.end_s))
    others = [clip for clip in clips if clip.scenario is None]
    return TrainingData(
        data_sets=dict(sorted(Counter(clip.source or "not named" for clip in clips).items())),
        videos=len(spans),
        clips=len(clips),
        simulated_clips=len(clips) - len(others),
        real_clips=sum(_REAL_DATA_SETS.match(clip.source) is not None for clip in others),
        classes=dict(sorted(Counter(clip.event_class or _UNKNOWN_CLASS for clip in clips).items())),
        hours=round(sum(_covered_s(each) for each in spans.values()) / 3600, 4),
    )


def read_card(model: str) -> ModelCard:
    """The model's card; a hub model or plain folder without one gets the default sampling.

    Raises:
        UserError: If it cannot be read.
    """
    folder = Path(resolve_model(model))
    card = ModelCard(name=model.rstrip("/").split("/")[-1], sampling=SamplingSettings())
    with reading(folder):
        if (folder / CARD_FILE).is_file():
            card = ModelCard.model_validate_json((folder / CARD_FILE).read_text(encoding="utf-8"))
        if (folder / CALIBRATION_FILE).is_file():
            text = (folder / CALIBRATION_FILE).read_text(encoding="utf-8")
            card = card.model_copy(update={"calibration": Calibration.model_validate_json(text)})
    return card


def write_card(folder: Path, card: ModelCard) -> None:
    """Keep the card in a checkpoint folder, and its calibration if it has one."""
    write_text(folder / CARD_FILE, card.model_dump_json(indent=1, exclude={"calibration"}) + "\n")
    if card.calibration is not None:
        write_calibration(folder, card.calibration)


def write_calibration(folder: Path, calibration: Calibration) -> None:
    """Write the calibration into a model's card, in place of an earlier one."""
    write_text(folder / CALIBRATION_FILE, calibration.model_dump_json(indent=1) + "\n")


def _covered_s(spans: Sequence[tuple[float, float]]) -> float:
    total, up_to = 0.0, 0.0
    for start_s, end_s in sorted(spans):
        total += max(0.0, end_s - max(start_s, up_to))
        up_to = max(up_to, end_s)
    return total
