"""Applying a reduced history to the records of a catalog: each correction gives exactly one outcome."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from vlm_autodrive.artifacts import History
from vlm_autodrive.datasets.corrections.editing import CatalogEditor, NotApplied
from vlm_autodrive.datasets.corrections.labels import label_of
from vlm_autodrive.datasets.corrections.settings import CorrectionSettings
from vlm_autodrive.datasets.corrections.targets import Target, contradictions, repeated, target_of
from vlm_autodrive.datasets.corrections.videos import CorrectedVideos
from vlm_autodrive.errors import UserError
from vlm_autodrive.records import CatalogChange, Correction, CorrectionOutcome, Event, SampleLabel, Taxonomy, Video

_FROZEN = (
    "it is of the test split, which stays as it is so that scores can be compared; relabel_test (--relabel-test) "
    "relabels it"
)


@dataclass(frozen=True)
class AppliedCorrections:
    """A catalog after its corrections.

    Attributes:
        videos: All videos; new ones come last.
        events: All events.
        new_videos: Ids of the new videos.
        outcomes: What became of each correction, in their order.
        changes: What was changed.
        before: Counts of the classes before.
        after: Counts after.
        relabelled: Ids of the videos whose events are others, or elsewhere, now.
        reclassified: Ids of those where more than a time is another.
    """

    videos: tuple[Video, ...]
    events: tuple[Event, ...]
    new_videos: tuple[str, ...]
    outcomes: tuple[CorrectionOutcome, ...]
    changes: tuple[CatalogChange, ...]
    before: dict[str, int]
    after: dict[str, int]
    relabelled: frozenset[str]
    reclassified: frozenset[str]


def apply_history(
    corrections: Sequence[Correction],
    history: History,
    videos: Sequence[Video],
    events: Sequence[Event],
    taxonomy: Taxonomy,
    settings: CorrectionSettings,
    test_ids: frozenset[str] = frozenset(),
) -> AppliedCorrections:
    """Apply what holds of a history.

    Args:
        corrections: All corrections, in order.
        history: The same, reduced.
        videos: The catalog's videos.
        events: Its events.
        taxonomy: Its classes.
        settings: Whose decision counts, and whether the test split may change.
        test_ids: Videos of a frozen test split.
    """
    found = CorrectedVideos(videos, history.holding)
    editor = CatalogEditor(videos, events, taxonomy, settings.time_tolerance_s)
    before = editor.counts()
    outcomes = {name: ("superseded", why) for name, why in history.superseded.items()}
    outcomes |= {name: ("refused", why) for name, why in history.refused.items()}
    events_of: dict[str, list[Event]] = {}
    for event in events:
        events_of.setdefault(event.video_id, []).append(event)
    targets: list[Target] = []
    normal = taxonomy.normal.name
    for correction in history.holding:
        video, label = found.of(correction), label_of(correction)
        if isinstance(video, str):
            outcomes[correction.correction_id] = "refused", video
        elif not settings.relabel_test and _is_tested(correction, video, test_ids):
            outcomes[correction.correction_id] = "refused", _FROZEN
        elif label is None:
            outcomes[correction.correction_id] = "refused", "it says nothing: there is no label before or after it"
        else:
            said = history.first_said.get(correction.item_id)
            assert not isinstance(said, SampleLabel)  # refused before
            near = events_of.get(video.video_id, [])
            targets.append(target_of(correction, label, said, video, near, normal, settings.time_tolerance_s))
    conflicts, outvoted = contradictions(targets, normal, settings.time_tolerance_s, settings.reviewer)
    outcomes |= {name: ("conflict", why) for name, why in conflicts.items()}
    outcomes |= {name: ("superseded", why) for name, why in outvoted.items()}
    left = [target for target in targets if target.correction.correction_id not in outcomes]
    outcomes |= {name: ("unchanged", why) for name, why in repeated(left).items()}
    videos_of = {target.correction.correction_id: target.video.video_id for target in targets}
    for target in left:
        name = target.correction.correction_id
        if name not in outcomes:
            outcomes[name] = _applied(editor, target)
    new = tuple(name for name in editor.videos if name not in found.catalog)
    return AppliedCorrections(
        videos=tuple(editor.videos.values()),
        events=tuple(editor.events.values()),
        new_videos=new,
        outcomes=tuple(_outcome(c, *outcomes[c.correction_id], videos_of, editor) for c in corrections),
        changes=tuple(editor.changes),
        before=before,
        after=editor.counts(),
        relabelled=frozenset(editor.relabelled),
        reclassified=frozenset(editor.reclassified),
    )


def read_ids(path: Path) -> frozenset[str]:
    """The ids of a file with one a line; lines that begin with ``#`` are remarks.

    Raises:
        UserError: If it cannot be read.
    """
    try:
        lines = path.read_text(encoding="utf-8-sig").splitlines()
    except (OSError, UnicodeDecodeError):
        raise UserError(
            f"{path} is no text file that can be read; give the ids of the test videos, one a line."
        ) from None
    return frozenset(text for line in lines if (text := line.strip()) and not text.startswith("#"))


def _applied(editor: CatalogEditor, target: Target) -> tuple[str, str]:
    try:
        said = editor.apply(target)
    except NotApplied as error:
        return "conflict" if error.conflict else "refused", str(error)
    return ("applied", said) if said else ("unchanged", "the catalog says so already")


def _is_tested(correction: Correction, video: Video, test_ids: frozenset[str]) -> bool:
    prescribed = (video.split or "").casefold().startswith("test")
    return correction.split == "test" or video.video_id in test_ids or prescribed


def _outcome(
    correction: Correction, outcome: str, reason: str, videos_of: dict[str, str], editor: CatalogEditor
) -> CorrectionOutcome:
    video_id = videos_of.get(correction.correction_id, correction.video_id)
    return CorrectionOutcome.model_validate(
        {
            "correction_id": correction.correction_id,
            "item_id": correction.item_id,
            "decision": correction.decision,
            "reviewer": correction.reviewer,
            "outcome": outcome,
            "reason": reason,
            "video_id": video_id if video_id in editor.videos else None,
        }
    )
