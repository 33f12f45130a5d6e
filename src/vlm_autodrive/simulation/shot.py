"""One video, ready to be rendered: where everything is in every frame."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from vlm_autodrive.simulation.drawing import Look
from vlm_autodrive.simulation.physics import Array


@dataclass(frozen=True)
class Track:
    """One road user, frame by frame.

    Attributes:
        kind: Such as ``car``.
        color: Its paint or clothes.
        s: Along the road, in metres.
        d: Right of the ego lane's middle.
        heading: Radians, right positive, 0 along the road.
        height: Above the road.
        tilt: How far it has fallen over, in radians.
        braking: Whether its brake lights burn.
        present: Whether it is on the scene.
    """

    kind: str
    color: str
    s: Array
    d: Array
    heading: Array
    height: Array
    tilt: Array
    braking: NDArray[np.bool_]
    present: NDArray[np.bool_]


@dataclass(frozen=True)
class Camera:
    """The camera in every frame: its car's place, and how it is shaken (degrees and metres)."""

    s: Array
    d: Array
    heading: Array
    pitch: Array
    roll: Array
    lift: Array
    sway: Array


@dataclass(frozen=True)
class Shot:
    """Everything that the renderer needs to know of one video."""

    look: Look
    camera: Camera
    tracks: tuple[Track, ...]
    junctions: tuple[float, ...]
    noise_seed: int
