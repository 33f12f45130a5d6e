"""Diagnostics of the controls: a model whose score does not depend on the video, or on the order of its frames."""

from collections.abc import Iterator, Sequence

import numpy as np
from numpy.typing import NDArray

from vlm_autodrive.evaluation.score import Diagnostic, EvaluationSamples
from vlm_autodrive.metrics import Bootstrap, classification, cohen_kappa

WITHOUT_VIDEO = {"black": "black video", "no_video": "no video at all"}
"""The controls that leave nothing to see, in words."""

_SHUFFLED = "shuffled"
_LITTLE = 0.2  # of what a model has above luck; who loses less, has lost nothing to speak of
_SAME = 0.8  # Cohen's kappa between two rows of answers that are as good as the same
_FEWEST = 10
_DEALS = 200
_RESAMPLES = 500
_LUCK_PERCENTILE = 99

Answers = Sequence[str | None]


def diagnose_video(samples: EvaluationSamples, model: str) -> Iterator[Diagnostic]:
    """Whether a model's score comes from the video.

    A control's macro-F1 is *earned* if its whole interval lies above what its answers reach in 99 of 100 random deals
    to the clips: with nothing to see, an earned score comes from elsewhere. If the model loses next to nothing there
    (less than a fifth of what it has above luck, or a loss whose interval reaches 0), it ignores the video; if it loses
    more, a part of its score comes from elsewhere. A model whose answers stay the same without video, while not all
    alike, ignores it too, however it scores.
    """
    ignoring, partly = [], []
    for control, words in WITHOUT_VIDEO.items():
        tried = _ControlTrial(samples, model, control)
        keeps = f"macro-F1 {tried.kept:.2f} on {words} against {tried.own:.2f} on video, where {tried.luck:.2f} is luck"
        earned = tried.is_earned
        if earned and (tried.loses_little or tried.may_lose_nothing):
            ignoring.append(keeps)
        elif len(tried.both) >= _FEWEST and (cohen_kappa(*zip(*tried.both, strict=True)) or 0.0) >= _SAME:
            same = np.mean([true == changed for true, changed in tried.both])
            ignoring.append(f"the same answer on {words} for {same:.0%} of the clips")
        elif earned:
            partly.append(keeps)
    if ignoring:
        yield Diagnostic(
            severity="invalid",
            kind="ignores_video",
            model=model,
            text=f"{model} does not look at the video: {'; '.join(ignoring)}. Whatever it goes by, it is not what "
            "happens in the clips, and its metrics are no proof of sight.",
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
    if tried.is_earned and tried.loses_little:
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
        self.luck, self._most_luck = _luck(self._truths, self.changed, self._names)
        self._own_luck, _ = _luck(self._truths, self.answers, self._names)

    @property
    def both(self) -> list[tuple[str, str]]:
        """The answers of the clips that are answered both ways, so that a video that cannot be read counts for none."""
        pairs = zip(self.answers, self.changed, strict=True)
        return [(true, changed) for true, changed in pairs if true is not None and changed is not None]

    @property
    def is_earned(self) -> bool:
        """Whether what is kept lies above luck, with its whole interval."""
        if len(self.places) < _FEWEST or self.kept <= self._most_luck:
            return False
        low = self._bootstrap.estimate(self._tables(self.changed), classification.macro_f1).low
        return low is not None and low > self._most_luck

    @property
    def loses_little(self) -> bool:
        """Whether next to nothing is lost, of what the model has above luck."""
        return self.own - self.kept < _LITTLE * (self.own - self._own_luck)

    @property
    def may_lose_nothing(self) -> bool:
        """Whether the interval of the loss, paired clip for clip, reaches 0."""
        tables = self._tables(self.changed), self._tables(self.answers)
        lost = self._bootstrap.difference(*tables, classification.macro_f1)
        return lost.value == 0 if lost.low is None else lost.low <= 0

    def _score(self, answers: Answers) -> float:
        if not self.places:
            return 0.0
        table = classification.confusion(self._truths, answers, self._names)
        return float(np.nan_to_num(classification.macro_f1(table)))

    def _tables(self, answers: Answers) -> NDArray[np.float64]:
        return classification.one_hot_confusion(self._truths, answers, self._names)


def _luck(truths: Sequence[str], answers: Answers, names: Sequence[str]) -> tuple[float, float]:
    """The macro-F1 of answers that are dealt out at random: its mean, and what one deal in a hundred passes."""
    if not truths:
        return 0.0, 0.0
    width = len(names) + 1
    place = {name: index for index, name in enumerate(names)}
    rows = np.array([place[truth] for truth in truths], dtype=np.intp)
    columns = np.array([len(names) if answer is None else place[answer] for answer in answers], dtype=np.intp)
    chance = np.random.default_rng(0)
    tables = np.stack(
        [np.bincount(rows * width + chance.permutation(columns), minlength=len(names) * width) for _ in range(_DEALS)]
    )
    scores: NDArray[np.float64] = classification.macro_f1(tables.reshape(_DEALS, len(names), width).astype(np.float64))
    return float(scores.mean()), float(np.percentile(scores, _LUCK_PERCENTILE))
