"""How near a served teacher comes to what its endpoint bears, and how soon it is back after a burst of refusals.

    python -m benchmarks.served_teacher --write

The endpoint runs in a process of its own. It takes 200 ms for an answer, has at most 64 requests in work, and
answers 429 to any more; for a while in the middle it answers 429 to all. The client may have 256 in flight, so
that the limit must be found. All requests are text alone, and none is in the cache. With ``--write`` the table
is written into docs/benchmarks.md between the marks.
"""

import argparse
import asyncio
import os
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import NamedTuple

from pydantic import BaseModel

from benchmarks.docs_table import write_table
from benchmarks.machine import processor_name
from vlm_autodrive.progress import SILENT
from vlm_autodrive.records import DEFAULT_TAXONOMY, Clip, Outcome, TeacherPrompt
from vlm_autodrive.supervision.facts import Facts, facts_of
from vlm_autodrive.supervision.settings import ServedTeacherSettings
from vlm_autodrive.supervision.teachers.protocol import TeacherRequest
from vlm_autodrive.supervision.teachers.served import ServedTeacher, open_served

LATENCY_S, AT_ONCE, MOST_AT_ONCE = 0.2, 64, 256
IDEAL_PER_S = AT_ONCE / LATENCY_S
WANTED_SHARE = 0.85
RAMP_UP_S, BURST_AT_S, END_S = 3.0, 12.0, 28.0
_COMPLETION = (
    b'{"choices": [{"message": {"role": "assistant", "content": "{\\"seen\\": \\"A car brakes ahead.\\"}"}, '
    b'"finish_reason": "stop"}], "usage": {"prompt_tokens": 100, "completion_tokens": 20}}'
)


class SeenAnswer(BaseModel):
    """The answer that is asked for."""

    seen: str


class _Connection(asyncio.Protocol):
    """One connection of the endpoint; as little work as can be, since it shares the machine with the client."""

    in_work = 0
    begun_s = 0.0

    def __init__(self, burst_s: float, retry_after: str) -> None:
        self._burst_s = burst_s
        self._refusal = f"retry-after: {retry_after}\r\n".encode() if retry_after else b""
        self._received = b""

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        assert isinstance(transport, asyncio.Transport)
        self._transport = transport

    def data_received(self, data: bytes) -> None:
        self._received += data
        head, parted, body = self._received.partition(b"\r\n\r\n")
        if not parted or len(body) < int(head.lower().partition(b"content-length:")[2].split(b"\r\n")[0]):
            return
        self._received = b""
        kind = _Connection
        kind.begun_s = kind.begun_s or time.monotonic()
        in_burst = 0 <= time.monotonic() - kind.begun_s - BURST_AT_S < self._burst_s
        if in_burst or kind.in_work >= AT_ONCE:
            self._answer(b"429 Too Many Requests", b"{}", self._refusal if in_burst else b"")
        else:
            kind.in_work += 1
            asyncio.get_running_loop().call_later(LATENCY_S, self._finish)

    def _finish(self) -> None:
        _Connection.in_work -= 1
        self._answer(b"200 OK", _COMPLETION)

    def _answer(self, status: bytes, body: bytes, more: bytes = b"") -> None:
        head = b"HTTP/1.1 %b\r\ncontent-type: application/json\r\n%bcontent-length: %d\r\n\r\n"
        self._transport.write(head % (status, more, len(body)) + body)


async def serve(burst_s: float, retry_after: str) -> None:
    """Be the endpoint, and print its port."""
    server = await asyncio.get_running_loop().create_server(lambda: _Connection(burst_s, retry_after), "127.0.0.1", 0)
    print(server.sockets[0].getsockname()[1], flush=True)
    await server.serve_forever()


class Run(NamedTuple):
    """What one run showed: moments of the answers, tries refused, and seconds of the processor for a request."""

    moments_s: list[float]
    refused: int
    cpu_s: float


async def ask(port: int, cache: Path, facts: Facts) -> Run:
    """Ask for END_S seconds, as many at once as may be."""
    moments: list[float] = []
    settings = ServedTeacherSettings(
        base_url=f"http://127.0.0.1:{port}/v1",
        model="m",
        max_connections=MOST_AT_ONCE,
        max_attempts=30,
        cache=str(cache),
    )

    async def worker(teacher: ServedTeacher, number: int) -> None:
        while time.monotonic() < begun + END_S:
            prompt = TeacherPrompt(system="You write.", text=f"What is seen? {number} {len(moments)}", version="1")
            reply = await teacher.write(TeacherRequest(f"{number}", "description", facts, prompt, SeenAnswer))
            assert reply.outcome is Outcome.OK, reply
            moments.append(time.monotonic() - begun)

    async with open_served(settings, "benchmark", SILENT) as teacher:
        begun, cpu = time.monotonic(), time.process_time()
        async with asyncio.TaskGroup() as workers:
            for number in range(MOST_AT_ONCE):
                workers.create_task(worker(teacher, number))
        return Run(sorted(moments), teacher.use().refused, (time.process_time() - cpu) / len(moments))


def back_after_s(moments_s: list[float], from_s: float) -> float:
    """Seconds from a moment to the end of the first second in which enough was answered."""
    step = 0.05
    for place in range(int((END_S - from_s - 1) / step)):
        start = from_s + place * step
        if sum(start <= moment < start + 1 for moment in moments_s) >= WANTED_SHARE * IDEAL_PER_S:
            return start + 1 - from_s
    return float("inf")


def measure(burst_s: float, retry_after: str, facts: Facts) -> str:
    """One row of the table."""
    command = [sys.executable, "-m", "benchmarks.served_teacher", "--serve", str(burst_s), retry_after]
    with (
        tempfile.TemporaryDirectory() as folder,
        subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as server,
    ):
        assert server.stdout is not None
        try:
            run = asyncio.run(ask(int(server.stdout.readline()), Path(folder) / "replies.sqlite", facts))
        finally:
            server.terminate()
    up_s = back_after_s(run.moments_s, 0.0)
    steady = sum(RAMP_UP_S <= moment < BURST_AT_S for moment in run.moments_s) / (BURST_AT_S - RAMP_UP_S)
    back_s = back_after_s(run.moments_s, BURST_AT_S + burst_s)
    burst = f"{burst_s:g} s, " + (f"Retry-After: {retry_after}" if retry_after else "no Retry-After")
    return (
        f"| {burst} | {steady:.0f} | {steady / IDEAL_PER_S:.2f} | {up_s:.1f} | {back_s:.1f} "
        f"| {run.refused} of {len(run.moments_s) + run.refused} | {run.cpu_s * 1000:.2f} |"
    )


def main() -> None:
    """Measure, print the table, and write it into the docs if asked."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--serve", nargs=2, metavar=("SECONDS", "RETRY_AFTER"), help="Be the endpoint.")
    parser.add_argument("--write", action="store_true", help="Put the table into docs/benchmarks.md.")
    arguments = parser.parse_args()
    if arguments.serve:
        asyncio.run(serve(float(arguments.serve[0]), arguments.serve[1]))
        return
    clip = Clip(
        clip_id="clip", video_id="video", path="video.mp4", start_s=0.0, end_s=10.0, split="train",
        event_class="normal", event_time_s=None, alert_time_s=None, ego_involved=None, group_id="group",
        triplet_id=None, metadata={},
    )  # fmt: skip
    facts = facts_of(clip, DEFAULT_TAXONOMY)
    lines = [
        "| burst of 429 | answers per second | proportion of the ideal | s to full throughput, from the start "
        "| s to full throughput, after the burst | refused tries | CPU ms per request |",
        "|---|---|---|---|---|---|---|",
    ]
    for burst_s, retry_after in ((1.0, ""), (3.0, ""), (3.0, "2")):
        lines.append(measure(burst_s, retry_after, facts))
        print(lines[-1], flush=True)
    lines.append("")
    lines.append(
        f"Machine: {os.cpu_count()} cores of an {processor_name()}, 1-minute load {os.getloadavg()[0]:.1f} when done. "
        "`python -m benchmarks.served_teacher --write` makes this table."
    )
    if arguments.write:
        write_table("served teacher", lines)


if __name__ == "__main__":
    main()
