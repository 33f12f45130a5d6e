"""The training stage: a loop to read at one sitting."""

import json
import os
import statistics
import time
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path
from typing import Any, TextIO

import torch

from vlm_autodrive.artifacts import making
from vlm_autodrive.errors import UserError
from vlm_autodrive.models.encoding import Encoder
from vlm_autodrive.models.loading import LoadedModel, ModelCard, load_model, resolve_model
from vlm_autodrive.progress import SILENT, Reporter
from vlm_autodrive.stores import read_clips, read_items, read_taxonomy
from vlm_autodrive.training.batching import Layout, TrainBatch, build_batches
from vlm_autodrive.training.checkpoints import restore_state, save_model, save_state
from vlm_autodrive.training.optimizers import build_optimizers, learning_rate
from vlm_autodrive.training.planning import plan
from vlm_autodrive.training.prefix_sharing import weighted_loss
from vlm_autodrive.training.processes import ALONE, Rank, helpers
from vlm_autodrive.training.settings import TrainSettings
from vlm_autodrive.training.sharing_check import choose_layout
from vlm_autodrive.training.visits import TaughtClip, steps_in_all, taught_clips, visits_of_step
from vlm_autodrive.video.frame_cache import FrameCache

LOG_FILE = "log.jsonl"


def train(
    supervision: Path,
    out: Path,
    settings: TrainSettings,
    reporter: Reporter = SILENT,
    *,
    frame_cache: Path | None = None,
    overwrite: bool = False,
) -> Path:
    """Post-train a model on a supervision set.

    Killed at any moment and called again, it goes on from the last saved state and ends with the
    same weights as an uninterrupted run (bitwise on a CPU with the same number of threads).

    Args:
        supervision: The supervision set; the accepted items of its train split are taught.
        out: Where the checkpoint goes.
        settings: How to train.
        reporter: Told of progress.
        frame_cache: Folder of decoded frames; beside ``out`` by default.
        overwrite: Replace a finished checkpoint that was made otherwise.

    Returns:
        The checkpoint's folder.

    Raises:
        UserError: If nothing can be taught, or the plan says that something does not fit.
    """
    inputs = {"supervision": supervision}
    base = Path(resolve_model(settings.model))
    if base.is_dir():
        inputs["base"] = base
    with making(out, "checkpoint", inputs, settings, overwrite=overwrite) as folder:
        if folder is None:
            return out
        loaded = load_model(settings.model, dtype=torch.float32 if settings.lora is None else None)
        sampling = settings.sampling or loaded.card.sampling
        cache = FrameCache(frame_cache or out.parent / ".frames", sampling)
        planned = plan(supervision, settings, reporter, loaded=loaded, cache=cache)
        if not planned.fits:
            raise UserError(planned.refusal())
        for line in planned.lines():
            reporter.say(line)
        readable = planned.readable_ids()
        taught = [
            each
            for each in taught_clips(read_clips(supervision), read_items(supervision))
            if each.clip.clip_id in readable
        ]
        processes = settings.processes if loaded.device.type == "cpu" else 1
        if processes < settings.processes:
            reporter.say(f"the model is on {loaded.device}, so one process trains; train.processes is for CPUs")
        model = _prepare(loaded, settings, reporter)
        shared = (taught, cache.folder, folder, settings)
        with helpers(processes, _help, shared) as rank:
            _loop(model, loaded, taught, cache, folder, settings, reporter, rank)
        window_s = round(statistics.median(each.clip.duration_s for each in taught), 3)
        card = ModelCard(name=settings.name, base=settings.model, sampling=sampling, window_s=window_s)
        save_model(folder, loaded, model, card, read_taxonomy(supervision))
    return out


def _help(rank: Rank, taught: list[TaughtClip], frame_cache: Path, folder: Path, settings: TrainSettings) -> None:
    """What a further process does: the same loop, with its own share of every step."""
    loaded = load_model(settings.model, torch.device("cpu"), torch.float32 if settings.lora is None else None)
    cache = FrameCache(frame_cache, settings.sampling or loaded.card.sampling)
    _loop(_prepare(loaded, settings, SILENT), loaded, taught, cache, folder, settings, SILENT, rank)


def _prepare(loaded: LoadedModel, settings: TrainSettings, reporter: Reporter) -> Any:
    model = loaded.model
    if settings.gradient_checkpointing:
        model.gradient_checkpointing_enable(gradient_checkpointing_kwargs={"use_reentrant": False})
    if settings.lora is not None:
        from peft import LoraConfig, get_peft_model

        config = LoraConfig(
            r=settings.lora.rank,
            lora_alpha=settings.lora.alpha,
            lora_dropout=settings.lora.dropout,
            target_modules=loaded.family.lora_targets,
        )
        torch.manual_seed(settings.seed)
        model = get_peft_model(model, config)
    elif settings.freeze_vision:
        model.get_submodule(loaded.family.vision_tower).requires_grad_(False)
    trained = sum(p.numel() for p in model.parameters() if p.requires_grad)
    total = sum(p.numel() for p in model.parameters())
    reporter.say(f"training {trained / 1e6:.1f} of {total / 1e6:.1f} million weights")
    return model.train()


def _loop(
    model: Any,
    loaded: LoadedModel,
    taught: Sequence[TaughtClip],
    cache: FrameCache,
    folder: Path,
    settings: TrainSettings,
    reporter: Reporter,
    rank: Rank = ALONE,
) -> None:
    optimizers = build_optimizers(model, settings)
    trained = [p for p in model.parameters() if p.requires_grad]
    steps = steps_in_all(len(taught), settings)
    begun = restore_state(folder, model, optimizers)
    # Dropout is the only draw that is not a function of the step.
    torch.manual_seed(settings.seed + begun + steps * rank.number)
    encoder = Encoder(loaded)
    layout = choose_layout(model, loaded, encoder, settings, reporter)
    with _log(folder, begun, rank) as log, reporter.task("training", steps, begun) as task:
        for step, batches in _batches(encoder, cache, taught, begun, steps, settings, layout, rank):
            started = time.monotonic()
            sums = [sum(_backward(model, batch, loaded.device, settings) for batch in batches)]
            sums += [sum(batch.weight for batch in batches), sum(batch.tokens for batch in batches)]
            loss_sum, weight, tokens = rank.add_up(trained, sums)
            loss = loss_sum / weight
            for parameter in trained:
                if parameter.grad is not None:
                    parameter.grad /= weight
            norm = torch.nn.utils.clip_grad_norm_(trained, settings.gradient_clip)
            if not torch.isfinite(norm):
                raise UserError(
                    f"the gradient of step {step} is not finite; lower learning_rate, or use precision=fp32. "
                    f"The state before it is kept."
                )
            rate = learning_rate(step, steps, settings)
            for optimizer in optimizers:
                for group in optimizer.param_groups:
                    group["lr"] = rate
                optimizer.step()
                optimizer.zero_grad(set_to_none=True)
            record = {
                "step": step,
                "loss": round(loss, 5),
                "learning_rate": rate,
                "gradient_norm": round(float(norm), 4),
                "tokens": round(tokens),
                "seconds": round(time.monotonic() - started, 3),
            }
            log.write(json.dumps(record) + "\n")
            log.flush()
            task.advance(1, f"loss {loss:.3f}")
            if rank.is_first and (step + 1) % settings.checkpoint_steps == 0 and step + 1 < steps:
                save_state(folder, step + 1, model, optimizers)


@contextmanager
def _log(folder: Path, steps: int, rank: Rank) -> Iterator[TextIO]:
    """The log, without what an interrupted run wrote behind the state that is gone on from."""
    path = folder / LOG_FILE if rank.is_first else Path(os.devnull)
    kept = path.read_text(encoding="utf-8").splitlines(keepends=True)[:steps] if path.is_file() else []
    with path.open("w", encoding="utf-8") as stream:
        stream.writelines(kept)
        yield stream


def _backward(model: Any, batch: TrainBatch, device: torch.device, settings: TrainSettings) -> float:
    with torch.autocast(device.type, torch.bfloat16, enabled=settings.precision == "bf16"):
        moved = batch.to(device)
        loss = weighted_loss(model, moved.shared, moved.vision)
    loss.backward()  # type: ignore[no-untyped-call]
    return float(loss.detach())


def _batches(
    encoder: Encoder,
    cache: FrameCache,
    taught: Sequence[TaughtClip],
    begun: int,
    steps: int,
    settings: TrainSettings,
    layout: Layout,
    rank: Rank,
) -> Iterator[tuple[int, list[TrainBatch]]]:
    """The forward passes of every step, prepared one step ahead in the background."""

    def prepare(step: int) -> list[TrainBatch]:
        return build_batches(encoder, cache, rank.share(visits_of_step(taught, step, settings)), settings, layout)

    with ThreadPoolExecutor(max_workers=1) as pool:
        ahead = pool.submit(prepare, begun) if begun < steps else None
        for step in range(begun, steps):
            assert ahead is not None
            batches = ahead.result()
            ahead = pool.submit(prepare, step + 1) if step + 1 < steps else None
            yield step, batches
