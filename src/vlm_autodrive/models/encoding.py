"""From frames and words to the tensors a model eats; the one way, in training as in inference.

A conversation is cut in two behind its last video token: the *prefix* (system prompt and video), the
same for every question about a clip, and the *item* (question and answer). The cut stands behind a
special token, which no tokenizer merges with its neighbours, so prefix and item can be tokenised
apart and give the very tokens of the whole. A conversation without video, which shows what the words
alone tell a model, is cut behind the mark that opens the user's turn.
"""

from functools import lru_cache
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from vlm_autodrive.errors import UserError
from vlm_autodrive.models.chat_template import END_OF_TURN, ChatTemplate
from vlm_autodrive.models.families import video_format
from vlm_autodrive.models.generation import end_token_ids
from vlm_autodrive.models.loading import LoadedModel
from vlm_autodrive.models.prompts import SYSTEM_PROMPT
from vlm_autodrive.models.video_format import Prefix
from vlm_autodrive.video import Frames


class Encoder:
    """Turns frames and words into tensors for one model.

    Attributes:
        template: The model's chat template.
        end_of_turn_id: The token that ends each supervised answer.
        end_ids: All tokens that end a generated one.
        pad_id: The token that sequences are padded with.
        prefix: :class:`Prefix` by times, height, width and system prompt.
    """

    def __init__(self, loaded: LoadedModel) -> None:
        self._model = loaded.model
        self._processor = loaded.processor
        self._tokenizer = loaded.processor.tokenizer
        self._video = video_format(loaded.family, loaded.processor, loaded.model)
        self.template = ChatTemplate(loaded.processor)
        _, self._before_question = self._around_video("", SYSTEM_PROMPT)
        _, self._before_lone_question = self.template.around_user_mark(SYSTEM_PROMPT)
        self.end_of_turn_id: int = self._tokenizer.convert_tokens_to_ids(END_OF_TURN)
        self.end_ids = (self.end_of_turn_id, *end_token_ids(loaded.model))
        self.pad_id: int = self._tokenizer.pad_token_id
        self.prefix = lru_cache(maxsize=256)(self._prefix)  # clips of even frame rate share a few; others never recur
        self._tokens = lru_cache(maxsize=1 << 16)(self._tokenize)  # a data set has the same prompts again and again

    def nearest_size(self, height: int, width: int) -> tuple[int, int]:
        """The height and width of frames that the model can take and that are nearest to these."""
        return self._video.nearest_size(height, width)

    def check_size(self, height: int, width: int, token_pixels: int | None = None) -> None:
        """Refuse frames of a size that the model cannot cut into whole patches.

        Args:
            height: Pixels of a frame.
            width: Likewise.
            token_pixels: Side of a token's square by which a token budget was reckoned, if one was.

        Raises:
            UserError: Naming the nearest size that it can, or the side that its tokens have.
        """
        self._video.check_size(height, width, token_pixels)

    def _around_video(self, before_video: str, system: str) -> tuple[str, str]:
        """The rendered conversation up to the video, and from there to the question."""
        rendered, mark = self.template.until_question(self._video_parts(before_video), system), self._video.placeholder
        if mark not in rendered:  # the template of an export
            mark = self._video.processor_placeholder
        head, before = rendered.split(mark)
        return head, before

    def _video_parts(self, before_video: str) -> list[dict[str, str]]:
        lead = [{"type": "text", "text": before_video}] if before_video else []
        return [*lead, {"type": "video"}]

    def frames_prefix(self, frames: Frames, system: str = SYSTEM_PROMPT) -> Prefix:
        """The prefix for a clip's frames, by their true times and the interval that they were sampled with."""
        height, width = frames.pixels.shape[1:3]
        prefix: Prefix = self.prefix(frames.times_s, height, width, system, frames.nominal_interval_s)
        return prefix

    def _prefix(
        self,
        times_s: tuple[float, ...],
        height: int,
        width: int,
        system: str = SYSTEM_PROMPT,
        nominal_interval_s: float | None = None,
    ) -> Prefix:
        """The prefix for frames of ``height`` x ``width`` at these times, of which there may be none.

        Without a ``system`` prompt it begins as the model's own chat template does.
        """
        if not times_s:
            tokens = torch.tensor(self._tokens(self.template.around_user_mark(system)[0]))
            positions = torch.arange(len(tokens)).expand(self._video.position_axes, -1)
            return Prefix(tokens, positions, next_position=len(tokens), grid_thw=(0, 0, 0))
        self.check_size(height, width)
        head, _ = self._around_video(self._video.before_video(times_s), system)
        return self._video.prefix(head + self._video.processor_placeholder, times_s, height, width, nominal_interval_s)

    def conversation(self, times_s: tuple[float, ...], height: int, width: int, prompt: str, text: str) -> Prefix:
        """The whole conversation as stock template and processor make it in one piece: what prefix and sample must be.

        It ends with the mark that ends the answer's turn. The line end that templates write behind it is left out:
        generation has stopped there.
        """
        parts = self._video_parts(self._video.before_video(times_s))
        whole = self.template.conversation(parts, prompt, text, SYSTEM_PROMPT)
        whole = whole.replace(self._video.placeholder, self._video.processor_placeholder)
        return self._video.prefix(whole, times_s, height, width, None)

    def pixel_values(self, pixels: NDArray[np.uint8]) -> torch.Tensor:
        """Normalised values of a clip's frames, as the model takes them.

        Args:
            pixels: Shape [frames, height, width, 3].

        Returns:
            Shape [patches or frames, ...]; those of several clips are joined along the first axis.
        """
        return self._video.pixel_values(pixels)

    def vision_inputs(self, values: torch.Tensor, grids: torch.Tensor) -> dict[str, torch.Tensor]:
        """The arguments of the model's ``forward`` for clips in the order of their places in the rows.

        Args:
            values: The clips' :meth:`pixel_values`, joined.
            grids: Grid of each clip, shape [clips, 3].
        """
        return self._video.inputs(values, grids)

    @property
    def patch_frames(self) -> int:
        """Frames of a temporal patch, which the vision tower sees apart from all others."""
        return self._video.patch_frames

    def features(self, values: torch.Tensor, grid: tuple[int, int, int]) -> torch.Tensor:
        """What the vision tower makes of temporal patches, shape [patches, layers, tokens, size].

        Args:
            values: :meth:`pixel_values` of their frames, on the model's device.
            grid: Number of patches, rows and columns of each.
        """
        return self._video.features(self._model, values, grid)

    def feature_inputs(self, features: torch.Tensor) -> dict[str, Any]:
        """As :meth:`vision_inputs`, from the :meth:`features` of all clips' patches, one behind another."""
        return self._video.feature_inputs(features)

    def question(self, prompt: str, *, thinking: bool = False, after_video: bool = True) -> list[int]:
        """Tokens from behind the prefix to where the answer begins.

        Args:
            prompt: The question.
            thinking: Whether the answer begins with thoughts; else it is asked for behind a closed block of them, if
                the chat template opens one.
            after_video: Whether a video stands before it.
        """
        before = self._before_question if after_video else self._before_lone_question
        after = self.template.before_thoughts if thinking else self.template.before_answer
        return list(self._tokens(before + prompt + after))

    def target(self, text: str) -> list[int]:
        """Tokens of an answer with the end of the turn.

        Of one that begins with thoughts, those behind the tag that the chat template has written.
        """
        return [*self._tokens(self.template.without_opening(text)), self.end_of_turn_id]

    def target_spans(self, text: str) -> list[tuple[int, int]]:
        """Where in ``text`` each token of :meth:`target` stands: first and last character, the last excluded."""
        rest = self.template.without_opening(text)
        left_out = len(text) - len(rest)
        spans = self._tokenizer(rest, add_special_tokens=False, return_offsets_mapping=True)["offset_mapping"]
        return [*((left_out + first, left_out + last) for first, last in spans), (len(text), len(text))]

    def _tokenize(self, text: str) -> tuple[int, ...]:
        return tuple(self._tokenizer(text, add_special_tokens=False)["input_ids"])

    def code_ids(self, codes: tuple[str, ...]) -> list[int]:
        """The token of each verdict code.

        Raises:
            UserError: If a code is not a single token, or two codes share one.
        """
        tokens = [self.target(code)[:-1] for code in codes]
        if any(len(token) != 1 for token in tokens) or len({token[0] for token in tokens}) != len(codes):
            raise UserError(
                f"the verdict codes {', '.join(codes)} are not one token each for this model; give the classes of "
                "import.taxonomy codes that are, such as A, B and C."
            )
        return [token[0] for token in tokens]

    def decode(self, ids: list[int]) -> str:
        """The text of generated tokens, without special ones."""
        text: str = self._tokenizer.decode(ids, skip_special_tokens=True)
        return text
