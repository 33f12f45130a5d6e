"""How fast hours of video are searched: every window by itself, and with what windows share seen once.

    python -m benchmarks.detection --write

Both ways ask the same direct verdict of the same windows, in batches of one size, and take turns in one process. The
naive way decodes every window by itself and puts the whole of it through the model; ours is the scan of ``detect``.
The bound is how many times as many floating-point operations the naive way needs, as torch counts them; it is
compared with the time in the model alone, with frames that were decoded before.
"""

import argparse
import multiprocessing
import os
import statistics
import tempfile
import time
from collections.abc import Callable, Sequence
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass
from fractions import Fraction
from functools import partial
from pathlib import Path
from typing import Any

import av
import psutil
import torch
import transformers
from torch.utils.flop_counter import FlopCounterMode

from benchmarks.docs_table import write_table
from benchmarks.machine import processor_name
from benchmarks.video import write_video
from tests.tiny_families import MERGE_SIZE, tiny_processor, train_tokenizer
from vlm_autodrive.detection import DetectSettings
from vlm_autodrive.detection.scan import Scan, plan_windows
from vlm_autodrive.engines import InferenceRequest, LocalEngine, SeenPatches
from vlm_autodrive.models import (
    SYSTEM_PROMPT,
    TINY_BASE,
    LoadedModel,
    ModelCard,
    load_model,
    verdict_prompt,
    write_card,
)
from vlm_autodrive.records import DEFAULT_TAXONOMY
from vlm_autodrive.video import Frames, SamplingSettings, VideoError, Window, read_frames, read_windows

SETTINGS = DetectSettings(window_s=4.8, stride_s=1.2, reasoning=False)
REQUEST = InferenceRequest(prompt=verdict_prompt(DEFAULT_TAXONOMY).text, codes=DEFAULT_TAXONOMY.codes)
CPU = torch.device("cpu")
FROM_MINUTE = 10


def save_mid_size(folder: Path, parts: int = 4) -> Path:
    """A Qwen3-VL with random weights in the proportions of the 2B model, its widths and depths divided by ``parts``."""
    tokenizer = train_tokenizer([SYSTEM_PROMPT, REQUEST.prompt, "<0.2 seconds>"] * 20, 600)
    processor = tiny_processor(tokenizer, "qwen3_vl", 16)
    ids = {name: tokenizer.token_to_id(f"<|{name}|>") for name in ("image_pad", "video_pad", "vision_start")}
    config = transformers.Qwen3VLConfig(
        text_config={
            "vocab_size": tokenizer.get_vocab_size(),
            "hidden_size": 2048 // parts,
            "intermediate_size": 6144 // parts,
            "num_hidden_layers": 28 // parts,
            "num_attention_heads": 16 // parts,
            "num_key_value_heads": 8 // parts,
            "head_dim": 128,
            "max_position_embeddings": 8192,
            "rope_parameters": {
                "rope_type": "default", "rope_theta": 5e6, "mrope_section": [24, 20, 20], "mrope_interleaved": True,
            },
            "tie_word_embeddings": True,
        },
        vision_config={
            "depth": 24 // parts,
            "hidden_size": 1024 // parts,
            "intermediate_size": 4096 // parts,
            "num_heads": 16 // parts,
            "out_hidden_size": 2048 // parts,
            "patch_size": 16,
            "spatial_merge_size": MERGE_SIZE,
            "temporal_patch_size": 2,
            "num_position_embeddings": 2304,
            "deepstack_visual_indexes": [5 // parts, 11 // parts, 17 // parts],
        },
        tie_word_embeddings=True,
        image_token_id=ids["image_pad"],
        video_token_id=ids["video_pad"],
        vision_start_token_id=ids["vision_start"],
        vision_end_token_id=tokenizer.token_to_id("<|vision_end|>"),
        eos_token_id=tokenizer.token_to_id("<|im_end|>"),
        pad_token_id=tokenizer.token_to_id("<|endoftext|>"),
    )  # fmt: skip
    torch.manual_seed(0)
    transformers.Qwen3VLForConditionalGeneration(config).save_pretrained(folder)
    processor.save_pretrained(folder)
    sampling = SamplingSettings(fps=10 / 3, max_frames=16, height=224, width=448)
    write_card(folder, ModelCard(name="mid-size", sampling=sampling))
    return folder


class Clocks:
    """Processor seconds spent in the two halves of a model."""

    def __init__(self, loaded: LoadedModel) -> None:
        self.seconds = {"vision": 0.0, "language": 0.0}
        self._begun = 0.0
        for name, module in (("vision", loaded.family.vision_tower), ("language", loaded.family.language_model)):
            part = loaded.model.get_submodule(module)
            part.register_forward_pre_hook(self._begin)
            part.register_forward_hook(partial(self._end, name))

    def _begin(self, *_: Any) -> None:
        self._begun = time.process_time()

    def _end(self, name: str, *_: Any) -> None:
        self.seconds[name] += time.process_time() - self._begun

    def take(self) -> tuple[float, float]:
        """Seconds of vision and language since they were last taken."""
        taken = self.seconds["vision"], self.seconds["language"]
        self.seconds = dict.fromkeys(self.seconds, 0.0)
        return taken


@dataclass(frozen=True)
class Way:
    """What one way took, medians of all rounds; seconds are the processor's, of all cores together, but for the last.

    Attributes:
        decoding_s: Reading the frames of all windows, alone.
        model_s: The model, alone.
        vision_s: Of these, those in the vision tower.
        language_s: Of these, those in the language model.
        whole_s: The whole search.
        clock_s: The whole search, by the clock.
        operations: Floating-point operations.
    """

    decoding_s: float
    model_s: float
    vision_s: float
    language_s: float
    whole_s: float
    clock_s: float
    operations: int


class Search:
    """The search of one video by one model, in both ways."""

    def __init__(self, loaded: LoadedModel, video: Path, seconds: float) -> None:
        self.engine, self.clocks = LocalEngine(loaded), Clocks(loaded)
        self.video = video
        self.plan = plan_windows(seconds, SETTINGS.window_s, SETTINGS.stride_s)
        self.frames: dict[Window, Frames] = {}

    def decode_naively(self) -> None:
        """Every window by itself."""
        self.frames = {window: read_frames(self.video, *window, self.engine.sampling) for window in self.plan}

    def decode(self) -> None:
        """All windows in one pass."""
        self.frames = {}
        for window, frames in read_windows(self.video, self.plan, self.engine.sampling):
            if isinstance(frames, VideoError):
                raise frames
            self.frames[window] = frames

    def ask_naively(self) -> list[tuple[float, ...]]:
        """Every window through the whole model; its probabilities."""
        return self._ask(lambda clips, _: self.engine.generate(clips, [REQUEST]))

    def ask(self) -> list[tuple[float, ...]]:
        """What windows share is seen once."""
        seen: SeenPatches = {}
        return self._ask(lambda clips, starts_s: self.engine.generate_windows(clips, starts_s, [REQUEST], seen))

    def _ask(self, ask: Callable[[list[Frames], list[float]], Any]) -> list[tuple[float, ...]]:
        found = []
        for begin in range(0, len(self.plan), SETTINGS.eval_batch_size):
            windows = self.plan[begin : begin + SETTINGS.eval_batch_size]
            responses = ask([self.frames[window] for window in windows], [start_s for start_s, _ in windows])
            found += [response.probabilities for (response,) in responses]
        return found

    def search_naively(self) -> None:
        """Decode a batch of windows, each by itself; then ask."""
        for begin in range(0, len(self.plan), SETTINGS.eval_batch_size):
            windows = self.plan[begin : begin + SETTINGS.eval_batch_size]
            clips = [read_frames(self.video, *window, self.engine.sampling) for window in windows]
            self.engine.generate(clips, [REQUEST])

    def search(self) -> None:
        """As ``detect`` does."""
        with tempfile.TemporaryDirectory() as folder:
            scan = Scan(self.plan, (), self.engine, SETTINGS, DEFAULT_TAXONOMY, Path(folder))
            scan.run(self.video, lambda _: None)
            assert all(score.probabilities is not None for score in scan.scores)


def measure(search: Search, rounds: int) -> tuple[Way, Way, float]:
    """The naive way, ours, and how far their probabilities are apart at most."""
    steps = {
        "naive": (search.decode_naively, search.ask_naively, search.search_naively),
        "ours": (search.decode, search.ask, search.search),
    }
    times: dict[str, list[list[float]]] = {name: [] for name in steps}
    found, operations = {}, {}
    search.decode()
    for name, (_, ask, _) in steps.items():  # warms up, too
        with FlopCounterMode(display=False) as counted:
            found[name] = ask()
        operations[name] = counted.get_total_flops()
    for _ in range(rounds):
        for name, (decode, ask, whole) in steps.items():
            _, decoding_s = _timed(decode)
            search.clocks.take()
            _, model_s = _timed(ask)
            parts = search.clocks.take()
            clock_s, whole_s = _timed(whole)
            times[name].append([decoding_s, model_s, *parts, whole_s, clock_s])
    ways = [Way(*(statistics.median(row) for row in zip(*times[n], strict=True)), operations[n]) for n in steps]
    pairs = zip(found["naive"], found["ours"], strict=True)
    apart = max(abs(one - other) for row in pairs for one, other in zip(*row, strict=True))
    return ways[0], ways[1], apart


def _timed(run: Callable[[], object]) -> tuple[float, float]:
    """Seconds of the clock, and of the processor."""
    begun, begun_busy = time.perf_counter(), time.process_time()
    run()
    return time.perf_counter() - begun, time.process_time() - begun_busy


def bare_decoding(video: Path) -> None:
    """PyAV alone, with threads; no pixel touched."""
    with av.open(str(video)) as container:
        container.streams.video[0].thread_type = "AUTO"
        for _ in container.decode(video=0):
            pass


def loop_video(path: Path, target: Path, times: int, rate: Fraction) -> None:
    """The same packets again and again, as of a camera with this frame rate: their times fall between whole ticks."""
    with av.open(str(target), "w") as out:
        stream = None
        for number in range(times):
            with av.open(str(path)) as source:
                first = source.streams.video[0]
                stream = stream or out.add_stream_from_template(first)
                assert first.average_rate is not None and first.time_base is not None
                slower, length = first.average_rate / rate, first.frames / first.average_rate / first.time_base
                for packet in source.demux(first):
                    if packet.dts is not None and packet.pts is not None:
                        packet.pts = round((packet.pts + number * length) * slower)
                        packet.dts = round((packet.dts + number * length) * slower)
                        packet.stream = stream
                        out.mux(packet)


def memory_growth_mb(video: Path, minutes: float, from_minute: float = FROM_MINUTE) -> tuple[float, float]:
    """How resident memory grows at most from a minute of a scan to its end, and how much it is then."""
    engine = LocalEngine(load_model(TINY_BASE, CPU))
    process, begun, grown = psutil.Process(), 0.0, 0.0

    def look(up_to_s: float) -> None:
        nonlocal begun, grown
        resident = process.memory_info().rss / 1e6
        if up_to_s >= 60 * from_minute:
            begun = begun or resident
            grown = max(grown, resident - begun)

    plan = plan_windows(60 * minutes, SETTINGS.window_s, SETTINGS.stride_s)
    with tempfile.TemporaryDirectory() as folder:
        scan = Scan(plan, (), engine, SETTINGS, DEFAULT_TAXONOMY, Path(folder))
        scan.run(video, look)
        assert all(score.probabilities is not None for score in scan.scores)
    return grown, begun + grown


def in_new_process(function: Callable[..., Any], *arguments: Any) -> Any:
    """What a function gives in a process of its own, whose memory nothing else has used."""
    begin = multiprocessing.get_context("spawn")
    with ProcessPoolExecutor(1, begin, torch.set_num_threads, (os.cpu_count() or 1,)) as pool:
        return pool.submit(function, *arguments).result()


def speed_table(results: Sequence[tuple[str, Way, Way]], seconds: Sequence[int]) -> list[str]:
    """Where the time goes, and how fast it is."""
    lines = [
        "| model | way | decoding alone, CPU s | vision, CPU s | language, CPU s | model alone, CPU s "
        "| whole search, CPU s | whole search, s | hours of video an hour |",
        "|---|---|---|---|---|---|---|---|---|",
    ]
    for (name, *ways), length_s in zip(results, seconds, strict=True):
        for way, what in zip(ways, ("every window by itself", "ours"), strict=True):
            parts = (way.decoding_s, way.vision_s, way.language_s, way.model_s, way.whole_s, way.clock_s)
            cells = " | ".join(f"{part:.2f}" for part in parts)
            lines.append(f"| {name}, {length_s} s | {what} | {cells} | {length_s / way.clock_s:.1f} |")
    return lines


def bound_table(results: Sequence[tuple[str, Way, Way]], apart: Sequence[float]) -> list[str]:
    """How near to its bound sharing comes."""
    lines = [
        "| model | operations, naive / ours | model alone, naive / ours, CPU | share of that bound "
        "| whole search, naive / ours, CPU | whole search, naive / ours, clock | largest difference of a probability |",
        "|---|---|---|---|---|---|---|",
    ]
    for (name, naive, ours), difference in zip(results, apart, strict=True):
        bound, ratio = naive.operations / ours.operations, naive.model_s / ours.model_s
        lines.append(
            f"| {name} | {bound:.2f} | {ratio:.2f} | {ratio / bound:.0%} | {naive.whole_s / ours.whole_s:.2f} "
            f"| {naive.clock_s / ours.clock_s:.2f} | {difference:.0e} |"
        )
    return lines


def main() -> None:
    """Measure and print the tables."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--write", action="store_true", help="put the tables into docs/benchmarks.md")
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--seconds", type=int, default=96, help="of the 720p video")
    parser.add_argument("--mid-seconds", type=int, default=24, help="of it for the mid-size model")
    parser.add_argument("--minutes", type=int, default=120, help="of the video for the growth of memory; 0 for none")
    parser.add_argument("--work", type=Path, default=Path(tempfile.gettempdir()) / "autodrive-detection-benchmark")
    arguments = parser.parse_args()
    arguments.work.mkdir(parents=True, exist_ok=True)
    torch.set_num_threads(os.cpu_count() or 1)
    video = arguments.work / f"720p-{arguments.seconds}.mp4"
    write_video(video, 720, 1280, arguments.seconds, {"b": "4M"})  # x264's default preset and key frames
    models = (("tiny-base", TINY_BASE), ("mid-size", str(save_mid_size(arguments.work / "mid-size"))))
    lengths_s = (arguments.seconds, arguments.mid_seconds)
    results, apart = [], []
    for (name, model), length_s in zip(models, lengths_s, strict=True):
        naive, ours, difference = measure(Search(load_model(model, CPU), video, length_s), arguments.rounds)
        results.append((name, naive, ours))
        apart.append(difference)
    bare = [_timed(lambda: bare_decoding(video)) for _ in range(arguments.rounds)]
    bare_s, bare_busy_s = (statistics.median(row) for row in zip(*bare, strict=True))
    tiny = results[0][2]
    lines = [*speed_table(results, lengths_s), "", *bound_table(results, apart), ""]
    lines.append(
        f"The 720p video, {video.stat().st_size * 8 / arguments.seconds / 1e6:.1f} Mbit/s, is searched by tiny-base at "
        f"{arguments.seconds / tiny.clock_s:.1f} times real time. Decoding it in PyAV, with threads and without "
        f"touching a pixel, goes at {arguments.seconds / bare_s:.1f} times real time, and takes "
        f"{bare_busy_s / tiny.whole_s:.0%} of the processor time of the whole search."
    )
    if arguments.minutes:
        part, long = arguments.work / "180p.mp4", arguments.work / f"180p-{arguments.minutes}.mp4"
        write_video(part, 180, 320, 20, {"preset": "ultrafast"})
        if not long.exists():
            loop_video(part, long, 3 * arguments.minutes + 1, Fraction(30000, 1001))
        grown, most = in_new_process(memory_growth_mb, long, arguments.minutes)
        lines.append(
            f"From minute {FROM_MINUTE} to minute {arguments.minutes} of one video resident memory grows by "
            f"{grown:.0f} MB at most, to {most:.0f} MB."
        )
    lines.append(
        f"\nMachine: {torch.get_num_threads()} cores of an {processor_name()}, no GPU, fp32, torch "
        f"{torch.__version__}, 1-minute load {os.getloadavg()[0]:.1f} at the end, of which this program accounts for "
        "two: compare processor seconds where it is more. 720p30 H.264, x264's default preset and key frames; windows "
        f"of {SETTINGS.window_s} s with a stride of {SETTINGS.stride_s} s, 16 frames each, in batches of "
        f"{SETTINGS.eval_batch_size}; medians of {arguments.rounds} rounds in turns. "
        "`python -m benchmarks.detection --write` makes these tables."
    )
    print("\n".join(lines))
    if arguments.write:
        write_table("detection", lines)


if __name__ == "__main__":
    main()
