"""Diagnostics of names: file names that predict the class, and models that use them.

A classifier (multinomial naive Bayes on the presence of runs of 1 to 5 characters, digits as they are, in the clip's
and the video's id and the file's name; folders do not count) learns to tell the class, or a model's answer, from the
names of some clusters of clips, and is tried on the others. What it reaches is Cohen's kappa, agreement beyond chance.
It counts only if it passes every one of forty tries in which the classes were dealt out to the clips anew.
"""

from collections.abc import Iterator, Sequence
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from vlm_autodrive.evaluation.diagnostics.video import WITHOUT_VIDEO, answers_on
from vlm_autodrive.evaluation.score import Diagnostic, EvaluationSamples
from vlm_autodrive.metrics import FOLDS, Bootstrap, cohen_kappa, held_out_by_name, name_features
from vlm_autodrive.records import Clip

_DEALS = 40
_FEWEST_CLIPS = 20
_FEWEST_CLUSTERS = 10
_TELLS = 0.5  # kappa from which on names tell something that matters
_FOLLOWS = 0.9  # kappa from which on answers are as good as given by the names

Labels = NDArray[np.intp]


def diagnose_names(samples: EvaluationSamples) -> Iterator[Diagnostic]:
    """Whether the names tell the class, and which models go by them.

    That names tell the class is a fault of the clips and no proof against a model that is right. A model is accused if
    its answers without any video follow the names, or if its answers follow the names nearly without exception (kappa
    0.9 or more) and better than they follow the truth.
    """
    if len(samples.clips) < _FEWEST_CLIPS or len(set(samples.clusters)) < _FEWEST_CLUSTERS:
        return
    names = _NameClassifier(samples.clips, samples.clusters)
    truths: list[str | None] = list(samples.truths)
    told = names.tell(truths)
    if told is not None:
        right = _same(told, truths)
        followers = [
            f"{model} {_same(told, samples.answers(model)):.0%}"
            for model in samples.predictions
            if any(answer is not None for answer in samples.answers(model))
        ]
        yield Diagnostic(
            severity="warning",
            kind="names_tell_class",
            model=None,
            text=f"The names of the clips tell their class: from names alone, without a look at any video, {right:.0%} "
            f"are classed rightly. Answers that agree with the names: {', '.join(followers)}. A model that is given "
            "names needs no video; the controls show whether one needed it.",
        )
    for model in samples.predictions:
        reason = _without_video(samples, model, names) or _beyond_truth(samples, model, names)
        if reason:
            yield Diagnostic(
                severity="invalid",
                kind="follows_file_name",
                model=model,
                text=f"{model} goes by the names of the files or clips: {reason}. It reads the name, or what the name "
                "stands for (a camera, a folder, a list), and not what happens.",
            )


def _without_video(samples: EvaluationSamples, model: str, names: "_NameClassifier") -> str:
    """How the answers follow the names with nothing to see; empty if they do not."""
    for control, words in WITHOUT_VIDEO.items():
        places, answers = answers_on(samples, model, control)
        told = names.tell(answers) if len(places) == len(samples.clips) else None
        if told is not None:
            return f"on {words}, {_same(told, answers):.0%} of its answers can be told from the names alone"
    return ""


def _beyond_truth(samples: EvaluationSamples, model: str, names: "_NameClassifier") -> str:
    """How the answers follow the names better than the truth; empty if they do not."""
    answers = samples.answers(model)
    told = names.tell(answers, _FOLLOWS)
    if told is None:
        return ""
    rows = list(zip(told, samples.truths, answers, strict=True))
    ahead = (
        Bootstrap(samples.clusters)
        .select(np.array([bool(answer) for answer in answers]))
        .mean(np.array([float(name == answer) - float(truth == answer) for name, truth, answer in rows if answer]))
    )
    least = ahead.value if ahead.low is None else ahead.low  # without spread there is no interval
    if least is None or least <= 0:
        return ""
    return (
        f"{_same(told, answers):.0%} of its answers can be told from the names alone, but only "
        f"{_same(samples.truths, answers):.0%} agree with the truth"
    )


def _same(said: Sequence[str | None], answers: Sequence[str | None]) -> float:
    """The proportion of the answers given that are what is said."""
    return float(np.mean([one == answer for one, answer in zip(said, answers, strict=True) if answer is not None]))


class _NameClassifier:
    """The names of clips as runs of characters, in folds of whole clusters."""

    def __init__(self, clips: Sequence[Clip], clusters: Sequence[int]) -> None:
        texts = [" ".join(dict.fromkeys((clip.clip_id, clip.video_id, Path(clip.path).stem))) for clip in clips]
        self._features = name_features(texts)
        self._clusters = np.asarray(clusters, dtype=np.intp)

    def tell(self, wanted: Sequence[str | None], least: float = _TELLS) -> list[str | None] | None:
        """What the names of other clusters say of each clip that has an answer, and None for the others.

        Returns:
            None if what they say is below ``least``, or no better than luck.
        """
        answered = np.array([place for place, value in enumerate(wanted) if value is not None], dtype=np.intp)
        values = list(dict.fromkeys(value for value in wanted if value is not None))
        if len(values) < 2 or len(answered) < _FEWEST_CLIPS or not self._features.shape[1]:
            return None
        features, clusters = self._features[answered], self._clusters[answered]
        folds = min(FOLDS, len(np.unique(clusters)))
        if folds < 2:
            return None
        labels = np.array([values.index(str(wanted[place])) for place in answered], dtype=np.intp)
        told = held_out_by_name(features, labels, clusters, folds=folds).argmax(axis=1)
        reached = cohen_kappa(told.tolist(), labels.tolist()) or 0.0
        if reached < least:
            return None
        for deal in _deals(clusters):
            dealt = labels[deal]
            by_luck = held_out_by_name(features, dealt, clusters, folds=folds).argmax(axis=1)
            if (cohen_kappa(by_luck.tolist(), dealt.tolist()) or 0.0) >= reached:
                return None
        result: list[str | None] = [None] * len(wanted)
        for place, number in zip(answered.tolist(), told.tolist(), strict=True):
            result[place] = values[number]
        return result


def _deals(clusters: Labels) -> Iterator[Labels]:
    """Places in new orders: clusters are dealt as wholes, then what is in each is shuffled."""
    chance = np.random.default_rng(1)
    order = np.argsort(clusters, kind="stable")
    for _ in range(_DEALS):
        turns = chance.random(int(clusters.max()) + 1)[clusters]
        dealt = np.empty(len(clusters), dtype=np.intp)
        dealt[order] = np.lexsort((chance.random(len(clusters)), turns))
        yield dealt
