"""What the clips stage tells of a clip set: counts of its clips, taken as they are made."""

from collections import Counter
from collections.abc import Iterable, Iterator, Sequence

from vlm_autodrive.clips.settings import ClipSettings
from vlm_autodrive.clips.splits import SPLITS
from vlm_autodrive.progress import Reporter
from vlm_autodrive.records import Clip, Taxonomy

_FEW_GROUPS = 200
_NEARLY = 0.9  # so that videos of "10 s" may be some frames shorter


class ClipsSummary:
    """Counts clips, and tells the counts."""

    def __init__(self, taxonomy: Taxonomy, settings: ClipSettings) -> None:
        self._taxonomy, self._settings = taxonomy, settings
        self._counts: Counter[tuple[str, str | None]] = Counter()
        self._groups: set[str] = set()  # the first ones
        self._longest_s = 0.0
        self._untold = self._unsure = 0
        self._problems: Counter[str] = Counter()
        self._examples: dict[str, tuple[str, bool]] = {}

    def counted(self, clips: Iterable[Clip]) -> Iterator[Clip]:
        """The same clips, each counted when it is taken."""
        for clip in clips:
            self._count(clip)
            yield clip

    def _count(self, clip: Clip) -> None:
        if clip.problem:
            general = _general(clip.problem)
            self._problems[general] += 1
            first, alike = self._examples.get(general, (clip.problem, True))
            self._examples[general] = first, alike and clip.problem == first
            return
        self._counts[clip.split, clip.event_class] += 1
        if len(self._groups) < _FEW_GROUPS:
            self._groups.add(clip.group_id)
        self._longest_s = max(self._longest_s, clip.duration_s)
        if clip.event_time_s is not None:
            self._untold += clip.alert_time_s is None
            self._unsure += clip.ego_involved is None

    def say(self, reporter: Reporter) -> None:
        """Tell the counts, the unusable clips by reason, and splits that lack a class."""
        taxonomy, settings, counts = self._taxonomy, self._settings, self._counts
        uneven = settings.split_by == "hash" and len(self._groups) < _FEW_GROUPS
        evenly = " With split_by=count so few are split more evenly." if uneven else ""
        absent = [c for c in taxonomy.classes if counts and not any(counts[split, c.name] for split in SPLITS)]
        for split in SPLITS:
            listed = ", ".join(f"{c.label} {counts[split, c.name]}" for c in taxonomy.classes)
            reporter.say(f"{split}: {sum(counts[split, name] for name in taxonomy.names)} clips ({listed})")
            missing = [c.label for c in taxonomy.classes if not counts[split, c.name]]
            fraction: float = getattr(settings.split, split)
            if len(missing) == len(taxonomy.classes) and fraction:
                reporter.say(
                    f"{split} has no clip at all: its fraction of {fraction:g} is too small for so few drives.{evenly}"
                )
            elif (lacking := [label for label in missing if label not in {c.label for c in absent}]) and fraction:
                reporter.say(f"{split} has no clip of {', '.join(lacking)}: its scores will say little.{evenly}")
        if absent:
            labels = " or ".join(c.label for c in absent)
            reporter.say(f"The data has no usable clip of {labels}: nothing is learnt or measured of that.")
        if counts and self._longest_s < _NEARLY * settings.window_s:
            reporter.say(
                f"No usable clip is as long as window_s={settings.window_s:g}: each is as long as its video allows, "
                f"the longest {self._longest_s:.1f} s; make window_s smaller for clips of one length."
            )
        for general, count in self._problems.most_common():
            refused = "windows are refused" if settings.anticipation_s else "videos give no usable clip"
            first, alike = self._examples[general]
            reporter.say(f"{count} {refused}: {'' if alike else 'for example, '}{first}")
        if settings.anticipation_s:
            reporter.say(
                f"Each clip of an event ends {_listed(settings.anticipation_s)} s before it, and shows nothing later. "
                f"In {self._untold} of them the moment of warning lies before the window, or is not known."
            )
        if settings.ego_only and self._unsure:
            reporter.say(
                f"{self._unsure} clips of events are kept though it is unknown whether the recording vehicle is "
                "involved."
            )


def _listed(numbers: Sequence[float]) -> str:
    return " or ".join(f"{number:g}" for number in numbers)


def _general(problem: str) -> str:
    """A reason without its numbers, so that like cases are counted together."""
    return " ".join("…" if any(c.isdigit() for c in word) else word for word in problem.split())
