"""The detection stage of a run: the checkpoint is calibrated on some long videos, and the others are scored."""

import glob
import json
import shutil
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from vlm_autodrive.artifacts import CALIBRATION_FILE, LONG_VIDEOS_FILE, read_taxonomy, write_text, writing_artifact
from vlm_autodrive.detection.calibration import calibrate_on
from vlm_autodrive.detection.detector import detect
from vlm_autodrive.detection.ground_truth import match_ground_truth, read_ground_truth
from vlm_autodrive.detection.results import SUMMARY_FILE
from vlm_autodrive.detection.scoring import score_detections
from vlm_autodrive.detection.settings import DetectRunSettings
from vlm_autodrive.detection.short_list.stage import write_short_list
from vlm_autodrive.detection.timeline import write_timeline
from vlm_autodrive.errors import UserError
from vlm_autodrive.executor import Executor
from vlm_autodrive.metrics import LongVideoSearch
from vlm_autodrive.models import read_card, write_calibration
from vlm_autodrive.progress import SILENT, Reporter
from vlm_autodrive.records import Event, Taxonomy, VideoDetections
from vlm_autodrive.video import Blur

MANIFEST = Path("long_videos") / "manifest.csv"
_FOUND = "found"
_TUNING = "tuning"
_TIMELINES = "timelines"
_SHOWN = 2

GroundTruth = dict[str, tuple[Event, ...]]


def search_long_videos(
    checkpoint: Path,
    simulated: Path | None,
    out: Path,
    section: DetectRunSettings,
    reporter: Reporter = SILENT,
    *,
    executor: Executor | None = None,
    overwrite: bool = False,
) -> Path:
    """Search long videos with a checkpoint; score what is found where there is ground truth.

    With ``section.tuning_videos`` the checkpoint is calibrated first, and its card gets the calibration. A copy stays
    in ``out``, from which a checkpoint that has none any more, such as one that was trained anew, gets it back.

    Args:
        checkpoint: The fine-tuned model.
        simulated: The simulated data set with its long videos; None to search ``section.videos`` only.
        out: Gets a folder for each video and the short list of them below ``found``, ``long_videos.json``, and for the
            report the timelines of the first videos, beside the ground truth where there is one.
        section: Which videos, and how.
        reporter: Gets the progress.
        executor: The cluster whose workers search; None for this process, in which the calibration is made in any case.
        overwrite: Replace what was found with other settings or another checkpoint, rather than refuse.

    Raises:
        UserError: If there is nothing to search, or ``out`` holds something else and ``overwrite`` is false.
    """
    inputs = {"checkpoint": checkpoint}
    truths: GroundTruth = {}
    if section.videos:
        videos = _matching(section.videos)
        inputs |= {f"video {number}": video for number, video in enumerate(videos)}
    elif simulated is not None:
        inputs["simulated"] = simulated
        truths = read_ground_truth(simulated / MANIFEST, read_taxonomy(checkpoint))
        videos = [Path(video) for video in truths]
    else:
        raise UserError("there are no long videos to search; name some in detect.videos, or set simulate.long_videos.")
    facts: dict[str, Any] = {}
    known = read_card(str(checkpoint)).calibration
    if known is not None and (section.videos or not section.tuning_videos):
        facts["calibration"] = known.model_dump(mode="json")
    with writing_artifact(out, "long videos", inputs, section, facts=facts, overwrite=overwrite) as folder:
        if folder is not None:
            summary = _search(checkpoint, videos, truths, folder, section, executor, reporter)
            write_text(folder / LONG_VIDEOS_FILE, summary.model_dump_json(indent=1) + "\n")
    if (out / CALIBRATION_FILE).is_file() and not (checkpoint / CALIBRATION_FILE).exists():
        shutil.copyfile(out / CALIBRATION_FILE, checkpoint / CALIBRATION_FILE)
    return out


def _search(
    checkpoint: Path,
    videos: Sequence[Path],
    truths: GroundTruth,
    folder: Path,
    section: DetectRunSettings,
    executor: Executor | None,
    reporter: Reporter,
) -> LongVideoSearch:
    settings = section.settings()
    tuning, rest = list(videos[: section.tuning_videos]), list(videos[section.tuning_videos :])
    if section.videos:
        tuning, rest = [], list(videos)
    if not rest:
        raise UserError(
            f"detect.tuning_videos is {section.tuning_videos}, which leaves none of {len(videos)} videos to search; "
            "take fewer, or set simulate.long_videos higher."
        )
    fitted = bool(tuning) and _calibrate(checkpoint, _some(truths, tuning), folder, section, reporter)
    if fitted:  # from here on the checkpoint's card tells the threshold
        settings = section.settings(leave_out={"threshold"})
    found = detect(rest, str(checkpoint), folder / _FOUND, settings, reporter, executor=executor, overwrite=True)
    write_short_list(folder / _FOUND, None, SILENT)  # the folder has not got its name yet
    wanted: GroundTruth | None = None
    score = None
    if truths:
        total = json.loads((folder / _FOUND / SUMMARY_FILE).read_text(encoding="utf-8"))["total"]
        wanted = match_ground_truth(found, _some(truths, rest))
        score = score_detections(
            found, wanted, times_real_time=total.get("times_real_time"), taxonomy=read_taxonomy(checkpoint)
        )
    return LongVideoSearch(
        videos=len(found),
        events=sum(len(each.events) for each in found),
        hours=sum(each.duration_s or 0.0 for each in found) / 3600,
        threshold=found[0].threshold,
        training=found[0].training,
        expectation=found[0].expectation,
        threshold_fitted_on=tuple(video.name for video in tuning) if fitted else (),
        max_false_alarms_per_hour=section.max_false_alarms_per_hour if fitted else None,
        score=score,
        timelines=_draw_timelines(found, wanted, folder, read_taxonomy(checkpoint), section.blur),
    )


def _draw_timelines(
    found: Sequence[VideoDetections], truths: GroundTruth | None, folder: Path, taxonomy: Taxonomy, blur: Blur
) -> tuple[str, ...]:
    """Draw the first videos that could be read: so nobody picks those that look well."""
    (folder / _TIMELINES).mkdir(exist_ok=True)
    names: list[str] = []
    for each in [each for each in found if each.duration_s is not None][:_SHOWN]:
        names.append(f"{_TIMELINES}/{len(names) + 1}_{Path(each.video).stem}.png")
        truth = None if truths is None else truths[each.video]
        write_timeline(folder / names[-1], each, taxonomy, truth, blur)
    return tuple(names)


def _calibrate(
    checkpoint: Path, truths: GroundTruth, folder: Path, section: DetectRunSettings, reporter: Reporter
) -> bool:
    """Calibrate the checkpoint and write that into its card; False where it cannot be done."""
    try:
        if not any(truths.values()):
            raise UserError("the tuning videos hold no event.")
        calibration = calibrate_on(str(checkpoint), truths, (), folder / _TUNING, section, reporter, overwrite=True)
    except UserError as error:
        reporter.say(f"The checkpoint is not calibrated: {error}")
        return False
    for place in (folder, checkpoint):
        write_calibration(place, calibration)
    return True


def _some(truths: GroundTruth, videos: Sequence[Path]) -> GroundTruth:
    return {str(video): truths[str(video)] for video in videos}


def _matching(patterns: Sequence[str]) -> list[Path]:
    found: list[Path] = []
    for pattern in patterns:
        matches = sorted(glob.glob(pattern, recursive=True)) or [pattern]  # noqa: PTH207 (patterns may be absolute)
        found += [Path(match) for match in matches]
    absent = [str(path) for path in found if not path.is_file()]
    if absent:
        raise UserError(f"{absent[0]}, named in detect.videos, does not exist.")
    return found
