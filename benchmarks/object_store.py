"""What reading videos from an S3 store takes: bytes beside those that are needed, and time beside the local file.

    pip install -e '.[scale,bench]'
    python -m benchmarks.object_store

The store is SeaweedFS on this machine, so that the times are those of one without a network. Its bytes are counted on
the line to it, headers included.
"""

import argparse
import json
import os
import re
import shutil
import socket
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import av
import numpy as np

from benchmarks.docs_table import write_table
from benchmarks.machine import processor_name
from benchmarks.video import repeat_video, write_video
from tests.stores import Store, reaching
from vlm_autodrive.addresses import STORES_VARIABLE
from vlm_autodrive.artifacts import fetch_artifact, writing_to_store
from vlm_autodrive.clips import ClipSettings, build_clips
from vlm_autodrive.datasets import ImportSettings, import_dataset
from vlm_autodrive.progress import SILENT
from vlm_autodrive.supervision import SuperviseSettings, supervise
from vlm_autodrive.video import SamplingSettings, probe, read_frames, read_windows

MINUTES, WINDOW_S, PASS_S = 10, 5.0, 60
SAMPLING = SamplingSettings(fps=4, height=224, width=448)
STARTS_S = (33.3, 151.0, 298.6, 444.4, 577.7)
STARTS_WITHIN_S = 60


@contextmanager
def serving_seaweed(folder: Path) -> Iterator[Store]:
    """Start SeaweedFS."""
    binary = shutil.which("weed") or str(Path(sys.executable).with_name("weed"))
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    command = [binary, "mini", f"-dir={folder}", "-ip=127.0.0.1", "-ip.bind=127.0.0.1", f"-s3.port={port}"]
    command += ["-admin.ui=false", "-webdav=false"]
    with (folder / "weed.log").open("w") as log:
        process = subprocess.Popen(command, stdout=log, stderr=log, cwd=folder)
    try:
        until = time.monotonic() + STARTS_WITHIN_S
        while True:
            try:
                with reaching(("127.0.0.1", port)) as store:
                    yield store
                return
            except Exception:
                if time.monotonic() > until or process.poll() is not None or _is_reached(port):
                    raise
            time.sleep(1)
    finally:
        process.terminate()
        process.wait()


def _is_reached(port: int) -> bool:
    try:
        socket.create_connection(("127.0.0.1", port), timeout=1).close()
    except OSError:
        return False
    return True


def bytes_needed(path: Path) -> Callable[[float, float], int]:
    """Tells of a window how many bytes it needs: the packets from the key frame before it to its end, and the index."""
    content = path.read_bytes()
    at = content.rindex(b"moov")
    index = int.from_bytes(content[at - 4 : at], "big")
    with av.open(str(path)) as container:
        stream = container.streams.video[0]
        packets = [(float(p.pts * p.time_base), p.size, p.is_keyframe) for p in container.demux(stream) if p.size]

    def needed(start_s: float, end_s: float) -> int:
        key_s = max(time_s for time_s, _, is_key in packets if is_key and time_s <= start_s)
        return index + sum(size for time_s, size, _ in packets if key_s <= time_s < end_s)

    return needed


def measured(store: Store, work: Callable[[], Any]) -> tuple[Any, float, int]:
    """The result of some work, the seconds it took, and the bytes that came from the store."""
    store.line.bytes_down = 0
    begun = time.perf_counter()
    result = work()
    return result, time.perf_counter() - begun, store.line.bytes_down


def table(store: Store, folder: Path, rounds: int) -> list[str]:
    """The table of one long video."""
    short, local = folder / "short.mp4", folder / "drive.mp4"
    write_video(short, 720, 1280, 40, {"preset": "veryfast", "crf": "26", "g": "30"})
    repeat_video(short, local, MINUTES * 60 // 40)
    stored = Path(store.put(local, local.name))
    size, needed = local.stat().st_size, bytes_needed(local)
    windows = [(float(start), start + WINDOW_S) for start in range(0, PASS_S, int(WINDOW_S))]
    rows = []

    def row(what: str, needs: int, work: Callable[[Path], Any], is_same: Callable[[Any, Any], bool]) -> None:
        times: dict[Path, list[float]] = {local: [], stored: []}
        results, read = {}, 0
        for _ in range(rounds):
            for path in (local, stored):
                results[path], took_s, count = measured(store, lambda path=path: work(path))
                times[path].append(took_s)
                read = max(read, count)
        apart = statistics.median(times[stored]) / statistics.median(times[local])
        equal = "yes" if is_same(results[local], results[stored]) else "NO"
        rows.append(
            f"| {what} | {needs / 1e6:.2f} | {read / 1e6:.2f} | {read / needs:.2f} | {100 * read / size:.1f} % | "
            f"{statistics.median(times[local]):.2f} | {statistics.median(times[stored]):.2f} | {apart:.2f} | {equal} |"
        )

    def same_frames(one: Any, other: Any) -> bool:
        return all(
            np.array_equal(a.pixels, b.pixels) and a.times_s == b.times_s for a, b in zip(one, other, strict=True)
        )

    def read(path: Path) -> list[Any]:
        return [read_frames(path, start, start + WINDOW_S, SAMPLING) for start in STARTS_S]

    total = sum(needed(start, start + WINDOW_S) for start in STARTS_S)
    row(f"{len(STARTS_S)} windows of {WINDOW_S:g} s", total, read, same_frames)
    row("probe, as import does", needed(0.0, 1 / 30), probe, lambda one, other: one == other)
    whole = lambda path: [frames for _, frames in read_windows(path, windows, SAMPLING)]  # noqa: E731
    row(f"{PASS_S} s in one pass, as detect reads", needed(0.0, float(PASS_S)), whole, same_frames)
    head = "needed, MB | read, MB | read / needed | read / file | local, s | store, s | store / local | equal"
    return [f"| {MINUTES} min of 720p30, {size / 1e6:.0f} MB | {head} |", "|---" * 9 + "|", *rows]


def run_equal(store: Store, folder: Path, videos: int) -> str:
    """What three stages took with videos and outputs on the store, beside local ones, and whether they are equal."""
    files = folder / "set"
    files.mkdir()
    write_video(files / "v0.mp4", 180, 320, 20, {"preset": "veryfast"})
    rows = ["video,class,event_time_s,weather"]
    for number in range(videos):
        if number:
            shutil.copy(files / "v0.mp4", files / f"v{number}.mp4")
        store.put(files / f"v{number}.mp4", f"set/v{number}.mp4")
        rows.append(f"v{number}.mp4,{'collision,9.5' if number % 2 else 'normal,'},rain")
    (files / "manifest.csv").write_text("\n".join(rows) + "\n")
    manifest = Path(store.put(files / "manifest.csv", "set/manifest.csv"))

    def stages(source: Path, out: Path) -> None:
        import_dataset("manifest", source, out / "catalog", ImportSettings(), SILENT)
        build_clips(out / "catalog", out / "clips", ClipSettings(), SILENT)
        supervise(out / "clips", out / "supervision", SuperviseSettings(), SILENT)

    def on_store() -> None:
        with writing_to_store(f"{store.url}/run") as out:
            stages(manifest, out)

    _, local_s, _ = measured(store, lambda: stages(files / "manifest.csv", folder / "run"))
    _, store_s, _ = measured(store, on_store)
    os.environ[STORES_VARIABLE] = str(folder / "elsewhere")
    fetched = fetch_artifact(f"{store.url}/run")
    relative = os.path.relpath(files, folder / "run" / "catalog")
    names = ("catalog/videos.jsonl", "catalog/events.jsonl", "clips/clips.jsonl", "supervision/samples.jsonl")
    equal = all(
        (fetched / name).read_text().replace(f"{store.url}/set", "") == re.sub(re.escape(relative), "", text)
        for name in names
        if (text := (folder / "run" / name).read_text())
    )
    samples = sum(1 for line in (folder / "run" / names[-1]).open() if json.loads(line))
    return (
        f"Import, clips and supervision of {videos} videos, {samples} samples, all of it on the store: "
        f"{store_s / local_s:.2f} times as long as in local folders ({store_s:.1f} s and {local_s:.1f} s), the records "
        f"{'equal' if equal else 'NOT equal'} but for the paths."
    )


def main(arguments: Sequence[str] | None = None) -> None:
    """Measure, and print or write the table."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--videos", type=int, default=40)
    parser.add_argument("--write", action="store_true", help="write the table into docs/benchmarks.md")
    given = parser.parse_args(arguments)
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        os.environ[STORES_VARIABLE] = str(folder / "stores")
        (folder / "weed").mkdir()
        with serving_seaweed(folder / "weed") as store:
            lines = table(store, folder, given.rounds)
            lines += ["", run_equal(store, folder, given.videos)]
    lines += [
        "",
        f"Machine: {os.cpu_count()} cores ({processor_name()}), 1-minute load {os.getloadavg()[0]:.1f} at the end; "
        "SeaweedFS 4 on the same machine. `python -m benchmarks.object_store --write` makes this table.",
    ]
    print("\n".join(lines))
    if given.write:
        write_table("object store", lines)


if __name__ == "__main__":
    main()
