"""What a clip set holds, told in a few lines: counts by split and class, and what was left out and why."""

from collections import Counter
from collections.abc import Sequence

from vlm_autodrive.clips.settings import ClipSettings
from vlm_autodrive.clips.splits import SPLITS
from vlm_autodrive.progress import Reporter
from vlm_autodrive.records import Clip, Taxonomy

_FEW_GROUPS = 200


def say_summary(clips: Sequence[Clip], taxonomy: Taxonomy, settings: ClipSettings, reporter: Reporter) -> None:
    """Tell the counts of a clip set, its unusable clips by reason, and splits that lack a class."""
    usable = [clip for clip in clips if not clip.problem]
    counts = Counter((clip.split, clip.event_class) for clip in usable)
    uneven = settings.split_by == "hash" and len({clip.group_id for clip in usable}) < _FEW_GROUPS
    evenly = " With split_by=count so few are shared out more evenly." if uneven else ""
    for split in SPLITS:
        listed = ", ".join(f"{c.label} {counts[split, c.name]}" for c in taxonomy.classes)
        reporter.say(f"{split}: {sum(counts[split, name] for name in taxonomy.names)} clips ({listed})")
        missing = [c.label for c in taxonomy.classes if not counts[split, c.name]]
        share: float = getattr(settings.split, split)
        if len(missing) == len(taxonomy.classes) and share:
            reporter.say(f"{split} has no clip at all: its share of {share:g} is too small for so few drives.{evenly}")
        elif missing and share:
            reporter.say(f"{split} has no clip of {', '.join(missing)}: figures for it will say little.{evenly}")
    reasons = Counter(_general(clip.problem) for clip in clips if clip.problem)
    for reason, count in reasons.most_common():
        refused = "windows are refused" if settings.anticipation_s else "videos give no usable clip"
        reporter.say(f"{count} {refused}: {reason}")
    if settings.anticipation_s:
        untold = sum(clip.event_time_s is not None and clip.alert_time_s is None for clip in usable)
        reporter.say(
            f"Each clip of an event ends {_listed(settings.anticipation_s)} s before it, and shows nothing later. "
            f"In {untold} of them the moment of warning lies before the window, or is not known."
        )
    unsure = sum(clip.event_time_s is not None and clip.ego_involved is None for clip in usable)
    if settings.ego_only and unsure:
        reporter.say(
            f"{unsure} clips of events are kept though it is unknown whether the recording vehicle is involved."
        )


def _listed(numbers: Sequence[float]) -> str:
    return " or ".join(f"{number:g}" for number in numbers)


def _general(problem: str) -> str:
    """A reason without its figures, so that like cases are counted together."""
    return " ".join("…" if any(c.isdigit() for c in word) else word for word in problem.split())
