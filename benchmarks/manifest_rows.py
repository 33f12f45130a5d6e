"""How fast a catalog of very many videos is cut into clips, and how much memory that takes.

    python -m benchmarks.manifest_rows --write

The catalog has what an import of a manifest writes: drives, footage of other data sets, incident metadata, and events
for two of three videos. No video file is made, since none is opened. ``clips`` runs in a process of its own; time of
the processor and peak resident memory (``VmHWM`` of /proc, Linux only) are that process's. What a video takes is the
peak above that of a small catalog, by video. With ``--write`` the table is written into docs/benchmarks.md between the
marks. A million videos take 2 GB of disk in the folder for temporary files.
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
from pathlib import Path
from vlm_autodrive.clips import ClipSettings, build_clips
from vlm_autodrive.progress import SILENT

build_clips(Path(sys.argv[1]), Path(sys.argv[2]), ClipSettings(), SILENT)
peak = next(line for line in Path("/proc/self/status").read_text().splitlines() if line.startswith("VmHWM"))
print(time.process_time(), peak.split()[1])
"""


class Cost(NamedTuple):
    """What cutting a catalog took: CPU seconds, the most resident memory, and the size of each file, in bytes."""

    cpu_s: float
    peak: int
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


def measure(folder: Path, rows: int) -> Cost:
    """Cut a generated catalog in a process of its own."""
    catalog, out = folder / f"catalog-{rows}", folder / f"clips-{rows}"
    write_rows(catalog, rows)
    command = [sys.executable, "-c", _CUT, str(catalog), str(out)]
    told = subprocess.run(command, check=True, capture_output=True, text=True).stdout.split()
    files = (catalog / VIDEOS_FILE, catalog / EVENTS_FILE, out / "clips.jsonl")
    return Cost(float(told[0]), int(told[1]) * 1024, {file.name: file.stat().st_size for file in files})


def main() -> None:
    """Measure, print the table, and write it into the docs if asked."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rows", type=int, default=1_000_000)
    parser.add_argument("--write", action="store_true", help="Put the table into docs/benchmarks.md.")
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        base = measure(Path(folder), BASE_ROWS)
        cost = measure(Path(folder), arguments.rows)
    extra = (cost.peak - base.peak) / (arguments.rows - BASE_ROWS)
    sizes = " | ".join(f"{size / 1e6:.0f}" for size in cost.sizes.values())
    lines = [
        "| videos | CPU time, s | videos per CPU second | peak resident memory, MB | "
        f"above {BASE_ROWS} videos, bytes a video | "
        f"{' | '.join(f'{name}, MB' for name in cost.sizes)} |",
        "|---|---|---|---|---|" + "---|" * len(cost.sizes),
        f"| {arguments.rows} | {cost.cpu_s:.0f} | {arguments.rows / cost.cpu_s:.0f} | {cost.peak / 1e6:.0f} | "
        f"{extra:.0f} | {sizes} |",
        "",
        f"Machine: one process on {processor_name()}, 1-minute load {os.getloadavg()[0]:.1f} at the end.",
        "`python -m benchmarks.manifest_rows --write` makes this table.",
    ]
    print("\n".join(lines))
    if arguments.write:
        write_table("manifest rows", lines)


if __name__ == "__main__":
    main()
