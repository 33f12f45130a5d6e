"""One video file per clip, cut to its window, because most trainers read whole files.

A file is named by a hash of the clip's id: ids are often the names of videos, and those often say the class.
"""

import hashlib
import os
from collections.abc import Sequence
from pathlib import Path

import av

from vlm_autodrive.errors import UserError
from vlm_autodrive.progress import Reporter
from vlm_autodrive.records import Clip, Record, append_jsonl, read_partial_jsonl, write_jsonl
from vlm_autodrive.video import VideoError, write_clip_file
from vlm_autodrive.workers import in_processes

CLIP_FILES_FILE = "clip_files.jsonl"
_FOLDER = "videos"


class ClipFileRecord(Record):
    """The file of one clip, or why there is none.

    Attributes:
        clip_id: The clip.
        path: Its file, relative to the export's folder.
        frames: How many frames the file holds.
        seconds: Length of the window.
        miscounted_s: By how much a trainer that takes a frame's number for its time mistakes a time at most.
        problem: Why the clip cannot be exported; empty if it can.
    """

    clip_id: str
    path: str
    frames: int = 0
    seconds: float = 0.0
    miscounted_s: float = 0.0
    problem: str = ""


def write_clip_files(
    folder: Path, clips: Sequence[Clip], reporter: Reporter, workers: int | None
) -> dict[str, ClipFileRecord]:
    """Write a file for each clip that has none yet, and list them all in ``clip_files.jsonl``.

    Args:
        folder: The export's folder, with what an interrupted run left there.
        clips: The clips.
        reporter: Told of each.
        workers: Processes to work with; None for one on every core.
    """
    (folder / _FOLDER).mkdir(exist_ok=True)
    log = folder / CLIP_FILES_FILE
    logged = read_partial_jsonl(log, ClipFileRecord)
    found = {each.clip_id: each for each in logged if each.problem or (folder / each.path).is_file()}
    todo = [(clip, folder) for clip in clips if clip.clip_id not in found]
    with reporter.task("cutting clips", len(clips), len(clips) - len(todo)) as task:
        for (clip, _), made in in_processes(_write, todo, min(workers or os.cpu_count() or 1, max(1, len(todo)))):
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


def _write(job: tuple[Clip, Path]) -> ClipFileRecord:
    clip, folder = job
    path = _path(clip)
    try:
        if clip.problem:
            raise VideoError(Path(clip.path), clip.problem)
        made = write_clip_file(Path(clip.path), clip.start_s, clip.end_s, folder / path)
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
    )


def _path(clip: Clip) -> str:
    return f"{_FOLDER}/{hashlib.sha256(clip.clip_id.encode()).hexdigest()[:16]}.mp4"
