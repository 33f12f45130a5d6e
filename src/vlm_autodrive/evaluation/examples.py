"""Examples for the report: clips as film strips, with the truth and what the models said of them."""

import base64
import hashlib
import io
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from vlm_autodrive.evaluation.settings import ReportSettings
from vlm_autodrive.records import Clip, Prediction, Taxonomy
from vlm_autodrive.video.decode import read_pictures
from vlm_autodrive.video.probe import VideoError

_CITATION = re.compile(r"(\[\s*t\s*=[^\]]*\])", re.IGNORECASE)
_JPEG_QUALITY = 72


@dataclass(frozen=True)
class StripFrame:
    """One frame of a film strip: its picture as a data address, its clip time, and what marks it."""

    picture: str
    time_s: float
    is_event: bool
    is_cited: bool


@dataclass(frozen=True)
class Said:
    """What one model said of a clip.

    Attributes:
        model: The model's name in the comparison.
        answer: Label of the class named, or how the answer failed.
        right: Whether it is the true one.
        probabilities: Label and probability of each class; empty if there are none.
    """

    model: str
    answer: str
    right: bool
    probabilities: tuple[tuple[str, float], ...]


@dataclass(frozen=True)
class Example:
    """One clip with all that the page shows of it.

    Attributes:
        clip_id: The clip.
        truth: Label of its class.
        event_time_s: When its event is, in clip time; None without one.
        frames: The film strip; empty if it could not be read.
        problem: Why not.
        said: What each model said, the chosen one first.
        trace: The chosen model's reasoning, cut at its citations; the flag tells a citation.
        trace_answer: What the reasoning came to, with its time; empty without reasoning.
    """

    clip_id: str
    truth: str
    event_time_s: float | None
    frames: tuple[StripFrame, ...]
    problem: str
    said: tuple[Said, ...]
    trace: tuple[tuple[str, bool], ...]
    trace_answer: str


def choose_examples(
    clips: Sequence[Clip], predictions: Mapping[str, Prediction], name: str, right: bool, most: int
) -> list[Clip]:
    """Clips of one class that a model has right (or wrong), in an order that nobody chose.

    Args:
        clips: All clips.
        predictions: The model's, by clip id.
        name: The class.
        right: Whether to take those answered rightly, or the others.
        most: At most this many.
    """
    fitting = [
        clip
        for clip in clips
        if clip.event_class == name and (predictions[clip.clip_id].verdict.event_class == name) == right
    ]
    return sorted(fitting, key=lambda clip: hashlib.sha256(clip.clip_id.encode()).hexdigest())[:most]


def make_example(
    clip: Clip, predictions: Mapping[str, Prediction], first: str, taxonomy: Taxonomy, settings: ReportSettings
) -> Example:
    """Put together what the page shows of one clip.

    Args:
        clip: The clip.
        predictions: Every model's prediction for it, by the model's name.
        first: The model whose reasoning is shown.
        taxonomy: The classes.
        settings: Size of the film strip.
    """
    reasoning = predictions[first].reasoning
    cited = reasoning.cited_times_s if reasoning is not None else ()
    times_s = strip_times(clip, settings)
    frames: tuple[StripFrame, ...] = ()
    problem = clip.problem
    if not problem:
        try:
            pictures = read_pictures(Path(clip.path), [clip.start_s + t for t in times_s], settings.frame_width)
            frames = _marked(pictures, times_s, clip.event_time_s, cited)
        except VideoError as error:
            problem = error.reason
    order = [first, *(name for name in predictions if name != first)]
    trace = "" if reasoning is None else reasoning.trace or reasoning.raw_text
    answer = ""
    if reasoning is not None:
        answer = _label(reasoning.event_class, reasoning.outcome.value, taxonomy)
        if reasoning.event_time_s is not None:
            answer += f" at {reasoning.event_time_s:.1f} s"
    return Example(
        clip_id=clip.clip_id,
        truth=taxonomy.by_name(str(clip.event_class)).label,
        event_time_s=clip.event_time_s,
        frames=frames,
        problem=problem,
        said=tuple(_said(name, predictions[name], clip, taxonomy) for name in order),
        trace=tuple((part, index % 2 == 1) for index, part in enumerate(_CITATION.split(trace)) if part),
        trace_answer=answer,
    )


def strip_times(clip: Clip, settings: ReportSettings) -> list[float]:
    """Evenly spaced clip times around the event, or over the middle of a clip without one."""
    length = min(2 * settings.seconds_around, clip.duration_s)
    middle = clip.event_time_s if clip.event_time_s is not None else clip.duration_s / 2
    begin = min(max(0.0, middle - length / 2), clip.duration_s - length)
    times_s = np.linspace(begin, begin + length, settings.frames_per_example)
    return [round(float(time_s), 2) for time_s in times_s]


def _marked(
    pictures: Sequence[NDArray[np.uint8]], times_s: Sequence[float], event_s: float | None, cited: Sequence[float]
) -> tuple[StripFrame, ...]:
    reach = (times_s[1] - times_s[0]) / 2 + 1e-6

    def nearest(moment_s: float) -> int | None:
        index = min(range(len(times_s)), key=lambda i: abs(times_s[i] - moment_s))
        return index if abs(times_s[index] - moment_s) <= reach else None

    event = None if event_s is None else nearest(event_s)
    named = {nearest(moment) for moment in cited}
    return tuple(
        StripFrame(data_address(picture), time_s, is_event=index == event, is_cited=index in named)
        for index, (picture, time_s) in enumerate(zip(pictures, times_s, strict=True))
    )


def data_address(picture: NDArray[np.uint8]) -> str:
    """A picture as a ``data:`` address that a page can hold."""
    stream = io.BytesIO()
    Image.fromarray(picture).save(stream, "JPEG", quality=_JPEG_QUALITY)
    return "data:image/jpeg;base64," + base64.b64encode(stream.getvalue()).decode()


def _said(name: str, prediction: Prediction, clip: Clip, taxonomy: Taxonomy) -> Said:
    verdict = prediction.verdict
    given = verdict.probabilities
    return Said(
        model=name,
        answer=_label(verdict.event_class, verdict.outcome.value, taxonomy),
        right=verdict.event_class == clip.event_class,
        probabilities=() if given is None else tuple((c.label, given[c.name]) for c in taxonomy.classes),
    )


def _label(event_class: str | None, outcome: str, taxonomy: Taxonomy) -> str:
    return outcome if event_class is None else taxonomy.by_name(event_class).label
