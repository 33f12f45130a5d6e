"""The samples of an audit: each clip of a clip set, or each video of a catalog, with the facts of its file."""

import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from vlm_autodrive.addresses import state_of
from vlm_autodrive.artifacts import read_clips, read_events, read_provenance, read_taxonomy, read_videos
from vlm_autodrive.clips.splits import joined_groups
from vlm_autodrive.clips.windows import worst_event
from vlm_autodrive.errors import UserError
from vlm_autodrive.progress import Reporter
from vlm_autodrive.records import TRAIN_ONLY, Clip, Event, Taxonomy, Video
from vlm_autodrive.video import VideoError, probe


@dataclass(frozen=True)
class FileFacts:
    """What a video file tells without a look at its pictures."""

    duration_s: float
    fps: float
    bits_per_s: float
    bytes: int
    codec: str
    width: int
    height: int


@dataclass(frozen=True)
class AuditSample:
    """One clip, or one video of a catalog.

    Attributes:
        name: Id of the clip or video.
        path: The video's file.
        video_stream: Which of its video streams is read, as in the catalog.
        start_s: Start of the window; 0 for a whole video.
        end_s: Its end; 0 if unknown.
        is_event: Whether an event is in it; None if that is unknown.
        label: Its class; None if unknown, or for an event of unknown kind.
        event_place: Where the event is, as a fraction of the video's length; None without event or its time.
        split: Where it belongs; empty if the set says nothing of splits.
        drive: Its drive, as the data set has it.
        group: What it hangs together with, over drives, footage and triplets.
        source: The data set.
        source_id: The footage; None if unknown.
        problem: Why it cannot be used; empty if it can.
        file: The facts of its file; None until they are read, or if they cannot be.
    """

    name: str
    path: str
    video_stream: int | None
    start_s: float
    end_s: float
    is_event: bool | None
    label: str | None
    event_place: float | None
    split: str
    drive: str
    group: str
    source: str
    source_id: str | None
    problem: str
    file: FileFacts | None = None


@dataclass(frozen=True)
class AuditSet:
    """A whole clip set or catalog.

    Attributes:
        kind: ``clips`` or ``catalog``.
        taxonomy: Its classes.
        samples: Its clips or videos.
        remarks: What could not be looked at, and why.
    """

    kind: str
    taxonomy: Taxonomy
    samples: list[AuditSample]
    remarks: tuple[str, ...]


def read_audit_set(folder: Path) -> AuditSet:
    """Read the samples of an audit, without the facts of their files.

    Args:
        folder: A catalog, a clip set, or a supervision set, which carries its clips with it.

    Raises:
        UserError: If it is none of them.
    """
    kind = read_provenance(folder).kind
    if kind == "catalog":
        videos = read_videos(folder)
        taxonomy = read_taxonomy(folder)
        return AuditSet("catalog", taxonomy, _of_catalog(videos, read_events(folder), taxonomy), ())
    if kind not in ("clips", "supervision"):
        raise UserError(f"{folder} holds {kind}, but a catalog or clips are needed here.")
    catalog = _catalog_of(folder)
    known = {video.video_id: video for video in read_videos(catalog)} if catalog is not None else {}
    remark = "its catalog is not where it was: data sets and shared footage are not looked at."
    samples = _of_clips(read_clips(folder), known, read_taxonomy(folder))
    return AuditSet("clips", read_taxonomy(folder), samples, () if known else (remark,))


def with_file_facts(samples: Sequence[AuditSample], reporter: Reporter) -> list[AuditSample]:
    """The same with the facts of their files, each file being read once; a file that cannot be read is a problem."""
    facts: dict[tuple[str, int | None], FileFacts | str] = {}
    read = list(dict.fromkeys((each.path, each.video_stream) for each in samples if not each.problem))
    with reporter.task("reading files", len(read)) as task:
        for path, stream in read:
            facts[path, stream] = _facts(Path(path), stream)
            task.advance()
    result = []
    for sample in samples:
        found = facts.get((sample.path, sample.video_stream), "")
        if sample.problem or isinstance(found, FileFacts):
            result.append(replace(sample, file=found if isinstance(found, FileFacts) else None))
        else:
            result.append(replace(sample, problem=found))
    return result


def _facts(path: Path, stream: int | None) -> FileFacts | str:
    try:
        info = probe(path, stream)
    except VideoError as error:
        return error.reason
    size = state_of(path).size
    return FileFacts(
        duration_s=info.duration_s,
        fps=round(info.frames / info.duration_s, 3),
        bits_per_s=8 * size / info.duration_s,
        bytes=size,
        codec=info.codec,
        width=info.width,
        height=info.height,
    )


def _catalog_of(folder: Path) -> Path | None:
    """The catalog that clips were cut from, if it still is where it was."""
    inputs = read_provenance(folder).inputs
    if "clips" in inputs:
        return _catalog_of(Path(os.path.normpath(folder / inputs["clips"].path)))
    wanted = inputs.get("catalog")
    if wanted is None:
        return None
    catalog = Path(os.path.normpath(folder / wanted.path))
    try:
        return catalog if read_provenance(catalog).key == wanted.key else None
    except UserError:
        return None


def _of_catalog(videos: Sequence[Video], events: Sequence[Event], taxonomy: Taxonomy) -> list[AuditSample]:
    events_of: dict[str, list[Event]] = {}
    for event in events:
        events_of.setdefault(event.video_id, []).append(event)
    groups = joined_groups(videos)
    samples = []
    for video in videos:
        worst = worst_event(events_of.get(video.video_id, ()), taxonomy)
        is_event = True if worst is not None else video.positive
        time_s = worst.time_s if worst is not None else None
        samples.append(
            AuditSample(
                name=video.video_id,
                path=video.path,
                video_stream=video.video_stream,
                start_s=0.0,
                end_s=video.duration_s or 0.0,
                is_event=is_event,
                label=taxonomy.normal.name if is_event is False else worst.event_class if worst is not None else None,
                event_place=time_s / video.duration_s if time_s is not None and video.duration_s else None,
                split="train" if video.split == TRAIN_ONLY else video.split or "",
                drive=video.group_id,
                group=groups[video.video_id],
                source=video.source,
                source_id=video.source_id,
                problem=video.problem,
            )
        )
    return samples


def _of_clips(clips: Sequence[Clip], videos: Mapping[str, Video], taxonomy: Taxonomy) -> list[AuditSample]:
    groups = joined_groups(list(videos.values()))
    samples = []
    for clip in clips:
        video = videos.get(clip.video_id)
        is_event = None if clip.event_class is None else taxonomy.by_name(clip.event_class).is_event
        samples.append(
            AuditSample(
                name=clip.clip_id,
                path=clip.path,
                video_stream=clip.video_stream,
                start_s=clip.start_s,
                end_s=clip.end_s,
                is_event=is_event,
                label=clip.event_class,
                event_place=clip.event_time_s / clip.duration_s if clip.event_time_s and clip.duration_s else None,
                split=clip.split,
                drive=clip.group_id if video is None else video.group_id,
                group=groups.get(clip.video_id, clip.group_id),
                source="" if video is None else video.source,
                source_id=None if video is None else video.source_id,
                problem=clip.problem,
            )
        )
    return samples
