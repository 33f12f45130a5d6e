"""Cutting clips in the workers of a cluster; the clips come in the order of the videos all the same."""

from collections import deque
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from functools import partial
from itertools import islice

from vlm_autodrive.artifacts import Accounting
from vlm_autodrive.clips.cutter import Cutter
from vlm_autodrive.clips.video_records import VideoRecords
from vlm_autodrive.executor import Executor, Job, Step
from vlm_autodrive.progress import Reporter
from vlm_autodrive.records import Clip

_VIDEOS_OF_A_JOB = 500  # little is done for each


def cut_on_cluster(
    videos: Iterable[VideoRecords], cutter: Cutter, executor: Executor, account: Accounting, reporter: Reporter
) -> Iterator[Clip]:
    """The clips of all videos, in the order of the videos.

    Args:
        videos: The videos, drawn as the cluster has room for them.
        cutter: What cuts each.
        executor: The cluster.
        account: Gets the videos that are quarantined, and is closed at the end. Each has a clip that says why.
        reporter: Told of the account.
    """
    waiting: deque[Sequence[VideoRecords]] = deque()  # given to the cluster, and not yet passed on
    cut: dict[str, list[Clip]] = {}  # by video id, of those that are not yet passed on
    inputs = records = 0

    def jobs() -> Iterator[Job]:
        drawn = iter(videos)
        while some := list(islice(drawn, _VIDEOS_OF_A_JOB)):
            waiting.append(some)
            yield _job(some)

    def settled() -> Iterator[Clip]:
        """The clips of the videos whose turn has come."""
        nonlocal inputs, records
        while waiting and all(is_settled(each.video.video_id) for each in waiting[0]):
            for each in waiting.popleft():
                video_id = each.video.video_id
                inputs += 1
                records += video_id in cut
                yield from cut.pop(video_id, None) or [cutter.unusable(each, account.words(video_id))]

    def is_settled(video_id: str) -> bool:
        return video_id in cut or video_id in account.quarantined

    for _, clips_of_videos in account.results(executor.run([Step(partial(_open_cutter, cutter))], jobs())):
        cut.update(clips_of_videos)
        yield from settled()
    yield from settled()
    account.close(inputs, records, reporter)


def _job(videos: Sequence[VideoRecords]) -> Job:
    first = videos[0].video.video_id
    if len(videos) == 1:
        return Job(first, videos)
    return Job(f"{first} and {len(videos) - 1} more", videos, tuple(_job([each]) for each in videos))


@contextmanager
def _open_cutter(cutter: Cutter) -> Iterator[Callable[[Sequence[VideoRecords]], dict[str, list[Clip]]]]:
    """What a worker of a cluster does: it cuts some videos after the others."""
    yield lambda videos: {each.video.video_id: cutter.clips_of(each) for each in videos}
