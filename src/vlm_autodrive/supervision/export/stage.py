"""The export of a supervision set: the clips as files, and the accepted samples in a form that others train on."""

from collections import Counter
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Literal

from pydantic import Field, model_validator

from vlm_autodrive.artifacts import input_key, read_clips, read_samples, write_text, writing_artifact
from vlm_autodrive.errors import UserError
from vlm_autodrive.progress import SILENT, Reporter
from vlm_autodrive.records import Record
from vlm_autodrive.settings import Settings
from vlm_autodrive.supervision.export.clip_files import (
    CLIP_FILES_FILE,
    ClipFileRecord,
    PictureSize,
    write_clip_files,
)
from vlm_autodrive.supervision.export.rows import ExportRow, row_of, splits_of, why_not_exported, write_messages
from vlm_autodrive.video import Blur

Form = Literal["messages", "hf-parquet"]
SUMMARY_FILE = "export.json"

_NOTICED_S = 0.1  # our texts name seconds to one decimal


class ExportSettings(Settings):
    """How supervision is exported.

    Attributes:
        to: The form.
        height: Height in pixels of the pictures in the clips' files. Give that of the training's sampling, and every
            trainer trains on pictures of that very size, since none has to resize them. The source's if not given.
        width: Their width, likewise; the aspect ratio may change, as in our own sampling.
        blur: What is blurred in the pictures: ``faces``; None for nothing. Number plates are not blurred.
    """

    to: Form
    height: int | None = Field(None, ge=8, multiple_of=2)
    width: int | None = Field(None, ge=8, multiple_of=2)
    blur: Blur = None

    @model_validator(mode="after")
    def _both(self) -> "ExportSettings":
        if (self.height is None) != (self.width is None):
            raise ValueError("give height and width, or neither")
        return self

    @property
    def size(self) -> PictureSize | None:
        """Height and width of the pictures; None for those of the source."""
        return None if self.height is None or self.width is None else (self.height, self.width)


class ExportSummary(Record):
    """What was exported, and what was not.

    Attributes:
        to: The form.
        samples: Exported samples of each split, by type.
        clips: Exported clips of each split.
        samples_left_out: Accepted samples that were not exported, by reason.
        clips_left_out: Why a clip with accepted samples was not exported, by clip id.
        samples_rejected: Samples that a check refused; they are never exported.
        test_clips: Clips of the test split; they have no samples, and are never exported.
        clips_miscounted: Clips in which a trainer that takes a frame's number for its time mistakes one by more
            than 0.1 s.
        most_miscounted_s: The largest such mistake.
        video_bytes: Size of the clips' files.
    """

    to: Form
    samples: dict[str, dict[str, int]]
    clips: dict[str, int]
    samples_left_out: dict[str, int]
    clips_left_out: dict[str, str]
    samples_rejected: int
    test_clips: int
    clips_miscounted: int
    most_miscounted_s: float
    video_bytes: int


def export_supervision(
    supervision: Path,
    out: Path,
    settings: ExportSettings,
    reporter: Reporter = SILENT,
    *,
    workers: int | None = None,
    overwrite: bool = False,
) -> ExportSummary:
    """Write the accepted samples of a supervision set, with their clips, for another trainer.

    Killed at any moment and called again, it goes on where it was. Paths in the result are relative to it, so
    that the folder can be moved.

    Args:
        supervision: The supervision set.
        out: Folder of the export.
        settings: The form, and the size of the pictures.
        reporter: Told of progress, and of what was left out.
        workers: Clips that are cut side by side, each in its own process; None for one on every core.
        overwrite: Replace another result in ``out``.

    Returns:
        What was exported.

    Raises:
        UserError: If ``supervision`` is none, nothing of it can be exported, or ``out`` holds something else.
    """
    input_key(supervision, "supervision")
    with writing_artifact(out, "export", {"supervision": supervision}, settings, overwrite=overwrite) as folder:
        if folder is not None:
            summary = _export(supervision, folder, settings, reporter, workers)
            write_text(folder / SUMMARY_FILE, summary.model_dump_json(indent=1) + "\n")
    return ExportSummary.model_validate_json((out / SUMMARY_FILE).read_text(encoding="utf-8"))


def _export(
    supervision: Path, folder: Path, settings: ExportSettings, reporter: Reporter, workers: int | None
) -> ExportSummary:
    clips = {clip.clip_id: clip for clip in read_clips(supervision)}
    every = read_samples(supervision)
    accepted = [sample for sample in every if sample.accepted and clips[sample.clip_id].split != "test"]
    left_out = Counter(reason for sample in accepted if (reason := why_not_exported(sample)))
    samples = [sample for sample in accepted if not why_not_exported(sample)]
    if not samples:
        raise UserError(f"{supervision} has no accepted sample that could be exported; look at its summary.json.")
    wanted = {sample.clip_id for sample in samples}
    cut = [clips[i] for i in clips if i in wanted]
    files = write_clip_files(folder, cut, settings.size, reporter, workers, settings.blur)
    lost = {each.clip_id: each.problem for each in files.values() if each.problem}
    rows = [row_of(i, clips[i.clip_id], files[i.clip_id].path) for i in samples if i.clip_id not in lost]
    left_out.update("its clip cannot be read" for sample in samples if sample.clip_id in lost)
    if not rows:
        first = next(iter(lost))
        raise UserError(f"no clip of {supervision} can be read; the first is {first}: {lost[first]}.")
    _writer(settings.to)(folder, rows)
    summary = ExportSummary(
        to=settings.to,
        samples={split: dict(Counter(row.type for row in here)) for split, here in splits_of(rows).items()},
        clips={split: len({row.clip_id for row in here}) for split, here in splits_of(rows).items()},
        samples_left_out=dict(left_out),
        clips_left_out=lost,
        samples_rejected=sum(not sample.accepted for sample in every),
        test_clips=sum(clip.split == "test" for clip in clips.values()),
        clips_miscounted=sum(each.miscounted_s > _NOTICED_S for each in files.values()),
        most_miscounted_s=max(each.miscounted_s for each in files.values()),
        video_bytes=sum((folder / each.path).stat().st_size for each in files.values() if not each.problem),
    )
    _tell(summary, list(files.values()), reporter)
    return summary


def _writer(to: Form) -> Callable[[Path, Sequence[ExportRow]], None]:
    if to == "messages":
        return write_messages
    from vlm_autodrive.supervision.export.hf_parquet import write_hf_parquet  # pyarrow takes a while to load

    return write_hf_parquet


def _tell(summary: ExportSummary, files: Sequence[ClipFileRecord], reporter: Reporter) -> None:
    samples = sum(sum(types.values()) for types in summary.samples.values())
    reporter.say(
        f"{samples} samples of {sum(summary.clips.values())} clips exported, "
        f"{summary.video_bytes / 1e6:.1f} MB of video; "
        f"{summary.samples_rejected} rejected samples and {summary.test_clips} test clips are not."
    )
    for reason, count in summary.samples_left_out.items():
        reporter.say(f"{count} accepted samples were left out: {reason}.")
    for each in files:
        if each.problem:
            reporter.say(f"{each.clip_id} was left out: {each.problem}.")
    if summary.clips_miscounted:
        reporter.say(
            f"{summary.clips_miscounted} clips have frames at uneven times: a trainer that takes a frame's number for "
            f"its time mistakes one by up to {summary.most_miscounted_s:.1f} s; {CLIP_FILES_FILE} tells of each."
        )
