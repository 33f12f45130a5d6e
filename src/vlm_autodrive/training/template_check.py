"""What a model will see of a verdict and of a trace, rendered, and compared with what the stock template gives."""

import re
from collections.abc import Callable

import torch

from vlm_autodrive.models import (
    DirectBy,
    Encoder,
    LoadedModel,
    begins_with_thoughts,
    format_reasoning,
    reasoning_prompt,
    verdict_prompt,
)
from vlm_autodrive.records import DEFAULT_TAXONOMY, Record
from vlm_autodrive.training.prefix_sharing import IGNORE_INDEX, SampleTokens, share_prefix
from vlm_autodrive.video import SamplingSettings

_CODE = DEFAULT_TAXONOMY.codes[0]
TRACE = format_reasoning("A car ahead brakes. [t=1.5] contact.", _CODE, 1.5)
"""A trace of the form that is trained."""

_TIMES = (0.0, 0.25, 0.5, 0.75)
_SHOWN = 8  # tokens of a difference
_REPEATED = re.compile(r"(<[^<>\s]+>)\1+")
_SERVED: dict[DirectBy, str] = {
    "none": "a direct answer is asked for like any other",
    "switch": "a direct answer is asked for with enable_thinking=false (endpoint.thinking=switch)",
    "prefill": "a direct answer goes on from closed thoughts (endpoint.thinking=prefill)",
}


class RenderedConversation(Record):
    """One conversation as the model is trained on it.

    Attributes:
        name: What is answered.
        given: Its text up to the answer, with the tokens of a video counted.
        supervised: The text that is supervised.
        difference: Where it is not the stock conversation; empty if it is, token by token and in each position.
    """

    name: str
    given: str
    supervised: str
    difference: str = ""


class TemplateCheck(Record):
    """A verdict and a trace as the model sees them.

    Attributes:
        conversations: The two.
        direct_by: How a server that applies the template is asked for a direct answer.
    """

    conversations: tuple[RenderedConversation, ...]
    direct_by: DirectBy

    @property
    def fault(self) -> str:
        """What is not as the stock template has it; empty if nothing is."""
        return "; ".join(f"{each.name}: {each.difference}" for each in self.conversations if each.difference)

    def lines(self) -> list[str]:
        """The finding, and the conversations with what is supervised in ``[[...]]``."""
        found = [
            f"stock template: {self.fault or 'equal, token by token, to the <|im_end|> of the answer'}",
            f"  served: {_SERVED[self.direct_by]}",
        ]
        for each in self.conversations:
            text = f"{each.given}[[{each.supervised}]]"
            found += [f"  {each.name}, supervised in [[ ]]:", *(f"  | {line}" for line in text.split("\n"))]
        return found


def check_template(loaded: LoadedModel, encoder: Encoder, sampling: SamplingSettings) -> TemplateCheck:
    """Render a verdict and a trace as they are trained, and compare them with the stock conversation.

    Args:
        loaded: The model.
        encoder: Its encoder.
        sampling: Gives the size of the frames.
    """

    def text_of(ids: torch.Tensor) -> str:
        text: str = loaded.processor.tokenizer.decode(ids.tolist())
        return _REPEATED.sub(lambda run: f"{run[1]} x {len(run[0]) // len(run[1])} ", text)

    size = (sampling.height, sampling.width)
    conversations = []
    for name, ask, target in (("direct verdict", verdict_prompt, _CODE), ("reasoning trace", reasoning_prompt, TRACE)):
        prompt = ask(DEFAULT_TAXONOMY).text
        question = encoder.question(prompt, thinking=begins_with_thoughts(target))
        ours = share_prefix(encoder.prefix(_TIMES, *size), [SampleTokens(question, encoder.target(target))])
        stock = encoder.conversation(_TIMES, *size, prompt, target)
        difference = _first_difference(ours.input_ids, stock.input_ids, text_of)
        if not difference and not torch.equal(ours.position_ids, stock.position_ids):
            difference = "its positions are not those of the stock conversation"
        supervised = ours.labels != IGNORE_INDEX
        given, answer = text_of(ours.input_ids[~supervised]), text_of(ours.input_ids[supervised])
        conversations.append(RenderedConversation(name=name, given=given, supervised=answer, difference=difference))
    return TemplateCheck(conversations=tuple(conversations), direct_by=encoder.template.direct_by)


def _first_difference(ours: torch.Tensor, stock: torch.Tensor, text_of: Callable[[torch.Tensor], str]) -> str:
    if torch.equal(ours, stock):
        return ""
    shorter = min(len(ours), len(stock))
    apart = (ours[:shorter] != stock[:shorter]).nonzero()
    first = int(apart[0]) if len(apart) else shorter
    ours_there, stock_there = (text_of(ids[first : first + _SHOWN]) for ids in (ours, stock))
    return f"from token {first} on it is {ours_there!r}, in the stock conversation {stock_there!r}"
