"""How long rule-based supervision takes, and how much memory it keeps.

    python -m benchmarks.rule_supervision

The clips are those of simulated scenarios, without pictures: no rule looks at a frame. The stage runs in a process
of its own on one core, from the clip set on disk to the supervision set on disk. The table is written into
docs/benchmarks.md between the marks.
"""

import argparse
import json
import multiprocessing
import os
import random
import resource
import tempfile
import time
from collections import Counter
from pathlib import Path

from benchmarks.docs_table import write_table
from benchmarks.machine import processor_name
from vlm_autodrive.artifacts import SAMPLES_FILE, write_clips
from vlm_autodrive.clips.windows import scenario_in_window
from vlm_autodrive.records import DEFAULT_TAXONOMY, Clip, Scenario
from vlm_autodrive.simulation.ground_truth import scenario_of
from vlm_autodrive.simulation.triplets import draw_single, draw_triplet

VIDEO_S, WINDOW_S = 6.0, 4.8


def scenarios(triplets: int, singles: int) -> list[Scenario]:
    """The truth of simulated videos: three outcomes each of some encounters, and Normal driving besides."""
    drawn = [draw_triplet(1, index, VIDEO_S) for index in range(triplets)]
    drawn += [draw_single(1, index, VIDEO_S) for index in range(singles)]
    return [
        scenario_of(take, f"{i:05d}-{j}", 1, None, VIDEO_S)
        for i, takes in enumerate(drawn)
        for j, take in enumerate(takes)
    ]


def windows(found: list[Scenario], count: int) -> list[Clip]:
    """As many clips as are wanted: windows of the scenarios that hold their event, each at a start of its own."""
    rng = random.Random(0)
    clips = []
    for number in range(count):
        scenario = found[number % len(found)]
        event = next((e for e in scenario.encounters if e.event_class != "normal"), None)
        low, high = 0.0, VIDEO_S - WINDOW_S
        for encounter in scenario.encounters:
            low, high = max(low, encounter.time_s - WINDOW_S + 0.5), min(high, encounter.time_s - 0.5)
        start_s = round(rng.uniform(low, high), 6)
        clips.append(
            Clip(
                clip_id=f"clip-{number:05d}",
                video_id=scenario.video_id,
                path=f"/videos/{scenario.video_id}.mp4",
                start_s=start_s,
                end_s=round(start_s + WINDOW_S, 6),
                split="train",
                event_class=event.event_class if event else "normal",
                event_time_s=round(event.time_s - start_s, 6) if event else None,
                alert_time_s=None,
                ego_involved=True if event else None,
                group_id=scenario.video_id,
                triplet_id=None,
                metadata={},
                scenario=scenario_in_window(scenario, start_s, start_s + WINDOW_S),
            )
        )
    return clips


def supervise_alone(clips: str, out: str, answer: str) -> None:
    """Run the stage on one core and write down its seconds and its largest resident memory."""
    if hasattr(os, "sched_setaffinity"):
        os.sched_setaffinity(0, {sorted(os.sched_getaffinity(0))[0]})
    begun = time.perf_counter()
    from vlm_autodrive.supervision import SuperviseSettings, supervise

    supervise(Path(clips), Path(out), SuperviseSettings())
    seconds, processor = time.perf_counter() - begun, time.process_time()
    peak_mb = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    Path(answer).write_text(json.dumps([seconds, processor, peak_mb]), encoding="utf-8")


def main() -> None:
    """Measure and write the table."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--clips", type=int, default=10_000)
    parser.add_argument("--triplets", type=int, default=150)
    parser.add_argument("--singles", type=int, default=50)
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        (folder / "clips").mkdir()
        clips = windows(scenarios(arguments.triplets, arguments.singles), arguments.clips)
        write_clips(folder / "clips", folder / "clips", DEFAULT_TAXONOMY, clips)
        # A process of its own, not a fork: it is to pay for its own imports, and not for what is loaded here.
        process = multiprocessing.get_context("spawn").Process(
            target=supervise_alone, args=(str(folder / "clips"), str(folder / "out"), str(folder / "answer.json"))
        )
        process.start()
        process.join()
        seconds, processor, peak_mb = json.loads((folder / "answer.json").read_text())
        kinds: Counter[str] = Counter()
        with (folder / "out" / SAMPLES_FILE).open(encoding="utf-8") as stream:
            for line in stream:
                kinds[json.loads(line)["type"]] += 1
    count = sum(kinds.values())
    lines = [
        "| clips | samples | s | CPU time, s | ms per clip | peak resident memory, MB |",
        "|---|---|---|---|---|---|",
        f"| {len(clips)} | {count} | {seconds:.1f} | {processor:.1f} | {1000 * seconds / len(clips):.2f} "
        f"| {peak_mb:.0f} |",
    ]
    print("\n".join(lines), dict(kinds), flush=True)
    lines.append(
        f"\nMachine: one core of an {processor_name()}. `python -m benchmarks.rule_supervision` makes this table."
    )
    write_table("rule supervision", lines)


if __name__ == "__main__":
    main()
