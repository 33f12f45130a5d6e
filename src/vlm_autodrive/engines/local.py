"""The local engine: a transformers model in this process."""

import copy
from collections import defaultdict
from collections.abc import Sequence

import torch
from transformers import DynamicCache

from vlm_autodrive.engines.protocol import InferenceRequest, InferenceResponse
from vlm_autodrive.models import Encoder, LoadedModel, Prefix, forward_positions, load_model, model_key
from vlm_autodrive.records import Outcome
from vlm_autodrive.video import Frames, SamplingSettings

__all__ = ["LocalEngine", "load_engine", "model_key"]


def load_engine(model: str, device: torch.device | None = None) -> "LocalEngine":
    """Load ``tiny-base``, a checkpoint folder or a hub model for inference.

    Raises:
        UserError: If it cannot be loaded.
    """
    return LocalEngine(load_model(model, device))


class LocalEngine:
    """Inference with a local model that encodes each clip's frames once, for all its requests.

    Frames, tokens and positions come from the same encoder as in training, so that the model sees
    just what it was trained on.
    """

    def __init__(self, loaded: LoadedModel) -> None:
        self._loaded = loaded
        self._encoder = Encoder(loaded)

    @property
    def name(self) -> str:
        """The model's name in records."""
        return self._loaded.card.name

    @property
    def sampling(self) -> SamplingSettings:
        """How this model was trained to see frames."""
        return self._loaded.card.sampling

    @torch.inference_mode()
    def generate(self, clips: Sequence[Frames], requests: Sequence[InferenceRequest]) -> list[list[InferenceResponse]]:
        """Respond to every request about every clip; see :class:`vlm_autodrive.engines.protocol.Engine`."""
        responses: list[list[InferenceResponse]] = [[] for _ in clips]
        groups: dict[tuple[int, tuple[int, int, int]], list[int]] = defaultdict(list)
        prefixes = []
        for index, frames in enumerate(clips):
            prefix = self._encoder.prefix(frames.times_s, *frames.pixels.shape[1:3])
            prefixes.append(prefix)
            groups[len(prefix.input_ids), prefix.grid_thw].append(index)  # a batch needs no padding then
        for group in groups.values():
            for responses_to_request in self._generate_group(clips, prefixes, group, requests):
                for index, response in zip(group, responses_to_request, strict=True):
                    responses[index].append(response)
        return responses

    def _generate_group(
        self,
        clips: Sequence[Frames],
        prefixes: Sequence[Prefix],
        group: Sequence[int],
        requests: Sequence[InferenceRequest],
    ) -> list[list[InferenceResponse]]:
        """Responses to each request, of clips whose prefixes have one length; in halves where memory is too small."""
        try:
            return self._generate_batch(clips, prefixes, group, requests)
        except torch.OutOfMemoryError:
            pass  # what it held is free behind this block only
        if len(group) == 1:
            failed = InferenceResponse(
                Outcome.ERROR, "", reason="out of memory with this clip alone; give the model fewer frames"
            )
            return [[failed] for _ in requests]
        middle = len(group) // 2
        halves = [self._generate_group(clips, prefixes, half, requests) for half in (group[:middle], group[middle:])]
        return [first + second for first, second in zip(*halves, strict=True)]

    def _generate_batch(
        self,
        clips: Sequence[Frames],
        prefixes: Sequence[Prefix],
        group: Sequence[int],
        requests: Sequence[InferenceRequest],
    ) -> list[list[InferenceResponse]]:
        device, model = self._loaded.device, self._loaded.model
        cache = DynamicCache(config=model.config)
        first = prefixes[group[0]]
        positions = torch.stack([prefixes[i].position_ids for i in group], dim=1)  # [axes, clips, tokens]
        seen = first.grid_thw[0] > 0
        vision = {}
        if seen:
            pixels = torch.cat([self._encoder.pixel_values(clips[i].pixels) for i in group])
            vision = self._encoder.vision_inputs(pixels, torch.tensor([prefixes[i].grid_thw for i in group]))
        model.model(
            input_ids=torch.stack([prefixes[i].input_ids for i in group]).to(device),
            position_ids=forward_positions(positions).to(device),
            **{name: value.to(device) for name, value in vision.items()},
            past_key_values=cache,
            use_cache=True,
        )
        responses = []
        for request in requests:
            # Multimodal RoPE: text behind a video has one position on all axes, and counts on from the video's largest.
            begins = torch.tensor([prefixes[i].next_position for i in group], device=device)
            begins = begins.expand(len(positions), -1)
            # A linear layer's state holds what it has read and cannot be shortened.
            used = copy.deepcopy(cache) if any(cache.is_linear) else cache
            tokens = torch.tensor(self._encoder.question(request.prompt, after_video=seen), device=device)
            responses.append(self._ask(used, request, tokens, begins))
            if used is cache:
                _shorten(cache, len(first.input_ids))
        return responses

    def _ask(
        self, cache: DynamicCache, request: InferenceRequest, tokens: torch.Tensor, positions: torch.Tensor
    ) -> list[InferenceResponse]:
        logits = self._step(cache, tokens.expand(positions.shape[1], -1), positions)
        if request.codes:
            codes = self._encoder.code_ids(request.codes)
            probabilities = logits[:, codes].float().softmax(dim=-1).tolist()
            return [
                InferenceResponse(
                    Outcome.OK, request.codes[row.index(max(row))], tuple(row), probability_source="code_logprobs"
                )
                for row in probabilities
            ]
        return self._decode(cache, logits, positions + len(tokens), request)

    def _decode(
        self, cache: DynamicCache, logits: torch.Tensor, positions: torch.Tensor, request: InferenceRequest
    ) -> list[InferenceResponse]:
        """Decoding of all clips side by side."""
        end, most = self._encoder.end_of_turn_id, request.max_new_tokens
        chance = torch.Generator().manual_seed(request.seed)
        clips = positions.shape[1]
        written: list[list[int]] = [[] for _ in range(clips)]
        ended = torch.zeros(clips, dtype=torch.bool, device=positions.device)
        for step in range(most):
            token = _next_token(logits, request.temperature, chance)
            ended |= token == end
            if bool(ended.all()):
                break
            for row, value, done in zip(written, token.tolist(), ended.tolist(), strict=True):
                if not done:
                    row.append(value)
            if step + 1 < most:
                logits = self._step(cache, token[:, None], positions + step)
        return [
            InferenceResponse(Outcome.OK, self._encoder.decode(row))
            if done
            else InferenceResponse(Outcome.TRUNCATED, self._encoder.decode(row), reason=f"no end within {most} tokens")
            for row, done in zip(written, ended.tolist(), strict=True)
        ]

    def _step(self, cache: DynamicCache, tokens: torch.Tensor, positions: torch.Tensor) -> torch.Tensor:
        """Logits behind the last of ``tokens`` [clips, new tokens], which begin at ``positions`` [axes, clips]."""
        places = positions[..., None] + torch.arange(tokens.shape[1], device=tokens.device)
        logits: torch.Tensor = self._loaded.model(
            input_ids=tokens,
            position_ids=forward_positions(places),
            past_key_values=cache,
            use_cache=True,
            logits_to_keep=1,
        ).logits[:, -1]
        return logits


def _next_token(logits: torch.Tensor, temperature: float, chance: torch.Generator) -> torch.Tensor:
    """The likeliest token of each clip, or one drawn; all clips share one draw, so that none depends on another."""
    if temperature == 0:
        return logits.argmax(dim=-1)
    shares = (logits.double() / temperature).softmax(dim=-1).cumsum(dim=-1)
    drawn = torch.rand(1, generator=chance, dtype=torch.float64).to(shares.device) * shares[:, -1:]
    return torch.searchsorted(shares, drawn, right=True)[:, 0].clamp(max=logits.shape[-1] - 1)


def _shorten(cache: DynamicCache, tokens: int) -> None:
    """Forget everything behind the first ``tokens``, so that the next request sees the prefix alone."""
    surplus = cache.get_seq_length() - tokens
    if surplus:
        cache.crop(-surplus)
