"""The scan of one video or trip in one pass: each window is scored, and each event gets one reasoning trace.

What is known is appended to the working folder batch by batch, so that a killed scan goes on where it was.
"""

import math
from bisect import bisect_right
from collections.abc import Callable, Sequence
from contextlib import closing
from itertools import pairwise
from pathlib import Path

from vlm_autodrive.detection.events import EventSpan, find_event_spans
from vlm_autodrive.detection.settings import DetectSettings
from vlm_autodrive.engines import (
    Engine,
    InferenceRequest,
    InferenceResponse,
    OverlapEngine,
    SeenPatches,
    parse_class,
    parse_reasoning_response,
)
from vlm_autodrive.models import reasoning_prompt, verdict_prompt
from vlm_autodrive.records import Outcome, Reasoning, Record, Taxonomy, WindowScore, append_jsonl, read_partial_jsonl
from vlm_autodrive.video import Footage, Frames, VideoError, Window, read_ahead, read_windows

SHORTEST_SECTION_S = 0.5
"""A shorter continuous section shows too little to be judged, and a bad file can have fifty thousand of them."""

_TOLERANCE_S = 1e-6
NOT_READ = "not read: "
NOT_JUDGED = "not judged: "
CERTAIN = "the model gives no probabilities; the class that it names counts as certain"

_WINDOWS_FILE = "windows.jsonl"
_REASONING_FILE = "reasoning.jsonl"


def plan_windows(
    duration_s: float, window_s: float, stride_s: float, section_starts_s: Sequence[float] = ()
) -> list[Window]:
    """Windows over a whole video: one every stride, the last flush with the end.

    Every moment lies in a window, but for sections that are too short. An event lies at least (window_s - stride_s) / 2
    inside some window, or as far inside as the video's own ends allow. A video no longer than one window gives one
    window of the whole.

    Args:
        duration_s: Length of the video.
        window_s: Length of a window.
        stride_s: Seconds from one window's start to the next; at most ``window_s``.
        section_starts_s: Where new continuous sections begin. Each is planned as if it were a video of its own; one
            that is shorter than :data:`SHORTEST_SECTION_S` gets no window.

    Returns:
        Start and end of each window, in rising order; empty for a video without length.
    """
    if section_starts_s:
        edges_s = (0.0, *section_starts_s, duration_s)
        return [
            (round(start + from_s, 6), round(end + from_s, 6))
            for from_s, to_s in pairwise(edges_s)
            if to_s - from_s >= SHORTEST_SECTION_S
            for start, end in plan_windows(round(to_s - from_s, 6), window_s, stride_s)
        ]
    if duration_s <= 0:
        return []
    if duration_s <= window_s:
        return [(0.0, duration_s)]
    last_start = duration_s - window_s
    regular = [index * stride_s for index in range(math.ceil(last_start / stride_s - 1e-9))]
    return [(round(start, 6), round(start + window_s, 6)) for start in regular] + [(last_start, duration_s)]


class WindowReasoning(Record):
    """The reasoning trace of one window, by the window's place in the plan."""

    window: int
    reasoning: Reasoning


class Scan:
    """The scan of one video.

    Attributes:
        scores: The windows scored so far, from the first on without a gap.
        reasoning: The reasoning trace of the peak window of each event, by the window's place.
    """

    def __init__(
        self,
        plan: Sequence[Window],
        section_starts_s: Sequence[float],
        engine: Engine,
        settings: DetectSettings,
        taxonomy: Taxonomy,
        folder: Path,
    ) -> None:
        """Set out on ``plan``, or go on where a killed scan in the same ``folder`` was.

        ``section_starts_s`` tells where new continuous sections begin.
        """
        self._section_starts_s = section_starts_s
        self._plan, self._engine, self._settings, self._taxonomy = plan, engine, settings, taxonomy
        self._windows_path, self._reasoning_path = folder / _WINDOWS_FILE, folder / _REASONING_FILE
        self.scores = read_partial_jsonl(self._windows_path, WindowScore)
        self.reasoning = {
            each.window: each.reasoning for each in read_partial_jsonl(self._reasoning_path, WindowReasoning)
        }
        self._kept: dict[int, Frames] = {}
        self._seen: SeenPatches = {}

    def take_over(self, scores: Sequence[WindowScore]) -> None:
        """Take over what is known of the same footage, as far as the windows are the same; nothing if any are known."""
        if self.scores:
            return
        for window, score in zip(self._plan, scores, strict=False):
            if (score.start_s, score.end_s) != window or score.probabilities is None:
                break
            self.scores.append(score)
        append_jsonl(self._windows_path, self.scores)

    def run(self, footage: Footage, seen: Callable[[float], None]) -> None:
        """Read the video once and score what has not been scored yet.

        Args:
            footage: The video, or the files of the trip.
            seen: Told after each batch up to which second the video is done.
        """
        places = {window: place for place, window in enumerate(self._plan)}
        # A killed scan has kept the scores of a span's peak but not its frames: they are read again, before the windows
        # that are yet to be scored, since the video is read forwards only.
        again = [span.peak for span in self._event_spans() if self._needs_frames(span)]
        todo = [self._plan[place] for place in [*again, *range(len(self.scores), len(self._plan))]]
        if not todo:
            return
        batch: list[tuple[int, Frames | VideoError]] = []
        size = self._settings.eval_batch_size
        reading = read_windows(footage, todo, self._engine.sampling, stream=self._settings.video_stream)
        with closing(read_ahead(reading, size)) as windows:
            for window, frames in windows:
                batch.append((places[window], frames))
                if len(batch) == size:
                    self._score(batch)
                    batch = []
                    seen(self.scores[-1].end_s)
        if batch:
            self._score(batch)
            seen(self.scores[-1].end_s)

    def forget(self) -> None:
        """Remove the working files, once their content is kept elsewhere."""
        self._windows_path.unlink(missing_ok=True)
        self._reasoning_path.unlink(missing_ok=True)

    def _score(self, batch: Sequence[tuple[int, Frames | VideoError]]) -> None:
        fresh = [(place, result) for place, result in batch if place >= len(self.scores)]
        responses = iter(self._verdicts([(place, result) for place, result in fresh if isinstance(result, Frames)]))
        scores = []
        for place, result in fresh:
            if isinstance(result, Frames):
                scores.append(_window_score(self._plan[place], next(responses)[0], self._taxonomy))
            else:
                scores.append(_unscored(self._plan[place], Outcome.ERROR, NOT_READ + result.reason))
        scores = [
            score.model_copy(update={"section": bisect_right(self._section_starts_s, score.start_s + _TOLERANCE_S)})
            for score in scores
        ]
        append_jsonl(self._windows_path, scores)
        self.scores.extend(scores)
        # An hour of frames does not fit into memory: only the peaks that may yet be reasoned about keep theirs.
        self._kept |= {place: result for place, result in batch if isinstance(result, Frames)}
        if self._settings.reasoning:
            self._add_reasoning()
        wanted = {span.peak for span in self._event_spans() if self._needs_frames(span)}
        self._kept = {place: frames for place, frames in self._kept.items() if place in wanted}

    def _verdicts(self, windows: Sequence[tuple[int, Frames]]) -> list[list[InferenceResponse]]:
        request = InferenceRequest(prompt=verdict_prompt(self._taxonomy).text, codes=self._taxonomy.codes)
        clips = [frames for _, frames in windows]
        if not clips or not isinstance(self._engine, OverlapEngine):
            return self._engine.generate(clips, [request]) if clips else []
        starts_s = [self._plan[place][0] for place, _ in windows]
        return self._engine.generate_windows(clips, starts_s, [request], self._seen)

    def _add_reasoning(self) -> None:
        """Generate the reasoning about every event that no further window can change: its peak is final."""
        peaks = [s.peak for s in self._event_spans() if s.confirmed and self._is_closed(s)]
        pending = [peak for peak in peaks if peak in self._kept and peak not in self.reasoning]
        request = InferenceRequest(
            prompt=reasoning_prompt(self._taxonomy).text,
            max_new_tokens=self._settings.max_new_tokens,
            thinking=True,
        )
        for start in range(0, len(pending), self._settings.eval_batch_size):
            some = pending[start : start + self._settings.eval_batch_size]
            responses = self._engine.generate([self._kept[peak] for peak in some], [request])
            found = [
                WindowReasoning(
                    window=peak, reasoning=parse_reasoning_response(response, self._taxonomy, self._length_s(peak))
                )
                for peak, (response,) in zip(some, responses, strict=True)
            ]
            append_jsonl(self._reasoning_path, found)
            self.reasoning.update((each.window, each.reasoning) for each in found)

    def _event_spans(self) -> list[EventSpan]:
        return find_event_spans(self.scores, self._settings, self._taxonomy)

    def _is_closed(self, span: EventSpan) -> bool:
        """Whether no further window can lengthen this span."""
        if len(self.scores) == len(self._plan) or (self._settings.causal and span.confirmed):
            return True
        distance = self._middle(len(self.scores)) - self._middle(span.last)
        return span.last + 1 < len(self.scores) and distance > self._settings.merge_gap_s + 1e-6

    def _needs_frames(self, span: EventSpan) -> bool:
        """Whether the frames of its peak may still be reasoned about."""
        if not self._settings.reasoning or span.peak in self.reasoning:
            return False
        return span.confirmed or not self._is_closed(span)

    def _middle(self, place: int) -> float:
        return sum(self._plan[place]) / 2

    def _length_s(self, place: int) -> float:
        start_s, end_s = self._plan[place]
        return end_s - start_s


def _window_score(window: Window, response: InferenceResponse, taxonomy: Taxonomy) -> WindowScore:
    if response.outcome not in (Outcome.OK, Outcome.REPAIRED):
        return _unscored(window, response.outcome, NOT_JUDGED + (response.reason or response.outcome.value))
    chances, reason = response.probabilities, ""
    if chances is None:
        outcome, named = parse_class(response.text, taxonomy)
        if named is None:
            return _unscored(window, outcome, f"{NOT_JUDGED}the answer {response.text[:40]!r} names no single class")
        chances, reason = tuple(float(name == named) for name in taxonomy.names), CERTAIN
    probabilities = dict(zip(taxonomy.names, chances, strict=True))
    return WindowScore(
        start_s=window[0], end_s=window[1], outcome=response.outcome, probabilities=probabilities, reason=reason
    )


def _unscored(window: Window, outcome: Outcome, reason: str) -> WindowScore:
    return WindowScore(start_s=window[0], end_s=window[1], outcome=outcome, probabilities=None, reason=reason)
