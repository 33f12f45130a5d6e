"""What a server makes of a request: whether it is vLLM, and the chat template that it applies.

A server samples by the defaults of the model's ``generation_config.json`` where a request states nothing else, and lets
a model that thinks think. Both are stated here. ``temperature`` and ``top_p`` are fields of OpenAI's API. Those that
only vLLM is known to take go to vLLM alone (0.32: ``vllm/entrypoints/openai/chat_completion/protocol.py``), since a
strict server refuses what it does not know.
"""

import asyncio
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal

from vlm_autodrive.engines.endpoint.client import EndpointClient

if TYPE_CHECKING:
    from vlm_autodrive.models import ChatTemplate, DirectBy

_TOP_P: dict[str, Any] = {"top_p": 1.0}
_OF_VLLM = {"top_k": -1, "min_p": 0.0, "repetition_penalty": 1.0}


@dataclass(frozen=True)
class ServedTemplate:
    """A server with the chat template of the model that is asked.

    Attributes:
        is_vllm: Whether it says that it is vLLM.
        template: The chat template; None if the model is not on this machine.
        direct_by: How it is asked for a direct answer.
    """

    is_vllm: bool
    template: "ChatTemplate | None"
    direct_by: "DirectBy"

    @property
    def takes_images(self) -> bool:
        """Whether the template has a branch for images; taken as true where it is not known."""
        return self.template is None or self.template.takes_images

    def fields(self, *, thinking: bool) -> dict[str, Any]:
        """Fields of a request: no sampling default but the temperature in force, and thoughts first or a direct answer.

        Args:
            thinking: Whether the answer begins with thoughts.
        """
        fields = _TOP_P | _OF_VLLM if self.is_vllm else _TOP_P
        if self.direct_by == "switch":
            return {**fields, "chat_template_kwargs": {"enable_thinking": thinking}}
        if self.direct_by == "prefill" and not thinking:
            return {**fields, "add_generation_prompt": False, "continue_final_message": True}
        return fields

    def begun_answer(self, *, thinking: bool) -> list[dict[str, str]]:
        """The assistant's turn that a direct answer goes on from; nothing where it begins a turn of its own."""
        if self.direct_by != "prefill" or thinking:
            return []
        from vlm_autodrive.models import EMPTY_THOUGHTS

        return [{"role": "assistant", "content": EMPTY_THOUGHTS}]

    def is_within_thoughts(self, written: str) -> bool:
        """Whether what was written never leaves the thoughts that the template opened."""
        return self.template is not None and self.template.is_within_thoughts(written)


async def find_served_template(
    client: EndpointClient, model: str, direct_by: "Literal['auto'] | DirectBy"
) -> ServedTemplate:
    """Ask the server what it is, and look for the model's chat template on this machine.

    Args:
        client: The server.
        model: The model's folder or name.
        direct_by: How it is to be asked for a direct answer; ``auto`` for what its template says.
    """
    from vlm_autodrive.models import find_chat_template

    is_vllm = any(model.get("owned_by") == "vllm" for model in await client.server.listed_models())
    template = await asyncio.to_thread(find_chat_template, model)
    if direct_by == "auto":
        direct_by = "none" if template is None else template.direct_by
    return ServedTemplate(is_vllm, template, direct_by)
