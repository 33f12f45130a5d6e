"""Questions that come with a data set, as VQA samples of the clips of its videos.

A question that presupposes an event is asked of clips without one too, at the same rate, and "no such event" is
then the answer and always among the options. Its data set's own words, such as "the accident", would give
the class away and are replaced. A question about a span of the video names it in clip time, of clips without an event
alone: where people part a drive into actions, its event is near a parting, which would tell its time. What the checks
refuse all the same stays on record and is not used for training.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from vlm_autodrive.records import OPTION_LETTERS, Clip, DatasetQuestion, SFTSample, StudentPrompt, Taxonomy
from vlm_autodrive.supervision.checks import checked
from vlm_autodrive.supervision.facts import Facts, stated_times
from vlm_autodrive.supervision.multiple_choice import MultipleChoice, choice_sample, shuffled_choice
from vlm_autodrive.supervision.rules.wording import NO_EVENT, seconds
from vlm_autodrive.supervision.samples import make_sample, rng_for
from vlm_autodrive.supervision.student_prompts import IMPORTED_ON_EVENTS, IMPORTED_PROMPTS, VERSION

NOBODY_TO_COMPARE = "questions on an event need clips without one, so that asking does not tell"


@dataclass(frozen=True)
class AssignedQuestions:
    """Which clips are asked which dataset questions.

    Attributes:
        by_clip: The questions of each clip that has some, by clip id, each with the answer that is true there.
        left_out: How many questions on an event are not asked, since there is no clip without one.
    """

    by_clip: Mapping[str, Sequence[tuple[DatasetQuestion, str]]]
    left_out: int


def assign_questions(
    clips: Sequence[Clip], questions: Sequence[DatasetQuestion], taxonomy: Taxonomy, seed: int
) -> AssignedQuestions:
    """Decide which clips are asked which questions.

    What is asked of the whole video, such as its weather, is asked of each of its clips. What is asked of its
    event is asked of the clips that show one: a clip beside the event holds no answer to it. What is asked of a span
    is asked of the clips without an event that show it whole.

    Args:
        clips: Labelled clips, of training and validation. Their scenarios are not looked at.
        questions: The questions of their catalog.
        taxonomy: The classes.
        seed: Of which clips without an event are asked what.
    """
    by_video: dict[str, list[DatasetQuestion]] = {}
    for question in questions:
        by_video.setdefault(question.video_id, []).append(question)
    with_event = [clip for clip in clips if clip.event_class in taxonomy.event_names]
    without = [clip for clip in clips if clip.event_class == taxonomy.normal.name]
    asked: dict[str, list[tuple[DatasetQuestion, str]]] = {}
    for clip in clips:
        for question in by_video.get(clip.video_id, []):
            if question.topic not in IMPORTED_ON_EVENTS and _shows(clip, question, taxonomy):
                asked.setdefault(clip.clip_id, []).append((question, question.answer))
    left_out = 0
    for topic in IMPORTED_ON_EVENTS:
        own = [(c, q) for c in with_event for q in by_video.get(c.video_id, []) if q.topic == topic]
        if not without:
            left_out += len(own)
            continue
        for clip, question in own:
            asked.setdefault(clip.clip_id, []).append((question, question.answer))
        for clip, question in _lent(own, len(with_event), without, seed, topic):
            asked.setdefault(clip.clip_id, []).append((question, NO_EVENT))
    return AssignedQuestions(asked, left_out)


def dataset_question_samples(
    facts: Facts, asked: Sequence[tuple[DatasetQuestion, str]], seed: int
) -> tuple[SFTSample, ...]:
    """The samples of one clip, each with its checks.

    Args:
        facts: The clip.
        asked: Its questions and their answers.
        seed: Of the order of options.
    """
    return tuple(_item(facts, question, answer, seed, number) for number, (question, answer) in enumerate(asked))


def _shows(clip: Clip, question: DatasetQuestion, taxonomy: Taxonomy) -> bool:
    if question.span is None:
        return True
    start_s, end_s = question.span
    return clip.event_class == taxonomy.normal.name and clip.start_s <= start_s and end_s <= clip.end_s


def _lent(
    own: Sequence[tuple[Clip, DatasetQuestion]], events: int, without: Sequence[Clip], seed: int, topic: str
) -> list[tuple[Clip, DatasetQuestion]]:
    """Clips without an event, and a question of a clip with one for as large a share of them as of those."""
    if not own:
        return []
    wanted = min(len(without), round(len({clip.clip_id for clip, _ in own}) / events * len(without)))
    drawn = sorted(without, key=lambda clip: rng_for(seed, clip.clip_id, f"asked {topic}").random())[:wanted]
    lent = []
    for clip in drawn:
        rng = rng_for(seed, clip.clip_id, f"lent {topic}")
        same_split = [question for lender, question in own if lender.split == clip.split]
        lent.append((clip, rng.choice(same_split or [question for _, question in own])))
    return lent


def _item(facts: Facts, question: DatasetQuestion, answer: str, seed: int, number: int) -> SFTSample:
    clip_id = facts.clip.clip_id
    text = IMPORTED_PROMPTS.get(question.topic, question.question)
    span = [] if question.span is None else [round(time_s - facts.clip.start_s, 1) for time_s in question.span]
    if span:
        text = f"From {seconds(span[0])} to {seconds(span[1])}: {text}"
    topic = f"imported_{question.topic.replace(' ', '_')}"
    origin: dict[str, Any] = {
        "number": number,
        "teacher": question.source or "data set",
        "teacher_prompt_version": "1",
        "teacher_inputs": ("data set",),
    }
    if question.options:
        sample = choice_sample(facts, topic, _choice(question, text, answer, clip_id, seed), **origin)
    else:
        sample = make_sample(facts, "vqa", topic, StudentPrompt(text=text, version=VERSION), answer, **origin)
    return checked(sample, facts, [*stated_times(seed, clip_id, facts.clip.duration_s), *span])


def _choice(question: DatasetQuestion, text: str, answer: str, clip_id: str, seed: int) -> MultipleChoice:
    """The data set's own answer among as many of its other options as there are letters for."""
    rng = rng_for(seed, clip_id, question.question_id)
    fixed = [question.answer, *([NO_EVENT] if question.topic in IMPORTED_ON_EVENTS else [])]
    others = [option for option in question.options if option != question.answer]
    offered = [*fixed, *rng.sample(others, min(len(others), len(OPTION_LETTERS) - len(fixed)))]
    return shuffled_choice(text, answer, [option for option in offered if option != answer], rng)
