"""What servers need of a model: a processor that makes the tokens and pixels of training; and its template."""

import copy
from typing import Any

from vlm_autodrive.errors import UserError
from vlm_autodrive.models.chat_template import ChatTemplate
from vlm_autodrive.models.families import Family
from vlm_autodrive.models.loading import load_processor
from vlm_autodrive.models.missing import TEXT_PARTS
from vlm_autodrive.models.model_files import locate_model
from vlm_autodrive.models.qwen import QwenVideo, processor_placeholder
from vlm_autodrive.video import TEMPORAL_PATCH_SIZE, SamplingSettings


def export_processor(processor: Any, family: Family, sampling: SamplingSettings) -> Any:
    """A copy of a model's processor with what training did.

    - The chat template leaves out the outer pair of vision marks where training does: from transformers 5.10 on the
      processor of Qwen3-VL replaces the mark of the video alone, and would leave that pair around the frames' own.
    - Frames of the trained size are not resized, and others are brought to it: the default least and most pixels
      enlarge small frames and short clips.
    - Videos from elsewhere are sampled as in training; of Qwen2.5-VL where ``do_sample_frames=True`` is asked for.
    - The image processor normalises as the video processor does: vLLM applies the former's values to videos too.

    Args:
        processor: The model's Hugging Face processor.
        family: The model's family.
        sampling: How its frames were sampled in training.

    Raises:
        UserError: If the chat template writes the video's marks otherwise than its family does.
    """
    made = copy.deepcopy(processor)
    video = made.video_processor
    for name in ("image_mean", "image_std"):
        setattr(made.image_processor, name, getattr(video, name))
    if family.video == "internvl":
        video.size = {"height": sampling.height, "width": sampling.width}
        return made
    wanted = processor_placeholder(text_timestamps=family.text_timestamps)
    made.chat_template = made.chat_template.replace(QwenVideo.placeholder, wanted)
    if wanted != QwenVideo.placeholder and wanted not in made.chat_template:
        raise UserError(
            f"the model's chat template does not write {QwenVideo.placeholder} for a video; "
            "train from a base with its maker's template."
        )
    side = video.patch_size * video.merge_size
    frame = sampling.height * sampling.width
    if family.text_timestamps:  # the pixels of a video are bounded, in Qwen2.5-VL those of a frame
        video.size = {"shortest_edge": TEMPORAL_PATCH_SIZE * side * side, "longest_edge": sampling.max_frames * frame}
    else:
        video.size = {"shortest_edge": side * side, "longest_edge": frame}
    video.cap_pixels_per_frame = False
    video.min_frames, video.max_frames = TEMPORAL_PATCH_SIZE, sampling.max_frames
    video.fps, video.num_frames = (None, sampling.n_frames) if sampling.n_frames else (sampling.fps, None)
    # vLLM samples by this setting what is for Qwen2.5-VL, and by what the frames say for the others.
    video.do_sample_frames = family.text_timestamps
    return made


def find_chat_template(model: str) -> ChatTemplate | None:
    """The chat template of a served model; None if the model is not on this machine.

    Args:
        model: A folder, or the name of a hub model that may have been fetched.
    """
    try:
        processor = load_processor(locate_model(model, TEXT_PARTS, fetch=False))
    except UserError:
        return None
    return ChatTemplate(processor)
