"""Moving boxes: the free distance between them, and the class of an encounter that follows."""

from dataclasses import dataclass
from typing import Any, TypeAlias

import numpy as np
from numpy.typing import NDArray

Array: TypeAlias = NDArray[np.floating[Any]]

DT = 0.02
BRAKE_LIMIT_MPS2 = {"Clear": 8.0, "Cloudy": 7.8, "Rain": 6.6, "Snow": 5.6}

COLLISION_SPEED_MPS = 3.0
NEAR_GAP_M = (0.2, 0.9)
NORMAL_DECELERATION_MPS2 = 4.2
EVASIVE_DECELERATION_MPS2 = 4.8
EVASIVE_SHIFT_M = 0.4
NORMAL_GAP_M = {
    "lead_brake": 1.8,
    "cut_in": 1.5,
    "crossing_vehicle": 2.2,
    "oncoming_drift": 1.4,
    "pedestrian_crossing": 1.8,
    "cyclist_crossing": 1.8,
}


@dataclass(frozen=True)
class Body:
    """A road user's outline, in metres."""

    length: float
    width: float


EGO_BODY = Body(4.5, 1.85)
BODIES = {
    "car": Body(4.4, 1.8),
    "van": Body(5.2, 2.0),
    "truck": Body(8.0, 2.4),
    "pedestrian": Body(0.5, 0.7),
    "cyclist": Body(1.8, 0.7),
}


@dataclass(frozen=True)
class Trajectory:
    """Where a body is over time: along the road, across it (right positive), heading (right positive), speed."""

    s: Array
    d: Array
    heading: Array
    speed: Array


def smoothstep(x: Array) -> Array:
    """0 before 0, 1 after 1, smooth between."""
    x = np.clip(x, 0.0, 1.0)
    result: Array = x * x * (3.0 - 2.0 * x)
    return result


def heading_of(d: Array, speed: Array) -> Array:
    """The heading that goes with a sideways motion ``d`` (time along the first axis)."""
    result: Array = np.arctan2(np.gradient(d, DT, axis=0), np.maximum(speed, 3.0))
    return result


def box_gap(a: Trajectory, a_body: Body, b: Trajectory, b_body: Body) -> Array:
    """The free distance between two oriented boxes, 0 where they overlap."""
    dx, dy = b.d - a.d, b.s - a.s
    # Where two convex boxes are apart, a corner of one of them is an end of the shortest line between them.
    distance = np.minimum(
        _corners_to_box(dx, dy, a.heading, a_body, b.heading, b_body),
        _corners_to_box(-dx, -dy, b.heading, b_body, a.heading, a_body),
    )
    # Two boxes may cross without a corner of one in the other, so contact is found by the separating axis theorem:
    # boxes are apart if and only if their shadows on one of the four side directions do not overlap.
    separated = _separated(dx, dy, a.heading, a_body, b.heading, b_body) | _separated(
        dx, dy, b.heading, b_body, a.heading, a_body
    )
    return np.where(separated, distance, 0.0)


def _corners_to_box(dx: Array, dy: Array, h: Array, body: Body, other_h: Array, other: Body) -> Array:
    cos, sin = np.cos(h), np.sin(h)
    along, across = dx * sin + dy * cos, dx * cos - dy * sin
    turn_cos, turn_sin = np.cos(other_h - h), np.sin(other_h - h)
    best = np.full(np.broadcast(dx, h, other_h).shape, np.inf)
    for u in (-other.length / 2, other.length / 2):
        for w in (-other.width / 2, other.width / 2):
            out_along = np.maximum(np.abs(along + u * turn_cos - w * turn_sin) - body.length / 2, 0.0)
            out_across = np.maximum(np.abs(across + u * turn_sin + w * turn_cos) - body.width / 2, 0.0)
            best = np.minimum(best, out_along * out_along + out_across * out_across)
    result: Array = np.sqrt(best)
    return result


def _separated(dx: Array, dy: Array, h: Array, body: Body, other_h: Array, other: Body) -> NDArray[np.bool_]:
    cos, sin = np.cos(h), np.sin(h)
    turn_cos, turn_sin = np.abs(np.cos(other_h - h)), np.abs(np.sin(other_h - h))
    reach_along = (body.length + other.length * turn_cos + other.width * turn_sin) / 2
    reach_across = (body.width + other.length * turn_sin + other.width * turn_cos) / 2
    result: NDArray[np.bool_] = (np.abs(dx * sin + dy * cos) > reach_along) | (
        np.abs(dx * cos - dy * sin) > reach_across
    )
    return result


def relative_speed(a: Trajectory, b: Trajectory) -> Array:
    """The size of the difference of two bodies' velocities."""
    across = a.speed * np.sin(a.heading) - b.speed * np.sin(b.heading)
    along = a.speed * np.cos(a.heading) - b.speed * np.cos(b.heading)
    result: Array = np.hypot(across, along)
    return result


def classify(family: str, gap_m: float, impact_mps: float, deceleration: float, shift_m: float) -> str | None:
    """The class that a motion has earned, or None if it lies between the classes.

    Args:
        family: The kind of scenario, which sets the benign gap.
        gap_m: The smallest free distance; 0 at contact.
        impact_mps: Relative speed at contact; ignored without contact.
        deceleration: The ego vehicle's hardest braking in the encounter.
        shift_m: How far the ego vehicle steered aside.
    """
    # The classes leave gaps between them on purpose: what lies there (a touch at walking pace, a calm pass at arm's
    # length) could be argued about, and labels must not be. The solver draws again.
    if gap_m <= 0.0:
        return "collision" if impact_mps >= COLLISION_SPEED_MPS else None
    evaded = deceleration >= EVASIVE_DECELERATION_MPS2 or shift_m >= EVASIVE_SHIFT_M
    if NEAR_GAP_M[0] <= gap_m <= NEAR_GAP_M[1]:
        return "near_collision" if evaded else None
    if gap_m >= NORMAL_GAP_M[family] and deceleration <= NORMAL_DECELERATION_MPS2:
        return "normal"
    return None
