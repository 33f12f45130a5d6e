"""The samples of ``chain: paper``, made of what a model wrote from two captions: one for each text that was wanted."""

import random
import re
from collections.abc import Sequence
from typing import Any

from vlm_autodrive.models import format_reasoning, reasoning_prompt
from vlm_autodrive.records import OPTION_LETTERS, Outcome, SFTSample, StudentPrompt, SupervisionType, Taxonomy
from vlm_autodrive.supervision import student_prompts
from vlm_autodrive.supervision.dimensions import DimensionSlot
from vlm_autodrive.supervision.facts import Facts, known_by_rules
from vlm_autodrive.supervision.multiple_choice import MultipleChoice, choice_sample, shuffled_choice
from vlm_autodrive.supervision.rules.understanding.event_question import EVENT_DIMENSION
from vlm_autodrive.supervision.samples import make_sample, rng_for
from vlm_autodrive.supervision.settings import SuperviseSettings
from vlm_autodrive.supervision.teacher_schemas import (
    DimensionQuestion,
    ReasoningQuestion,
    ThinkingAnswer,
    UnderstandingAnswer,
)
from vlm_autodrive.supervision.teachers import prompts
from vlm_autodrive.supervision.teachers.drafts import Draft, reply_ids, with_checks

_FEWEST_OPTIONS = 3
_FEWEST_WORDS = 3  # of a reason, and of some line of thought
_SAYS_SOMETHING = re.compile(r"\d|[^\W\d_]{2}")
_LETTERED = re.compile(r"\(?([A-F])[).:]\s+")
_NAMES_A_LETTER = re.compile(r"\b(?:options?|answers?|choices?|letters?)\s+(?:is\s+)?\(?[A-D]\b(?!\w)|\([A-D]\)")
_THOUGHTS = re.compile(r"\A\s*(?:<think(?:ing)?>)?(.*?)</think(?:ing)?>", re.DOTALL | re.IGNORECASE)


def understanding_samples_of(
    facts: Facts, settings: SuperviseSettings, teacher: str, slots: Sequence[DimensionSlot], draft: Draft
) -> list[SFTSample]:
    """One sample for each dimension that was wanted; without question and answer where it was not rightly written."""
    samples = []
    for slot in slots:
        found: MultipleChoice | str = draft.reason
        if isinstance(draft.answer, UnderstandingAnswer):
            found = understanding_choice(slot, draft.answer, facts, settings.seed)
        samples.append(_of_choice(facts, settings, teacher, "vqa", slot.dimension.topic, found, draft))
    return samples


def understanding_choice(
    slot: DimensionSlot, answer: UnderstandingAnswer, facts: Facts, seed: int
) -> MultipleChoice | str:
    """The question on one dimension with its options shuffled, or in plain words why there is none."""
    dimension = slot.dimension
    given = [question for question in answer.questions if question.dimension.casefold() == dimension.name]
    if len(given) != 1:
        return f"the question on {dimension.name} was {'written twice' if given else 'not written'}"
    asked = dimension.question or given[0].question
    if not asked.endswith("?"):
        return "it is no question"
    told = _right_and_wrong(given[0])
    if isinstance(told, str):
        return told
    right, wrong = told
    if dimension.none:
        if _same(right, dimension.none) != slot.none_is_right:
            return f"its right option {'had to' if slot.none_is_right else 'must not'} be {dimension.none!r}"
        wrong = [option for option in wrong if not _same(option, dimension.none)]
        # Offered to every clip in the same words, and in the same number of options.
        right, wrong = (dimension.none, wrong[:2]) if slot.none_is_right else (right, [*wrong[:1], dimension.none])
    if dimension.name == EVENT_DIMENSION:
        headed = [_headed(option, facts.taxonomy) for option in (right, *wrong)]
        labels = [event_class.label for event_class in facts.taxonomy.classes]
        if sorted(option.partition(": ")[0] for option in headed) != sorted(labels):
            return f"its options are not one for each of {', '.join(labels)} with what would show it"
        right, wrong = headed[0], headed[1:]
    if len(wrong) + 1 < _FEWEST_OPTIONS:
        return f"it needs {_FEWEST_OPTIONS} options at least"
    rng = rng_for(seed, facts.clip.clip_id, f"options {dimension.name}")
    return shuffled_choice(asked, right, wrong[: len(OPTION_LETTERS) - 1], rng)


def reasoning_question_sample_of(facts: Facts, settings: SuperviseSettings, teacher: str, draft: Draft) -> SFTSample:
    """The sample of the question of several steps."""
    found: MultipleChoice | str = draft.reason
    reasons: tuple[str, ...] = ()
    if isinstance(draft.answer, ReasoningQuestion):
        reasons = draft.answer.reasons
        rng = rng_for(settings.seed, facts.clip.clip_id, "options reasoning_vqa")
        found = _reasoning_choice(draft.answer, rng)
    return _of_choice(facts, settings, teacher, "reasoning_vqa", "teacher_intention", found, draft, reasons)


def thinking_sample_of(facts: Facts, settings: SuperviseSettings, teacher: str, draft: Draft) -> SFTSample:
    """The sample of a thinking trace: the model's own thoughts, with the letter that it came to.

    A right letter is followed by the label's time of the event, which the model is not asked for. A wrong one stays,
    and the checks reject the sample.
    """
    target, reason = draft.text, draft.reason
    if isinstance(draft.answer, ThinkingAnswer):
        right = draft.answer.answer == facts.label.code
        time_s = facts.clip.event_time_s if right and facts.label.is_event else None
        thoughts = thoughts_of(draft, draft.answer)
        target = format_reasoning(thoughts, draft.answer.answer, time_s)
        options = {event_class.option_line.partition(": ")[2] for event_class in facts.taxonomy.classes}
        if len(options & {_LETTERED.sub("", line, count=1) for line in thoughts.splitlines()}) > 1:
            reason = "its thoughts repeat the options"
    sample = make_sample(
        facts,
        "reasoning",
        "reasoning",
        reasoning_prompt(facts.taxonomy),
        target,
        teacher=teacher,
        teacher_prompt_version=prompts.VERSION,
        teacher_inputs=(*known_by_rules(facts), "description"),
        replies=reply_ids(draft.replies),
        outcome=draft.outcome,
    )
    return with_checks(sample, facts, settings, reason)


def thoughts_of(draft: Draft, answer: ThinkingAnswer) -> str:
    """What a model thought: apart from its text, else before its answer, else as steps in it; empty if nowhere."""
    inside = _THOUGHTS.match(draft.text)
    for thoughts in (draft.replies[-1].thoughts, inside.group(1) if inside else "", "\n".join(answer.steps)):
        lines = [" ".join(line.split()) for line in thoughts.splitlines() if line.strip()]
        if any(len(line.split()) >= _FEWEST_WORDS for line in lines):
            return "\n".join(lines)
    return ""


def _of_choice(
    facts: Facts,
    settings: SuperviseSettings,
    teacher: str,
    type_: SupervisionType,
    topic: str,
    found: MultipleChoice | str,
    draft: Draft,
    reasons: Sequence[str] = (),
) -> SFTSample:
    inputs = known_by_rules(facts)
    origin: dict[str, Any] = {
        "teacher": teacher,
        "teacher_prompt_version": prompts.VERSION,
        "teacher_inputs": (*inputs, "description") if type_ == "reasoning_vqa" else inputs,
        "replies": reply_ids(draft.replies),
    }
    if isinstance(found, MultipleChoice):
        sample = choice_sample(facts, topic, found, reasons=reasons, outcome=draft.outcome, **origin)
        return with_checks(sample, facts, settings, "")
    outcome = draft.outcome if draft.answer is None else Outcome.UNPARSEABLE
    unasked = StudentPrompt(text="", version=student_prompts.VERSION)
    sample = make_sample(facts, type_, topic, unasked, "", outcome=outcome, **origin)
    return with_checks(sample, facts, settings, found)


def _reasoning_choice(answer: ReasoningQuestion, rng: random.Random) -> MultipleChoice | str:
    if not answer.question.endswith("?"):
        return "it is no question"
    if len({_plain(reason) for reason in answer.reasons}) != len(answer.reasons):
        return "two of its reasons are the same"
    if any(len(reason.split()) < _FEWEST_WORDS for reason in answer.reasons):
        return f"a reason has fewer than {_FEWEST_WORDS} words"
    if any(_NAMES_A_LETTER.search(reason) for reason in answer.reasons):
        return "a reason names an option by its letter, and the options are shuffled"
    told = _right_and_wrong(answer)
    return told if isinstance(told, str) else shuffled_choice(answer.question, *told, rng)


def _right_and_wrong(question: DimensionQuestion | ReasoningQuestion) -> tuple[str, list[str]] | str:
    """The right option and the wrong ones, without letters of the writer's own."""
    options = list(question.options)
    letters = [match.group(1) if (match := _LETTERED.match(option)) else "" for option in options]
    if letters == list("ABCDEF"[: len(options)]):
        options = [_LETTERED.sub("", option, count=1) for option in options]
    place = "ABCDEF".index(question.answer)
    if place >= len(options):
        return f"there is no option {question.answer}"
    if not all(_SAYS_SOMETHING.search(option) for option in options):
        return "an option says nothing"
    if len({_plain(option) for option in options}) != len(options):
        return "two of its options are the same"
    return options.pop(place), options


def _headed(option: str, taxonomy: Taxonomy) -> str:
    """An option as ``label: evidence`` with the label of the class that it names; empty if it is not of that form."""
    head, _, evidence = option.partition(":")
    event_class = taxonomy.find(head)
    return f"{event_class.label}: {evidence.strip()}" if event_class is not None and evidence.strip() else ""


def _same(option: str, other: str) -> bool:
    return _plain(option) == _plain(other)


def _plain(text: str) -> str:
    return text.casefold().strip().rstrip(".")
