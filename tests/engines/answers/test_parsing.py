# ruff: noqa: E501
import pytest

from vlm_autodrive.engines import parse_class, parse_reasoning
from vlm_autodrive.models import format_reasoning
from vlm_autodrive.records import DEFAULT_TAXONOMY, PAPER_TAXONOMY, EventClass, Outcome, Taxonomy

COLLISION = [
    "A", "A.", "(A)", "[A]", "A)", "A:", " A\n", "**A**", "`A`", '"A"', "a", "a.", "(a)", "Answer: A", "answer: a",
    "The answer is A", "The answer is A.", "The correct answer is (A).", "Option A", "option a", "Final answer: **A**",
    "\\boxed{A}", "A is correct.", "I choose A", "I think it is A.", "Class A", "A only",
    "A: Collision", "A. Collision", "A - Collision", "A) Collision", "(A) Collision", "Answer: A. Collision",
    "Collision", "collision", "COLLISION", "Collision.", "**Collision**", "collisions", "crash", "Accident",
    "A collision.", "It is a collision.", "This is a collision", "The video shows a collision.",
    "There is a collision between two cars.", "There is a collision in the video.", "This video shows a crash.",
    "The video shows a collision between the ego vehicle and a truck.", "The verdict is collision",
    "A: Collision (contact between a vehicle and another road user or object)",
    "Collision, not near-collision", "This is a collision, not a near-collision.", "Not normal, but a collision.",
    "It isn't a near miss. It is a collision.", "A\nt=3.4", "A\nt=3.4\n", "Collision\nt = 3.4 s", "A [t=3.4]",
    "<answer>A</answer>", "<answer>\nA\nt=2.0\n</answer>", "<think>\nThe car brakes.\n</think>\n\n<answer>\nA\n</answer>",
    "<think>Perhaps near-collision? No.</think>A", "{\"answer\": \"A\"}", '{"class": "collision", "confidence": 0.9}',
    "A. The ego car hits the truck.", "A, the car hits the truck", "A because the truck is hit.",
    "Collision. Braking came too late to avoid the crash.", "A. Traffic is normal until the truck brakes.",
]  # fmt: skip
NEAR = [
    "B", "b", "(B).", "Answer: B", "The answer is B", "Near-Collision", "near-collision", "near collision",
    "Near Collision.", "near_collision", "nearcollision", "near‑collision", "NEAR-COLLISION", "near - collision",
    "near-miss", "A near miss.", "Near crash", "a near-collision", "A near-collision", "This is a near-collision.",
    "It is a near-collision, not a collision.", "Not a collision, a near-collision.", "Not a collision but a near-collision",
    "B: Near-Collision", "B: Near-Collision (contact narrowly avoided, by evasive braking or steering or by luck)",
    "Near-Collision. A collision was narrowly avoided by braking.", "Near-collision: a collision was averted.",
    "B. There is no collision.", "The video shows a near-collision with a cyclist.", "<answer>B\nt=1.2</answer>",
    "**B: Near-Collision**", "B - the driver almost crashes", "B. The ego car brakes to avoid a collision.",
]  # fmt: skip
NORMAL = [
    "C", "c.", "(C)", "Answer: C", "The answer is C.", "C: Normal", "Normal", "normal", "normal driving", "Normal traffic.",
    "It is a normal drive.", "No event", "no event.", "None", "negative", "C: Normal (neither, however busy the traffic)",
    "Normal, no collision", "Normal: no collision or near-collision.", "No collision. Normal.", "C, no crash happens",
    "C. There is no sign of a collision.", "There is neither a collision nor a near-collision.",
    "No collision or near-collision occurs.", "Neither a collision nor a near-miss.", "<answer>\nC\n</answer>",
    "There was no collision and no near-collision", "C. The drive is accident-free.", "C is the answer", "Normal driving on the highway with light traffic.",
]  # fmt: skip
UNPARSEABLE = [
    "", " ", "\n", "D", "Answer: D", "A or B", "A/B", "A, B or C", "A and B", "A B C", "Answer with A, B or C only.",
    "B Collision", "A: Normal", "A: Near-Collision", "Collision or near-collision", "Collision? No.", "Collision. No.",
    "Is it a collision?", "not a collision", "No collision", "It is not a collision.", "There isn't a collision.",
    "Not normal.", "not A", "Not B.", "Neither", "None of the above", "A car brakes hard", "A car brakes and a bus turns.",
    "The car nearly had an accident.", "Almost a collision", "Maybe A", "Probably a collision", "Possibly near-collision",
    "a potential collision", "risk of collision", "It could be a collision.", "A collision with the truck was avoided.",
    "near-accident", "The collision warning is on.", "The car drives at normal speed.", "non-collision",
    "Collision. It is not a collision.", "The answer is B. The answer is C.", "A\nB", "Normal. A crash happens.",
    "<think>The car hits the truck.", "<think>a</think><think>b</think>A",
    "</think><think>A", "<answer>A", "<answer>A</answer><answer>B</answer>", "<answer>A</answer><answer>A</answer>",
    "<answer></answer>", "<answer>A</answer> The answer is C.", "The truck hits the ego car.", "Yes", "No", "yes.", "123",
    "事故", "Collisionless", "The Accidental tourist", "t=3.4", "B. Then the cars crash.", "Either A or B",
    "It is unclear whether this is a collision", "A: near-collision, B: collision", "Rule out a collision.",
    "Collision is ruled out", "The video ends before the collision.",
    "The video shows normal driving and then a truck hits the car.", "Normal traffic until a truck hits us.",
]  # fmt: skip
REFUSED = [
    "I'm sorry, I can't help with that.",
    "I cannot determine what happens.",
    "Sorry, no.",
    "As an AI I can not see.",
]

TABLE = [
    *((text, Outcome.OK, "collision") for text in COLLISION),
    *((text, Outcome.OK, "near_collision") for text in NEAR),
    *((text, Outcome.OK, "normal") for text in NORMAL),
    *((text, Outcome.UNPARSEABLE, None) for text in UNPARSEABLE),
    *((text, Outcome.REFUSED, None) for text in REFUSED),
]


def test_the_table_is_long_enough():
    assert len({text for text, _, _ in TABLE}) == len(TABLE) >= 150


@pytest.mark.parametrize(("text", "outcome", "name"), TABLE)
def test_class(text, outcome, name):
    assert parse_class(text, DEFAULT_TAXONOMY) == (outcome, name)


def test_codes_belong_to_the_taxonomy_not_to_the_alphabet():
    taxonomy = Taxonomy(
        classes=(
            EventClass(name="harsh_braking", label="Harsh braking", code="X", definition="hard"),
            EventClass(name="none", label="Nothing", code="A", definition="nothing", is_event=False),
        )
    )
    assert parse_class("A", taxonomy) == (Outcome.OK, "none")
    assert parse_class("Harsh-Braking", taxonomy) == (Outcome.OK, "harsh_braking")
    assert parse_class("B", taxonomy) == (Outcome.UNPARSEABLE, None)
    assert parse_class("collision", taxonomy) == (Outcome.UNPARSEABLE, None)


@pytest.mark.parametrize(
    ("text", "name"),
    [
        ("B", "normal"),
        ("(C)", "near_collision"),
        ("<answer>\nB\n</answer>", "normal"),
        ("C: Near-Collision", "near_collision"),
        ("B: Near-Collision", None),
        ("C: The ego vehicle nearly collides but avoids an accident", "near_collision"),
        ("The ego vehicle nearly collides but avoids an accident.", "near_collision"),
        ("(B) The ego vehicle drives normally and there is no incident.", "normal"),
        ("The ego vehicle drives normally and there is no incident", "normal"),
        ("A. The ego vehicle collides with another vehicle or object", "collision"),
        ("The ego vehicle collides with another vehicle or object.", "collision"),
        ("B: The ego vehicle collides with another vehicle or object", None),
    ],
)
def test_letters_and_options_of_the_paper(text, name):
    assert parse_class(text, PAPER_TAXONOMY) == (Outcome.OK if name else Outcome.UNPARSEABLE, name)


@pytest.mark.parametrize(("code", "name"), [("A", "collision"), ("B", "near_collision")])
def test_the_format_asked_for_is_read_back(code, name):
    text = format_reasoning("The lead car brakes [t=1.2]. Contact [t=3.4].", code, 3.4)
    reasoning = parse_reasoning(text, DEFAULT_TAXONOMY, 6.0)
    assert reasoning.outcome is Outcome.OK
    assert reasoning.event_class == name
    assert reasoning.trace == "The lead car brakes [t=1.2]. Contact [t=3.4]."
    assert reasoning.cited_times_s == (1.2, 3.4)
    assert reasoning.event_time_s == 3.4
    assert reasoning.raw_text == text


def test_normal_has_no_time():
    reasoning = parse_reasoning(format_reasoning("Calm [t=0.5].", "C", None), DEFAULT_TAXONOMY, 6.0)
    assert (reasoning.outcome, reasoning.event_class, reasoning.event_time_s) == (Outcome.OK, "normal", None)


@pytest.mark.parametrize(
    ("text", "outcome", "name", "time_s"),
    [
        ("<answer>\nA\nt=3.4\n</answer>", Outcome.REPAIRED, "collision", 3.4),
        ("<think>x</think>\nA\nt=3.4", Outcome.REPAIRED, "collision", 3.4),
        ("x</think><answer>A</answer>", Outcome.OK, "collision", None),
        ("</think>x<answer>A</answer></think>", Outcome.UNPARSEABLE, None, None),
        ("<think>x</think><answer>A\nt=9.0</answer>", Outcome.REPAIRED, "collision", 9.0),
        ("<think>x</think><answer>A\nt=-1</answer>", Outcome.REPAIRED, "collision", -1.0),
        ("<think>x</think><answer>C\nt=2.0</answer>", Outcome.REPAIRED, "normal", None),
        ("<think>x</think><answer>A</answer>", Outcome.OK, "collision", None),
        ("<think>x</think><answer>A\nt=1.0\nt=2.0</answer>", Outcome.UNPARSEABLE, None, None),
        ("<think>x</think><answer>A\n00:03.40</answer>", Outcome.OK, "collision", 3.4),
        ("<think>x</think><answer>A, at 3.4 seconds</answer>", Outcome.OK, "collision", 3.4),
        ("<think>x</think><answer>B <3.4 seconds></answer>", Outcome.OK, "near_collision", 3.4),
        ("<think>x</think><answer>A\n0:21</answer>", Outcome.REPAIRED, "collision", 21.0),
        (
            "<think>x</think><answer>A. It brakes at 2.1 s and hits it at 3.4 s.</answer>",
            Outcome.REPAIRED,
            "collision",
            None,
        ),
        ("<think>x</think><answer>A. It brakes at 2.1 s.\nt=3.4</answer>", Outcome.OK, "collision", 3.4),
        ("<think>x</think><answer>C. It brakes at 2.1 s.</answer>", Outcome.OK, "normal", None),
        ("<think>x<answer>A\nt=1.0</answer>", Outcome.UNPARSEABLE, None, None),
        ("<think>x</think><answer>A\nt=1.0", Outcome.UNPARSEABLE, None, None),
        ("<think>x</think><think>y</think><answer>A</answer>", Outcome.UNPARSEABLE, None, None),
        ("<think>x</think>", Outcome.UNPARSEABLE, None, None),
        ("", Outcome.UNPARSEABLE, None, None),
    ],
)
def test_flawed_reasoning(text, outcome, name, time_s):
    reasoning = parse_reasoning(text, DEFAULT_TAXONOMY, 6.0)
    assert (reasoning.outcome, reasoning.event_class, reasoning.event_time_s) == (outcome, name, time_s)
    assert reasoning.raw_text == text
    assert (reasoning.reason == "") == (outcome is Outcome.OK)


def test_the_class_named_while_thinking_is_not_the_answer():
    text = "<think>It looks like a collision. Answer: A</think><answer>C</answer>"
    assert parse_reasoning(text, DEFAULT_TAXONOMY, 6.0).event_class == "normal"
