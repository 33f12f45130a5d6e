"""Events from scored windows: hysteresis, gaps, class and time.

Windows overlap, so one event raises the score of several of them. Each window's probability of any event is the sum
over the event classes. An *event span* is a run of windows at or above the low threshold of the hysteresis; it is an
event if enough of its windows reach the threshold. See :class:`DetectSettings` for the thresholds and gaps.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from vlm_autodrive.detection.settings import DetectSettings
from vlm_autodrive.records import DetectedEvent, Reasoning, Taxonomy, WindowScore
from vlm_autodrive.video import Window

_SAME_SCORE = 1e-9  # means of the same probabilities differ by rounding


@dataclass(frozen=True)
class EventSpan:
    """A run of windows that belong together, by their places in the list of windows.

    Attributes:
        first: Its first window.
        last: Its last window.
        peak: The window with the largest probability of any event.
        count: How many of its windows reach the threshold.
        alarm: The window with which they are enough to make it an event; None if they never are.
    """

    first: int
    last: int
    peak: int
    count: int
    alarm: int | None

    @property
    def confirmed(self) -> bool:
        """Whether it is an event."""
        return self.alarm is not None


def event_probability(window: WindowScore, taxonomy: Taxonomy) -> float | None:
    """The probability of any event in a window; None if it was not scored."""
    if window.probabilities is None:
        return None
    return min(1.0, sum(window.probabilities[name] for name in taxonomy.event_names))


def find_event_spans(windows: Sequence[WindowScore], settings: DetectSettings, taxonomy: Taxonomy) -> list[EventSpan]:
    """The event spans of a video's windows, confirmed or not, in order.

    A window that could not be scored neither carries a span on nor ends it: the windows on its two sides belong
    together if they are no further apart than ``merge_gap_s``, from middle to middle. No span lies across a gap.

    With ``settings.causal`` a span that is an event ends with the window of its alarm; the windows after it that belong
    to it make no second one.
    """
    # Hysteresis: with one threshold, an event whose score dips below it for a window would count as two, the second a
    # false alarm. The low threshold carries a span on; the high one alone decides whether it is an event.
    chances = [event_probability(window, taxonomy) for window in windows]
    high = [i for i, chance in enumerate(chances) if chance is not None and chance >= settings.effective_low_threshold]
    runs: list[list[int]] = []
    for index in high:
        if runs and _is_one_span(windows, runs[-1][-1], index, settings.merge_gap_s):
            runs[-1].append(index)
        else:
            runs.append([index])
    spans = []
    for run in runs:
        counting = [index for index in run if (chances[index] or 0.0) >= settings.threshold]
        alarm = counting[settings.min_windows - 1] if len(counting) >= settings.min_windows else None
        if settings.causal and alarm is not None:
            run = run[: run.index(alarm) + 1]
        peak = run[int(np.argmax([chances[index] or 0.0 for index in run]))]
        spans.append(EventSpan(run[0], run[-1], peak, len(counting), alarm))
    return spans


def merge_windows(windows: Sequence[WindowScore], settings: DetectSettings, taxonomy: Taxonomy) -> list[DetectedEvent]:
    """The events in a video's windows, in order of time.

    The class is the likelier event class in the peak window. The time is the middle of :func:`consensus_interval`. It
    is as sharp as the stride, no sharper; :func:`refine_time` sharpens it by the time that its reasoning names.

    Args:
        windows: All windows of one video, in order of time; those that could not be scored stay in.
        settings: Thresholds and gaps.
        taxonomy: The classes.
    """
    spans = find_event_spans(windows, settings, taxonomy)
    events = [event_from_span(known_at(windows, span, settings), span, taxonomy) for span in spans if span.confirmed]
    return sorted(events, key=lambda event: event.time_s)


def known_at(windows: Sequence[WindowScore], span: EventSpan, settings: DetectSettings) -> Sequence[WindowScore]:
    """The windows that may speak of a span: of a causal search those up to its alarm, else all."""
    return windows[: span.last + 1] if settings.causal else windows


def event_from_span(windows: Sequence[WindowScore], span: EventSpan, taxonomy: Taxonomy) -> DetectedEvent:
    """The event that an event span shows."""
    begin, end = consensus_interval(windows, span, taxonomy)
    peak = windows[span.peak]
    probabilities = peak.probabilities or {}
    return DetectedEvent(
        event_class=max(taxonomy.event_names, key=lambda name: probabilities[name]),
        time_s=(begin + end) / 2,
        start_s=windows[span.first].start_s,
        end_s=windows[span.last].end_s,
        probability=event_probability(peak, taxonomy) or 0.0,
        probabilities=probabilities,
        alert_time_s=None if span.alarm is None else windows[span.alarm].end_s,
    )


def consensus_interval(windows: Sequence[WindowScore], span: EventSpan, taxonomy: Taxonomy) -> tuple[float, float]:
    """The interval of time that the windows of an event span agree on.

    The score of a moment is the mean probability of all scored windows that hold it, so that windows which saw
    nothing speak too. The interval is the moments that score best: where every window that holds the event says so, it
    is their intersection, one stride long. Moments that score nearly as well are left out: many a model is sure of an
    event also in windows that only border on it, and the middle of all these lies beside it.
    """
    begin, end = windows[span.first].start_s, windows[span.last].end_s
    first, last = span.first, span.last
    while first > 0 and windows[first - 1].end_s > begin:
        first -= 1
    while last < len(windows) - 1 and windows[last + 1].start_s < end:
        last += 1
    near = [(w.start_s, w.end_s, event_probability(w, taxonomy)) for w in windows[first : last + 1]]
    scored = [(start, stop, chance) for start, stop, chance in near if chance is not None]
    inside = {t for start, stop, _ in scored for t in (start, stop) if begin <= t <= end}
    edges = np.array(sorted(inside | {begin, end}))
    middles = (edges[:-1] + edges[1:]) / 2
    starts, stops, chances = (np.array(column) for column in zip(*scored, strict=True))
    holds = (starts[None, :] <= middles[:, None]) & (middles[:, None] < stops[None, :])
    counts = holds.sum(axis=1)
    scores = np.where(counts > 0, (holds * chances[None, :]).sum(axis=1) / np.maximum(counts, 1), 0.0)
    left = right = int(np.argmax(scores >= scores.max() - _SAME_SCORE))
    while right < len(scores) - 1 and scores[right + 1] >= scores[left] - _SAME_SCORE:
        right += 1
    return float(edges[left]), float(edges[right + 1])


def refine_time(
    event: DetectedEvent, reasoning: Reasoning, window: Window, interval: tuple[float, float], slack_s: float
) -> DetectedEvent:
    """The event with its reasoning in trip time, and with the time that its reasoning names if the windows allow it.

    Args:
        event: The event, as the windows show it.
        reasoning: What the model wrote about the peak window.
        window: That window, from whose start the reasoning counts its seconds; it saw nothing outside of it.
        interval: The interval that the windows agree on.
        slack_s: How far outside of that span the reasoning's time may lie; beyond it the windows are believed.
    """
    time_s, told_s = event.time_s, None
    # A trace may name a time that the video does not bear out. The scores of overlapping windows are the stronger
    # evidence of when something happened, but no sharper than a stride: so the trace only decides within that.
    if reasoning.event_time_s is not None:
        told_s = window[0] + reasoning.event_time_s
        spans = (window, (event.start_s, event.end_s), (interval[0] - slack_s, interval[1] + slack_s))
        if all(start_s <= told_s <= end_s for start_s, end_s in spans):
            time_s = told_s
    cited = tuple(round(window[0] + cited_s, 6) for cited_s in reasoning.cited_times_s)
    changes = {
        "time_s": time_s,
        "reasoning": reasoning.trace or reasoning.raw_text,
        "reasoning_start_s": window[0],
        "reasoning_class": reasoning.event_class,
        "contradicts": reasoning.event_class not in (None, event.event_class),
        "reasoning_time_s": None if told_s is None else round(told_s, 6),
        "cited_times_s": tuple(cited_s for cited_s in cited if window[0] <= cited_s <= window[1]),
    }
    return event.model_copy(update=changes)


def _is_one_span(windows: Sequence[WindowScore], one: int, other: int, merge_gap_s: float) -> bool:
    if windows[one].section != windows[other].section:
        return False
    if other == one + 1:
        return True  # neighbours, whatever the gap setting: windows may lie further apart than it
    middles = [(windows[i].start_s + windows[i].end_s) / 2 for i in (one, other)]
    return middles[1] - middles[0] <= merge_gap_s + 1e-6
