"""Triangles with baked colours, and the low-polygon road users made of them."""

from collections.abc import Sequence
from typing import Any

import numpy as np

Color = tuple[float, float, float]
Point = tuple[float, float, float]

PAINT: dict[str, Color] = {
    "red": (0.86, 0.10, 0.10),
    "blue": (0.12, 0.25, 0.85),
    "white": (0.95, 0.95, 0.95),
    "yellow": (0.97, 0.82, 0.08),
    "green": (0.10, 0.60, 0.20),
    "black": (0.10, 0.10, 0.12),
    "silver": (0.68, 0.70, 0.74),
    "orange": (0.98, 0.48, 0.05),
}
_GLASS = (0.10, 0.13, 0.17)
_TYRE = (0.06, 0.06, 0.06)
_BRAKE_LIGHT = (1.0, 0.10, 0.06)
_SKIN = (0.90, 0.70, 0.55)
_SUN = np.array([0.35, -0.45, 0.82])


class Mesh:
    """Collects quads and boxes, and becomes one Panda3D node: no lights, the shade is baked in."""

    def __init__(self) -> None:
        self.corners: list[Point] = []
        self.colors: list[Color] = []

    def quad(self, points: Sequence[Point], color: Color, colors: Sequence[Color] | None = None) -> None:
        """Add a quad, corners counter-clockwise as seen from the front."""
        self.corners += points
        self.colors += colors or [color] * 4

    def box(self, low: Point, high: Point, color: Color, taper: float = 0.0, bottom: bool = False) -> None:
        """Add a box; ``taper`` draws the top in along its length."""
        (x0, y0, z0), (x1, y1, z1) = low, high
        a, b = y0 + taper, y1 - taper
        faces: list[tuple[Sequence[Point], tuple[float, float, float]]] = [
            (((x0, a, z1), (x1, a, z1), (x1, b, z1), (x0, b, z1)), (0, 0, 1)),
            (((x0, y0, z0), (x1, y0, z0), (x1, a, z1), (x0, a, z1)), (0, -1, 0)),
            (((x1, y1, z0), (x0, y1, z0), (x0, b, z1), (x1, b, z1)), (0, 1, 0)),
            (((x1, y0, z0), (x1, y1, z0), (x1, b, z1), (x1, a, z1)), (1, 0, 0)),
            (((x0, y1, z0), (x0, y0, z0), (x0, a, z1), (x0, b, z1)), (-1, 0, 0)),
        ]
        if bottom:
            faces.append((((x0, y1, z0), (x1, y1, z0), (x1, y0, z0), (x0, y0, z0)), (0, 0, -1)))
        for points, normal in faces:
            shade = float(0.72 + 0.30 * (np.array(normal) @ _SUN))
            self.quad(points, (color[0] * shade, color[1] * shade, color[2] * shade))

    def node(self, name: str) -> Any:
        """The node path of what was collected."""
        from panda3d.core import Geom, GeomNode, GeomTriangles, GeomVertexData, GeomVertexFormat, NodePath

        count = len(self.corners)
        data = GeomVertexData(name, GeomVertexFormat.get_v3c4(), Geom.UH_static)
        data.set_num_rows(count)
        vertices = np.zeros(count, dtype=[("p", "<f4", 3), ("c", "u1", 4)])
        vertices["p"] = self.corners
        rgba = np.ones((count, 4))
        rgba[:, :3] = np.clip(self.colors, 0, 1)
        vertices["c"] = np.round(rgba * 255)
        memoryview(data.modify_array(0)).cast("B")[:] = vertices.tobytes()
        triangles = GeomTriangles(Geom.UH_static)
        first = np.arange(0, count, 4)[:, None]
        for a, b, c in (first + np.array([[0, 1, 2]])).tolist() + (first + np.array([[0, 2, 3]])).tolist():
            triangles.add_vertices(a, b, c)
        geom = Geom(data)
        geom.add_primitive(triangles)
        node = GeomNode(name)
        node.add_geom(geom)
        return NodePath(node)


def road_user(kind: str, color: str) -> tuple[Mesh, Mesh, Mesh]:
    """A road user, its middle at the origin, looking along y.

    Returns:
        The body, the lights that always burn, and the brake lights.
    """
    body, lights, brakes = Mesh(), Mesh(), Mesh()
    paint = PAINT[color]
    if kind == "pedestrian":
        body.box((-0.22, -0.2, 0.0), (-0.02, 0.2, 0.85), (0.12, 0.13, 0.22))
        body.box((0.04, -0.2, 0.0), (0.24, 0.2, 0.85), (0.12, 0.13, 0.22))
        body.box((-0.36, -0.24, 0.8), (0.36, 0.24, 1.5), paint)
        body.box((-0.16, -0.16, 1.5), (0.16, 0.16, 1.86), _SKIN)
        return body, lights, brakes
    if kind == "cyclist":
        for y in (-0.62, 0.62):
            body.box((-0.07, y - 0.32, 0.0), (0.07, y + 0.32, 0.64), _TYRE)
        body.box((-0.07, -0.62, 0.42), (0.07, 0.6, 0.62), paint)
        body.box((-0.24, -0.3, 0.5), (0.24, 0.15, 1.0), (0.12, 0.13, 0.22))
        body.box((-0.34, -0.25, 1.0), (0.34, 0.25, 1.62), paint)
        body.box((-0.16, -0.05, 1.62), (0.16, 0.27, 1.95), (0.95, 0.95, 0.9))
        return body, lights, brakes
    length, width = {"car": (4.4, 1.8), "van": (5.2, 2.0), "truck": (8.0, 2.4)}[kind]
    x, y = width / 2, length / 2
    if kind == "car":
        body.box((-x, -y, 0.32), (x, y, 0.86), paint)
        body.box((-x + 0.1, -y + 0.5, 0.86), (x - 0.1, y - 1.0, 1.42), _GLASS, taper=0.45)
        body.box((-x + 0.14, -y + 0.95, 1.42), (x - 0.14, y - 1.45, 1.47), paint)
        z = 0.66
    elif kind == "van":
        body.box((-x, -y, 0.35), (x, y - 0.9, 2.05), paint)
        body.box((-x, y - 0.9, 0.35), (x, y, 1.05), paint)
        body.box((-x + 0.08, y - 0.95, 1.05), (x - 0.08, y - 0.2, 1.95), _GLASS, taper=0.2)
        body.box((-x + 0.25, -y - 0.02, 1.25), (x - 0.25, -y, 1.85), _GLASS)
        z = 0.85
    else:
        body.box((-x, -y, 0.75), (x, y - 2.0, 3.1), (0.86, 0.86, 0.84))
        body.box((-x - 0.01, -y - 0.01, 1.5), (x + 0.01, y - 2.0, 2.1), paint)
        body.box((-x, -y + 0.1, 0.45), (x, y, 0.75), (0.15, 0.15, 0.15))
        body.box((-x + 0.05, y - 1.85, 0.5), (x - 0.05, y, 1.6), paint)
        body.box((-x + 0.08, y - 1.85, 1.6), (x - 0.08, y - 0.05, 2.5), _GLASS)
        z = 0.8
    for wheel in (-y + 0.85, y - 0.9):
        body.box((-x - 0.02, wheel - 0.34, 0.0), (x + 0.02, wheel + 0.34, 0.62), _TYRE)
    # A dark patch under the vehicle ties it to the road.
    a, b, z0 = x + 0.1, y + 0.1, 0.03
    body.quad(((-a, -b, z0), (a, -b, z0), (a, b, z0), (-a, b, z0)), (0.07, 0.07, 0.08))
    for side in (-1, 1):
        inner, outer = side * (x - 0.42), side * (x - 0.04)
        left, right = min(inner, outer), max(inner, outer)
        back, front = -y - 0.03, y + 0.03
        _plate(lights, back, (left, right), (z - 0.1, z + 0.1), (0.42, 0.03, 0.03))
        _plate(lights, front, (right, left), (z - 0.1, z + 0.12), (1.0, 1.0, 0.86))
        _plate(brakes, back - 0.03, (left - 0.06, right + 0.06), (z - 0.16, z + 0.18), _BRAKE_LIGHT)
    top = {"car": 1.36, "van": 1.95, "truck": 2.95}[kind]
    back = -y - 0.05 if kind != "car" else -y + 0.85
    _plate(brakes, back, (-0.35, 0.35), (top - 0.06, top + 0.08), _BRAKE_LIGHT)
    return body, lights, brakes


def _plate(mesh: Mesh, y: float, x: tuple[float, float], z: tuple[float, float], color: Color) -> None:
    mesh.quad(((x[0], y, z[0]), (x[1], y, z[0]), (x[1], y, z[1]), (x[0], y, z[1])), color)
