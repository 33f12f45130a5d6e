"""Whether a damaged video file ever does more than fail by itself: in reading, and in batches through each verb.

    python -m benchmarks.mutated_containers --files 10000 --batch 200

Small sound files of every container are changed at random: bytes flipped, the file cut, parts swapped, repeated, taken
out or set to zero, sizes made extreme. The seed of each file is its number, so that one can be made again by
``--first``. Each is read in every way that the package reads, in a process of its own that a crash of the decoder may
take along; then a batch of them, beside a sound file, goes through import, validate, clips, inspect, plan, supervise
with frames, evaluate and detect. Whatever is raised but the error of one file is printed, and ends with status 1.
"""

import argparse
import signal
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Callable, Iterator
from concurrent.futures import ProcessPoolExecutor
from concurrent.futures.process import BrokenProcessPool
from contextlib import contextmanager
from functools import cache
from pathlib import Path
from random import Random

import av
import numpy as np

from vlm_autodrive.video import SamplingSettings, VideoError, probe, read_frames, read_pictures, read_windows
from vlm_autodrive.video.check import check_video

SAMPLING = SamplingSettings(fps=4, max_frames=16, height=28, width=56)
CONTAINERS = {
    "mp4": ("mp4", "libx264", {}),
    "faststart.mp4": ("mp4", "libx264", {"movflags": "faststart"}),
    "fragmented.mp4": ("mp4", "libx264", {"movflags": "frag_keyframe+empty_moov"}),
    "hevc.mp4": ("mp4", "libx265", {}),
    "mov": ("mov", "mjpeg", {}),
    "mkv": ("matroska", "libx264", {}),
    "webm": ("webm", "libvpx-vp9", {}),
    "avi": ("avi", "mpeg4", {}),
    "mjpeg.avi": ("avi", "mjpeg", {}),
    "ts": ("mpegts", "libx264", {}),
    "mpeg2.ts": ("mpegts", "mpeg2video", {}),
    "mpg": ("mpeg", "mpeg2video", {}),
    "gif": ("gif", "gif", {}),
}
_PIXELS = {"mjpeg": "yuvj420p", "gif": "rgb8"}
_QUICK = {"libx264": {"preset": "ultrafast", "g": "8"}, "libx265": {"x265-params": "keyint=8:log-level=none"}}
_LONGEST_S = 60
_DESCRIPTION = (
    '{"scene": "a road by day", "ego_motion": "the ego vehicle drives on", "road_users": ["a grey lorry ahead"], '
    '"happenings": [{"time_s": 0.4, "what": "a grey lorry ahead goes slower"}], "ego_response": null}'
)


@cache
def sound_file(kind: str) -> bytes:
    """A sound video of 2 s, 25 frames a second, 64 x 48 pixels."""
    container_format, codec, options = CONTAINERS[kind]
    with tempfile.NamedTemporaryFile() as file:
        _write(file.name, container_format, codec, options)
        return Path(file.name).read_bytes()


def _write(path: str, container_format: str, codec: str, options: dict[str, str]) -> None:
    with av.open(path, "w", format=container_format, options=options) as container:
        stream = container.add_stream(codec, rate=25)
        stream.width, stream.height, stream.pix_fmt = 64, 48, _PIXELS.get(codec, "yuv420p")
        stream.options = _QUICK.get(codec, {})
        for number in range(50):
            pixels = np.random.default_rng(number).integers(60, 200, (48, 64, 3), dtype=np.uint8)
            pixels[:, number : number + 8] = 240
            container.mux(stream.encode(av.VideoFrame.from_ndarray(pixels, format="rgb24")))
        container.mux(stream.encode(None))


def mutated(number: int) -> tuple[str, bytes]:
    """The ending and the content of the file with this number: one to three changes of a sound file."""
    rng = Random(number)
    kind = list(CONTAINERS)[number % len(CONTAINERS)]
    content = bytearray(sound_file(kind))
    for _ in range(rng.choice((1, 1, 2, 3))):
        rng.choice(_CHANGES)(content, rng)
    return kind.rpartition(".")[2], bytes(content)


def read_in_every_way(path: Path) -> str:
    """Read a file in every way that the package knows; the reason why it cannot be used, or nothing.

    Raises:
        AssertionError: If the ways do not agree on whether it can be used.
        Exception: If reading raises anything but the error of this file.
    """
    reasons = []
    ways: list[Callable[[], object]] = [
        lambda: probe(path),
        lambda: check_video(path),
        lambda: read_pictures(path, [0.0, 1.5], 32),
    ]
    for way in ways:
        try:
            way()
            reasons.append("")
        except VideoError as error:
            reasons.append(error.reason)
    assert bool(reasons[0]) == bool(reasons[1]), f"probe and check disagree: {reasons}"
    for window in ((0.0, 1.0), (0.8, 1.9)):
        try:
            read_frames(path, *window, SAMPLING)
        except VideoError as error:
            assert error.reason
    found = list(read_windows(path, [(0.0, 1.0), (0.8, 1.9)], SAMPLING, threads=False))
    assert len(found) == 2
    return reasons[0]


def write_batch(folder: Path, first: int, count: int) -> list[Path]:
    """Write mutated files and one sound file, with a manifest that names them all."""
    folder.mkdir(parents=True)
    paths = [folder / "sound.mp4"]
    paths[0].write_bytes(sound_file("mp4"))
    for number in range(first, first + count):
        ending, content = mutated(number)
        paths.append(folder / f"{number}.{ending}")
        paths[-1].write_bytes(content)
    rows = [f"{path.name},{'collision,1.2' if place % 2 else 'normal,'}" for place, path in enumerate(paths)]
    (folder / "manifest.csv").write_text("video,class,event_time_s\n" + "\n".join(rows) + "\n", encoding="utf-8")
    return paths


def run_verbs(folder: Path, paths: list[Path], model: str) -> Iterator[tuple[str, int, int]]:
    """Give a batch to every verb; yields the verb, its number of records, and how many there must be."""
    from tests.fake_endpoint import completion, serve
    from vlm_autodrive import clips as clipping
    from vlm_autodrive import datasets, detection, evaluation, supervision, training
    from vlm_autodrive.artifacts import read_clips, read_predictions, read_samples, read_videos

    at = folder.parent
    datasets.import_dataset("manifest", folder, at / "catalog", datasets.ImportSettings())
    yield "import", len(read_videos(at / "catalog")), len(paths)
    validated = datasets.validate(at / "catalog", at / "validated", datasets.ValidateSettings(), workers=1)
    yield "validate", validated.videos, len(paths)
    clipping.build_clips(at / "catalog", at / "clips", clipping.ClipSettings(window_s=1.6, split_by="count"))
    clips = read_clips(at / "clips")
    yield "clips", len({clip.video_id for clip in clips}), len(paths)
    ids = [clip.clip_id for clip in clips]
    sheets = [ids[first : first + 50] for first in range(0, len(ids), 50)]  # as many as one picture holds
    drawn = [clipping.inspect_clips(at / "clips", at / "sheet.png", clip_ids=sheet, frames=4) for sheet in sheets]
    yield "inspect", sum(each.shown for each in drawn), len(clips)
    supervision.supervise(at / "clips", at / "rules", supervision.SuperviseSettings())
    taught = {sample.clip_id for sample in read_samples(at / "rules") if sample.accepted}
    taught &= {clip.clip_id for clip in clips if clip.split == "train"}
    yield "plan", len(training.plan(at / "rules", training.TrainSettings(model=model)).clips), len(taught)
    with serve(lambda _: completion(_DESCRIPTION)) as endpoint:
        asked = {
            "types": ["description"],
            "teacher": "served",
            "served": {"model": "any", "base_url": endpoint.url},
            "context": {"label": False, "frames": 4, "frame_height": 28, "frame_width": 56},
            "limits": {"max_rejected": 1.0, "max_template_share": 1.0},  # all clips get the same answer
        }
        supervision.supervise(at / "clips", at / "frames", supervision.SuperviseSettings.model_validate(asked))
    shown = {clip.clip_id for clip in clips if clip.split != "test" and not clip.problem}
    yield "supervise", len({sample.clip_id for sample in read_samples(at / "frames")} & shown), len(shown)
    evaluation.evaluate(at / "clips", model, at / "predictions", evaluation.EvaluateSettings(reasoning=False))
    yield "evaluate", len(read_predictions(at / "predictions")), sum(clip.split == "test" for clip in clips)
    settings = detection.DetectSettings(window_s=1.0, stride_s=0.5, reasoning=False)
    yield "detect", len(detection.detect(paths, model, at / "found", settings)), len(paths)


def _place(content: bytearray, rng: Random) -> int:
    """Mostly near an end of the file, where containers keep what they say of the rest."""
    near = rng.random()
    if near < 0.35:
        return rng.randrange(min(len(content), 1200))
    if near < 0.6:
        return max(0, len(content) - 1 - rng.randrange(min(len(content), 1500)))
    return rng.randrange(len(content))


def _part(content: bytearray, rng: Random) -> slice:
    start = _place(content, rng)
    return slice(start, min(len(content), start + rng.choice((4, 16, 188, 1024, 4096))))


def _flip(content: bytearray, rng: Random) -> None:
    for _ in range(rng.choice((1, 3, 10, 60))):
        content[_place(content, rng)] ^= rng.randrange(1, 256)


def _cut(content: bytearray, rng: Random) -> None:
    del content[max(1, rng.randrange(len(content))) :]


def _take_out(content: bytearray, rng: Random) -> None:
    if len(content) > 8192:
        del content[_part(content, rng)]


def _zero(content: bytearray, rng: Random) -> None:
    part = _part(content, rng)
    content[part] = bytes(part.stop - part.start)


def _repeat(content: bytearray, rng: Random) -> None:
    part = _part(content, rng)
    content[part.start : part.start] = content[part]


def _swap_parts(content: bytearray, rng: Random) -> None:
    one, other = _part(content, rng), _part(content, rng)
    content[one], content[other] = content[other], content[one]


def _swap_atoms(content: bytearray, rng: Random) -> None:
    """Exchange the names of two boxes of an MP4 or chunks of an AVI, or anything of that look."""
    names = [at for at in range(len(content) - 4) if bytes(content[at : at + 4]).isalpha()][:400]
    if len(names) > 1:
        one, other = rng.sample(names, 2)
        content[one : one + 4], content[other : other + 4] = content[other : other + 4], content[one : one + 4]


def _resize(content: bytearray, rng: Random) -> None:
    at = _place(content, rng)
    content[at : at + 4] = rng.choice((0, 1, 7, 0x7FFFFFFF, 0x80000000, 0xFFFFFFFF)).to_bytes(4, "big")


_CHANGES = (_flip, _flip, _flip, _cut, _take_out, _zero, _repeat, _swap_parts, _swap_atoms, _resize)


@contextmanager
def _at_most(seconds: int) -> Iterator[None]:
    def late(*_: object) -> None:
        raise TimeoutError(f"takes longer than {seconds} s")

    signal.signal(signal.SIGALRM, late)
    signal.alarm(seconds)
    try:
        yield
    finally:
        signal.alarm(0)


def _read_one(number: int, folder: str) -> tuple[str, str]:
    """The reason of the file with this number; and what was raised that is none."""
    ending, content = mutated(number)
    path = Path(folder, f"{number}.{ending}")
    path.write_bytes(content)
    try:
        with _at_most(_LONGEST_S):
            return read_in_every_way(path), ""
    except Exception as error:
        return "", repr(error)
    finally:
        path.unlink()


def _read(first: int, count: int, folder: str) -> dict[int, str]:
    """Read files one after another in another process; what was raised, by the file's number."""
    raised, reasons = {}, Counter[str]()
    numbers = iter(range(first, first + count))
    pool = ProcessPoolExecutor(1)
    for number in numbers:
        try:
            reason, wrong = pool.submit(_read_one, number, folder).result()
        except BrokenProcessPool:
            pool, reason, wrong = ProcessPoolExecutor(1), "", "the decoder crashed"
        reasons[reason.partition(" (")[0] or "used"] += 1
        if wrong:
            raised[number] = wrong
            print(f"{number}: {wrong}", flush=True)
    for reason, times in reasons.most_common(12):
        print(f"{times:6} {reason}")
    return raised


def main() -> None:
    """Run both parts, and print the counts."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").split("\n", 1)[0])
    parser.add_argument("--files", type=int, default=10_000)
    parser.add_argument("--batch", type=int, default=200)
    parser.add_argument("--first", type=int, default=0, help="Number of the first file.")
    parser.add_argument("--model", default="tiny-base")
    args = parser.parse_args()
    av.logging.set_level(None)
    with tempfile.TemporaryDirectory() as folder:
        begun = time.monotonic()
        raised = _read(args.first, args.files, folder)
        print(f"{args.files} files read in {time.monotonic() - begun:.0f} s; {len(raised)} raised another error.")
        lost = 0
        if args.batch:
            paths = write_batch(Path(folder, "batch", "videos"), args.first, args.batch)
            for verb, records, wanted in run_verbs(paths[0].parent, paths, args.model):
                print(f"{verb}: {records} of {wanted} records", flush=True)
                lost += records != wanted
    sys.exit(bool(raised or lost))


if __name__ == "__main__":
    main()
