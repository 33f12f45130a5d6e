"""Keeping a teacher's replies as they arrive, so that no reply is paid for twice."""

from collections.abc import Sequence
from pathlib import Path

from vlm_autodrive.progress import Reporter
from vlm_autodrive.records import Outcome, append_jsonl, read_partial_jsonl
from vlm_autodrive.supervision.teachers.protocol import Teacher, TeacherReply, TeacherRequest

REPLIES_FILE = "teacher_replies.jsonl"


def write_all(
    teacher: Teacher, requests: Sequence[TeacherRequest], folder: Path, reporter: Reporter, description: str
) -> dict[str, TeacherReply]:
    """Have a teacher answer what no earlier run has had answered.

    A request that failed by an error was not paid for: it is not kept, and asked again by the next run.

    Args:
        teacher: Who is asked.
        requests: What is wanted.
        folder: Where replies are kept.
        reporter: Told of the progress.
        description: What the progress is called.

    Returns:
        The reply to every request, by its id.
    """
    path = folder / REPLIES_FILE
    wanted = {request.request_id for request in requests}
    kept = read_partial_jsonl(path, TeacherReply)
    replies = {reply.request_id: reply for reply in kept if reply.request_id in wanted}
    missing = [request for request in requests if request.request_id not in replies]
    with reporter.task(description, total=len(requests), done=len(replies)) as task:
        for reply in teacher.write(missing):
            if reply.outcome is not Outcome.ERROR:
                append_jsonl(path, [reply])
            replies[reply.request_id] = reply
            task.advance(status="" if reply.outcome is Outcome.OK else str(reply.outcome))
    return replies
