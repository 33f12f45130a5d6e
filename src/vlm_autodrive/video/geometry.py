"""Geometry of a decoded picture: how it is turned, mirrored, stretched and resized, as players do it.

The display matrix is that of ISO/IEC 14496-12, section 6.2.2: it maps the point (x, y) of the stored picture to
(a x + c y, b x + d y). The shape of a pixel is the container's where it tells one, else the codec's, as in FFmpeg's
``av_guess_sample_aspect_ratio``.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from fractions import Fraction
from math import atan2, degrees
from pathlib import Path
from typing import cast

import av
import numpy as np
from av.sidedata.sidedata import SideData, Type
from av.video.reformatter import Interpolation, VideoReformatter
from numpy.typing import NDArray

from vlm_autodrive.video.errors import library_errors

_MAX_TILT = 0.02  # of an axis against the picture's sides, as a tangent: about one degree
_MAX_PIXEL_ASPECT = 4
_NEVER_SQUARE = frozenset(
    ((704, 480), (720, 480), (704, 576), (720, 576), (352, 480), (352, 576), (960, 1080), (1440, 1080))
)  # of ITU-R BT.601, HDV and analogue high definition


@dataclass(frozen=True)
class Orientation:
    """What is done to a stored picture so that it stands upright.

    Attributes:
        turns: Quarter turns, counter-clockwise, after the mirroring.
        mirrored: Whether it is mirrored left to right.
        tilt: Degrees, clockwise, by which it would have to be turned; such pictures are left as they are stored.
    """

    turns: int = 0
    mirrored: bool = False
    tilt: int = 0

    def upright(self, pixels: NDArray[np.uint8]) -> NDArray[np.uint8]:
        """Pixels of shape [height, width, 3], standing upright."""
        if self.mirrored:
            pixels = pixels[:, ::-1]
        return np.ascontiguousarray(np.rot90(pixels, self.turns))

    def size(self, height: int, width: int) -> tuple[int, int]:
        """Height and width of a picture after being turned; or before, since it is the same."""
        return (width, height) if self.turns % 2 else (height, width)


def orientation(frame: av.VideoFrame) -> Orientation:
    """How a frame must be turned and mirrored, by its display matrix; as stored if that makes no sense."""
    data = cast(Mapping[Type, SideData], frame.side_data).get(Type.DISPLAYMATRIX)
    if data is None:
        return Orientation()
    a, b, _, c, d = (int(number) for number in np.frombuffer(bytes(data), np.int32)[:5])
    if a * d == b * c:  # nothing of the picture would be left
        return Orientation()
    if max(abs(b), abs(c)) <= _MAX_TILT * min(abs(a), abs(d)):
        return Orientation(2 if d < 0 else 0, (a < 0) != (d < 0))
    if max(abs(a), abs(d)) <= _MAX_TILT * min(abs(b), abs(c)):
        mirrored = (b < 0) == (c < 0)
        return Orientation(1 if (b > 0) == mirrored else 3, mirrored)
    return Orientation(tilt=round(degrees(atan2(b, a))))


def pixel_aspect(stream: av.VideoStream) -> Fraction:
    """Width of a pixel by its height; 1 where the file does not tell, or nothing that can be."""
    aspect = stream.sample_aspect_ratio
    if stream.codec_context.name == "gif":  # its field is left as it came, and browsers pay no heed to it
        return Fraction(1)
    if not aspect or not Fraction(1, _MAX_PIXEL_ASPECT) <= aspect <= _MAX_PIXEL_ASPECT:
        return Fraction(1)
    return aspect


def display_size(stream: av.VideoStream, frame: av.VideoFrame) -> tuple[int, int]:
    """Height and width of a frame as players show it: upright, with square pixels, and none of its pixels lost."""
    aspect = pixel_aspect(stream)
    height = frame.height if aspect >= 1 else round(frame.height / aspect)
    width = frame.width if aspect <= 1 else round(frame.width * aspect)
    return orientation(frame).size(height, width)


def geometry_notes(stream: av.VideoStream, frame: av.VideoFrame) -> dict[str, str]:
    """What is done to the pictures, and what cannot be known of their shape, by kind."""
    notes = {}
    how = orientation(frame)
    mirrored = "mirrored left to right" if how.mirrored else ""
    turned = f"turned by {90 * how.turns} degrees" if how.turns else ""
    if mirrored or turned:
        notes["rotated"] = f"pictures are {' and '.join(filter(None, (mirrored, turned)))} to stand upright"
    if how.tilt:
        notes["tilted"] = f"pictures are to be turned by {how.tilt} degrees, and are left as they are stored"
    aspect, told = pixel_aspect(stream), stream.sample_aspect_ratio
    if aspect != 1:
        height, width = display_size(stream, frame)
        stored = f"pixels are {aspect.numerator}:{aspect.denominator} wide to high"
        notes["pixel shape"] = f"{stored}; pictures are shown as {width} x {height}"
    elif told and told != 1 and stream.codec_context.name != "gif":
        notes["pixel shape"] = f"a pixel would be {told.numerator}:{told.denominator}, and is taken as square"
    elif not told and (frame.width, frame.height) in _NEVER_SQUARE:
        notes["pixel shape"] = f"{frame.width} x {frame.height} pictures seldom have square pixels; these are taken so"
    return notes


class Resizer:
    """Turns decoded frames into upright RGB pictures of one size; keeps its scaler from frame to frame."""

    def __init__(self, path: Path, height: int, width: int, band_height: int = 0) -> None:
        """Make pictures of ``height`` x ``width`` pixels, of which the lowest ``band_height`` rows stay black.

        ``path`` is the video, for the error that tells of a frame which cannot be turned into a picture.
        """
        self._path = path
        self._height, self._width = height - band_height, width
        self._band = ((0, band_height), (0, 0), (0, 0))
        self._reformatter = VideoReformatter()

    def picture(self, frame: av.VideoFrame) -> NDArray[np.uint8]:
        """The whole picture, turned upright and squeezed to the size, each pixel the mean of its area.

        Raises:
            VideoError: If the frame cannot be turned into one.
        """
        how = orientation(frame)
        height, width = how.size(self._height, self._width)
        with library_errors(self._path):
            small = self._reformatter.reformat(
                frame, width=width, height=height, format="rgb24", interpolation=Interpolation.AREA
            )
            pixels = cast(NDArray[np.uint8], small.to_ndarray())
        upright = how.upright(pixels)
        return np.pad(upright, self._band) if self._band[0][1] else upright
