"""Several data sets in one catalog, with unique ids."""

import re
from collections.abc import Callable, Iterable, Sequence

from vlm_autodrive.datasets.builder import DatasetBuilder
from vlm_autodrive.records import Video


def merged(parts: Sequence[DatasetBuilder]) -> DatasetBuilder:
    """All data sets as one.

    Where an id is taken by an earlier one, the later gets its data set's name in front. A file that an
    earlier one has already is kept as a record with a problem, so that no footage counts twice.
    """
    if len(parts) == 1:
        return parts[0]
    whole = DatasetBuilder()
    for part in parts:
        _add(whole, part)
    return whole


def _add(whole: DatasetBuilder, part: DatasetBuilder) -> None:
    name = part.title
    videos = _renaming((v.video_id for v in whole.videos), (v.video_id for v in part.videos), name)
    events = _renaming((e.event_id for e in whole.events), (e.event_id for e in part.events), name)
    questions = _renaming((q.question_id for q in whole.questions), (q.question_id for q in part.questions), name)
    owners = {video.path: video.source for video in whole.videos}

    def video_in_catalog(video: Video) -> Video:
        new_id = videos(video.video_id)
        changes = {"video_id": new_id, "source": video.source or name}
        if video.group_id == video.video_id:
            changes["group_id"] = new_id
        if video.path in owners and not video.problem:
            changes["problem"] = f"the file is in the catalog already, from {owners[video.path]}"
        return video.model_copy(update=changes)

    whole.videos += [video_in_catalog(video) for video in part.videos]
    for event in part.events:
        renamed = {"event_id": events(event.event_id), "video_id": videos(event.video_id)}
        whole.events.append(event.model_copy(update=renamed))
        if event.event_id in part.rows_of_events:
            whole.rows_of_events[renamed["event_id"]] = part.rows_of_events[event.event_id]
    whole.questions += [
        q.model_copy(update={"question_id": questions(q.question_id), "video_id": videos(q.video_id)})
        for q in part.questions
    ]
    known = {video.video_id for video in part.videos}
    whole.scenarios += [
        s.model_copy(update={"video_id": videos(s.video_id)}) for s in part.scenarios if s.video_id in known
    ]
    whole.issues += part.issues
    whole.rows += part.rows
    whole.spellings += part.spellings


def _renaming(taken: Iterable[str], ids: Iterable[str], name: str) -> Callable[[str], str]:
    """New names for those of ``ids`` that are taken."""
    taken, mine = set(taken), list(ids)
    used = taken.union(mine)
    prefix = re.sub(r"[^A-Za-z0-9._-]+", "-", name).strip("-")
    new: dict[str, str] = {}
    for one in mine:
        if one in taken:
            numbers = ("", *(f"-{number}" for number in range(2, len(used) + 3)))
            new[one] = next(f"{prefix}-{one}{n}" for n in numbers if f"{prefix}-{one}{n}" not in used)
            used.add(new[one])
    return lambda one: new.get(one, one)
