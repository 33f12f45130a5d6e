"""The models' metrics, by the evaluation's own functions, and which clips of the queue each count stands for."""

import threading
from collections.abc import Sequence
from concurrent.futures import Future
from dataclasses import dataclass
from typing import TYPE_CHECKING

from vlm_autodrive.artifacts import PROVENANCE, input_key, read_provenance
from vlm_autodrive.records import EventClass
from vlm_autodrive.review.queue import NO_CLASS, QueueState
from vlm_autodrive.review.sources import ReviewSource

if TYPE_CHECKING:
    from vlm_autodrive.evaluation import Comparison

_SHADES = 4


class MetricsInBackground:
    """The comparison of the reviewed models, found once, when it is first asked for, in a thread of its own."""

    def __init__(self, source: ReviewSource) -> None:
        """Keep the source; nothing is computed yet."""
        self._source = source
        self._lock = threading.Lock()
        self._found: Future[Comparison] | None = None

    def wait(self, patience_s: float) -> "Comparison | None":
        """The comparison; None if it is not there within ``patience_s``.

        Raises:
            UserError: If the models cannot be compared; the message says why.
        """
        with self._lock:
            if self._found is None:
                self._found = Future()
                threading.Thread(target=self._find, args=(self._found,), daemon=True).start()
        try:
            return self._found.result(patience_s)
        except TimeoutError:
            return None

    def _find(self, found: "Future[Comparison]") -> None:
        try:
            found.set_result(find_comparison(self._source))
        except Exception as error:
            found.set_exception(error)


def find_comparison(source: ReviewSource) -> "Comparison":
    """The metrics of all models of a source: of its run's comparison if that is of these predictions, or computed.

    Raises:
        UserError: If the models were not evaluated on the same clips, or no clip has a known class.
    """
    from vlm_autodrive.evaluation import CompareSettings, compare_samples, read_comparison, read_evaluation_samples

    folder = source.path.absolute().parent / "comparison"
    if (folder / PROVENANCE).is_file():
        inputs = read_provenance(folder)
        keys = {name: ref.key for name, ref in inputs.inputs.items() if name in inputs.facts.get("models", ())}
        if keys == {name: input_key(predictions) for name, predictions in source.predictions.items()}:
            return read_comparison(folder)
    return compare_samples(read_evaluation_samples(source.predictions), CompareSettings())


@dataclass(frozen=True)
class MatrixCell:
    """One cell of a confusion matrix.

    Attributes:
        count: How many clips it counts.
        share: Their proportion of the row; 0 in an empty row.
        answer: What the model says of them.
        is_right: Whether that is the ground truth.
        query: The query of the queue with exactly these clips.
    """

    count: int
    share: float
    answer: str
    is_right: bool
    query: str

    @property
    def shade(self) -> int:
        """From 0 for none to 4 for all of the row."""
        return round(_SHADES * self.share)


def matrix_rows(
    model: str, table: Sequence[Sequence[int]], classes: Sequence[EventClass]
) -> list[tuple[EventClass, list[MatrixCell]]]:
    """A model's confusion matrix: of each true class its cells, by the class that the model names, at last none.

    Args:
        model: The model's name in the queue.
        table: The counts.
        classes: The classes, in the order of the counts.
    """
    answers = [*((each.name, each.label) for each in classes), (NO_CLASS, "no answer")]
    return [
        (
            truth,
            [
                MatrixCell(
                    count=count,
                    share=count / sum(counts) if count else 0.0,
                    answer=label,
                    is_right=name == truth.name,
                    query=QueueState(model=model, event_class=name, truth=truth.name).query(),
                )
                for (name, label), count in zip(answers, counts, strict=True)
            ],
        )
        for truth, counts in zip(classes, table, strict=True)
    ]
