"""Cutting clips in the workers of a cluster; the clips come in the order of the videos all the same."""

from collections import deque
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from functools import partial
from itertools import islice

from vlm_autodrive.artifacts import Accounting
from vlm_autodrive.clips.cutter import Cutter
from vlm_autodrive.clips.video_records import VideoRecords
from vlm_autodrive.executor import Executor, Job, Quarantined, Step, batch_job
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
    waiting: deque[str] = deque()  # the videos that are given to the cluster and not yet passed on
    cut: dict[str, list[Clip]] = {}  # the clips of those that came before their turn
    inputs = 0

    def jobs() -> Iterator[Job]:
        drawn = iter(videos)
        while some := list(islice(drawn, _VIDEOS_OF_A_JOB)):
            waiting.extend(each.video.video_id for each in some)
            yield batch_job(some, lambda each: each.video.video_id)

    for job_id, result in executor.run([Step(partial(_open_cutter, cutter))], jobs()):
        if isinstance(result, Quarantined):
            account.quarantine(job_id, result.reason)
            (records,) = result.content
            cut[job_id] = [cutter.unusable(records, account.words(job_id))]
        else:
            cut.update(result)
        while waiting and waiting[0] in cut:
            inputs += 1
            yield from cut.pop(waiting.popleft())
    account.close(inputs + len(waiting), inputs - len(account.quarantined), reporter)
    account.forget()  # a killed job cuts all anew


@contextmanager
def _open_cutter(cutter: Cutter) -> Iterator[Callable[[Sequence[VideoRecords]], dict[str, list[Clip]]]]:
    """What a worker of a cluster does: it cuts some videos after the others."""
    yield lambda videos: {each.video.video_id: cutter.clips_of(each) for each in videos}
