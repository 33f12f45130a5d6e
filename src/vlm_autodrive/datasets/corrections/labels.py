"""Labels of moments: in the time of their file, compared, and in words."""

from vlm_autodrive.records import Correction, MomentLabel, Taxonomy


def label_of(correction: Correction) -> MomentLabel | None:
    """What holds by a correction, in the item's time; None if it says nothing of a moment."""
    label = correction.after or correction.before
    return label if isinstance(label, MomentLabel) else None


def in_file(label: MomentLabel, correction: Correction) -> MomentLabel:
    """A label with its times in seconds after the first frame of the correction's file."""

    def moved(time_s: float | None) -> float | None:
        return None if time_s is None else round(time_s - correction.video_start_s, 6)

    times = {name: moved(getattr(label, name)) for name in ("time_s", "start_s", "end_s", "alert_time_s")}
    return label.model_copy(update=times)


def agree(first: MomentLabel, second: MomentLabel, normal: str, tolerance_s: float) -> bool:
    """Whether two labels say the same: the same class and, of an event, about the same time as far as both tell it."""
    if first.event_class != second.event_class:
        return False
    if first.event_class == normal or first.time_s is None or second.time_s is None:
        return True
    return abs(first.time_s - second.time_s) <= tolerance_s


def words(label: MomentLabel | None, taxonomy: Taxonomy) -> str:
    """A label for people, such as ``Collision at 3.20 s``."""
    if label is None:
        return "nothing"
    known = taxonomy.find(label.event_class)
    name = label.event_class if known is None else known.label
    if label.time_s is None:
        return name
    alert = "" if label.alert_time_s is None else f", alert at {label.alert_time_s:.2f} s"
    return f"{name} at {label.time_s:.2f} s{alert}"
