"""Multiple choice: questions with lettered options, as samples that are answered at once or after thinking."""

import random
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

from vlm_autodrive.models import format_reasoning
from vlm_autodrive.records import OPTION_LETTERS, HeldOutQuestion, SFTSample, StudentPrompt, SupervisionType
from vlm_autodrive.supervision.facts import Facts
from vlm_autodrive.supervision.samples import RULES, make_sample, mirror_free_text, mirror_text
from vlm_autodrive.supervision.student_prompts import VERSION

AT_ONCE = "Answer with the letter, and the option on the next line."
AFTER_THINKING = "Think between <think> and </think>. Then, between <answer> and </answer>, give the letter."


@dataclass(frozen=True)
class MultipleChoice:
    """A multiple-choice question.

    Attributes:
        question: The question, without its options.
        options: The options, 2 to 4, in the order of their letters.
        right: The place of the right one.
    """

    question: str
    options: tuple[str, ...]
    right: int

    @property
    def letter(self) -> str:
        """The letter of the right option."""
        return OPTION_LETTERS[self.right]


def shuffled_choice(question: str, right: str, wrong: Sequence[str], rng: random.Random) -> MultipleChoice:
    """A multiple-choice question with its options in a drawn order."""
    options = [right, *wrong]
    rng.shuffle(options)
    return MultipleChoice(question, tuple(options), options.index(right))


def choice_sample(
    facts: Facts, topic: str, choice: MultipleChoice, *, reasons: Sequence[str] = (), **origin: Any
) -> SFTSample:
    """The sample of a multiple-choice question.

    Args:
        facts: The clip.
        topic: What it is about.
        choice: The question.
        reasons: For ``reasoning_vqa``, what leads to the answer, step by step; empty for ``vqa``, answered at once.
        **origin: Who made it from what: the keyword arguments of :func:`make_sample`.
    """
    how = AFTER_THINKING if reasons else AT_ONCE
    lines = [f"{letter}: {option}" for letter, option in zip(OPTION_LETTERS, choice.options, strict=False)]
    prompt = StudentPrompt(text="\n".join([choice.question, *lines, how]), version=VERSION)
    type_: SupervisionType = "reasoning_vqa" if reasons else "vqa"
    sample = make_sample(facts, type_, topic, prompt, _target(choice, choice.right, reasons), **origin)
    mirrored = sample.mirror_target
    if not reasons:
        mirrored = _mirrored(choice, mirror_text if sample.teacher == RULES else mirror_free_text)
    return sample.model_copy(update={"options": choice.options, "answer": choice.letter, "mirror_target": mirrored})


def held_out_question(sample: SFTSample) -> HeldOutQuestion:
    """A multiple-choice sample as a question alone, answered at once whatever its type, so that its letter can be read.

    A question that is trained with its reasons is asked in the words of one that is not: generated reasons would make
    an evaluation many times as long.
    """
    question, _, _ = sample.prompt.text.rpartition("\n")
    return HeldOutQuestion(
        sample_id=sample.sample_id,
        clip_id=sample.clip_id,
        type=sample.type,
        topic=sample.topic,
        prompt=StudentPrompt(text=f"{question}\n{AT_ONCE}", version=sample.prompt.version),
        options=sample.options,
        answer=sample.answer,
    )


def _target(choice: MultipleChoice, place: int, reasons: Sequence[str]) -> str:
    if reasons:
        return format_reasoning("\n".join(reasons), OPTION_LETTERS[place], None)
    # On a line of its own the letter is one token for every tokenizer, so that its probability can be read off.
    return f"{OPTION_LETTERS[place]}\n{choice.options[place]}"


def _mirrored(choice: MultipleChoice, mirror: Callable[[str], str | None]) -> str | None:
    """The answer for the mirror image, if the mirrored answer is one of the options and the question has no side."""
    if mirror(choice.question) != choice.question:
        return None
    mirrored = [mirror(option) for option in choice.options]
    if set(mirrored) != set(choice.options):
        return None  # an option that was wrong might be right for the mirror image
    return _target(choice, choice.options.index(mirrored[choice.right] or ""), ())
