"""The stage that turns a catalog into clips: every video gives at least one record."""

from collections import Counter
from collections.abc import Mapping, Sequence
from pathlib import Path

from vlm_autodrive.artifacts import (
    carry_questions,
    input_key,
    iterate_telemetry,
    read_events,
    read_scenarios,
    read_taxonomy,
    read_videos,
    write_clips,
    writing_artifact,
)
from vlm_autodrive.clips.cutter import Cutter
from vlm_autodrive.clips.measurements import with_measurements
from vlm_autodrive.clips.settings import ClipSettings
from vlm_autodrive.clips.splits import SPLITS, assign_splits, joined_groups, read_test_ids, write_test_ids
from vlm_autodrive.console import TERMINAL
from vlm_autodrive.errors import UserError
from vlm_autodrive.progress import Reporter
from vlm_autodrive.records import (
    BINARY_TAXONOMY,
    DEFAULT_TAXONOMY,
    Clip,
    Encounter,
    Event,
    EventClass,
    Scenario,
    Taxonomy,
    Video,
)


def build_clips(
    catalog: Path, out: Path, settings: ClipSettings, reporter: Reporter = TERMINAL, *, overwrite: bool = False
) -> Path:
    """Cut the videos of a catalog into labelled clips and assign them to splits.

    Args:
        catalog: A catalog, as :func:`vlm_autodrive.datasets.import_dataset` writes it.
        out: Folder of the clip set.
        settings: How to cut.
        reporter: Gets the counts, and what was left out and why.
        overwrite: Replace another result in ``out``.

    Returns:
        ``out``, with the clips and, in ``test_ids.txt``, the videos of the test split.

    Raises:
        UserError: If the catalog is none, if no event in it is of known kind though there are events, if
            one is not and ``unknown_events`` is ``error``, or if the frozen test split does not fit.
    """
    input_key(catalog, "catalog")
    inputs = {"catalog": catalog}
    if settings.frozen_test is not None:
        inputs["frozen_test"] = Path(settings.frozen_test)
    with writing_artifact(out, "clips", inputs, settings, overwrite=overwrite) as folder:
        if folder is not None:
            taxonomy, videos = read_taxonomy(catalog), read_videos(catalog)
            events, scenarios = read_events(catalog), read_scenarios(catalog)
            frozen: frozenset[str] = frozenset()
            if settings.frozen_test is not None:
                frozen = read_test_ids(Path(settings.frozen_test), (video.video_id for video in videos))
            if settings.unknown_events == "binary":
                taxonomy, events, scenarios = as_binary(taxonomy, events, scenarios)
            clips = cut_clips(videos, events, scenarios, taxonomy, settings, frozen)
            if events and all(event.event_class is None for event in events):
                raise UserError(
                    f"all {len(events)} events are of unknown kind, so that no clip would show an event; name their "
                    "classes (for Nexar's layout in an overlay.csv beside train, with id,class) and import again, or "
                    "ask only whether there is an event (unknown_events=binary)."
                )
            clips = with_measurements(clips, iterate_telemetry(catalog), taxonomy.normal.name)
            write_clips(folder, out, taxonomy, clips)
            carry_questions(catalog, folder)
            write_test_ids(folder, clips)
            say_summary(clips, taxonomy, settings, reporter)
    return out


def cut_clips(
    videos: Sequence[Video],
    events: Sequence[Event],
    scenarios: Mapping[str, Scenario],
    taxonomy: Taxonomy,
    settings: ClipSettings,
    frozen_test: frozenset[str] = frozenset(),
) -> list[Clip]:
    """The clips of a catalog, in its order; the stage without its files.

    The clips' groups are those of :func:`~vlm_autodrive.clips.splits.joined_groups`.
    """
    unknown = [e for e in events if e.event_class is None]
    if unknown and settings.unknown_events == "error":
        raise UserError(
            f"{len(unknown)} events are of unknown kind, the first in video {unknown[0].video_id}; name their classes "
            "in an overlay, or set unknown_events to leave_out or binary."
        )
    groups = joined_groups(videos)
    videos = [video.model_copy(update={"group_id": groups[video.video_id]}) for video in videos]
    cutter = Cutter(videos, events, scenarios, taxonomy, settings)
    strata = {video.video_id: cutter.severity(video) for video in videos}
    splits = assign_splits(videos, strata, settings, frozen_test)
    clips: list[Clip] = []
    for video in videos:
        split = splits[video.group_id]
        if frozen_test and split == "test" and video.video_id not in frozen_test:
            # It can be neither trained on nor tested on: it is of a drive that is tested on, or the data set's own
            # test footage.
            video = video.model_copy(update={"problem": video.problem or "it would add to the frozen test split"})
        clips += cutter.clips_of(video, split)
    return clips


def binary_taxonomy(taxonomy: Taxonomy) -> Taxonomy:
    """A taxonomy with all its events in one class; the same one if it has but one already."""
    events = [c for c in taxonomy.classes if c.is_event]
    if len(events) == 1:
        return taxonomy
    if taxonomy == DEFAULT_TAXONOMY:
        return BINARY_TAXONOMY
    definition = ", or ".join(c.definition for c in events)
    option = ", or ".join(c.option for c in events) if all(c.option for c in events) else ""
    event = EventClass(
        name="event", label="Event", code=events[0].code, definition=definition, option=option, takes_unknown=True
    )
    return taxonomy.model_copy(update={"classes": (event, taxonomy.normal)})


def as_binary(
    taxonomy: Taxonomy, events: Sequence[Event], scenarios: Mapping[str, Scenario]
) -> tuple[Taxonomy, list[Event], dict[str, Scenario]]:
    """Taxonomy, events and scenarios with one class for all events, those of unknown kind among them."""
    two = binary_taxonomy(taxonomy)
    (event_name,) = two.event_names
    normal = taxonomy.normal.name

    def rename(encounter: Encounter) -> Encounter:
        name = two.normal.name if encounter.event_class == normal else event_name
        return encounter.model_copy(update={"event_class": name})

    return (
        two,
        [event.model_copy(update={"event_class": event_name}) for event in events],
        {
            video_id: scenario.model_copy(update={"encounters": tuple(map(rename, scenario.encounters))})
            for video_id, scenario in scenarios.items()
        },
    )


_FEW_GROUPS = 200
_NEARLY = 0.9  # so that videos of "10 s" may be some frames shorter


def say_summary(clips: Sequence[Clip], taxonomy: Taxonomy, settings: ClipSettings, reporter: Reporter) -> None:
    """Tell the counts of a clip set, its unusable clips by reason, and splits that lack a class."""
    usable = [clip for clip in clips if not clip.problem]
    counts = Counter((clip.split, clip.event_class) for clip in usable)
    uneven = settings.split_by == "hash" and len({clip.group_id for clip in usable}) < _FEW_GROUPS
    evenly = " With split_by=count so few are split more evenly." if uneven else ""
    absent = [c for c in taxonomy.classes if usable and not any(counts[split, c.name] for split in SPLITS)]
    for split in SPLITS:
        listed = ", ".join(f"{c.label} {counts[split, c.name]}" for c in taxonomy.classes)
        reporter.say(f"{split}: {sum(counts[split, name] for name in taxonomy.names)} clips ({listed})")
        missing = [c.label for c in taxonomy.classes if not counts[split, c.name]]
        fraction: float = getattr(settings.split, split)
        if len(missing) == len(taxonomy.classes) and fraction:
            reporter.say(
                f"{split} has no clip at all: its fraction of {fraction:g} is too small for so few drives.{evenly}"
            )
        elif (lacking := [label for label in missing if label not in {c.label for c in absent}]) and fraction:
            reporter.say(f"{split} has no clip of {', '.join(lacking)}: its scores will say little.{evenly}")
    if absent:
        labels = " or ".join(c.label for c in absent)
        reporter.say(f"The data has no usable clip of {labels}: nothing is learnt or measured of that.")
    longest_s = max((clip.duration_s for clip in usable), default=settings.window_s)
    if longest_s < _NEARLY * settings.window_s:
        reporter.say(
            f"No usable clip is as long as window_s={settings.window_s:g}: each is as long as its video allows, the "
            f"longest {longest_s:.1f} s; make window_s smaller for clips of one length."
        )
    reasons: dict[str, list[str]] = {}
    for clip in clips:
        if clip.problem:
            reasons.setdefault(_general(clip.problem), []).append(clip.problem)
    for problems in sorted(reasons.values(), key=len, reverse=True):
        refused = "windows are refused" if settings.anticipation_s else "videos give no usable clip"
        example = "" if len(set(problems)) == 1 else "for example, "
        reporter.say(f"{len(problems)} {refused}: {example}{problems[0]}")
    if settings.anticipation_s:
        untold = sum(clip.event_time_s is not None and clip.alert_time_s is None for clip in usable)
        reporter.say(
            f"Each clip of an event ends {_listed(settings.anticipation_s)} s before it, and shows nothing later. "
            f"In {untold} of them the moment of warning lies before the window, or is not known."
        )
    unsure = sum(clip.event_time_s is not None and clip.ego_involved is None for clip in usable)
    if settings.ego_only and unsure:
        reporter.say(
            f"{unsure} clips of events are kept though it is unknown whether the recording vehicle is involved."
        )


def _listed(numbers: Sequence[float]) -> str:
    return " or ".join(f"{number:g}" for number in numbers)


def _general(problem: str) -> str:
    """A reason without its numbers, so that like cases are counted together."""
    return " ".join("…" if any(c.isdigit() for c in word) else word for word in problem.split())
