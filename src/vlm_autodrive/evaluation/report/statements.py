"""The models that a report is about, the comparison in one statistical sentence, notes, and outcomes of predictions."""

from collections import Counter
from collections.abc import Sequence

from vlm_autodrive.evaluation.diagnostics.answers import bounds_told
from vlm_autodrive.evaluation.report.formats import counted, figure, p_equals, title_of, with_interval
from vlm_autodrive.evaluation.score import Comparison, PairScores
from vlm_autodrive.evaluation.settings import BASELINES, BEFORE_CORRECTIONS
from vlm_autodrive.metrics import FEW_CLIPS
from vlm_autodrive.models import MAIN, training_data
from vlm_autodrive.records import Clip, Outcome, Prediction, Taxonomy

LEVEL = 0.05
"""Significance level of the tests."""

_REASONS = 5


def before_and_after(comparison: Comparison) -> tuple[str | None, str | None]:
    """The two models that a report is about: ``base`` and ``tuned``, else the first two that are no baseline.

    A single model stands alone, and baselines are held against each other only where there is nothing else.
    """
    names = list(comparison.models)
    trained = [name for name in names if comparison.models[name].name not in BASELINES] or names
    reasoning = [name for name in trained if comparison.models[name].reasoning_outcomes]
    candidates = reasoning if len(reasoning) > 1 else trained
    before = "base" if "base" in names else candidates[0]
    others = [name for name in candidates if name != before]
    return before, "tuned" if "tuned" in others else next(iter(others), None)


def main_pair(comparison: Comparison) -> PairScores | None:
    """The pair of before and after, the earlier one first; None where there is but one model."""
    wanted = before_and_after(comparison)
    return next((pair for pair in comparison.pairs if {pair.first, pair.second} == set(wanted)), None)


def corrections_pair(comparison: Comparison) -> PairScores | None:
    """The pair of the model before corrections and the fine-tuned one; None where the former was not evaluated."""
    wanted = BEFORE_CORRECTIONS, "tuned"
    return next((pair for pair in comparison.pairs if (pair.first, pair.second) == wanted), None)


def p_of(pair: PairScores) -> float:
    """The p-value that holds: of swapping whole clusters where clips hang together, else McNemar's."""
    return pair.mcnemar.p_value if pair.permutation_p is None else pair.permutation_p


def statistics_sentence(comparison: Comparison, taxonomy: Taxonomy) -> str:
    """The whole comparison in one sentence with intervals and a test, for statisticians.

    The recall of the first class (collision) says nothing by itself, since a model that always alarms has a recall of
    1; so the false positive rate stands beside it, and the test is over all clips.

    Args:
        comparison: The comparison.
        taxonomy: Its classes.
    """
    before, after = before_and_after(comparison)
    pair = main_pair(comparison)
    if pair is None or before is None or after is None:
        return (
            f"The model {_found(comparison, str(before), None, taxonomy)}; there is no other model to compare it with."
        )
    who = "The fine-tuned model" if (before, after) == ("base", "tuned") else f"“{title_of(after)}”"
    return f"{who} {_found(comparison, after, before, taxonomy)}; {_tested(pair, after)}."


def model_notes(comparison: Comparison) -> list[str]:
    """For each model what footage it was trained on, and if its prompt was chosen or set, which it is and by what."""
    notes = []
    for model, scores in comparison.models.items():
        if scores.training:
            notes.append(f"{title_of(model)}: {scores.training}.")
        choice = scores.prompt_choice
        if choice is not None:
            marks = dict.fromkeys(choice.noise, " (noise)")
            found = ", ".join(f"{name} {value:.2f}{marks.get(name, '')}" for name, value in choice.macro_f1.items())
            notes.append(
                f"{title_of(model)}: prompt {scores.prompt}, chosen on {choice.clips} validation clips "
                f"(macro-F1 there: {found})."
            )
        elif scores.prompt != MAIN:
            notes.append(f"{title_of(model)}: prompt {scores.prompt}, as set.")
        if not scores.ranking and scores.prompt == "own":
            notes.append(
                f"{title_of(model)} answers in free text, which has no probabilities: it is not ranked or calibrated."
            )
    return notes


def _found(comparison: Comparison, model: str, before: str | None, taxonomy: Taxonomy) -> str:
    """A model's recall of the first class and its false positive rate, with those of the model before it."""
    scores, first = comparison.models[model], taxonomy.classes[0]
    earlier = None if before is None else comparison.models[before]
    named = "base model" if before == "base" else f"“{title_of(str(before))}”"
    if not comparison.class_counts.get(first.name):
        text = f"classifies {with_interval(scores.accuracy)} of the clips correctly"
        return text if earlier is None else f"{text} ({named}: {with_interval(earlier.accuracy)})"
    text = f"detects {with_interval(scores.per_class[first.name].recall)} of the {first.label} clips"
    if earlier is not None:
        text += f" ({named}: {with_interval(earlier.per_class[first.name].recall)})"
    if scores.event is None or scores.event.false_positive_rate.value is None:
        return text  # without a clip that shows no event there are no false positives
    text += f" at a false positive rate of {figure(scores.event.false_positive_rate)} on {taxonomy.normal.label} clips"
    if earlier is None or earlier.event is None:
        return text
    return f"{text} ({named}: {figure(earlier.event.false_positive_rate)})"


def _tested(pair: PairScores, after: str) -> str:
    """Whether the difference over all clips is significant."""
    better, worse = len(pair.only_second_right), len(pair.only_first_right)
    if pair.second != after:
        better, worse = worse, better
    p = p_of(pair)
    counts = f"of all clips, {better} are newly correct and {worse} newly wrong"
    if p < LEVEL and better != worse:
        return f"{counts}, {'a significant difference' if better > worse else 'significantly WORSE'} ({p_equals(p)})"
    undecided = f"{counts}, no significant difference ({p_equals(p)})"
    if pair.clips_needed is None:
        return undecided
    return f"{undecided}: about {pair.clips_needed:,} such clips would be needed to show one"


def data_notes(clips: Sequence[Clip], comparison: Comparison) -> list[str]:
    """Notes on the test clips: simulated or real, classes with few clips or none, and the models' prompts.

    Clips are called real where :func:`training_data` knows their data set, as in the words on a model's training.
    """
    data = training_data(clips)
    ours, others = data.simulated_clips, data.clips - data.simulated_clips
    all_are = f"All {data.clips} test clips are" if data.clips != 1 else "The only test clip is"
    if not others:
        notes = [f"{all_are} simulated. The results say nothing about real footage."]
    elif data.real_clips == data.clips:
        notes = [f"{all_are} real footage."]
    else:
        some = f"{ours or 'None'} of the {data.clips} test clip{'s' * (data.clips != 1)} {'are' if ours > 1 else 'is'}"
        known = f"Whether {'the others' if ours else 'they'} are real footage is not known."
        notes = [f"{some} from our simulation. {'The others are real.' if data.real_clips == others else known}"]
    return [*notes, *scarcity_notes(comparison), *model_notes(comparison), *comparison.warnings]


def too_few(comparison: Comparison) -> list[str]:
    """That the clips are too few to evaluate a model on, where they are; the headline begins with it."""
    if comparison.n >= FEW_CLIPS:
        return []
    is_few = "is too few" if comparison.n == 1 else "are too few"
    return [f"These results mean nothing: {counted(comparison.n)} {is_few} to evaluate a model on."]


def scarcity_notes(comparison: Comparison) -> list[str]:
    """Notes on the classes of which there are too few clips, beside what :func:`too_few` says of all clips."""
    notes = []
    counts = {name.replace("_", "-"): count for name, count in comparison.class_counts.items()}
    scarce = {name: count for name, count in counts.items() if 0 < count < FEW_CLIPS}
    missing = [name for name, count in counts.items() if not count]
    if scarce and not too_few(comparison):
        listed = ", ".join(f"{count} {name}" for name, count in scarce.items())
        one = sum(scarce.values()) == 1
        notes.append(
            f"There {'is' if one else 'are'} only {listed} clip{'s' * (not one)}: too few for firm conclusions about "
            f"{'it' if one else 'them'}."
        )
    if missing:
        notes.append(f"There is no {' and no '.join(missing)} clip, so the F1 of that class is undefined.")
    return notes


def summary(predictions: Sequence[Prediction]) -> str:
    """How many clips there are, how their verdicts and traces ended, what share cannot be read or is a bound."""
    parts = [
        counted(len(predictions)),
        "verdicts " + _outcomes([p.verdict.outcome for p in predictions]),
    ]
    traced = [p.reasoning.outcome for p in predictions if p.reasoning is not None]
    if traced:
        parts.append("traces " + _outcomes(traced))
    bounds = bounds_told([p.verdict for p in predictions])
    if bounds:
        parts.append(bounds)
    return "; ".join(parts) + "."


def failure_lines(predictions: Sequence[Prediction]) -> list[str]:
    """Why answers failed, the commonest reason first: what was asked for, its outcome, the reason and how often."""
    counts: Counter[tuple[str, str, str]] = Counter()
    for prediction in predictions:
        asked = [("verdict", prediction.verdict)]
        asked += [
            (f"prompt variant “{name}”, tried beside the verdict,", verdict)
            for name, verdict in prediction.prompt_variants.items()
        ]
        asked += [("control", verdict) for verdict in prediction.controls.values()]
        ended = [(kind, verdict.outcome, verdict.reason) for kind, verdict in asked]
        ended += [("question", answer.outcome, answer.reason) for answer in prediction.questions.values()]
        if prediction.reasoning is not None:
            ended.append(("trace", prediction.reasoning.outcome, prediction.reasoning.reason))
        counts.update((kind, outcome.value, reason) for kind, outcome, reason in ended if reason)
    lines = [f"{kind} {outcome}: {reason} ({n})" for (kind, outcome, reason), n in counts.most_common(_REASONS)]
    return [*lines, f"{len(counts) - _REASONS} more reasons"] if len(counts) > _REASONS else lines


def have_all_failed(predictions: Sequence[Prediction]) -> bool:
    """Whether no verdict and no trace is anything but an error."""
    traces = [p.reasoning.outcome for p in predictions if p.reasoning is not None]
    return {*(p.verdict.outcome for p in predictions), *traces} == {Outcome.ERROR}


def _outcomes(outcomes: Sequence[Outcome]) -> str:
    counts = Counter(outcomes)
    listed = ", ".join(f"{counts[outcome]} {outcome.value}" for outcome in Outcome if counts[outcome])
    return f"{listed} ({counts[Outcome.UNPARSEABLE] / len(outcomes):.1%} unparseable)"
