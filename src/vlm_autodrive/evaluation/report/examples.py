"""Clips that the page shows as frame strips: the errors most worth watching, and random ones."""

import hashlib
import io
import re
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from vlm_autodrive.evaluation.report.media import PageMedia
from vlm_autodrive.evaluation.report.worst_errors import WorstError, worst_errors
from vlm_autodrive.evaluation.settings import ReportSettings
from vlm_autodrive.progress import Reporter
from vlm_autodrive.records import Clip, Prediction, Taxonomy
from vlm_autodrive.video import VideoError, read_pictures

_JPEG_QUALITY = 72
_CITATION = re.compile(r"(\[\s*t\s*=[^\]]*\])", re.IGNORECASE)

ByModel = Mapping[str, Mapping[str, Prediction]]
"""Predictions by the model's name and the clip's id."""


@dataclass(frozen=True)
class StripFrame:
    """One frame of a frame strip: its picture's address, its clip time, and what marks it."""

    picture: str
    time_s: float
    is_event: bool
    is_cited: bool


@dataclass(frozen=True)
class ModelAnswer:
    """One model's answer to a clip.

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
        frames: The frame strip; empty if it could not be read.
        problem: Why not.
        answers: Answer of each model, the chosen one first.
        trace: The chosen model's reasoning, cut at its citations; the flag tells a citation.
        trace_answer: What the reasoning came to, with its time; empty without reasoning.
        kind: What kind of error it is; empty for a random example.
        why: Why it is shown, likewise.
        video: Address of its clip; empty if none was written.
    """

    clip_id: str
    truth: str
    event_time_s: float | None
    frames: tuple[StripFrame, ...]
    problem: str
    answers: tuple[ModelAnswer, ...]
    trace: tuple[tuple[str, bool], ...]
    trace_answer: str
    kind: str = ""
    why: str = ""
    video: str = ""


@dataclass(frozen=True)
class ExampleGroup:
    """Examples of one class that were answered rightly, or wrongly."""

    label: str
    right: bool
    examples: tuple[Example, ...]


def choose_examples(
    clips: Sequence[Clip], predictions: Mapping[str, Prediction], name: str, right: bool, most: int
) -> list[Clip]:
    """Clips of one class that a model has right (or wrong), in the order of a hash of their ids, which nobody chose.

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


def make_examples(
    clips: Sequence[Clip],
    predictions: ByModel,
    first: str,
    taxonomy: Taxonomy,
    settings: ReportSettings,
    media: PageMedia,
    reporter: Reporter,
) -> tuple[list[Example], list[ExampleGroup]]:
    """The errors most worth watching, and examples of each class, none of which is shown twice.

    Args:
        clips: All clips.
        predictions: Every model's.
        first: The model whose answers are shown.
        taxonomy: The classes.
        settings: How many, and the size of the frame strips.
        media: Takes the pictures and clips.
        reporter: Hears of the progress.
    """
    errors = worst_errors(clips, predictions[first], taxonomy, settings.errors_shown)
    shown = {error.clip.clip_id for error in errors}
    chosen = [
        (
            c.label,
            right,
            _unshown(choose_examples(clips, predictions[first], c.name, right, len(clips)), shown, settings),
        )
        for c in taxonomy.classes
        for right in (True, False)
    ]
    with reporter.task("Frame strips", len(errors) + sum(len(group) for _, _, group in chosen)) as task:

        def make(clip: Clip, error: WorstError | None = None) -> Example:
            predicted = {name: by_clip[clip.clip_id] for name, by_clip in predictions.items()}
            example = make_example(clip, predicted, first, taxonomy, settings, media, error)
            task.advance()
            return example

        worst = [make(error.clip, error) for error in errors]
        groups = [ExampleGroup(label, right, tuple(make(clip) for clip in group)) for label, right, group in chosen]
    return worst, [group for group in groups if group.examples]


def make_example(
    clip: Clip,
    predictions: Mapping[str, Prediction],
    first: str,
    taxonomy: Taxonomy,
    settings: ReportSettings,
    media: PageMedia,
    error: WorstError | None = None,
) -> Example:
    """Put together what the page shows of one clip.

    Args:
        clip: The clip.
        predictions: Every model's prediction for it, by the model's name.
        first: The model whose reasoning is shown.
        taxonomy: The classes.
        settings: Size of the frame strip.
        media: Takes the pictures, and the clip of an error.
        error: What makes it worth watching; None for a random example.
    """
    reasoning = predictions[first].reasoning
    frames: tuple[StripFrame, ...] = ()
    problem, video = clip.problem, ""
    if not problem:
        try:
            frames = frame_strip(clip, () if reasoning is None else reasoning.cited_times_s, settings, media)
            video = media.clip(clip, settings.blur) if error is not None and settings.with_clips else ""
        except VideoError as unreadable:
            problem = unreadable.reason
    order = [first, *(name for name in predictions if name != first)]
    trace = "" if reasoning is None else reasoning.trace or reasoning.raw_text
    answer = ""
    if reasoning is not None:
        answer = answer_label(reasoning.event_class, reasoning.outcome.value, taxonomy)
        if reasoning.event_time_s is not None:
            answer += f" at {reasoning.event_time_s:.1f} s"
    return Example(
        clip_id=clip.clip_id,
        truth=taxonomy.by_name(str(clip.event_class)).label,
        event_time_s=clip.event_time_s,
        frames=frames,
        problem=problem,
        answers=tuple(_answer_of(name, predictions[name], clip, taxonomy) for name in order),
        trace=tuple((part, index % 2 == 1) for index, part in enumerate(_CITATION.split(trace)) if part),
        trace_answer=answer,
        kind="" if error is None else error.kind,
        why="" if error is None else error.why,
        video=video,
    )


def answer_label(event_class: str | None, outcome: str, taxonomy: Taxonomy) -> str:
    """The label of the class named, or how the answer failed."""
    return outcome if event_class is None else taxonomy.by_name(event_class).label


def _unshown(clips: Sequence[Clip], shown: Collection[str], settings: ReportSettings) -> list[Clip]:
    return [clip for clip in clips if clip.clip_id not in shown][: settings.examples_per_class]


def _answer_of(name: str, prediction: Prediction, clip: Clip, taxonomy: Taxonomy) -> ModelAnswer:
    verdict = prediction.verdict
    given = verdict.probabilities
    return ModelAnswer(
        model=name,
        answer=answer_label(verdict.event_class, verdict.outcome.value, taxonomy),
        right=verdict.event_class == clip.event_class,
        probabilities=() if given is None else tuple((c.label, given[c.name]) for c in taxonomy.classes),
    )


def frame_strip(
    clip: Clip, cited_s: Sequence[float], settings: ReportSettings, media: PageMedia
) -> tuple[StripFrame, ...]:
    """The frames of a clip, evenly spaced around its event.

    Args:
        clip: The clip.
        cited_s: Moments that a trace cites, in clip time.
        settings: How many frames, how large and how far apart.
        media: Takes their pictures.

    Raises:
        VideoError: If the video cannot be read.
    """
    times_s = strip_times(clip, settings)
    at_s = [clip.start_s + t for t in times_s]
    pictures = read_pictures(Path(clip.path), at_s, settings.frame_width, stream=clip.video_stream, blur=settings.blur)
    reach = (times_s[1] - times_s[0]) / 2 + 1e-6

    def nearest(moment_s: float) -> int | None:
        index = min(range(len(times_s)), key=lambda i: abs(times_s[i] - moment_s))
        return index if abs(times_s[index] - moment_s) <= reach else None

    event = None if clip.event_time_s is None else nearest(clip.event_time_s)
    named = {nearest(moment) for moment in cited_s}
    return tuple(
        StripFrame(
            media.picture(_jpeg(picture), "image/jpeg"), time_s, is_event=index == event, is_cited=index in named
        )
        for index, (picture, time_s) in enumerate(zip(pictures, times_s, strict=True))
    )


def strip_times(clip: Clip, settings: ReportSettings) -> list[float]:
    """Evenly spaced clip times around the event, or over the middle of a clip without one."""
    length = min(2 * settings.seconds_around, clip.duration_s)
    middle = clip.event_time_s if clip.event_time_s is not None else clip.duration_s / 2
    begin = min(max(0.0, middle - length / 2), clip.duration_s - length)
    times_s = np.linspace(begin, begin + length, settings.frames_per_example)
    return [round(float(time_s), 2) for time_s in times_s]


def _jpeg(picture: NDArray[np.uint8]) -> bytes:
    stream = io.BytesIO()
    Image.fromarray(picture).save(stream, "JPEG", quality=_JPEG_QUALITY)
    return stream.getvalue()
