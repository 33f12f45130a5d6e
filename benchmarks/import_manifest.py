"""How long the import of a large manifest takes, and how much memory.

    python -m benchmarks.import_manifest --write

A manifest is made with a row for each of many videos, most of which are not there, some faults among the
rows, and a number of real files that are probed. ``autodrive import`` runs in a process of its own; time and
peak resident memory are that process's (Linux only). The time is the processor's, which on a free core is the
clock's. With ``--write`` the table is written into docs/benchmarks.md between the marks.
"""

import argparse
import csv
import os
import platform
import re
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import NamedTuple

import av
import numpy as np

from benchmarks.docs_table import write_table
from vlm_autodrive.artifacts import read_data_sets, read_videos
from vlm_autodrive.artifacts.files import read_issues

_FAULTS = {
    3: {"class": "colision"},
    5: {"event_time_s": "-4"},
    7: {"alert_time_s": "19.5"},
    11: {"video": "../out.mp4"},
    13: {"event_time_s": ""},
}


def write_manifest(path: Path, rows: int, probed: int) -> int:
    """Write a manifest of ``rows`` rows, the first ``probed`` of which name one real file's hard links.

    Returns:
        How many rows must be rejected: a wrong class, a negative time, a path that leads out.
    """
    rejected = 0
    with path.open("w", newline="", encoding="utf-8") as stream:
        columns = ["video", "class", "event_time_s", "alert_time_s", "ego_involved", "drive", "weather", "scene"]
        writer = csv.DictWriter(stream, columns)
        writer.writeheader()
        for number in range(rows):
            kind = ("collision", "near-miss", "normal")[number % 3]
            event = kind != "normal"
            row = {
                "video": f"drive{number // 20:05d}/{number:06d}.mp4" if number >= probed else f"real/{number:06d}.mp4",
                "class": kind,
                "event_time_s": "2.5" if event else "",
                "alert_time_s": "1.5" if event else "",
                "ego_involved": "yes" if event else "",
                "drive": f"drive{number // 20:05d}",
                "weather": ("Clear", "Rain")[number % 2],
                "scene": ("Urban", "Highway", "Rural")[number // 2 % 3],
            }
            if event and number >= probed and number % 1000 in _FAULTS:
                row |= _FAULTS[number % 1000]
                rejected += number % 1000 in (3, 5, 11)
            writer.writerow(row)
    return rejected


def write_video(path: Path) -> None:
    """Write a short H.264 file: 4 s of noise at 30 fps."""
    random = np.random.default_rng(0)
    with av.open(str(path), "w") as container:
        stream = container.add_stream("libx264", rate=30)
        stream.width, stream.height, stream.pix_fmt = 320, 192, "yuv420p"
        for _ in range(120):
            picture = random.integers(0, 255, (192, 320, 3), dtype=np.uint8)
            container.mux(stream.encode(av.VideoFrame.from_ndarray(picture, format="rgb24")))
        container.mux(stream.encode(None))


class Cost(NamedTuple):
    """What an import took: seconds on the clock and of the processor, and the most resident memory in MB."""

    wall_s: float
    cpu_s: float
    peak_mb: float


def measure(folder: Path, rows: int, probed: int) -> Cost:
    """Import a generated manifest in a process of its own."""
    manifest = folder / "manifest.csv"
    rejected = write_manifest(manifest, rows, probed)
    if probed:
        (folder / "real").mkdir()
        write_video(folder / "real" / "000000.mp4")
        for number in range(1, probed):
            os.link(folder / "real" / "000000.mp4", folder / "real" / f"{number:06d}.mp4")
    out = folder / "catalog"
    # The peak is read inside: what wait4 tells of a child may be that of the process which started it.
    program = (
        "import atexit, sys; from pathlib import Path\n"
        "atexit.register(lambda: print(Path('/proc/self/status').read_text(), file=sys.stderr))\n"
        "from vlm_autodrive.cli.main import main; main()"
    )
    command = [sys.executable, "-c", program, "import", "manifest", str(manifest), "--out", str(out)]
    told = folder / "told.txt"
    begun = time.monotonic()
    with told.open("w", encoding="utf-8") as stream:
        process = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=stream)
        _, status, usage = os.wait4(process.pid, 0)
    seconds = time.monotonic() - begun
    process.returncode = os.waitstatus_to_exitcode(status)
    if process.returncode != (0 if probed else 1):  # 1: the catalog is written, but no video in it can be used
        raise RuntimeError(f"the import ended with {process.returncode}")
    peak_kib = int(re.findall(r"VmHWM:\s+(\d+) kB", told.read_text(encoding="utf-8"))[-1])
    [data_set] = read_data_sets(out)
    assert (data_set.rows, data_set.rejected, data_set.imported) == (rows, rejected, rows - rejected)
    assert rejected <= sum(issue.rejected for issue in read_issues(out))
    assert sum(video.duration_s is not None for video in read_videos(out)) == probed
    return Cost(seconds, usage.ru_utime + usage.ru_stime, peak_kib * 1024 / 1e6)


def main() -> None:
    """Measure, print the table, and write it into the docs if asked."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rows", type=int, default=100_000)
    parser.add_argument("--write", action="store_true", help="Put the table into docs/benchmarks.md.")
    arguments = parser.parse_args()
    lines = [
        "| rows | existing videos | CPU time, s | peak resident memory, MB |",
        "|---|---|---|---|",
    ]
    for rows, probed in ((arguments.rows, 0), (arguments.rows, min(1000, arguments.rows))):
        with tempfile.TemporaryDirectory() as folder:
            cost = measure(Path(folder), rows, probed)
        lines.append(f"| {rows} | {probed} | {cost.cpu_s:.1f} | {cost.peak_mb:.0f} |")
        print(lines[-1], f"in {cost.wall_s:.1f} s on the clock", flush=True)
    lines.append("")
    lines.append(
        f"Machine: {os.cpu_count()} cores ({platform.machine()}), 1-minute load {os.getloadavg()[0]:.1f} while it "
        "ran. `python -m benchmarks.import_manifest --write` makes this table."
    )
    if arguments.write:
        write_table("import", lines)


if __name__ == "__main__":
    main()
