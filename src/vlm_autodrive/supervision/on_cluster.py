"""The supervision stage on a cluster: workers write about clips, and this process puts the set together, in order."""

import asyncio
import json
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import AsyncExitStack, contextmanager
from dataclasses import replace
from functools import partial
from itertools import islice
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from vlm_autodrive.artifacts import Accounting, iterate_clips
from vlm_autodrive.engines import in_order, run_async
from vlm_autodrive.executor import Executor, Job, Step, batch_job
from vlm_autodrive.progress import SILENT, Reporter
from vlm_autodrive.records import Clip, DatasetQuestion, append_jsonl, cut_torn_line
from vlm_autodrive.supervision.checks.whole_set import SetStatistics
from vlm_autodrive.supervision.clip_writers import ClipSupervision, ClipWriters, open_writers
from vlm_autodrive.supervision.dataset_questions import AssignedQuestions
from vlm_autodrive.supervision.facts import facts_of
from vlm_autodrive.supervision.set_writer import CLIPS_BETWEEN_CHECKS, below_limits, writing_set
from vlm_autodrive.supervision.settings import SuperviseSettings
from vlm_autodrive.supervision.survey import ClipSetSurvey
from vlm_autodrive.supervision.teachers.opening import open_models
from vlm_autodrive.supervision.teachers.protocol import KeptReplies

WRITTEN_FILE = "written.jsonl"
_CLIPS_OF_A_JOB = {"rules": 50, "served": 16, "local": 1}  # many where little is done for each

Asked = Sequence[tuple[DatasetQuestion, str]]
ClipJob = Sequence[tuple[Clip, Asked]]
"""Clips, each with the dataset questions that it is asked."""


def supervise_on_cluster(
    clips: Path,
    survey: ClipSetSurvey,
    folder: Path,
    settings: SuperviseSettings,
    jobs: Mapping[str, str],
    executor: Executor,
    account: Accounting,
    reporter: Reporter,
) -> dict[str, Any]:
    """Have the workers of a cluster write about all clips; the set is the one that a single process would make.

    What comes back is kept in ``folder`` in the order in which it comes, for a run that is killed; then it is read
    again in the order of the clips, since whether a sample is a duplicate depends on those before it.

    Args:
        clips: The clip set.
        survey: What is known of it.
        folder: The folder of the set.
        settings: What is wanted.
        jobs: Whose budget each model spends, by ``teacher`` and ``captioner``.
        executor: The cluster.
        account: Gets the clips that are quarantined.
        reporter: Told of the progress.

    Returns:
        The summary.

    Raises:
        UserError: If a model cannot be used or has spent its budget, or more is rejected than the limits allow.
    """
    path = folder / WRITTEN_FILE
    cut_torn_line(path)
    settled = _places(path).keys() | account.quarantined.keys()
    waiting = (clip for clip in _supervised(clips, survey) if clip.clip_id not in settled)
    results = account.results(executor.run([_step(settings, survey, jobs)], _jobs(waiting, survey, settings)))
    so_far, seen = SetStatistics(), 0
    with reporter.task("Supervising", survey.supervised, len(settled)) as task:
        for _, written in results:
            append_jsonl(path, written)
            task.advance(len(written))
            for each in written if settings.teacher_types else ():
                for sample in each.samples:
                    so_far.add(so_far.mark(sample), each.event_class)
                seen += 1
                if seen % CLIPS_BETWEEN_CHECKS == 0 and (problems := so_far.problems(settings.limits)):
                    raise below_limits(problems, seen, survey, path)
    written_of = _places(path)
    account.close(survey.supervised, len(written_of), reporter)
    with writing_set(folder, survey, settings, reporter) as written_set, path.open("rb") as stream:
        for clip in _supervised(clips, survey):
            if clip.clip_id in written_of:
                stream.seek(written_of[clip.clip_id])
                supervision = ClipSupervision.model_validate_json(stream.readline())
            else:
                why = dict.fromkeys(settings.types, account.words(clip.clip_id))
                label = facts_of(clip, survey.taxonomy).label.name
                supervision = ClipSupervision(
                    clip_id=clip.clip_id, event_class=label, samples=(), replies=(), missing=why
                )
            if not written_set.add(supervision):
                break
    use, used = run_async(_use(settings, jobs)) if _is_served(settings) else ({}, "")
    return written_set.finish(use, used)


def _supervised(clips: Path, survey: ClipSetSurvey) -> Iterator[Clip]:
    return (clip for clip in iterate_clips(clips) if clip.clip_id not in survey.unsupervised)


def _is_served(settings: SuperviseSettings) -> bool:
    return "served" in (settings.teacher, settings.captioner.teacher)


def _is_local(settings: SuperviseSettings) -> bool:
    return "local" in (settings.teacher, settings.captioner.teacher) or settings.samples_reasoning


def _step(settings: SuperviseSettings, survey: ClipSetSurvey, jobs: Mapping[str, str]) -> Step:
    # What is said of single clips goes with their jobs, and not to every worker.
    common = replace(survey, unsupervised={}, questions=AssignedQuestions({}, 0))
    opening = partial(_open_writing, settings, common, jobs)
    # A served model has one budget, in a file of this machine.
    return Step(opening, gpus=1.0 if _is_local(settings) else 0.0, near=_is_served(settings))


def _jobs(clips: Iterator[Clip], survey: ClipSetSurvey, settings: SuperviseSettings) -> Iterator[Job]:
    kind = "local" if _is_local(settings) else "served" if _is_served(settings) else "rules"
    asked = survey.questions.by_clip
    while some := list(islice(clips, _CLIPS_OF_A_JOB[kind])):
        yield batch_job([(clip, asked.get(clip.clip_id, ())) for clip in some], lambda each: each[0].clip_id)


@contextmanager
def _open_writing(
    settings: SuperviseSettings, survey: ClipSetSurvey, jobs: Mapping[str, str]
) -> Iterator[Callable[[ClipJob], list[ClipSupervision]]]:
    """What a worker of a cluster does: its models write about some clips, then about others."""
    with TemporaryDirectory() as folder, asyncio.Runner() as runner:
        # Local models keep what they have written of a clip for the next run; here a clip is written about as a whole.
        kept = KeptReplies(Path(folder) / "replies.jsonl")
        stack = AsyncExitStack()
        opening = stack.enter_async_context(open_writers(settings, survey, jobs, kept, SILENT))
        writers = runner.run(_awaited(opening))
        try:
            yield lambda job: runner.run(_write(writers, job))
        finally:
            runner.run(stack.aclose())


async def _awaited(opening: Any) -> ClipWriters:
    writers: ClipWriters = await opening
    return writers


async def _write(writers: ClipWriters, job: ClipJob) -> list[ClipSupervision]:
    async def write(each: tuple[Clip, Asked]) -> ClipSupervision:
        clip, asked = each
        return await writers.write(facts_of(clip, writers.survey.taxonomy), asked)

    return [made async for _, made in in_order(job, write, writers.clips_at_once)]


def _places(path: Path) -> dict[str, int]:
    """Where each clip stands in the file of what was written."""
    places: dict[str, int] = {}
    path.touch()
    with path.open("rb") as stream:
        at = 0
        for line in stream:
            places[json.loads(line)["clip_id"]] = at
            at += len(line)
    return places


async def _use(settings: SuperviseSettings, jobs: Mapping[str, str]) -> tuple[dict[str, Any], str]:
    """What served models have used, which their ledger on this machine tells."""
    with TemporaryDirectory() as folder:
        async with open_models(settings, jobs, KeptReplies(Path(folder) / "replies.jsonl"), SILENT) as models:
            return models.use(), models.used()
