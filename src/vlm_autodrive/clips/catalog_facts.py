"""What the clips of each video depend on of the catalog as a whole: groups, splits, triplets and places of events."""

from array import array
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import NamedTuple

from vlm_autodrive.clips.catalog_records import CatalogRecords
from vlm_autodrive.clips.settings import ClipSettings
from vlm_autodrive.clips.splits import assign_splits, joined_groups
from vlm_autodrive.clips.video_records import Sibling, VideoRecords, reference_times
from vlm_autodrive.errors import UserError
from vlm_autodrive.records import Event, Split, Taxonomy, Video


@dataclass(frozen=True)
class CatalogFacts:
    """What holds of a catalog as a whole, in less than 1 kB of memory for each of its videos.

    Attributes:
        groups: The group of each video that splits keep whole, by video id.
        splits: The split of each group.
        siblings: The usable videos of each triplet.
        event_positions: When each event is in its video, and how long that video is, in turns.
        unknown_events: How many events are of unknown kind.
    """

    groups: dict[str, str]
    splits: dict[str, Split]
    siblings: dict[str, list[Sibling]]
    event_positions: "array[float]"
    unknown_events: int


class _Member(NamedTuple):
    """What groups and splits depend on of one video."""

    video_id: str
    group_id: str
    source_id: str | None
    triplet_id: str | None
    split: str | None


def collect_facts(
    catalog: CatalogRecords, taxonomy: Taxonomy, settings: ClipSettings, frozen_test: frozenset[str]
) -> CatalogFacts:
    """Go through a catalog once, for what holds of it as a whole.

    Raises:
        UserError: If an event is of no video, if its kind is unknown and ``unknown_events`` is ``error``, or if the
            data set names a split that is none.
    """
    members: list[_Member] = []
    strata: dict[str, int] = {}
    siblings: dict[str, list[Sibling]] = {}
    positions = array("d")
    found, unknown, first_unknown = 0, 0, ""
    for video in catalog.videos():
        events = catalog.events_by_time(video)
        members.append(_Member(video.video_id, video.group_id, video.source_id, video.triplet_id, video.split))
        strata[video.video_id] = _severity(video, events, taxonomy)
        found += len(events)
        unknown_here = sum(e.event_class is None for e in events)
        first_unknown = first_unknown or (video.video_id if unknown_here else "")
        unknown += unknown_here
        if not video.duration_s or video.problem:
            continue
        for event in events:
            if event.time_s is not None:
                positions.extend((event.time_s, video.duration_s))
        if video.triplet_id is not None:
            times = reference_times(video, events, catalog.scenario_of(video.video_id), settings)
            siblings.setdefault(video.triplet_id, []).append(Sibling(video.video_id, video.duration_s, tuple(times)))
    if found < catalog.event_count:
        raise UserError(
            f"{catalog.event_count - found} events are of videos that are not in the catalog; import the data set anew."
        )
    if unknown and settings.unknown_events == "error":
        raise UserError(
            f"{unknown} events are of unknown kind, the first in video {first_unknown}; name their classes "
            "in an overlay, or set unknown_events to leave_out or binary."
        )
    groups = joined_groups(members)
    for place, member in enumerate(members):
        members[place] = member._replace(group_id=groups[member.video_id])
    return CatalogFacts(groups, assign_splits(members, strata, settings, frozen_test), siblings, positions, unknown)


def records_of_videos(
    catalog: CatalogRecords, facts: CatalogFacts, frozen_test: frozenset[str]
) -> Iterator[VideoRecords]:
    """Go through a catalog video by video, in its order, with all that the clips of each are cut from."""
    for video in catalog.videos():
        group = facts.groups[video.video_id]
        split = facts.splits[group]
        changes = {} if group == video.group_id else {"group_id": group}
        if frozen_test and split == "test" and video.video_id not in frozen_test:
            # It can be neither trained on nor tested on: it is of a drive that is tested on, or the data set's own
            # test footage.
            changes["problem"] = video.problem or "it would add to the frozen test split"
        yield VideoRecords(
            video=video.model_copy(update=changes) if changes else video,
            split=split,
            events=catalog.events_by_time(video),
            scenario=catalog.scenario_of(video.video_id),
            siblings=[s for s in facts.siblings.get(video.triplet_id or "", ()) if s.video_id != video.video_id],
            telemetry=catalog.telemetry_of(video.video_id),
        )


def _severity(video: Video, events: Sequence[Event], taxonomy: Taxonomy) -> int:
    """Rank of the video's most severe class; videos of unknown kind come after all classes."""
    names = taxonomy.names
    ranks = [names.index(e.event_class) for e in events if e.event_class is not None]
    if ranks:
        return min(ranks)
    return len(names) - 1 if video.positive is False or video.normal_at_s else len(names)
