"""What a teacher may write around its JSON, and what it may not."""

import pytest
from pydantic import ValidationError

from vlm_autodrive.engines import CostEstimate, StructuredSettings, budget_lines, read_answer
from vlm_autodrive.supervision.teacher_schemas import BlindDescription, Description, ReasoningAnswer, reasoning_shape
from vlm_autodrive.supervision.teachers.questions import QuestionsAnswer

SHAPE = reasoning_shape(("A", "B", "C"))
GOOD = '{"steps": ["a car", "a { brace"], "verdict": "A", "event_time_s": 2}'
WANTED = ReasoningAnswer(steps=("a car", "a { brace"), verdict="A", event_time_s=2.0)


@pytest.mark.parametrize(
    "text",
    [
        GOOD,
        f"\n {GOOD} \n",
        f"```json\n{GOOD}\n```",
        f"```\n{GOOD}```",
        f"Here it is:\n{GOOD}\nI hope this helps [1].",
        f"<think>{{not json}} hm</think>\n{GOOD}",
        f"hm, a car</think>{GOOD}",
        f"<think>a</think><think>b</think>{GOOD}",
        f"<think><think>a</think>{GOOD}",
        f"<think>a</think>b</think>{GOOD}",
        f"< THINK >a</ Think >{GOOD}",
        f"<thinking>a</thinking>{GOOD}",
        GOOD.replace("2}", "2.0}"),
        GOOD.replace("a car", "  a \\n car\\t"),
    ],
)
def test_what_stands_around_the_object_is_no_part_of_it(text):
    answer = read_answer(text, SHAPE)
    assert isinstance(answer, ReasoningAnswer)
    assert answer.model_dump() == WANTED.model_dump()


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("", "there is no JSON object"),
        ("I cannot help with that.", "there is no JSON object"),
        (f"<think>{GOOD}</think>", "there is no JSON object"),
        (f"<think>a car {GOOD}", "thoughts do not end"),
        (f"<think>a</think>{GOOD}<think>b", "thoughts do not end"),
        (f"<think>a</think><think>{GOOD}", "thoughts do not end"),
        (f"[{GOOD}]", "a list"),
        (f"{GOOD}\n{GOOD}", "more than one"),
        (GOOD[:-1], "not valid JSON"),
        (GOOD.replace('"a car"', '"a car'), "not valid JSON"),
        (GOOD.replace('"verdict"', "'verdict'"), "not valid JSON"),
        (GOOD.replace("{", '{"verdict": "A", ', 1), "a key appears twice"),
        (GOOD.replace("2}", "NaN}"), "NaN is no number"),
        (GOOD.replace("2}", "-Infinity}"), "-Infinity is no number"),
        (GOOD.replace("2}", "1e999}"), "event_time_s"),
        (GOOD.replace("2}", "-1}"), "event_time_s: Input should be greater"),
        (GOOD.replace("2}", '"2"}'), "event_time_s: Input should be a valid number"),
        (GOOD.replace("2}", "true}"), "event_time_s: Input should be a valid number"),
        (GOOD.replace("2}", "9" * 5000 + "}"), "not valid JSON"),
        (GOOD.replace('"A"', '"D"'), "verdict: Input should be 'A', 'B' or 'C'"),
        (GOOD.replace('"A"', '"a"'), "verdict: Input should be 'A', 'B' or 'C'"),
        (GOOD.replace('"A"', "null"), "verdict: Input should be 'A', 'B' or 'C'"),
        (GOOD.replace("2}", '2, "why": "so"}'), "why: Extra inputs are not permitted"),
        (GOOD.replace('"steps"', '"Steps"'), "steps: Field required"),
        (GOOD.replace('["a car", "a { brace"]', '"a car"'), "steps: Input should be a valid array"),
        (GOOD.replace('["a car", "a { brace"]', '["a car"]'), "steps: Tuple should have at least 2 items"),
        (GOOD.replace("a car", " "), "steps.0: String should have at least 1 character"),
        (GOOD.replace("a car", "a" * 1001), "steps.0: String should have at most 1000 characters"),
        (GOOD.replace("a car", "a\\u0000car"), "steps.0: Value error, it holds characters that cannot be seen"),
        (GOOD.replace("a car", "a\\u202ecar"), "steps.0: Value error, it holds characters that cannot be seen"),
        (GOOD.replace("a car", "a \\ud83d car"), "Invalid JSON"),
        ('{"steps": ' + "[" * 200_000, "not valid JSON"),
        ('{"steps": ' + "[" * 900 + "]" * 900 + "}", "recursion limit"),
    ],
)
def test_what_is_not_beyond_doubt_has_a_plain_reason(text, reason):
    answer = read_answer(text, SHAPE)
    assert isinstance(answer, str)
    assert reason in answer
    assert "\n" not in answer


@pytest.mark.parametrize(
    ("shape", "text", "place"),
    [
        (Description, '{"scene": "rain", "happenings": [{"time_s": 1, "what": "x", "who": "y"}]}', "happenings.0.who"),
        (Description, '{"scene": "' + "a" * 301 + '"}', "scene"),
        (Description, '{"happenings": [' + ",".join(['{"time_s": 1, "what": "x"}'] * 17) + "]}", "happenings"),
        (Description, '{"event": "collision"}', "event"),
        (BlindDescription, '{"scene": "rain", "road_users": [], "event": {"kind": "crash", "time_s": 1}}', "event"),
        (BlindDescription, '{"scene": "rain", "road_users": [], "cause": "speed"}', "cause"),
        (BlindDescription, '{"scene": "rain"}', "road_users"),
        (QuestionsAnswer, '{"questions": []}', "questions"),
        (QuestionsAnswer, '{"questions": [{"number": 1.5, "question": "a?", "answer": "b"}]}', "questions.0.number"),
        (QuestionsAnswer, '{"questions": [{"number": 1, "question": "a?", "answer": "b", "kind": "c"}]}', "kind"),
    ],
)
def test_shapes_are_bounded_and_closed(shape, text, place):
    answer = read_answer(text, shape)
    assert isinstance(answer, str)
    assert answer.split(":")[0].endswith(place)


def test_a_description_that_leaves_a_field_out_is_none_and_the_schema_asks_for_all():
    """A grammar made of the schema would otherwise let a scene alone pass, and silence be taken for a denial."""
    answer = read_answer('{"scene": "rain"}', Description)
    assert isinstance(answer, str) and "lacks ego_motion, road_users, happenings, event, cause" in answer
    assert set(Description.model_json_schema()["required"]) == set(Description.model_fields)
    blind = set(BlindDescription.model_json_schema()["required"])
    assert set(BlindDescription.model_fields) - blind == {"event", "cause"}
    whole = Description(scene="rain").model_dump_json()
    assert isinstance(read_answer(whole, Description), Description)


def test_answers_cannot_be_changed_once_read():
    answer = read_answer(GOOD, SHAPE)
    with pytest.raises(ValidationError):
        answer.verdict = "B"


@pytest.mark.parametrize(
    ("budget", "named"),
    [
        ({}, []),
        ({"requests": 8, "tokens": 150, "money": 2.5}, []),  # as much as is estimated: what is cached costs nothing
        ({"requests": 7, "tokens": 149, "money": 2.4}, ["requests (7)", "tokens (149)", "money (2.4)"]),
        ({"requests": 8, "tokens": 1}, ["tokens (1)"]),
    ],
)
def test_an_estimate_names_each_bound_that_it_may_pass(budget, named):
    estimate = CostEstimate(requests=10, in_cache=2, prompt_tokens=100, completion_tokens=50, money=2.5)
    lines = budget_lines(estimate, StructuredSettings(model="m", budget=budget), "served.")
    assert lines == [
        f"That may pass served.budget.{name}: the run then stops, and goes on when it is raised." for name in named
    ]
