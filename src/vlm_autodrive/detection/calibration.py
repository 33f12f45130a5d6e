"""Calibration of a model on long video: operating points by false alarms per hour, kept in the model's card."""

from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np

from vlm_autodrive.addresses import is_there
from vlm_autodrive.artifacts import read_taxonomy
from vlm_autodrive.console import TERMINAL
from vlm_autodrive.detection.detector import detect_with_engine
from vlm_autodrive.detection.events import event_from_span, event_probability, find_event_spans
from vlm_autodrive.detection.ground_truth import match_ground_truth, read_ground_truth
from vlm_autodrive.detection.operating import counted, interval_words, with_threshold
from vlm_autodrive.detection.scan import CERTAIN
from vlm_autodrive.detection.scoring import TOLERANCE_S, times_of
from vlm_autodrive.detection.settings import CalibrateSettings
from vlm_autodrive.engines import open_model
from vlm_autodrive.errors import UserError
from vlm_autodrive.metrics import AlarmCounts, fit_temperature, match_events, operating_point, temperature_warning
from vlm_autodrive.models import CARD_FILE, TINY_BASE, model_key, write_calibration
from vlm_autodrive.progress import SILENT, Reporter
from vlm_autodrive.records import DEFAULT_TAXONOMY, Calibration, Event, Taxonomy, VideoDetections

_MAX_CANDIDATES = 150


def calibrate(
    model: str,
    truth: Path | None,
    normal: Sequence[Path],
    out: Path,
    settings: CalibrateSettings,
    reporter: Reporter = TERMINAL,
    *,
    overwrite: bool = False,
) -> Calibration:
    """Fit a model's operating points on long video, and write them into its card.

    Args:
        model: A checkpoint's folder; or a name at ``settings.endpoint``, whose ``folder`` then names the checkpoint.
        truth: Long videos and their events; see :func:`vlm_autodrive.detection.ground_truth.read_ground_truth`.
        normal: Long videos, or folders of them, in which nothing happens but what ``truth`` names.
        out: Where the detections go; what was scanned there before with the same settings is not scanned again.
        settings: How to scan, and the rates of false alarms.
        reporter: Told of progress.
        overwrite: Replace detections that were made with other settings, rather than refuse.

    Raises:
        UserError: If the model has no card to write into, a video does not exist, none could be judged, or no threshold
            keeps to ``max_false_alarms_per_hour``.
    """
    folder = Path(settings.endpoint.folder or model)
    if model == TINY_BASE:
        raise UserError(f"{TINY_BASE} has never seen an event and finds none; there is nothing to calibrate.")
    if not (folder / CARD_FILE).is_file():
        raise UserError(
            f"{folder} is no folder with a model's card ({CARD_FILE}), which a calibration is written into; give a "
            "checkpoint that `train` made, or an export of it."
        )
    known = {} if truth is None else read_ground_truth(truth, read_taxonomy(folder))
    absent = [path for path in (*map(Path, known), *normal) if not is_there(path)]
    if absent:
        raise UserError(f"{absent[0]} does not exist; nothing is calibrated on what is left.")
    if not known and not normal:
        raise UserError("give long videos to calibrate on: --truth with known events, footage without any, or both.")
    calibration = calibrate_on(model, known, normal, out, settings, reporter, overwrite=overwrite)
    write_calibration(folder, calibration)
    return calibration


def calibrate_on(
    model: str,
    known: Mapping[str, Sequence[Event]],
    normal: Sequence[Path],
    out: Path,
    settings: CalibrateSettings,
    reporter: Reporter = SILENT,
    *,
    overwrite: bool = False,
) -> Calibration:
    """As :func:`calibrate`, for events by the video's path in ``known``, without writing into the card."""
    quick = settings.settings().model_copy(update={"reasoning": False})
    videos = [*map(Path, known), *normal]
    checkpoint = settings.endpoint.folder or model
    taxonomy = read_taxonomy(Path(checkpoint))
    inputs = {str(video): video for video in videos} if settings.endpoint.base_url else {}
    with open_model(model, settings.endpoint, inputs, reporter) as (engine, key):
        found = detect_with_engine(videos, engine, out, quick, taxonomy, reporter, model_key=key, overwrite=overwrite)
        sampling = engine.sampling.model_dump(mode="json")
    truths: dict[str, Sequence[Event]] = {each.video: () for each in found}
    fitted = fit_calibration(found, truths | match_ground_truth(found, known), settings, taxonomy)
    return fitted.model_copy(update={"model_key": model_key(checkpoint), "sampling": sampling})


def fit_calibration(
    detections: Sequence[VideoDetections],
    truths: Mapping[str, Sequence[Event]],
    settings: CalibrateSettings,
    taxonomy: Taxonomy = DEFAULT_TAXONOMY,
    tolerance_s: float = TOLERANCE_S,
) -> Calibration:
    """Fit operating points on scanned videos.

    The stored scores of the windows are merged anew at many thresholds; the model does not run again. The times that a
    reasoning trace refined are not used. ``min_windows`` is fitted too, unless the settings name it or there is no true
    event.

    Args:
        detections: Scanned videos, other ones than those to be detected in later.
        truths: The true events of each, by the name that its detections bear; videos without entry are left out.
        settings: The rates, and how windows are merged; ``low_threshold`` never exceeds the threshold that is tried.
        taxonomy: The classes.
        tolerance_s: How far a detected event may lie from the true one.

    Raises:
        UserError: If nothing was judged, if the model gave no probabilities, or if no threshold keeps to
            ``max_false_alarms_per_hour``.
    """
    kept = [each for each in detections if each.video in truths and each.duration_s]
    if not kept:
        raise UserError("there is nothing to calibrate on: none of the videos could be read and judged.")
    if any(window.reason == CERTAIN for each in kept for window in each.windows):
        raise UserError("the model gave no probabilities for these videos, so there is no threshold to fit.")
    true = [times_of(truths[each.video]) for each in kept]
    events, rates = sum(map(len, true)), sorted({*settings.rates, settings.max_false_alarms_per_hour})
    counts = _count(kept, true, rates[-1], settings, taxonomy, tolerance_s)
    points = tuple(operating_point(counts, rate) for rate in rates)
    temperature, warning = _temperature(kept, truths, settings, taxonomy) if events else (None, "")
    lost = len([each for each in detections if each.video in truths]) - len(kept)
    calibration = Calibration(
        points=points,
        max_false_alarms_per_hour=settings.max_false_alarms_per_hour,
        low_threshold=settings.low_threshold,
        merge_gap_s=settings.merge_gap_s,
        window_s=settings.window_s,
        stride_s=settings.stride_s,
        sampling={},
        temperature=temperature,
        tolerance_s=tolerance_s,
        model=kept[0].model,
        model_key="",
        videos=tuple(Path(each.video).name for each in kept),
        hours=float(counts.hours.sum()),
        events=events,
        held_out=len(kept) > 1,
        notes=tuple(
            note
            for note in (
                f"{counted(lost, 'video')} could not be read or judged and left out." if lost else "",
                "" if events else "There is no true event in these videos, so that the recall is not known.",
                "" if len(kept) > 1 else "One video alone: its own threshold flatters it.",
                warning,
            )
            if note
        ),
    )
    point = calibration.point()
    if point is None or point.threshold is None:
        fewest = counts.alarms[0].sum(axis=-1).min() / calibration.hours
        raise UserError(
            f"no threshold keeps to {settings.max_false_alarms_per_hour:g} false alarms per hour: there are at least "
            f"{fewest:.1f}; set max_false_alarms_per_hour higher, or train the model further."
        )
    return calibration


def calibration_rows(calibration: Calibration) -> list[tuple[str, ...]]:
    """The operating points for people: rate, threshold, windows, recall, false alarms, and hours where they lack."""
    rows: list[tuple[str, ...]] = []
    for point in calibration.points:
        short = calibration.hours < point.hours_needed
        rows.append(
            (
                f"{point.max_false_alarms_per_hour:g}",
                "-" if point.threshold is None else f"{point.threshold:.4g}",
                str(point.min_windows),
                interval_words(point.recall),
                interval_words(point.false_alarms_per_hour),
                f"{point.hours_needed:.1f}" if short else "",
            )
        )
    return rows


def scarcity_words(calibration: Calibration) -> list[str]:
    """What the hours of :func:`calibration_rows` mean, and that there is too little footage for any rate."""
    short = [point for point in calibration.points if calibration.hours < point.hours_needed]
    if not short:
        return []
    words = [
        "Hours that it takes: so many hours of footage, without one false alarm in them, fix the rate; where none "
        "stand, there is enough."
    ]
    if len(short) == len(calibration.points):
        easiest = min(short, key=lambda point: point.hours_needed)
        words.append(
            f"So little footage ({calibration.hours:.2g} h) fixes no rate: even {easiest.max_false_alarms_per_hour:g} "
            f"false alarms per hour takes {easiest.hours_needed:.2g} h. Expect nothing of these thresholds."
        )
    return words


def _count(
    detections: Sequence[VideoDetections],
    true: Sequence[Sequence[float]],
    most_rate: float,
    settings: CalibrateSettings,
    taxonomy: Taxonomy,
    tolerance_s: float,
) -> AlarmCounts:
    """Count at falling thresholds, down to where no choice keeps to ``most_rate``, whichever video is left out."""
    hours = np.array([(each.duration_s or 0.0) / 3600 for each in detections])
    choices: tuple[int, ...] = (settings.min_windows,)
    if "min_windows" not in settings.model_fields_set and any(true):
        choices = tuple(range(1, int(settings.window_s / settings.stride_s + 1e-6) + 1))
    found, alarms, tried = [], [], []
    for threshold in reversed(_candidates(detections, taxonomy)):
        merging = with_threshold(settings, threshold).model_copy(update={"causal": False})
        counts = np.zeros((2, len(choices), len(detections)))
        for video, each in enumerate(detections):
            spans = [span for span in find_event_spans(each.windows, merging, taxonomy) if span.count]
            times = [event_from_span(each.windows, span, taxonomy).time_s for span in spans]
            for place, least in enumerate(choices):
                detected = [time for time, span in zip(times, spans, strict=True) if span.count >= least]
                matching = match_events(detected, true[video], tolerance_s)
                counts[:, place, video] = len(matching.pairs), len(matching.false_alarms)
        tried.append(threshold)
        found.append(counts[0])
        alarms.append(counts[1])
        without = (counts[1][-1].sum() - counts[1][-1]) / np.maximum(hours.sum() - hours, 1e-9)
        if min([counts[1][-1].sum() / hours.sum(), *(without if len(hours) > 1 else ())]) > most_rate:
            break
    return AlarmCounts(
        thresholds=np.array(tried),
        min_windows=choices,
        found=np.array(found),
        alarms=np.array(alarms),
        events=np.array([len(each) for each in true], dtype=np.float64),
        hours=hours,
    )


def _temperature(
    detections: Sequence[VideoDetections],
    truths: Mapping[str, Sequence[Event]],
    settings: CalibrateSettings,
    taxonomy: Taxonomy,
) -> tuple[float | None, str]:
    """The temperature of the windows' probabilities, and why there is none.

    A window is of an event's class if the event lies as far inside as it does in some window whatever the stride's
    phase, and without event if none lies in it. Windows that hold one nearer to an edge are left out.
    """
    margin_s = (settings.window_s - settings.stride_s) / 2
    rows, classes = [], []
    for each in detections:
        events = [(event.time_s, event.event_class) for event in truths[each.video] if event.time_s is not None]
        for window in each.windows:
            held = [(time_s, name) for time_s, name in events if window.start_s <= time_s <= window.end_s]
            inside = [name for t, name in held if window.start_s + margin_s <= t <= window.end_s - margin_s]
            if window.probabilities is None or (held and not inside) or None in inside:
                continue
            rows.append([window.probabilities[name] for name in taxonomy.names])
            classes.append(taxonomy.names.index(str(inside[0]) if inside else taxonomy.normal.name))
    true = np.array(classes, dtype=np.intp)
    temperature = fit_temperature(np.array(rows), true) if rows else None
    warning = temperature_warning(temperature, true).replace("validation clips", "windows")
    return (None, f"No temperature: {warning}") if warning else (temperature, "")


def _candidates(detections: Sequence[VideoDetections], taxonomy: Taxonomy) -> list[float]:
    """Thresholds midway between scores that occur, and one above them all, rising.

    Where there are too many, all of the highest are kept and ever fewer towards the low ones, which flood any video
    with false alarms.
    """
    chances = (event_probability(window, taxonomy) for each in detections for window in each.windows)
    scores = np.unique([chance for chance in chances if chance is not None])
    edges = np.concatenate([[0.0], scores, [1.0]])
    middles = np.unique(((edges[:-1] + edges[1:]) / 2).clip(1e-6, 1.0))
    ranks = np.arange(1, len(middles) + 1)
    if len(middles) > _MAX_CANDIDATES:
        ranks = np.unique(np.geomspace(1, len(middles), _MAX_CANDIDATES).round().astype(int))
    return [float(middle) for middle in middles[len(middles) - ranks[::-1]]]
