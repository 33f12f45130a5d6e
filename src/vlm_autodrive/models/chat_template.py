"""A model's chat template: what stands around video, question and answer, read off rendered conversations.

The generation prompt of a template for models that think may open the block of thoughts itself. A direct answer is then
asked behind a closed, empty block, and thoughts begin inside the open one. Which it is, the rendered text says:

- ``enable_thinking``, where a template has that switch, closes the block (Qwen3:
  https://qwen.readthedocs.io/en/latest/deployment/vllm.html; its makers document the same of Qwen3.5).
- Else the block is taken that the template writes before an answer of the conversation that has no thoughts
  (Qwen3-VL Thinking).
- A template that writes neither gets its own block closed.
"""

import re
from typing import Any, Literal

_QUESTION_MARK = "\N{WHITE SQUARE}question\N{WHITE SQUARE}"
_ANSWER_MARK = "\N{WHITE SQUARE}answer\N{WHITE SQUARE}"
_THINK, _END_THINK = "<think>", "</think>"
_OPEN = re.compile(rf"{_THINK}\s*$")
_TURN, END_OF_TURN = "<|im_start|>", "<|im_end|>"

EMPTY_THOUGHTS = f"{_THINK}\n\n{_END_THINK}\n\n"
"""A closed block of thoughts, as Qwen's templates write it."""

Part = dict[str, str]

DirectBy = Literal["none", "switch", "prefill"]
"""How a server that applies the template is asked for a direct answer: as for any other, with ``enable_thinking``, or
with a closed block of thoughts that the answer goes on from."""


class ChatTemplate:
    """The chat template of a processor.

    Attributes:
        before_answer: From the end of a question to where a direct answer begins.
        before_thoughts: From there to where an answer that thinks first begins, or its thoughts.
        opening: What the template writes of the thoughts: ``<think>`` and white space, or nothing.
        direct_by: How a server is asked for a direct answer.
        thinks: Whether a model that is asked as its maker's template stands thinks before it answers.
    """

    def __init__(self, processor: Any) -> None:
        self._processor = processor
        has_switch = "enable_thinking" in str(processor.chat_template)
        self.before_thoughts = self._generation_prompt({"enable_thinking": True} if has_switch else {})
        self.before_answer = self._generation_prompt({"enable_thinking": False} if has_switch else {})
        self.opening = _opening(self.before_thoughts)
        self.direct_by: DirectBy = "switch" if self.before_answer != self.before_thoughts else "none"
        if _opening(self.before_answer):
            self.before_answer = self._closed_block()
            self.direct_by = "prefill"
        self.thinks = self.direct_by != "none" and self._generation_prompt({}) == self.before_thoughts

    @property
    def takes_images(self) -> bool:
        """Whether it has a branch for images."""
        return self.until_question([{"type": "image"}], "") != self.until_question([], "")

    def until_question(self, before: list[Part], system: str) -> str:
        """The rendered conversation up to the question.

        Args:
            before: What the user's turn holds before the question.
            system: The system prompt; empty for what the template writes without one.
        """
        return self._render(before, _QUESTION_MARK, system).split(_QUESTION_MARK)[0]

    def around_user_mark(self, system: str) -> tuple[str, str]:
        """The rendered conversation up to the mark of the user's turn, and from there to a question without video."""
        head, mark, rest = self.until_question([], system).rpartition(_TURN)
        return head + mark, rest

    def conversation(self, before: list[Part], question: str, answer: str, system: str) -> str:
        """A whole conversation as the template renders it, up to the mark that ends its answer."""
        text = self._render(before, question, system, answer)
        return text[: text.rindex(END_OF_TURN) + len(END_OF_TURN)]

    def without_opening(self, answer: str) -> str:
        """An answer without the tag of its thoughts, where the template has written it already."""
        if self.opening and answer.startswith(_THINK):
            return answer.removeprefix(_THINK).lstrip("\n")
        return answer

    def is_within_thoughts(self, written: str) -> bool:
        """Whether what a model wrote behind :attr:`before_thoughts` never leaves the block that the template opened."""
        return bool(self.opening) and _END_THINK not in written

    def _generation_prompt(self, switch: dict[str, bool]) -> str:
        return self._render([], _QUESTION_MARK, "", switch=switch).split(_QUESTION_MARK)[1]

    def _closed_block(self) -> str:
        behind_question = self._render([], _QUESTION_MARK, "", _ANSWER_MARK).split(_QUESTION_MARK)[1]
        before = behind_question.split(_ANSWER_MARK)[0]
        return before if _END_THINK in before else _OPEN.sub(EMPTY_THOUGHTS, self.before_thoughts)

    def _render(
        self, before: list[Part], question: str, system: str, answer: str = "", switch: dict[str, bool] | None = None
    ) -> str:
        """The conversation, or up to where its answer begins if there is none."""
        turns = [("system", [_text(system)] if system else []), ("user", [*before, _text(question)])]
        turns.append(("assistant", [_text(answer)] if answer else []))
        messages = [{"role": role, "content": parts} for role, parts in turns if parts]
        text: str = self._processor.apply_chat_template(
            messages, tokenize=False, add_generation_prompt=not answer, **(switch or {})
        )
        return text


def begins_with_thoughts(answer: str) -> bool:
    """Whether an answer is a reasoning trace, rather than a direct answer."""
    return answer.startswith(_THINK)


def _opening(before: str) -> str:
    found = _OPEN.search(before)
    return found.group() if found else ""


def _text(text: str) -> Part:
    return {"type": "text", "text": text}
