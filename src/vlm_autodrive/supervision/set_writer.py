"""Writing a supervision set clip by clip: duplicates are marked, figures gathered, and a poor teacher is stopped."""

import time
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from vlm_autodrive.artifacts import SAMPLES_FILE
from vlm_autodrive.errors import UserError
from vlm_autodrive.progress import Reporter, Task
from vlm_autodrive.records import Record, writing_jsonl
from vlm_autodrive.supervision.checks.whole_set import SetStatistics
from vlm_autodrive.supervision.clip_writers import ClipSupervision
from vlm_autodrive.supervision.settings import SuperviseSettings
from vlm_autodrive.supervision.summary import figures_lines, summarise
from vlm_autodrive.supervision.survey import ClipSetSurvey

REPLIES_FILE = "replies.jsonl"
CLIPS_BETWEEN_CHECKS = 100


def below_limits(problems: Sequence[str], clips: int, survey: ClipSetSurvey, written: Path) -> UserError:
    """The refusal to go on with a set of which more is rejected than the limits allow.

    Args:
        problems: What is below the limits.
        clips: How many clips are done.
        survey: What is known of the clip set.
        written: Where to read what was written.
    """
    return UserError(
        f"stopped after {clips} of {survey.supervised} clips: {'; '.join(problems)}. Read {written}, then mend what "
        "the teacher is asked and shown, or raise the limit."
    )


class SetWriter:
    """Takes what was written about one clip after the other."""

    def __init__(
        self,
        write_sample: Callable[[Record], None],
        write_reply: Callable[[Record], None],
        folder: Path,
        survey: ClipSetSurvey,
        settings: SuperviseSettings,
        reporter: Reporter,
        task: Task,
    ) -> None:
        self._write_sample, self._write_reply, self._folder = write_sample, write_reply, folder
        self._survey, self._settings, self._reporter, self._task = survey, settings, reporter, task
        self._statistics = SetStatistics()
        self._missing: dict[str, Counter[str]] = {type_: Counter() for type_ in settings.types}
        self._problems: list[str] = []
        self._done, self._begun = 0, time.monotonic()

    def add(self, supervision: ClipSupervision, used: str = "") -> bool:
        """Write what is new of a clip; ``used`` is what models have used so far, in words.

        Returns:
            Whether to go on: not if more is rejected so far than the limits allow.
        """
        statistics = self._statistics
        for sample in supervision.samples:
            marked = statistics.mark(sample)
            statistics.add(marked, supervision.event_class)
            self._write_sample(marked)
        for reply in supervision.replies:
            self._write_reply(reply)
        for type_, why in supervision.missing.items():
            self._missing[type_][why] += 1
        self._done += 1
        rate = f"{self._done / (time.monotonic() - self._begun):.1f} clips/s"
        self._task.advance(1, ", ".join(part for part in (rate, statistics.rejected_line(), used) if part))
        # While the run goes on, so that a poor teacher is stopped before it has spent the budget.
        at_the_end = self._done == self._survey.supervised
        if at_the_end or self._done % CLIPS_BETWEEN_CHECKS == 0:
            self._problems = statistics.problems(self._settings.limits, at_the_end=at_the_end)
        return not self._problems

    def finish(self, use: dict[str, Any], used: str) -> dict[str, Any]:
        """The summary of the set, which is told; ``use`` and ``used`` are what models have used, also in words.

        Raises:
            UserError: If more was rejected than the limits allow.
        """
        if self._problems:
            raise below_limits(self._problems, self._done, self._survey, self._folder / SAMPLES_FILE)
        summary = summarise(self._statistics, self._survey.unsupervised, self._missing) | use
        for line in figures_lines(summary, self._survey.taxonomy):
            self._reporter.say(line)
        if used:
            self._reporter.say(f"Used: {used}.")
        return summary


@contextmanager
def writing_set(
    folder: Path, survey: ClipSetSurvey, settings: SuperviseSettings, reporter: Reporter
) -> Iterator[SetWriter]:
    """Write samples and replies into a folder; the files get their names when the block ends well."""
    with (
        writing_jsonl(folder / SAMPLES_FILE) as write_sample,
        writing_jsonl(folder / REPLIES_FILE) as write_reply,
        reporter.task("Writing supervision", total=survey.supervised) as task,
    ):
        yield SetWriter(write_sample, write_reply, folder, survey, settings, reporter, task)
