"""Whether kill -9 of workers, nodes and drivers loses, doubles or changes a record, or pays a teacher twice.

    python -m benchmarks.kill_drill --kills 20 --write

A cluster of two nodes runs on this machine. ``validate``, ``supervise`` with a served teacher, and ``evaluate`` run on
it in driver processes, one round after the other until all kills are done. At random points of a round SIGKILL hits a
worker that is at a job, the second node's raylet (then another node joins), or the driver (then the same command is
started again). After each round the result must be, record for record, that of one machine without kills. With
``--write`` the table is written into docs/benchmarks.md between the marks.
"""

import argparse
import json
import os
import random
import subprocess
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from itertools import cycle
from pathlib import Path
from signal import SIGKILL
from typing import Any

import av
import numpy as np

from benchmarks.counting_teacher import CountingTeacher, counting_teacher
from benchmarks.docs_table import write_table
from benchmarks.machine import processor_name
from benchmarks.two_nodes import CORES, TwoNodes, two_nodes
from vlm_autodrive.artifacts import read_account
from vlm_autodrive.clips import ClipSettings, build_clips
from vlm_autodrive.datasets import ImportSettings, import_dataset

WORKER, NODE, DRIVER = KINDS = ("worker", "node", "driver")
VIDEOS = 60
_CONNECTIONS = 2  # of each worker to the teacher
_KILLS_OF_A_ROUND = 3
_PATIENCE_S = 500.0
_FPS = 15


@dataclass(frozen=True)
class Stage:
    """A stage that is drilled.

    Attributes:
        command: Its command.
        source: The folder that it reads.
        given: What else it is given.
        records: The file of records in its result.
        record_id: The field that tells the records apart.
        input_id: The field that names a record's input.
        kept: The file that a run adds to as it gets on.
    """

    command: str
    source: str
    given: tuple[str, ...]
    records: str
    record_id: str
    input_id: str
    kept: str


VALIDATE = Stage("validate", "catalog", (), "validation.jsonl", "video_id", "video_id", "checks.jsonl")
SUPERVISE = Stage(
    "supervise",
    "clips",
    ("types=[verdict,description]", "teacher=served", "served.model=m", f"served.max_connections={_CONNECTIONS}"),
    "samples.jsonl",
    "sample_id",
    "clip_id",
    "written.jsonl",
)
EVALUATE = Stage(
    "evaluate",
    "clips",
    ("--model", "tiny-simulated", "split=train", "reasoning=false", "prompt_variants=[]", "controls=[]",
     "eval_batch_size=2"),
    "predictions.jsonl",
    "clip_id",
    "clip_id",
    "answered.jsonl",
)  # fmt: skip
STAGES = (VALIDATE, SUPERVISE, EVALUATE)


@dataclass
class Tally:
    """What a stage went through, and what came of it.

    Attributes:
        kills: By kind.
        records: How many there were to be, in all rounds.
        lost: How many of them were not there.
        doubled: How many were there more than once.
        changed: How many were not what one machine makes.
        asked: How often the teacher was asked.
        repeated: How often of that it was asked again.
    """

    kills: Counter[str] = field(default_factory=Counter)
    records: int = 0
    lost: int = 0
    doubled: int = 0
    changed: int = 0
    asked: int = 0
    repeated: int = 0

    @property
    def most_repeated(self) -> int:
        """How many requests may have been repeated.

        A reply is kept before its worker sends another request in its place. So whoever is killed has at most as many
        requests without a kept reply as it has connections. A killed worker is one; a killed driver takes its workers
        along, which fill the cores of its own node at most; and on another node nobody asks the teacher.
        """
        return _CONNECTIONS * (self.kills[WORKER] + CORES * self.kills[DRIVER])

    @property
    def is_right(self) -> bool:
        """Whether nothing was lost, doubled, changed, or repeated more often than it may be."""
        return not (self.lost or self.doubled or self.changed or self.repeated > self.most_repeated)


class Drill:
    """Runs stages on a cluster and kills."""

    def __init__(self, work: Path, nodes: TwoNodes, teacher: CountingTeacher, seed: int) -> None:
        self._work, self._nodes, self._teacher = work, nodes, teacher
        self._draw = random.Random(seed)
        self._rounds = 0
        self._right: dict[str, list[dict[str, Any]]] = {}
        self._requests: set[str] = set()

    def run(self, kills: int, stages: Sequence[Stage] = STAGES) -> dict[str, Tally]:
        """Run one stage after the other, again and again, until so many kills are done.

        Returns:
            What came of it, by the stage's command.

        Raises:
            RuntimeError: If a driver failed or did not end, an account is not right, or a request was left out.
        """
        tallies = {stage.command: Tally() for stage in stages}
        following = cycle(stages)
        left = [kind for _ in range(kills) for kind in self._draw.sample(KINDS, len(KINDS))][:kills]
        while left:
            stage = next(following)
            self._rounds += 1
            out = self._work / f"round{self._rounds}" / stage.command
            begun = time.monotonic()
            done = self._round(stage, out, left[:_KILLS_OF_A_ROUND])
            left = left[len(done) :]
            self._count(stage, out, tallies[stage.command], done)
            print(f"{stage.command}: {', '.join(done)} killed, {time.monotonic() - begun:.0f} s", flush=True)
        return tallies

    def _round(self, stage: Stage, out: Path, kinds: Sequence[str]) -> list[str]:
        """Run a stage to its end, and meanwhile kill; returns the kills that were done before it ended."""
        self._right_records(stage)
        self._teacher.asked.clear()
        points = sorted(self._draw.randrange(len(self._inputs(stage))) for _ in kinds)
        driver, done = self._start(stage, out, on_cluster=True), []
        for kind, point in zip(kinds, points, strict=True):
            while driver.poll() is None and self._progress(stage, out) < point:
                time.sleep(0.05)
            time.sleep(self._draw.uniform(0.0, 1.0))
            while kind == WORKER and driver.poll() is None and not self._nodes.workers(at_work=True):
                time.sleep(0.01)
            if driver.poll() is not None:
                break
            if kind == WORKER:
                with suppress(ProcessLookupError, IndexError):
                    os.kill(self._draw.choice(self._nodes.workers(at_work=True)), SIGKILL)
            elif kind == NODE:
                self._nodes.kill_second_node()
                time.sleep(self._draw.uniform(0.0, 3.0))
                self._nodes.add_second_node()
            else:
                driver.kill()
                driver.communicate()
                driver = self._start(stage, out, on_cluster=True)
            done.append(kind)
        self._end(driver)
        self._await_rest()
        return done

    def _start(self, stage: Stage, out: Path, *, on_cluster: bool) -> "subprocess.Popen[str]":
        arguments = [str(self._work / stage.source), *stage.given, "--out", str(out)]
        if stage is SUPERVISE:
            arguments += [f"served.base_url={self._teacher.url}", f"served.cache={out.with_name('replies.sqlite')}"]
        if on_cluster:
            arguments += ["--on", f"ray={self._nodes.address}"]
        command = [sys.executable, "-m", "vlm_autodrive", stage.command, *arguments]
        environment = os.environ | {"OMP_NUM_THREADS": "1"}
        return subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, env=environment)

    def _end(self, driver: "subprocess.Popen[str]") -> None:
        try:
            said, _ = driver.communicate(timeout=_PATIENCE_S)
        except subprocess.TimeoutExpired:
            driver.kill()
            said = f"{driver.communicate()[0]}\nIt did not end within {_PATIENCE_S:g} s."
        if driver.returncode:
            raise RuntimeError(f"the driver ended with {driver.returncode}: {said}")

    def _await_rest(self) -> None:
        """Wait until no worker is left, whoever's it was.

        Raises:
            RuntimeError: If workers of a driver that is gone stay.
        """
        ends_s = time.monotonic() + 60
        while self._nodes.workers():
            if time.monotonic() > ends_s:
                raise RuntimeError("workers are left, though no driver is")
            time.sleep(0.1)

    def _progress(self, stage: Stage, out: Path) -> int:
        if stage is SUPERVISE:
            return len(self._teacher.asked)
        return sum(kept.read_bytes().count(b"\n") for kept in out.parent.glob(f".{out.name}.partial-*/{stage.kept}"))

    def _right_records(self, stage: Stage) -> list[dict[str, Any]]:
        """The records that one machine makes."""
        if stage.command not in self._right:
            out = self._work / "one" / stage.command
            self._end(self._start(stage, out, on_cluster=False))
            self._right[stage.command] = _records(stage, out)
            self._requests |= self._teacher.asked.keys()
        return self._right[stage.command]

    def _inputs(self, stage: Stage) -> set[str]:
        return {record[stage.input_id] for record in self._right_records(stage)}

    def _count(self, stage: Stage, out: Path, tally: Tally, kills: Sequence[str]) -> None:
        found = _records(stage, out)
        right = {record[stage.record_id]: record for record in self._right_records(stage)}
        by_id = {record[stage.record_id]: record for record in found}
        account = read_account(out)
        inputs = len(self._inputs(stage))
        if account is None or (account.inputs, account.records) != (inputs, inputs):
            raise RuntimeError(f"the account is {account}, with {inputs} inputs")
        if stage is SUPERVISE and self._teacher.asked.keys() != self._requests:
            raise RuntimeError("the teacher was not asked what one machine asks")
        tally.kills.update(kills)
        tally.records += len(right)
        tally.lost += len(right.keys() - by_id.keys())
        tally.doubled += len(found) - len(by_id)
        tally.changed += sum(record != right.get(record_id) for record_id, record in by_id.items())
        tally.asked += self._teacher.asked.total()
        tally.repeated += self._teacher.asked.total() - len(self._teacher.asked)


def _records(stage: Stage, out: Path) -> list[dict[str, Any]]:
    found = [json.loads(line) for line in (out / stage.records).read_text(encoding="utf-8").splitlines()]
    return [{key: value for key, value in record.items() if key != "latency_s"} for record in found]


def write_world(work: Path, videos: int = VIDEOS) -> None:
    """Write so many H.264 videos, no two of one length, and a catalog and clips of them."""
    folder = work / "videos"
    folder.mkdir(parents=True)
    _write_second(work / "second.mp4")
    for number in range(videos):
        _repeat(work / "second.mp4", folder / f"{number:03d}.mp4", 5 * _FPS + number)
    rows = (f"{number:03d}.mp4,normal,street {number}" for number in range(videos))
    (folder / "manifest.csv").write_text("\n".join(("video,class,street", *rows)) + "\n", encoding="utf-8")
    import_dataset("manifest", folder, work / "catalog", ImportSettings())
    build_clips(work / "catalog", work / "clips", ClipSettings())


def _write_second(path: Path) -> None:
    tiles = np.random.default_rng(0).integers(0, 255, (45, 120, 3), dtype=np.uint8)
    scene = tiles.repeat(16, axis=0).repeat(16, axis=1)
    with av.open(str(path), "w") as container:
        stream = container.add_stream("libx264", rate=_FPS, options={"preset": "ultrafast"})
        stream.width, stream.height, stream.pix_fmt = 1280, 720, "yuv420p"
        for number in range(_FPS):
            pixels = np.ascontiguousarray(scene[:, 40 * number : 40 * number + 1280])
            container.mux(stream.encode(av.VideoFrame.from_ndarray(pixels, "rgb24")))
        container.mux(stream.encode())


def _repeat(second: Path, path: Path, frames: int) -> None:
    """Write the frames of a second again and again, which takes no encoding."""
    with av.open(str(second)) as source, av.open(str(path), "w") as container:
        stream = container.add_stream_from_template(source.streams.video[0])
        packets = [packet for packet in source.demux(video=0) if packet.size]
        for place in range(frames):
            packet = packets[place % _FPS]
            packet.pts = packet.dts = place * round(1 / packet.time_base / _FPS)
            packet.stream = stream
            container.mux(packet)


def table(tallies: dict[str, Tally]) -> list[str]:
    """The lines of the table."""
    lines = [
        "| stage | workers killed | nodes killed | drivers killed | records | lost | doubled | changed "
        "| teacher asked | asked again | most that it may be |",
        "|---|---|---|---|---|---|---|---|---|---|---|",
    ]
    for command, tally in tallies.items():
        asked = (tally.asked, tally.repeated, tally.most_repeated) if tally.asked else ("-", "-", "-")
        counts = (*(tally.kills[kind] for kind in KINDS), tally.records, tally.lost, tally.doubled, tally.changed)
        lines.append(f"| `{command}` | " + " | ".join(str(count) for count in (*counts, *asked)) + " |")
    return lines


def main() -> None:
    """Run it."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--kills", type=int, default=20)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--write", action="store_true", help="write the table into docs/benchmarks.md")
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory() as work, two_nodes() as nodes, counting_teacher() as teacher:
        write_world(Path(work))
        tallies = Drill(Path(work), nodes, teacher, arguments.seed).run(arguments.kills)
    lines = [
        *table(tallies),
        "",
        f"Machine: {os.cpu_count()} cores of an {processor_name()}. `python -m benchmarks.kill_drill --kills "
        f"{arguments.kills} --write` makes this table.",
    ]
    print("\n".join(lines))
    if not all(tally.is_right for tally in tallies.values()):
        sys.exit("It is not as it must be.")
    if arguments.write:
        write_table("kill drill", lines)


if __name__ == "__main__":
    main()
