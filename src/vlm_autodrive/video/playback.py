"""Playing in a browser: whether one plays a file as it is, when it shows each frame, and proxies for other files."""

from collections.abc import Callable
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path
from statistics import median

import av
from av.container import InputContainer
from av.stream import Disposition

from vlm_autodrive.video.clip_file import ClipEncoder, upright_frame
from vlm_autodrive.video.container import OpenVideo
from vlm_autodrive.video.demuxing import open_container
from vlm_autodrive.video.errors import VideoError, library_errors
from vlm_autodrive.video.sections import PacketClock
from vlm_autodrive.video.streams import choose_stream

_MP4, _WEBM = "mov,mp4,m4a,3gp,3g2,mj2", "matroska,webm"  # FFmpeg's names
_CODECS = {_MP4: frozenset(("h264", "vp9", "av1")), _WEBM: frozenset(("vp8", "vp9", "av1"))}
_PIXELS = frozenset(("yuv420p", "yuvj420p"))
_OTHER_BRANDS = ("qt", "3g")  # QuickTime and phones: the first letters of the major brand
_MOST_PIXELS = 3840 * 2160
_STARTS_WITHIN_S = 0.001
_LENGTHS_WITHIN_S = 0.002  # ticks of a clock are coarse

_SHORT_SIDE, _LONG_SIDE = 720, 1280
_KEY_EVERY_S = 1.0
_OPTIONS = {"preset": "veryfast", "crf": "23", "bf": "0", "g": "600"}
_MOST_TICKS = 1_000_000_000  # of a second, which MP4 can count
_USUAL_TICKS = 90_000
_USUAL_GAP_S = 1 / 30


@dataclass(frozen=True)
class Playback:
    """How a browser plays a file.

    Attributes:
        times_s: Presentation time of each frame, in seconds after the file's first frame, rising.
        media_type: The media type by which a browser plays the file as it is; empty if none does.
        problem: Why none does, in plain words; empty if one does.
    """

    times_s: tuple[float, ...]
    media_type: str
    problem: str = ""


def playback(path: Path, *, stream: int | None = None) -> Playback:
    """Find out how a browser plays a file, without decoding more than its first frame.

    A file is played as it is if every common browser has the decoders, and shows its frames at their times after the
    first: MP4 with H.264 (8 bit, 4:2:0), VP9 or AV1, or WebM, whose clock begins at 0 and does not jump, and which says
    rightly how long each frame is shown.

    Args:
        path: The file.
        stream: The place among its video streams of the one that is read, from 0 on; None to choose.

    Raises:
        VideoError: If it is no video.
    """
    with OpenVideo(path, stream=stream) as video:
        packets = video.packet_clock()
        placed = [video.packet_time(n, stamp) for n, stamp in enumerate(packets.stamps) if stamp is not None]
        times_s = sorted({time_s for time_s in placed if time_s is not None and time_s >= 0})
        first_s = video.seconds(video.first.pts or 0)
        problem = "its clock jumps" if len(video.sections) > 1 else ""
        if any(time_s is not None and time_s < 0 for time_s in placed) or any(packets.corrupt):
            problem = problem or "some of its frames cannot be decoded"
        if abs(first_s) > _STARTS_WITHIN_S:
            problem = problem or "its clock does not begin at 0"
        if _has_wrong_lengths(video, packets):
            problem = problem or "its frames come unevenly, and a browser does not find each of them"
    with open_container(path) as container, library_errors(path):
        kind = container.format.name
        problem = _unplayable(container, kind, stream) or problem
    if not times_s:
        raise VideoError(path, "its frames carry no times")
    media_type = "" if problem else ("video/mp4" if kind == _MP4 else "video/webm")
    return Playback(tuple(times_s), media_type, problem)


def write_proxy(
    path: Path,
    target: Path,
    *,
    stream: int | None = None,
    tell: Callable[[float], None] = lambda _: None,
) -> tuple[float, ...]:
    """Write a copy of a file that every browser plays, each frame at its own time after the first, not a tick off.

    H.264 in MP4, 4:2:0, upright, at most 1280 x 720 pixels or 720 x 1280, a key frame every second, without sound.
    Frames that cannot be decoded are left out, as everywhere.

    Args:
        path: The file.
        target: The file to write; an MP4, which gets its name only when it is whole.
        stream: As for :func:`playback`.
        tell: Called with the seconds that are done.

    Returns:
        The time of each frame in the copy, which is that in the file.

    Raises:
        VideoError: If no frame can be read.
    """
    partial = target.with_name(f"{target.name}.partial")
    times_s: list[float] = []
    try:
        with (
            OpenVideo(path, stream=stream, threads=None) as video,
            av.open(f"file:{partial}", "w", format="mp4", options={"movflags": "faststart"}) as container,
        ):
            height, width = _proxy_size(*video.display_size)
            ticks = video.stream.time_base.denominator if video.stream.time_base else _USUAL_TICKS
            ticks = ticks if ticks <= _MOST_TICKS else _USUAL_TICKS
            encoder = ClipEncoder(container, height, width, _OPTIONS, video.first, ticks)
            key_s = -_KEY_EVERY_S
            for time_s, frame in video.frames(0.0):
                is_key = time_s >= key_s + _KEY_EVERY_S
                key_s = time_s if is_key else key_s
                encoder.add(time_s, upright_frame(path, frame, width, height), is_key=is_key)
                times_s.append(time_s)
                tell(time_s)
            if not times_s:
                raise VideoError(path, "no frame of it can be decoded")
            gaps_s = [later - earlier for earlier, later in pairwise(times_s)]
            encoder.finish(median(gaps_s) if gaps_s else _USUAL_GAP_S)
        partial.replace(target)
    finally:
        partial.unlink(missing_ok=True)
    return tuple(times_s)


def _has_wrong_lengths(video: OpenVideo, packets: PacketClock) -> bool:
    """Whether the file says of a frame that it is shown for another time than until the next one.

    Browsers seek by these lengths. Where pictures are stored in another order than they are shown in, a length is the
    distance to the next picture in the file, which is wrong if frames come at uneven times.
    """
    lengths = (*packets.lengths[:-1], 0)  # that of the file's last picture is a guess
    shown = sorted((stamp, length) for stamp, length in zip(packets.stamps, lengths, strict=True) if stamp is not None)
    return any(
        length and abs(video.seconds(following - stamp - length)) > _LENGTHS_WITHIN_S
        for (stamp, length), (following, _) in pairwise(shown)
    )


def _unplayable(container: InputContainer, kind: str, number: int | None) -> str:
    """Why browsers cannot play a file for what it is; empty if they can."""
    chosen = choose_stream(container, number)
    if chosen is None or chosen.stream.codec_context is None:
        return "no video stream in it"
    stream = chosen.stream
    codec = stream.codec_context.codec.canonical_name
    if kind not in _CODECS:
        return f"its container is {kind.split(',')[0]}"
    brand = container.metadata.get("major_brand", "")
    if kind == _MP4 and (not brand or brand.startswith(_OTHER_BRANDS)):
        return "its container is a kind of MP4 that not every browser reads"
    if codec not in _CODECS[kind]:
        return f"its codec is {codec}"
    if stream.codec_context.pix_fmt not in _PIXELS:
        return f"its pictures are {stream.codec_context.pix_fmt}"
    if stream.width * stream.height > _MOST_PIXELS:
        return f"its pictures are large ({stream.width} x {stream.height})"
    played = [s for s in container.streams.video if not s.disposition & Disposition.attached_pic]
    if stream.index != played[0].index:
        return "another of its video streams is read than the one that a browser plays"
    if abs((container.start_time or 0) / av.time_base) > _STARTS_WITHIN_S:
        return "its clock does not begin at 0"
    return ""


def _proxy_size(height: int, width: int) -> tuple[int, int]:
    scale = min(1.0, _SHORT_SIDE / min(height, width), _LONG_SIDE / max(height, width))
    return max(2, round(height * scale) // 2 * 2), max(2, round(width * scale) // 2 * 2)
