"""Clips, their clusters, and each model's predictions, joined by clip id and checked to fit together."""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from vlm_autodrive.artifacts import (
    PREDICTIONS_FILE,
    input_key,
    read_clips,
    read_held_out_questions,
    read_provenance,
    read_samples,
    read_taxonomy,
)
from vlm_autodrive.errors import UserError
from vlm_autodrive.evaluation.judge.ratings import Judgements, read_judgements
from vlm_autodrive.evaluation.predict.contamination import Leaks, read_leaks
from vlm_autodrive.evaluation.predict.prompt_choice import PromptChoice
from vlm_autodrive.evaluation.score.answers import read_answers
from vlm_autodrive.metrics import connected_groups
from vlm_autodrive.models import MAIN, read_card
from vlm_autodrive.records import (
    ANTICIPATION,
    Clip,
    HeldOutQuestion,
    Outcome,
    Prediction,
    Taxonomy,
    iterate_jsonl,
)

_THOUGHTS = re.compile(r"<think>\s*(.*?)\s*</think>", re.DOTALL)


@dataclass(frozen=True)
class EvaluationSamples:
    """The labelled clips and what every model said of them, in one order.

    Attributes:
        taxonomy: The classes.
        clips: The labelled clips.
        unlabelled: How many further clips have no known class.
        clusters: The cluster of each clip, numbered from 0.
        predictions: Of each model, one for each clip.
        repeated: Clips that a model's file has several answers for, by model; where they differ, none counts.
        leaks: What the clips share with others, as found when each model was asked.
        validation: Labelled validation clips with a model's prediction for each, by model.
        anticipation: Labelled windows that end before an event, with a model's prediction for each, by model.
        references: Reference traces by clip id.
        judgements: What a judge thinks of a model's traces, by model.
        questions: The held-out questions about these clips that models were asked, the same for each of them.
        asked: The models that were asked them.
        prompts: The prompt of each model's direct verdict, by model; ``main`` where it is not named.
        prompt_choices: How a model's prompt was chosen, by model.
        training: What footage each model was trained on, in words, by model; empty where its card does not tell.
    """

    taxonomy: Taxonomy
    clips: tuple[Clip, ...]
    unlabelled: int
    clusters: tuple[int, ...]
    predictions: Mapping[str, tuple[Prediction, ...]]
    repeated: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    leaks: Mapping[str, Leaks] = field(default_factory=dict)
    validation: Mapping[str, tuple[tuple[Clip, Prediction], ...]] = field(default_factory=dict)
    anticipation: Mapping[str, tuple[tuple[Clip, Prediction], ...]] = field(default_factory=dict)
    references: Mapping[str, str] = field(default_factory=dict)
    judgements: Mapping[str, Judgements] = field(default_factory=dict)
    questions: tuple[HeldOutQuestion, ...] = ()
    asked: frozenset[str] = frozenset()
    prompts: Mapping[str, str] = field(default_factory=dict)
    prompt_choices: Mapping[str, PromptChoice] = field(default_factory=dict)
    training: Mapping[str, str] = field(default_factory=dict)

    def prompt_of(self, model: str) -> str:
        """The prompt of a model's direct verdict."""
        return self.prompts.get(model, MAIN)

    @property
    def question_clusters(self) -> list[int]:
        """The cluster of each held-out question: that of its clip."""
        clusters = {clip.clip_id: cluster for clip, cluster in zip(self.clips, self.clusters, strict=True)}
        return [clusters[question.clip_id] for question in self.questions]

    def right_on_questions(self, model: str) -> NDArray[np.bool_] | None:
        """Whether a model answers each held-out question rightly; None if it was asked none."""
        if model not in self.asked:
            return None
        said = {sample_id: answer for p in self.predictions[model] for sample_id, answer in p.questions.items()}
        return np.array([said[question.sample_id].letter == question.answer for question in self.questions])

    @property
    def truths(self) -> list[str]:
        """The true class of each clip."""
        return [str(clip.event_class) for clip in self.clips]

    def answers(self, model: str) -> list[str | None]:
        """The class that a model's direct verdict names for each clip."""
        return [prediction.verdict.event_class for prediction in self.predictions[model]]


def read_evaluation_samples(
    predictions: Mapping[str, Path],
    *,
    validation: Mapping[str, Path] | None = None,
    anticipation: Mapping[str, Path] | None = None,
    references: Path | None = None,
    judgements: Mapping[str, Path] | None = None,
) -> EvaluationSamples:
    """Read the predictions of several models.

    Args:
        predictions: Each model's predictions.
        validation: Those of the same models on validation clips, to fit a temperature on.
        anticipation: Those of the same models on windows that end before an event.
        references: A supervision set whose reasoning is what traces are measured against.
        judgements: What `judge` made of a model's traces.

    Raises:
        UserError: If there are none, the models were not asked about the very same clips, or a file that was changed
            by hand does not fit: a clip without an answer, an answer without a clip, a class that does not exist.
    """
    if not predictions:
        raise UserError("there are no predictions to compare; evaluate at least one model first.")
    for folder in predictions.values():
        input_key(folder, "predictions")
    first, *others = predictions
    clips = read_clips(predictions[first])
    taxonomy = read_taxonomy(predictions[first])
    for name in others:
        _refuse_other_clips(first, clips, name, read_clips(predictions[name]))
        if read_taxonomy(predictions[name]) != taxonomy:
            raise UserError(f"{name} and {first} were asked with different classes; evaluate them with the same.")
    labelled = tuple(clip for clip in clips if clip.event_class is not None)
    if not labelled:
        raise UserError(f"none of the clips in {predictions[first]} has a known class; there is nothing to score.")
    _refuse_unknown_labels(predictions[first], labelled, taxonomy)
    by_model, repeated = {}, {}
    for name, folder in predictions.items():
        by_clip, repeated[name] = read_answers(folder, name, clips, taxonomy)
        by_model[name] = tuple(by_clip[clip.clip_id] for clip in labelled)
    questions, asked = _read_questions(predictions, by_model)
    return EvaluationSamples(
        taxonomy,
        labelled,
        len(clips) - len(labelled),
        tuple(clusters_of(labelled)),
        by_model,
        repeated={name: ids for name, ids in repeated.items() if ids},
        leaks={name: read_leaks(folder) for name, folder in predictions.items()},
        validation=_read_validation(validation or {}, predictions, taxonomy, labelled),
        anticipation=_read_anticipation(anticipation or {}, predictions, taxonomy),
        references={} if references is None else _references_for(labelled, references),
        judgements=_read_judgements(judgements or {}, predictions),
        questions=questions,
        asked=asked,
        prompts={name: _prompt_of(folder) for name, folder in predictions.items()},
        prompt_choices={
            name: PromptChoice.model_validate(choice)
            for name, folder in predictions.items()
            if (choice := read_provenance(folder).facts.get("prompt_choice")) is not None
        },
        training={name: read_card(str(folder)).training for name, folder in predictions.items()},
    )


def read_references(supervision: Path) -> dict[str, str]:
    """The accepted reasoning of each clip, by clip id: the text between the think tags.

    Of several for one clip the first counts. References that our own rules wrote are of the same make as the SFT
    samples that the model was trained on: closeness to them shows that the model took on their manner, not that it
    saw what happened.

    Raises:
        UserError: If ``supervision`` holds none.
    """
    input_key(supervision, "supervision")
    references: dict[str, str] = {}
    for sample in read_samples(supervision):
        thoughts = _THOUGHTS.search(sample.target) if sample.type == "reasoning" and sample.accepted else None
        if thoughts is not None:
            references.setdefault(sample.clip_id, thoughts.group(1))
    if not references:
        raise UserError(
            f"{supervision} holds no accepted reasoning; let `supervise` write samples of the type reasoning."
        )
    return references


def _references_for(clips: Sequence[Clip], supervision: Path) -> dict[str, str]:
    """The reference traces, refused where none is of a clip that was asked about."""
    references = read_references(supervision)
    if not any(clip.clip_id in references for clip in clips):
        raise UserError(
            f"{supervision} holds reasoning about none of these clips; `supervise` writes texts for training and "
            "validation clips alone, so evaluate the validation split to measure traces against them."
        )
    return references


def _read_questions(
    folders: Mapping[str, Path], predictions: Mapping[str, Sequence[Prediction]]
) -> tuple[tuple[HeldOutQuestion, ...], frozenset[str]]:
    """The questions about the labelled clips and who was asked, refused where models were asked others."""
    by_model = {}
    for name, folder in folders.items():
        by_clip: dict[str, list[HeldOutQuestion]] = {prediction.clip_id: [] for prediction in predictions[name]}
        for question in read_held_out_questions(folder):
            if question.clip_id in by_clip:
                by_clip[question.clip_id].append(question)
        for prediction in predictions[name]:
            if set(prediction.questions) != {question.sample_id for question in by_clip[prediction.clip_id]}:
                raise UserError(
                    f"{folder} does not have one answer to each question about {prediction.clip_id}; evaluate {name} "
                    "anew."
                )
        found = tuple(question for of_clip in by_clip.values() for question in of_clip)
        if found:
            by_model[name] = found
    if not by_model:
        return (), frozenset()
    first, *others = by_model
    for name in others:
        if by_model[name] != by_model[first]:
            raise UserError(f"{name} and {first} were asked other questions; evaluate both with the same --questions.")
    return by_model[first], frozenset(by_model)


def _read_validation(
    folders: Mapping[str, Path], predictions: Mapping[str, Path], taxonomy: Taxonomy, tested: Sequence[Clip]
) -> dict[str, tuple[tuple[Clip, Prediction], ...]]:
    """Each model's answers on validation clips, refused where a clip is tested too."""
    found = {}
    tested_ids = {clip.clip_id for clip in tested}
    for name, folder in folders.items():
        pairs = _read_further(folder, name, predictions, taxonomy)
        both = [clip.clip_id for clip, _ in pairs if clip.clip_id in tested_ids]
        if both:
            raise UserError(
                f"{folder} holds clips that are tested too, such as {both[0]}; what is fitted there would be fitted "
                "on the test. Evaluate the validation split instead."
            )
        found[name] = pairs
    return found


def _read_anticipation(
    folders: Mapping[str, Path], predictions: Mapping[str, Path], taxonomy: Taxonomy
) -> dict[str, tuple[tuple[Clip, Prediction], ...]]:
    """Each model's answers on windows that end before an event, refused where they are no such windows."""
    found = {}
    for name, folder in folders.items():
        found[name] = _read_further(folder, name, predictions, taxonomy)
        if not any(ANTICIPATION in clip.metadata for clip, _ in found[name]):
            raise UserError(
                f"the clips of {folder} are no windows that end before an event; make them with anticipation_s."
            )
    return found


def _read_judgements(folders: Mapping[str, Path], predictions: Mapping[str, Path]) -> dict[str, Judgements]:
    """What a judge thinks of each model's traces."""
    for name, folder in folders.items():
        _refuse_unknown_name(folder, name, predictions)
    return {name: read_judgements(folder, predictions[name]) for name, folder in folders.items()}


def _refuse_unknown_name(folder: Path, name: str, predictions: Mapping[str, Path]) -> None:
    if name not in predictions:
        raise UserError(f"{folder} is given for {name}, of which there are no predictions; name it as in the others.")


def _read_further(
    folder: Path, name: str, predictions: Mapping[str, Path], taxonomy: Taxonomy
) -> tuple[tuple[Clip, Prediction], ...]:
    """Labelled clips beside the tested ones, with the same model's answer for each."""
    _refuse_unknown_name(folder, name, predictions)
    input_key(folder, "predictions")
    if read_taxonomy(folder) != taxonomy:
        raise UserError(f"{name} was asked with other classes in {folder}; evaluate it with the same.")
    if _asked_model(folder) != _asked_model(predictions[name]):
        raise UserError(
            f"{folder} holds answers of another model than {predictions[name]}, though both are given for {name}; "
            "give those of the same model."
        )
    clips = read_clips(folder)
    by_clip, _ = read_answers(folder, name, clips, taxonomy)
    asked, wanted = _prompt_of(folder), _prompt_of(predictions[name])
    pairs = tuple(
        (clip, _under(by_clip[clip.clip_id], asked, wanted, folder)) for clip in clips if clip.event_class is not None
    )
    _refuse_unknown_labels(folder, [clip for clip, _ in pairs], taxonomy)
    return pairs


def _prompt_of(folder: Path) -> str:
    return str(read_provenance(folder).facts.get("prompt", MAIN))


def _under(prediction: Prediction, asked: str, wanted: str, folder: Path) -> Prediction:
    """The prediction with the direct verdict of the prompt ``wanted``, in the place of that of ``asked``."""
    if asked == wanted:
        return prediction
    if wanted not in prediction.prompt_variants:
        if prediction.verdict.outcome is Outcome.ERROR:
            return prediction
        raise UserError(
            f"{folder} holds verdicts under the prompt {asked}, but those of the test clips are under {wanted}; "
            f"evaluate it with prompt={wanted}."
        )
    return prediction.model_copy(update={"verdict": prediction.prompt_variants[wanted]})


def _asked_model(folder: Path) -> tuple[str, object]:
    """The name of the model whose answers a folder holds, and the key that tells it from others of that name."""
    said = next(iterate_jsonl(folder / PREDICTIONS_FILE, Prediction), None)
    return "" if said is None else said.model, read_provenance(folder).facts.get("model_key")


def _refuse_unknown_labels(folder: Path, clips: Sequence[Clip], taxonomy: Taxonomy) -> None:
    strange = [clip for clip in clips if clip.event_class not in taxonomy.names]
    if strange:
        raise UserError(
            f"{folder} labels {strange[0].clip_id} {strange[0].event_class!r}, but the classes are "
            f"{', '.join(taxonomy.names)}; correct the label or the classes."
        )


def clusters_of(clips: Sequence[Clip]) -> list[int]:
    """Number the independent groups of clips: those that share a group or a triplet belong together."""
    return connected_groups(
        [
            [f"group {clip.group_id}", *([] if clip.triplet_id is None else [f"triplet {clip.triplet_id}"])]
            for clip in clips
        ]
    )


def _refuse_other_clips(first: str, clips: Sequence[Clip], name: str, others: Sequence[Clip]) -> None:
    ours, theirs = ({clip.clip_id: _meaning(clip) for clip in group} for group in (clips, others))
    if set(ours) != set(theirs):
        odd = sorted(set(ours) ^ set(theirs))
        raise UserError(
            f"{name} and {first} were not asked about the same clips ({len(odd)} differ, such as {odd[0]}); "
            "evaluate both on the same clip set and split."
        )
    changed = [clip_id for clip_id, meaning in ours.items() if theirs[clip_id] != meaning]
    if changed:
        raise UserError(
            f"{name} and {first} saw different labels or windows for {changed[0]}; evaluate both on the same clip set."
        )


def _meaning(clip: Clip) -> tuple[object, ...]:
    return (clip.video_id, clip.start_s, clip.end_s, clip.event_class, clip.event_time_s)
