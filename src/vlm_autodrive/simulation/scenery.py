"""The road and its surroundings, in segments of equal length."""

from collections.abc import Callable
from functools import lru_cache
from math import ceil, cos, floor, sin

import numpy as np

from vlm_autodrive.simulation.families import LANE_M
from vlm_autodrive.simulation.random_encounters import Look
from vlm_autodrive.simulation.shapes import PAINT, Color, Mesh, Point, road_user

CHUNK_M = 36.0
VARIANTS = 4
SIDEWALK_M = 2.4
PARKING_M = 2.4
ZEBRA_M = (-8.5, -6.0)
"""Where a zebra crossing lies across the ego vehicle's lanes, from the middle of its junction."""
_CURB = (0.62, 0.62, 0.60)
_WALLS: tuple[Color, ...] = (
    (0.62, 0.42, 0.34),
    (0.75, 0.70, 0.60),
    (0.55, 0.57, 0.62),
    (0.80, 0.76, 0.70),
    (0.48, 0.36, 0.32),
    (0.66, 0.62, 0.48),
)
_GROUND: dict[str, Color] = {
    "Urban": (0.44, 0.43, 0.42),
    "Sub-urban": (0.36, 0.50, 0.26),
    "Rural": (0.46, 0.55, 0.26),
    "Highway": (0.40, 0.50, 0.28),
}
_TREES = {"Urban": 1, "Sub-urban": 2, "Rural": 3, "Highway": 2}
_TREE_DISTANCE_M = {"Urban": (1.4, 1.4), "Sub-urban": (3.4, 6.4), "Rural": (6.0, 9.0), "Highway": (7.0, 10.0)}

Block = Callable[[float, float, float, float, float, float, Color], None]


def bend(s: float, d: float, curvature: float) -> tuple[float, float]:
    """The place of a point ``s`` along and ``d`` right of a road of constant curvature."""
    if curvature == 0.0:
        return d, s
    radius = 1.0 / curvature
    return radius - (radius - d) * cos(curvature * s), (radius - d) * sin(curvature * s)


@lru_cache(maxsize=256)
def chunk(scene: str, lanes: int, ego_lane: int, curvature: float, kind: str, snow: bool) -> Mesh:
    """One piece of road; ``kind`` is a variant number or ``junction``.

    Its origin is its middle, on the ego lane's middle.
    """
    mesh = Mesh()
    rng = np.random.default_rng([hash_text(scene), lanes, hash_text(kind)])
    half = CHUNK_M / 2
    left = -(ego_lane + 0.5) * LANE_M
    right = left + lanes * LANE_M
    median = 3.0 if scene == "Highway" else 0.0
    far_left = left - median - lanes * LANE_M
    ground = _GROUND[scene]
    asphalt: Color = (0.30, 0.30, 0.32)
    if snow:
        ground, asphalt = (0.82, 0.84, 0.88), (0.42, 0.43, 0.46)

    def strip(d0: float, d1: float, z: float, color: Color, s0: float = -half, s1: float = half) -> None:
        pieces = 3 if curvature and s1 - s0 > 12 else 1
        for i in range(pieces):
            a, b = s0 + (s1 - s0) * i / pieces, s0 + (s1 - s0) * (i + 1) / pieces
            corners: list[Point] = [(*bend(s, d, curvature), z) for s, d in ((a, d0), (a, d1), (b, d1), (b, d0))]
            mesh.quad(corners, color)

    def block(s: float, d: float, length: float, width: float, low: float, high: float, color: Color) -> None:
        x, y = bend(s, d, curvature)
        mesh.box((x - width / 2, y - length / 2, low), (x + width / 2, y + length / 2, high), color)

    strip(-70.0, 70.0, -0.06, ground)
    shoulder = 1.2 if scene in ("Rural", "Highway") else PARKING_M
    strip(far_left - shoulder, right + shoulder, 0.0, asphalt)
    if kind == "junction":
        strip(-70.0, 70.0, 0.005, asphalt, -5.0, 5.0)
        for d in np.arange(left + 0.3, right - 0.3, 1.2):
            strip(float(d), float(d) + 0.6, 0.015, (0.9, 0.9, 0.9), *ZEBRA_M)
    white = (0.92, 0.92, 0.92)
    for lane in range(1, lanes):
        for s in np.arange(-half, half, 12.0):
            for edge in (left, far_left):
                d = edge + lane * LANE_M
                strip(d - 0.09, d + 0.09, 0.012, white, float(s), float(s) + 5.0)
    if kind != "junction":
        strip(right - 0.08, right + 0.1, 0.012, white)
        strip(far_left - 0.1, far_left + 0.08, 0.012, white)
        strip(left - 0.22, left - 0.08, 0.012, (0.93, 0.78, 0.15) if not median else white)
    if median:
        block(0.0, left - median / 2, CHUNK_M, 0.5, 0.0, 0.85, (0.70, 0.70, 0.68))
    kerbs = ((right + shoulder, 1), (far_left - shoulder, -1))
    for edge, side in kerbs:
        if scene in ("Urban", "Sub-urban"):
            ends = ((-half, -6.0), (6.0, half)) if kind == "junction" else ((-half, half),)
            for s0, s1 in ends:
                strip(min(edge, edge + side * SIDEWALK_M), max(edge, edge + side * SIDEWALK_M), 0.05, _CURB, s0, s1)
        _roadside(scene, kind, edge, side, block, rng, snow)
        if scene in ("Urban", "Sub-urban") and kind != "junction" and side == 1:
            for s in (-9.0, 6.0):
                if rng.random() < 0.45:
                    _parked(mesh, s, edge - 1.15, rng, curvature)
    return mesh


def chunk_middle(index: int, crossings: tuple[float, ...]) -> float:
    """Where along the road the middle of a piece lies; a side street of the first crossing vehicle is a middle."""
    return index * CHUNK_M + (crossings[0] if crossings else 0.0)


def chunk_kind(look: Look, index: int, crossings: tuple[float, ...]) -> str:
    """The kind of a piece of road: a junction where vehicles cross, and now and then elsewhere."""
    middle = chunk_middle(index, crossings)
    if any(abs(middle - place) < CHUNK_M / 2 for place in crossings):
        return "junction"
    number = (index * 7919 + look.seed) * 2654435761 % 2**32
    return "junction" if number % 23 == 0 and look.scene != "Highway" else str((number >> 8) % VARIANTS)


def junctions_between(look: Look, crossings: tuple[float, ...], first_m: float, last_m: float) -> list[float]:
    """The middles of the junctions on a stretch of the road."""
    start = chunk_middle(0, crossings)
    pieces = range(floor((first_m - start) / CHUNK_M), ceil((last_m - start) / CHUNK_M) + 1)
    middles = [chunk_middle(i, crossings) for i in pieces if chunk_kind(look, i, crossings) == "junction"]
    return [middle for middle in middles if first_m <= middle <= last_m]


def hash_text(text: str) -> int:
    """A number from a text, the same in every process."""
    return sum((i + 1) * byte for i, byte in enumerate(text.encode()))


def _roadside(scene: str, kind: str, edge: float, side: int, put: Block, rng: np.random.Generator, snow: bool) -> None:
    half = CHUNK_M / 2
    leaf: Color = (0.72, 0.78, 0.80) if snow else (0.16, 0.38 + 0.12 * float(rng.random()), 0.14)
    if scene == "Urban":
        spans = ((-half, -7.0), (7.0, half)) if kind == "junction" else ((-half, -0.5), (0.5, half))
        for s0, s1 in spans:
            depth = 10.0
            d = edge + side * (SIDEWALK_M + depth / 2 + float(rng.uniform(0.2, 1.2)))
            height = float(rng.uniform(6.0, 15.0))
            color = _WALLS[int(rng.integers(len(_WALLS)))]
            middle, length = (s0 + s1) / 2, s1 - s0 - 0.4
            put(middle, d, length, depth, 0.0, height, color)
            dark = (color[0] * 0.45, color[1] * 0.48, color[2] * 0.55)
            for z in np.arange(1.2, height - 1.5, 3.4):
                put(middle, d, length - 1.6, depth + 0.12, float(z), float(z) + 1.4, dark)
    elif scene == "Sub-urban" and (kind != "junction" or side == 1):
        s = float(rng.uniform(9.0, 11.0))
        d = edge + side * (SIDEWALK_M + 9.0)
        put(s, d, 10.0, 8.0, 0.0, 4.2, _WALLS[int(rng.integers(len(_WALLS)))])
        put(s, d, 10.6, 8.6, 4.2, 5.6, (0.45, 0.22, 0.18))
    trees = _TREES[scene]
    for i in range(trees):
        s = -half + (i + float(rng.uniform(0.1, 0.5))) * CHUNK_M / trees
        away = float(rng.uniform(*_TREE_DISTANCE_M[scene]))
        if kind == "junction" and abs(s) < 7.5:
            continue
        d, size = edge + side * away, float(rng.uniform(0.8, 1.5))
        put(s, d, 0.35, 0.35, 0.0, 2.2, (0.30, 0.22, 0.15))
        put(s, d, 2.2 * size, 2.2 * size, 1.9, 3.6 + size, leaf)
    put(half - 2.0, edge + side * 0.4, 0.16, 0.16, 0.0, 6.5, (0.42, 0.43, 0.45))
    put(half - 2.0, edge - side * 0.5, 0.3, 1.6, 6.4, 6.6, (0.95, 0.92, 0.75))


def _parked(mesh: Mesh, s: float, d: float, rng: np.random.Generator, curvature: float) -> None:
    body, lights, _ = road_user("car", sorted(PAINT)[int(rng.integers(len(PAINT)))])
    x, y = bend(s, d, curvature)
    for part in (body, lights):
        mesh.corners += [(px + x, py + y, pz) for px, py, pz in part.corners]
        mesh.colors += part.colors
