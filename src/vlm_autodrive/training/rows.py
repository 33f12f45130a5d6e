"""What each clip costs: the record of it, what it would be under other settings, and the largest forward pass."""

import math
from collections.abc import Sequence

from vlm_autodrive.records import Record
from vlm_autodrive.training.plan.activations import Pass
from vlm_autodrive.training.settings import TrainSettings
from vlm_autodrive.video import FRAMES_PER_TOKEN, SamplingSettings


class ClipPlan(Record):
    """What one clip costs, with the longest row that a visit to it can have.

    Attributes:
        clip_id: The clip.
        frames: Frames that the model will see.
        wanted: Frames that the sampling asks for; more than ``frames`` where the video has fewer to give.
        seconds: Length of the window.
        prefix_tokens: Tokens of system prompt and video, computed once.
        video_tokens: Those of them that stand for pixels.
        item_tokens: Tokens of the items that one visit takes at most.
        learned_tokens: Those of them that are learned.
        drawn: Tokens and learned tokens of each item that a visit may draw, the longest first.
        items: How many items it has.
        problem: Why it cannot be trained on; empty if it can.
    """

    clip_id: str
    frames: int
    seconds: float
    prefix_tokens: int
    item_tokens: int
    items: int
    video_tokens: int = 0
    learned_tokens: int = 0
    drawn: tuple[tuple[int, int], ...] = ()
    wanted: int = 0
    problem: str = ""

    @property
    def sequence_tokens(self) -> int:
        """Length of its row."""
        return self.prefix_tokens + self.item_tokens

    def under(self, settings: TrainSettings, sampling: SamplingSettings, side: int, now: TrainSettings) -> "ClipPlan":
        """The same clip under other settings.

        Args:
            settings: The other settings.
            sampling: How frames would be taken.
            side: Side in pixels of the square that becomes a token.
            now: The settings that it was counted with.
        """
        frames = min(self.frames, sampling.n_frames or sampling.max_frames)
        pairs = math.ceil(frames / FRAMES_PER_TOKEN)
        video = min(self.video_tokens, pairs * (sampling.height // side) * (sampling.width // side))
        left_out = self.drawn[settings.samples_per_clip : now.samples_per_clip]
        return self.model_copy(
            update={
                "frames": frames,
                "video_tokens": video,
                "prefix_tokens": self.prefix_tokens - self.video_tokens + video,
                "item_tokens": self.item_tokens - sum(tokens for tokens, _ in left_out),
                "learned_tokens": self.learned_tokens - sum(learned for _, learned in left_out),
            }
        )


def largest_pass(clips: Sequence[ClipPlan], settings: TrainSettings, processes: int, merged: int) -> Pass:
    """The largest forward pass that training can come to.

    Args:
        clips: The clips that are trained on.
        settings: How.
        processes: How many processes share a step.
        merged: Patches that make one token.
    """
    share = math.ceil(min(settings.batch_size, len(clips)) / processes)
    rows = min(share, settings.micro_batch_size or share)
    tokens = max(clip.sequence_tokens for clip in clips)
    video = rows * max(clip.video_tokens for clip in clips)
    learned = max(clip.learned_tokens for clip in clips)
    # Logits are computed at the places where any row of the pass learns something.
    logits = rows * min(rows * learned, max(clip.item_tokens for clip in clips))
    if settings.pack_to_tokens is not None:  # packed: as much of everything as the fullest row of that length can have
        tokens = max(tokens, min(settings.pack_to_tokens, share * tokens))
        rows = 1
        video = math.ceil(tokens * max(clip.video_tokens / clip.sequence_tokens for clip in clips))
        logits = math.ceil(tokens * max(clip.learned_tokens / clip.sequence_tokens for clip in clips))
    frame = max(clip.video_tokens / max(1, math.ceil(clip.frames / FRAMES_PER_TOKEN)) for clip in clips)
    return Pass(rows=rows, tokens=tokens, patches=video * merged, frame_patches=round(frame * merged), logits=logits)
