"""The stage that turns a catalog into clips: every video gives at least one record."""

from collections.abc import Mapping, Sequence
from pathlib import Path

from vlm_autodrive.artifacts import (
    carry_questions,
    input_key,
    read_events,
    read_scenarios,
    read_taxonomy,
    read_videos,
    write_clips,
    writing_artifact,
)
from vlm_autodrive.clips.binary_task import as_binary
from vlm_autodrive.clips.cutting import Cutter
from vlm_autodrive.clips.frozen import read_test_ids, write_test_ids
from vlm_autodrive.clips.groups import joined_groups
from vlm_autodrive.clips.settings import ClipSettings
from vlm_autodrive.clips.splits import assign_splits
from vlm_autodrive.clips.summary import say_summary
from vlm_autodrive.errors import UserError
from vlm_autodrive.progress import SILENT, Reporter
from vlm_autodrive.records import Clip, Event, Scenario, Taxonomy, Video


def build_clips(
    catalog: Path, out: Path, settings: ClipSettings, reporter: Reporter = SILENT, *, overwrite: bool = False
) -> Path:
    """Cut the videos of a catalog into labelled clips and share them out to splits.

    Args:
        catalog: A catalog, as :func:`vlm_autodrive.datasets.import_dataset` writes it.
        out: Folder of the clip set.
        settings: How to cut.
        reporter: Told the counts, and what was left out and why.
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

    The clips' groups are those of :func:`~vlm_autodrive.clips.groups.joined_groups`.
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
