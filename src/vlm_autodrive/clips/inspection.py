"""Inspection of clips: which to show, and their contact sheets in one picture or one page."""

import base64
import html
import io
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from PIL import Image

from vlm_autodrive.artifacts import read_clips, read_taxonomy, write_text
from vlm_autodrive.clips.contact_sheet import contact_sheet
from vlm_autodrive.clips.windows import draw
from vlm_autodrive.errors import UserError
from vlm_autodrive.progress import SILENT, Reporter
from vlm_autodrive.records import Clip

SUFFIXES = (".png", ".html")

_HIGHEST = 30_000  # pixels of one picture; more is for a page


@dataclass(frozen=True)
class ClipInspection:
    """What was made to look at.

    Attributes:
        out: The picture or page.
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
) -> ClipInspection:
    """Make contact sheets of clips.

    Args:
        folder: A clip set, or a supervision set, which carries its clips with it.
        out: A picture (``.png``) or a page that needs no other file (``.html``). What is there is replaced.
        reporter: Gets the progress.
        clip_ids: The clips to show; empty for a draw with as many of each class as there are.
        most: How many to draw.
        frames: Frames of each clip.
        seed: Of the draw.

    Raises:
        UserError: If there is no such clip, or ``out`` is to be neither of the two.
    """
    if out.suffix.lower() not in SUFFIXES:
        raise UserError(f"{out} is neither a picture nor a page; let its name end in {' or '.join(SUFFIXES)}.")
    taxonomy = read_taxonomy(folder)
    clips = read_clips(folder)
    chosen = choose_clips(clips, clip_ids, most, seed, folder)
    sheets = []
    with reporter.task("drawing clips", len(chosen)) as task:
        for clip in chosen:
            sheets.append(contact_sheet(clip, taxonomy, frames))
            task.advance()
    out.parent.mkdir(parents=True, exist_ok=True)
    if out.suffix.lower() == ".png":
        _write_picture(out, sheets)
    else:
        write_text(out, _page(folder, chosen, sheets, len(clips)))
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


def _write_picture(out: Path, sheets: Sequence[Image.Image]) -> None:
    height = sum(sheet.height for sheet in sheets)
    if not sheets or height > _HIGHEST:
        raise UserError(f"{len(sheets)} clips do not make one picture; take fewer, or a page (--out FILE.html).")
    whole = Image.new("RGB", (sheets[0].width, height))
    top = 0
    for sheet in sheets:
        whole.paste(sheet, (0, top))
        top += sheet.height
    partial = out.with_name(out.name + ".partial")
    whole.save(partial, format="PNG", optimize=True)
    partial.replace(out)


def _page(folder: Path, clips: Sequence[Clip], sheets: Sequence[Image.Image], of: int) -> str:
    pictures = "\n".join(
        f'<figure id="{html.escape(clip.clip_id, quote=True)}"><img alt="{_alt(clip)}" width="{sheet.width}" '
        f'height="{sheet.height}" src="data:image/jpeg;base64,{_jpeg(sheet)}"></figure>'
        for clip, sheet in zip(clips, sheets, strict=True)
    )
    title = html.escape(f"{len(clips)} of {of} clips of {folder.name}")
    return f"""<!doctype html>
<html lang="en">
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<title>{title}</title>
<style>
  body {{ margin: 0 auto; max-width: 1160px; padding: 24px; background: #eef1f4; color: #1c2026;
         font: 16px/1.5 system-ui, sans-serif; }}
  h1 {{ font-size: 22px; margin: 0 0 16px; }}
  figure {{ margin: 0 0 20px; background: #fff; border-radius: 10px; overflow: hidden;
           box-shadow: 0 1px 3px rgba(0, 0, 0, .15); }}
  img {{ display: block; width: 100%; height: auto; }}
</style>
<h1>{title}</h1>
{pictures}
</html>
"""


def _alt(clip: Clip) -> str:
    return html.escape(f"Frames of clip {clip.clip_id}, {clip.event_class or 'unknown kind'}", quote=True)


def _jpeg(sheet: Image.Image) -> str:
    stream = io.BytesIO()
    sheet.save(stream, format="JPEG", quality=88)
    return base64.b64encode(stream.getvalue()).decode()
