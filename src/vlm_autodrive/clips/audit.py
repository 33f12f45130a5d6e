"""The audit of a catalog or clip set: leakage between splits, and shortcuts to the class."""

from collections import Counter
from collections.abc import Iterable, Sequence
from pathlib import Path

import numpy as np

from vlm_autodrive.clips.audit_samples import AuditSample, read_audit_set, with_file_facts
from vlm_autodrive.clips.duplicates import Hashes, LookAlike, look_alikes, window_hashes
from vlm_autodrive.clips.shortcuts import MAX_AUC, Shortcut, find_shortcuts
from vlm_autodrive.metrics import Estimate, few_clusters_warning
from vlm_autodrive.progress import SILENT, Reporter
from vlm_autodrive.records import Record
from vlm_autodrive.video import VideoError, Window

_SHOWN = 5
_NARROW = 0.1  # if half of the events lie within this fraction of the length, their place is as good as fixed


class SplitLeak(Record):
    """A leak: something that two splits have in common.

    Attributes:
        kind: ``drive``, ``footage``, ``file``, or ``group`` for what hangs together by way of others.
        key: Which.
        splits: The splits that have it.
        count: How many clips or videos of it there are.
    """

    kind: str
    key: str
    splits: tuple[str, ...]
    count: int


class Audit(Record):
    """What an audit found.

    Attributes:
        kind: ``clips`` or ``catalog``.
        count: How many clips or videos there are.
        unusable: How many of them have a problem, and so are not looked at.
        of_unknown_kind: How many others do not tell whether an event is in them.
        groups: How many independent groups the others come from.
        splits: How many there are in each split.
        split_leaks: Leaks between two splits.
        look_alikes: Clips of different splits (or, without splits, of different drives) with frames that
            look the same; None if frames were not looked at.
        event_places: Quartiles of where events are, as fractions of the window's or video's length.
        shortcuts: How well each kind of fact tells the class.
        remarks: What to mind.
    """

    kind: str
    count: int
    unusable: int
    of_unknown_kind: int
    groups: int
    splits: dict[str, int]
    split_leaks: tuple[SplitLeak, ...]
    look_alikes: tuple[LookAlike, ...] | None
    event_places: tuple[float, float, float] | None
    shortcuts: tuple[Shortcut, ...]
    remarks: tuple[str, ...]

    @property
    def leaks_across_splits(self) -> bool:
        """Whether something of one split is found in another."""
        return bool(self.split_leaks) or any(pair.first_split != pair.second_split for pair in self.look_alikes or ())

    def lines(self) -> list[str]:
        """The findings in words."""
        return [*_head(self), *_crossing(self), *_given_away(self), *(f"Mind: {remark}" for remark in self.remarks)]


def audit(folder: Path, reporter: Reporter = SILENT, *, frames: bool = True, seed: int = 0) -> Audit:
    """Look for leaks between splits and for shortcuts to the class.

    Args:
        folder: A catalog or a clip set.
        reporter: Gets the progress.
        frames: Whether to compare frames, which means decoding all that is used of the videos.
        seed: Of folds, trees and bootstrap.

    Raises:
        UserError: If ``folder`` is neither.
    """
    found = read_audit_set(folder)
    samples = with_file_facts(found.samples, reporter)
    usable = [sample for sample in samples if not sample.problem]
    labelled = [sample for sample in usable if sample.is_event is not None]
    pairs, unread = _compare_frames(usable, reporter) if frames else (None, 0)
    whole_videos = found.kind == "catalog"
    shortcuts = find_shortcuts(labelled, found.taxonomy, whole_videos=whole_videos, seed=seed)
    groups = len({sample.group for sample in labelled})
    remarks = [*found.remarks, few_clusters_warning(groups)]
    if unread:
        remarks.append(f"{unread} could not be read to their end; their frames are not compared.")
    places = [sample.event_place for sample in usable if sample.event_place is not None]
    quartiles = [round(float(q), 4) for q in np.percentile(places, [25, 50, 75])] if places else None
    return Audit(
        kind=found.kind,
        count=len(samples),
        unusable=len(samples) - len(usable),
        of_unknown_kind=len(usable) - len(labelled),
        groups=groups,
        splits=dict(Counter(sample.split for sample in samples)),
        split_leaks=tuple(find_split_leaks(samples)),
        look_alikes=None if pairs is None else tuple(pairs),
        event_places=None if quartiles is None else (quartiles[0], quartiles[1], quartiles[2]),
        shortcuts=tuple(shortcuts),
        remarks=tuple(remark for remark in remarks if remark),
    )


def find_split_leaks(samples: Sequence[AuditSample]) -> list[SplitLeak]:
    """The drives, footage, files and groups that more than one split has."""
    keys: dict[tuple[str, str], list[str]] = {}
    for sample in samples:
        if sample.split:
            for kind, key in (("drive", sample.drive), ("footage", sample.source_id), ("file", sample.path)):
                if key:
                    keys.setdefault((kind, key), []).append(sample.split)
            keys.setdefault(("group", sample.group), []).append(sample.split)
    crossing = [
        SplitLeak(kind=kind, key=Path(key).name if kind == "file" else key, splits=tuple(sorted(set(s))), count=len(s))
        for (kind, key), s in keys.items()
        if len(set(s)) > 1
    ]
    direct = any(leak.kind != "group" for leak in crossing)
    return [leak for leak in crossing if leak.kind != "group" or not direct]


def _compare_frames(samples: Sequence[AuditSample], reporter: Reporter) -> tuple[list[LookAlike], int]:
    """Pairs with frames that look the same, and how many could not be read."""
    has_splits = any(sample.split for sample in samples)
    by_video: dict[tuple[str, int | None], list[AuditSample]] = {}
    for sample in samples:
        by_video.setdefault((sample.path, sample.video_stream), []).append(sample)
    hashes: dict[str, Hashes] = {}
    unread = 0
    with reporter.task("comparing frames", len(by_video)) as task:
        for (path, stream), members in by_video.items():
            windows = list(dict.fromkeys(_window(sample) for sample in members))
            found = dict(window_hashes(Path(path), windows, stream))
            for sample in members:
                result = found[_window(sample)]
                if isinstance(result, VideoError):
                    unread += 1
                else:
                    hashes[sample.name] = result
            task.advance()
    parts = {sample.name: sample.split if has_splits else sample.group for sample in samples}
    return look_alikes(hashes, parts, {sample.name: sample.split for sample in samples}), unread


def _window(sample: AuditSample) -> Window:
    return sample.start_s, sample.end_s if sample.end_s or sample.file is None else sample.file.duration_s


def _head(found: Audit) -> Iterable[str]:
    things = "clips" if found.kind == "clips" else "videos"
    splits = ", ".join(f"{split or 'no split'} {count}" for split, count in found.splits.items())
    yield f"{found.count} {things} ({splits}) from {found.groups} independent groups."
    if found.unusable:
        yield f"{found.unusable} {things} cannot be used and are not looked at."
    if found.of_unknown_kind:
        yield f"{found.of_unknown_kind} {things} do not tell whether an event is in them; no shortcut is sought there."


def _crossing(found: Audit) -> Iterable[str]:
    yield ""
    yield "Across splits"
    if set(found.splits) == {""}:
        yield "  no splits yet: `autodrive clips` makes them."
    elif not found.split_leaks:
        yield "  no drive, footage or file is in two splits."
    for leak in found.split_leaks[:_SHOWN]:
        yield f"  LEAK: {leak.kind} {leak.key} is in {' and '.join(leak.splits)} ({leak.count} in all)."
    if len(found.split_leaks) > _SHOWN:
        yield f"  LEAK: and {len(found.split_leaks) - _SHOWN} more; --json lists them all."
    if found.look_alikes is None:
        yield "  frames were not compared."
        return
    if not found.look_alikes:
        yield (
            "  no frame of one looks like a frame of another."
            if len(found.splits) > 1
            else ("  no frame of one drive looks like a frame of another.")
        )
    for pair in found.look_alikes[:_SHOWN]:
        if pair.first_split != pair.second_split:
            where = f"LEAK: {pair.first} in {pair.first_split} looks like {pair.second} in {pair.second_split}"
        else:
            where = f"{pair.first} looks like {pair.second}, though their drives differ: give them one drive"
        yield f"  {where} (in {pair.frames} frames, by {pair.bits} of 256 bits at the nearest)."
    if len(found.look_alikes) > _SHOWN:
        yield f"  and {len(found.look_alikes) - _SHOWN} more pairs that look alike; --json lists them all."


def _given_away(found: Audit) -> Iterable[str]:
    yield ""
    yield f"Shortcuts: area under the ROC curve without a look at any picture (0.5: guessing; {MAX_AUC:.2f}: too much)"
    several = any(s.classes is not None for s in found.shortcuts)
    title = "each class against the rest" if several else ""
    yield f"  {'fact':<14}{'event against none':<22}{title:<30}result"
    for s in found.shortcuts:
        classes = _interval(s.classes) if s.classes is not None else ""
        yield f"  {s.fact:<14}{_interval(s.event):<22}{classes:<30}{s.result}"
    leaking = [s for s in found.shortcuts if s.result == "leaks" and s.fact != "all"]
    for s in leaking:
        yield f"  SHORTCUT: {s.fact} gives the class away: {s.words}."
    if not leaking and any(s.result == "leaks" for s in found.shortcuts):
        yield "  SHORTCUT: no fact alone gives the class away, but all together do."
    if leaking:
        yield (
            "  A model can learn these instead of what happens. Take footage of all classes from the same cameras, "
            "re-encode it alike, and cut it to one length; scores on this set as it is mean little."
        )
    for s in found.shortcuts:
        if s.result == "unclear":
            seen = f": {s.words}" if s.words else ""
            yield f"  Not cleared: {s.fact}, whose interval reaches above {MAX_AUC:.2f}{seen}."
    if found.event_places is not None:
        yield _places(found.event_places, "clips" if found.kind == "clips" else "videos")


def _places(quartiles: tuple[float, float, float], things: str) -> str:
    low, middle, high = (100 * place for place in quartiles)
    text = f"  Half of the events stand between {low:.0f} and {high:.0f} % of their {things} (median {middle:.0f} %)."
    if high - low >= 100 * _NARROW:
        return text
    return text + " That is as good as fixed: a window cut at one place would give it away; `autodrive clips` jitters."


def _interval(estimate: Estimate) -> str:
    if estimate.value is None or estimate.low is None or estimate.high is None:
        return "-"
    return f"{estimate.value:.2f} [{estimate.low:.2f}, {estimate.high:.2f}]"
