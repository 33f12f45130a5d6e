"""One video file per clip, cut to its window, because most trainers read whole files.

A file is named by a hash of the clip's id: ids are often the names of videos, and those often say the class.
"""

import hashlib
import os
import shutil
from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path

import av

from vlm_autodrive.addresses import state_of
from vlm_autodrive.errors import UserError
from vlm_autodrive.progress import Reporter
from vlm_autodrive.records import Clip, Record, append_jsonl, iterate_jsonl, read_partial_jsonl, write_jsonl
from vlm_autodrive.video import Blur, VideoError, write_clip_file
from vlm_autodrive.workers import in_processes

CLIP_FILES_FILE = "clip_files.jsonl"
_FOLDER = "videos"

PictureSize = tuple[int, int]
"""Height and width in pixels."""


class ClipFileRecord(Record):
    """The file of one clip, or why there is none.

    Attributes:
        clip_id: The clip.
        path: Its file, relative to the export's folder.
        frames: How many frames the file holds.
        seconds: Length of the window.
        miscounted_s: By how much a trainer that takes a frame's number for its time mistakes a time at most.
        problem: Why the clip cannot be exported; empty if it can.
        cut_from: Hash of what decides the file's content: name, size and time of change of the source, the window, and
            the size of the pictures, and what is blurred in them. Empty if there is no source.
    """

    clip_id: str
    path: str
    frames: int = 0
    seconds: float = 0.0
    miscounted_s: float = 0.0
    problem: str = ""
    cut_from: str = ""


def write_clip_files(
    folder: Path,
    clips: Sequence[Clip],
    size: PictureSize | None,
    reporter: Reporter,
    workers: int | None,
    blur: Blur = None,
) -> dict[str, ClipFileRecord]:
    """Write a file for each clip that has none yet, and list them all in ``clip_files.jsonl``.

    What another export beside this one has cut already is linked, or copied where the disk knows no links.

    Args:
        folder: The export's folder, with what an interrupted run left there.
        clips: The clips.
        size: Height and width of the pictures; None for those of the source.
        reporter: Told of each.
        workers: Processes to work with; None for one on every core.
        blur: What is blurred in the pictures.
    """
    (folder / _FOLDER).mkdir(exist_ok=True)
    log = folder / CLIP_FILES_FILE
    logged = read_partial_jsonl(log, ClipFileRecord)
    found = {each.clip_id: each for each in logged if each.problem or (folder / each.path).is_file()}
    cut = _cut_before(folder)
    for clip in clips:
        if clip.clip_id not in found and (before := cut.get(_cut_from(clip, size, blur))):
            file, about = before
            _link(file, folder / _path(clip))
            found[clip.clip_id] = about.model_copy(update={"clip_id": clip.clip_id, "path": _path(clip)})
            append_jsonl(log, [found[clip.clip_id]])
    todo = [(clip, folder, size, blur) for clip in clips if clip.clip_id not in found]
    with reporter.task("cutting clips", len(clips), len(clips) - len(todo)) as task:
        for (clip, *_), made in in_processes(_write, todo, min(workers or os.cpu_count() or 1, max(1, len(todo)))):
            each = made or ClipFileRecord(
                clip_id=clip.clip_id, path=_path(clip), problem="the decoder crashed on this file"
            )
            append_jsonl(log, [each])
            found[clip.clip_id] = each
            task.advance()
    for unfinished in (folder / _FOLDER).glob("*.partial"):
        unfinished.unlink()
    write_jsonl(log, (found[clip.clip_id] for clip in clips))
    return found


def _cut_before(folder: Path) -> dict[str, tuple[Path, ClipFileRecord]]:
    """The clips' files of all exports beside this one, finished or not, by what they were cut from."""
    found = {}
    for log in folder.parent.glob(f"*/{CLIP_FILES_FILE}"):
        with suppress(UserError):  # another run may be writing its last line just now
            for each in iterate_jsonl(log, ClipFileRecord):
                if each.cut_from and not each.problem and (log.parent / each.path).is_file():
                    found[each.cut_from] = log.parent / each.path, each
    return found


def _cut_from(clip: Clip, size: PictureSize | None, blur: Blur) -> str:
    try:
        source = state_of(clip.path)
    except OSError:
        return ""
    file = (
        Path(clip.path).name,
        source.size,
        int(source.stamp) if source.stamp.isdecimal() else source.stamp,
        clip.video_stream,
    )
    decisive = (*file, clip.start_s, clip.end_s, size, *([blur] if blur else []))
    return hashlib.sha256(repr(decisive).encode()).hexdigest()[:16]


def _link(file: Path, target: Path) -> None:
    partial = target.with_name(f"{target.name}.partial")
    partial.unlink(missing_ok=True)
    try:
        os.link(file, partial)
    except OSError:
        shutil.copyfile(file, partial)
    partial.replace(target)


def _write(job: tuple[Clip, Path, PictureSize | None, Blur]) -> ClipFileRecord:
    clip, folder, size, blur = job
    path = _path(clip)
    try:
        if clip.problem:
            raise VideoError(Path(clip.path), clip.problem)
        made = write_clip_file(
            Path(clip.path), clip.start_s, clip.end_s, folder / path, size, stream=clip.video_stream, blur=blur
        )
    except VideoError as error:
        return ClipFileRecord(clip_id=clip.clip_id, path=path, problem=error.reason)
    except (av.error.FFmpegError, OSError) as error:  # a full disk is no fault of the clip
        raise UserError(f"{folder / path} cannot be written ({error.strerror}); put that right and go on.") from None
    return ClipFileRecord(
        clip_id=clip.clip_id,
        path=path,
        frames=len(made.times_s),
        seconds=round(clip.duration_s, 6),
        miscounted_s=round(made.miscounted_s, 3),
        cut_from=_cut_from(clip, size, blur),
    )


def _path(clip: Clip) -> str:
    return f"{_FOLDER}/{hashlib.sha256(clip.clip_id.encode()).hexdigest()[:16]}.mp4"
