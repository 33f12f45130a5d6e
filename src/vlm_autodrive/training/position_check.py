"""Positions of a conversation by our rule, compared with those that the stock model gives by itself."""

import torch
import transformers

from vlm_autodrive.models import Encoder, LoadedModel
from vlm_autodrive.records import Record
from vlm_autodrive.video import SamplingSettings

_VIDEO = 2  # of mm_token_type_ids
_INTERVAL_S = 0.5  # a pair each second, so that the temporal positions soon pass those of height and width


class PositionCheck(Record):
    """How the positions of a conversation about a long video differ from those of the stock model.

    Attributes:
        fault: What differs without a known reason; empty if nothing does.
        overlap: Where the stock model begins text on top of the video, which ours does not; empty if nowhere.
    """

    fault: str = ""
    overlap: str = ""

    def line(self) -> str:
        """The finding in plain words."""
        return self.fault or f"by the rule, {self.overlap or 'which are those that the stock model gives by itself'}"


def compare_positions(loaded: LoadedModel, encoder: Encoder, sampling: SamplingSettings) -> PositionCheck:
    """Compare the positions of a conversation about a video that is long for the size of its frames.

    Args:
        loaded: The model.
        encoder: Its encoder.
        sampling: Gives the size of the frames.
    """
    size = (sampling.height, sampling.width)
    _, *patches = encoder.prefix((0.0, _INTERVAL_S), *size).grid_thw
    config = loaded.model.config
    if loaded.family.video != "qwen":
        whole = encoder.conversation((0.0, _INTERVAL_S), *size, "Which?", "A")
        plain = torch.equal(whole.position_ids, torch.arange(len(whole.input_ids))[None])
        return PositionCheck(fault="" if plain else "they are not the numbers of the tokens")
    side = max(patches) // config.vision_config.spatial_merge_size
    times_s = tuple(_INTERVAL_S * i for i in range(2 * (side + 2)))
    whole = encoder.conversation(times_s, *size, "Which?", "A")
    is_video = whole.input_ids == config.video_token_id
    extra = {} if loaded.family.text_timestamps else {"second_per_grid_ts": torch.tensor([2 * _INTERVAL_S])}
    stock = loaded.model.model.get_rope_index(
        input_ids=whole.input_ids[None],
        mm_token_type_ids=_VIDEO * is_video[None].long(),
        video_grid_thw=torch.tensor([whole.grid_thw]),
        **extra,
    )[0][:, 0]
    if torch.equal(stock, whole.position_ids):
        return PositionCheck()
    begin = int(is_video.nonzero()[-1]) + 1
    later = (whole.position_ids - stock)[:, begin:].unique()
    same_video = torch.equal(stock[:, :begin], whole.position_ids[:, :begin])
    if loaded.family.text_timestamps or not same_video or len(later) > 1 or int(later) < 0:
        return PositionCheck(fault="they are not those of the stock model, for no reason that is known")
    longest_s = side / config.vision_config.tokens_per_second
    return PositionCheck(
        overlap=f"as vLLM places them; the stock model of transformers {transformers.__version__} begins text on top "
        f"of a video of more than {longest_s:g} s"
    )
