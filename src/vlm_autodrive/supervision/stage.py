"""The supervision stage: clips in, SFT samples out, each accepted or rejected with a reason."""

import json
import shutil
from collections.abc import Iterator, Mapping
from contextlib import aclosing
from pathlib import Path
from typing import Any

from vlm_autodrive.artifacts import (
    HELD_OUT_QUESTIONS_FILE,
    Accounting,
    artifact_key,
    input_key,
    iterate_clips,
    retry_facts,
    write_clips,
    write_text,
    writing_artifact,
)
from vlm_autodrive.console import TERMINAL
from vlm_autodrive.engines import in_order, run_async
from vlm_autodrive.executor import Executor
from vlm_autodrive.progress import Reporter
from vlm_autodrive.records import Clip, HeldOutQuestion, Taxonomy, write_jsonl
from vlm_autodrive.supervision.clip_writers import open_writers, samples_by_rules, supervised_facts
from vlm_autodrive.supervision.dataset_questions import NOBODY_TO_COMPARE
from vlm_autodrive.supervision.estimate import estimate_lines, estimate_supervision
from vlm_autodrive.supervision.facts import facts_of
from vlm_autodrive.supervision.multiple_choice import held_out_question
from vlm_autodrive.supervision.on_cluster import WRITTEN_FILE, supervise_on_cluster
from vlm_autodrive.supervision.rules.vqa.topics import ALL_KNOWN, KnownShares
from vlm_autodrive.supervision.samples import ClipSamples
from vlm_autodrive.supervision.set_writer import writing_set
from vlm_autodrive.supervision.settings import LimitSettings, ServedTeacherSettings, SuperviseSettings
from vlm_autodrive.supervision.survey import ClipSetSurvey, survey_clips, unusable
from vlm_autodrive.supervision.teachers.protocol import KeptReplies

SUMMARY_FILE = "summary.json"
KEPT_FILE = "kept_replies.jsonl"


def supervise(
    clips: Path,
    out: Path,
    settings: SuperviseSettings,
    reporter: Reporter = TERMINAL,
    *,
    executor: Executor | None = None,
    retry_errors: bool = False,
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
        executor: The cluster whose workers write; None for this process.
        retry_errors: Supervise the clips again if any is quarantined, which only a cluster does. Replies that were paid
            for are not asked for again.
        overwrite: Replace a finished result that was made otherwise.

    Returns:
        ``out``.

    Raises:
        UserError: If no clip can be supervised, the teacher cannot be used or has spent its budget, or
            more is rejected than ``limits`` allow.
    """
    inputs = {"clips": clips}
    facts, is_retry = retry_facts(out, "supervision", inputs, settings, {}, retry_errors=retry_errors)
    overwrite = overwrite or is_retry
    with writing_artifact(out, "supervision", inputs, settings, facts=facts, overwrite=overwrite) as folder:
        if folder is not None:
            survey = survey_clips(clips, settings)
            if "served" in (settings.teacher, settings.captioner.teacher):
                for line in estimate_lines(estimate_supervision(clips, settings), settings):
                    reporter.say(line)
            if survey.questions.left_out:
                reporter.say(f"{survey.questions.left_out} dataset questions are not asked: {NOBODY_TO_COMPARE}.")
            jobs = {who: _job(clips, settings, who) for who in ("teacher", "captioner")}
            account = Accounting(folder, retry_errors=retry_errors or executor is None)
            if executor is None:
                summary = run_async(_supervise(clips, survey, folder, settings, jobs, reporter))
            else:
                if is_retry and not (folder / WRITTEN_FILE).exists():
                    shutil.copyfile(out / WRITTEN_FILE, folder / WRITTEN_FILE)
                summary = supervise_on_cluster(clips, survey, folder, settings, jobs, executor, account, reporter)
            write_jsonl(folder / HELD_OUT_QUESTIONS_FILE, _held_out_questions(clips, survey, settings))
            write_clips(folder, out, survey.taxonomy, iterate_clips(clips))
            write_text(folder / SUMMARY_FILE, json.dumps(summary, indent=1) + "\n")
            # Only now: a run that stopped above, or was killed, goes on from what was kept. A retry does so, too.
            (folder / KEPT_FILE).unlink(missing_ok=True)
            if not account.quarantined:
                (folder / WRITTEN_FILE).unlink(missing_ok=True)
            account.forget()
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
    return samples_by_rules(facts_of(clip, taxonomy), settings.types, settings, known)


async def _supervise(
    clips: Path,
    survey: ClipSetSurvey,
    folder: Path,
    settings: SuperviseSettings,
    jobs: Mapping[str, str],
    reporter: Reporter,
) -> dict[str, Any]:
    """Have one clip after the other supervised, several at a time where a served teacher writes."""
    kept = KeptReplies(folder / KEPT_FILE)
    async with open_writers(settings, survey, jobs, kept, reporter) as writers:
        with writing_set(folder, survey, settings, reporter) as written:
            results = in_order(supervised_facts(clips, survey), writers.write, writers.clips_at_once)
            async with aclosing(results):
                async for _, supervision in results:
                    if not written.add(supervision, writers.models.used()):
                        break
        used, use = writers.models.used(), writers.models.use()
    return written.finish(use, used)


def _held_out_questions(clips: Path, survey: ClipSetSurvey, settings: SuperviseSettings) -> Iterator[HeldOutQuestion]:
    """What the rules ask with lettered options about validation and test clips.

    Of the settings only the seed counts, so that models trained on other samples can be asked the same.
    """
    usual = SuperviseSettings(seed=settings.seed)
    for clip in iterate_clips(clips):
        if clip.split != "train" and not unusable(clip, survey.taxonomy):
            facts = facts_of(clip, survey.taxonomy)
            by_rules = samples_by_rules(facts, ("vqa", "reasoning_vqa"), usual, survey.known)
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
