"""The records of a comparison: the typed content of ``comparison.json``."""

from typing import Literal

from vlm_autodrive.evaluation.predict.prompt_choice import PromptChoice
from vlm_autodrive.metrics import (
    AnticipationScores,
    CalibrationScores,
    Estimate,
    EventTimeScores,
    McNemar,
    RankingScores,
)
from vlm_autodrive.models import MAIN
from vlm_autodrive.records import Record


class ClassScores(Record):
    """How one class is found."""

    precision: Estimate
    recall: Estimate
    f1: Estimate


class EventScores(Record):
    """Two classes: an event of whatever kind, or none.

    Attributes:
        accuracy: Proportion of clips where event or no event is right.
        precision: Proportion of true events among those said to be one.
        recall: Proportion of events that are said to be one.
        f1: Their harmonic mean.
        false_positive_rate: Proportion of the clips without event that are said to be one.
    """

    accuracy: Estimate
    precision: Estimate
    recall: Estimate
    f1: Estimate
    false_positive_rate: Estimate


class PromptScores(Record):
    """What one wording of the direct-verdict prompt brings.

    Attributes:
        accuracy: Proportion right.
        macro_f1: Mean F1.
        most_severe_f1: F1 of the most severe class, which is the first of the taxonomy (collision).
        unparseable: Proportion of answers that name no class, whatever the reason.
        code_mass: As for the model; None where no code was forced.
    """

    accuracy: Estimate
    macro_f1: Estimate
    most_severe_f1: Estimate
    unparseable: Estimate
    code_mass: Estimate | None = None


class ControlScores(Record):
    """What is left of a model's score where the footage was tampered with.

    Attributes:
        accuracy: Proportion right.
        macro_f1: Mean F1.
        macro_f1_drop: The model's macro-F1 minus this one, paired clip for clip.
        same_answer: Proportion of clips with the same answer as on the true footage.
    """

    accuracy: Estimate
    macro_f1: Estimate
    macro_f1_drop: Estimate
    same_answer: Estimate


class FaithfulnessScores(Record):
    """Where the answer comes from: frames are hidden around the event, and as many elsewhere.

    Attributes:
        clips: Clips of the first class (collision) with a known time and probabilities.
        before: Mean probability of their true class with all frames shown.
        drop_at_event: How far it drops with the frames around the event hidden.
        drop_elsewhere: How far it falls with as many hidden elsewhere.
        difference: The first fall minus the second, paired: above 0, the model looks where the event is.
    """

    clips: int
    before: Estimate
    drop_at_event: Estimate
    drop_elsewhere: Estimate
    difference: Estimate


class JudgeScores(Record):
    """What a served model thinks of the traces.

    Attributes:
        judge: The model that judges.
        judged: Traces judged.
        mean: Mean grade, 1 to 5.
        grades: How many traces got each grade, by grade as text.
        human_ratings: Traces that people rated too.
        krippendorff_alpha: Ordinal agreement of judge and human ratings; None without human ratings.
    """

    judge: str
    judged: int
    mean: Estimate
    grades: dict[str, int]
    human_ratings: int
    krippendorff_alpha: Estimate | None


class TraceScores(Record):
    """What the reasoning traces are worth, beside the class that they name.

    Attributes:
        cites_event: Among traces on clips with an event of known time, the proportion that cite a moment within
            each tolerance of it, by its seconds as text.
        temporal_iou: Mean overlap over union of the span of the cited moments with that from alert to event;
            None where no clip has an alert time.
        rouge_l: Mean ROUGE-L F-measure against reference traces; None without references.
        references: How many traces have a reference.
        judge: None if no judge was asked.
    """

    cites_event: dict[str, Estimate]
    temporal_iou: Estimate | None
    rouge_l: Estimate | None
    references: int
    judge: JudgeScores | None


class TopicScores(Record):
    """Held-out questions on one topic.

    Attributes:
        accuracy: Proportion answered rightly.
        chance: Chance level: the mean over the questions of 1 / number of options.
    """

    accuracy: Estimate
    chance: float


class VqaScores(Record):
    """Held-out multiple-choice questions, of which every one asked is in the denominator, answered or not.

    Attributes:
        accuracy: Proportion answered rightly; its interval resamples clusters of clips, as all others do.
        chance: Chance level: the mean over the questions of 1 / number of options.
        topics: The same by topic.
    """

    accuracy: Estimate
    chance: float
    topics: dict[str, TopicScores]


class TripletScores(Record):
    """Matched triplets, whose three clips differ in one parameter and in the class.

    Attributes:
        triplet_accuracy: Proportion of complete triplets whose three clips are all right.
        most_severe_probability: Mean probability of the most severe class (collision), by true class; only
            where the model gives probabilities.
        in_order: Proportion of triplets in which the first class's probability falls strictly from the first class's
            clip over the second's to the last's; None without probabilities.
        steps: Mean fall of that probability between neighbours, by ``collision > near_collision`` and so on.
    """

    triplet_accuracy: Estimate
    most_severe_probability: dict[str, Estimate]
    in_order: Estimate | None = None
    steps: dict[str, Estimate] = {}


class SliceTest(Record):
    """Whether a model does worse on one slice than on the rest.

    Attributes:
        field: Such as ``light``.
        value: Such as ``night``.
        difference: Accuracy there minus accuracy on all other clips that have the field.
        p_value: Of a permutation of whole clusters.
        p_holm: Adjusted for all slices tested of this model.
    """

    field: str
    value: str
    difference: Estimate
    p_value: float
    p_holm: float


class Diagnostic(Record):
    """Something that a reader has to know before the estimates, named for what it is.

    Attributes:
        severity: ``invalid`` if the estimates do not mean what they seem to, ``warning`` if they need care.
        kind: Short name, such as ``ignores_video`` or ``leaky_split``.
        model: The model it is about; None if it is about the clips.
        text: One or two plain sentences with the estimates that show it.
    """

    severity: Literal["invalid", "warning"]
    kind: str
    model: str | None
    text: str


class HardNegativeScores(Record):
    """Normal clips that were made to look like an event.

    Attributes:
        count: How many there are.
        proportion: Their proportion of the normal clips.
        false_positives: Proportion of them that the model takes for an event.
        false_positives_elsewhere: The same among the other normal clips.
    """

    count: int
    proportion: float | None
    false_positives: Estimate
    false_positives_elsewhere: Estimate


class ModelScores(Record):
    """All estimates of one model.

    Attributes:
        name: The model's own name, as it stands in its predictions.
        n: Labelled clips, all of which are in every denominator.
        accuracy: Proportion of clips answered rightly.
        balanced_accuracy: Mean recall.
        macro_f1: Mean F1.
        per_class: By class name.
        confusion: One row for each true class; columns are the classes, then ``no answer``.
        outcomes: How many direct verdicts ended how.
        reasoning_outcomes: How many traces ended how; empty if none were asked for.
        reasoning_consistency: Among readable traces with a readable verdict, how often the two name the same class.
        event_time: The moments cited for events that the direct verdict found; None without traces.
        triplets: None if the clips have no complete triplets.
        hard_negatives: None if the clips have none.
        slices: Accuracy by field (light, weather, scene, ego, source, length, family) and value.
        latency_s: Median seconds for a clip that was answered; 0 if none was, or it was not measured.
        event: Two classes, event or none.
        ranking: How well the probabilities rank, by class name and ``any_event``; empty without probabilities.
        calibration: None without probabilities.
        prompt: The prompt that all other estimates rest on.
        prompt_choice: How it was chosen on validation clips; None if it was not.
        code_mass: Mean probability of all class codes together, before the softmax over them; where little falls on
            them, the forced choice is noise. None where it is not known, or the answers are free text.
        prompt_variants: By name, the prompt that all other estimates rest on first; empty with one prompt.
        controls: By the control's name; empty if none were asked for.
        anticipation: None if the model was asked about no windows that end before an event.
        faithfulness: None if it was not asked for.
        traces: None without traces.
        slice_tests: Every slice against the rest.
        vqa: Held-out questions; None if it was asked none.
        training: What footage it was trained on, in words; empty if its card does not tell.
    """

    name: str
    n: int
    accuracy: Estimate
    balanced_accuracy: Estimate
    macro_f1: Estimate
    per_class: dict[str, ClassScores]
    confusion: tuple[tuple[int, ...], ...]
    outcomes: dict[str, int]
    reasoning_outcomes: dict[str, int]
    reasoning_consistency: Estimate | None
    event_time: EventTimeScores | None
    triplets: TripletScores | None
    hard_negatives: HardNegativeScores | None
    slices: dict[str, dict[str, Estimate]]
    latency_s: float
    event: EventScores | None = None
    ranking: dict[str, RankingScores] = {}
    calibration: CalibrationScores | None = None
    prompt: str = MAIN
    prompt_choice: PromptChoice | None = None
    code_mass: Estimate | None = None
    prompt_variants: dict[str, PromptScores] = {}
    controls: dict[str, ControlScores] = {}
    anticipation: AnticipationScores | None = None
    faithfulness: FaithfulnessScores | None = None
    traces: TraceScores | None = None
    slice_tests: tuple[SliceTest, ...] = ()
    vqa: VqaScores | None = None
    training: str = ""


class PairScores(Record):
    """One model against another, clip for clip.

    Attributes:
        first: The one.
        second: The other; differences are its estimates minus the first's.
        mcnemar: McNemar's exact test on who is right where.
        p_holm: The p-value that holds for these clips, that of ``permutation_p`` where there is one and else
            McNemar's, adjusted for the number of pairs.
        accuracy: Difference.
        balanced_accuracy: Difference.
        macro_f1: Difference.
        recall: Difference by class.
        f1: Difference by class.
        only_second_right: Clips that only the second has right.
        only_first_right: Clips that only the first has right.
        permutation_p: The exact p-value of swapping the models' answers in whole clusters; None where every clip is
            its own cluster, since McNemar's test is exact then.
        clips_needed: How many such clips would show the difference seen at 5 % with a power of 80 %; None where it is
            shown already, or where the models are equally often right.
        vqa_accuracy: Difference on held-out questions; None if one of the two was asked none.
        vqa_topics: The same by topic.
    """

    first: str
    second: str
    mcnemar: McNemar
    p_holm: float
    accuracy: Estimate
    balanced_accuracy: Estimate | None = None
    macro_f1: Estimate
    recall: dict[str, Estimate] = {}
    f1: dict[str, Estimate]
    only_second_right: tuple[str, ...]
    only_first_right: tuple[str, ...]
    permutation_p: float | None = None
    clips_needed: int | None = None
    vqa_accuracy: Estimate | None = None
    vqa_topics: dict[str, Estimate] = {}


class Comparison(Record):
    """Several models on the same clips.

    Attributes:
        classes: Class names, in the order of the confusion tables.
        n: Labelled clips.
        unlabelled: Clips of unknown class, which are in no estimate.
        class_counts: Labelled clips of each class.
        clusters: Independent groups of clips, over which the bootstrap resamples.
        warnings: What a reader has to mind.
        diagnostics: What the estimates would hide: planted or real faults, each named for what it is, the worst first.
        models: By the name that the recipe gives them, in its order.
        pairs: Every two models, the earlier one first.
    """

    classes: tuple[str, ...]
    n: int
    unlabelled: int
    class_counts: dict[str, int]
    clusters: int
    warnings: tuple[str, ...]
    diagnostics: tuple[Diagnostic, ...] = ()
    models: dict[str, ModelScores]
    pairs: tuple[PairScores, ...]
