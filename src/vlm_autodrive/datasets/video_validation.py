"""The result of a video's check: notes, and problems that make the video unusable."""

from collections import Counter
from collections.abc import Sequence

from vlm_autodrive.records import FileName, Record, Video
from vlm_autodrive.video import VideoCheck, cut_off, damage_words

_COMPLETE = 0.95  # a file that holds less than this fraction of what its header promises is cut off
_LATE_START_S = 0.001
_LONG_BLACK_S, _LONG_FROZEN_S = 1.0, 3.0  # of black, or of one picture, that are worth a note


class VideoValidation(Record):
    """What was found of one video.

    Attributes:
        video_id: The video.
        path: Its file: relative to the catalog's folder on disk.
        check: What decoding it showed; None if it could not be decoded at all.
        notes: By kind, what is unusual in it, in plain words.
        problem: Why it cannot be used; empty if it can.
    """

    video_id: str
    path: FileName
    check: VideoCheck | None = None
    notes: dict[str, str] = {}
    problem: str = ""


class ValidationSummary(Record):
    """Counts over all videos of a catalog.

    Attributes:
        videos: How many there are.
        usable: How many of them can be used.
        hours: Hours of video that decode, of all of them.
        codecs: Videos by codec.
        notes: Videos by kind of note.
        quarantined: The reason, by video id, of each that cannot be used.
    """

    videos: int
    usable: int
    hours: float
    codecs: dict[str, int]
    notes: dict[str, int]
    quarantined: dict[str, str]


def assess(
    video: Video,
    found: VideoValidation,
    last_event_s: float | None,
    *,
    strict: bool,
    max_black_fraction: float,
    max_frozen_fraction: float,
) -> tuple[Video, VideoValidation]:
    """Decide on one video.

    Args:
        video: As the catalog has it.
        found: Its check, or the reason why there is none.
        last_event_s: Time of the latest event annotated in it, if any.
        strict: Whether a part that decodes is refused if the rest does not.
        max_black_fraction: The proportion of black frames from which on it is unusable.
        max_frozen_fraction: The proportion of its length without change, in one piece, from which on it is unusable.

    Returns:
        The video and what was found, both with the decision.
    """
    # Where import could read the video, a problem that it has is one of its annotations, and stays.
    problems = [video.problem] if video.problem and video.duration_s is not None else []
    check = found.check
    if check is None:
        # That of the annotations stands before it where this was decided on once already.
        problems.append(found.problem.removeprefix(f"{video.problem}; "))
        update: dict[str, object] = {"duration_s": None, "width": None, "height": None}
        notes: dict[str, str] = {}
    else:
        update = {
            "duration_s": check.duration_s,
            "section_starts_s": check.section_starts_s,
            "width": check.width,
            "height": check.height,
            "notes": (notes := _notes(check)),
        }
        cut = notes.get("cut off") or notes.get("damaged")
        if cut and strict:
            problems.append(cut)
        elif cut and last_event_s is not None and last_event_s >= check.duration_s:
            problems.append(f"{cut}, before its event at {last_event_s:.1f} s")
        if check.black_s >= max_black_fraction * check.seconds_decoded:
            problems.append("all of it is black")
        elif check.frames > 1 and check.frozen_fraction >= max_frozen_fraction:
            problems.append("nothing in it ever changes")
    problem = "; ".join(problems)
    return video.model_copy(update={**update, "problem": problem}), found.model_copy(
        update={"notes": notes, "problem": problem}
    )


def summarise(found: Sequence[VideoValidation]) -> ValidationSummary:
    """Count what was found."""
    checks = [each.check for each in found if each.check is not None]
    quarantined = {each.video_id: each.problem for each in found if each.problem}
    return ValidationSummary(
        videos=len(found),
        usable=len(found) - len(quarantined),
        hours=round(sum(check.duration_s for check in checks) / 3600, 4),
        codecs=dict(sorted(Counter(check.codec for check in checks).items())),
        notes=dict(sorted(Counter(kind for each in found for kind in each.notes).items())),
        quarantined=quarantined,
    )


def _notes(check: VideoCheck) -> dict[str, str]:
    notes = {}
    header_s = check.header_duration_s if not check.section_starts_s else None  # else it counts the gaps, too
    placed = check.frames + check.misplaced_frames
    cut = cut_off(check.duration_s, header_s)
    if cut:
        notes["cut off"] = cut
    elif placed + check.undecodable_frames < _COMPLETE * check.header_frames:
        notes["cut off"] = f"{check.frames} of {check.header_frames} frames decode"
    elif header_s is not None and header_s < _COMPLETE * (check.duration_s - 1 / check.fps):
        notes["longer than its header"] = f"{check.duration_s:.1f} s decode, and its header says {header_s:.1f} s"
    damage = [f"{check.damage} after {check.duration_s:.1f} s"] if check.damage else []
    if check.damaged_s:
        damage.append(damage_words(check.damaged_s))
    if check.undecodable_frames:
        damage.append(f"{check.undecodable_frames} of {placed + check.undecodable_frames} frames cannot be decoded")
    if damage:
        notes["damaged"] = "; ".join(damage)
    if check.misplaced_frames:
        notes["misplaced frames"] = f"{check.misplaced_frames} frames have no time that rises, and are left out"
    if check.variable_rate:
        notes["variable frame rate"] = f"{check.shortest_gap_s:.3f} to {check.longest_gap_s:.3f} s between frames"
    notes |= check.notes
    if abs(check.start_s) > _LATE_START_S:
        notes["start offset"] = f"its own clock begins at {check.start_s:.3f} s"
    if check.black_s >= _LONG_BLACK_S:
        notes["black"] = f"black for {check.black_s:.1f} s"
    if check.frozen_s >= _LONG_FROZEN_S:
        notes["frozen"] = f"nothing changes for {check.frozen_s:.1f} s"
    return notes
