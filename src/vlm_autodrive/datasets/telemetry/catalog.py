"""The telemetry of all videos of a catalog."""

from collections import Counter
from pathlib import Path

from vlm_autodrive.artifacts import TELEMETRY_FILE
from vlm_autodrive.datasets.telemetry.reading import Listings, read_telemetry
from vlm_autodrive.progress import Reporter
from vlm_autodrive.records import Video, writing_jsonl

_NOTE = "telemetry"
_WITHOUT = "used without its telemetry: "


def write_telemetry(folder: Path, videos: list[Video], utc_offset_h: float | None, reporter: Reporter) -> None:
    """Write the telemetry of the videos that have any, and put in each one's place the same with a note of it.

    Telemetry that cannot be read is no problem of its video: that is used without it, and its notes say so.

    Args:
        folder: Where the catalog is written.
        videos: The videos; those with a problem are left as they are.
        utc_offset_h: Hours that the time in file names is ahead of UTC; None if that is not known.
        reporter: Gets the progress and the counts.
    """
    sources: Counter[str] = Counter()
    counts: Counter[str] = Counter()
    reasons: Counter[str] = Counter()
    listings: Listings = {}
    with reporter.task("reading telemetry", len(videos)) as task, writing_jsonl(folder / TELEMETRY_FILE) as write:
        for place, video in enumerate(videos):
            series, note = (None, "") if video.problem else read_telemetry(video, listings, utc_offset_h)
            if series is not None:
                write(series)
                sources.update(series.sources)
                counts["fixes"] += bool(series.fix_times_s)
                counts["accelerations"] += bool(series.acceleration_times_s)
            elif note:
                reasons[note] += 1
            if note:
                notes = {**video.notes, _NOTE: note if series is not None else _WITHOUT + note}
                videos[place] = video.model_copy(update={"notes": notes})
            task.advance()
    if sources:
        listed = ", ".join(f"{source} {count}" for source, count in sources.most_common())
        reporter.say(
            f"telemetry: {listed}; {counts['fixes']} videos with speed and position, {counts['accelerations']} with "
            "acceleration"
        )
    else:
        (folder / TELEMETRY_FILE).unlink()
    if reasons:
        reporter.say(
            f"{reasons.total()} videos are used without their telemetry; the commonest reason: "
            f"{reasons.most_common(1)[0][0]}. videos.jsonl has that of each."
        )
