"""Held-out questions: written for clips that nothing is trained on, and kept apart from what is."""

import random

import pytest

from tests.supervision.test_stage import clip_set
from tests.supervision.worlds import random_clip, real_clip
from vlm_autodrive.artifacts import read_held_out_questions, read_samples
from vlm_autodrive.records import DEFAULT_TAXONOMY
from vlm_autodrive.supervision import SuperviseSettings, choose_types, clip_writers, supervise
from vlm_autodrive.supervision.facts import facts_of
from vlm_autodrive.supervision.multiple_choice import choice_sample, held_out_question, shuffled_choice
from vlm_autodrive.supervision.samples import ClipSamples

TYPES = ("verdict", "vqa", "reasoning_vqa")
WEATHER = ("Clear", "Cloudy", "Rain", "Snow")


def two_questions(facts, types, seed, *_, **__):
    """The weather at once, and the goal after thinking; the weather of snowy clips is told wrongly as an outcome."""
    weather = str(facts.clip.metadata["weather"])
    rng = random.Random(f"{seed}{facts.clip.clip_id}")
    choice = shuffled_choice("What is the weather?", weather, [w for w in WEATHER if w != weather], rng)
    goal = shuffled_choice("What does the driver want?", "to stop", ["to turn"], rng)
    leak = shuffled_choice(f"What happens in {facts.clip.clip_id}?", "rain", ["snow"], rng)
    made = {
        "vqa": [choice_sample(facts, "weather", choice), choice_sample(facts, "leak", leak)],
        "reasoning_vqa": [choice_sample(facts, "goal", goal, reasons=("It slows down.",))],
    }
    return ClipSamples(tuple(sample for type_ in types for sample in made.get(type_, ())))


@pytest.fixture
def clips(tmp_path, monkeypatch):
    monkeypatch.setattr(clip_writers, "rule_based_samples", two_questions)
    splits = ("train", "validation", "test")
    clips = [random_clip(n, "collision", split=split) for n, split in enumerate(splits)]
    clips += [real_clip(70, None, 3.0, weather="Rain").model_copy(update={"split": "test"})]  # of unknown kind
    clips += [random_clip(9, "normal", split="test").model_copy(update={"problem": "cannot be decoded"})]
    return clip_set(tmp_path / "clips", clips)


def test_usable_validation_and_test_clips_are_asked_and_nothing_of_test_is_a_sample(clips, tmp_path):
    out = supervise(clips, tmp_path / "out", SuperviseSettings(types=("vqa", "reasoning_vqa")))
    questions = read_held_out_questions(out)
    assert [question.sample_id for question in questions] == [
        f"clip_0000{n}_collision/{name}" for n in (1, 2) for name in ("vqa/weather", "reasoning_vqa/goal")
    ]
    samples = read_samples(out)
    assert {sample.clip_id for sample in samples} == {"clip_00000_collision", "clip_00001_collision"}
    rejected = {sample.topic for sample in samples if not sample.accepted}
    assert rejected == {"leak"}  # which is asked of nobody
    shared = {sample.sample_id: sample for sample in samples}
    for question in questions[:2]:  # of the validation clip
        assert (question.options, question.answer) == (
            shared[question.sample_id].options,
            shared[question.sample_id].answer,
        )


def test_they_do_not_depend_on_what_is_trained(clips, tmp_path):
    both = supervise(clips, tmp_path / "both", SuperviseSettings(types=("vqa", "reasoning_vqa")))
    few = supervise(clips, tmp_path / "few", SuperviseSettings(types=("vqa",), vqa_per_clip=2))
    assert read_held_out_questions(few) == read_held_out_questions(both) != []
    assert read_held_out_questions(choose_types(both, tmp_path / "chosen", ("vqa",))) == []


def test_a_question_with_reasons_is_asked_for_its_letter_at_once():
    facts = facts_of(random_clip(3, "collision"), DEFAULT_TAXONOMY)
    choice = shuffled_choice("What does the driver want?", "to stop", ["to turn", "to wait"], random.Random(2))
    reasoned = held_out_question(choice_sample(facts, "goal", choice, reasons=("It slows down.",)))
    at_once = held_out_question(choice_sample(facts, "goal", choice))
    assert reasoned.prompt == at_once.prompt == choice_sample(facts, "goal", choice).prompt
    assert (reasoned.type, reasoned.answer, reasoned.letters) == ("reasoning_vqa", choice.letter, ("A", "B", "C"))


def test_a_clip_is_asked_what_it_would_be_taught(tmp_path):
    """The rules' own questions: the same, with the same options and the same right letter, in either split."""
    clips = [random_clip(n, name) for n in range(6) for name in DEFAULT_TAXONOMY.names]
    taught = supervise(clip_set(tmp_path / "train", clips), tmp_path / "taught", SuperviseSettings(types=TYPES))
    held_out = [clip.model_copy(update={"split": "test"}) for clip in clips[3:]]
    asked = supervise(
        clip_set(tmp_path / "test", [*clips[:3], *held_out]),
        tmp_path / "asked",
        SuperviseSettings(types=("verdict",), vqa_per_clip=0, vqa_topics=("gap",)),
    )
    samples = {sample.sample_id: sample for sample in read_samples(taught) if sample.options and sample.accepted}
    questions = read_held_out_questions(asked)
    wanted = {sample_id for sample_id, sample in samples.items() if sample.clip_id in {c.clip_id for c in held_out}}
    assert {question.sample_id for question in questions} == wanted != set()
    for question in questions:
        sample = samples[question.sample_id]
        assert (question.options, question.answer, question.topic) == (sample.options, sample.answer, sample.topic)
