"""Figures on parts of the test set: triplets, hard negatives, and slices by light, weather, scene, family."""

from collections import defaultdict
from collections.abc import Sequence
from itertools import pairwise

import numpy as np

from vlm_autodrive.evaluation.cases import Cases
from vlm_autodrive.evaluation.comparison import HardNegativeScores, SliceTest, TripletScores
from vlm_autodrive.evaluation.settings import CompareSettings
from vlm_autodrive.metrics.intervals import Figure, mean, share
from vlm_autodrive.records import Clip

_FIELDS = {"light": ("light_conditions", "light"), "weather": ("weather",), "scene": ("scene",)}


def triplet_scores(cases: Cases, model: str, settings: CompareSettings) -> TripletScores | None:
    """How matched triplets are told apart; None if no triplet is complete, with each class once."""
    members: dict[str, list[int]] = defaultdict(list)
    for index, clip in enumerate(cases.clips):
        if clip.triplet_id is not None:
            members[clip.triplet_id].append(index)
    truths, answers = cases.truths, cases.answers(model)
    wanted = sorted(cases.taxonomy.names)
    complete = [indices for indices in members.values() if sorted(truths[i] for i in indices) == wanted]
    if not complete:
        return None
    all_right = np.array([all(answers[i] == truths[i] for i in indices) for indices in complete])
    clusters = [cases.clusters[indices[0]] for indices in complete]
    first_class = cases.taxonomy.names[0]
    triplets = [{truths[i]: _probability(cases, model, i, first_class) for i in indices} for indices in complete]
    given = any(p is not None for triplet in triplets for p in triplet.values())

    def mean_of(values: Sequence[float | None]) -> Figure:
        known = [(value, cluster) for value, cluster in zip(values, clusters, strict=True) if value is not None]
        return mean(np.array([value for value, _ in known]), [c for _, c in known], settings.resamples, settings.seed)

    return TripletScores(
        told_apart=share(all_right, clusters, settings.resamples, settings.seed),
        first_class_probability={
            name: mean_of([triplet[name] for triplet in triplets])
            for name in cases.taxonomy.names
            if any(triplet[name] is not None for triplet in triplets)
        },
        in_order=share(
            np.array([_falls([triplet[name] for name in cases.taxonomy.names]) for triplet in triplets], dtype=bool),
            clusters,
            settings.resamples,
            settings.seed,
        )
        if given
        else None,
        steps={
            f"{one} > {next_one}": mean_of([_fall(triplet[one], triplet[next_one]) for triplet in triplets])
            for one, next_one in pairwise(cases.taxonomy.names)
        }
        if given
        else {},
    )


def _probability(cases: Cases, model: str, index: int, class_name: str) -> float | None:
    probabilities = cases.predictions[model][index].verdict.probabilities
    return None if probabilities is None else probabilities[class_name]


def _fall(before: float | None, after: float | None) -> float | None:
    return None if before is None or after is None else before - after


def _falls(probabilities: Sequence[float | None]) -> bool:
    """Whether each is smaller than the one before; a missing one is a failure, and so it is not."""
    return all((_fall(one, next_one) or 0.0) > 0 for one, next_one in pairwise(probabilities))


def hard_negative_scores(cases: Cases, model: str, settings: CompareSettings) -> HardNegativeScores | None:
    """False alarms on normal clips that were made to look like an event; None if there are none."""
    normal = [i for i, clip in enumerate(cases.clips) if clip.event_class == cases.taxonomy.normal.name]
    hard = [i for i in normal if is_hard_negative(cases.clips[i])]
    if not hard:
        return None
    answers = cases.answers(model)

    def false_positives(indices: list[int]) -> Figure:
        hits = np.array([answers[i] in cases.taxonomy.event_names for i in indices], dtype=bool)
        return share(hits, [cases.clusters[i] for i in indices], settings.resamples, settings.seed)

    return HardNegativeScores(
        count=len(hard),
        share=len(hard) / len(normal),
        false_positives=false_positives(hard),
        false_positives_elsewhere=false_positives([i for i in normal if i not in set(hard)]),
    )


def slice_scores(cases: Cases, model: str, settings: CompareSettings) -> dict[str, dict[str, Figure]]:
    """Accuracy by each field of the metadata and each of its values that has enough clips."""
    answers, truths = cases.answers(model), cases.truths
    by_field: dict[str, dict[str, Figure]] = {}
    for field in (*_FIELDS, "family"):
        members: dict[str, list[int]] = defaultdict(list)
        for index, clip in enumerate(cases.clips):
            members[slice_value(clip, field)].append(index)
        members.pop("", None)
        figures = {
            value: share(
                np.array([answers[i] == truths[i] for i in indices], dtype=bool),
                [cases.clusters[i] for i in indices],
                settings.resamples,
                settings.seed,
            )
            for value, indices in sorted(members.items())
            if len(indices) >= settings.smallest_slice
        }
        if figures:
            by_field[field] = figures
    return by_field


def slice_tests(cases: Cases, model: str, settings: CompareSettings) -> tuple[SliceTest, ...]:
    """Every slice against the rest, adjusted for their number."""
    return ()


def slice_value(clip: Clip, field: str) -> str:
    """A clip's value in a field; empty if it has none."""
    if field == "family":
        return _family(clip)
    for key in _FIELDS[field]:
        if clip.metadata.get(key):
            return clip.metadata[key]
    return ""


def is_hard_negative(clip: Clip) -> bool:
    """Whether a clip is a normal one that was made to look like an event."""
    if clip.scenario is not None:
        return clip.scenario.hard_negative
    return clip.metadata.get("hard_negative", "").casefold() in ("true", "1", "yes")


def _family(clip: Clip) -> str:
    """The kind of encounter in the window, the one nearest to the clip's event first."""
    if clip.scenario is None:
        return ""
    inside = [e for e in clip.scenario.encounters if 0 <= e.time_s <= clip.duration_s]
    if not inside:
        return "plain_driving"
    event_time_s = clip.event_time_s
    if event_time_s is None:
        return inside[0].family
    return min(inside, key=lambda encounter: abs(encounter.time_s - event_time_s)).family
