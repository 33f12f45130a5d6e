"""The training loop, as every process that trains runs it.

An optimizer step, from top to bottom::

    sampler.examples_of_step       which clips, and which samples of each
    Rank.share                     this process's part of them, of about equal cost (example_costs)
    packing.build_batches          packed into forward passes; one step ahead, in the background
    loss.weighted_loss, backward   once for each forward pass; gradients accumulate
    Rank.all_reduce_gradients      over the processes, then divided by the loss weights of the whole step
    optimizers.optimizer_step      at this step's learning rates
    validation.verdict_macro_f1    every ``eval_steps``
    checkpoints.save_state         every ``save_steps``

The stage around it, which plans, starts the processes and writes the checkpoint, is
:mod:`vlm_autodrive.training.stage`.
"""

import time
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch

from vlm_autodrive.errors import UserError
from vlm_autodrive.models import Encoder, LoadedModel, load_model
from vlm_autodrive.progress import SILENT, Reporter
from vlm_autodrive.records import Taxonomy
from vlm_autodrive.training import checkpoints
from vlm_autodrive.training.checkpoints import TrainState
from vlm_autodrive.training.example_costs import ExampleCosts
from vlm_autodrive.training.guards import check_finite, out_of_memory_guard
from vlm_autodrive.training.logs import StepRecord, Throughput, open_logs
from vlm_autodrive.training.loss import weighted_loss
from vlm_autodrive.training.modules import prepare_model
from vlm_autodrive.training.optimizers import build_optimizers, learning_rate, optimizer_step
from vlm_autodrive.training.packing import Packing, TrainBatch, build_batches, readable_examples
from vlm_autodrive.training.parity import prepare_packing
from vlm_autodrive.training.precision import computes_in_bf16
from vlm_autodrive.training.processes import SINGLE_PROCESS, Rank
from vlm_autodrive.training.sampler import TrainClip, TrainExample, examples_of_step, total_steps
from vlm_autodrive.training.settings import TrainSettings
from vlm_autodrive.training.sharding import full_tensor, is_sharded, shard_model
from vlm_autodrive.training.validation import verdict_macro_f1
from vlm_autodrive.video import FrameCache, PrefetchedFrames

_FEW_STEPS = 20


@dataclass(frozen=True)
class TrainJob:
    """What every process that trains together must know.

    Attributes:
        clips: The readable clips of the train split, with their samples.
        validation: The validation clips with their true verdicts; empty without evaluations.
        taxonomy: The classes.
        frame_cache: Folder of decoded frames.
        folder: Folder of the log and the train states, and in the end of the checkpoint.
        run_name: What trackers call the run.
        estimate: What the plan expects of memory.
        settings: How to train.
    """

    clips: list[TrainClip]
    validation: list[TrainExample]
    taxonomy: Taxonomy
    frame_cache: Path
    folder: Path
    run_name: str
    estimate: str
    settings: TrainSettings


@dataclass(frozen=True)
class PreparedStep:
    """The forward passes of an optimizer step.

    Attributes:
        step: Which step.
        examples: Its examples, of all processes.
        batches: This process's forward passes.
        data_wait_s: How long the loop waited for them.
    """

    step: int
    examples: list[TrainExample]
    batches: list[TrainBatch]
    data_wait_s: float


@dataclass(frozen=True)
class StepResult:
    """Loss and gradient of an optimizer step; all is 0 if none of its clips could be decoded.

    Attributes:
        loss_sum: Sum of the weighted losses of all supervised tokens.
        weight: Sum of their loss weights.
        tokens: Tokens of all sequences, without padding.
        grad_norm: Norm of the gradient, before it was clipped.
    """

    loss_sum: float
    weight: float
    tokens: float
    grad_norm: float

    @property
    def loss(self) -> float:
        """Mean over the supervised tokens, by loss weight."""
        return self.loss_sum / self.weight if self.weight else 0.0


def load_for_training(settings: TrainSettings, device: torch.device | None = None) -> LoadedModel:
    """Load the model in the precision that its weights are trained in."""
    return load_model(settings.model, device, torch.float32 if settings.lora is None else None)


def train_process(
    rank: Rank, job: TrainJob, loaded: LoadedModel | None = None, reporter: Reporter = SILENT
) -> tuple[Any, TrainState]:
    """Train in one process, with its own share of every step.

    Args:
        rank: Which process this is.
        job: What all processes share.
        loaded: The model, if it is loaded already.
        reporter: Told of progress.

    Returns:
        The trained model, with full weights in the first process, and the last train state.

    Raises:
        UserError: If no clip could be decoded in any step.
    """
    settings = job.settings
    loaded = loaded or load_for_training(settings)
    model = prepare_model(loaded, settings, reporter)
    encoder = Encoder(loaded)
    # Before sharding: the probe makes forward passes, and under sharding only all processes together can make one.
    packing = prepare_packing(model, loaded, encoder, settings, reporter)
    sharded = is_sharded(settings, rank, loaded.device)
    costs = ExampleCosts(model, loaded, encoder, packing, settings)
    if sharded:
        shard_model(model, loaded, settings, rank)
    state = _loop(model, loaded, encoder, packing, costs, job, rank, sharded, reporter)
    if sharded:
        # fully_shard cannot be undone, so the full weights go into a model that is loaded anew, to be saved.
        weights = checkpoints.trained_weights(model, rank)
        if rank.is_first:
            model = prepare_model(load_for_training(settings, torch.device("cpu")), settings, SILENT)
            checkpoints.set_weights(model, weights)
    return model, state


def _loop(
    model: Any,
    loaded: LoadedModel,
    encoder: Encoder,
    packing: Packing,
    costs: ExampleCosts,
    job: TrainJob,
    rank: Rank,
    sharded: bool,
    reporter: Reporter,
) -> TrainState:
    settings, device = job.settings, loaded.device
    optimizers = build_optimizers(model, loaded.family, settings)
    steps = total_steps(len(job.clips), settings)
    # In this order: weights and optimizer state of the newest train state; then the log, cut to its steps; then the
    # sampler from that step on. A run that was killed between two saves makes the steps in between again, alike.
    state = checkpoints.restore_state(job.folder, model, optimizers, reporter)
    cache = PrefetchedFrames(job.frame_cache, settings.sampling or loaded.card.sampling, job.folder)
    reported: set[str] = set()
    throughput = Throughput()
    has_learnt, loss = state.step > 0, None
    with ExitStack() as stack:
        log = stack.enter_context(open_logs(job.folder, state.step, job.run_name, settings, rank))
        task = stack.enter_context(reporter.task("training", steps, state.step))
        for prepared in _prepared_steps(encoder, cache, packing, costs, job, state.step, steps, rank, sharded):
            step, batches = prepared.step, prepared.batches
            started = time.monotonic()
            # Dropout is the only random draw in a step that the sampler does not make. Seeded by step and process, it
            # is the same after a resume, and differs between steps and between processes.
            torch.manual_seed(settings.seed + step + steps * rank.number)
            with out_of_memory_guard(step, [batch.tokens for batch in batches], job.estimate):
                result = accumulate_gradients(model, batches, device, settings, rank, sharded)
            # Before the update: a NaN in a gradient would be in every weight after it.
            check_finite(step, result.loss_sum, result.grad_norm, prepared.examples, job.folder, write=rank.is_first)
            optimizer_step(optimizers, step, steps, settings)
            seconds = time.monotonic() - started
            damaged = _damaged_clips(prepared, cache.damaged(), reported, reporter)
            state = state.model_copy(update={"step": step + 1})
            score = None
            if settings.eval_steps and ((step + 1) % settings.eval_steps == 0 or step + 1 == steps):
                score = verdict_macro_f1(
                    model, encoder, cache, packing, costs, job.validation, job.taxonomy, settings, device, rank
                )
                state = state.after(score)
                if settings.load_best_model_at_end and state.best_step == state.step:
                    checkpoints.save_best(job.folder, state, model, rank)
            record = StepRecord(
                step=step,
                loss=round(result.loss, 5),
                learning_rate=learning_rate(settings.learning_rate, step, steps, settings),
                grad_norm=round(result.grad_norm, 4),
                samples=sum(len(example.samples) for example in prepared.examples),
                tokens=round(result.tokens),
                step_s=round(seconds, 3),
                data_wait_s=round(prepared.data_wait_s, 3),
                validation_macro_f1=score,
                damaged_clips=damaged or None,
            )
            log(record)
            task.advance(1, throughput.status(record))
            if result.weight:
                has_learnt, loss = True, result.loss
            patience = settings.early_stopping_patience
            if patience is not None and state.stale_evaluations >= patience:
                reporter.say(
                    f"stopped after step {step}: {state.stale_evaluations} evaluations were no better than the best"
                )
                break
            if has_learnt and (step + 1) % settings.save_steps == 0 and step + 1 < steps:
                checkpoints.save_state(job.folder, state, model, optimizers, settings, rank)
    if not has_learnt:
        raise UserError(f"nothing was learnt in {state.step} steps: none of their clips could be decoded, see above.")
    if loss is not None:
        few = f"; so few steps ({state.step}) hardly change a model: raise epochs" if state.step < _FEW_STEPS else ""
        reporter.say(f"loss of the last step: {loss:.3f}{few}")
    return state


def _damaged_clips(
    prepared: PreparedStep, damaged: dict[str, str], reported: set[str], reporter: Reporter
) -> tuple[str, ...]:
    """The step's clips that cannot be decoded, each reported once."""
    clips = tuple(example.clip.clip_id for example in prepared.examples if example.clip.clip_id in damaged)
    for clip_id in clips:
        if clip_id not in reported:
            reporter.say(
                f"left out at step {prepared.step} and later, cannot be decoded: {clip_id}: {damaged[clip_id]}"
            )
            reported.add(clip_id)
    return clips


def accumulate_gradients(
    model: Any,
    batches: Sequence[TrainBatch],
    device: torch.device,
    settings: TrainSettings,
    rank: Rank = SINGLE_PROCESS,
    sharded: bool = False,
) -> StepResult:
    """Compute the gradients of an optimizer step over all forward passes and processes, clipped.

    Args:
        model: What is trained.
        batches: This process's forward passes.
        device: Where the model is.
        settings: How it is trained.
        rank: Which process this is.
        sharded: Whether weights and gradients are sharded over the processes.
    """
    trained = [p for p in model.parameters() if p.requires_grad]
    sums = [sum(_backward(model, batch, device, settings) for batch in batches)]
    sums += [sum(batch.weight for batch in batches), sum(batch.tokens for batch in batches)]
    if not sharded:  # fully_shard has reduced and scattered them in the backward pass
        rank.all_reduce_gradients(trained)
    loss_sum, weight, tokens = rank.all_reduce_sum(sums)
    if not weight:  # no clip of this step could be decoded in any process: no gradient, so no weight decay either
        for parameter in trained:
            parameter.grad = None
        return StepResult(0.0, 0.0, 0.0, 0.0)
    # Each pass left the gradient of a sum. Divided by all loss weights of the step it is that of the weighted mean over
    # its supervised tokens, however they were packed and shared among processes.
    for parameter in trained:
        if parameter.grad is not None:
            parameter.grad /= weight
    norm = full_tensor(torch.nn.utils.clip_grad_norm_(trained, settings.max_grad_norm))
    return StepResult(loss_sum, weight, tokens, float(norm))


def _backward(model: Any, batch: TrainBatch, device: torch.device, settings: TrainSettings) -> float:
    moved = batch.to(device)
    # Weights stay in the type they were loaded in and are cast for each operation where bfloat16 is safe, so small
    # updates are not rounded away; bfloat16 has the range of float32, so no loss scaling is needed.
    with torch.autocast(device.type, torch.bfloat16, enabled=computes_in_bf16(settings.precision, device.type)):
        loss = weighted_loss(model, moved.packed, moved.vision)
    loss.backward()  # type: ignore[no-untyped-call]
    return float(loss.detach())


def _prepared_steps(
    encoder: Encoder,
    cache: FrameCache,
    packing: Packing,
    costs: ExampleCosts,
    job: TrainJob,
    begun: int,
    steps: int,
    rank: Rank,
    sharded: bool,
) -> Iterator[PreparedStep]:
    """The forward passes of every step, prepared one step ahead in a thread."""

    def prepare(step: int) -> tuple[list[TrainExample], list[TrainBatch]]:
        examples = examples_of_step(job.clips, step, job.settings)
        mine = readable_examples(cache, rank.share(examples, costs, in_step=sharded))
        batches = build_batches(encoder, cache, mine, job.settings, packing)
        if sharded and not batches:  # this process has no clip in this step; see TrainBatch.zero_weight
            others = build_batches(encoder, cache, readable_examples(cache, examples)[:1], job.settings, packing)
            batches = [batch.zero_weight() for batch in others]
        return examples, batches

    with ThreadPoolExecutor(max_workers=1) as pool:
        ahead = pool.submit(prepare, begun) if begun < steps else None
        for step in range(begun, steps):
            assert ahead is not None
            asked_at = time.monotonic()
            examples, batches = ahead.result()
            data_wait_s = time.monotonic() - asked_at
            ahead = pool.submit(prepare, step + 1) if step + 1 < steps else None
            if sharded:  # all processes make as many passes as the one that has most
                more = rank.all_reduce_max(len(batches)) - len(batches)
                batches += [batch.zero_weight() for batch in batches[-1:]] * more
            yield PreparedStep(step, examples, batches, data_wait_s)
