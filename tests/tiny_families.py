"""Tiny models of each family, for tests and benchmarks: the stock classes with few, random weights.

The Qwen3-VL one is the architecture of the shipped ``tiny-base``, which ``scripts/make_tiny_base.py`` makes.
"""

from collections.abc import Iterable
from typing import Any

import torch
from tokenizers import Regex, Tokenizer, decoders, models, pre_tokenizers, trainers

PATCH_SIZE = 21
MERGE_SIZE = 2
INTERNVL_SIDE = 4  # patches along a side of the tiny InternVL's square frames
_SPECIAL = (
    "<|endoftext|>",
    "<|im_start|>",
    "<|im_end|>",
    "<|vision_start|>",
    "<|vision_end|>",
    "<|image_pad|>",
    "<|video_pad|>",
)
_INTERNVL_SPECIAL = (*_SPECIAL[:3], "<img>", "</img>", "<IMG_CONTEXT>", "<video>")
_CHAT_TEMPLATE = (
    "{% for message in messages %}<|im_start|>{{ message.role }}\n"
    "{% for part in message.content %}"
    "{% if part.type == 'video' %}VIDEO"
    "{% elif part.type == 'text' %}{{ part.text }}{% endif %}"
    "{% endfor %}<|im_end|>\n{% endfor %}"
    "{% if add_generation_prompt %}<|im_start|>assistant\n{% endif %}"
)


def train_tokenizer(texts: Iterable[str], vocabulary: int = 1024, model_type: str = "qwen3_vl") -> Tokenizer:
    """A byte-level BPE whose tokens are whole clauses.

    Digits and line ends stand alone and text is cut behind ``. , : ; ? ! ]``, but not at spaces, so
    that a phrase which is written often becomes one token: the fixed prompts cost a tiny model next
    to nothing, and so do the frames' time marks. Any other text still falls apart into smaller
    pieces, down to bytes.
    """
    tokenizer = Tokenizer(models.BPE())
    tokenizer.pre_tokenizer = pre_tokenizers.Sequence(
        [
            pre_tokenizers.Split(Regex(r"<\d+\.\d seconds>|\d|\n|[^\d\n.,:;?!\]<]*[.,:;?!\]]+"), "isolated"),
            pre_tokenizers.ByteLevel(add_prefix_space=False, use_regex=False),
        ]
    )
    tokenizer.decoder = decoders.ByteLevel()
    trainer = trainers.BpeTrainer(
        vocab_size=vocabulary,
        min_frequency=2,
        special_tokens=list(_INTERNVL_SPECIAL if model_type == "internvl" else _SPECIAL),
        initial_alphabet=pre_tokenizers.ByteLevel.alphabet(),
        show_progress=False,
    )
    tokenizer.train_from_iterator(texts, trainer)
    return tokenizer


def tiny_processor(tokenizer: Tokenizer, model_type: str = "qwen3_vl", patch_size: int = PATCH_SIZE) -> Any:
    """The stock processor of the family around a small tokenizer."""
    import transformers

    if model_type == "internvl":
        return _internvl_processor(tokenizer, patch_size)
    wrapped = transformers.PreTrainedTokenizerFast(
        tokenizer_object=tokenizer,
        eos_token="<|im_end|>",
        pad_token="<|endoftext|>",
        extra_special_tokens=list(_SPECIAL[1:]),
    )
    template = _CHAT_TEMPLATE.replace("VIDEO", "<|vision_start|><|video_pad|><|vision_end|>")
    sizes = {"patch_size": patch_size, "temporal_patch_size": 2, "merge_size": MERGE_SIZE}
    images = transformers.Qwen2VLImageProcessor(**sizes)
    if model_type == "qwen2_5_vl":
        videos = transformers.Qwen2VLVideoProcessor(**sizes)
        return transformers.Qwen2_5_VLProcessor(images, wrapped, videos, chat_template=template)
    videos = transformers.Qwen3VLVideoProcessor(**sizes, cap_pixels_per_frame=False)
    return transformers.Qwen3VLProcessor(images, wrapped, videos, chat_template=template)


def _internvl_processor(tokenizer: Tokenizer, patch_size: int) -> Any:
    import transformers

    named = ("start_image_token", "end_image_token", "context_image_token", "video_token")
    wrapped = transformers.PreTrainedTokenizerFast(
        tokenizer_object=tokenizer,
        eos_token="<|im_end|>",
        pad_token="<|endoftext|>",
        extra_special_tokens=dict(zip(named, _INTERNVL_SPECIAL[3:], strict=True)),
    )
    size = {"height": INTERNVL_SIDE * patch_size, "width": INTERNVL_SIDE * patch_size}
    return transformers.InternVLProcessor(
        transformers.GotOcr2ImageProcessor(size=size),
        wrapped,
        transformers.InternVLVideoProcessor(size=size),
        image_seq_length=(INTERNVL_SIDE // MERGE_SIZE) ** 2,
        chat_template=_CHAT_TEMPLATE.replace("VIDEO", "<video>\n"),
    )


def tiny_qwen3_vl(
    tokenizer: Tokenizer,
    *,
    hidden: int = 192,
    layers: int = 4,
    vision_hidden: int = 128,
    vision_depth: int = 3,
    patch_size: int = PATCH_SIZE,
    seed: int = 0,
) -> Any:
    """A stock Qwen3-VL with random weights; 3.5 million with the default sizes."""
    import transformers

    head_size = 48
    config = transformers.Qwen3VLConfig(
        text_config={
            "vocab_size": tokenizer.get_vocab_size(),
            "hidden_size": hidden,
            "intermediate_size": hidden * 3,
            "num_hidden_layers": layers,
            "num_attention_heads": hidden // head_size,
            "num_key_value_heads": hidden // head_size // 2,
            "head_dim": head_size,
            "max_position_embeddings": 4096,
            "rope_parameters": {
                "rope_type": "default",
                "rope_theta": 10000.0,
                "mrope_section": [8, 8, 8],
                "mrope_interleaved": True,
            },
            "tie_word_embeddings": True,
        },
        vision_config={
            "depth": vision_depth,
            "hidden_size": vision_hidden,
            "intermediate_size": vision_hidden * 3,
            "num_heads": vision_hidden // 32,
            "patch_size": patch_size,
            "spatial_merge_size": MERGE_SIZE,
            "temporal_patch_size": 2,
            "out_hidden_size": hidden,
            "num_position_embeddings": 64,
            "deepstack_visual_indexes": [0],
        },
        tie_word_embeddings=True,
        **_special_ids(),
    )
    torch.manual_seed(seed)
    return transformers.Qwen3VLForConditionalGeneration(config)


def tiny_qwen2_5_vl(tokenizer: Tokenizer, *, layers: int = 2, patch_size: int = 14, seed: int = 0) -> Any:
    """A stock Qwen2.5-VL, the family of Cosmos-Reason1, with random weights, for tests."""
    import transformers

    config = transformers.Qwen2_5_VLConfig(
        text_config={
            "vocab_size": tokenizer.get_vocab_size(),
            "hidden_size": 128,
            "intermediate_size": 256,
            "num_hidden_layers": layers,
            "num_attention_heads": 4,
            "num_key_value_heads": 2,
            "max_position_embeddings": 4096,
            "rope_parameters": {"rope_type": "default", "rope_theta": 10000.0, "mrope_section": [4, 6, 6]},
            "tie_word_embeddings": True,
        },
        vision_config={
            "depth": 2,
            "hidden_size": 64,
            "intermediate_size": 128,
            "num_heads": 4,
            "patch_size": patch_size,
            "spatial_merge_size": MERGE_SIZE,
            "temporal_patch_size": 2,
            "out_hidden_size": 128,
            "window_size": patch_size * MERGE_SIZE * 2,
            "fullatt_block_indexes": [1],
            "tokens_per_second": 2,
        },
        tie_word_embeddings=True,
        **_special_ids(),
    )
    torch.manual_seed(seed)
    return transformers.Qwen2_5_VLForConditionalGeneration(config)


def tiny_qwen3_5(tokenizer: Tokenizer, *, patch_size: int = 14, seed: int = 0) -> Any:
    """A stock Qwen3.5 with random weights, for tests: linear attention in three layers of four."""
    import transformers

    config = transformers.Qwen3_5Config(
        text_config={
            "vocab_size": tokenizer.get_vocab_size(),
            "hidden_size": 64,
            "intermediate_size": 128,
            "num_hidden_layers": 4,
            "num_attention_heads": 2,
            "num_key_value_heads": 1,
            "head_dim": 32,
            "linear_key_head_dim": 16,
            "linear_value_head_dim": 16,
            "linear_num_key_heads": 2,
            "linear_num_value_heads": 4,
            "max_position_embeddings": 4096,
            "rope_parameters": {
                "rope_type": "default",
                "rope_theta": 10000.0,
                "mrope_section": [2, 1, 1],
                "mrope_interleaved": True,
                "partial_rotary_factor": 0.25,
            },
            "tie_word_embeddings": True,
        },
        vision_config={
            "depth": 2,
            "hidden_size": 64,
            "intermediate_size": 128,
            "num_heads": 4,
            "patch_size": patch_size,
            "spatial_merge_size": MERGE_SIZE,
            "temporal_patch_size": 2,
            "out_hidden_size": 64,
            "num_position_embeddings": 64,
        },
        tie_word_embeddings=True,
        **_special_ids(),
    )
    torch.manual_seed(seed)
    return transformers.Qwen3_5ForConditionalGeneration(config)


def tiny_internvl(tokenizer: Tokenizer, *, layers: int = 2, patch_size: int = 14, seed: int = 0) -> Any:
    """A stock InternVL with random weights, for tests; its language model is a Qwen2."""
    import transformers

    side = INTERNVL_SIDE * patch_size
    config = transformers.InternVLConfig(
        text_config={
            "model_type": "qwen2",
            "vocab_size": tokenizer.get_vocab_size(),
            "hidden_size": 128,
            "intermediate_size": 256,
            "num_hidden_layers": layers,
            "num_attention_heads": 4,
            "num_key_value_heads": 2,
            "max_position_embeddings": 4096,
            "tie_word_embeddings": True,
        },
        vision_config={
            "hidden_size": 64,
            "intermediate_size": 128,
            "num_hidden_layers": 2,
            "num_attention_heads": 4,
            "image_size": [side, side],
            "patch_size": [patch_size, patch_size],
        },
        image_token_id=_INTERNVL_SPECIAL.index("<IMG_CONTEXT>"),
        image_seq_length=(INTERNVL_SIDE // MERGE_SIZE) ** 2,
        downsample_ratio=1 / MERGE_SIZE,
        tie_word_embeddings=True,
        eos_token_id=_SPECIAL.index("<|im_end|>"),
        pad_token_id=_SPECIAL.index("<|endoftext|>"),
    )
    torch.manual_seed(seed)
    return transformers.InternVLForConditionalGeneration(config)


def _special_ids() -> dict[str, int]:
    fields = {
        "image_token_id": "<|image_pad|>",
        "video_token_id": "<|video_pad|>",
        "vision_start_token_id": "<|vision_start|>",
        "vision_end_token_id": "<|vision_end|>",
        "eos_token_id": "<|im_end|>",
        "pad_token_id": "<|endoftext|>",
    }
    return {field: _SPECIAL.index(token) for field, token in fields.items()}  # the trainer numbers them first
