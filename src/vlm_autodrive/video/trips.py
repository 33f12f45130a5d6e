"""Trips: consecutive files of one camera channel, joined by the clock or the chapters in their names.

Trip time is footage time: it goes on at a gap, where a new continuous section begins, as it does within a file. Which
files follow each other is told by names alone; see :mod:`vlm_autodrive.video.camera_files`.
"""

import filecmp
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from functools import lru_cache
from pathlib import Path

from vlm_autodrive.addresses import absolute, address_of, is_address, state_of
from vlm_autodrive.records import NotJudged, TripFile
from vlm_autodrive.video.camera_files import CameraFile, camera_file
from vlm_autodrive.video.errors import VideoError
from vlm_autodrive.video.probe import VideoInfo, probe

LONGEST_GAP_S = 1.0
"""Files further apart by their clocks are not continuous: names tell whole seconds, so that nearer ones may be."""
LONGEST_STOP_S = 300.0
"""After a longer stop another trip begins."""

_TOLD = 5


@dataclass(frozen=True)
class Trip:
    """The files of a trip; a file whose name tells nothing is a trip of its own.

    Attributes:
        path: What it is called by: its first file, or the path that was named and holds none.
        folder: The folder of the camera.
        files: The files that can be read, in order of time.
        not_judged: What of it cannot be read, as far as that is known before it is decoded.
        section_starts_s: Where, after a gap, a new continuous section begins, in trip time.
        problem: What of it cannot be read, in plain words; empty if all can be.
        notes: What is unusual in it, by kind, in plain words.
    """

    path: Path
    folder: Path
    files: tuple[TripFile, ...] = ()
    not_judged: tuple[NotJudged, ...] = ()
    section_starts_s: tuple[float, ...] = ()
    problem: str = ""
    notes: dict[str, str] = field(default_factory=dict)

    @property
    def duration_s(self) -> float:
        """Seconds of footage in it."""
        return self.files[-1].start_s + self.files[-1].duration_s if self.files else 0.0

    @property
    def paths(self) -> list[Path]:
        """All its files, those that cannot be read last."""
        unread = [Path(each.path) for each in self.not_judged]
        return list(dict.fromkeys([*(Path(file.path) for file in self.files), *unread])) or [self.path]


@dataclass(frozen=True)
class LeftAside:
    """A file that belongs to no trip.

    Attributes:
        path: The file.
        reason: Why, in plain words.
    """

    path: Path
    reason: str


@dataclass(frozen=True)
class _Piece:
    path: Path
    camera: CameraFile | None
    info: VideoInfo | None
    problem: str

    @property
    def start(self) -> datetime:
        assert self.camera is not None
        return self.camera.time or datetime.min


@dataclass
class _Chain:
    """Pieces that follow each other, and when, by the clock of their names, the last readable one ends."""

    pieces: list[_Piece]
    end: datetime
    notes: list[str] = field(default_factory=list)


def join_files(
    paths: Sequence[Path], own: str | None = None, *, stream: int | None = None
) -> tuple[list[Trip], list[LeftAside]]:
    """Join files into trips, each file being in one trip or left aside.

    Files of one camera's folder and channel are joined where the next begins within a second of the end of the one
    before, or after a stop of up to five minutes. A file that overlaps a trip by more than a second is a trip of its
    own, so that no footage is lost: cameras keep what they recorded around an event a second time, and a clock that was
    set back looks the same. Only a copy, byte by byte, of a file that began at the same time is left aside.

    Args:
        paths: Each file once.
        own: A pattern of one's own for names.
        stream: The place among its video streams of the one to read, of files that have several.

    Returns:
        The trips, in the order of their first files in ``paths``, and the copies.
    """
    groups: dict[tuple[object, ...], list[CameraFile]] = {}
    single = []
    for path in paths:
        camera = camera_file(path, own)
        if camera is None:
            single.append(path)
        else:
            groups.setdefault((camera.maker, camera.folder, camera.channel, camera.recording), []).append(camera)
    trips = [_trip([_piece(path, None, stream)], absolute(path).parent, []) for path in single]
    copies: list[LeftAside] = []
    for cameras in groups.values():
        cameras, more = _without_copies(sorted(cameras, key=lambda c: (c.time or datetime.min, c.chapter, c.path)))
        copies += more
        pieces = [_piece(camera.path, camera, stream) for camera in cameras]
        chains = _by_chapters(pieces) if cameras[0].time is None else _by_clock(pieces)
        trips += [_trip(chain.pieces, cameras[0].folder, chain.notes) for chain in chains]
    order = {path: place for place, path in enumerate(paths)}
    return sorted(trips, key=lambda trip: min(order[path] for path in trip.paths)), copies


def _piece(path: Path, camera: CameraFile | None, stream: int | None) -> _Piece:
    try:
        state = file_state(path)
        return _Piece(path, camera, _probed(path, stream, state) if state else probe(path, stream), "")
    except VideoError as error:
        return _Piece(path, camera, None, error.reason)


def file_state(path: Path) -> tuple[int | str, ...]:
    """What changes when a file is written to; empty if there is none."""
    try:
        if is_address(path):
            there = state_of(path)
            return there.size, there.stamp
        now = path.stat()
    except (OSError, ValueError):
        return ()
    return now.st_dev, now.st_ino, now.st_size, now.st_mtime_ns


@lru_cache(maxsize=100_000)
def _probed(path: Path, stream: int | None, state: tuple[int | str, ...]) -> VideoInfo:
    """A folder that is watched is looked through again and again: each file is read once for as long as it stays."""
    del state
    return probe(path, stream)


def _without_copies(cameras: list[CameraFile]) -> tuple[list[CameraFile], list[LeftAside]]:
    kept: list[CameraFile] = []
    copies = []
    for camera in cameras:
        twins = [other.path for other in kept if (other.time, other.chapter) == (camera.time, camera.chapter)]
        original = next((twin for twin in twins if _same_bytes(twin, camera.path)), None)
        if original is None:
            kept.append(camera)
        else:
            copies.append(LeftAside(camera.path, f"a copy of {original}"))
    return kept, copies


def _same_bytes(one: Path, other: Path) -> bool:
    try:
        if is_address(one) and is_address(other):
            return state_of(one) == state_of(other)  # by the hash that a store keeps
        return filecmp.cmp(one, other, shallow=False)
    except OSError:
        return False


def _by_clock(pieces: Sequence[_Piece]) -> list[_Chain]:
    chains: list[_Chain] = []
    for piece in pieces:
        gaps = [((piece.start - chain.end).total_seconds(), chain) for chain in chains]
        near = [(abs(gap_s), chain) for gap_s, chain in gaps if -LONGEST_GAP_S <= gap_s <= LONGEST_STOP_S]
        if near:
            chain = min(near, key=lambda each: each[0])[1]
            chain.pieces.append(piece)
        else:
            chain = _Chain([piece], piece.start)
            overlap_s = max((-gap_s for gap_s, _ in gaps), default=0.0)
            if overlap_s > LONGEST_GAP_S:
                chain.notes.append(f"it begins, by its name, {overlap_s:.0f} s before another file of the camera ends")
            chains.append(chain)
        if piece.info is not None:
            chain.end = piece.start + timedelta(seconds=piece.info.duration_s)
    return chains


def _by_chapters(pieces: Sequence[_Piece]) -> list[_Chain]:
    chains: list[_Chain] = []
    for piece in pieces:
        number = piece.camera.chapter if piece.camera else 0
        last = chains[-1].pieces[-1].camera if chains else None
        if last is None or last.chapter == number:
            chains.append(_Chain([], datetime.min))
        chains[-1].pieces.append(piece)
    return chains


def _trip(pieces: Sequence[_Piece], folder: Path, overlaps: list[str]) -> Trip:
    files: list[TripFile] = []
    not_judged: list[NotJudged] = []
    sections: list[float] = []
    gaps: list[str] = []
    now_s = 0.0
    before: _Piece | None = None  # the piece before
    for piece, after in zip(pieces, [*pieces[1:], None], strict=True):
        info = piece.info
        if info is None:
            hole_s = (after.start - piece.start).total_seconds() if after and _has_clock(piece) else None
            not_judged.append(
                NotJudged(path=address_of(piece.path), start_s=now_s, duration_s=hole_s, reason=piece.problem)
            )
            before = piece
            continue
        why = _why_apart(before, piece) if before else ""
        if files and why:
            sections.append(now_s)
            gaps.append(f"{why} before {piece.path.name} ({now_s:.1f} s)")
        recorded_at = _recorded_at(piece, files[-1] if files and not why else None)
        files.append(
            TripFile(path=address_of(piece.path), start_s=now_s, duration_s=info.duration_s, recorded_at=recorded_at)
        )
        sections += [round(now_s + start_s, 6) for start_s in info.section_starts_s]
        now_s = round(now_s + info.duration_s, 6)
        if "cut off" in info.notes:
            lost_s = round((info.header_duration_s or 0.0) - info.duration_s, 6)
            reason = info.notes["cut off"]
            not_judged.append(NotJudged(path=address_of(piece.path), start_s=now_s, duration_s=lost_s, reason=reason))
        before = piece
    notes = _merged_notes([piece for piece in pieces if piece.info is not None])
    notes |= {"trip gaps": _first_few(gaps)} if gaps else {}
    notes |= {"overlaps": _first_few(overlaps)} if overlaps else {}
    return Trip(
        path=pieces[0].path,
        folder=folder,
        files=tuple(files),
        not_judged=tuple(not_judged),
        section_starts_s=tuple(sections),
        problem=_problem(pieces, not_judged),
        notes=notes,
    )


def _has_clock(piece: _Piece) -> bool:
    return piece.camera is not None and piece.camera.time is not None


def _why_apart(before: _Piece, piece: _Piece) -> str:
    """Why two pieces are not continuous; empty if they are."""
    if before.info is None:
        return f"{before.path.name} cannot be read"
    if _has_clock(piece):
        gap_s = (piece.start - before.start).total_seconds() - before.info.duration_s
        return f"{gap_s:.1f} s without footage" if gap_s > LONGEST_GAP_S else ""
    if before.camera and piece.camera and piece.camera.chapter > before.camera.chapter + 1:
        return "a chapter is missing"
    return "the file before is cut off" if "cut off" in before.info.notes else ""


def _recorded_at(piece: _Piece, before: TripFile | None) -> str | None:
    if piece.camera is not None and piece.camera.time is not None:
        return piece.camera.time.isoformat()
    if before is None:
        return piece.info.created_at if piece.info is not None else None
    # A chapter's container may tell when the recording was begun, or when the chapter was closed.
    if before.recorded_at is None:
        return None
    begun = datetime.fromisoformat(before.recorded_at)
    return (begun + timedelta(seconds=before.duration_s)).isoformat()


def _merged_notes(pieces: Sequence[_Piece]) -> dict[str, str]:
    told: dict[str, list[str]] = {}
    for piece in pieces:
        for kind, text in piece.info.notes.items() if piece.info else ():
            told.setdefault(kind, []).append(text if len(pieces) == 1 else f"{piece.path.name}: {text}")
    return {kind: _first_few(texts) for kind, texts in told.items()}


def _first_few(texts: Sequence[str]) -> str:
    more = f"; and {len(texts) - _TOLD} more" if len(texts) > _TOLD else ""
    return "; ".join(texts[:_TOLD]) + more


def _problem(pieces: Sequence[_Piece], not_judged: Sequence[NotJudged]) -> str:
    if len(pieces) == 1:
        return not_judged[0].reason if not_judged else ""
    return _first_few([f"{Path(each.path).name}: {each.reason}" for each in not_judged])


def empty_trip(path: Path, problem: str) -> Trip:
    """The record of a named path that holds no footage to search."""
    return Trip(path=path, folder=absolute(path).parent, problem=problem)
