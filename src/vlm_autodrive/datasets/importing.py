"""The stage that imports a data set: reads its files, probes its videos, writes a catalog."""

from collections import Counter
from collections.abc import Callable
from pathlib import Path

from vlm_autodrive.artifacts import making
from vlm_autodrive.datasets.manifest import read_manifest
from vlm_autodrive.datasets.nexar import read_nexar
from vlm_autodrive.datasets.reading import EVENT_TIME, TRUTH_FILE, Reading
from vlm_autodrive.datasets.settings import ImportSettings
from vlm_autodrive.errors import UserError
from vlm_autodrive.progress import SILENT, Reporter
from vlm_autodrive.records import PRACTICE, Event, Taxonomy, Video
from vlm_autodrive.stores import write_catalog
from vlm_autodrive.video.probe import VideoError, probe

__all__ = ["FORMATS", "ImportSettings", "import_dataset"]

_ONE_FRAME_S = 0.05  # an event may lie this far behind the end, as rounding leaves it
_LAST_INSTANT_S = 0.001
_SHOWN_ISSUES = 3


def _nexar(path: Path, settings: ImportSettings) -> Reading:
    return read_nexar(path, settings.taxonomy, Path(settings.overlay) if settings.overlay else None)


def _manifest(path: Path, settings: ImportSettings) -> Reading:
    if settings.overlay:
        raise UserError("a manifest names its classes itself; write them there, or leave the overlay out.")
    return read_manifest(path, settings.taxonomy)


FORMATS: dict[str, Callable[[Path, ImportSettings], Reading]] = {"manifest": _manifest, "nexar": _nexar}
"""The reader of each format."""


def import_dataset(
    format: str,
    path: Path,
    out: Path,
    settings: ImportSettings,
    reporter: Reporter = SILENT,
    *,
    overwrite: bool = False,
) -> Path:
    """Import a data set into a catalog.

    Args:
        format: Its format, a key of :data:`FORMATS`.
        path: Its folder or file.
        out: Folder of the catalog.
        settings: Classes, overlay, strictness.
        reporter: Told progress, the class map with counts, and how much was wrong.
        overwrite: Replace another result in ``out``.

    Returns:
        ``out``.

    Raises:
        UserError: If the data set is none of that format, or anything is wrong in it and ``strict`` is set.
    """
    if format not in FORMATS:
        raise UserError(f"there is no format {format!r}; the formats are {', '.join(FORMATS)}.")
    settings = settings.model_copy(update={"format": format})
    inputs = {"source": path}
    if path.is_file() and (path.parent / TRUTH_FILE).is_file():
        inputs["truth"] = path.parent / TRUTH_FILE
    if settings.overlay:
        inputs["overlay"] = Path(settings.overlay)
    practice = path / settings.practice if settings.practice else None
    if practice is not None:
        inputs["practice"] = practice
    with making(out, "catalog", inputs, settings, overwrite=overwrite) as folder:
        if folder is not None:
            reading = FORMATS[format](path, settings)
            if practice is not None:
                reading = _joined(reading, read_manifest(practice, settings.taxonomy))
            if not reading.videos:
                raise UserError(f"{path} names no video that can be taken. {_first_issues(reading)}".strip())
            videos = _probed(reading.videos, reporter)
            events = _inside_videos(reading, videos)
            _say(reading, videos, events, settings.taxonomy, reporter)
            if settings.strict and reading.issues:
                raise UserError(_first_issues(reading))
            known = {video.video_id for video in videos}
            scenarios = [s for s in reading.scenarios if s.video_id in known]
            write_catalog(folder, out, settings.taxonomy, videos, events, scenarios, reading.issues)
    return out


def _joined(reading: Reading, practice: Reading) -> Reading:
    """The data set with further videos, which are for training only."""
    return Reading(
        videos=reading.videos + [v.model_copy(update={"split": PRACTICE}) for v in practice.videos],
        events=reading.events + practice.events,
        scenarios=reading.scenarios + practice.scenarios,
        issues=reading.issues + practice.issues,
        rows=reading.rows + practice.rows,
        rows_of_events=reading.rows_of_events | practice.rows_of_events,
        spellings=reading.spellings + practice.spellings,
    )


def _probed(videos: list[Video], reporter: Reporter) -> list[Video]:
    probed = []
    with reporter.task("probing videos", len(videos)) as task:
        for video in videos:
            try:
                info = probe(Path(video.path))
            except VideoError as error:
                probed.append(video.model_copy(update={"problem": video.problem or error.reason}))
            else:
                size = {"duration_s": info.duration_s, "width": info.width, "height": info.height}
                probed.append(video.model_copy(update=size))
            task.advance()
    return probed


def _inside_videos(reading: Reading, videos: list[Video]) -> list[Event]:
    """The events that lie inside their videos; the others become issues."""
    durations = {video.video_id: video.duration_s for video in videos}
    kept = []
    for event in reading.events:
        duration_s = durations[event.video_id]
        if event.time_s is not None and duration_s is not None and event.time_s >= duration_s:
            if event.time_s > duration_s + _ONE_FRAME_S:
                message = f"the video ends at {duration_s:.2f} s; times are seconds after its first frame"
                reading.issues.append(reading.rows_of_events[event.event_id].issue(EVENT_TIME, message, rejected=True))
                continue
            event = event.model_copy(update={"time_s": max(0.0, duration_s - _LAST_INSTANT_S)})
        kept.append(event)
    return kept


def _say(reading: Reading, videos: list[Video], events: list[Event], taxonomy: Taxonomy, reporter: Reporter) -> None:
    for (spelling, label), count in sorted(reading.spellings.items()):
        reporter.say(f"class map: {spelling} -> {label} ({count} rows)")
    counts = Counter(event.event_class for event in events)
    listed = [f"{c.label} {counts[c.name]}" for c in taxonomy.classes if c.is_event]
    normals = sum(video.positive is False for video in videos)
    reporter.say(f"events: {', '.join(listed)}, unknown kind {counts[None]}; videos without event: {normals}")
    if counts[None]:
        reporter.say("Events of unknown kind are neither collisions nor near-collisions until an overlay names them.")
    unusable = sum(bool(video.problem) for video in videos)
    if unusable:
        reporter.say(f"{unusable} of {len(videos)} videos cannot be used; videos.jsonl says why.")
    rejected = reading.rejected
    reporter.say(f"{reading.rows} rows: {reading.rows - rejected} imported, {rejected} rejected.")
    if reading.issues:
        reporter.say(f"{len(reading.issues)} issues are written to issues.jsonl.")


def _first_issues(reading: Reading) -> str:
    if not reading.issues:
        return ""
    shown = [
        f"{Path(i.file).name}, line {i.line}, {i.field or 'row'} {i.value!r}: {i.message}"
        for i in reading.issues[:_SHOWN_ISSUES]
    ]
    more = len(reading.issues) - len(shown)
    return f"{'; '.join(shown)}{f'; and {more} more' if more else ''}. Put them right, or import without strict."
