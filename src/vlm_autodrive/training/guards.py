"""Guards around an optimizer step: a non-finite loss or gradient, and exhausted memory."""

import math
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

from vlm_autodrive.artifacts import write_text
from vlm_autodrive.errors import UserError
from vlm_autodrive.records import Record
from vlm_autodrive.training.sampler import TrainExample

_NON_FINITE_STEP = "non-finite-step-{:08d}.json"
_OUT_OF_MEMORY = ("out of memory", "can't allocate memory")


class NonFiniteExample(Record):
    """An example of the step, by the ids of its clip and samples."""

    clip_id: str
    sample_ids: tuple[str, ...]
    mirrored: bool


class NonFiniteStep(Record):
    """A step whose loss or gradient was not finite."""

    step: int
    loss: str
    grad_norm: str
    clips: tuple[NonFiniteExample, ...]


def check_finite(
    step: int, loss: float, norm: float, examples: Sequence[TrainExample], folder: Path, *, write: bool
) -> None:
    """Stop at a loss or gradient that is not finite, and write a file that names the step's clips and samples.

    Args:
        step: The step.
        loss: Its loss.
        norm: The norm of its gradient.
        examples: Its examples, of all processes.
        folder: Where the file goes.
        write: Whether this process writes it.

    Raises:
        UserError: Naming the file.
    """
    if math.isfinite(loss) and math.isfinite(norm):
        return
    path = folder / _NON_FINITE_STEP.format(step)
    clips = tuple(
        NonFiniteExample(clip_id=v.clip.clip_id, sample_ids=tuple(i.sample_id for i in v.samples), mirrored=v.mirrored)
        for v in examples
    )
    if write:
        bad = NonFiniteStep(step=step, loss=str(loss), grad_norm=str(norm), clips=clips)
        write_text(path, bad.model_dump_json(indent=1) + "\n")
    what = "gradient" if math.isfinite(loss) else "loss"
    raise UserError(
        f"the {what} of step {step} is not finite; its clips and samples are named in {path}. Look at them, lower "
        f"learning_rate, or use precision=fp32; the checkpoint before it is kept."
    )


@contextmanager
def out_of_memory_guard(step: int, tokens: Sequence[int], estimate: str) -> Iterator[None]:
    """Report exhausted memory with the plan's estimate.

    Args:
        step: The step.
        tokens: Tokens of each of its forward passes.
        estimate: What the plan estimated.

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
