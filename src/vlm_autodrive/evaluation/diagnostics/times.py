"""Diagnostics of the times that reasoning traces give."""

from collections.abc import Iterator

from vlm_autodrive.engines import is_in_clip
from vlm_autodrive.evaluation.score import Diagnostic, EvaluationSamples


def diagnose_times(samples: EvaluationSamples, model: str) -> Iterator[Diagnostic]:
    """Times outside the clip, which the model cannot have seen; in the trace, or as the event's in the answer."""
    given = [
        (clip, time_s)
        for clip, prediction in zip(samples.clips, samples.predictions[model], strict=True)
        if (reasoning := prediction.reasoning) is not None
        for time_s in (*reasoning.cited_times_s, reasoning.event_time_s)
        if time_s is not None
    ]
    outside = [(clip, time_s) for clip, time_s in given if not is_in_clip(time_s, clip.duration_s)]
    if not outside:
        return
    traces = sum(prediction.reasoning is not None for prediction in samples.predictions[model])
    affected = len({clip.clip_id for clip, _ in outside})
    clip, time_s = max(outside, key=lambda one: abs(one[1] - one[0].duration_s / 2))
    yield Diagnostic(
        severity="warning",
        kind="times_outside_clip",
        model=model,
        text=f"{affected} of {traces} reasoning traces of {model} ({affected / traces:.0%}) give times outside their "
        f"clip, {len(outside)} of all {len(given)} times ({len(outside) / len(given):.0%}), such as {time_s:g} s in "
        f"the {clip.duration_s:g} s of {clip.clip_id}. They count as they stand, so as wrong. Cosmos-Reason1 is known "
        "for it unless times are drawn on its frames, which the sampling setting draw_timestamps does.",
    )
