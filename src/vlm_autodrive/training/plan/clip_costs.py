"""Token counts of each clip, also under other settings, and the largest forward pass."""

import math
from collections.abc import Sequence

from vlm_autodrive.records import Record
from vlm_autodrive.training.plan.activations import PassSize
from vlm_autodrive.training.plan.counting import SampleLength
from vlm_autodrive.training.settings import TrainSettings
from vlm_autodrive.video import TEMPORAL_PATCH_SIZE, SamplingSettings


class ClipCost(Record):
    """What one clip costs, with the longest sequence that an example of it can have.

    Attributes:
        clip_id: The clip.
        frames: Frames that the model will see.
        wanted: Frames that the sampling asks for; more than ``frames`` where the video has fewer to give.
        seconds: Length of the window.
        prefix_tokens: Tokens of system prompt and video, which all samples share.
        video_tokens: Those of them that stand for pixels.
        sample_tokens: Tokens of the samples that one example holds at most.
        supervised_tokens: Those of them that are supervised.
        drawn: Tokens and supervised tokens of each sample that may be drawn, the longest first.
        samples: How many samples it has.
        problem: Why it cannot be trained on; empty if it can.
    """

    clip_id: str
    frames: int
    seconds: float
    prefix_tokens: int
    sample_tokens: int
    samples: int
    video_tokens: int = 0
    supervised_tokens: int = 0
    drawn: tuple[tuple[int, int], ...] = ()
    wanted: int = 0
    problem: str = ""

    @property
    def sequence_tokens(self) -> int:
        """Tokens of its sequence."""
        return self.prefix_tokens + self.sample_tokens

    def with_settings(
        self, settings: TrainSettings, sampling: SamplingSettings, side: int, now: TrainSettings
    ) -> "ClipCost":
        """The same clip under other settings.

        Args:
            settings: The other settings.
            sampling: How frames would be taken.
            side: Side in pixels of the square that becomes a token.
            now: The settings that it was counted with.
        """
        frames = min(self.frames, sampling.n_frames or sampling.max_frames)
        pairs = math.ceil(frames / TEMPORAL_PATCH_SIZE)
        video = min(self.video_tokens, pairs * (sampling.height // side) * (sampling.width // side))
        left_out = self.drawn[settings.samples_per_clip : now.samples_per_clip]
        return self.model_copy(
            update={
                "frames": frames,
                "video_tokens": video,
                "prefix_tokens": self.prefix_tokens - self.video_tokens + video,
                "sample_tokens": self.sample_tokens - sum(tokens for tokens, _ in left_out),
                "supervised_tokens": self.supervised_tokens - sum(supervised for _, supervised in left_out),
            }
        )


def supervised_places(prefix_tokens: int, samples: Sequence[SampleLength]) -> set[int]:
    """The places at which a clip's sequence is supervised: the end of each of its samples."""
    places: set[int] = set()
    end = prefix_tokens
    for sample in samples:
        end += sample.tokens
        places.update(range(end - sample.supervised, end))
    return places


def new_places(sequences: Sequence[set[int]]) -> float:
    """Of the supervised places of a pass's further sequences, the share that the longest does not have already."""
    most = max(len(places) for places in sequences)
    further = (len(sequences) - 1) * most
    return (len(set().union(*sequences)) - most) / further if further else 0.0


def largest_pass(
    clips: Sequence[ClipCost], settings: TrainSettings, processes: int, merged: int, novelty: float = 1.0
) -> PassSize:
    """The largest forward pass that training can come to.

    Args:
        clips: The clips that are trained on.
        settings: How.
        processes: How many processes share a step.
        merged: Patches that are merged into one token.
        novelty: As :func:`new_places` gives it, of passes as they come; 1 if no two places coincide.
    """
    share = math.ceil(min(settings.batch_size, len(clips)) / processes)
    sequences = min(share, settings.micro_batch_size or share)
    tokens = max(clip.sequence_tokens for clip in clips)
    video = sequences * max(clip.video_tokens for clip in clips)
    supervised = max(clip.supervised_tokens for clip in clips)
    # Logits are computed at the places where any sequence of the pass is supervised.
    places = supervised * (1 + (sequences - 1) * novelty)
    logits = math.ceil(sequences * min(places, max(clip.sample_tokens for clip in clips)))
    if settings.pack_to_tokens is not None:  # as much of everything as the fullest sequence of that length has
        tokens = max(tokens, min(settings.pack_to_tokens, share * tokens))
        sequences = 1
        video = math.ceil(tokens * max(clip.video_tokens / clip.sequence_tokens for clip in clips))
        logits = math.ceil(tokens * max(clip.supervised_tokens / clip.sequence_tokens for clip in clips))
    frame = max(clip.video_tokens / max(1, math.ceil(clip.frames / TEMPORAL_PATCH_SIZE)) for clip in clips)
    return PassSize(
        sequences=sequences,
        tokens=tokens,
        patches=video * merged,
        frame_patches=round(frame * merged),
        logits=logits,
    )
