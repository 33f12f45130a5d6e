"""The chain of one clip, with a teacher that fails at every place and in every way."""

import asyncio
import json

import pytest

from tests.supervision.teachers.scripted import (
    QUESTIONS,
    SEED,
    ScriptedTeacher,
    description_of,
    fails,
    questions_for,
    reasoning_of,
    writes,
)
from tests.supervision.worlds import random_clip, real_clip
from vlm_autodrive.errors import UserError
from vlm_autodrive.models import format_reasoning
from vlm_autodrive.progress import SILENT
from vlm_autodrive.records import DEFAULT_TAXONOMY, Outcome
from vlm_autodrive.supervision import SuperviseSettings
from vlm_autodrive.supervision.facts import facts_of
from vlm_autodrive.supervision.samples import NO_TIME
from vlm_autodrive.supervision.settings import ServedTeacherSettings, TeacherContextSettings
from vlm_autodrive.supervision.teachers.chain import TeacherSamples, teacher_samples
from vlm_autodrive.supervision.teachers.drafts import DRAFT_CHECK
from vlm_autodrive.supervision.teachers.priced import open_priced, stand_in
from vlm_autodrive.supervision.teachers.protocol import Teacher
from vlm_autodrive.supervision.teachers.questions import slots_for

CLIP = random_clip(2, "collision")
FACTS = facts_of(CLIP, DEFAULT_TAXONOMY)
ALL = ("description", "vqa", "reasoning")


def settings_for(kinds=ALL, **values):
    served = ServedTeacherSettings(model="big-teacher")
    values = {"teacher": "served", "served": served, "seed": SEED, "teacher_questions": QUESTIONS, **values}
    return SuperviseSettings(types=kinds, **values)


def chain(teacher: Teacher, settings=None, facts=FACTS) -> TeacherSamples:
    return asyncio.run(teacher_samples(teacher, facts, settings or settings_for()))


def of_kind(result, kind):
    return [sample for sample in result.samples if sample.type == kind]


def why(sample):
    return [check.message for check in sample.checks if check.name == DRAFT_CHECK and not check.passed]


@pytest.mark.parametrize("name", ["collision", "near_collision", "normal"])
def test_everything_is_written_checked_and_traced_to_its_reply(name):
    facts, teacher = facts_of(random_clip(3, name), DEFAULT_TAXONOMY), ScriptedTeacher()
    result = chain(teacher, facts=facts)
    assert [(i.sample_id, i.checks) for i in result.samples if not i.accepted] == []
    assert result.missing == {}
    assert teacher.ids == ["description", "questions", "reasoning"]
    assert [reply.request_id for reply in result.replies] == [request.request_id for request in teacher.asked]
    (description,), questions, (reasoning,) = (of_kind(result, kind) for kind in ALL)
    assert len(questions) == QUESTIONS
    assert {sample.teacher for sample in result.samples} == {"big-teacher"}
    assert len({sample.sample_id for sample in result.samples}) == len(result.samples)
    assert description.target.startswith("A road by day. The ego vehicle drives on. At 0.4 s a grey lorry ahead goes")
    steps = reasoning_of(facts)["steps"]
    assert reasoning.target == format_reasoning("\n".join(steps), facts.label.code, facts.clip.event_time_s)
    assert description.teacher_inputs == ("label", "metadata", "scenario")
    assert reasoning.teacher_inputs == ("label", "description")
    assert {sample.teacher_inputs for sample in questions} == {("description",)}
    clip_id = facts.clip.clip_id
    assert (description.replies, reasoning.replies) == ((f"{clip_id}/description",), (f"{clip_id}/reasoning",))
    assert {sample.replies for sample in questions} == {(f"{clip_id}/questions",)}
    asked = {request.wanted: request.prompt.text for request in teacher.asked}
    assert "a grey lorry ahead goes slower" in asked["questions"]
    assert "a grey lorry ahead goes slower" in asked["reasoning"]


def test_one_step_reasons_from_what_the_teacher_is_told_and_shown():
    context = TeacherContextSettings(label=False, frames=8)
    teacher = ScriptedTeacher()
    result = chain(teacher, settings_for(("reasoning",), reasoning="one_step", context=context))
    assert teacher.ids == ["reasoning"]
    (request,) = teacher.asked
    assert request.footage.sampling.n_frames == 8
    assert "description" not in request.prompt.text.split("</data>")[0]
    (sample,) = result.samples
    assert sample.teacher_inputs == ("metadata", "frames")
    assert sample.accepted


def test_two_steps_need_a_description_that_need_not_become_an_item():
    teacher = ScriptedTeacher()
    result = chain(teacher, settings_for(("reasoning",)))
    assert teacher.ids == ["description", "reasoning"]
    assert [sample.type for sample in result.samples] == ["reasoning"]
    assert len(result.replies) == 2
    questions = ScriptedTeacher()
    assert {i.type for i in chain(questions, settings_for(("vqa",))).samples} == {"vqa"}
    assert questions.ids == ["description", "questions"]
    nothing = ScriptedTeacher()
    assert chain(nothing, settings_for(("verdict", "caption", "vqa"), teacher_questions=0)) == TeacherSamples()
    assert nothing.asked == []


BAD = '{"scene": "a road", "crash": "yes"}'


@pytest.mark.parametrize("kind", ["description", "questions", "reasoning"])
def test_what_cannot_be_read_is_asked_for_once_more(kind):
    good = {"description": description_of, "questions": questions_for, "reasoning": reasoning_of}[kind](FACTS)
    teacher = ScriptedTeacher(writes(kind, BAD, json.dumps(good)))
    result = chain(teacher)
    again = next(request for request in teacher.asked if request.answered)
    assert again.request_id == f"{CLIP.clip_id}/{kind}/repair"
    assert again.answered[0] == BAD
    assert "Extra inputs are not permitted" in again.answered[1] or "Field required" in again.answered[1]
    assert len(result.replies) == len(teacher.asked) == 4
    for sample in result.samples:
        assert sample.accepted
        is_repaired = sample.type == {"questions": "vqa"}.get(kind, kind)
        assert sample.outcome is (Outcome.REPAIRED if is_repaired else Outcome.OK)
        assert len(sample.replies) == 1 + is_repaired
        assert BAD not in sample.target


@pytest.mark.parametrize("kind", ["description", "questions", "reasoning"])
def test_what_cannot_be_read_twice_is_rejected_with_the_text_and_the_reason(kind):
    teacher = ScriptedTeacher(writes(kind, "I think", BAD))
    result = chain(teacher)
    failed = [sample for sample in result.samples if sample.outcome is Outcome.UNPARSEABLE]
    wanted = {"description": QUESTIONS + 2, "questions": QUESTIONS, "reasoning": 1}[kind]
    assert len(failed) == wanted
    assert not any(sample.accepted for sample in failed)
    assert all(why(sample) for sample in failed)
    assert len(result.samples) == QUESTIONS + 2
    if kind != "questions":
        assert failed[0].target == BAD


@pytest.mark.parametrize("outcome", [Outcome.TRUNCATED, Outcome.REFUSED, Outcome.ERROR])
@pytest.mark.parametrize("kind", ["description", "questions", "reasoning"])
def test_a_failure_is_one_item_for_each_thing_wanted_and_is_not_asked_again(kind, outcome):
    text = json.dumps(description_of(FACTS))  # whole, and yet not to be taught: the teacher says it is cut
    teacher = ScriptedTeacher(fails(outcome, kind, text, "it went wrong"))
    result = chain(teacher)
    assert not any(request.answered for request in teacher.asked)
    assert len(result.samples) == QUESTIONS + 2
    failed = {sample.sample_id for sample in result.samples if sample.outcome is outcome and not sample.accepted}
    wanted = {"description": set(ALL), "questions": {"vqa"}, "reasoning": {"reasoning"}}[kind]
    assert failed == {sample.sample_id for sample in result.samples if sample.type in wanted}
    for sample in result.samples:
        if sample.sample_id in failed:
            assert "it went wrong" in why(sample)[0]
    if kind == "description":
        assert teacher.ids == ["description"]
        assert "no description" in why(of_kind(result, "reasoning")[0])[0]


def test_a_repair_that_is_cut_off_is_not_taught():
    def script(request):
        return (fails(Outcome.TRUNCATED, "reasoning", '{"steps"') if request.answered else writes("reasoning", "?"))(
            request
        )

    (sample,) = of_kind(chain(ScriptedTeacher(script)), "reasoning")
    assert (sample.outcome, sample.accepted, sample.target) == (Outcome.TRUNCATED, False, '{"steps"')
    assert len(sample.replies) == 2


def test_a_repair_that_never_came_leaves_what_was_written_first():
    def script(request):
        return (fails(Outcome.ERROR, "reasoning", "", "HTTP 500") if request.answered else writes("reasoning", "?"))(
            request
        )

    (sample,) = of_kind(chain(ScriptedTeacher(script)), "reasoning")
    assert (sample.outcome, sample.accepted, sample.target, why(sample)) == (Outcome.ERROR, False, "?", ["HTTP 500"])


def test_an_empty_answer_is_not_repaired():
    teacher = ScriptedTeacher(writes("reasoning", "  ", "never asked"))
    (sample,) = of_kind(chain(teacher), "reasoning")
    assert sample.outcome is Outcome.UNPARSEABLE
    assert teacher.ids == ["description", "questions", "reasoning"]


def test_what_contradicts_the_label_is_rejected():
    wrong = reasoning_of(FACTS) | {"verdict": "C", "event_time_s": None}
    (sample,) = of_kind(chain(ScriptedTeacher(writes("reasoning", json.dumps(wrong)))), "reasoning")
    assert (sample.outcome, sample.accepted) == (Outcome.OK, False)


@pytest.mark.parametrize(("off_s", "label", "accepted"), [(0.4, False, True), (0.6, False, False), (0.4, True, False)])
def test_a_blind_teacher_may_be_off_by_a_little_and_the_answer_is_then_the_labels(off_s, label, accepted):
    time_s = CLIP.event_time_s
    near = json.dumps(reasoning_of(FACTS) | {"event_time_s": time_s - off_s})
    settings = settings_for(("reasoning",), reasoning="one_step", context=TeacherContextSettings(label=label, frames=4))
    (sample,) = chain(ScriptedTeacher(writes("reasoning", near)), settings).samples
    assert sample.accepted == accepted
    assert (f"t={time_s:.1f}\n</answer>" in sample.target) == accepted


def test_a_verdict_that_is_no_code_is_repaired():
    wrong = reasoning_of(FACTS) | {"verdict": "Collision"}
    right = json.dumps(reasoning_of(FACTS))
    teacher = ScriptedTeacher(writes("reasoning", json.dumps(wrong), right))
    assert of_kind(chain(teacher), "reasoning")[0].outcome is Outcome.REPAIRED
    assert "'A', 'B' or 'C'" in teacher.asked[-1].answered[1]


def test_a_spent_budget_is_not_swallowed_and_lets_what_is_under_way_end():
    ended = []

    class Slow(ScriptedTeacher):
        async def write(self, request):
            if request.wanted == "questions":
                raise UserError("the budget is spent.")
            await asyncio.sleep(0.01)
            ended.append(request.wanted)
            return await super().write(request)

    with pytest.raises(UserError, match="budget"):
        chain(Slow())
    assert ended == ["description", "reasoning"]


def test_reasoning_towards_an_event_whose_time_is_unknown_is_asked_of_nobody():
    teacher = ScriptedTeacher()
    facts = facts_of(real_clip(1, "collision", None, weather="Rain"), DEFAULT_TAXONOMY)
    result = chain(teacher, settings_for(("description", "reasoning")), facts)
    assert teacher.ids == ["description"]
    assert result.missing == {"reasoning": NO_TIME}
    survey = facts_of(real_clip(1, "collision", 10.5, weather="Rain"), DEFAULT_TAXONOMY)
    assert set(chain(teacher, facts=survey).missing) == {"description", "vqa", "reasoning"}
    assert teacher.ids == ["description"]


def test_questions_that_were_not_rightly_written_are_rejected_one_by_one():
    slots = slots_for(FACTS, SEED, QUESTIONS)
    written = questions_for(FACTS)["questions"]
    yes_no = next(slot for slot in slots if slot.kind == "yes_no")
    written[yes_no.number - 1]["answer"] = "no" if yes_no.truth == "yes" else "yes"
    left_out = next(slot for slot in slots if slot.kind != "yes_no")
    del written[left_out.number - 1]
    written.append({"number": 77, "question": "What else?", "answer": "this"})
    result = chain(ScriptedTeacher(writes("questions", json.dumps({"questions": written}))))
    samples = dict(zip(slots, of_kind(result, "vqa"), strict=True))
    assert "had to be" in why(samples[yes_no])[0]
    assert "not written" in why(samples[left_out])[0]
    assert sum(sample.accepted for sample in samples.values()) == QUESTIONS - 2
    assert not any("else" in sample.prompt.text for sample in samples.values())


@pytest.mark.parametrize("how", ["two_steps", "one_step"])
@pytest.mark.parametrize("kinds", [ALL, ("description",), ("vqa",), ("reasoning",), ("caption",)])
def test_the_price_is_asked_of_all_that_the_chain_asks_for(kinds, how, tmp_path, make_video):
    clip = CLIP.model_copy(update={"path": str(make_video())})
    facts = facts_of(clip, DEFAULT_TAXONOMY)
    settings = settings_for(kinds, reasoning=how, context=TeacherContextSettings(frames=4))
    teacher = ScriptedTeacher()
    chain(teacher, settings, facts)
    served = settings.served.model_copy(update={"cache": str(tmp_path / "replies.sqlite")})
    with open_priced(served, stand_in, SILENT) as priced:
        chain(priced, settings, facts)
        told = priced.estimate()
    assert (told.requests, told.in_cache) == (len(teacher.asked), 0)
    assert told.images == 4 * sum(request.footage is not None for request in teacher.asked)
