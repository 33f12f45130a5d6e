"""Does a second worker halve the time, and what does Ray cost beside the process pool?

    python -m benchmarks.cluster --write

``validate`` decodes all of the same generated 720p H.264 videos: in a pool of one worker, in a pool of two, and on a
Ray cluster of two cores that is started for it. The three take turns, each in a process of its own; what counts are the
ratios of runs of the same turn, and of these the median. Ray's start (connecting, until the first job could be given)
and its end are apart. With ``--write`` the table goes into docs/benchmarks.md. All turns together decode for more than
five minutes in one worker, which takes some twenty minutes.
"""

import argparse
import json
import os
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import av
import numpy as np

from benchmarks.docs_table import write_table
from benchmarks.machine import processor_name
from vlm_autodrive.artifacts import read_account
from vlm_autodrive.datasets import ImportSettings, ValidateSettings, import_dataset, read_validations, validate
from vlm_autodrive.progress import SILENT
from vlm_autodrive.scale import on_cluster

WAYS = ("pool of 1", "pool of 2", "ray of 2")
SECONDS, FPS, SIZE = 60, 30, (1280, 720)


def write_video(path: Path) -> None:
    """A scene that moves sideways, with noise that no codec foresees, as the pictures of a camera have."""
    random = np.random.default_rng(0)
    width, height = SIZE
    scene = np.kron(random.integers(0, 255, (height // 16, 4 * width // 16, 3)), np.ones((16, 16, 1))).astype(np.uint8)
    noise = random.integers(0, 24, (height, width, 3), np.uint8)
    with av.open(str(path), "w") as container:
        stream = container.add_stream("libx264", rate=FPS, options={"preset": "veryfast", "crf": "26"})
        stream.width, stream.height, stream.pix_fmt = width, height, "yuv420p"
        for number in range(SECONDS * FPS):
            shown = np.roll(scene, -3 * number, axis=1)[:, :width] // 2 + np.roll(noise, 7 * number, axis=1)
            container.mux(stream.encode(av.VideoFrame.from_ndarray(shown, "rgb24")))
        container.mux(stream.encode())


def write_catalog_of(folder: Path, videos: int) -> Path:
    """A catalog of many names of one video: each is decoded as a whole."""
    first = folder / "0.mp4"
    write_video(first)
    for number in range(1, videos):
        (folder / f"{number}.mp4").hardlink_to(first)
    lines = ["video,class", *(f"{number}.mp4,normal" for number in range(videos))]
    (folder / "manifest.csv").write_text("\n".join(lines) + "\n", encoding="utf-8")
    return import_dataset("manifest", folder / "manifest.csv", folder / "catalog", ImportSettings(), SILENT)


def run(way: str, catalog: Path, out: Path) -> dict[str, float]:
    """Validate in one way: seconds of starting, of the work and of ending."""
    begun = time.perf_counter()
    settings = ValidateSettings(whole=True)
    if way.startswith("pool"):
        validate(catalog, out, settings, workers=int(way.split()[-1]))
        return {"start_s": 0.0, "work_s": time.perf_counter() - begun, "end_s": 0.0}
    with on_cluster("ray", SILENT) as executor:
        started = time.perf_counter()
        validate(catalog, out, settings, executor=executor)
        worked = time.perf_counter()
    ended = time.perf_counter()
    account = read_account(out)
    assert account is not None and not account.quarantined
    return {"start_s": started - begun, "work_s": worked - started, "end_s": ended - worked}


def measure(catalog: Path, turns: int) -> dict[str, list[dict[str, float]]]:
    """All ways in turns, each in a process of its own; their results must be equal."""
    measured: dict[str, list[dict[str, float]]] = {way: [] for way in WAYS}
    found = []
    for turn in range(turns):
        for way in WAYS:
            out = catalog.parent / f"{way.replace(' ', '-')}-{turn}"
            command = [sys.executable, "-m", "benchmarks.cluster", "--run", way, str(catalog), str(out)]
            done = subprocess.run(command, check=True, capture_output=True, text=True)
            measured[way].append(json.loads(done.stdout.splitlines()[-1]))
            found.append(read_validations(out))
            print(way, measured[way][-1], flush=True)
    assert all(each == found[0] for each in found)
    return measured


def main() -> None:
    """Measure, print the table, and write it into the docs if asked."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--videos", type=int, default=34)
    parser.add_argument("--turns", type=int, default=6)
    parser.add_argument("--write", action="store_true", help="Put the table into docs/benchmarks.md.")
    parser.add_argument("--run", nargs=3, metavar=("WAY", "CATALOG", "OUT"), help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    if arguments.run:
        way, catalog, out = arguments.run
        print(json.dumps(run(way, Path(catalog), Path(out))))
        return
    with tempfile.TemporaryDirectory() as folder:
        catalog = write_catalog_of(Path(folder), arguments.videos)
        measured = measure(catalog, arguments.turns)
    one, two, ray = (measured[way] for way in WAYS)
    speedup = statistics.median(a["work_s"] / b["work_s"] for a, b in zip(one, two, strict=True))
    overhead = statistics.median(b["work_s"] / a["work_s"] - 1 for a, b in zip(two, ray, strict=True))
    lines = [
        "| way | start, s | work, s | end, s |",
        "|---|---|---|---|",
        *(
            f"| {way} | "
            + " | ".join(
                f"{statistics.median(each[key] for each in runs):.1f}" for key in ("start_s", "work_s", "end_s")
            )
            + " |"
            for way, runs in measured.items()
        ),
        "",
        f"Two workers instead of one: {speedup:.2f} times as fast. Ray instead of the pool: {100 * overhead:+.0f} % of "
        f"the work's time, and its start and end besides. Medians of {arguments.turns} turns, ratios within a turn.",
        "",
        f"Machine: {os.cpu_count()} cores of {processor_name()}, 1-minute load {os.getloadavg()[0]:.1f} at the end. "
        f"{arguments.videos} videos of {SECONDS} s. `python -m benchmarks.cluster --write` makes this table.",
    ]
    print("\n".join(lines))
    if arguments.write:
        write_table("cluster", lines)


if __name__ == "__main__":
    main()
