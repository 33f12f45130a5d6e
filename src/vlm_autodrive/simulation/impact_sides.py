"""Which side of each of two bodies is hit when they touch."""

import numpy as np

from vlm_autodrive.simulation.physics import EGO_BODY, Array, Body, Trajectory

_CORNER = 0.5  # the outer quarter at either end of a side


def impact_sides(ego: Trajectory, actor: Trajectory, body: Body, step: int) -> tuple[str, str]:
    """The sides of the ego vehicle and of the other road user that are hit.

    The middle of the overlap of both boxes, as seen from the middle of each, tells the side; in the outer quarter of
    two sides it is the corner between them.

    Args:
        ego: The recording vehicle.
        actor: The other road user.
        body: Its outline.
        step: When they touch.
    """
    # In the ego vehicle's frame its box is upright, so that the other one is cut off at four straight lines.
    polygon = _in_frame(_corners(actor, body, step), ego, step)
    for axis, reach in ((0, EGO_BODY.width / 2), (1, EGO_BODY.length / 2)):
        for sign in (-1.0, 1.0):
            polygon = _cut_off(polygon, axis, sign, reach)
    middle = polygon.mean(axis=0)
    seen_by_actor = _in_frame(_to_road(middle[None], ego, step), actor, step)[0]
    return _side(middle, EGO_BODY), _side(seen_by_actor, body)


def _corners(path: Trajectory, body: Body, step: int) -> Array:
    """The corners of a box in order around it: across and along the road."""
    half = np.array([body.width, body.length]) / 2
    return _to_road(half * np.array([[-1, -1], [-1, 1], [1, 1], [1, -1]]), path, step)


def _to_road(points: Array, path: Trajectory, step: int) -> Array:
    result: Array = points @ _turn(path, step) + np.array([path.d[step], path.s[step]])
    return result


def _in_frame(points: Array, path: Trajectory, step: int) -> Array:
    result: Array = (points - np.array([path.d[step], path.s[step]])) @ _turn(path, step).T
    return result


def _turn(path: Trajectory, step: int) -> Array:
    cos, sin = np.cos(path.heading[step]), np.sin(path.heading[step])
    return np.array([[cos, -sin], [sin, cos]])


def _cut_off(polygon: Array, axis: int, sign: float, reach: float) -> Array:
    """The part of a convex polygon on this side of a line (Sutherland and Hodgman, 1974)."""
    kept = []
    for a, b in zip(polygon, np.roll(polygon, -1, axis=0), strict=True):
        inside_a, inside_b = sign * a[axis] <= reach, sign * b[axis] <= reach
        if inside_a:
            kept.append(a)
        if inside_a != inside_b:
            kept.append(a + (b - a) * (sign * reach - a[axis]) / (b[axis] - a[axis]))
    return np.array(kept)


def _side(middle: Array, body: Body) -> str:
    across, along = float(middle[0]) / (body.width / 2), float(middle[1]) / (body.length / 2)
    lengthwise = ("rear", "front")[along > 0] if abs(along) >= min(_CORNER, abs(across)) else ""
    sideways = ("left", "right")[across > 0] if abs(across) > min(_CORNER, abs(along)) else ""
    return "_".join(part for part in (lengthwise, sideways) if part)
