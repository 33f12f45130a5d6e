"""The student as its own teacher: what it answers blind is kept where it comes out right."""

import asyncio
from pathlib import Path

import pytest
import torch

from tests.clocks import write_clock
from tests.supervision.teachers.scripted import ScriptedTeacher
from tests.supervision.worlds import random_clip
from tests.tiny_models import load_tiny
from vlm_autodrive.engines import InferenceResponse, LocalEngine
from vlm_autodrive.models import format_reasoning, reasoning_prompt
from vlm_autodrive.records import DEFAULT_TAXONOMY, Outcome
from vlm_autodrive.supervision import SuperviseSettings
from vlm_autodrive.supervision.facts import facts_of
from vlm_autodrive.supervision.settings import RejectionSamplingSettings, ServedTeacherSettings
from vlm_autodrive.supervision.teachers.chain import rejection_samples, teacher_samples
from vlm_autodrive.supervision.teachers.drafts import DRAFT_CHECK
from vlm_autodrive.supervision.teachers.protocol import KeptReplies
from vlm_autodrive.supervision.teachers.rejection_sampling import RejectionSampler, judge_trace, open_rejection_sampler
from vlm_autodrive.training.loss import weighted_loss
from vlm_autodrive.training.prefix_sharing import SampleTokens, collate, share_prefix
from vlm_autodrive.video import SamplingSettings, read_frames

THOUGHTS = "A car is ahead.\n[t=2.0] There is contact."


@pytest.fixture
def facts(tmp_path):
    path = write_clock(tmp_path / "drive.mp4", fps=10, count=60, size=(128, 64))
    clip = random_clip(1, "collision").model_copy(update={"path": str(path)})
    return facts_of(clip, DEFAULT_TAXONOMY)


def settings_for(**student):
    student = RejectionSamplingSettings(**{"model": "tiny", "samples": 3, "max_tokens": 40, **student})
    return SuperviseSettings(types=("reasoning",), reasoning="rejection_sampling", rejection_sampling=student, seed=4)


def chain(student, facts, settings):
    return asyncio.run(rejection_samples(student, facts, settings))


class ScriptedEngine:
    """Implements the engine's protocol: the texts in turn, whatever it is asked."""

    name = "small-student"
    sampling = SamplingSettings(fps=2, max_frames=4, height=84, width=168)

    def __init__(self, *answers):
        self._answers = [InferenceResponse(Outcome.OK, a) if isinstance(a, str) else a for a in answers]
        self.asked = []

    def generate(self, clips, requests, own=()):
        (clip,), (request,) = clips, requests
        self.asked.append((clip.times_s, request))
        return [[self._answers[len(self.asked) - 1]]]


def trace(code, time_s):
    return format_reasoning(THOUGHTS, code, time_s)


def test_the_first_right_trace_is_kept_with_the_labels_own_time(facts):
    time_s = facts.clip.event_time_s
    engine = ScriptedEngine("hm", trace("B", time_s), trace("A", time_s + 0.3), trace("A", time_s))
    settings = settings_for(samples=4)
    result = chain(RejectionSampler(engine, settings.rejection_sampling, settings.seed), facts, settings)
    (sample,) = result.samples
    assert sample.accepted, sample.checks
    assert sample.target == trace("A", time_s)
    assert (sample.teacher, sample.teacher_inputs) == ("small-student", ("frames",))
    assert sample.prompt == reasoning_prompt(DEFAULT_TAXONOMY)
    assert sample.replies == (f"{sample.clip_id}/reasoning/sample3",)
    assert [reply.outcome for reply in result.replies] == [Outcome.UNPARSEABLE, Outcome.OK, Outcome.OK]
    assert [reply.text for reply in result.replies][1:] == [trace("B", time_s), trace("A", time_s + 0.3)]
    assert "Near-Collision" in result.replies[1].reason
    times, question = engine.asked[0]
    assert question.prompt == sample.prompt.text
    assert (question.temperature, question.max_new_tokens) == (0.8, 40)
    assert len(times) == 4
    assert len({question.seed for _, question in engine.asked}) == 3


def test_if_none_is_right_one_rejected_item_says_why(facts):
    engine = ScriptedEngine("hm", InferenceResponse(Outcome.TRUNCATED, "<think>", reason="no end"), trace("C", None))
    settings = settings_for()
    result = chain(RejectionSampler(engine, settings.rejection_sampling, settings.seed), facts, settings)
    (sample,) = result.samples
    assert not sample.accepted
    assert sample.target == trace("C", None)
    (message,) = [check.message for check in sample.checks if check.name == DRAFT_CHECK]
    assert message == "none of 3 traces came out right; of the last, the verdict is Normal"
    assert len(sample.replies) == len(result.replies) == 3


@pytest.mark.parametrize(
    ("text", "event_class", "outcome", "wrong"),
    [
        (trace("A", 2.0), "collision", Outcome.OK, ""),
        (trace("A", 2.5), "collision", Outcome.OK, ""),
        (trace("A", 2.6), "collision", Outcome.OK, "the event is said to be at 2.6 s"),
        (trace("A", None), "collision", Outcome.OK, "no time of the event is given"),
        (trace("B", 2.0), "collision", Outcome.OK, "the verdict is Near-Collision"),
        (trace("C", None), "normal", Outcome.OK, ""),
        (trace("A", 2.0), "normal", Outcome.OK, "the verdict is Collision"),
        (trace("C", 2.0), "normal", Outcome.UNPARSEABLE, "a time was given without an event"),
        (trace("A", 99.0), "collision", Outcome.UNPARSEABLE, "the event time 99 s lies outside the clip"),
        (trace("A", 2.0).replace("\nt=2.0", "\n00:02.00"), "collision", Outcome.OK, ""),
        ("A", "collision", Outcome.UNPARSEABLE, "no think block; no answer block"),
        (trace("A", 2.0).replace("</think>", ""), "collision", Outcome.UNPARSEABLE, "the think block is not closed"),
    ],
)
def test_a_trace_is_right_in_verdict_and_time_and_whole(text, event_class, outcome, wrong):
    time_s = None if event_class == "normal" else 2.0
    clip = random_clip(1, event_class).model_copy(update={"event_time_s": time_s})
    judgement = judge_trace(InferenceResponse(Outcome.OK, text), facts_of(clip, DEFAULT_TAXONOMY), tolerance_s=0.5)
    assert (judgement[0], judgement[2]) == (outcome, wrong)
    if not wrong:
        assert judgement[1] == trace(DEFAULT_TAXONOMY.by_name(event_class).code, time_s)


def test_a_video_that_cannot_be_read_is_an_error_of_its_clip(tmp_path):
    clip = random_clip(1, "collision").model_copy(update={"path": str(tmp_path / "gone.mp4")})
    settings = settings_for()
    result = chain(
        RejectionSampler(ScriptedEngine(), settings.rejection_sampling, 0), facts_of(clip, DEFAULT_TAXONOMY), settings
    )
    (sample,) = result.samples
    assert (sample.outcome, sample.accepted) == (Outcome.ERROR, False)
    assert "gone.mp4" in sample.checks[0].message


def test_a_served_teacher_describes_while_the_student_reasons(facts):
    time_s = facts.clip.event_time_s
    settings = settings_for().model_copy(
        update={
            "types": ("description", "reasoning"),
            "teacher": "served",
            "served": ServedTeacherSettings(model="big-teacher"),
        }
    )
    teacher, student = (
        ScriptedTeacher(),
        RejectionSampler(ScriptedEngine(trace("A", time_s)), settings.rejection_sampling, 0),
    )
    (described,) = asyncio.run(teacher_samples(teacher, facts, settings)).samples
    (reasoned,) = chain(student, facts, settings).samples
    assert teacher.ids == ["description"]
    assert [(described.type, described.teacher, described.accepted)] == [("description", "big-teacher", True)]
    assert [(reasoned.type, reasoned.teacher, reasoned.accepted)] == [("reasoning", "small-student", True)]
    assert settings.rule_based_types == ()


@pytest.mark.slow
def test_a_real_student_that_has_learnt_a_trace_teaches_it_and_repeats_itself_by_seed(facts):
    loaded, encoder = load_tiny("qwen3_vl")
    engine, clip = LocalEngine(loaded), facts.clip
    frames = read_frames(Path(clip.path), clip.start_s, clip.end_s, engine.sampling)
    target = trace("A", clip.event_time_s)
    settings = settings_for(max_tokens=len(encoder.target(target)) + 4, temperature=0.3)
    untaught = chain(RejectionSampler(engine, settings.rejection_sampling, 0), facts, settings)
    assert not untaught.samples[0].accepted
    assert len(untaught.replies) == 3
    again, other = (
        chain(RejectionSampler(engine, settings.rejection_sampling, seed), facts, settings) for seed in (0, 1)
    )
    assert [reply.text for reply in again.replies] == [reply.text for reply in untaught.replies]
    assert [reply.text for reply in other.replies] != [reply.text for reply in untaught.replies]

    _learn(loaded, encoder, frames, reasoning_prompt(DEFAULT_TAXONOMY).text, target)
    result = chain(RejectionSampler(engine, settings.rejection_sampling, 0), facts, settings)
    assert result.samples[0].accepted, result.replies
    assert result.samples[0].target == target
    assert result.samples[0].teacher == "tiny-qwen3_vl"


def _learn(loaded, encoder, frames, prompt, target):
    prefix = encoder.prefix(frames.times_s, *frames.pixels.shape[1:3])
    tokens = encoder.target(target)
    batch = collate([share_prefix(prefix, [SampleTokens(encoder.question(prompt), tokens)])], encoder.pad_id)
    optimizer = torch.optim.AdamW(loaded.model.parameters(), lr=3e-3, betas=(0.9, 0.95))
    loaded.model.train()
    grid = torch.tensor([prefix.grid_thw])
    vision = encoder.vision_inputs(encoder.pixel_values(frames.pixels), grid)
    for _ in range(60):
        loss = weighted_loss(loaded.model, batch, vision) / len(tokens)
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
    loaded.model.eval()


def test_the_student_is_loaded_by_its_name(facts):
    settings = RejectionSamplingSettings(model="tiny-base", samples=1, max_tokens=16)
    student = open_rejection_sampler(settings, seed=0)
    assert student.name == "tiny-base"
    sampled = asyncio.run(student.reasoning(facts))
    assert sampled.reason
    assert len(sampled.replies) == 1


def test_what_a_student_wrote_before_it_was_killed_is_not_asked_again(facts, tmp_path):
    settings = RejectionSamplingSettings(model="tiny-base", samples=2, max_tokens=16)
    first = asyncio.run(open_rejection_sampler(settings, 0, KeptReplies(tmp_path / "kept.jsonl")).reasoning(facts))
    silent = RejectionSampler(ScriptedEngine(), settings, 0, KeptReplies(tmp_path / "kept.jsonl"))
    assert asyncio.run(silent.reasoning(facts)) == first
