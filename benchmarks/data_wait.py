"""How long training waits for its frames and tokens, by its own log."""

import json
import subprocess
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import av
import numpy as np
import torch

from benchmarks.steps import sampling_of
from vlm_autodrive.artifacts import SAMPLES_FILE, write_clips, writing_artifact
from vlm_autodrive.models import Encoder, load_model
from vlm_autodrive.records import DEFAULT_TAXONOMY, Clip, SFTSample, StudentPrompt, write_jsonl
from vlm_autodrive.settings import Settings
from vlm_autodrive.training import TrainSettings
from vlm_autodrive.training.logs import LOG_FILE, StepRecord

VIDEO_TOKENS, SAMPLES, SAMPLE_TOKENS = 520, 8, 50
RATE, WINDOW_S = 30, 4


@dataclass(frozen=True)
class Wait:
    """How long the steps of an epoch took, and of that waited.

    Attributes:
        name: Which epoch, and where its frames come from.
        steps: How many steps were counted.
        step_s: Mean seconds of a step, waiting included.
        share: Of the time that was spent waiting.
    """

    name: str
    steps: int
    step_s: float
    share: float


def measure_waits(model: Path, work: Path, clips: int, height: int = 720) -> list[Wait]:
    """Let ``autodrive train`` take two epochs, of one clip with 8 samples a step, from an empty frame cache.

    Args:
        model: A checkpoint folder.
        work: Where the videos, the cache and the log go.
        clips: How many, each a window of a video of its own.
        height: Of the videos; they are 16:9.
    """
    settings = TrainSettings(
        model=str(model), sampling=sampling_of(VIDEO_TOKENS), epochs=2, batch_size=1, samples_per_clip=SAMPLES,
        precision="fp32", save_steps=10**6,
    )  # fmt: skip
    encoder = Encoder(load_model(str(model), torch.device("cpu"), torch.float32))
    prompt, target = _text(encoder, 30), "n" * 19
    taught = [_clip(str(number), _write_video(work / f"{number}.mp4", height, number)) for number in range(clips)]
    supervision = work / "supervision"
    with writing_artifact(supervision, "supervision", {}, Settings()) as folder:
        assert folder is not None
        write_clips(folder, supervision, DEFAULT_TAXONOMY, taught)
        write_jsonl(
            folder / SAMPLES_FILE,
            [_sample(f"{c.clip_id}-{k}", c.clip_id, prompt, target) for c in taught for k in range(SAMPLES)],
        )
    out = work / "run"
    told = [f"{key}={json.dumps(value)}" for key, value in settings.model_dump(mode="json", exclude_unset=True).items()]
    command = [sys.executable, "-m", "vlm_autodrive", "train", str(supervision), "--out", str(out), *told]
    subprocess.run(command, check=True, stdout=subprocess.DEVNULL)
    lines = (out / LOG_FILE).read_text(encoding="utf-8").splitlines()
    records = [StepRecord.model_validate_json(line) for line in lines]
    # The very first step has no step before it in which its frames could have been read.
    return [
        _wait("first, decoded in the background", records[1:clips]),
        _wait("second, from the frame cache", records[clips:]),
    ]


def _wait(name: str, records: Sequence[StepRecord]) -> Wait:
    waited_s = sum(record.data_wait_s for record in records)
    whole_s = waited_s + sum(record.step_s for record in records)
    return Wait(name, len(records), whole_s / len(records), waited_s / whole_s)


def _text(encoder: Encoder, tokens: int) -> str:
    """A question of so many tokens with what the chat template writes around it, or a little more."""
    text = "what"
    while len(encoder.question(text)) < tokens:
        text += " x"
    return text


def _sample(sample_id: str, clip_id: str, prompt: str, target: str) -> SFTSample:
    return SFTSample(
        sample_id=sample_id, clip_id=clip_id, type="caption", topic="caption",
        prompt=StudentPrompt(text=prompt, version="1"), target=target, mirror_target=None, teacher="rules",
        teacher_prompt_version="1",
    )  # fmt: skip


def _clip(clip_id: str, path: Path) -> Clip:
    return Clip(
        clip_id=clip_id, video_id=clip_id, path=str(path), start_s=0.0, end_s=float(WINDOW_S), split="train",
        event_class=None, event_time_s=None, alert_time_s=None, ego_involved=None, group_id=clip_id, triplet_id=None,
        metadata={},
    )  # fmt: skip


def _write_video(path: Path, height: int, seed: int) -> Path:
    """A texture that flows by under sensor noise, as H.264."""
    random = np.random.default_rng(seed)
    width = height * 16 // 9
    texture = np.kron(random.integers(30, 220, (height // 8 + 20, width // 8 + 20)), np.ones((8, 8))).astype(np.uint8)
    noise = random.integers(0, 8, (height, width), dtype=np.uint8)
    with av.open(str(path), "w") as container:
        stream = container.add_stream("libx264", rate=RATE, options={"preset": "veryfast", "b": "4M"})
        stream.width, stream.height, stream.pix_fmt = width, height, "yuv420p"
        for number in range(RATE * WINDOW_S):
            luma = texture[number % 80 :, number % 90 :][:height, :width] + noise
            planes = np.full((height * 3 // 2, width), 128, np.uint8)
            planes[:height] = luma
            container.mux(stream.encode(av.VideoFrame.from_ndarray(planes, "yuv420p")))
        container.mux(stream.encode())
    return path
