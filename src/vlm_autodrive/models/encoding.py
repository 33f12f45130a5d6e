"""From frames and words to the tensors a model eats; the one way, in training as in inference.

A conversation is cut in two behind its last video token: the *prefix* (system prompt and video), the
same for every question about a clip, and the *item* (question and answer). The cut stands behind a
special token, which no tokenizer merges with its neighbours, so prefix and item can be tokenised
apart and give the very tokens of the whole.
"""

from dataclasses import dataclass
from functools import lru_cache

import numpy as np
import torch
from numpy.typing import NDArray

from vlm_autodrive.errors import UserError
from vlm_autodrive.models.loading import LoadedModel
from vlm_autodrive.models.patches import Patcher
from vlm_autodrive.models.prompts import SYSTEM_PROMPT

_MILLISECONDS_PER_SECOND = 1000
_VIDEO = "<|vision_start|><|video_pad|><|vision_end|>"
_QUESTION = "\N{WHITE SQUARE}question\N{WHITE SQUARE}"


@dataclass(frozen=True)
class Prefix:
    """Tokens of system prompt and video.

    Attributes:
        input_ids: Shape [tokens].
        position_ids: Temporal, height and width position of each token, shape [3, tokens].
        next_position: Where the first token of every item stands, in all three.
        grid_thw: Grid of the video's patches: pairs of frames, rows, columns.
        token_types: 2 for video tokens, 0 for text, shape [tokens].
    """

    input_ids: torch.Tensor
    position_ids: torch.Tensor
    next_position: int
    grid_thw: tuple[int, int, int]
    token_types: torch.Tensor


class Encoder:
    """Turns frames and words into tensors for one model."""

    def __init__(self, loaded: LoadedModel) -> None:
        self._processor = loaded.processor
        self._tokenizer = loaded.processor.tokenizer
        self._video_processor = loaded.processor.video_processor
        self._patcher = Patcher(loaded.processor.video_processor)
        self._text_timestamps = loaded.family.text_timestamps
        self._rope_index = loaded.model.model.get_rope_index
        head, tail = self._template()
        self._head = head
        self._before_question, self._before_answer = tail
        self.end_of_turn_id: int = self._tokenizer.convert_tokens_to_ids("<|im_end|>")
        self.pad_id: int = self._tokenizer.pad_token_id
        self.prefix = lru_cache(maxsize=4096)(self._prefix)
        self._tokens = lru_cache(maxsize=1 << 16)(self._tokenize)  # a data set asks the same things again and again

    def check_size(self, height: int, width: int, token_pixels: int | None = None) -> None:
        """Refuse frames of a size that the model cannot cut into whole patches.

        Args:
            height: Pixels of a frame.
            width: Likewise.
            token_pixels: Side of a token's square by which a token budget was reckoned, if one was.

        Raises:
            UserError: Naming the nearest size that it can, or the side that its tokens have.
        """
        grid: int = self._video_processor.patch_size * self._video_processor.merge_size
        if token_pixels is not None and token_pixels != grid:
            raise UserError(
                f"this model makes a token of {grid} x {grid} pixels; set sampling.token_pixels={grid}, "
                f"and not {token_pixels}."
            )
        if height % grid or width % grid:
            near = [max(1, round(size / grid)) * grid for size in (height, width)]
            raise UserError(
                f"this model takes frames whose height and width are multiples of {grid}, and not {height} x {width}; "
                f"set sampling.height={near[0]} and sampling.width={near[1]}."
            )

    def _template(self) -> tuple[str, tuple[str, str]]:
        messages = [
            {"role": "system", "content": [{"type": "text", "text": SYSTEM_PROMPT}]},
            {"role": "user", "content": [{"type": "video"}, {"type": "text", "text": _QUESTION}]},
        ]
        text: str = self._processor.apply_chat_template(messages, tokenize=False, add_generation_prompt=True)
        head, rest = text.split(_VIDEO)
        before, after = rest.split(_QUESTION)
        # Where the processor writes each pair of frames with its own time and its own start and end,
        # a second start and end around them all would be tokens that the model never saw in training.
        return head + ("<|video_pad|>" if self._text_timestamps else _VIDEO), (before, after)

    def _prefix(self, times_s: tuple[float, ...], height: int, width: int) -> Prefix:
        """The prefix for frames of ``height`` x ``width`` at these times; depends on nothing else."""
        self.check_size(height, width)
        blank = torch.zeros(len(times_s), 3, height, width, dtype=torch.uint8)
        indices = [round(time * _MILLISECONDS_PER_SECOND) for time in times_s]
        metadata = {
            "total_num_frames": indices[-1] + 1,
            "fps": float(_MILLISECONDS_PER_SECOND),
            "frames_indices": indices,
            "height": height,
            "width": width,
        }
        encoded = self._processor(
            text=[self._head],
            videos=[blank],
            video_metadata=[metadata],
            do_sample_frames=False,
            do_resize=False,
            return_tensors="pt",
        )
        input_ids = encoded["input_ids"][0]
        types = encoded["mm_token_type_ids"][0]
        grid = encoded["video_grid_thw"]
        extra = {}
        if not self._text_timestamps:
            interval = (times_s[-1] - times_s[0]) / max(len(times_s) - 1, 1)
            extra["second_per_grid_ts"] = torch.tensor([interval * self._video_processor.temporal_patch_size])
        # One text token more than the prefix: its position is where every item begins.
        ids = torch.cat([input_ids, input_ids.new_zeros(1)])[None]
        kinds = torch.cat([types, types.new_zeros(1)])[None]
        positions, _ = self._rope_index(input_ids=ids, mm_token_type_ids=kinds, video_grid_thw=grid, **extra)
        rows, columns, pairs = int(grid[0, 1]), int(grid[0, 2]), int(grid[0, 0])
        return Prefix(
            input_ids=input_ids,
            position_ids=positions[:, 0, :-1],
            next_position=int(positions[0, 0, -1]),
            grid_thw=(pairs, rows, columns),
            token_types=types,
        )

    def pixel_values(self, pixels: NDArray[np.uint8]) -> torch.Tensor:
        """Normalised patches of a clip's frames.

        Args:
            pixels: Shape [frames, height, width, 3].

        Returns:
            Shape [patches, values of a patch].
        """
        return self._patcher.patches(pixels)

    def question(self, prompt: str) -> list[int]:
        """Tokens from behind the video to where the answer begins."""
        return list(self._tokens(self._before_question + prompt + self._before_answer))

    def target(self, text: str) -> list[int]:
        """Tokens of an answer with the end of the turn."""
        return [*self._tokens(text), self.end_of_turn_id]

    def target_spans(self, text: str) -> list[tuple[int, int]]:
        """Where in ``text`` each token of :meth:`target` stands: first and last character, the last excluded."""
        spans = self._tokenizer(text, add_special_tokens=False, return_offsets_mapping=True)["offset_mapping"]
        return [*spans, (len(text), len(text))]

    def _tokenize(self, text: str) -> tuple[int, ...]:
        return tuple(self._tokenizer(text, add_special_tokens=False)["input_ids"])

    def code_ids(self, codes: tuple[str, ...]) -> list[int]:
        """The token of each verdict code.

        Raises:
            ValueError: If a code is not a single token, or two codes share one.
        """
        tokens = [self.target(code)[:-1] for code in codes]
        if any(len(token) != 1 for token in tokens) or len({token[0] for token in tokens}) != len(codes):
            raise ValueError(f"the verdict codes {', '.join(codes)} are not one token each; choose other codes")
        return [token[0] for token in tokens]

    def decode(self, ids: list[int]) -> str:
        """The text of generated tokens, without special ones."""
        text: str = self._tokenizer.decode(ids, skip_special_tokens=True)
        return text
