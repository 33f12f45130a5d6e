"""Scanning one video: every window judged once, every event reasoned about once, in one pass.

What is known is appended to the working folder batch by batch, so that a killed scan goes on where it was.
"""

from collections.abc import Callable, Sequence
from pathlib import Path

from vlm_autodrive.detection.merging import Stretch, find_stretches
from vlm_autodrive.detection.settings import DetectSettings
from vlm_autodrive.engines import Engine, InferenceRequest, InferenceResponse, parse_class, reasoning_of
from vlm_autodrive.models import reasoning_prompt, verdict_prompt
from vlm_autodrive.records import Outcome, Reasoning, Record, Taxonomy, WindowScore, append_jsonl, read_partial_jsonl
from vlm_autodrive.video import Frames, VideoError, read_windows

NOT_READ = "not read: "
NOT_JUDGED = "not judged: "
CERTAIN = "the model gives no probabilities; the class that it names counts as certain"

_WINDOWS_FILE = "windows.jsonl"
_TRACES_FILE = "traces.jsonl"

Window = tuple[float, float]


class Trace(Record):
    """The reasoning about one window, by the window's place in the plan."""

    window: int
    reasoning: Reasoning


class Scan:
    """The scan of one video.

    Attributes:
        scores: The windows judged so far, from the first on without a gap.
        traces: The reasoning, by window, for the peak window of each event.
    """

    def __init__(
        self, plan: Sequence[Window], engine: Engine, settings: DetectSettings, taxonomy: Taxonomy, folder: Path
    ) -> None:
        """Set out on ``plan``, or go on where a killed scan in the same ``folder`` was."""
        self._plan, self._engine, self._settings, self._taxonomy = plan, engine, settings, taxonomy
        self._windows_path, self._traces_path = folder / _WINDOWS_FILE, folder / _TRACES_FILE
        self.scores = read_partial_jsonl(self._windows_path, WindowScore)
        self.traces = {trace.window: trace.reasoning for trace in read_partial_jsonl(self._traces_path, Trace)}
        self._kept: dict[int, Frames] = {}

    def run(self, path: Path, seen: Callable[[float], None]) -> None:
        """Read the video once and judge what has not been judged yet.

        Args:
            path: The video.
            seen: Told after each batch up to which second the video is done.
        """
        places = {window: place for place, window in enumerate(self._plan)}
        again = [stretch.peak for stretch in self._stretches() if self._needs_frames(stretch)]
        todo = [self._plan[place] for place in [*again, *range(len(self.scores), len(self._plan))]]
        batch: list[tuple[int, Frames | VideoError]] = []
        for window, frames in read_windows(path, todo, self._engine.sampling) if todo else ():
            batch.append((places[window], frames))
            if len(batch) == self._settings.batch_windows:
                self._judge(batch)
                batch = []
                seen(self.scores[-1].end_s)
        if batch:
            self._judge(batch)
            seen(self.scores[-1].end_s)

    def forget(self) -> None:
        """Remove the working files, once their content is kept elsewhere."""
        self._windows_path.unlink(missing_ok=True)
        self._traces_path.unlink(missing_ok=True)

    def _judge(self, batch: Sequence[tuple[int, Frames | VideoError]]) -> None:
        fresh = [(place, result) for place, result in batch if place >= len(self.scores)]
        clips = [result for _, result in fresh if isinstance(result, Frames)]
        question = InferenceRequest(prompt=verdict_prompt(self._taxonomy).text, codes=self._taxonomy.codes)
        answers = iter(self._engine.generate(clips, [question]) if clips else [])
        scores = []
        for place, result in fresh:
            if isinstance(result, Frames):
                scores.append(_score(self._plan[place], next(answers)[0], self._taxonomy))
            else:
                scores.append(_unscored(self._plan[place], Outcome.ERROR, NOT_READ + result.reason))
        append_jsonl(self._windows_path, scores)
        self.scores.extend(scores)
        self._kept |= {place: result for place, result in batch if isinstance(result, Frames)}
        if self._settings.reasoning:
            self._reason()
        wanted = {stretch.peak for stretch in self._stretches() if self._needs_frames(stretch)}
        self._kept = {place: frames for place, frames in self._kept.items() if place in wanted}

    def _reason(self) -> None:
        """Ask for the reasoning about every event that no further window can change."""
        peaks = [s.peak for s in self._stretches() if s.confirmed and self._is_closed(s)]
        asked = [peak for peak in peaks if peak in self._kept and peak not in self.traces]
        question = InferenceRequest(
            prompt=reasoning_prompt(self._taxonomy).text, max_new_tokens=self._settings.reasoning_tokens
        )
        for start in range(0, len(asked), self._settings.batch_windows):
            some = asked[start : start + self._settings.batch_windows]
            answers = self._engine.generate([self._kept[peak] for peak in some], [question])
            found = [
                Trace(window=peak, reasoning=reasoning_of(answer, self._taxonomy, self._length_s(peak)))
                for peak, (answer,) in zip(some, answers, strict=True)
            ]
            append_jsonl(self._traces_path, found)
            self.traces.update((trace.window, trace.reasoning) for trace in found)

    def _stretches(self) -> list[Stretch]:
        return find_stretches(self.scores, self._settings, self._taxonomy)

    def _is_closed(self, stretch: Stretch) -> bool:
        """Whether no further window can lengthen this stretch."""
        if len(self.scores) == len(self._plan):
            return True
        distance = self._middle(len(self.scores)) - self._middle(stretch.last)
        return stretch.last + 1 < len(self.scores) and distance > self._settings.merge_gap_s + 1e-6

    def _needs_frames(self, stretch: Stretch) -> bool:
        """Whether the frames of its peak may still be asked about."""
        if not self._settings.reasoning or stretch.peak in self.traces:
            return False
        return stretch.confirmed or not self._is_closed(stretch)

    def _middle(self, place: int) -> float:
        return sum(self._plan[place]) / 2

    def _length_s(self, place: int) -> float:
        start_s, end_s = self._plan[place]
        return end_s - start_s


def _score(window: Window, answer: InferenceResponse, taxonomy: Taxonomy) -> WindowScore:
    if answer.outcome not in (Outcome.OK, Outcome.REPAIRED):
        return _unscored(window, answer.outcome, NOT_JUDGED + (answer.reason or answer.outcome.value))
    chances, reason = answer.probabilities, ""
    if chances is None:
        outcome, named = parse_class(answer.text, taxonomy)
        if named is None:
            return _unscored(window, outcome, f"{NOT_JUDGED}the answer {answer.text[:40]!r} names no single class")
        chances, reason = tuple(float(name == named) for name in taxonomy.names), CERTAIN
    probabilities = dict(zip(taxonomy.names, chances, strict=True))
    return WindowScore(
        start_s=window[0], end_s=window[1], outcome=answer.outcome, probabilities=probabilities, reason=reason
    )


def _unscored(window: Window, outcome: Outcome, reason: str) -> WindowScore:
    return WindowScore(start_s=window[0], end_s=window[1], outcome=outcome, probabilities=None, reason=reason)
