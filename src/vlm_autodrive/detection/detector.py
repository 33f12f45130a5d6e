"""The detection stage: videos in; a folder with events, scores and a timeline for each trip out."""

from collections.abc import Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, contextmanager
from functools import partial
from pathlib import Path
from typing import Protocol

from vlm_autodrive.addresses import is_file
from vlm_autodrive.artifacts import folder_lock, read_taxonomy
from vlm_autodrive.console import TERMINAL
from vlm_autodrive.detection.inputs import find_trips
from vlm_autodrive.detection.operating import SearchBasis, choose_operating_point
from vlm_autodrive.detection.settings import DetectSettings
from vlm_autodrive.detection.trip_search import detect_trips
from vlm_autodrive.engines import ClusterEngine, Engine, cluster_engine, open_model
from vlm_autodrive.executor import Executor
from vlm_autodrive.models import read_card
from vlm_autodrive.progress import SILENT, Reporter
from vlm_autodrive.records import DEFAULT_TAXONOMY, Taxonomy, VideoDetections
from vlm_autodrive.video import LeftAside, Trip

_NO_BASIS = SearchBasis()


def detect(
    videos: Sequence[Path],
    model: str,
    out: Path,
    settings: DetectSettings,
    reporter: Reporter = TERMINAL,
    *,
    false_alarms_per_hour: float | None = None,
    executor: Executor | None = None,
    retry_errors: bool = False,
    overwrite: bool = False,
) -> list[VideoDetections]:
    """Find the events in videos of any length with a model called by its name.

    Unless the settings name a threshold, the calibration in the model's card is used.

    The classes are those that the model was trained for. An endpoint does not tell them: a served model gets the
    default three, unless its name there is a checkpoint's folder here.

    Args:
        videos: Video files, and folders of them; a file named twice is done once. Consecutive files of one camera's
            channel are one trip.
        model: A checkpoint's folder, ``tiny-base``, or a hub name; or a name at ``settings.endpoint``, if one is set.
        out: The folder to write to; it may hold the results of other videos.
        settings: Windows, thresholds and whether to reason.
        reporter: Gets the progress, in seconds of video.
        false_alarms_per_hour: The operating point of the calibration that is taken; None for its own choice.
        executor: The cluster whose workers search, a trip each; None for this process.
        retry_errors: Search those trips again that are quarantined, which only a cluster does.
        overwrite: Replace results that were made with other settings, rather than refuse.

    Returns:
        One record for each trip, in order.

    Raises:
        UserError: If ``out`` holds a result made otherwise for one of the videos, and ``overwrite`` is false; or if
            ``false_alarms_per_hour`` cannot be had from this model with these settings.
    """
    found = find_trips(videos, settings, out)
    inputs = {str(path): path for trip in found[0] for path in trip.paths if is_file(path)}
    cluster = None if executor is None else cluster_engine(executor, model, settings.endpoint, inputs)
    with searching(model, out, settings, reporter, inputs, false_alarms_per_hour) as search:
        return search(*found, overwrite=overwrite, cluster=cluster, retry_errors=retry_errors)


class Search(Protocol):
    """Finds the events in trips, as ``detect_trips`` does, with all that is not named here settled before."""

    def __call__(
        self,
        trips: Sequence[Trip],
        left_aside: Sequence[LeftAside],
        *,
        overwrite: bool,
        cluster: ClusterEngine | None = None,
        retry_errors: bool = False,
    ) -> list[VideoDetections]:
        """One record for each trip, in order."""


@contextmanager
def searching(
    model: str,
    out: Path,
    settings: DetectSettings,
    reporter: Reporter = SILENT,
    inputs: Mapping[str, Path] | None = None,
    false_alarms_per_hour: float | None = None,
) -> Iterator[Search]:
    """Hold a model and the lock of ``out`` for as long as the block lasts; for the arguments see :func:`detect`.

    Args:
        model: The model's name.
        out: The folder to write to.
        settings: Windows, thresholds and whether to reason.
        reporter: Told what is known of the model before; gets the progress.
        inputs: The files to search, by name, as far as they are known: a served model has one budget for them.
        false_alarms_per_hour: The operating point.

    Yields:
        The search of trips.
    """
    checkpoint = settings.endpoint.folder or model
    with open_model(model, settings.endpoint, inputs or {}, reporter) as (engine, key):
        sampling = engine.sampling.model_dump(mode="json")
        settings, basis = choose_operating_point(settings, checkpoint, sampling, false_alarms_per_hour)
        if not settings.endpoint.base_url:
            _say_if_windows_differ(model, settings.window_s, reporter)
        for words in filter(None, (basis.training, basis.expectation)):
            reporter.say(f"{engine.name}: {words}")
        with _alone(out):
            yield partial(
                detect_trips,
                engine=engine,
                out=out,
                settings=settings,
                taxonomy=read_taxonomy(Path(checkpoint)),
                reporter=reporter,
                model_key=key,
                basis=basis,
            )


def _alone(out: Path) -> AbstractContextManager[None]:
    return folder_lock(out, f"another process searches videos into {out}; wait for it, or give another --out.")


def _say_if_windows_differ(model: str, window_s: float, reporter: Reporter) -> None:
    trained_s = read_card(model).window_s
    if trained_s is not None and not 0.75 <= window_s / trained_s <= 1.33:
        reporter.say(
            f"Mind: {model} was trained on clips of {trained_s:g} s, but is given windows of {window_s:g} s; "
            f"window_s={trained_s:g} suits it."
        )


def detect_with_engine(
    videos: Sequence[Path],
    engine: Engine,
    out: Path,
    settings: DetectSettings,
    taxonomy: Taxonomy = DEFAULT_TAXONOMY,
    reporter: Reporter = SILENT,
    *,
    model_key: str = "",
    basis: SearchBasis = _NO_BASIS,
    cluster: ClusterEngine | None = None,
    retry_errors: bool = False,
    overwrite: bool = False,
) -> list[VideoDetections]:
    """Find the events in videos of any length with a model that is open; for the arguments see :func:`detect`.

    ``cluster`` is the same model in the workers of a cluster, which then search; None for this process.
    """
    found = find_trips(videos, settings, out)
    with _alone(out):
        return detect_trips(
            *found,
            engine=engine,
            out=out,
            settings=settings,
            taxonomy=taxonomy,
            reporter=reporter,
            model_key=model_key,
            basis=basis,
            cluster=cluster,
            retry_errors=retry_errors,
            overwrite=overwrite,
        )
