"""What can be opened for review: detections, a clip set, predictions of one or several models, a supervision set."""

from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path, PurePath
from typing import Literal

from vlm_autodrive.artifacts import (
    PREDICTIONS_FILE,
    PROVENANCE,
    absolute_from_artifact,
    read_clips,
    read_provenance,
    read_samples,
    read_taxonomy,
    read_videos,
)
from vlm_autodrive.detection import ListedEvent, ListedTrip, in_trip_time, list_events, read_trips
from vlm_autodrive.errors import UserError
from vlm_autodrive.evaluation import SLICE_FIELDS, read_answers, slice_value
from vlm_autodrive.records import (
    Clip,
    MomentLabel,
    Prediction,
    Taxonomy,
    TripFile,
    has_records,
    item_id_of,
    shown_name,
)
from vlm_autodrive.review.items import ProbabilityCurve, ReviewAnswer, ReviewItem
from vlm_autodrive.review.proposals import ProposedMoment, read_proposals
from vlm_autodrive.review.samples import sample_item
from vlm_autodrive.supervision import ReviewSettings, ReviewStratum, draw_samples, review_strata

SourceKind = Literal["detections", "clips", "predictions", "samples"]

_AROUND_S = 4.0  # seconds before and after an event or a moment that are shown first
_PROPOSED = {"proposed": "yes"}
_WAYS = "give a folder that `autodrive detect`, `clips`, `supervise` or `evaluate` wrote"


@dataclass(frozen=True)
class ReviewSource:
    """A folder that is reviewed.

    Attributes:
        kind: What it holds.
        path: The folder.
        taxonomy: Its classes.
        items: Exactly one for each event, proposed moment or clip in it, in the order of the folder, or for each
            sample that was drawn.
        models: The models whose answers are in it, in order.
        predictions: Of predictions, the folder of each model, by its name.
        strata: Of a supervision set the ids of all samples of the drawn types, by stratum.
        training: Of detections, for each model what footage it was trained on, as far as that is known.
    """

    kind: SourceKind
    path: Path
    taxonomy: Taxonomy
    items: tuple[ReviewItem, ...]
    models: tuple[str, ...]
    predictions: Mapping[str, Path] = field(default_factory=dict)
    strata: Mapping[ReviewStratum, Sequence[str]] = field(default_factory=dict)
    training: tuple[str, ...] = ()


def read_source(path: Path, drawing: ReviewSettings | None = None) -> ReviewSource:
    """Read what is to be reviewed.

    Args:
        path: What ``autodrive detect`` wrote; a clip set; a supervision set; the predictions of one model; or the
            folder that holds those of several models, each in a folder of its own.
        drawing: What is drawn from a supervision set; None for the defaults.

    Raises:
        UserError: If it is none of these, or something is to be drawn from what is no supervision set.
    """
    source = _read(path, drawing or ReviewSettings())
    if drawing is not None and source.kind != "samples":
        raise UserError(f"{path} is no supervision set; leave --samples, --type and --seed out.")
    return source


def _read(path: Path, drawing: ReviewSettings) -> ReviewSource:
    if not path.is_dir():
        raise UserError(f"{path} is no folder; {_WAYS}.")
    if (path / PROVENANCE).is_file():
        kind = read_provenance(path).kind
        if kind == "clips":
            return _of_clips(path)
        if kind == "supervision":
            return _of_samples(path, drawing)
        if kind == "predictions":
            return _of_predictions(path, [path])
        if kind == "detections":
            raise UserError(f"{path} is one trip of a search; give the folder above it, {path.parent}.")
        raise UserError(f"{path} holds {kind}, which cannot be reviewed here; {_WAYS}.")
    of_models = sorted(folder for folder in path.glob("[!.]*") if has_records(folder / PREDICTIONS_FILE))
    if of_models:
        return _of_predictions(path, of_models)
    try:
        trips = read_trips(path)
    except UserError as error:
        if any(path.glob("[!.]*/events.json")):
            raise
        if (path / "predictions").is_dir():
            raise UserError(f"{path} is a run; give what it made, such as {path / 'predictions'}.") from error
        raise UserError(f"{path} holds nothing to review; {_WAYS}.") from error
    return _of_detections(path, trips)


def _of_detections(path: Path, trips: Sequence[ListedTrip]) -> ReviewSource:
    taxonomy = trips[0].taxonomy
    if any(trip.taxonomy != taxonomy for trip in trips):
        raise UserError(
            f"the trips in {path} were searched for different classes; review them in folders of their own."
        )
    by_folder = {trip.folder.name: trip for trip in trips}
    curves = {trip.folder.name: ProbabilityCurve(windows=trip.detections.windows) for trip in trips}
    proposed = read_proposals(path, trips)
    of_event = {(moment.folder, moment.event_id): moment for moment in proposed if moment.event_id is not None}
    items = [
        _event_item(by_folder[e.folder], e, curves[e.folder], of_event.get((e.folder, e.event_id)))
        for e in list_events(trips)
    ]
    items += [_moment_item(by_folder[m.folder], m, curves[m.folder]) for m in proposed if m.event_id is None]
    items.sort(key=lambda item: (item.title, item.start_s))
    models = tuple(dict.fromkeys(answer.model for item in items for answer in item.answers))
    searches = [trip.detections for trip in trips if trip.detections.training]
    training = tuple(dict.fromkeys(f"{found.model}: {found.training}" for found in searches))
    return ReviewSource("detections", path, taxonomy, tuple(items), models, training=training)


def _event_item(
    trip: ListedTrip, event: ListedEvent, curve: ProbabilityCurve, proposed: ProposedMoment | None
) -> ReviewItem:
    label = MomentLabel(
        event_class=event.event_class,
        time_s=event.trip_time_s,
        start_s=event.start_s,
        end_s=event.end_s,
    )
    answer = ReviewAnswer(
        model=event.model,
        label=label,
        probabilities=event.probabilities,
        calibrated_probability=event.calibrated_probability,
        reasoning=event.reasoning,
        reasoning_class=event.reasoning_class,
        contradicts=event.contradicts,
        cited_times_s=event.cited_times_s,
        threshold=event.threshold,
        alert_time_s=event.alert_time_s,
        curve=curve,
    )
    return ReviewItem(
        item_id=item_id_of("event", event.folder, event.event_id),
        kind="event",
        title=event.trip,
        files=trip.detections.files,
        video_stream=trip.detections.video_stream,
        start_s=max(0.0, min(event.start_s, event.trip_time_s - _AROUND_S)),
        end_s=min(trip.length_s, max(event.end_s, event.trip_time_s + _AROUND_S)),
        duration_s=trip.length_s,
        answers=(answer, *(proposed.answers[1:] if proposed is not None else ())),
        slices={"trip": event.trip} | (_PROPOSED if proposed is not None else {}),
    )


def _moment_item(trip: ListedTrip, moment: ProposedMoment, curve: ProbabilityCurve) -> ReviewItem:
    first, *others = moment.answers
    middle_s = (moment.start_s + moment.end_s) / 2
    answer = first.model_copy(update={"threshold": trip.detections.threshold, "curve": curve})
    return ReviewItem(
        item_id=moment.item_id,
        kind="moment",
        title=trip.name,
        files=trip.detections.files,
        video_stream=trip.detections.video_stream,
        start_s=max(0.0, min(moment.start_s, middle_s - _AROUND_S)),
        end_s=min(trip.length_s, max(moment.end_s, middle_s + _AROUND_S)),
        duration_s=trip.length_s,
        answers=(answer, *others),
        slices={"trip": trip.name} | _PROPOSED,
    )


def _of_clips(path: Path) -> ReviewSource:
    clips = read_clips(path)
    lengths_s = _video_lengths(path)
    items = tuple(_clip_item(clip, (), lengths_s) for clip in clips)
    return ReviewSource("clips", path, read_taxonomy(path), items, ())


def _of_samples(path: Path, drawing: ReviewSettings) -> ReviewSource:
    taxonomy, samples = read_taxonomy(path), read_samples(path)
    clips = {clip.clip_id: clip for clip in read_clips(path)}
    drawn = draw_samples(samples, clips, drawing)
    lengths_s = _video_lengths(path)
    shown = {name: _clip_item(clips[name], (), lengths_s) for name in {sample.clip_id for sample in drawn}}
    items = tuple(
        sample_item(sample, clips[sample.clip_id], shown[sample.clip_id], taxonomy, place)
        for place, sample in enumerate(drawn)
    )
    strata = review_strata((sample for sample in samples if sample.type in drawing.types), clips)
    return ReviewSource("samples", path, taxonomy, items, (), strata=strata)


def _of_predictions(path: Path, folders: Sequence[Path]) -> ReviewSource:
    taxonomy = read_taxonomy(folders[0])
    clips: dict[str, Clip] = {}
    answers: defaultdict[str, list[ReviewAnswer]] = defaultdict(list)
    models: dict[str, Path] = {}
    for folder in folders:
        if read_taxonomy(folder) != taxonomy:
            raise UserError(
                f"{folders[0].name} and {folder.name} in {path} have different classes; review one of them."
            )
        found = {clip.clip_id: clip for clip in read_clips(folder)}
        for clip_id, clip in found.items():
            known = clips.setdefault(clip_id, clip)
            if (known.path, known.start_s, known.end_s) != (clip.path, clip.start_s, clip.end_s):
                raise UserError(f"the clip {clip_id} is another one in {folder}; review the models one by one.")
        by_clip, _ = read_answers(folder, folder.name, list(found.values()), taxonomy)
        name = next((each.model for each in by_clip.values()), folder.name) if len(folders) == 1 else folder.name
        for clip_id, prediction in by_clip.items():
            answers[clip_id].append(_answer(name, prediction, found[clip_id], taxonomy))
        models[name] = folder
    lengths_s = _video_lengths(folders[0])
    items = tuple(_clip_item(clip, answers[clip.clip_id], lengths_s) for clip in clips.values())
    return ReviewSource("predictions", path, taxonomy, items, tuple(models), models)


def _answer(name: str, prediction: Prediction, clip: Clip, taxonomy: Taxonomy) -> ReviewAnswer:
    verdict, trace = prediction.verdict, prediction.reasoning
    label = None
    if verdict.event_class is not None:
        is_event = verdict.event_class in taxonomy.event_names
        time_s = trace.event_time_s if trace is not None and is_event else None
        label = MomentLabel(event_class=verdict.event_class, time_s=None if time_s is None else clip.start_s + time_s)
    reasoning_class = trace.event_class if trace is not None else None
    return ReviewAnswer(
        model=name,
        outcome=verdict.outcome,
        reason=verdict.reason or (trace.reason if trace is not None else ""),
        label=label,
        probabilities=verdict.probabilities or {},
        reasoning=in_trip_time(trace.trace, clip.start_s) if trace is not None else "",
        reasoning_class=reasoning_class,
        contradicts=reasoning_class is not None and reasoning_class != verdict.event_class,
        cited_times_s=tuple(round(clip.start_s + t, 6) for t in trace.cited_times_s) if trace is not None else (),
    )


def _clip_item(clip: Clip, answers: Sequence[ReviewAnswer], lengths_s: Mapping[str, float]) -> ReviewItem:
    duration_s = max(clip.end_s, lengths_s.get(clip.video_id, 0.0))
    label = None
    if clip.event_class is not None:
        label = MomentLabel(
            event_class=clip.event_class,
            time_s=None if clip.event_time_s is None else clip.start_s + clip.event_time_s,
            alert_time_s=None if clip.alert_time_s is None else clip.start_s + clip.alert_time_s,
        )
    slices = {field: value for field in SLICE_FIELDS if (value := slice_value(clip, field))}
    return ReviewItem(
        item_id=item_id_of("clip", clip.clip_id),
        kind="clip",
        title=shown_name(f"{clip.clip_id} ({PurePath(clip.path).name})"),
        files=(TripFile(path=clip.path, start_s=0.0, duration_s=duration_s),),
        video_stream=clip.video_stream,
        start_s=clip.start_s,
        end_s=clip.end_s,
        duration_s=duration_s,
        label=label,
        answers=tuple(answers),
        slices=slices,
        split=clip.split,
        video_id=clip.video_id,
        clip_id=clip.clip_id,
        problem=clip.problem,
    )


def _video_lengths(folder: Path) -> dict[str, float]:
    """The length of each video, as the catalog tells it; empty if the catalog is no longer there."""
    inputs = read_provenance(folder).inputs
    if "clips" in inputs:
        clips = Path(absolute_from_artifact(inputs["clips"].path, folder))
        return _video_lengths(clips) if (clips / PROVENANCE).is_file() else {}
    if "catalog" not in inputs:
        return {}
    catalog = Path(absolute_from_artifact(inputs["catalog"].path, folder))
    try:
        return {v.video_id: v.duration_s for v in read_videos(catalog) if v.duration_s is not None}
    except UserError:
        return {}
