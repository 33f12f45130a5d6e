"""Shortcut tests: can a classifier without pixels predict the class?

Decision trees are given one kind of fact at a time, such as the codec, and then all of them; file names have a
classifier of their own (naive Bayes on runs of characters). They are scored on folds that keep drives and triplets
whole, by the area under the ROC curve: 0.5 is guessing, 1 is certainty. The interval is the bootstrap's over the same
groups.
"""

import re
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Literal, TypeAlias

import numpy as np
from numpy.typing import NDArray
from scipy.sparse import csr_matrix

from vlm_autodrive.clips.audit_samples import AuditSample, FileFacts
from vlm_autodrive.metrics import (
    FOLDS,
    Bootstrap,
    Estimate,
    areas,
    held_out_by_name,
    held_out_probabilities,
    name_features,
    percentile_bounds,
    undefined,
)
from vlm_autodrive.records import Record, Taxonomy

MAX_AUC = 0.60
"""Threshold of the area under the ROC curve: an interval above it shows a leak, one below it shows none."""

Floats = NDArray[np.float64]
Features: TypeAlias = Floats | csr_matrix
ShortcutResult = Literal["leaks", "unclear", "clean", "too few groups"]

_RESAMPLES = 1000
_N_REPEATS = 10  # of the cross-validation, averaged, since one split into folds is noisy
_MIN_LEAF_FRACTION = 1 / 50  # of all samples
_MAX_VALUES = 40  # of a text, so many of its commonest values are told apart
_METHOD = "grouped cross-validation, bootstrap by group"


class Shortcut(Record):
    """How well one kind of fact tells the class.

    Attributes:
        fact: What it is, such as ``codec``; ``all`` for all together but the file name.
        event: Area under the curve of event against none.
        classes: The mean of the areas of each class against the rest; None if there are but two.
        result: ``leaks`` if an interval lies above 0.60, ``clean`` if none reaches above it, ``unclear``
            in between, ``too few groups`` to say.
        words: What differs between the classes, in words.
    """

    fact: str
    event: Estimate
    classes: Estimate | None
    result: ShortcutResult
    words: str


Value = float | str


@dataclass(frozen=True)
class ShortcutInput:
    """All that is looked at: where a clip or video lies in its file, and what the file tells."""

    sample: AuditSample
    file: FileFacts


def _position(seen: ShortcutInput) -> tuple[Value, ...]:
    sample, length_s = seen.sample, seen.file.duration_s
    return sample.start_s, length_s - sample.end_s, (sample.start_s + sample.end_s) / 2 / length_s


def _stem(sample: AuditSample) -> str:
    """The file's name; folders do not count."""
    return sample.path.replace("\\", "/").rsplit("/", 1)[-1].rsplit(".", 1)[0].casefold()


FACTS: dict[str, Callable[[ShortcutInput], tuple[Value, ...]]] = {
    "duration": lambda seen: (seen.file.duration_s, seen.sample.end_s - seen.sample.start_s),
    "fps": lambda seen: (seen.file.fps,),
    "bitrate": lambda seen: (seen.file.bits_per_s,),
    "codec": lambda seen: (seen.file.codec,),
    "picture size": lambda seen: (float(seen.file.width), float(seen.file.height)),
    "file size": lambda seen: (float(seen.file.bytes),),
    "position": _position,
    "file name": lambda seen: ("".join(re.findall(r"[a-z]+", _stem(seen.sample))[:1]),),
    "source": lambda seen: (seen.sample.source, (seen.sample.source_id or "").partition(":")[0]),
}
"""What is looked at: for each kind of fact its values, numbers or texts; of a file name, the first word is shown."""


def find_shortcuts(
    samples: Sequence[AuditSample], taxonomy: Taxonomy, *, whole_videos: bool, seed: int
) -> list[Shortcut]:
    """Try each kind of fact, and all together.

    Args:
        samples: Clips or videos of known kind, with the facts of their files.
        taxonomy: The classes.
        whole_videos: Whether they are whole videos, whose position says nothing.
        seed: Of folds, classifiers and bootstrap.
    """
    told = [
        ShortcutInput(sample, sample.file)
        for sample in samples
        if sample.is_event is not None and sample.file is not None
    ]
    truth = _Truth([seen.sample for seen in told], taxonomy, seed)
    tables: list[Floats] = []
    found = []
    for fact, values_of in FACTS.items():
        if whole_videos and fact == "position":
            continue
        values = [values_of(seen) for seen in told]
        if fact == "file name":
            features: Features = name_features([_stem(seen.sample) for seen in told])
        else:
            features = _columns(values)
            tables.append(features)
        found.append(_try(fact, features, truth, _words(values, truth)))
    if told:
        found.append(_try("all", np.concatenate(tables, axis=1), truth, ""))
    return found


class _Truth:
    """The classes as numbers, the class without event last, and the groups."""

    def __init__(self, samples: Sequence[AuditSample], taxonomy: Taxonomy, seed: int) -> None:
        known = all(sample.label is not None for sample in samples)
        labels = [sample.label if known else str(sample.is_event) for sample in samples]
        present = [n for n in (taxonomy.names if known else ("True", "False")) if n in labels]
        self.names = [taxonomy.by_name(n).label if known else {"True": "event", "False": "none"}[n] for n in present]
        self.classes = np.array([present.index(str(label)) for label in labels], dtype=np.intp)
        self.event = np.array([bool(sample.is_event) for sample in samples], dtype=bool)
        numbers: dict[str, int] = {}
        self.groups = np.array([numbers.setdefault(sample.group, len(numbers)) for sample in samples], dtype=np.intp)
        self.can_be_told = len(present) > 1 and self.fewest_groups > 1
        self.seed = seed

    @property
    def fewest_groups(self) -> int:
        """In how many groups the rarest class is found."""
        counts = [len(set(self.groups[self.classes == number].tolist())) for number in range(len(self.names))]
        return min(counts, default=0)


def _try(fact: str, features: Features, truth: _Truth, words: str) -> Shortcut:
    count = len(truth.classes)
    if not truth.can_be_told:
        estimate = undefined(count, _METHOD)
        few = "fewer than two drives with some class: no estimate"
        return Shortcut(fact=fact, event=estimate, classes=None, result="too few groups", words=few)
    if _all_alike(features):
        words = f"the same for all: {words}"
        chances = np.full((count, len(truth.names)), 1 / len(truth.names))
    else:
        chances = _held_out_chances(features, truth)
    normal = len(truth.names) - 1
    has_both = bool(truth.event.any() and not truth.event.all())
    event = _estimate([_auroc(1 - chances[:, normal], truth.event, truth)], count) if has_both else undefined(count)
    classes = None
    if len(truth.names) > 2 or not has_both:
        each = [_auroc(chances[:, k], truth.classes == k, truth) for k in range(len(truth.names))]
        classes = _estimate(each, count)
    return Shortcut(fact=fact, event=event, classes=classes, result=_result(event, classes), words=words)


def _result(*estimates: Estimate | None) -> ShortcutResult:
    bounds = [(f.low, f.high) for f in estimates if f is not None and f.low is not None and f.high is not None]
    if any(low > MAX_AUC for low, _ in bounds):
        return "leaks"
    return "unclear" if any(high > MAX_AUC for _, high in bounds) else "clean"


def _all_alike(features: Features) -> bool:
    if isinstance(features, np.ndarray):
        return bool((features == features[0]).all())
    return not features.shape[1]


def _held_out_chances(features: Features, truth: _Truth) -> Floats:
    """The chance of each class for each sample, from classifiers that saw nothing of its group."""
    from sklearn.tree import DecisionTreeClassifier

    folds, seed = min(FOLDS, truth.fewest_groups), truth.seed
    if not isinstance(features, np.ndarray):
        return held_out_by_name(features, truth.classes, truth.groups, folds=folds, n_repeats=_N_REPEATS, seed=seed)
    tree = DecisionTreeClassifier(
        max_depth=5, min_samples_leaf=_MIN_LEAF_FRACTION, class_weight="balanced", random_state=seed
    )
    return held_out_probabilities(
        tree, features, truth.classes, truth.groups, folds=folds, n_repeats=_N_REPEATS, seed=seed
    )


def _auroc(scores: Floats, positive: NDArray[np.bool_], truth: _Truth) -> Floats:
    """The area under the ROC curve, first of all samples and then of each resample of whole groups."""
    value, drawn = areas(scores, positive, Bootstrap(truth.groups.tolist(), _RESAMPLES, truth.seed))
    return np.concatenate([value[1:2], drawn[1]])


def _estimate(each: Sequence[Floats], count: int) -> Estimate:
    drawn = np.mean(each, axis=0)
    low, high = percentile_bounds(drawn[1:])
    return Estimate(value=float(drawn[0]), low=low, high=high, n=count, method=_METHOD)


def _columns(values: Sequence[tuple[Value, ...]]) -> Floats:
    """Numbers as they are, texts as one column for each of their commonest values."""
    columns: list[Floats] = []
    for column in zip(*values, strict=True):
        if isinstance(column[0], str):
            common = [text for text, _ in Counter(column).most_common(_MAX_VALUES)]
            columns += [np.array([value == text for value in column], dtype=np.float64) for text in common]
        else:
            columns.append(np.array(column, dtype=np.float64))
    return np.stack(columns, axis=1) if columns else np.zeros((0, 0))


def _words(values: Sequence[tuple[Value, ...]], truth: _Truth) -> str:
    """In words the first value of each class: numbers without their outer twentieths, the two commonest texts."""
    told = []
    for number, name in enumerate(truth.names):
        mine = [value[0] for value, own in zip(values, truth.classes, strict=True) if own == number]
        if mine and isinstance(mine[0], str):
            common = Counter(mine).most_common(2)
            listed = ", ".join(f"{text or 'none'} {100 * n / len(mine):.0f} %" for text, n in common)
            told.append(f"{name} {listed}")
        else:
            low, high = np.percentile(np.array(mine, dtype=np.float64), [5, 95])
            told.append(f"{name} {low:.4g}" + (f" to {high:.4g}" if f"{low:.4g}" != f"{high:.4g}" else ""))
    return "; ".join(told)
