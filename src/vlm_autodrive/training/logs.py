"""Logging of training: the log file, the status line beside the bar, and trackers."""

import os
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any

from vlm_autodrive.errors import UserError
from vlm_autodrive.records import Record
from vlm_autodrive.training.processes import Rank
from vlm_autodrive.training.settings import TrainSettings

LOG_FILE = "log.jsonl"
_TRACKER_FOLDER = "trackers"


class StepRecord(Record):
    """One line of the log.

    Attributes:
        step: Which step, from 0.
        loss: Mean over the step's supervised tokens, weighted by their loss weights.
        learning_rate: Of the step, for the modules that have no learning rate of their own.
        grad_norm: Before it was clipped.
        samples: SFT samples in the step.
        tokens: Tokens in the step's sequences, without padding.
        step_s: Time of the step, without the wait for data.
        data_wait_s: Time that the step waited for its frames and tokens.
        validation_macro_f1: Of the direct verdict on the validation split after the step; None without evaluation.
        damaged_clips: Ids of the step's clips that were left out since they cannot be decoded; None if there was none.
    """

    step: int
    loss: float
    learning_rate: float
    grad_norm: float
    samples: int
    tokens: int
    step_s: float
    data_wait_s: float
    validation_macro_f1: float | None = None
    damaged_clips: tuple[str, ...] | None = None


class Throughput:
    """Keeps count, for the line beside the bar."""

    def __init__(self) -> None:
        self._samples = self._tokens = 0
        self._seconds = self._waited = 0.0

    def status(self, record: StepRecord) -> str:
        """Loss and learning rate of a step; samples and tokens per second and the share of data wait, of all so far."""
        self._samples += record.samples
        self._tokens += record.tokens
        self._waited += record.data_wait_s
        self._seconds += record.step_s + record.data_wait_s
        seconds = max(self._seconds, 1e-9)
        told = (
            f"loss {record.loss:.3f}, lr {record.learning_rate:.1e}, {self._samples / seconds:.1f} samples/s, "
            f"{self._tokens / seconds:,.0f} tokens/s, data wait {100 * self._waited / seconds:.0f} %"
        )
        if record.validation_macro_f1 is not None:
            told += f", validation macro-F1 {record.validation_macro_f1:.3f}"
        return told


@contextmanager
def open_logs(
    folder: Path, steps: int, run_name: str, settings: TrainSettings, rank: Rank
) -> Iterator[Callable[[StepRecord], None]]:
    """The log and the trackers, as a function that takes the record of a step; it keeps the first process's alone.

    Args:
        folder: Where the log lies.
        steps: How many steps are done; what an interrupted run logged of later ones is dropped from the log.
        run_name: What trackers call the run.
        settings: Which trackers, and what they are told of the run.
        rank: Which process this is.
    """
    path = folder / LOG_FILE if rank.is_first else Path(os.devnull)
    kept = path.read_text(encoding="utf-8").splitlines(keepends=True)[:steps] if path.is_file() else []
    names = settings.report_to if rank.is_first else ()
    with ExitStack() as stack:
        trackers = [stack.enter_context(_tracker(name, folder, run_name, settings)) for name in names]
        stream = stack.enter_context(path.open("w", encoding="utf-8"))
        stream.writelines(kept)

        def log(record: StepRecord) -> None:
            stream.write(record.model_dump_json(exclude_none=True) + "\n")
            stream.flush()
            for tracker in trackers:
                tracker.log(record.model_dump(exclude={"step"}, exclude_none=True), step=record.step)

        yield log


def check_trackers(settings: TrainSettings) -> None:
    """Refuse trackers that do not exist or are not installed.

    Raises:
        UserError: Naming those that exist, or the package to install.
    """
    from accelerate.tracking import LOGGER_TYPE_TO_CLASS, get_available_trackers

    available = {str(name) for name in get_available_trackers()}
    for name in settings.report_to:
        if name not in LOGGER_TYPE_TO_CLASS:
            raise UserError(
                f"train.report_to: there is no tracker {name}; take {', '.join(sorted(LOGGER_TYPE_TO_CLASS))}."
            )
        if name not in available:
            package = "tensorboardX" if name == "tensorboard" else name
            raise UserError(f"train.report_to: the package of {name} is missing; install it: pip install {package}")


@contextmanager
def _tracker(name: str, folder: Path, run_name: str, settings: TrainSettings) -> Iterator[Any]:
    from accelerate.tracking import LOGGER_TYPE_TO_CLASS

    tracker_class = LOGGER_TYPE_TO_CLASS[name]
    where = {"logging_dir": folder / _TRACKER_FOLDER} if tracker_class.requires_logging_directory else {}
    tracker = tracker_class(run_name, **where)
    tracker.start()
    plain = settings.model_dump(mode="json")
    tracker.store_init_configuration(
        {key: value if isinstance(value, bool | int | float | str) else str(value) for key, value in plain.items()}
    )
    try:
        yield tracker
    finally:
        tracker.finish()
