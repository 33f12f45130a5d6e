"""The loop: what every process that trains does, to read at one sitting."""

import time
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch

from vlm_autodrive.models import Encoder, LoadedModel, load_model
from vlm_autodrive.progress import SILENT, Reporter
from vlm_autodrive.records import Taxonomy
from vlm_autodrive.training import checkpoints
from vlm_autodrive.training.batching import Layout, TrainBatch, build_batches, readable
from vlm_autodrive.training.checkpoints import Reached
from vlm_autodrive.training.logs import StepRecord, Throughput, open_logs
from vlm_autodrive.training.mishaps import check_finite, told_of_memory
from vlm_autodrive.training.modules import prepare_model
from vlm_autodrive.training.optimizers import build_optimizers, learning_rate, optimizer_step
from vlm_autodrive.training.prefix_sharing import weighted_loss
from vlm_autodrive.training.processes import ALONE, Rank
from vlm_autodrive.training.settings import TrainSettings
from vlm_autodrive.training.sharding import is_sharded, shard_model, whole
from vlm_autodrive.training.sharing_check import choose_layout
from vlm_autodrive.training.validation import verdict_macro_f1
from vlm_autodrive.training.visits import TaughtClip, Visit, steps_in_all, visits_of_step
from vlm_autodrive.video import ComingFrames, FrameCache


@dataclass(frozen=True)
class Job:
    """What every process that trains together must know.

    Attributes:
        taught: The clips of the train split that can be read, with their items.
        validation: The validation clips with the verdicts that they should get; empty if none is asked for.
        taxonomy: The classes.
        frame_cache: Folder of decoded frames.
        folder: Where the log and the states go, and in the end the checkpoint.
        run_name: What trackers call the run.
        estimate: What the plan expects of memory.
        settings: How to train.
    """

    taught: list[TaughtClip]
    validation: list[Visit]
    taxonomy: Taxonomy
    frame_cache: Path
    folder: Path
    run_name: str
    estimate: str
    settings: TrainSettings


@dataclass(frozen=True)
class Prepared:
    """The forward passes of a step.

    Attributes:
        step: Which step.
        visits: Its visits, of all processes.
        batches: This process's forward passes.
        waited_s: How long they had to be waited for.
    """

    step: int
    visits: list[Visit]
    batches: list[TrainBatch]
    waited_s: float


@dataclass(frozen=True)
class Made:
    """What a step's gradients were made of; all is 0 if none of its clips could be decoded.

    Attributes:
        loss_sum: Sum of the weighted losses of all learned tokens.
        weight: Sum of their weights.
        tokens: Tokens of all rows, without padding.
        norm: Of the gradient, before it was clipped.
    """

    loss_sum: float
    weight: float
    tokens: float
    norm: float

    @property
    def loss(self) -> float:
        """Mean of the losses, by weight."""
        return self.loss_sum / self.weight if self.weight else 0.0


def load_for_training(settings: TrainSettings, device: torch.device | None = None) -> LoadedModel:
    """Load the model in the precision that its weights are trained in."""
    return load_model(settings.model, device, torch.float32 if settings.lora is None else None)


def train_share(
    rank: Rank, job: Job, loaded: LoadedModel | None = None, reporter: Reporter = SILENT
) -> tuple[Any, Reached]:
    """What every process does: the whole loop, with its own share of every step.

    Returns:
        The trained model, whole in the first process, and how far training came.
    """
    settings = job.settings
    loaded = loaded or load_for_training(settings)
    model = prepare_model(loaded, settings, reporter)
    encoder = Encoder(loaded)
    layout = choose_layout(model, loaded, encoder, settings, reporter)
    divided = is_sharded(settings, rank, loaded.device)
    if divided:
        shard_model(model, loaded, settings, rank)
    reached = _loop(model, loaded, encoder, layout, job, rank, divided, reporter)
    if divided:
        weights = checkpoints.trained_weights(model, rank)
        if rank.is_first:
            model = prepare_model(load_for_training(settings, torch.device("cpu")), settings, SILENT)
            checkpoints.set_weights(model, weights)
    return model, reached


def _loop(
    model: Any,
    loaded: LoadedModel,
    encoder: Encoder,
    layout: Layout,
    job: Job,
    rank: Rank,
    divided: bool,
    reporter: Reporter,
) -> Reached:
    settings, device = job.settings, loaded.device
    optimizers = build_optimizers(model, loaded.family, settings)
    steps = steps_in_all(len(job.taught), settings)
    reached = checkpoints.restore_state(job.folder, model, optimizers, reporter)
    cache = ComingFrames(job.frame_cache, settings.sampling or loaded.card.sampling, job.folder)
    told: set[str] = set()
    throughput = Throughput()
    with ExitStack() as stack:
        log = stack.enter_context(open_logs(job.folder, reached.step, job.run_name, settings, rank))
        task = stack.enter_context(reporter.task("training", steps, reached.step))
        for prepared in _prepared_steps(encoder, cache, layout, job, reached.step, steps, rank, divided):
            step, batches = prepared.step, prepared.batches
            started = time.monotonic()
            # Dropout is the only draw that visits do not make; so it, too, is a function of the step.
            torch.manual_seed(settings.seed + step + steps * rank.number)
            with told_of_memory(step, [batch.tokens for batch in batches], job.estimate):
                made = make_gradients(model, batches, device, settings, rank, divided)
            check_finite(step, made.loss_sum, made.norm, prepared.visits, job.folder, tell=rank.is_first)
            optimizer_step(optimizers, step, steps, settings)
            seconds = time.monotonic() - started
            left_out = _left_out(prepared, cache.damaged(), told, reporter)
            reached = reached.model_copy(update={"step": step + 1})
            score = None
            if settings.eval_steps and ((step + 1) % settings.eval_steps == 0 or step + 1 == steps):
                score = verdict_macro_f1(
                    model, encoder, cache, layout, job.validation, job.taxonomy, settings, device, rank
                )
                reached = reached.after(score)
                if settings.load_best_model_at_end and reached.best_step == reached.step:
                    checkpoints.save_best(job.folder, reached, model, rank)
            record = StepRecord(
                step=step,
                loss=round(made.loss, 5),
                learning_rate=learning_rate(settings.learning_rate, step, steps, settings),
                grad_norm=round(made.norm, 4),
                samples=sum(len(visit.items) for visit in prepared.visits),
                tokens=round(made.tokens),
                step_s=round(seconds, 3),
                data_wait_s=round(prepared.waited_s, 3),
                validation_macro_f1=score,
                damaged_clips=left_out or None,
            )
            log(record)
            task.advance(1, throughput.status(record))
            if settings.early_stopping_patience is not None and reached.no_better >= settings.early_stopping_patience:
                reporter.say(f"stopped after step {step}: {reached.no_better} validations were no better than the best")
                break
            if (step + 1) % settings.save_steps == 0 and step + 1 < steps:
                checkpoints.save_state(job.folder, reached, model, optimizers, settings, rank)
    return reached


def _left_out(prepared: Prepared, damaged: dict[str, str], told: set[str], reporter: Reporter) -> tuple[str, ...]:
    """The step's clips that could not be decoded, each told of once."""
    clips = tuple(visit.clip.clip_id for visit in prepared.visits if visit.clip.clip_id in damaged)
    for clip_id in clips:
        if clip_id not in told:
            reporter.say(
                f"left out at step {prepared.step} and later, cannot be decoded: {clip_id}: {damaged[clip_id]}"
            )
            told.add(clip_id)
    return clips


def make_gradients(
    model: Any,
    batches: Sequence[TrainBatch],
    device: torch.device,
    settings: TrainSettings,
    rank: Rank = ALONE,
    divided: bool = False,
) -> Made:
    """Leave the gradients of a step's loss in the weights, clipped, with those of all processes added up.

    Args:
        model: What is trained.
        batches: This process's forward passes.
        device: Where the model is.
        settings: How it is trained.
        rank: Which process this is.
        divided: Whether the processes divide the weights among them.
    """
    trained = [p for p in model.parameters() if p.requires_grad]
    sums = [sum(_backward(model, batch, device, settings) for batch in batches)]
    sums += [sum(batch.weight for batch in batches), sum(batch.tokens for batch in batches)]
    if not divided:
        rank.add_up_gradients(trained)
    loss_sum, weight, tokens = rank.add_up(sums)
    if not weight:
        for parameter in trained:
            parameter.grad = None
        return Made(0.0, 0.0, 0.0, 0.0)
    for parameter in trained:
        if parameter.grad is not None:
            parameter.grad /= weight
    norm = whole(torch.nn.utils.clip_grad_norm_(trained, settings.max_grad_norm))
    return Made(loss_sum, weight, tokens, float(norm))


def _backward(model: Any, batch: TrainBatch, device: torch.device, settings: TrainSettings) -> float:
    moved = batch.to(device)
    with torch.autocast(device.type, torch.bfloat16, enabled=settings.precision == "bf16"):
        loss = weighted_loss(model, moved.shared, moved.vision)
    loss.backward()  # type: ignore[no-untyped-call]
    return float(loss.detach())


def _prepared_steps(
    encoder: Encoder, cache: FrameCache, layout: Layout, job: Job, begun: int, steps: int, rank: Rank, divided: bool
) -> Iterator[Prepared]:
    """The forward passes of every step, prepared one step ahead in the background."""

    def prepare(step: int) -> tuple[list[Visit], list[TrainBatch]]:
        visits = visits_of_step(job.taught, step, job.settings)
        mine = readable(cache, rank.share(visits))
        batches = build_batches(encoder, cache, mine, job.settings, layout)
        if divided and not batches:
            others = build_batches(encoder, cache, readable(cache, visits)[:1], job.settings, layout)
            batches = [batch.weightless() for batch in others]
        return visits, batches

    with ThreadPoolExecutor(max_workers=1) as pool:
        ahead = pool.submit(prepare, begun) if begun < steps else None
        for step in range(begun, steps):
            assert ahead is not None
            asked = time.monotonic()
            visits, batches = ahead.result()
            waited_s = time.monotonic() - asked
            ahead = pool.submit(prepare, step + 1) if step + 1 < steps else None
            if divided:  # every process computes along in every pass, since each holds a part of every layer
                more = rank.most(len(batches)) - len(batches)
                batches += [batch.weightless() for batch in batches[-1:]] * more
            yield Prepared(step, visits, batches, waited_s)
