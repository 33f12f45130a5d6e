"""Supervising one clip: rules, a teacher, a captioner and a rejection sampler write about it."""

from collections.abc import AsyncIterator, Iterator, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, replace
from pathlib import Path

from vlm_autodrive.artifacts import iterate_clips
from vlm_autodrive.progress import Reporter
from vlm_autodrive.records import SUPERVISION_TYPES, DatasetQuestion, Record, SFTSample, SupervisionType
from vlm_autodrive.supervision.checks import checked
from vlm_autodrive.supervision.dataset_questions import dataset_question_samples
from vlm_autodrive.supervision.facts import Facts, facts_of, stated_times
from vlm_autodrive.supervision.rules.rule_based import rule_based_samples
from vlm_autodrive.supervision.rules.vqa.topics import KnownShares
from vlm_autodrive.supervision.samples import ClipSamples
from vlm_autodrive.supervision.settings import SuperviseSettings
from vlm_autodrive.supervision.survey import ClipSetSurvey
from vlm_autodrive.supervision.teachers.chain import TeacherSamples, rejection_samples, teacher_samples
from vlm_autodrive.supervision.teachers.opening import TeacherModels, open_models, rejection_sampler_for
from vlm_autodrive.supervision.teachers.protocol import KeptReplies, TeacherReply
from vlm_autodrive.supervision.teachers.rejection_sampling import RejectionSampler

_CLIPS_FOR_EACH_REQUEST = 4  # a slow reply to the first in order then keeps none waiting


class ClipSupervision(Record):
    """All that was written about one clip.

    Attributes:
        clip_id: The clip.
        event_class: Its class.
        samples: Its SFT samples in the order of their types, each with its checks.
        replies: All that models wrote.
        missing: For each type without any sample, why not.
    """

    clip_id: str
    event_class: str
    samples: tuple[SFTSample, ...]
    replies: tuple[TeacherReply, ...]
    missing: dict[SupervisionType, str]


@dataclass(frozen=True)
class ClipWriters:
    """Who writes about clips.

    Attributes:
        settings: What is wanted.
        survey: What is known of the clip set.
        models: The teacher and the captioner, if models write.
        sampler: The rejection sampler, if there is one.
    """

    settings: SuperviseSettings
    survey: ClipSetSurvey
    models: TeacherModels
    sampler: RejectionSampler | None

    @property
    def clips_at_once(self) -> int:
        """How many clips are worth having under way at the same time."""
        # A clip waits for the slower of two models, and a local one writes one text at a time.
        concurrencies = [model.concurrency for model in self.models.all]
        return min(concurrencies) * _CLIPS_FOR_EACH_REQUEST if max(concurrencies, default=1) > 1 else 1

    async def write(
        self, facts: Facts, questions: Sequence[tuple[DatasetQuestion, str]] | None = None
    ) -> ClipSupervision:
        """Have everything written about a clip.

        Args:
            facts: What is known of it.
            questions: The dataset questions that it is asked; those of the survey if None.
        """
        settings, teacher = self.settings, self.models.teacher
        by_models: list[TeacherSamples] = []
        if teacher is not None:
            by_models.append(
                await teacher_samples(teacher, facts, settings, self.models.captioner, self.survey.dimensions)
            )
        if self.sampler is not None:
            by_models.append(await rejection_samples(self.sampler, facts, settings))
        by_rules = samples_by_rules(facts, settings.rule_based_types, settings, self.survey.known)
        if questions is None:
            questions = self.survey.questions.by_clip.get(facts.clip.clip_id, ())
        brought = dataset_question_samples(facts, questions, settings.seed)
        unordered = (*(sample for made in (by_rules, *by_models) for sample in made.samples), *brought)
        samples = sorted(unordered, key=lambda sample: SUPERVISION_TYPES.index(sample.type))
        there = {sample.type for sample in samples}
        missing = {
            type_: why for made in (by_rules, *by_models) for type_, why in made.missing.items() if type_ not in there
        }
        return ClipSupervision(
            clip_id=facts.clip.clip_id,
            event_class=facts.label.name,
            samples=tuple(samples),
            replies=tuple(reply for made in by_models for reply in made.replies),
            missing=missing,
        )


@asynccontextmanager
async def open_writers(
    settings: SuperviseSettings,
    survey: ClipSetSurvey,
    jobs: Mapping[str, str],
    kept: KeptReplies,
    reporter: Reporter,
) -> AsyncIterator[ClipWriters]:
    """Open whoever writes, for as long as the block lasts.

    Args:
        settings: What is wanted.
        survey: What is known of the clip set.
        jobs: Whose budget each model spends, by ``teacher`` and ``captioner``.
        kept: What an earlier run of local models has written.
        reporter: Told what is to be minded.

    Raises:
        UserError: If a model cannot be used.
    """
    sampler = rejection_sampler_for(settings, kept)
    async with open_models(settings, jobs, kept, reporter) as models:
        yield ClipWriters(settings, survey, models, sampler)


def supervised_facts(clips: Path, survey: ClipSetSurvey) -> Iterator[Facts]:
    """The facts of each clip that is supervised, in order."""
    for clip in iterate_clips(clips):
        if clip.clip_id not in survey.unsupervised:
            yield facts_of(clip, survey.taxonomy)


def samples_by_rules(
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
