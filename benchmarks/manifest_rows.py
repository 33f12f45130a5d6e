"""How fast a catalog of very many videos is cut into clips, and how much memory that takes.

    python -m benchmarks.manifest_rows --write

The catalog has what an import of a manifest writes: drives, footage of other data sets, incident metadata, and events
for two of three videos. No video file is made, since none is opened. ``clips`` runs in a process of its own, and then
in the workers of a Ray cluster that another such process starts. Memory is the peak resident memory of the process
(``VmHWM`` of /proc, Linux only) and the sum of it and all its children. What a video takes is the peak above that of a
small catalog, by video. With ``--write`` the table is written into docs/benchmarks.md between the marks. A million
videos take 2 GB of disk in the folder for temporary files.
"""

import argparse
import os
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

from benchmarks.docs_table import write_table
from benchmarks.machine import processor_name
from vlm_autodrive.artifacts import EVENTS_FILE, SCENARIOS_FILE, VIDEOS_FILE, write_taxonomy, writing_artifact
from vlm_autodrive.records import DEFAULT_TAXONOMY, Event, IncidentMetadata, Video, write_jsonl
from vlm_autodrive.settings import Settings

BASE_ROWS = 1000
_ROWS_OF_A_DRIVE = 20
_CLASSES = ("collision", "near_collision", None)
_CUT = """
import sys, time
from contextlib import nullcontext
from pathlib import Path
from threading import Thread

import psutil

from vlm_autodrive.clips import ClipSettings, build_clips
from vlm_autodrive.progress import SILENT


def sample(peaks):
    while True:
        total = 0
        for process in (this, *this.children(recursive=True)):
            try:
                total += process.memory_full_info().pss
            except psutil.Error:
                pass
        peaks[0] = max(peaks[0], total)
        time.sleep(0.5)


def main():
    if sys.argv[3] == "ray":
        from vlm_autodrive.scale import on_cluster
        place = on_cluster("ray", SILENT)
    else:
        place = nullcontext()
    with place as executor:
        Thread(target=sample, args=(peaks,), daemon=True).start()
        begun = time.perf_counter()
        build_clips(Path(sys.argv[1]), Path(sys.argv[2]), ClipSettings(), SILENT, executor=executor)
        took_s = time.perf_counter() - begun
    peak = next(line for line in Path("/proc/self/status").read_text().splitlines() if line.startswith("VmHWM"))
    print(took_s, time.process_time(), int(peak.split()[1]) * 1024, peaks[0])


if __name__ == "__main__":
    this, peaks = psutil.Process(), [0]
    main()
"""


class Cost(NamedTuple):
    """What cutting a catalog took: seconds, CPU seconds of the process, memory and the size of each file, in bytes.

    ``peak`` is the most resident memory of the process; ``peak_of_all`` is that of it and its children together, in
    which what they share is counted once, as far as samples twice a second can tell.
    """

    clock_s: float
    cpu_s: float
    peak: int
    peak_of_all: int
    sizes: dict[str, int]


def write_rows(catalog: Path, rows: int) -> None:
    """Write a catalog of ``rows`` videos."""
    with writing_artifact(catalog, "catalog", {}, Settings()) as folder:
        assert folder is not None
        write_taxonomy(folder, DEFAULT_TAXONOMY)
        write_jsonl(folder / VIDEOS_FILE, map(_video, range(rows)))
        write_jsonl(folder / EVENTS_FILE, _events(rows))
        write_jsonl(folder / SCENARIOS_FILE, ())


def _video(number: int) -> Video:
    drive = f"drive-{number // _ROWS_OF_A_DRIVE:06d}"
    return Video(
        video_id=f"{drive}-{number:07d}",
        path=f"../videos/{drive}/{number:07d}.mp4",
        positive=_CLASSES[number % 3] is not None,
        group_id=drive,
        metadata={"vehicle": f"van {number % 900}", "claim": f"C-2026-{number:08d}"},
        incident=IncidentMetadata(
            weather=("clear", "rain")[number % 2],
            light="dark" if number % 5 == 0 else "day",
            scene=("urban", "highway", "rural")[number // 2 % 3],
            road_layout="intersection",
        ),
        duration_s=30.0 + number % 17,
        width=1280,
        height=720,
        source="manifest fleet.csv",
        source_id=f"fleet:{number:07d}",
    )


def _events(rows: int) -> Iterator[Event]:
    for number in range(rows):
        event_class = _CLASSES[number % 3]
        if event_class is not None:
            video_id = f"drive-{number // _ROWS_OF_A_DRIVE:06d}-{number:07d}"
            time_s = 5.0 + number % 23
            yield Event(
                event_id=f"{video_id}-e{number + 2}",
                video_id=video_id,
                event_class=event_class,
                time_s=time_s,
                alert_time_s=time_s - 1.5,
                ego_involved=True,
                incident=IncidentMetadata(other_type="car", ego_impact_side="front", speed_kmh=40.0),
            )


def measure(folder: Path, rows: int, place: str = "here") -> Cost:
    """Cut a generated catalog in a process of its own; with ``ray`` in the workers of a cluster that it starts."""
    catalog, out = folder / f"catalog-{rows}", folder / f"clips-{rows}-{place}"
    if not catalog.exists():
        write_rows(catalog, rows)
    command = [sys.executable, "-c", _CUT, str(catalog), str(out), place]
    done = subprocess.run(command, check=True, capture_output=True, text=True)
    clock_s, cpu_s, peak, peak_of_all = done.stdout.splitlines()[-1].split()
    files = (catalog / VIDEOS_FILE, catalog / EVENTS_FILE, out / "clips.jsonl")
    sizes = {file.name: file.stat().st_size for file in files}
    return Cost(float(clock_s), float(cpu_s), int(peak), int(peak_of_all), sizes)


def main() -> None:
    """Measure, print the table, and write it into the docs if asked."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rows", type=int, default=1_000_000)
    parser.add_argument("--write", action="store_true", help="Put the table into docs/benchmarks.md.")
    arguments = parser.parse_args()
    rows = []
    with tempfile.TemporaryDirectory() as folder:
        costs = {
            words: [measure(Path(folder), count, place) for count in (BASE_ROWS, arguments.rows)]
            for place, words in (("here", "one process"), ("ray", "Ray, a worker on each core"))
        }
    for words, (base, cost) in costs.items():
        extra, extra_of_all = (
            (of_many - of_few) / (arguments.rows - BASE_ROWS)
            for of_many, of_few in ((cost.peak, base.peak), (cost.peak_of_all, base.peak_of_all))
        )
        rows.append(
            f"| {words} | {arguments.rows} | {cost.clock_s:.0f} | {arguments.rows / cost.clock_s:.0f} | "
            f"{cost.cpu_s:.0f} | {cost.peak / 1e6:.0f} | {extra:.0f} | {cost.peak_of_all / 1e6:.0f} | "
            f"{extra_of_all:.0f} |"
        )
    sizes = ", ".join(f"{name} {size / 1e6:.0f} MB" for name, size in cost.sizes.items())
    lines = [
        "| clips are cut in | videos | s | videos/s | CPU time of the command, s | its peak memory, MB | "
        f"above {BASE_ROWS} videos, bytes a video | peak memory of all processes, MB | "
        f"above {BASE_ROWS} videos, bytes a video |",
        "|---|---|---|---|---|---|---|---|---|",
        *rows,
        "",
        f"Files: {sizes}. Machine: {os.cpu_count()} cores of {processor_name()}, 1-minute load "
        f"{os.getloadavg()[0]:.1f} at the end. `python -m benchmarks.manifest_rows --write` makes this table.",
    ]
    print("\n".join(lines))
    if arguments.write:
        write_table("manifest rows", lines)


if __name__ == "__main__":
    main()
