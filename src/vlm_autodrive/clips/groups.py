"""What belongs together: videos that share a drive, footage or triplet, directly or by way of others."""

from collections.abc import Sequence

from vlm_autodrive.records import Video


def joined_groups(videos: Sequence[Video]) -> dict[str, str]:
    """The group of each video, by its id: the first in order of the names of the drives that hang together.

    Two videos belong together if they have the same drive (``group_id``), the same footage
    (``source_id``, from whatever data set), the same triplet, or a chain of others between them.
    """
    parents: dict[str, str] = {}

    def root(key: str) -> str:
        parents.setdefault(key, key)
        while parents[key] != key:
            parents[key] = parents[parents[key]]
            key = parents[key]
        return key

    for video in videos:
        for key in _keys(video):
            one, other = root(f"drive {video.group_id}"), root(key)
            parents[max(one, other)] = min(one, other)
    names: dict[str, str] = {}
    for video in videos:
        key = root(f"drive {video.group_id}")
        names[key] = min(names.get(key, video.group_id), video.group_id)
    return {video.video_id: names[root(f"drive {video.group_id}")] for video in videos}


def _keys(video: Video) -> list[str]:
    keys = [f"source {video.source_id}"] if video.source_id else []
    return [*keys, f"triplet {video.triplet_id}"] if video.triplet_id else keys
