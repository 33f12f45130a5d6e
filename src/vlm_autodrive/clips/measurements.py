"""What telemetry says of clips: the numbers of their incident metadata, and their shocks."""

from collections.abc import Sequence

from vlm_autodrive.records import Clip, TelemetrySeries


def with_measurements(clips: Sequence[Clip], series: TelemetrySeries, normal: str) -> list[Clip]:
    """The clips of a video with what was measured of them. What people have recorded stays as it is.

    Clips of every class get their numbers: of an event those at its time, of a clip without one those at the middle of
    its window. Were they known of events alone, that there are numbers would tell the class.

    Args:
        clips: The clips of the video.
        series: Its telemetry.
        normal: Name of the class without event.
    """
    return [_measured(clip, series, normal) for clip in clips]


def _measured(clip: Clip, series: TelemetrySeries, normal: str) -> Clip:
    changes: dict[str, object] = {"peak_g": series.peak_g(clip.start_s, clip.end_s)}
    at_s = clip.duration_s / 2 if clip.event_class == normal else clip.event_time_s
    if at_s is not None:  # else there is an event at an unknown time
        changes["incident"] = clip.incident.over(series.measured_at(clip.start_s + at_s))
    return clip.model_copy(update=changes)
