"""The local engine: a transformers model in this process."""

import copy
from collections import defaultdict
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from typing import Any

import torch
from transformers import DynamicCache

from vlm_autodrive.engines.overlap import WindowVision
from vlm_autodrive.engines.protocol import ENDED_WITHIN_THOUGHTS, InferenceRequest, InferenceResponse, SeenPatches
from vlm_autodrive.models import Encoder, LoadedModel, Prefix, forward_positions, load_model, model_key
from vlm_autodrive.records import Outcome
from vlm_autodrive.video import Frames, SamplingSettings

__all__ = ["LocalEngine", "load_engine", "model_key"]

VisionInputs = Callable[[Sequence[int], tuple[int, int, int]], dict[str, Any]]
"""Of some clips, by their places, and the grid that they all have: the arguments of ``forward`` that hold them."""


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
    def generate(
        self,
        clips: Sequence[Frames],
        requests: Sequence[InferenceRequest],
        own: Sequence[Sequence[InferenceRequest]] = (),
    ) -> list[list[InferenceResponse]]:
        """Respond to every request about every clip; see :class:`vlm_autodrive.engines.protocol.Engine`.

        A system prompt stands before the video, so each further one costs another forward pass over it.
        """

        def vision(group: Sequence[int], grid: tuple[int, int, int]) -> dict[str, Any]:
            pixels = torch.cat([self._encoder.pixel_values(clips[index].pixels) for index in group])
            inputs = self._encoder.vision_inputs(pixels, torch.tensor([grid] * len(group)))
            return {name: value.to(self._loaded.device) for name, value in inputs.items()}

        return self._generate(clips, requests, own, vision)

    @property
    def patch_frames(self) -> int:
        """Frames of a temporal patch, of which each is seen by itself."""
        return self._encoder.patch_frames

    @torch.inference_mode()
    def generate_windows(
        self,
        clips: Sequence[Frames],
        starts_s: Sequence[float],
        requests: Sequence[InferenceRequest],
        seen: SeenPatches,
    ) -> list[list[InferenceResponse]]:
        """Respond about overlapping windows; see :class:`vlm_autodrive.engines.protocol.OverlapEngine`."""
        if any(frames.timestamps_drawn for frames in clips):  # two windows' pictures of one moment differ
            return self.generate(clips, requests)
        vision = WindowVision(self._encoder, self._loaded.device, clips, starts_s, seen)
        responses = self._generate(clips, requests, (), vision.inputs)
        vision.forget()
        return responses

    def _generate(
        self,
        clips: Sequence[Frames],
        requests: Sequence[InferenceRequest],
        own: Sequence[Sequence[InferenceRequest]],
        vision: VisionInputs,
    ) -> list[list[InferenceResponse]]:
        asked = [[*requests, *also] for also in own or [()] * len(clips)]
        responses: list[dict[int, InferenceResponse]] = [{} for _ in clips]
        for system in dict.fromkeys(request.system for row in asked for request in row):
            places = [[place for place, request in enumerate(row) if request.system == system] for row in asked]
            shared = [request for request in requests if request.system == system]
            alone = [[row[place] for place in of[len(shared) :]] for row, of in zip(asked, places, strict=True)]
            rows = self._generate_with_system(clips, shared, alone, system, vision)
            for found, of, row in zip(responses, places, rows, strict=True):
                found.update(zip(of, row, strict=True))
        return [[found[place] for place in sorted(found)] for found in responses]

    def _generate_with_system(
        self,
        clips: Sequence[Frames],
        requests: Sequence[InferenceRequest],
        own: Sequence[Sequence[InferenceRequest]],
        system: str,
        vision: VisionInputs,
    ) -> list[list[InferenceResponse]]:
        responses: list[list[InferenceResponse]] = [[] for _ in clips]
        groups: dict[tuple[int, tuple[int, int, int]], list[int]] = defaultdict(list)
        prefixes = []
        for index, frames in enumerate(clips):
            prefix = self._encoder.frames_prefix(frames, system)
            prefixes.append(prefix)
            groups[len(prefix.input_ids), prefix.grid_thw].append(index)  # a batch needs no padding then
        for group in groups.values():
            rows = self._generate_group(vision, prefixes, group, requests, own)
            for index, row in zip(group, rows, strict=True):
                responses[index] = row
        return responses

    def _generate_group(
        self,
        vision: VisionInputs,
        prefixes: Sequence[Prefix],
        group: Sequence[int],
        requests: Sequence[InferenceRequest],
        own: Sequence[Sequence[InferenceRequest]],
    ) -> list[list[InferenceResponse]]:
        """Responses about each clip of a group with prefixes of one length; in halves where memory is too small."""
        try:
            return self._generate_batch(vision, prefixes, group, requests, own)
        except torch.OutOfMemoryError:
            pass  # what it held is free behind this block only
        if len(group) == 1:
            failed = InferenceResponse(
                Outcome.ERROR, "", reason="out of memory with this clip alone; give the model fewer frames"
            )
            return [[failed] * (len(requests) + len(own[group[0]]))]
        middle = len(group) // 2
        halves = (group[:middle], group[middle:])
        return [row for half in halves for row in self._generate_group(vision, prefixes, half, requests, own)]

    def _generate_batch(
        self,
        vision: VisionInputs,
        prefixes: Sequence[Prefix],
        group: Sequence[int],
        requests: Sequence[InferenceRequest],
        own: Sequence[Sequence[InferenceRequest]],
    ) -> list[list[InferenceResponse]]:
        device, model = self._loaded.device, self._loaded.model
        cache = DynamicCache(config=model.config)
        first = prefixes[group[0]]
        positions = torch.stack([prefixes[i].position_ids for i in group], dim=1)  # [axes, clips, tokens]
        seen = first.grid_thw[0] > 0
        model.model(
            input_ids=torch.stack([prefixes[i].input_ids for i in group]).to(device),
            position_ids=forward_positions(positions).to(device),
            **(vision(group, first.grid_thw) if seen else {}),
            past_key_values=cache,
            use_cache=True,
        )
        # Multimodal RoPE: text behind a video has one position on all axes, and counts on from the video's largest.
        begins = torch.tensor([prefixes[i].next_position for i in group], device=device).expand(len(positions), -1)
        responses: list[list[InferenceResponse]] = [[] for _ in group]
        for request in requests:
            question = self._encoder.question(request.prompt, thinking=request.thinking, after_video=seen)
            tokens = torch.tensor(question, device=device)
            with _extended(cache, len(first.input_ids)) as used:
                for row, response in zip(responses, self._ask(used, request, tokens, begins), strict=True):
                    row.append(response)
        for number in range(max(len(own[index]) for index in group)):
            asked = [own[index][number] if number < len(own[index]) else None for index in group]
            with _extended(cache, len(first.input_ids)) as used:
                for row, choice in zip(responses, self._choose(used, asked, begins, after_video=seen), strict=True):
                    row += [] if choice is None else [choice]
        return responses

    def _ask(
        self, cache: DynamicCache, request: InferenceRequest, tokens: torch.Tensor, positions: torch.Tensor
    ) -> list[InferenceResponse]:
        logits = self._step(cache, tokens.expand(positions.shape[1], -1), positions)
        if request.codes:
            return [self._chosen(row, request) for row in logits]
        return self._decode(cache, logits, positions + len(tokens), request)

    def _choose(
        self,
        cache: DynamicCache,
        requests: Sequence[InferenceRequest | None],
        positions: torch.Tensor,
        *,
        after_video: bool,
    ) -> list[InferenceResponse | None]:
        """A code for each clip's own request, all in one forward pass; None for a clip without one."""
        texts = [[] if r is None else self._encoder.question(r.prompt, after_video=after_video) for r in requests]
        longest = max(map(len, texts))
        # Padded on the right: attention is causal, so no real token sees the padding, and the cache is dropped behind.
        rows = [text + [self._encoder.pad_id] * (longest - len(text)) for text in texts]
        ends = sorted({len(text) - 1 for text in texts if text})
        logits = self._step(cache, torch.tensor(rows, device=positions.device), positions, ends)
        return [
            None if request is None else self._chosen(row[ends.index(len(text) - 1)], request)
            for row, text, request in zip(logits, texts, requests, strict=True)
        ]

    def _chosen(self, logits: torch.Tensor, request: InferenceRequest) -> InferenceResponse:
        """The likeliest of a request's codes, by the logits [vocabulary] at its place."""
        codes, logits = self._encoder.code_ids(request.codes), logits.float()
        probabilities = logits[codes].softmax(dim=-1).tolist()
        return InferenceResponse(
            Outcome.OK,
            request.codes[probabilities.index(max(probabilities))],
            tuple(probabilities),
            probability_source="code_logprobs",
            code_mass=min(1.0, float(logits.softmax(dim=-1)[codes].sum())),
        )

    def _decode(
        self, cache: DynamicCache, logits: torch.Tensor, positions: torch.Tensor, request: InferenceRequest
    ) -> list[InferenceResponse]:
        """Decoding of all clips side by side."""
        ends, most = torch.tensor(self._encoder.end_ids, device=positions.device), request.max_new_tokens
        chance = torch.Generator().manual_seed(request.seed)
        clips = positions.shape[1]
        written: list[list[int]] = [[] for _ in range(clips)]
        ended = torch.zeros(clips, dtype=torch.bool, device=positions.device)
        for step in range(most):
            token = _next_token(logits, request.temperature, chance)
            ended |= torch.isin(token, ends)
            if bool(ended.all()):
                break
            for row, value, done in zip(written, token.tolist(), ended.tolist(), strict=True):
                if not done:
                    row.append(value)
            if step + 1 < most:
                logits = self._step(cache, token[:, None], positions + step)
        return [
            self._written(self._encoder.decode(row), request, ended=done)
            for row, done in zip(written, ended.tolist(), strict=True)
        ]

    def _written(self, text: str, request: InferenceRequest, *, ended: bool) -> InferenceResponse:
        if not ended:
            return InferenceResponse(Outcome.TRUNCATED, text, reason=f"no end within {request.max_new_tokens} tokens")
        if request.thinking and self._encoder.template.is_within_thoughts(text):
            return InferenceResponse(Outcome.TRUNCATED, text, reason=ENDED_WITHIN_THOUGHTS)
        return InferenceResponse(Outcome.OK, text)

    def _step(
        self, cache: DynamicCache, tokens: torch.Tensor, positions: torch.Tensor, at: Sequence[int] | None = None
    ) -> torch.Tensor:
        """Logits behind the last of ``tokens`` [clips, new tokens], which begin at ``positions`` [axes, clips].

        With ``at``, those behind several of them instead, of shape [clips, places, vocabulary].
        """
        places = positions[..., None] + torch.arange(tokens.shape[1], device=tokens.device)
        logits: torch.Tensor = self._loaded.model(
            input_ids=tokens,
            position_ids=forward_positions(places),
            past_key_values=cache,
            use_cache=True,
            logits_to_keep=1 if at is None else torch.tensor(at, device=tokens.device),
        ).logits
        return logits[:, -1] if at is None else logits


def _next_token(logits: torch.Tensor, temperature: float, chance: torch.Generator) -> torch.Tensor:
    """The likeliest token of each clip, or one drawn; all clips share one draw, so that none depends on another."""
    if temperature == 0:
        return logits.argmax(dim=-1)
    shares = (logits.double() / temperature).softmax(dim=-1).cumsum(dim=-1)
    drawn = torch.rand(1, generator=chance, dtype=torch.float64).to(shares.device) * shares[:, -1:]
    return torch.searchsorted(shares, drawn, right=True)[:, 0].clamp(max=logits.shape[-1] - 1)


@contextmanager
def _extended(cache: DynamicCache, tokens: int) -> Iterator[DynamicCache]:
    """The cache for one request, after which only the first ``tokens`` are left: the next sees the prefix alone."""
    if any(cache.is_linear):
        yield copy.deepcopy(cache)  # a linear layer's state holds what it has read and cannot be shortened
        return
    yield cache
    surplus = cache.get_seq_length() - tokens
    if surplus:
        cache.crop(-surplus)
