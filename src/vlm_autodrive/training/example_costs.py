"""What an example costs to compute, by which a step is shared out among processes.

Every process computes the same costs from the clips and samples alone, without decoding a frame, so all agree on who
takes what without a word to each other, and a resumed run shares out alike.
"""

from collections.abc import Sequence
from functools import cache
from typing import Any

from vlm_autodrive.models import Encoder, LoadedModel, begins_with_thoughts
from vlm_autodrive.training.modules import module_of
from vlm_autodrive.training.packing import Packing
from vlm_autodrive.training.sampler import TrainExample
from vlm_autodrive.training.settings import TrainSettings
from vlm_autodrive.video import SamplingSettings, target_frame_count


class ExampleCosts:
    """Floating-point operations of an example, forward and backward, in about.

    A product of matrices costs two operations for each weight and token, and attention four for each pair of tokens,
    layer and unit of width: pairs grow with the square of the length. A frozen vision tower is computed forward only.
    The projector is small and left out.

    Args:
        model: What is trained: the loaded model or peft's wrapper of it.
        loaded: The model as it was loaded.
        encoder: Its encoder.
        packing: How its sequences are made.
        settings: How it is trained.
    """

    def __init__(
        self, model: Any, loaded: LoadedModel, encoder: Encoder, packing: Packing, settings: TrainSettings
    ) -> None:
        self._encoder, self._packing, self._settings = encoder, packing, settings
        self._sampling: SamplingSettings = settings.sampling or loaded.card.sampling
        text, vision = loaded.model.config.get_text_config(), loaded.model.config.vision_config
        seen, read = (_Matrices(model, loaded, module, settings) for module in ("vision", "language"))
        head_size = getattr(text, "head_dim", None) or text.hidden_size // text.num_attention_heads
        self._token: int = 2 * read.weights * read.passes
        self._pair: int = 4 * head_size * text.num_attention_heads * text.num_hidden_layers * read.passes
        self._logit: int = 2 * loaded.model.get_output_embeddings().weight.numel() * read.passes
        self._patch: int = 2 * seen.weights * seen.passes
        self._patch_pair: int = 4 * vision.hidden_size * vision.num_hidden_layers * seen.passes
        self._prefix = cache(self._measured_prefix)

    def __call__(self, example: TrainExample) -> int:
        """The cost of one example."""
        prefix, patches, frame_patches = self._prefix(target_frame_count(example.clip.duration_s, self._sampling))
        lengths = [self._lengths(example, number) for number in range(len(example.samples))]
        groups: Sequence[list[tuple[int, int]]] = [lengths] if self._packing.share else [[each] for each in lengths]
        seen = patches * (self._patch + frame_patches * self._patch_pair)
        return sum(seen + self._read(prefix, group) for group in groups)

    def _read(self, prefix: int, samples: Sequence[tuple[int, int]]) -> int:
        """The cost of a sequence in the language model."""
        tokens = prefix + sum(length for length, _ in samples)
        pairs = tokens**2 if self._packing.attention == "dense" else tokens**2 // 2  # a dense mask skips nothing
        logits = sum(target for _, target in samples)
        return tokens * self._token + pairs * self._pair + logits * self._logit

    def _lengths(self, example: TrainExample, number: int) -> tuple[int, int]:
        """Tokens of a sample, and those of its answer."""
        sample = example.samples[number]
        target = sample.target if sample.mirror_target is None or not example.mirrored else sample.mirror_target
        answer = len(self._encoder.target(target))
        question = self._encoder.question(sample.prompt.text, thinking=begins_with_thoughts(target))
        return len(question) + answer, answer

    def _measured_prefix(self, frames: int) -> tuple[int, int, int]:
        """Tokens of a clip's prefix, its patches, and those of one step of time."""
        times_s = tuple(number / self._sampling.fps for number in range(frames))
        prefix = self._encoder.prefix(times_s, self._sampling.height, self._sampling.width)
        steps, rows, columns = prefix.grid_thw
        return len(prefix.input_ids), steps * rows * columns, rows * columns


class _Matrices:
    """The matrices of a module, and how often a step goes through each.

    Embeddings are looked up rather than multiplied, and the head is counted by supervised tokens.
    """

    def __init__(self, model: Any, loaded: LoadedModel, module: str, settings: TrainSettings) -> None:
        parameters = [
            parameter
            for name, parameter in model.named_parameters()
            if module_of(name, loaded.family) == module
            and parameter.ndim > 1
            and "embed" not in name
            and "lm_head" not in name
        ]
        self.weights = sum(parameter.numel() for parameter in parameters)
        trained = sum(parameter.numel() for parameter in parameters if parameter.requires_grad)
        # Forward; then, if anything is trained, back to the inputs, back to the weights if these are trained and not
        # adapters beside them, and forward once more if activations are recomputed.
        self.passes = 1 + (1 + (2 * trained > self.weights) + settings.gradient_checkpointing if trained else 0)
