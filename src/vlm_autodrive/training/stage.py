"""The training stage: plan, train, save."""

import math
import os
import statistics
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import torch

from vlm_autodrive.artifacts import read_clips, read_samples, read_taxonomy, require_space, writing_artifact
from vlm_autodrive.console import TERMINAL
from vlm_autodrive.errors import UserError
from vlm_autodrive.executor import Executor
from vlm_autodrive.metrics import FEW_CLIPS
from vlm_autodrive.models import (
    Encoder,
    LoadedModel,
    ModelCard,
    TrainingData,
    lasting_name,
    load_meta_model,
    locate_model,
    read_card,
    require_model,
    resolve_model,
    stored_dtype,
    training_data,
)
from vlm_autodrive.progress import Reporter
from vlm_autodrive.training import checkpoints
from vlm_autodrive.training.checkpoints import TrainState
from vlm_autodrive.training.logs import check_trackers
from vlm_autodrive.training.loop import TrainJob, load_for_training, train_process
from vlm_autodrive.training.plan.machines import this_machine
from vlm_autodrive.training.plan.memory import MOMENTS
from vlm_autodrive.training.plan.parameter_counts import count_parameters
from vlm_autodrive.training.plan.stage import plan
from vlm_autodrive.training.processes import launched, spawned
from vlm_autodrive.training.sampler import clips_by_first_use, join_samples
from vlm_autodrive.training.settings import TrainSettings
from vlm_autodrive.training.validation import validation_examples
from vlm_autodrive.video import DAMAGED_FILE, FrameCache, damaged_clips, prefetch_frames

_CLIPS_A_WORKER = 4  # a worker process takes about as long to begin as to decode so many clips of 5 s


def decode_for_training(
    supervision: Path, settings: TrainSettings, frame_cache: Path, executor: Executor, reporter: Reporter = TERMINAL
) -> None:
    """Have a cluster decode the frames of all clips that :func:`train` shows or validates on, before it begins.

    A clip that cannot be decoded is told of by the training, which tries it again.

    Args:
        supervision: The supervision set.
        settings: How to train.
        frame_cache: The folder that ``train`` is given, on a disk that all workers see.
        executor: The cluster.
        reporter: Told of progress.
    """
    sampling = settings.sampling or read_card(settings.model).sampling
    clips = [clip for clip in read_clips(supervision) if clip.split != "test" and not clip.problem]
    cache = FrameCache(frame_cache, sampling)
    failures = cache.fill(clips, reporter, executor=executor)
    if failures:
        first = next(iter(failures.values()))
        reporter.say(f"{len(failures)} of {len(clips)} clips could not be decoded on the cluster: {first}.")
    absent = sum(len(wanted) for _, wanted in cache.missing(clips)[0]) - len(failures)
    if absent > 0 and cache.holds_all(clips):
        reporter.say(
            f"{absent} clips were decoded on the cluster but are not in {frame_cache} here, so that training decodes "
            "them again; put the run's folder on a disk that all machines see."
        )


def train(
    supervision: Path,
    out: Path,
    settings: TrainSettings,
    reporter: Reporter = TERMINAL,
    *,
    frame_cache: Path | None = None,
    overwrite: bool = False,
) -> Path:
    """Fine-tune a model on a supervision set.

    Killed at any moment and called again, it resumes from the last train state and ends with the
    same weights as an uninterrupted run (bitwise on a CPU with the same number of threads).

    Started by torchrun or accelerate launch, all processes train together; on several machines the
    folders must lie on a disk that all of them see.

    Args:
        supervision: The supervision set; the model is trained on the accepted samples of its train split.
        out: Where the checkpoint goes.
        settings: How to train.
        reporter: Told of progress.
        frame_cache: Folder of decoded frames; beside ``out`` by default.
        overwrite: Replace a finished checkpoint that was made otherwise.

    Returns:
        The checkpoint's folder.

    Raises:
        UserError: If there is nothing to train on, or the plan says that something does not fit.
    """
    inputs = {"supervision": supervision}
    base = Path(resolve_model(settings.model))
    if base.is_dir():
        inputs["base"] = base
    with launched() as (rank, broadcast):
        if not rank.is_first:
            job = broadcast(None)
            if job is not None:
                train_process(rank, job)
            return out
        with writing_artifact(out, "checkpoint", inputs, settings, overwrite=overwrite) as folder:
            if folder is None:
                broadcast(None)
                return out
            require_model(settings.model)
            check_trackers(settings)
            frames = frame_cache or out.parent / ".frames"
            job, cache = _plan_job(supervision, folder, out, settings, reporter, frames, rank.world)
            with ExitStack() as stack:
                clips = clips_by_first_use(job.clips, settings)
                workers = min(os.cpu_count() or 1, math.ceil(len(clips) / _CLIPS_A_WORKER))
                # Before the model is loaded, so that the first clips are decoded meanwhile.
                stack.enter_context(prefetch_frames(cache, clips, job.folder, workers, reporter))
                broadcast(job)  # from here on the other launched processes load the model too
                loaded = load_for_training(settings)
                if rank.world == 1:
                    processes = _processes(settings, loaded, reporter)
                    rank = stack.enter_context(spawned(processes, train_process, (job,)))
                model, state = train_process(rank, job, loaded, reporter)
                damaged = damaged_clips(job.folder)
            if damaged:
                reporter.say(f"{len(damaged)} clips could not be decoded and were not trained on: {DAMAGED_FILE}")
            trained_on = training_data([each.clip for each in job.clips if each.clip.clip_id not in damaged])
            _finish(job, loaded, model, state, trained_on, reporter)
    return out


def _processes(settings: TrainSettings, loaded: LoadedModel, reporter: Reporter) -> int:
    if settings.processes > 1 and loaded.device.type != "cpu":
        reporter.say(f"the model is on {loaded.device}, so one process trains; train.processes is for CPUs")
        return 1
    return settings.processes


def _plan_job(
    supervision: Path,
    folder: Path,
    out: Path,
    settings: TrainSettings,
    reporter: Reporter,
    frame_cache: Path,
    world: int,
) -> tuple[TrainJob, FrameCache]:
    """Plan, before any weights are loaded or training clips decoded, and refuse what does not fit."""
    meta_model = load_meta_model(settings.model, processor=True)
    cache = FrameCache(frame_cache, settings.sampling or meta_model.card.sampling)
    clips, samples, taxonomy = read_clips(supervision), read_samples(supervision), read_taxonomy(supervision)
    if settings.eval_steps is not None or any(sample.type == "verdict" for sample in samples):
        Encoder(meta_model).code_ids(taxonomy.codes)  # refused now, rather than when the first verdict is read
    machine = this_machine(settings, world)
    planned = plan(supervision, settings, reporter, loaded=meta_model, cache=cache, machine=machine)
    if not planned.fits or planned.memory is None:
        raise UserError(planned.refusal())
    for line in planned.lines():
        reporter.say(line)
    there = sum(file.stat().st_size for file in folder.rglob("*") if file.is_file())  # where this run resumes
    needed = _checkpoint_bytes(settings, planned.steps) - there
    require_space(folder, needed, "the checkpoint and the states to resume from")
    validation = validation_examples(clips, taxonomy) if settings.eval_steps is not None else []
    unreadable = cache.fill([example.clip for example in validation], reporter)
    validation = [example for example in validation if example.clip.clip_id not in unreadable]
    for clip_id, problem in unreadable.items():
        reporter.say(f"left out of the validation, cannot be read: {clip_id}: {problem}")
    if settings.eval_steps is not None and not validation:
        raise UserError(
            "train.eval_steps asks for evaluations, but the validation split has no clip of known class that can "
            "be read; give it a share in clips.split, or leave eval_steps out."
        )
    readable = planned.readable_ids()
    longest = max(clip.sequence_tokens for clip in planned.clips)
    job = TrainJob(
        clips=[each for each in join_samples(clips, samples) if each.clip.clip_id in readable],
        validation=validation,
        taxonomy=taxonomy,
        frame_cache=frame_cache,
        folder=folder,
        run_name=out.absolute().name,
        estimate=f"the plan's longest sequence has {longest:,}; {planned.memory.line()}",
        settings=settings,
    )
    return job, cache


def _checkpoint_bytes(settings: TrainSettings, steps: int) -> float:
    """Bytes on the disk at most, about: the finished model, the best weights, and the states to resume from."""
    counts = count_parameters(settings)
    states = min(settings.save_total_limit + 1, (steps - 1) // settings.save_steps)  # the newest is written beside them
    best = 1 if settings.load_best_model_at_end else 0
    finished = counts.base if settings.lora is None else counts.adapters
    number = 4 if settings.lora is not None or settings.save_dtype == "float32" else 2
    return number * finished + 4 * counts.trained * (best + states * (1 + MOMENTS))


def _finish(
    job: TrainJob, loaded: LoadedModel, model: Any, state: TrainState, trained_on: TrainingData, reporter: Reporter
) -> None:
    """Write the checkpoint, with the best weights or the last."""
    settings = job.settings
    steps, score = state.step, None
    if settings.load_best_model_at_end and state.best_step is not None:
        checkpoints.set_weights(model, checkpoints.best_weights(job.folder, state))
        steps, score = state.best_step, state.best_score
        few = ": too few for a firm conclusion" if len(job.validation) < FEW_CLIPS else ""
        reporter.say(
            f"kept the weights after {steps} of {state.step} steps, with validation macro-F1 {score:.3f} on "
            f"{len(job.validation)} clips{few}"
        )
    window_s = round(statistics.median(each.clip.duration_s for each in job.clips), 3)
    base, revision = lasting_name(settings.model)
    card = ModelCard(
        name=settings.name,
        base=base,
        base_revision=revision,
        base_training=loaded.card.training,
        sampling=settings.sampling or loaded.card.sampling,
        window_s=window_s,
        steps=steps,
        validation_macro_f1=score,
        trained_on=trained_on,
    )
    chosen = {"bfloat16": torch.bfloat16, "float32": torch.float32}.get(settings.save_dtype)
    dtype = chosen or stored_dtype(locate_model(settings.model, (), fetch=False))
    checkpoints.save_model(job.folder, loaded, model, card, job.taxonomy, dtype)
