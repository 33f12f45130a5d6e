"""Token counts of a clip and its samples: exact by the model's processor, or estimated without one."""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Protocol

from vlm_autodrive.errors import UserError
from vlm_autodrive.models import SYSTEM_PROMPT, Encoder, Family, LoadedModel, load_meta_model, verdict_prompt
from vlm_autodrive.records import DEFAULT_TAXONOMY, SFTSample
from vlm_autodrive.training.packing import sample_tokens
from vlm_autodrive.training.sampler import TrainExample
from vlm_autodrive.training.settings import ALWAYS_INCLUDED, TrainSettings
from vlm_autodrive.video import TEMPORAL_PATCH_SIZE, SamplingSettings, target_frame_count

CHARACTERS_PER_TOKEN = 3.5
"""English of this kind has about 4.5 with the Qwen tokenizers, but each digit is a token; so this counts too many."""
_CHAT_TOKENS = 16  # the marks of the turns, their roles and line ends, of a prefix and of a sample alike
_MARKS = 2  # around a video, or around each pair of frames where times are written
_TIME_TOKENS = 7  # of "<12.3 seconds>"


@dataclass(frozen=True)
class SampleLength:
    """Tokens of a sample.

    Attributes:
        tokens: Of question and answer.
        supervised: Of the answer.
    """

    tokens: int
    supervised: int


@dataclass(frozen=True)
class PrefixLength:
    """Tokens of a prefix.

    Attributes:
        tokens: All of them.
        video: Those that stand for pixels.
    """

    tokens: int
    video: int


@dataclass(frozen=True)
class WindowTokens:
    """Tokens that a model reads to judge a window.

    Attributes:
        tokens: All of them: system prompt, video, and the question for the direct verdict.
        video: Those that stand for pixels.
        exact: Whether words were counted by the model's own tokenizer, or estimated; those of video are exact.
        weights: Weights of the model.
    """

    tokens: int
    video: int
    exact: bool
    weights: int


class TokenCounter(Protocol):
    """Counts the tokens of one model."""

    is_exact: bool

    def prefix(self, times_s: tuple[float, ...], height: int, width: int) -> PrefixLength:
        """Tokens of system prompt and video, for frames of ``height`` x ``width`` at these times."""

    def question(self, text: str) -> int:
        """Tokens of a question behind the prefix, up to where the answer begins."""

    def samples(self, example: TrainExample) -> list[SampleLength]:
        """Tokens of an example's samples."""


def token_side(config: Any) -> int:
    """Side in pixels of the square that becomes a token, by a model's configuration."""
    patch = config.vision_config.patch_size
    side: int = patch if isinstance(patch, int) else patch[0]
    return side * merge_side(config)


def merge_side(config: Any) -> int:
    """How many patches make a side of that square."""
    merged: int = getattr(config.vision_config, "spatial_merge_size", 0)
    return merged or round(1 / config.downsample_ratio)


def takes_any_size(family: Family) -> bool:
    """Whether a family cuts frames of any size into patches, rather than squeeze them to one size."""
    return family.video == "qwen"


def make_token_counter(loaded: LoadedModel, sampling: SamplingSettings, settings: TrainSettings) -> TokenCounter:
    """An exact counter where the model's processor is at hand, else an estimating one.

    Raises:
        UserError: If the model cannot take frames of this size, or nothing can be estimated for its family.
    """
    if loaded.processor is not None:
        encoder = Encoder(loaded)
        encoder.check_size(sampling.height, sampling.width, sampling.token_pixels)
        return _ExactCounter(encoder, loaded.model.config, settings)
    if not takes_any_size(loaded.family):
        raise UserError(
            f"the processor of {settings.model} is not on this machine, and without it the tokens of a "
            f"{loaded.family.known_as} cannot be counted; give a folder with processor_config.json and tokenizer.json."
        )
    side = token_side(loaded.model.config)
    if sampling.token_pixels not in (None, side):
        raise UserError(
            f"this model makes a token of {side} x {side} pixels; set sampling.token_pixels={side}, and not "
            f"{sampling.token_pixels}."
        )
    if sampling.height % side or sampling.width % side:
        near = [max(1, round(size / side)) * side for size in (sampling.height, sampling.width)]
        raise UserError(
            f"this model takes frames whose height and width are multiples of {side}, and not {sampling.height} x "
            f"{sampling.width}; set sampling.height={near[0]} and sampling.width={near[1]} "
            "(train.sampling.height and train.sampling.width in a recipe and of `run`)."
        )
    return _EstimatedCounter(side, writes_times=loaded.family.text_timestamps)


def check_frame_size(settings: TrainSettings) -> None:
    """Refuse frames of a size that the model cannot take, by its configuration alone.

    Raises:
        UserError: If the settings name such a size.
    """
    if settings.sampling is not None:
        make_token_counter(load_meta_model(settings.model), settings.sampling, settings)


def count_window(model: str, window_s: float, sampling: SamplingSettings) -> WindowTokens:
    """Count the tokens that a model reads to judge a window, without its weights.

    Args:
        model: A model, a folder or a hub name; its configuration is enough.
        window_s: Length of the window in seconds.
        sampling: How frames are sampled.

    Raises:
        UserError: If the configuration cannot be read, or the model cannot take frames of this size.
    """
    loaded = load_meta_model(model)
    counter = make_token_counter(loaded, sampling, TrainSettings(model=model))
    frames = target_frame_count(window_s, sampling)
    prefix = counter.prefix(tuple(i * window_s / frames for i in range(frames)), sampling.height, sampling.width)
    question = counter.question(verdict_prompt(DEFAULT_TAXONOMY).text)
    weights = sum(parameter.numel() for parameter in loaded.model.parameters())
    return WindowTokens(prefix.tokens + question, prefix.video, counter.is_exact, weights)


class _ExactCounter:
    is_exact = True

    def __init__(self, encoder: Encoder, config: Any, settings: TrainSettings) -> None:
        self._encoder, self._settings = encoder, settings
        self._video_ids = [getattr(config, name, -1) for name in ("video_token_id", "image_token_id")]

    def prefix(self, times_s: tuple[float, ...], height: int, width: int) -> PrefixLength:
        ids = self._encoder.prefix(times_s, height, width).input_ids
        return PrefixLength(len(ids), int(sum((ids == video).sum() for video in self._video_ids)))

    def question(self, text: str) -> int:
        return len(self._encoder.question(text))

    def samples(self, example: TrainExample) -> list[SampleLength]:
        tokens = sample_tokens(self._encoder, example, self._settings)
        return [SampleLength(len(sample.question) + len(sample.target), len(sample.target)) for sample in tokens]


class _EstimatedCounter:
    """Video tokens by the patches, which is exact; words by their characters, which is not."""

    is_exact = False

    def __init__(self, side: int, *, writes_times: bool) -> None:
        self._side, self._writes_times = side, writes_times

    def prefix(self, times_s: tuple[float, ...], height: int, width: int) -> PrefixLength:
        pairs = math.ceil(len(times_s) / TEMPORAL_PATCH_SIZE)
        video = pairs * (height // self._side) * (width // self._side)
        marks = pairs * (_MARKS + _TIME_TOKENS) if self._writes_times else _MARKS
        return PrefixLength(video + marks + _words(SYSTEM_PROMPT) + _CHAT_TOKENS, video)

    def question(self, text: str) -> int:
        return _words(text) + _CHAT_TOKENS

    def samples(self, example: TrainExample) -> list[SampleLength]:
        return [self._item(sample, mirrored=example.mirrored) for sample in example.samples]

    def _item(self, sample: SFTSample, *, mirrored: bool) -> SampleLength:
        target = sample.mirror_target if mirrored and sample.mirror_target is not None else sample.target
        supervised = _words(target) + 1
        return SampleLength(self.question(sample.prompt.text) + supervised, supervised)


def _words(text: str) -> int:
    return math.ceil(len(text) / CHARACTERS_PER_TOKEN)


def drawn_longest_first(
    samples: Sequence[SFTSample], lengths: Sequence[SampleLength], settings: TrainSettings
) -> list[int]:
    """Places of the samples that may be drawn, the longest first."""
    drawn = [
        place
        for place, sample in enumerate(samples)
        if sample.type not in ALWAYS_INCLUDED and settings.sampling_weights.get(sample.type, 1.0) > 0
    ]
    return sorted(drawn, key=lambda place: -lengths[place].tokens)
