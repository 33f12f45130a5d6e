"""How the makers of models document that they are asked a multiple-choice question about a video.

Sources: Cosmos-Reason1: its repository's ``prompts/multiple_choice_questions.yaml`` and README
(github.com/nvidia-cosmos/cosmos-reason1: options with letters in parentheses, at most 4,096 new tokens).
Cosmos-Reason2: ``cosmos_reason2_utils/text.py`` and ``script/inference.py`` (github.com/nvidia-cosmos/cosmos-reason2).
Qwen3-VL: README of github.com/QwenLM/Qwen3-VL, whose examples have no system prompt; its Thinking editions think by
themselves, behind a mark that their chat template opens.
"""

import re
from dataclasses import dataclass

from vlm_autodrive.records import StudentPrompt, Taxonomy

VERSION = "1"
_LETTER = "Answer with the letter of the right option in parentheses."


@dataclass(frozen=True)
class Convention:
    """The convention of one family of models.

    Attributes:
        family: Its name.
        named: A regular expression for the names of its models, in small letters.
        system: The system prompt; empty for what the chat template writes without one.
        answer_format: What stands below the options, a paragraph of its own; empty if nothing does.
        thinks: Whether a model thinks before it answers.
    """

    family: str
    named: str
    system: str
    answer_format: str
    thinks: bool

    def prompt(self, taxonomy: Taxonomy) -> StudentPrompt:
        """The taxonomy's question in this form: options with letters in parentheses, an answer in free text."""
        options = [f"({c.code}) {c.option_text}" for c in taxonomy.options]
        below = ["", self.answer_format] if self.answer_format else []
        return StudentPrompt(text="\n".join([taxonomy.question, *options, *below]), version=VERSION)


PLAIN = Convention("general", "", "", _LETTER, thinks=False)
"""For models whose makers document nothing else: no system prompt, no thinking, the letter in parentheses."""

CONVENTIONS = (
    Convention(
        "Cosmos-Reason1",
        r"cosmos-?reason-?1",
        "You are a helpful video analyzer. Answer the question with provided options in the following format: "
        "<think>\nyour reasoning\n</think>\n\n<answer>\nyour answer\n</answer>.",
        "",
        thinks=True,
    ),
    Convention(
        "Cosmos-Reason2",
        r"cosmos-?reason-?2",
        "You are a helpful assistant.",
        "Answer the question using the following format:\n\n<think>\nYour reasoning.\n</think>\n\n"
        "Write your final answer immediately after the </think> tag.",
        thinks=True,
    ),
    Convention("Qwen3-VL Thinking", r"qwen3-?vl.*thinking", "", _LETTER, thinks=True),
)


def find_convention(model: str) -> Convention:
    """The convention of a model by its name, such as ``nvidia/Cosmos-Reason1-7B``; :data:`PLAIN` if none is known."""
    name = model.rstrip("/").rsplit("/", 1)[-1].casefold().replace("_", "-")
    return next((each for each in CONVENTIONS if re.search(each.named, name)), PLAIN)
