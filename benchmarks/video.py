"""How quickly a window of a video becomes model input, beside other loaders and beside decoding alone.

    pip install -e '.[bench]'
    python -m benchmarks.video

All ways run in turns in one process on the same windows, to the same size of picture and through the
same normalising. The table gives their ratios, and goes into docs/benchmarks.md between the marks.
Every frame has its number burned in, so that the table can also say which way showed the right ones.
"""

import argparse
import os
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Sequence
from fractions import Fraction
from pathlib import Path
from typing import TYPE_CHECKING

import av
import numpy as np
from numpy.typing import NDArray

from benchmarks.docs_table import write_table
from benchmarks.machine import processor_name
from vlm_autodrive.records import Clip
from vlm_autodrive.video import FrameCache, SamplingSettings, read_frames

if TYPE_CHECKING:
    import torch

RATE, SECONDS, WINDOW_S, FPS = 30, 40, 10, 4
HEIGHT, WIDTH = 252, 448  # 16:9 on Qwen2.5-VL's grid of 28
SAMPLING = SamplingSettings(fps=FPS, max_frames=2 * FPS * WINDOW_S, height=HEIGHT, width=WIDTH)
STARTS_S = (3.0, 14.0, 27.0)
BITS = 12
GROWTH = """
import sys
from pathlib import Path
from vlm_autodrive.video.decode import read_frames
from vlm_autodrive.video.frames import SamplingSettings

def peak():
    lines = Path("/proc/self/status").read_text().splitlines()
    return int(next(line for line in lines if line.startswith("VmHWM")).split()[1]) / 1024

sampling = SamplingSettings.model_validate_json(sys.argv[2])
before = peak()
frames = read_frames(Path(sys.argv[1]), 300.0, 310.0, sampling)
assert len(frames.times_s) == 40
print(peak() - before)
"""


def write_video(path: Path, height: int, width: int, seconds: int, options: dict[str, str]) -> None:
    """A drive of sorts: a finely grained texture that flows by, fresh sensor noise, and the frame's number below."""
    if path.exists():
        return
    rng = np.random.default_rng(0)
    coarse = rng.integers(30, 220, (height // 8 + 40, width // 8 + 80)).astype(np.float32)
    texture = np.kron(coarse, np.ones((8, 8), np.float32)) + rng.normal(
        0, 12, (coarse.shape[0] * 8, coarse.shape[1] * 8)
    )
    noise = rng.normal(0, 2, (height + 64, width + 64)).astype(np.float32)
    partial = path.with_suffix(".partial.mp4")
    with av.open(str(partial), "w") as container:
        stream = container.add_stream("libx264", rate=RATE, options=options)
        stream.width, stream.height, stream.pix_fmt = width, height, "yuv420p"
        for number in range(seconds * RATE):
            x, y = int(320 + 300 * np.sin(number / 60)), int(160 + 100 * np.sin(number / 37))
            dy, dx = rng.integers(0, 64, 2)
            luma = texture[y : y + height, x : x + width] + noise[dy : dy + height, dx : dx + width]
            planes = np.full((height * 3 // 2, width), 128, np.uint8)
            planes[:height] = np.clip(luma, 16, 235)
            edges = np.linspace(0, width, BITS + 1).astype(int)
            for bit in range(BITS):
                planes[height * 7 // 8 : height, edges[bit] : edges[bit + 1]] = 235 if number >> bit & 1 else 16
            frame = av.VideoFrame.from_ndarray(planes, "yuv420p")
            frame.pts, frame.time_base = number, Fraction(1, RATE)
            container.mux(stream.encode(frame))
        container.mux(stream.encode(None))
    partial.replace(path)


def repeat_video(path: Path, target: Path, times: int) -> None:
    """The same packets again and again, to make a long file quickly."""
    with av.open(str(target), "w") as out:
        stream = None
        for number in range(times):
            with av.open(str(path)) as source:
                first = source.streams.video[0]
                stream = stream or out.add_stream_from_template(first)
                shift = number * round(first.frames / RATE / first.time_base)
                for packet in source.demux(first):
                    if packet.dts is not None:
                        packet.pts, packet.dts, packet.stream = packet.pts + shift, packet.dts + shift, stream
                        out.mux(packet)


def numbers_shown(pixels: NDArray[np.uint8]) -> list[int]:
    """The frame numbers in pictures [frames, height, width, 3]."""
    strip = pixels[:, pixels.shape[1] * 29 // 32 : pixels.shape[1] * 31 // 32].mean(axis=(1, 3))
    middles = (np.arange(BITS) + 0.5) * strip.shape[1] / BITS
    lit = strip[:, middles.astype(int)] > 127
    return [int(sum(1 << bit for bit in range(BITS) if row[bit])) for row in lit]


class Loaders:
    """The ways from a file to model input; each takes the window's start and returns patches."""

    def __init__(self, video: Path, cache: Path) -> None:
        import torch
        import torchvision.transforms.v2.functional as resizing
        from qwen_vl_utils import vision_process
        from transformers import Qwen2VLVideoProcessor
        from transformers.utils import logging
        from transformers.video_utils import load_video

        from vlm_autodrive.models.qwen import Patcher

        logging.set_verbosity_error()
        torch.set_num_threads(os.cpu_count() or 1)
        self._torch, self._resizing, self._load_video = torch, resizing, load_video
        self._qwen = vision_process
        self._processor = Qwen2VLVideoProcessor()
        self._patcher = Patcher(self._processor)
        self._video = video
        self.cache = FrameCache(cache, SAMPLING)

    def ours(self, start_s: float) -> NDArray[np.uint8]:
        """This project's way."""
        frames = read_frames(self._video, start_s, start_s + WINDOW_S, SAMPLING)
        self._patcher.patches(frames.pixels)
        return frames.pixels

    def bare(self, start_s: float) -> None:
        """PyAV alone, with threads: from the key frame before the window to the last frame wanted; no pixel touched."""
        last_s = start_s + WINDOW_S - 1 / FPS
        with av.open(str(self._video)) as container:
            stream = container.streams.video[0]
            stream.thread_type = "AUTO"
            container.seek(int(start_s / stream.time_base), stream=stream)
            for frame in container.decode(stream):
                if frame.time >= last_s - 0.5 / RATE:
                    return

    def qwen_vl_utils(self, start_s: float) -> NDArray[np.uint8]:
        """Its window, rate and size, by its own options; its frames are spread to the window's very end."""
        video = self._qwen.fetch_video(
            {
                "video": str(self._video), "video_start": start_s, "video_end": start_s + WINDOW_S, "fps": float(FPS),
                "max_frames": SAMPLING.max_frames, "resized_height": HEIGHT, "resized_width": WIDTH,
            }
        )  # fmt: skip
        self._stock(video)
        return video.clamp(0, 255).byte().permute(0, 2, 3, 1).numpy()

    def transformers(self, start_s: float, backend: str = "pyav") -> NDArray[np.uint8]:
        """Its default loader, told the window's frames by its own hook, since it knows no windows."""
        indices = np.round((start_s + np.arange(FPS * WINDOW_S) / FPS) * RATE).astype(int)
        video, _ = self._load_video(str(self._video), backend=backend, sample_indices_fn=lambda **_: indices)
        tensor = video if isinstance(video, self._torch.Tensor) else self._torch.from_numpy(video).permute(0, 3, 1, 2)
        return self._resize(tensor)

    def _resize(self, tensor: "torch.Tensor") -> NDArray[np.uint8]:
        resized = self._resizing.resize(tensor, [HEIGHT, WIDTH], interpolation=3, antialias=True)
        self._stock(resized)
        return resized.permute(0, 2, 3, 1).numpy()

    def transformers_whole(self, start_s: float) -> NDArray[np.uint8]:
        """Its loader by itself: the whole video at the rate, of which the window is taken."""
        video, metadata = self._load_video(str(self._video), fps=FPS)
        times_s = np.asarray(metadata.frames_indices) / RATE
        inside = (times_s >= start_s - 0.5 / RATE) & (times_s < start_s + WINDOW_S - 0.5 / RATE)
        return self._resize(self._torch.from_numpy(video[inside]).permute(0, 3, 1, 2))

    def transformers_torchcodec(self, start_s: float) -> NDArray[np.uint8]:
        """The same with the loader that its processors prefer."""
        return self.transformers(start_s, "torchcodec")

    def cached_frames(self, start_s: float) -> NDArray[np.uint8]:
        """From the frame cache; every page is touched."""
        pixels = self.cache.get(self._clip(start_s)).pixels
        pixels[:, ::4, ::4].sum()
        return pixels

    def cached(self, start_s: float) -> NDArray[np.uint8]:
        """From the frame cache to patches."""
        pixels = self.cache.get(self._clip(start_s)).pixels
        self._patcher.patches(pixels)
        return pixels

    def first_epoch(self, start_s: float) -> NDArray[np.uint8]:
        """What the cache does for a clip that it has not seen."""
        for file in self.cache.folder.glob("*.frames"):
            file.unlink()
        return self.cached(start_s)

    def _clip(self, start_s: float) -> Clip:
        return Clip(
            clip_id="c", video_id="v", path=str(self._video), start_s=start_s, end_s=start_s + WINDOW_S, split="train",
            event_class=None, event_time_s=None, alert_time_s=None, ego_involved=None, group_id="v", triplet_id=None,
            metadata={},
        )  # fmt: skip

    def _stock(self, video: object) -> None:
        self._processor(videos=[video], do_sample_frames=False, do_resize=False, return_tensors="pt")


def measure(ways: Sequence[Callable[[float], object]], rounds: int) -> dict[str, tuple[float, float, float | None]]:
    """By way: median wall and CPU seconds of a clip, and how far its frames are at most from the right times."""
    wall: dict[str, list[float]] = {way.__name__: [] for way in ways}
    busy: dict[str, list[float]] = {way.__name__: [] for way in ways}
    off_s: dict[str, float | None] = {}
    for number in range(rounds + 1):  # the first round warms up
        for start_s in STARTS_S:
            for way in ways[number % len(ways) :] + ways[: number % len(ways)]:
                begun, begun_busy = time.perf_counter(), time.process_time()
                shown = way(start_s)
                if number:
                    wall[way.__name__].append(time.perf_counter() - begun)
                    busy[way.__name__].append(time.process_time() - begun_busy)
                if isinstance(shown, np.ndarray):
                    right_s = [start_s + i / FPS for i in range(FPS * WINDOW_S)]
                    apart = [abs(n / RATE - t) for n, t in zip(numbers_shown(shown), right_s, strict=False)]
                    off_s[way.__name__] = max(off_s.get(way.__name__) or 0.0, *apart)
        print(f"round {number} of {rounds}", file=sys.stderr, flush=True)
    return {name: (_mean_of_medians(wall[name]), _mean_of_medians(busy[name]), off_s.get(name)) for name in wall}


def _mean_of_medians(seconds: list[float]) -> float:
    """The mean over windows of the median over rounds."""
    return statistics.mean(statistics.median(seconds[i :: len(STARTS_S)]) for i in range(len(STARTS_S)))


def growth_mb(path: Path) -> float:
    """By how many megabytes the peak of resident memory grows with a window of a long video, without torch."""
    command = [sys.executable, "-c", GROWTH, str(path), SAMPLING.model_dump_json()]
    return float(subprocess.run(command, capture_output=True, text=True, check=True).stdout)


def lend_libraries() -> None:
    """Start again with FFmpeg's libraries at hand for torchcodec: those that PyAV brings, under their plain names."""
    if "AUTODRIVE_LENT" in os.environ:
        return
    folder = Path(tempfile.mkdtemp(prefix="ffmpeg-"))
    for library in (Path(av.__file__).parents[1] / "av.libs").glob("lib*-*.so.*"):
        name, _, version = library.name.partition(".so.")
        (folder / f"{name.rpartition('-')[0]}.so.{version.split('.')[0]}").symlink_to(library)
    paths = os.pathsep.join(filter(None, [str(folder), os.environ.get("LD_LIBRARY_PATH")]))
    environment = {**os.environ, "LD_LIBRARY_PATH": paths, "AUTODRIVE_LENT": "1"}
    os.execve(sys.executable, [sys.executable, "-m", "benchmarks.video", *sys.argv[1:]], environment)


def main() -> None:
    """Measure and write the table."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--work", type=Path, default=Path(tempfile.gettempdir()) / "autodrive-video-benchmark")
    arguments = parser.parse_args()
    lend_libraries()
    arguments.work.mkdir(parents=True, exist_ok=True)
    short, part, long = (arguments.work / name for name in ("720p.mp4", "1080p-part.mp4", "1080p.mp4"))
    write_video(short, 720, 1280, SECONDS, {"b": "4M"})  # x264's default preset and key frames
    write_video(part, 1080, 1920, 10, {"preset": "ultrafast", "b": "6M"})
    if not long.exists():
        repeat_video(part, long, 60)
    loaders = Loaders(short, Path(tempfile.mkdtemp(prefix="frames-")))
    ways = [
        loaders.ours, loaders.bare, loaders.qwen_vl_utils, loaders.transformers_whole, loaders.transformers,
        loaders.transformers_torchcodec,
        loaders.first_epoch, loaders.cached, loaders.cached_frames,
    ]  # fmt: skip
    found = measure(ways, arguments.rounds)
    names = {
        "ours": "this project, file to patches",
        "bare": "decoding alone (PyAV, threads, no pixel touched)",
        "qwen_vl_utils": "qwen_vl_utils 0.0.14, torchcodec",
        "transformers_whole": "transformers by itself (PyAV): the video at 4 fps, then its window",
        "transformers": "transformers (PyAV), given the window's frames",
        "transformers_torchcodec": "transformers (torchcodec), given the window's frames",
        "first_epoch": "frame cache, first epoch: decode, hash, write, patches",
        "cached": "frame cache, later epochs, to patches",
        "cached_frames": "frame cache, later epochs, to frames",
    }
    wall, busy, _ = found["ours"]
    lines = [
        "| method | s per clip | CPU s per clip | relative to ours | relative to ours, CPU | largest time error, s |",
        "|---|---|---|---|---|---|",
    ]
    for name, (seconds, cpu, off_s) in found.items():
        off = "-" if off_s is None else f"{off_s:.3f}"
        lines.append(f"| {names[name]} | {seconds:.3f} | {cpu:.3f} | {seconds / wall:.2f} | {cpu / busy:.2f} | {off} |")
    epoch, later, frames = found["first_epoch"], found["cached"], found["cached_frames"]
    lines.append(
        f"\nThe first epoch takes {epoch[0] / frames[0]:.0f} times as long as loading the frames from the cache "
        f"(CPU {epoch[1] / frames[1]:.0f}), and {epoch[0] / later[0]:.1f} times as long as loading and cutting them "
        f"into patches (CPU {epoch[1] / later[1]:.1f})."
    )
    lines.append(
        f"A window of a 10-minute 1080p file raises the peak of resident memory by {growth_mb(long):.0f} MB, "
        "in a process without torch."
    )
    bits = short.stat().st_size * 8 / SECONDS / 1e6
    load = os.getloadavg()[0]
    lines.append(
        f"\nMachine: {os.cpu_count()} cores of an {processor_name()}, no GPU, with a load of {load:.1f} of which this "
        f"program accounts for one or two: compare ratios, by CPU time where the machine is busy. "
        f"720p30 H.264 of {bits:.1f} Mbit/s, x264's default preset and key frames; "
        f"{arguments.rounds} rounds of {len(STARTS_S)} windows in turns, "
        "medians. `python -m benchmarks.video` makes this table."
    )
    print("\n".join(lines))
    write_table("video", lines)


if __name__ == "__main__":
    main()
