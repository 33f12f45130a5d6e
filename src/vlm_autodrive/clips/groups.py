"""What belongs together: videos that share a drive, footage or triplet, directly or by way of others."""

from collections.abc import Sequence

from vlm_autodrive.metrics import connected_groups
from vlm_autodrive.records import Video


def joined_groups(videos: Sequence[Video]) -> dict[str, str]:
    """The group of each video, by its id: the first in order of the names of the drives that hang together.

    Two videos belong together if they have the same drive (``group_id``), the same footage
    (``source_id``, from whatever data set), the same triplet, or a chain of others between them.
    """
    groups = connected_groups([_keys(video) for video in videos])
    names: dict[int, str] = {}
    for video, group in zip(videos, groups, strict=True):
        names[group] = min(names.get(group, video.group_id), video.group_id)
    return {video.video_id: names[group] for video, group in zip(videos, groups, strict=True)}


def _keys(video: Video) -> list[str]:
    shared = {"drive": video.group_id, "source": video.source_id, "triplet": video.triplet_id}
    return [f"{kind} {key}" for kind, key in shared.items() if key or kind == "drive"]
