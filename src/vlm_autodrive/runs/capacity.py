"""Capacity on paper: what a number of hours of video takes, computed from named inputs. Nothing is run or read.

The time of a resource is its work divided by its rate. All are used at the same time, so what takes longest by itself
is the bottleneck. Work is counted in hours of one unit: core hours, GPU hours, hours at one gigabit per second, hours
at one request per second.
"""

import math
from collections.abc import Mapping
from typing import Annotated

from pydantic import Field

from vlm_autodrive.detection import DetectSettings
from vlm_autodrive.engines import PriceSettings, TokenUsage, money_for
from vlm_autodrive.records import Record
from vlm_autodrive.settings import Settings
from vlm_autodrive.video import SamplingSettings, target_frame_count

Positive = Annotated[float, Field(gt=0, allow_inf_nan=False)]
NotNegative = Annotated[float, Field(ge=0, allow_inf_nan=False)]

_HOUR_S = 3600
_DETECT = DetectSettings()
_DRY_RUN = "estimated by supervise --dry-run teacher=served context.frames=8, clips of recipe smoke"

SOURCES = {
    "days": "a week",
    "video_mbit_per_s": "assumed: 720p30 H.264, the bitrate of docs/benchmarks.md",
    "decode_core_s": "measured: docs/benchmarks.md, Searching long video, all but the model",
    "window_s": "default of detect",
    "stride_s": "default of detect",
    "gpu_tokens_per_s": (
        "published: NVIDIA, TensorRT-LLM 1.0, Performance Overview: Llama 3.1 8B in FP8, one H100, 2,048 tokens in and "
        "128 out: 3,450 tokens out a second, so 27 requests or 55,200 tokens in"
    ),
    "gpu_efficiency": "assumed: half for BF16 in place of FP8, half again for the vision tower and waiting",
    "clips_per_hour": "assumed: how many clips are cut, cached and supervised",
    "window_record_bytes": "measured: events.json of detect, drive-1.mp4 of the package",
    "clip_record_bytes": "measured: clips and samples by rules, recipe smoke",
    "teacher_requests": _DRY_RUN,
    "teacher_prompt_tokens": _DRY_RUN,
    "teacher_completion_tokens": _DRY_RUN + "; the limit served.max_tokens of each",
}
"""Where the default of each input comes from; an input that is missing here has none, or is counted."""


class CapacityInputs(Settings):
    """What capacity is computed from.

    Attributes:
        hours: Hours of video.
        days: Days within which the work is to be done.
        cores: CPU cores at hand; None if that is open.
        gpus: GPUs at hand; None if that is open.
        network_gbit_per_s: Rate at which video can be read, in gigabits per second; None if that is open.
        teacher_requests_per_s: Rate limit of the teacher's endpoint; None if that is open.
        model: The model, whose configuration decides the tokens of a window.
        sampling: How frames are sampled from a window.
        video_mbit_per_s: Bitrate of the video in megabits per second.
        decode_core_s: Seconds of one core to decode an hour of video and prepare its frames.
        window_s: Length of a window, and of a clip, in seconds.
        stride_s: Seconds between the starts of two windows.
        window_tokens: Tokens that the model reads for a window; None to have them counted for ``model``.
        gpu_tokens_per_s: Tokens that a GPU reads in a second.
        gpu_efficiency: Fraction of that rate that is expected here.
        clips_per_hour: Clips cut for training from an hour of video, each cached and supervised.
        window_record_bytes: Bytes of the records of a searched window.
        clip_record_bytes: Bytes of the records of a clip and its SFT samples.
        teacher_requests: Requests to the teacher for a clip.
        teacher_prompt_tokens: Tokens that the teacher reads for a clip.
        teacher_completion_tokens: Tokens that it writes for a clip.
        price: Prices of the teacher.
    """

    hours: Positive
    days: Positive = 7.0
    cores: Positive | None = None
    gpus: Positive | None = None
    network_gbit_per_s: Positive | None = None
    teacher_requests_per_s: Positive | None = None
    model: str = "nvidia/Cosmos-Reason1-7B"
    sampling: SamplingSettings = SamplingSettings()
    video_mbit_per_s: Positive = 4.0
    decode_core_s: Positive = 670.0
    window_s: Positive = _DETECT.window_s
    stride_s: Positive = _DETECT.stride_s
    window_tokens: Positive | None = None
    gpu_tokens_per_s: Positive = 55_200.0
    gpu_efficiency: Annotated[float, Field(gt=0, le=1, allow_inf_nan=False)] = 0.25
    clips_per_hour: NotNegative = 6.0
    window_record_bytes: NotNegative = 240.0
    clip_record_bytes: NotNegative = 30_000.0
    teacher_requests: NotNegative = 3.0
    teacher_prompt_tokens: NotNegative = 6_044.0
    teacher_completion_tokens: NotNegative = 3_600.0
    price: PriceSettings = PriceSettings()


class Work(Record):
    """What one resource has to do.

    Attributes:
        resource: What is used.
        unit_hours: Hours that one unit of it would take.
        available: Units at hand; None if that is open.
        hours: Hours that those take; None if that is open.
        needed: Units with which it is done in the wished days.
    """

    resource: str
    unit_hours: float
    available: float | None
    hours: float | None
    needed: float

    @property
    def whole_units(self) -> int:
        """Whole cores or GPUs that suffice."""
        return math.ceil(self.needed)


class Storage(Record):
    """Bytes to keep.

    Attributes:
        video: The source video.
        frame_cache: Decoded frames of the clips.
        records: Records of the searched windows, the clips and their samples.
    """

    video: float
    frame_cache: float
    records: float


class Capacity(Record):
    """What hours of video take; all of it is computed.

    Attributes:
        inputs: What it was computed from.
        sources: Where each input comes from.
        windows: Windows that the model reads.
        tokens: Tokens that it reads.
        clips: Clips that are cut.
        work: What each resource has to do: ``cores``, ``gpus``, ``network`` and ``teacher``.
        storage: What is kept.
        prompt_tokens: Tokens that the teacher reads.
        completion_tokens: Tokens that it writes.
        money: Price of the teacher, in the currency of the prices.
        hours: Hours that all of it takes with the units at hand; None if all of them are open.
        bottleneck: The resource that takes longest, of those at hand; None likewise.
        cores_per_gpu: Cores that keep one GPU busy: with fewer of them beside each GPU, decoding is the bottleneck.
    """

    inputs: CapacityInputs
    sources: dict[str, str]
    windows: float
    tokens: float
    clips: float
    work: tuple[Work, ...]
    storage: Storage
    prompt_tokens: int
    completion_tokens: int
    money: float
    hours: float | None
    bottleneck: str | None
    cores_per_gpu: float


def compute_capacity(inputs: CapacityInputs, sources: Mapping[str, str] = SOURCES) -> Capacity:
    """What hours of video take.

    Args:
        inputs: What to compute it from, with the tokens of a window.
        sources: Where each input comes from.
    """
    windows = inputs.hours * _HOUR_S / inputs.stride_s
    clips = inputs.hours * inputs.clips_per_hour
    work = all_work(inputs)
    timed = [each for each in work if each.hours is not None]
    slowest = max(timed, key=lambda each: each.hours or 0.0) if timed else None
    tokens = TokenUsage(
        math.ceil(clips * inputs.teacher_prompt_tokens), math.ceil(clips * inputs.teacher_completion_tokens)
    )
    cores, gpus = work[0].unit_hours, work[1].unit_hours
    return Capacity(
        inputs=inputs,
        sources=dict(sources),
        windows=windows,
        tokens=windows * _window_tokens(inputs),
        clips=clips,
        work=work,
        storage=storage(inputs),
        prompt_tokens=tokens.prompt_tokens,
        completion_tokens=tokens.completion_tokens,
        money=money_for(tokens, inputs.price),
        hours=None if slowest is None else slowest.hours,
        bottleneck=None if slowest is None else slowest.resource,
        cores_per_gpu=cores / gpus,
    )


def all_work(inputs: CapacityInputs) -> tuple[Work, ...]:
    """The work of cores, GPUs, network and teacher, in this order."""
    rate = inputs.gpu_tokens_per_s * inputs.gpu_efficiency
    requests = inputs.hours * inputs.clips_per_hour * inputs.teacher_requests
    return (
        _work("cores", inputs.hours * inputs.decode_core_s / _HOUR_S, inputs.cores, inputs.days),
        _work("gpus", inputs.hours * _window_tokens(inputs) / inputs.stride_s / rate, inputs.gpus, inputs.days),
        _work("network", inputs.hours * inputs.video_mbit_per_s / 1000, inputs.network_gbit_per_s, inputs.days),
        _work("teacher", requests / _HOUR_S, inputs.teacher_requests_per_s, inputs.days),
    )


def storage(inputs: CapacityInputs) -> Storage:
    """Bytes to keep: video, cached frames (one byte a colour, uncompressed), and records."""
    sampling, clips = inputs.sampling, inputs.hours * inputs.clips_per_hour
    frames = target_frame_count(inputs.window_s, sampling)
    windows = inputs.hours * _HOUR_S / inputs.stride_s
    return Storage(
        video=inputs.hours * _HOUR_S * inputs.video_mbit_per_s * 1e6 / 8,
        frame_cache=clips * frames * sampling.height * sampling.width * 3,
        records=windows * inputs.window_record_bytes + clips * inputs.clip_record_bytes,
    )


def _work(resource: str, unit_hours: float, available: float | None, days: float) -> Work:
    hours = None if available is None else unit_hours / available
    return Work(
        resource=resource, unit_hours=unit_hours, available=available, hours=hours, needed=unit_hours / (24 * days)
    )


def _window_tokens(inputs: CapacityInputs) -> float:
    if inputs.window_tokens is None:
        raise ValueError("the tokens of a window must be counted first")
    return inputs.window_tokens
