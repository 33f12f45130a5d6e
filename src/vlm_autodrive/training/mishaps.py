"""What is told when a step goes wrong, with the way out."""

import math
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

from vlm_autodrive.artifacts import write_text
from vlm_autodrive.errors import UserError
from vlm_autodrive.records import Record
from vlm_autodrive.training.visits import Visit

_BAD_STEP = "bad-step-{:08d}.json"
_OUT_OF_MEMORY = ("out of memory", "can't allocate memory")


class VisitedClip(Record):
    """A clip of a step, and its items, by their ids."""

    clip_id: str
    sample_ids: tuple[str, ...]
    mirrored: bool


class BadStep(Record):
    """A step whose loss or gradient was not finite."""

    step: int
    loss: str
    grad_norm: str
    clips: tuple[VisitedClip, ...]


def check_finite(step: int, loss: float, norm: float, visits: Sequence[Visit], folder: Path, *, tell: bool) -> None:
    """Stop at a loss or gradient that is not finite, with a file that names the step's clips and items.

    Args:
        step: The step.
        loss: Its loss.
        norm: The norm of its gradient.
        visits: Its visits, of all processes.
        folder: Where the file goes.
        tell: Whether this process writes it.

    Raises:
        UserError: Naming the file.
    """
    if math.isfinite(loss) and math.isfinite(norm):
        return
    path = folder / _BAD_STEP.format(step)
    clips = tuple(
        VisitedClip(clip_id=v.clip.clip_id, sample_ids=tuple(i.sample_id for i in v.items), mirrored=v.mirrored)
        for v in visits
    )
    if tell:
        bad = BadStep(step=step, loss=str(loss), grad_norm=str(norm), clips=clips)
        write_text(path, bad.model_dump_json(indent=1) + "\n")
    what = "gradient" if math.isfinite(loss) else "loss"
    raise UserError(
        f"the {what} of step {step} is not finite; its clips and items are named in {path}. Look at them, lower "
        f"learning_rate, or use precision=fp32; the checkpoint before it is kept."
    )


@contextmanager
def told_of_memory(step: int, tokens: Sequence[int], estimate: str) -> Iterator[None]:
    """Tell of exhausted memory in one message.

    Args:
        step: The step.
        tokens: Tokens of each of its forward passes.
        estimate: What was expected of it beforehand.

    Raises:
        UserError: With the estimate and the settings to change.
    """
    try:
        yield
    except RuntimeError as error:  # torch.OutOfMemoryError is one; a CPU's has no class of its own
        if not any(words in str(error) for words in _OUT_OF_MEMORY):
            raise
        raise UserError(
            f"memory ran out at step {step}, whose largest forward pass has {max(tokens):,} tokens ({estimate}). Set "
            f"micro_batch_size lower, gradient_checkpointing=true, or sampling.fps, height and width lower, and run "
            f"the same command again."
        ) from None
