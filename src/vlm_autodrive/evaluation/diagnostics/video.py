"""Diagnostics of the controls: a model whose score does not depend on the video, or on the order of its frames."""

from collections.abc import Iterator, Sequence

import numpy as np
from numpy.typing import NDArray

from vlm_autodrive.evaluation.score import Diagnostic, EvaluationSamples
from vlm_autodrive.metrics import Bootstrap, classification, cohen_kappa

WITHOUT_VIDEO = {"black": "black video", "no_video": "no video at all"}
"""The controls without any video, in words."""

_SHUFFLED = "shuffled"
_MAX_RELATIVE_DROP = 0.2  # of the macro-F1 above chance; a smaller drop counts as none
_MIN_KAPPA = 0.8  # Cohen's kappa from which two rows of answers count as the same
_MIN_CLIPS = 10
_N_PERMUTATIONS = 200
_RESAMPLES = 500
_CHANCE_PERCENTILE = 99

Answers = Sequence[str | None]


def diagnose_video(samples: EvaluationSamples, model: str) -> Iterator[Diagnostic]:
    """Whether a model's score comes from the video.

    A control's macro-F1 is above chance if its whole interval lies above the 99th percentile of a permutation test,
    which permutes the answers over the clips: without video, such a score comes from elsewhere. If the drop from the
    macro-F1 on video is negligible (less than a fifth of what that has above chance, or a drop whose interval reaches
    0), the model ignores the video; if it is larger, a part of the score comes from elsewhere. A model whose answers
    stay the same without video, while not all alike, ignores it too, however it scores.
    """
    ignoring, partly = [], []
    for control, words in WITHOUT_VIDEO.items():
        tried = _ControlTrial(samples, model, control)
        keeps = (
            f"macro-F1 {tried.kept:.2f} on {words} against {tried.own:.2f} on video, where {tried.chance:.2f} is chance"
        )
        above_chance = tried.is_above_chance
        if above_chance and (tried.drop_is_small or tried.drop_may_be_zero):
            ignoring.append(keeps)
        elif len(tried.both) >= _MIN_CLIPS and (cohen_kappa(*zip(*tried.both, strict=True)) or 0.0) >= _MIN_KAPPA:
            same = np.mean([true == changed for true, changed in tried.both])
            ignoring.append(f"the same answer on {words} for {same:.0%} of the clips")
        elif above_chance:
            partly.append(keeps)
    if ignoring:
        yield Diagnostic(
            severity="invalid",
            kind="ignores_video",
            model=model,
            text=f"{model} does not use the video: {'; '.join(ignoring)}. Its answers come from something "
            "else, so its metrics are not evidence that it uses the video.",
        )
        return
    if partly:
        yield Diagnostic(
            severity="warning",
            kind="part_without_video",
            model=model,
            text=f"A part of the score of {model} does not come from the video: {'; '.join(partly)}. Something beside "
            "the pictures tells the class, such as the number of frames or their times; see `autodrive audit`.",
        )
    tried = _ControlTrial(samples, model, _SHUFFLED)
    if tried.is_above_chance and tried.drop_is_small:
        yield Diagnostic(
            severity="warning",
            kind="ignores_order",
            model=model,
            text=f"{model} does not use the order of the frames: macro-F1 {tried.kept:.2f} with them shuffled "
            f"against {tried.own:.2f}. It goes by what single frames show, not by how things move.",
        )


def answers_on(samples: EvaluationSamples, model: str, control: str) -> tuple[list[int], list[str | None]]:
    """The places of the clips that a control was tried on, and the answers there."""
    places = [i for i, p in enumerate(samples.predictions[model]) if control in p.controls]
    return places, [samples.predictions[model][i].controls[control].event_class for i in places]


class _ControlTrial:
    """A model's answers on a control, beside those on the same clips untouched."""

    def __init__(self, samples: EvaluationSamples, model: str, control: str) -> None:
        self.places, self.changed = answers_on(samples, model, control)
        answers, truths = samples.answers(model), samples.truths
        self.answers = [answers[i] for i in self.places]
        self._truths = [truths[i] for i in self.places]
        self._bootstrap = Bootstrap(samples.clusters, _RESAMPLES).select(np.array(self.places, dtype=np.intp))
        self._names = samples.taxonomy.names
        self.own, self.kept = self._score(self.answers), self._score(self.changed)
        self.chance, self._max_chance = _chance_level(self._truths, self.changed, self._names)
        self._own_chance, _ = _chance_level(self._truths, self.answers, self._names)

    @property
    def both(self) -> list[tuple[str, str]]:
        """The answers of the clips that are answered both ways, so that a video that cannot be read counts for none."""
        pairs = zip(self.answers, self.changed, strict=True)
        return [(true, changed) for true, changed in pairs if true is not None and changed is not None]

    @property
    def is_above_chance(self) -> bool:
        """Whether the whole interval of the macro-F1 on the control lies above chance."""
        if len(self.places) < _MIN_CLIPS or self.kept <= self._max_chance:
            return False
        low = self._bootstrap.estimate(self._tables(self.changed), classification.macro_f1).low
        return low is not None and low > self._max_chance

    @property
    def drop_is_small(self) -> bool:
        """Whether the drop is a small part of what the macro-F1 on video has above chance."""
        return self.own - self.kept < _MAX_RELATIVE_DROP * (self.own - self._own_chance)

    @property
    def drop_may_be_zero(self) -> bool:
        """Whether the interval of the drop, paired clip for clip, reaches 0."""
        tables = self._tables(self.changed), self._tables(self.answers)
        drop = self._bootstrap.difference(*tables, classification.macro_f1)
        return drop.value == 0 if drop.low is None else drop.low <= 0

    def _score(self, answers: Answers) -> float:
        if not self.places:
            return 0.0
        table = classification.confusion(self._truths, answers, self._names)
        return float(np.nan_to_num(classification.macro_f1(table)))

    def _tables(self, answers: Answers) -> NDArray[np.float64]:
        return classification.one_hot_confusion(self._truths, answers, self._names)


def _chance_level(truths: Sequence[str], answers: Answers, names: Sequence[str]) -> tuple[float, float]:
    """The macro-F1 of answers permuted over the clips: its mean, and its 99th percentile."""
    if not truths:
        return 0.0, 0.0
    width = len(names) + 1
    place = {name: index for index, name in enumerate(names)}
    rows = np.array([place[truth] for truth in truths], dtype=np.intp)
    columns = np.array([len(names) if answer is None else place[answer] for answer in answers], dtype=np.intp)
    rng = np.random.default_rng(0)
    tables = np.stack(
        [
            np.bincount(rows * width + rng.permutation(columns), minlength=len(names) * width)
            for _ in range(_N_PERMUTATIONS)
        ]
    )
    scores: NDArray[np.float64] = classification.macro_f1(
        tables.reshape(_N_PERMUTATIONS, len(names), width).astype(np.float64)
    )
    return float(scores.mean()), float(np.percentile(scores, _CHANCE_PERCENTILE))
