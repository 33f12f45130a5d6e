"""Lettered questions, and their answers for the mirror image."""

import random

import pytest

from tests.supervision.worlds import random_clip
from vlm_autodrive.records import DEFAULT_TAXONOMY
from vlm_autodrive.supervision.facts import facts_of
from vlm_autodrive.supervision.multiple_choice import MultipleChoice, choice_sample, shuffled_choice

FACTS = facts_of(random_clip(3, "collision"), DEFAULT_TAXONOMY)


def test_a_sample_offers_its_options_by_letter_and_names_the_right_one():
    choice = shuffled_choice("What is the weather?", "rain", ("snow", "fog"), random.Random(1))
    sample = choice_sample(FACTS, "weather", choice)
    assert sorted(choice.options) == ["fog", "rain", "snow"] and choice.options[choice.right] == "rain"
    assert sample.prompt.text.splitlines() == [
        "What is the weather?",
        *(f"{letter}: {option}" for letter, option in zip("ABC", choice.options, strict=True)),
        "Answer with the letter, and the option on the next line.",
    ]
    assert sample.target == sample.mirror_target == f"{choice.letter}\nrain"
    assert (sample.type, sample.options, sample.answer) == ("vqa", choice.options, choice.letter)


@pytest.mark.parametrize(
    ("question", "options", "mirrored"),
    [
        ("Which side is hit?", ("the front", "the left", "the right"), "C\nthe right"),
        ("Which side is hit?", ("the front", "the left", "the rear"), None),  # the right side is not offered
        ("What comes from the left?", ("a car", "a van", "a bus"), None),
    ],
)
def test_the_mirror_image_has_the_mirrored_answer_if_it_is_offered(question, options, mirrored):
    assert choice_sample(FACTS, "side", MultipleChoice(question, options, 1)).mirror_target == mirrored


def test_reasons_come_before_the_letter():
    choice = MultipleChoice("What does the driver want?", ("to turn", "to stop"), 1)
    sample = choice_sample(FACTS, "goal", choice, reasons=("The van brakes.", "The gap closes."))
    assert sample.target == "<think>\nThe van brakes.\nThe gap closes.\n</think>\n\n<answer>\nB\n</answer>"
    assert sample.type == "reasoning_vqa" and sample.mirror_target == sample.target
