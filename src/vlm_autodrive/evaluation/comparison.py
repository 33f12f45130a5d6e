"""What a comparison says: the typed content of ``comparison.json``."""

from vlm_autodrive.metrics.event_time import EventTimeScores
from vlm_autodrive.metrics.intervals import Figure
from vlm_autodrive.metrics.paired import McNemar
from vlm_autodrive.records import Record


class ClassScores(Record):
    """How one class is found."""

    precision: Figure
    recall: Figure
    f1: Figure


class TripletScores(Record):
    """Matched triplets, whose three clips differ in one parameter and in the class.

    Attributes:
        told_apart: Share of complete triplets whose three clips are all right.
        first_class_probability: Mean probability of the first class (collision), by true class; only
            where the model gives probabilities.
    """

    told_apart: Figure
    first_class_probability: dict[str, Figure]


class HardNegativeScores(Record):
    """Normal clips that were made to look like an event.

    Attributes:
        count: How many there are.
        share: Their share among the normal clips.
        false_positives: Share of them that the model takes for an event.
        false_positives_elsewhere: The same among the other normal clips.
    """

    count: int
    share: float | None
    false_positives: Figure
    false_positives_elsewhere: Figure


class ModelScores(Record):
    """All figures of one model.

    Attributes:
        name: The model's own name, as it stands in its predictions.
        n: Labelled clips, all of which are in every denominator.
        accuracy: Share of clips answered rightly.
        balanced_accuracy: Mean recall.
        macro_f1: Mean F1.
        per_class: By class name.
        confusion: One row for each true class; columns are the classes, then ``no answer``.
        outcomes: How many direct verdicts ended how.
        reasoning_outcomes: How many traces ended how; empty if none were asked for.
        agreement: Among readable traces with a readable verdict, how often the two name the same class.
        event_time: The moments cited for events that the direct verdict found; None without traces.
        triplets: None if the clips have no complete triplets.
        hard_negatives: None if the clips have none.
        slices: Accuracy by field (light, weather, scene, family) and value.
        latency_s: Median seconds for a clip.
    """

    name: str
    n: int
    accuracy: Figure
    balanced_accuracy: Figure
    macro_f1: Figure
    per_class: dict[str, ClassScores]
    confusion: tuple[tuple[int, ...], ...]
    outcomes: dict[str, int]
    reasoning_outcomes: dict[str, int]
    agreement: Figure | None
    event_time: EventTimeScores | None
    triplets: TripletScores | None
    hard_negatives: HardNegativeScores | None
    slices: dict[str, dict[str, Figure]]
    latency_s: float


class PairScores(Record):
    """One model against another, clip for clip.

    Attributes:
        first: The one.
        second: The other; differences are its figures minus the first's.
        mcnemar: McNemar's exact test on who is right where.
        p_holm: Its p-value, adjusted for the number of pairs.
        accuracy: Difference.
        macro_f1: Difference.
        f1: Difference by class.
        gained: Clips that only the second has right.
        lost: Clips that only the first has right.
    """

    first: str
    second: str
    mcnemar: McNemar
    p_holm: float
    accuracy: Figure
    macro_f1: Figure
    f1: dict[str, Figure]
    gained: tuple[str, ...]
    lost: tuple[str, ...]


class Comparison(Record):
    """Several models on the same clips.

    Attributes:
        classes: Class names, in the order of the confusion tables.
        n: Labelled clips.
        unlabelled: Clips of unknown class, which are in no figure.
        class_counts: Labelled clips of each class.
        clusters: Independent groups of clips, over which the bootstrap resamples.
        warnings: What a reader has to mind.
        models: By the name that the recipe gives them, in its order.
        pairs: Every two models, the earlier one first.
    """

    classes: tuple[str, ...]
    n: int
    unlabelled: int
    class_counts: dict[str, int]
    clusters: int
    warnings: tuple[str, ...]
    models: dict[str, ModelScores]
    pairs: tuple[PairScores, ...]
