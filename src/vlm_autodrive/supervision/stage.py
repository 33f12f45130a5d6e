"""The supervision stage: clips in, SFT samples out, each accepted or rejected with a reason."""

import json
import time
from collections import Counter
from collections.abc import Iterator, Sequence
from contextlib import aclosing
from dataclasses import replace
from pathlib import Path
from typing import Any

from vlm_autodrive.artifacts import (
    HELD_OUT_QUESTIONS_FILE,
    SAMPLES_FILE,
    artifact_key,
    input_key,
    iterate_clips,
    write_clips,
    write_text,
    writing_artifact,
)
from vlm_autodrive.console import TERMINAL
from vlm_autodrive.engines import in_order, run_async
from vlm_autodrive.errors import UserError
from vlm_autodrive.progress import Reporter
from vlm_autodrive.records import (
    SUPERVISION_TYPES,
    Clip,
    HeldOutQuestion,
    SFTSample,
    SupervisionType,
    Taxonomy,
    write_jsonl,
    writing_jsonl,
)
from vlm_autodrive.supervision.checks import checked
from vlm_autodrive.supervision.checks.whole_set import SetStatistics
from vlm_autodrive.supervision.dataset_questions import NOBODY_TO_COMPARE, dataset_question_samples
from vlm_autodrive.supervision.estimate import estimate_lines, estimate_supervision
from vlm_autodrive.supervision.facts import Facts, facts_of, stated_times
from vlm_autodrive.supervision.multiple_choice import held_out_question
from vlm_autodrive.supervision.rules.rule_based import rule_based_samples
from vlm_autodrive.supervision.rules.vqa.topics import ALL_KNOWN, KnownShares
from vlm_autodrive.supervision.samples import ClipSamples
from vlm_autodrive.supervision.settings import LimitSettings, ServedTeacherSettings, SuperviseSettings
from vlm_autodrive.supervision.summary import figures_lines, summarise
from vlm_autodrive.supervision.survey import ClipSetSurvey, survey_clips, unusable
from vlm_autodrive.supervision.teachers.chain import TeacherSamples, rejection_samples, teacher_samples
from vlm_autodrive.supervision.teachers.opening import open_models, rejection_sampler_for
from vlm_autodrive.supervision.teachers.protocol import KeptReplies

SUMMARY_FILE = "summary.json"
REPLIES_FILE = "replies.jsonl"
KEPT_FILE = "kept_replies.jsonl"
_CLIPS_FOR_EACH_REQUEST = 4  # a slow reply to the first in order then keeps none waiting
_CLIPS_BETWEEN_CHECKS = 100


def supervise(
    clips: Path,
    out: Path,
    settings: SuperviseSettings,
    reporter: Reporter = TERMINAL,
    *,
    overwrite: bool = False,
) -> Path:
    """Make the supervision of a clip set.

    Only clips of the splits train and validation get samples: test clips are for evaluation, and no
    teacher ever sees them. Rejected samples stay in ``samples.jsonl`` with the reason, all that a model wrote
    stands in ``replies.jsonl``, and ``summary.json`` counts the samples, and the clips without any.

    The multiple-choice questions that the same rules write about validation and test clips stand in a file of their
    own, ``held_out_questions.jsonl``: models are asked them by ``evaluate``, and nothing is trained on them.

    Clips are read, supervised and written one after the other, so that memory does not grow with their number.

    Args:
        clips: A clip set.
        out: Where the supervision set is to stand.
        settings: What is wanted.
        reporter: Told of the progress.
        overwrite: Replace a finished result that was made otherwise.

    Returns:
        ``out``.

    Raises:
        UserError: If no clip can be supervised, the teacher cannot be used or has spent its budget, or
            more is rejected than ``limits`` allow.
    """
    with writing_artifact(out, "supervision", {"clips": clips}, settings, overwrite=overwrite) as folder:
        if folder is not None:
            survey = survey_clips(clips, settings)
            if "served" in (settings.teacher, settings.captioner.teacher):
                for line in estimate_lines(estimate_supervision(clips, settings), settings):
                    reporter.say(line)
            summary = run_async(_supervise(clips, survey, folder, settings, reporter))
            write_jsonl(folder / HELD_OUT_QUESTIONS_FILE, _held_out_questions(clips, survey, settings))
            write_clips(folder, out, survey.taxonomy, iterate_clips(clips))
            write_text(folder / SUMMARY_FILE, json.dumps(summary, indent=1) + "\n")
    return out


def samples_for_clip(
    clip: Clip, taxonomy: Taxonomy, settings: SuperviseSettings, *, known: KnownShares = ALL_KNOWN
) -> ClipSamples:
    """Write all samples of one labelled clip by rules, for notebooks.

    Args:
        clip: The clip.
        taxonomy: The classes.
        settings: What is wanted; its teacher and its rejection sampling are left out.
        known: What is known in the clip set.
    """
    return _by_rules(facts_of(clip, taxonomy), settings.types, settings, known)


async def _supervise(
    clips: Path, survey: ClipSetSurvey, folder: Path, settings: SuperviseSettings, reporter: Reporter
) -> dict[str, Any]:
    if survey.questions.left_out:
        reporter.say(f"{survey.questions.left_out} dataset questions are not asked: {NOBODY_TO_COMPARE}.")
    statistics = SetStatistics()
    done, begun = 0, time.monotonic()
    missing: dict[str, Counter[str]] = {type_: Counter() for type_ in settings.types}
    problems: list[str] = []
    kept = KeptReplies(folder / KEPT_FILE)
    sampler = rejection_sampler_for(settings, kept)
    jobs = {who: _job(clips, settings, who) for who in ("teacher", "captioner")}
    async with open_models(settings, jobs, kept, reporter) as models:
        teacher = models.teacher

        async def write(facts: Facts) -> list[TeacherSamples]:
            by_teacher = []
            if teacher is not None:
                by_teacher.append(await teacher_samples(teacher, facts, settings, models.captioner, survey.dimensions))
            by_sampler = [await rejection_samples(sampler, facts, settings)] if sampler else []
            return by_teacher + by_sampler

        # A clip waits for the slower of two models, and a local one writes one text at a time.
        concurrencies = [model.concurrency for model in models.all]
        concurrency = min(concurrencies) * _CLIPS_FOR_EACH_REQUEST if max(concurrencies, default=1) > 1 else 1
        with (
            writing_jsonl(folder / SAMPLES_FILE) as write_sample,
            writing_jsonl(folder / REPLIES_FILE) as write_reply,
            reporter.task("Writing supervision", total=survey.supervised) as task,
        ):
            async with aclosing(in_order(_supervised(clips, survey), write, concurrency)) as results:
                async for facts, by_models in results:
                    samples, not_made = _gathered(facts, by_models, survey, settings)
                    for sample in samples:
                        marked = statistics.mark(sample)
                        statistics.add(marked, facts.label.name)
                        write_sample(marked)
                    for reply in (reply for made in by_models for reply in made.replies):
                        write_reply(reply)
                    for type_, why in not_made.items():
                        missing[type_][why] += 1
                    done += 1
                    rate = f"{done / (time.monotonic() - begun):.1f} clips/s"
                    used = models.used()
                    task.advance(1, ", ".join(part for part in (rate, statistics.rejected_line(), used) if part))
                    # While the run goes on, so that a poor teacher is stopped before it has spent the budget.
                    if done % _CLIPS_BETWEEN_CHECKS == 0 or done == survey.supervised:
                        problems = statistics.problems(settings.limits, at_the_end=done == survey.supervised)
                        if problems:
                            break
        used, use = models.used(), models.use()
    if problems:
        raise UserError(
            f"stopped after {done} of {survey.supervised} clips: {'; '.join(problems)}. Read "
            f"{folder / SAMPLES_FILE}, then mend what the teacher is asked and shown, or raise the limit."
        )
    # Only now: a run that stopped above, or was killed, goes on from the replies that it kept.
    kept.discard()
    summary = summarise(statistics, survey.unsupervised, missing)
    summary |= use
    for line in figures_lines(summary, survey.taxonomy):
        reporter.say(line)
    if used:
        reporter.say(f"Used: {used}.")
    return summary


def _supervised(clips: Path, survey: ClipSetSurvey) -> Iterator[Facts]:
    for clip in iterate_clips(clips):
        if clip.clip_id not in survey.unsupervised:
            yield facts_of(clip, survey.taxonomy)


def _gathered(
    facts: Facts, by_models: Sequence[TeacherSamples], survey: ClipSetSurvey, settings: SuperviseSettings
) -> tuple[list[SFTSample], dict[str, str]]:
    """All samples of a clip in the order of their types, and for each type without any, why not."""
    by_rules = _by_rules(facts, settings.rule_based_types, settings, survey.known)
    brought = dataset_question_samples(facts, survey.questions.by_clip.get(facts.clip.clip_id, ()), settings.seed)
    unordered = (*(sample for made in (by_rules, *by_models) for sample in made.samples), *brought)
    samples = sorted(unordered, key=lambda sample: SUPERVISION_TYPES.index(sample.type))
    there = {sample.type for sample in samples}
    return samples, {
        type_: why for made in (by_rules, *by_models) for type_, why in made.missing.items() if type_ not in there
    }


def _by_rules(
    facts: Facts, types: Sequence[SupervisionType], settings: SuperviseSettings, known: KnownShares
) -> ClipSamples:
    """Rule-based samples of these types, each with its checks."""
    seed = settings.seed
    by_rules = rule_based_samples(
        facts,
        types,
        seed,
        settings.vqa_per_clip,
        settings.vqa_topics,
        known,
        understanding_per_clip=settings.understanding_per_clip,
    )
    times = stated_times(seed, facts.clip.clip_id, facts.clip.duration_s)
    return replace(by_rules, samples=tuple(checked(sample, facts, times) for sample in by_rules.samples))


def _held_out_questions(clips: Path, survey: ClipSetSurvey, settings: SuperviseSettings) -> Iterator[HeldOutQuestion]:
    """What the rules ask with lettered options about validation and test clips.

    Of the settings only the seed counts, so that models trained on other samples can be asked the same.
    """
    usual = SuperviseSettings(seed=settings.seed)
    for clip in iterate_clips(clips):
        if clip.split != "train" and not unusable(clip, survey.taxonomy):
            facts = facts_of(clip, survey.taxonomy)
            by_rules = _by_rules(facts, ("vqa", "reasoning_vqa"), usual, survey.known)
            for sample in by_rules.samples:
                if sample.options and sample.accepted:
                    yield held_out_question(sample)


def _job(clips: Path, settings: SuperviseSettings, who: str) -> str:
    """Whose budget is spent. Settings that change how is asked, and not what, go on with the same account."""
    captioner = settings.captioner
    what = {
        "served": _same(settings.served),
        "captioner": captioner.model_copy(update={"served": _same(captioner.served)}),
        "limits": LimitSettings(),
    }
    return artifact_key(f"supervision job of the {who}", {"clips": input_key(clips)}, settings.model_copy(update=what))


def _same(served: ServedTeacherSettings) -> ServedTeacherSettings:
    return ServedTeacherSettings(base_url=served.base_url, model=served.model)
