"""Metrics on parts of the test set: triplets, hard negatives, and slices by light, weather, scene and so on."""

from collections import defaultdict
from collections.abc import Callable, Iterator, Sequence
from itertools import pairwise

import numpy as np
from numpy.typing import NDArray

from vlm_autodrive.evaluation.score.probabilities import probabilities_of
from vlm_autodrive.evaluation.score.records import HardNegativeScores, SliceTest, TripletScores
from vlm_autodrive.evaluation.score.samples import EvaluationSamples
from vlm_autodrive.evaluation.score.slice_fields import LENGTHS_S, SLICE_FIELDS, slice_value
from vlm_autodrive.metrics import Bootstrap, Estimate, Ratio, bootstrap_estimate, holm, slice_p_value
from vlm_autodrive.records import Clip


def triplet_scores(samples: EvaluationSamples, model: str, bootstrap: Bootstrap) -> TripletScores | None:
    """How matched triplets are told apart; None if no triplet is complete, with each class once."""
    members: dict[str, list[int]] = defaultdict(list)
    for index, clip in enumerate(samples.clips):
        if clip.triplet_id is not None:
            members[clip.triplet_id].append(index)
    truths, answers = samples.truths, samples.answers(model)
    wanted = sorted(samples.taxonomy.names)
    complete = [indices for indices in members.values() if sorted(truths[i] for i in indices) == wanted]
    if not complete:
        return None
    all_right = np.array([all(answers[i] == truths[i] for i in indices) for indices in complete])
    of_triplets = bootstrap.select(np.array([indices[0] for indices in complete], dtype=np.intp))
    rows, has = probabilities_of(samples.predictions[model], samples.taxonomy, model)
    of_first_class = [float(row[0]) if known else None for row, known in zip(rows, has, strict=True)]
    triplets = [{truths[i]: of_first_class[i] for i in indices} for indices in complete]
    given = any(p is not None for triplet in triplets for p in triplet.values())

    def mean_of(values: Sequence[float | None]) -> Estimate:
        known = np.array([value is not None for value in values])
        return of_triplets.select(known).mean(np.array([value for value in values if value is not None]))

    return TripletScores(
        triplet_accuracy=of_triplets.proportion(all_right),
        most_severe_probability={
            name: mean_of([triplet[name] for triplet in triplets])
            for name in samples.taxonomy.names
            if any(triplet[name] is not None for triplet in triplets)
        },
        in_order=of_triplets.proportion(
            np.array([_falls([triplet[name] for name in samples.taxonomy.names]) for triplet in triplets])
        )
        if given
        else None,
        steps={
            f"{one} > {next_one}": mean_of([_fall(triplet[one], triplet[next_one]) for triplet in triplets])
            for one, next_one in pairwise(samples.taxonomy.names)
        }
        if given
        else {},
    )


def _fall(before: float | None, after: float | None) -> float | None:
    return None if before is None or after is None else before - after


def _falls(probabilities: Sequence[float | None]) -> bool:
    """Whether each is smaller than the one before; a missing one is a failure, and so it is not."""
    return all((_fall(one, next_one) or 0.0) > 0 for one, next_one in pairwise(probabilities))


def hard_negative_scores(samples: EvaluationSamples, model: str, bootstrap: Bootstrap) -> HardNegativeScores | None:
    """False alarms on normal clips that were made to look like an event; None if there are none."""
    normal = [i for i, clip in enumerate(samples.clips) if clip.event_class == samples.taxonomy.normal.name]
    hard = [i for i in normal if is_hard_negative(samples.clips[i])]
    if not hard:
        return None
    answers = samples.answers(model)

    def false_positives(indices: list[int]) -> Estimate:
        hits = np.array([answers[i] in samples.taxonomy.event_names for i in indices], dtype=bool)
        return bootstrap.select(np.array(indices, dtype=np.intp)).proportion(hits)

    return HardNegativeScores(
        count=len(hard),
        proportion=len(hard) / len(normal),
        false_positives=false_positives(hard),
        false_positives_elsewhere=false_positives([i for i in normal if i not in set(hard)]),
    )


def slice_scores(
    samples: EvaluationSamples, model: str, bootstrap: Bootstrap, smallest: int
) -> dict[str, dict[str, Estimate]]:
    """Accuracy by each field and each of its values that has enough clips."""
    right = _right(samples, model)
    by_field: dict[str, dict[str, Estimate]] = {}
    for field, value, indices in _slices(samples, smallest):
        of_slice = bootstrap.select(np.array(indices, dtype=np.intp))
        by_field.setdefault(field, {})[value] = of_slice.proportion(right[indices])
    return by_field


def slice_tests(samples: EvaluationSamples, model: str, bootstrap: Bootstrap, smallest: int) -> tuple[SliceTest, ...]:
    """Every slice against the rest, adjusted for their number."""
    right = _right(samples, model)
    having = {field: np.array([bool(slice_value(clip, field)) for clip in samples.clips]) for field in SLICE_FIELDS}
    tested: list[tuple[str, str]] = []
    columns = []
    for field, value, indices in _slices(samples, smallest):
        inside = np.zeros(len(right), dtype=bool)
        inside[indices] = True
        outside = having[field] & ~inside
        if outside.sum() >= smallest:
            tested.append((field, value))
            columns.append(np.column_stack([inside & right, inside, outside & right, outside]))
    if not tested:
        return ()
    per_cluster = bootstrap.sums(np.stack(columns, axis=1))
    totals = bootstrap.resampled(per_cluster)
    differences, p_values = [], []
    for k in range(len(tested)):
        table = per_cluster[:, k]
        difference = float(_difference(table.sum(axis=0)[None])[0])
        bearing = int(min((table[:, 1] > 0).sum(), (table[:, 3] > 0).sum()))
        n, drawn = int(table[:, 1].sum()), _difference(totals[:, k])
        differences.append(bootstrap_estimate(difference, drawn, bearing, n, proportion=False))
        counts = table[table[:, [1, 3]].any(axis=1)].astype(np.int64)
        p_values.append(slice_p_value(counts[:, :2], counts[:, 2:], seed=bootstrap.seed))
    return tuple(
        SliceTest(field=field, value=value, difference=estimate, p_value=p, p_holm=adjusted)
        for (field, value), estimate, p, adjusted in zip(tested, differences, p_values, holm(p_values), strict=True)
    )


def is_hard_negative(clip: Clip) -> bool:
    """Whether a clip is a normal one that was made to look like an event."""
    if clip.scenario is not None:
        return clip.scenario.hard_negative
    return clip.metadata.get("hard_negative", "").casefold() in ("true", "1", "yes")


def _slices(samples: EvaluationSamples, smallest: int) -> Iterator[tuple[str, str, list[int]]]:
    """Each field, each of its values that has enough clips, and the places of these clips."""
    lengths = list(LENGTHS_S.values())
    for field in SLICE_FIELDS:
        members: dict[str, list[int]] = defaultdict(list)
        for index, clip in enumerate(samples.clips):
            members[slice_value(clip, field)].append(index)
        members.pop("", None)
        order: Callable[[str], int | str] = lengths.index if field == "length" else str
        for value in sorted(members, key=order):
            if len(members[value]) >= smallest:
                yield field, value, members[value]


def _right(samples: EvaluationSamples, model: str) -> NDArray[np.bool_]:
    return np.array([answer == truth for answer, truth in zip(samples.answers(model), samples.truths, strict=True)])


def _difference(totals: NDArray[np.float64]) -> NDArray[np.float64]:
    """Accuracy inside minus accuracy outside, of rows of right and all clips inside, right and all outside."""
    return Ratio(0, 1)(totals) - Ratio(2, 3)(totals)
