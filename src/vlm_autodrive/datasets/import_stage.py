"""The import stage: reads the files of data sets, probes their videos, writes a catalog."""

from collections import Counter
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from vlm_autodrive.addresses import address_of, is_there, place_of
from vlm_autodrive.artifacts import PROVENANCE, write_catalog, writing_artifact
from vlm_autodrive.console import TERMINAL
from vlm_autodrive.datasets.builder import EVENT_TIME, TRUTH_FILE, DatasetBuilder
from vlm_autodrive.datasets.formats import FORMATS
from vlm_autodrive.datasets.manifest import read_manifest
from vlm_autodrive.datasets.merged_datasets import merged
from vlm_autodrive.datasets.settings import ImportSettings, SegmentSettings
from vlm_autodrive.datasets.simulated_incident import add_simulated_incidents
from vlm_autodrive.datasets.telemetry.catalog import write_telemetry
from vlm_autodrive.datasets.video_files import look_at, probe_all
from vlm_autodrive.errors import UserError
from vlm_autodrive.progress import Reporter
from vlm_autodrive.records import INCIDENT_NUMBERS, TRAIN_ONLY, DataSet, Event, IncidentMetadata, Taxonomy, Video

_ONE_FRAME_S = 0.05  # an event may lie this far behind the end, as rounding leaves it
_LAST_INSTANT_S = 0.001
_SHOWN_ISSUES = 3


def import_dataset(
    format: str,
    path: Path | Sequence[Path],
    out: Path,
    settings: ImportSettings,
    reporter: Reporter = TERMINAL,
    *,
    overwrite: bool = False,
) -> Path:
    """Import one or several data sets of a format into a catalog.

    Args:
        format: Their format, a key of :data:`~vlm_autodrive.datasets.formats.FORMATS`.
        path: The folder or file, or several.
        out: Folder of the catalog.
        settings: Classes, overlay, strictness.
        reporter: Gets the progress, the class map with counts, and how much was wrong.
        overwrite: Replace another result in ``out``.

    Returns:
        ``out``.

    Raises:
        UserError: If a data set is none of that format, or anything is wrong in it and ``strict`` is set.
    """
    paths = [path] if isinstance(path, Path) else list(path)
    _check(format, paths, settings)
    settings = settings.model_copy(update={"format": format})
    parts = [FORMATS[format].read(one, settings) for one in paths]
    inputs = _inputs(paths, settings)
    if settings.train_only:
        train_only = read_manifest(inputs["train_only"], settings)
        train_only.videos = [video.model_copy(update={"split": TRAIN_ONLY}) for video in train_only.videos]
        parts.append(train_only)
    whole = merged(parts)
    add_simulated_incidents(whole)
    # The key of a raw data set covers its video files too: annotations can stay the same while files are replaced.
    files = look_at(whole.videos, telemetry=settings.telemetry)
    known_keys = {}
    if not any((folder / PROVENANCE).is_file() for one in paths for folder in (one, *one.absolute().parents)):
        inputs["videos"] = paths[0]  # of what a stage has made, the stage's own key says enough
        known_keys["videos"] = files.key
    with writing_artifact(out, "catalog", inputs, settings, overwrite=overwrite, known_keys=known_keys) as folder:
        if folder is not None:
            if not whole.videos:
                named = ", ".join(str(one) for one in paths)
                why = f" {_first_issues(whole)}. Put them right." if whole.issues else ""
                raise UserError(f"{named} names no video that can be taken.{why}")
            videos = whole.videos
            probe_all(videos, files.missing, settings.video_stream, reporter)
            if settings.telemetry:
                write_telemetry(folder, videos, settings.utc_offset_h, reporter)
            whole.events = _of_known_kind(whole, settings.taxonomy)
            events = _inside_videos(whole, videos)
            _say(whole, videos, events, settings.taxonomy, reporter)
            if settings.strict and whole.issues:
                raise UserError(f"{_first_issues(whole)}. Put them right, or import without strict.")
            if whole.issues:
                reporter.say(f"{len(whole.issues)} issues are written to issues.jsonl: {_first_issues(whole)}.")
            known = {video.video_id for video in videos}
            scenarios = [s for s in whole.scenarios if s.video_id in known]
            data_sets = _data_sets(parts, whole, settings.licence)
            write_catalog(
                folder, out, settings.taxonomy, videos, events, scenarios, whole.issues, whole.questions, data_sets
            )
    return out


def _check(format: str, paths: Sequence[Path], settings: ImportSettings) -> None:
    if format not in FORMATS:
        raise UserError(f"there is no format {format!r}; the formats are {', '.join(FORMATS)}.")
    if not paths:
        raise UserError("name at least one folder or file to import.")
    for path in paths:
        if not is_there(path):
            raise UserError(f"{address_of(path)} does not exist; give the folder or file of the data set.")
    if len({place_of(path) for path in paths}) < len(paths):
        raise UserError("a path is named twice; name each data set once.")
    if settings.overlay and not FORMATS[format].takes_overlay:
        overlaid = [name for name, known in FORMATS.items() if known.takes_overlay]
        raise UserError(
            f"data of the format {format} names its classes itself, an overlay is for {', '.join(overlaid)}; "
            "write the classes there, or leave the overlay out."
        )
    if settings.segments != SegmentSettings() and not FORMATS[format].has_segments:
        tools = [name for name, known in FORMATS.items() if known.has_segments]
        raise UserError(
            f"the settings segments are for {', '.join(tools)}, not for {format}; leave them out, and add spellings to "
            "the classes of the taxonomy instead of a class_map."
        )
    if settings.overlay and len(paths) > 1:
        raise UserError("an overlay belongs to one data set; put it as overlay.csv into the folder of each.")
    if settings.train_only and len(paths) > 1:
        raise UserError("train-only videos belong to one data set; import them as a data set of their own.")


def _inputs(paths: Sequence[Path], settings: ImportSettings) -> dict[str, Path]:
    """What the catalog is made from, besides the video files."""
    inputs = {"source" if place == 0 else f"source {place + 1}": path for place, path in enumerate(paths)}
    for place, path in enumerate(paths):
        if path.is_file() and (path.parent / TRUTH_FILE).is_file():
            inputs["truth" if place == 0 else f"truth {place + 1}"] = path.parent / TRUTH_FILE
    if settings.overlay:
        inputs["overlay"] = Path(settings.overlay)
    if settings.train_only:
        inputs["train_only"] = paths[0] / settings.train_only
    return inputs


def _data_sets(parts: Sequence[DatasetBuilder], whole: DatasetBuilder, licence: str | None) -> list[DataSet]:
    """What each data set brought; those of the same name are one."""
    rejected = {(issue.file, issue.line) for issue in whole.issues if issue.rejected and issue.line is not None}
    made: dict[str, DataSet] = {}
    for part in parts:
        name = part.title
        # That an event lies behind the end of its video is found late, and is an issue of the whole alone.
        files = {str(row.file) for row in part.rows_of_events.values()}
        own = {(issue.file, issue.line) for issue in part.issues}
        out = sum(place in own or place[0] in files for place in rejected)
        before = made.get(name) or DataSet(name=name, licence="", videos=0, rows=0, imported=0, rejected=0)
        made[name] = DataSet(
            name=name,
            licence=part.licence if licence is None else licence,
            videos=before.videos + len(part.videos),
            rows=before.rows + part.rows,
            imported=before.imported + part.rows - out,
            rejected=before.rejected + out,
        )
    return list(made.values())


def _of_known_kind(whole: DatasetBuilder, taxonomy: Taxonomy) -> list[Event]:
    """The events, those of unknown kind in the class that takes them, if the taxonomy has one."""
    home = taxonomy.for_unknown
    unknown = sum(event.event_class is None for event in whole.events)
    if home is None or not unknown:
        return whole.events
    whole.spellings["unknown kind", home.label] += unknown
    return [
        event.model_copy(update={"event_class": home.name}) if event.event_class is None else event
        for event in whole.events
    ]


def _inside_videos(whole: DatasetBuilder, videos: list[Video]) -> list[Event]:
    """The events that lie inside their videos; the others become issues."""
    durations = {video.video_id: video.duration_s for video in videos}
    kept = []
    for event in whole.events:
        duration_s = durations[event.video_id]
        if event.time_s is not None and duration_s is not None and event.time_s >= duration_s:
            if event.time_s > duration_s + _ONE_FRAME_S:
                message = f"the video ends at {duration_s:.2f} s; times are seconds after its first frame"
                whole.reject(whole.rows_of_events[event.event_id], EVENT_TIME, message)
                continue
            event = event.model_copy(update={"time_s": max(0.0, duration_s - _LAST_INSTANT_S)})
        kept.append(event)
    return kept


def _say(
    whole: DatasetBuilder, videos: list[Video], events: list[Event], taxonomy: Taxonomy, reporter: Reporter
) -> None:
    for (spelling, label), count in sorted(whole.spellings.items()):
        reporter.say(f"class map: {spelling} -> {label} ({count} rows)")
    counts = Counter(event.event_class for event in events)
    listed = [f"{c.label} {counts[c.name]}" for c in taxonomy.classes if c.is_event]
    normals = sum(video.positive is False for video in videos)
    reporter.say(f"events: {', '.join(listed)}, unknown kind {counts[None]}; videos without event: {normals}")
    if counts[None]:
        reporter.say(
            "Events of unknown kind belong to no class. Name them in an overlay, leave them out of the clips "
            "(unknown_events: leave_out), or ask only whether there is an event (taxonomy: binary)."
        )
    for field, values in _recorded(videos, events).items():
        if field in INCIDENT_NUMBERS:
            shown = f"{min(values)} to {max(values)}"
        else:
            shown = ", ".join(f"{value} {count}" for value, count in values.most_common())
        reporter.say(f"recorded: {field} {values.total()} times ({shown})")
    timeless = sum(event.time_s is None for event in events)
    if timeless:
        reporter.say(f"{timeless} events have no time inside their video, so that no clip can be cut around them.")
    if whole.questions:
        reporter.say(f"questions: {len(whole.questions)}")
    problems = Counter(video.problem for video in videos if video.problem)
    if problems:
        listed = [f"{problem} ({count})" for problem, count in problems.most_common(_SHOWN_ISSUES)]
        more = "; and other reasons" if len(problems) > len(listed) else ""
        reporter.say(f"{problems.total()} of {len(videos)} videos cannot be used: {'; '.join(listed)}{more}.")
    notes = Counter(kind for video in videos for kind in video.notes)
    if notes:
        listed = [f"{kind} ({count})" for kind, count in notes.most_common()]
        reporter.say(f"noted, and used: {', '.join(listed)}; videos.jsonl says what of each.")
    rejected = whole.rejected
    reporter.say(f"{whole.rows} rows: {whole.rows - rejected} imported, {rejected} rejected.")


def _recorded(videos: list[Video], events: list[Event]) -> dict[str, Counter[Any]]:
    """How often each field of incident metadata is known, and its values."""
    found: dict[str, Counter[Any]] = {field: Counter() for field in IncidentMetadata.model_fields}
    records: list[Video | Event] = [*videos, *events]
    for record in records:
        for field in record.incident.known:
            found[field][getattr(record.incident, field)] += 1
    return {field: values for field, values in found.items() if values}


def _first_issues(whole: DatasetBuilder) -> str:
    places = (f"{Path(i.file).name}{f', line {i.line}' if i.line else ''}" for i in whole.issues)
    shown = [
        f"{place}, {issue.field or 'row'} {issue.value!r}: {issue.message}"
        for place, issue in zip(places, whole.issues[:_SHOWN_ISSUES], strict=False)
    ]
    more = len(whole.issues) - len(shown)
    return f"{'; '.join(shown)}{f'; and {more} more' if more else ''}"
