"""Inspection of clips: which to show, and their contact sheets in one picture."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from PIL import Image

from vlm_autodrive.artifacts import read_clips, read_taxonomy
from vlm_autodrive.clips.contact_sheet import contact_sheet
from vlm_autodrive.clips.windows import draw
from vlm_autodrive.errors import UserError
from vlm_autodrive.progress import SILENT, Reporter
from vlm_autodrive.records import Clip
from vlm_autodrive.video import Blur

_HIGHEST = 30_000  # pixels of one picture; many programs open no higher one


@dataclass(frozen=True)
class ClipInspection:
    """What was made to look at.

    Attributes:
        out: The picture.
        shown: How many clips are in it.
        of: How many there are.
    """

    out: Path
    shown: int
    of: int


def inspect_clips(
    folder: Path,
    out: Path,
    reporter: Reporter = SILENT,
    *,
    clip_ids: Sequence[str] = (),
    most: int = 12,
    frames: int = 8,
    seed: int = 0,
    blur: Blur = None,
) -> ClipInspection:
    """Make contact sheets of clips.

    Args:
        folder: A clip set, or a supervision set, which carries its clips with it.
        out: The picture (``.png``) to write. What is there is replaced.
        reporter: Gets the progress.
        clip_ids: The clips to show; empty for a draw with as many of each class as there are.
        most: How many to draw.
        frames: Frames of each clip.
        seed: Of the draw.
        blur: What is blurred in the frames.

    Raises:
        UserError: If there is no such clip, the picture would be too high, or ``out`` is not to be a ``.png``.
    """
    if out.suffix.lower() != ".png":
        raise UserError(
            f"contact sheets are one picture, so {out} must end in .png; to look at clips in the browser, use "
            f"`autodrive review {folder}`."
        )
    taxonomy = read_taxonomy(folder)
    clips = read_clips(folder)
    chosen = choose_clips(clips, clip_ids, most, seed, folder)
    sheets = []
    with reporter.task("drawing clips", len(chosen)) as task:
        for clip in chosen:
            sheets.append(contact_sheet(clip, taxonomy, frames, blur))
            task.advance()
    out.parent.mkdir(parents=True, exist_ok=True)
    _write_picture(out, sheets, folder)
    return ClipInspection(out, len(chosen), len(clips))


def choose_clips(clips: Sequence[Clip], clip_ids: Sequence[str], most: int, seed: int, folder: Path) -> list[Clip]:
    """The named clips, or a draw that takes the classes in turn; unusable clips are a kind of their own."""
    if clip_ids:
        by_id = {clip.clip_id: clip for clip in clips}
        missing = [clip_id for clip_id in clip_ids if clip_id not in by_id]
        if missing:
            like = [clip.clip_id for clip in clips if clip.video_id == missing[0]] or [c.clip_id for c in clips[:3]]
            raise UserError(f"{folder} has no clip {missing[0]}; it has {', '.join(like[:3])} and others.")
        return [by_id[clip_id] for clip_id in clip_ids]
    kinds: dict[tuple[str, bool], list[Clip]] = {}
    for clip in sorted(clips, key=lambda c: (draw(seed, "inspect", c.clip_id), c.clip_id)):
        kinds.setdefault((clip.event_class or "", bool(clip.problem)), []).append(clip)
    rows = [kinds[kind] for kind in sorted(kinds)]
    turns = [row[turn] for turn in range(max(map(len, rows), default=0)) for row in rows if turn < len(row)]
    order = {clip.clip_id: number for number, clip in enumerate(clips)}
    return sorted(turns[:most], key=lambda clip: order[clip.clip_id])


def _write_picture(out: Path, sheets: Sequence[Image.Image], folder: Path) -> None:
    height = sum(sheet.height for sheet in sheets)
    if not sheets or height > _HIGHEST:
        raise UserError(
            f"{len(sheets)} clips do not make one picture; take fewer (--most), or look at all of them with "
            f"`autodrive review {folder}`."
        )
    whole = Image.new("RGB", (sheets[0].width, height))
    top = 0
    for sheet in sheets:
        whole.paste(sheet, (0, top))
        top += sheet.height
    partial = out.with_name(out.name + ".partial")
    whole.save(partial, format="PNG", optimize=True)
    partial.replace(out)
