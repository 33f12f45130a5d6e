"""Lists of the clips behind the counts: cells of the confusion matrices, clips that one model alone has right."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from vlm_autodrive.artifacts import relative_to_artifact
from vlm_autodrive.evaluation.report.examples import ByModel, answer_label
from vlm_autodrive.evaluation.report.formats import title_of
from vlm_autodrive.evaluation.score import Comparison
from vlm_autodrive.records import Clip, Prediction, Taxonomy


@dataclass(frozen=True)
class ListedClip:
    """One clip of a list.

    Attributes:
        clip_id: The clip.
        video: Its video, from the comparison's folder. It is no link: the page may be opened anywhere, and a link
            that works from one folder alone would be broken for most readers.
        start_s: Start of the window in it.
        end_s: End of the window.
        truth: Label of its class.
        answers: Answer of each model of the list, in the list's order.
        probabilities: What the first of them gave each class; empty without probabilities.
    """

    clip_id: str
    video: str
    start_s: float
    end_s: float
    truth: str
    answers: tuple[str, ...]
    probabilities: tuple[float, ...]


@dataclass(frozen=True)
class ClipList:
    """The clips behind one count.

    Attributes:
        anchor: Its place on the page.
        title: What the clips have in common.
        models: Whose answers are shown.
        total: How many there are.
        clips: The first of them, those first of which the first model is surest.
    """

    anchor: str
    title: str
    models: tuple[str, ...]
    total: int
    clips: tuple[ListedClip, ...]


def cell_anchor(model: int, truth: int, answer: int) -> str:
    """The anchor of a cell's clips: numbers, since a model's name may hold what an anchor may not."""
    return f"cell-{model}-{truth}-{answer}"


def flip_anchor(pair: int, second_right: bool) -> str:
    """The anchor of the clips that only the second model of a pair has right, or only the first."""
    return f"flips-{pair}-only-{'second' if second_right else 'first'}-right"


def confusion_lists(
    clips: Sequence[Clip], predictions: ByModel, taxonomy: Taxonomy, folder: Path, most: int
) -> dict[str, list[ClipList]]:
    """For each model, the clips of every cell of its confusion matrix that holds any.

    Args:
        clips: All clips.
        predictions: Every model's.
        taxonomy: The classes.
        folder: The folder from which videos are named.
        most: How many clips a list shows.
    """
    names = taxonomy.names
    labels = [c.label for c in taxonomy.classes]
    found: dict[str, list[ClipList]] = {}
    for number, (model, predicted) in enumerate(predictions.items()):
        cells: dict[tuple[int, int], list[Clip]] = {}
        for clip in clips:
            answer = predicted[clip.clip_id].verdict.event_class
            column = len(names) if answer is None else names.index(answer)
            cells.setdefault((names.index(str(clip.event_class)), column), []).append(clip)
        found[model] = [
            _list(
                cell_anchor(number, i, j),
                f"{title_of(model)}: {labels[i]} predicted {[*labels, 'no class'][j]}",
                {model: predicted},
                cells[i, j],
                taxonomy,
                folder,
                most,
            )
            for i, j in sorted(cells)
        ]
    return found


def flip_lists(
    comparison: Comparison, clips: Sequence[Clip], predictions: ByModel, taxonomy: Taxonomy, folder: Path, most: int
) -> list[ClipList]:
    """For each pair of models, the clips that only one of the two has right."""
    by_id = {clip.clip_id: clip for clip in clips}
    found = []
    for number, pair in enumerate(comparison.pairs):
        predicted = {pair.second: predictions[pair.second], pair.first: predictions[pair.first]}
        for second_right, ids in ((True, pair.only_second_right), (False, pair.only_first_right)):
            if ids:
                right, wrong = (pair.second, pair.first) if second_right else (pair.first, pair.second)
                title = f"Correct by {title_of(right)} alone, wrong by {title_of(wrong)}"
                flipped = [by_id[clip_id] for clip_id in ids]
                found.append(
                    _list(flip_anchor(number, second_right), title, predicted, flipped, taxonomy, folder, most)
                )
    return found


def _list(
    anchor: str,
    title: str,
    predicted: Mapping[str, Mapping[str, Prediction]],
    clips: Sequence[Clip],
    taxonomy: Taxonomy,
    folder: Path,
    most: int,
) -> ClipList:
    first = next(iter(predicted.values()))

    def unsureness(clip: Clip) -> tuple[float, str]:
        verdict = first[clip.clip_id].verdict
        sure = (verdict.probabilities or {}).get(str(verdict.event_class), 0.0)
        return -sure, clip.clip_id

    return ClipList(
        anchor=anchor,
        title=title,
        models=tuple(predicted),
        total=len(clips),
        clips=tuple(
            _listed(clip, [by_clip[clip.clip_id] for by_clip in predicted.values()], taxonomy, folder)
            for clip in sorted(clips, key=unsureness)[:most]
        ),
    )


def _listed(clip: Clip, predicted: Sequence[Prediction], taxonomy: Taxonomy, folder: Path) -> ListedClip:
    probabilities = predicted[0].verdict.probabilities
    return ListedClip(
        clip_id=clip.clip_id,
        video=relative_to_artifact(clip.path, folder.absolute()),
        start_s=clip.start_s,
        end_s=clip.end_s,
        truth=taxonomy.by_name(str(clip.event_class)).label,
        answers=tuple(answer_label(p.verdict.event_class, p.verdict.outcome.value, taxonomy) for p in predicted),
        probabilities=() if probabilities is None else tuple(probabilities[name] for name in taxonomy.names),
    )
