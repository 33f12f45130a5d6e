"""``generation_config.json``: the tokens that end an answer are kept, the maker's sampling defaults are not.

Qwen2.5-VL's holds a repetition penalty, Qwen3-VL's a temperature, ``top_p`` and ``top_k``. vLLM takes all of them for
every request that does not state its own (``--generation-config auto``), and a penalty changes a verdict even at
temperature 0. So a model is trained and exported without them.
"""

from typing import Any


def end_token_ids(model: Any) -> tuple[int, ...]:
    """All tokens that the model's generation settings list as the end of an answer."""
    ends = model.generation_config.eos_token_id
    if ends is None:
        return ()
    return tuple(ends) if isinstance(ends, list | tuple) else (ends,)


def greedy_generation(config: Any) -> Any:
    """Generation settings with the special tokens of others, greedy and without a penalty."""
    from transformers import GenerationConfig

    names = ("bos_token_id", "eos_token_id", "pad_token_id")
    return GenerationConfig(do_sample=False, **{name: getattr(config, name) for name in names})
