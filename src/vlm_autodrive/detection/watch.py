"""Watching folders: videos are searched as they appear, until somebody ends it."""

import time
from collections.abc import Iterator, Sequence
from pathlib import Path

from vlm_autodrive.addresses import is_folder, is_there, place_of
from vlm_autodrive.detection.detector import searching
from vlm_autodrive.detection.inputs import find_trips, videos_in_folder
from vlm_autodrive.detection.results import searched_files
from vlm_autodrive.detection.settings import DetectSettings
from vlm_autodrive.errors import UserError
from vlm_autodrive.progress import SILENT, Reporter
from vlm_autodrive.records import VideoDetections
from vlm_autodrive.video import file_state

_LOOKS_TO_SETTLE = 3

_State = tuple[int | str, ...]


def watch(
    folders: Sequence[Path],
    model: str,
    out: Path,
    settings: DetectSettings,
    reporter: Reporter = SILENT,
    *,
    settle_s: float = 30.0,
    false_alarms_per_hour: float | None = None,
    overwrite: bool = False,
) -> Iterator[list[VideoDetections]]:
    """Search the videos in folders, and then those that are added or written anew, without end.

    A file is searched once it has not changed for a while, so that one that is still being written or copied waits. A
    file that continues a trip is searched as part of it, and only the windows that are new are judged. What was found
    in a file that the camera has deleted since is kept: files that come after it begin a trip of their own. The model
    and the lock of ``out`` are held all the time.

    Args:
        folders: The folders, of which those below them are watched as well.
        model: As for :func:`~vlm_autodrive.detection.detect`, and so are all arguments that are not named here.
        out: The folder to write to.
        settings: Windows, thresholds and whether to reason.
        reporter: Gets the progress of each search.
        settle_s: Seconds that a file must stay as it is before it is searched.
        false_alarms_per_hour: The operating point.
        overwrite: Replace results that were made with other settings, rather than refuse.

    Yields:
        After each look the trips, if any file was new, and else an empty list.

    Raises:
        UserError: If one of them is no folder, or as :func:`~vlm_autodrive.detection.detect` does.
    """
    for folder in folders:
        if not is_folder(folder):
            raise UserError(f"{folder} is not a folder; only folders can be watched.")
    searched: dict[Path, _State] = {}
    first_seen: dict[tuple[Path, _State], float] = {}
    waiting = False
    with searching(model, out, settings, reporter, false_alarms_per_hour=false_alarms_per_hour) as search:
        while True:
            looks = [videos_in_folder(folder, settings, out) for folder in folders]
            now = time.monotonic()
            states = {path: state for found, _ in looks for path in found if (state := file_state(path))}
            first_seen = {state: first_seen.get(state, now) for state in states.items()}
            settled = dict(state for state, first in first_seen.items() if now - first >= settle_s)
            results: list[VideoDetections] = []
            if settled.items() - searched.items():
                trips, copies = find_trips(_without_parted(list(settled), out), settings, out)
                others = [other for _, aside in looks for other in aside]
                results = search(trips, [*others, *copies], overwrite=overwrite)
                searched, overwrite = settled, True  # from now on it is a file that has changed, not the settings
                waiting = False
            elif not waiting:
                reporter.say(f"Watching {', '.join(map(str, folders))} for new videos. Ctrl-C ends it.")
                waiting = True
            yield results
            time.sleep(settle_s / _LOOKS_TO_SETTLE)


def _without_parted(files: Sequence[Path], out: Path) -> list[Path]:
    """Without files that were searched in one trip with others that are gone: a new search would lose the others."""
    parted = {name for names in searched_files(out).values() if not all(map(is_there, names)) for name in names}
    return [path for path in files if place_of(path) not in parted]
