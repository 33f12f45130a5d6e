"""How long the comparison of stored predictions takes with all its figures, and the report of them.

    python -m benchmarks.evaluation

The predictions are synthetic: drawn by a seeded generator, with probabilities and reasoning traces, for clips of three
small videos that are written for it. Both stages run in a process of their own on one core, from the predictions on
disk to the comparison and to the report on disk. The table is written into docs/benchmarks.md between the marks.
"""

import argparse
import json
import multiprocessing
import os
import resource
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

import av
import numpy as np

from benchmarks.docs_table import write_table
from benchmarks.machine import processor_name
from vlm_autodrive.artifacts import writing_artifact
from vlm_autodrive.evaluation.predict.stage import write_predictions
from vlm_autodrive.records import DEFAULT_TAXONOMY, Clip, Outcome, Prediction, Reasoning, Verdict
from vlm_autodrive.settings import Settings

NAMES = DEFAULT_TAXONOMY.names
SKILLS = {"base": 0.2, "tuned": 2.5, "camera_shake": 1.2, "majority": 0.0}
SECONDS = 5.0


class Drawn(Settings):
    """What decides a set of synthetic predictions."""

    model: str
    clips: int


def write_video(path: Path, seed: int) -> None:
    """A small video of a drifting picture, for the film strips."""
    picture = np.random.default_rng(seed).integers(0, 255, (24, 40, 3), dtype=np.uint8).repeat(8, 0).repeat(8, 1)
    with av.open(str(path), "w") as container:
        stream = container.add_stream("mpeg4", rate=10)
        stream.width, stream.height, stream.pix_fmt = 320, 192, "yuv420p"
        for index in range(round(10 * SECONDS)):
            frame = av.VideoFrame.from_ndarray(np.roll(picture, 4 * index, axis=1), format="rgb24")
            container.mux(stream.encode(frame))
        container.mux(stream.encode())


def clips_of(folder: Path, count: int) -> list[Clip]:
    """Clips of triplets, each class equally often, with an event at another time in each."""
    clips = []
    for index in range(count):
        name = NAMES[index % len(NAMES)]
        event_s = None if name == "normal" else 1 + index % 30 / 10
        clips.append(
            Clip(
                clip_id=f"clip-{index:05d}",
                video_id=f"video-{index:05d}",
                path=str(folder / f"{index % 3}.mp4"),
                start_s=0.0,
                end_s=SECONDS,
                split="test",
                event_class=name,
                event_time_s=event_s,
                alert_time_s=None if event_s is None else event_s - 0.8,
                ego_involved=index % 2 == 0,
                group_id=f"drive-{index // 6}",
                triplet_id=f"triplet-{index // 3}",
                metadata={
                    "light_conditions": ("Bright", "Dark", "Twilight")[index // 7 % 3],
                    "weather": ("Clear", "Rain", "Snow", "Cloudy")[index // 11 % 4],
                    "scene": ("Urban", "Rural", "Highway")[index // 13 % 3],
                },
            )
        )
    return clips


def predictions_of(clips: list[Clip], model: str) -> Iterator[Prediction]:
    """Answers drawn by the model's skill; a trace for the two models that reason."""
    chance = np.random.default_rng(sorted(SKILLS).index(model))
    for index, clip in enumerate(clips):
        logits = chance.normal(size=len(NAMES))
        logits[NAMES.index(str(clip.event_class))] += SKILLS[model]
        p = np.exp(logits) / np.exp(logits).sum()
        answer = NAMES[int(p.argmax())]
        failed = index % 50 == 7
        seen_s = round(float(chance.uniform(0.5, SECONDS - 0.5)), 1)
        trace = (
            f"A car is ahead.\n[t={seen_s:.1f}] closest: under 1 m.\n[t={seen_s - 0.4:.1f}] gap under 5 m, closing "
            "fast.\nHigh risk; the ego driver brakes hard.\nNo contact, but barely."
        )
        yield Prediction(
            clip_id=clip.clip_id,
            model=f"synthetic-{model}",
            verdict=Verdict(
                outcome=Outcome.UNPARSEABLE if failed else Outcome.OK,
                event_class=None if failed else answer,
                probabilities=None if failed else dict(zip(NAMES, map(float, p), strict=True)),
                raw_text="ABC"[NAMES.index(answer)],
                prompt="What happens in this video? Answer with one letter.",
                probability_source=None if failed else "code_logprobs",
            ),
            reasoning=Reasoning(
                outcome=Outcome.OK,
                event_class=answer,
                trace=trace,
                cited_times_s=(seen_s, round(seen_s - 0.4, 1)),
                event_time_s=None if answer == "normal" else seen_s,
                raw_text=f"<think>\n{trace}\n</think>\n\n<answer>\nB\n</answer>",
                prompt="What happens in this video? Think first.",
            )
            if model in ("base", "tuned")
            else None,
            frame_times_s=tuple(index / 4 for index in range(16)),
            latency_s=0.1,
        )


def measure(folder: str, answer: str) -> None:
    """Compare and report on one core; write down the seconds and processor seconds of each, and the largest memory."""
    if hasattr(os, "sched_setaffinity"):
        os.sched_setaffinity(0, {sorted(os.sched_getaffinity(0))[0]})
    begun = time.perf_counter()
    from vlm_autodrive.evaluation import CompareSettings, ReportSettings, compare, write_report

    root = Path(folder)
    compare({model: root / model for model in SKILLS}, root / "comparison", CompareSettings())
    compared, processor = time.perf_counter(), time.process_time()
    write_report(root / "comparison", root / "report", ReportSettings())
    spent = [compared - begun, processor, time.perf_counter() - compared, time.process_time() - processor]
    peak_mb = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    Path(answer).write_text(json.dumps([*spent, peak_mb]), encoding="utf-8")


def main() -> None:
    """Measure and write the table."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--clips", type=int, default=10_000)
    parser.add_argument("--print-only", action="store_true", help="leave the docs alone")
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        for seed in range(3):
            write_video(folder / f"{seed}.mp4", seed)
        clips = clips_of(folder, arguments.clips)
        for model in SKILLS:
            drawn = Drawn(model=model, clips=len(clips))
            with writing_artifact(folder / model, "predictions", {}, drawn) as partial:
                write_predictions(partial, folder / model, DEFAULT_TAXONOMY, clips, list(predictions_of(clips, model)))
        process = multiprocessing.get_context("spawn").Process(
            target=measure, args=(str(folder), str(folder / "answer.json"))
        )
        process.start()
        process.join()
        comparing, comparing_cpu, reporting, reporting_cpu, peak_mb = json.loads((folder / "answer.json").read_text())
        size_mb = (folder / "report" / "report.html").stat().st_size / 1e6
    lines = [
        "| 4 models, synthetic clips | compare, s (CPU) | report, s (CPU) | together, s "
        "| report.html, MB | peak resident memory, MB |",
        "|---|---|---|---|---|---|",
        f"| {arguments.clips:,} | {comparing:.1f} ({comparing_cpu:.1f}) | {reporting:.1f} ({reporting_cpu:.1f}) "
        f"| {comparing + reporting:.1f} | {size_mb:.1f} | {peak_mb:.0f} |",
    ]
    print("\n".join(lines), flush=True)
    if not arguments.print_only:
        machine = f"Machine: one core of an {processor_name()}."
        lines.append(f"\n{machine} `python -m benchmarks.evaluation` makes this table.")
        write_table("evaluation", lines)


if __name__ == "__main__":
    main()
