"""Effects of weather, darkness and the camera sensor, as one gain and one offset per pixel."""

from functools import lru_cache

import numpy as np
from numpy.typing import NDArray

from vlm_autodrive.simulation.random_encounters import Look

_BANK = 6
_HORIZON = 0.44
Picture = NDArray[np.uint8]

SKY = {
    "Bright": ((0.45, 0.65, 0.95), (0.80, 0.88, 0.96)),
    "Normal": ((0.62, 0.70, 0.80), (0.80, 0.83, 0.86)),
    "Twilight": ((0.28, 0.28, 0.45), (0.92, 0.58, 0.40)),
    "Dark": ((0.05, 0.06, 0.14), (0.17, 0.18, 0.27)),
}
TINT = {
    "Bright": (1.05, 1.03, 0.98),
    "Normal": (0.88, 0.89, 0.91),
    "Twilight": (0.66, 0.56, 0.58),
    "Dark": (0.74, 0.73, 0.80),
}


def sky(look: Look) -> tuple[tuple[float, float, float], tuple[float, float, float]]:
    """The colours of zenith and horizon; cloud, rain and snow make them grey."""
    grey = {"Clear": 0.0, "Cloudy": 0.7, "Rain": 0.85, "Snow": 0.8}[look.weather]
    colors = []
    for color in SKY[look.light]:
        level = sum(color) / 3 * 0.95
        colors.append(tuple(c * (1 - grey) + level * grey for c in color))
    return colors[0], colors[1]  # type: ignore[return-value]


class Atmosphere:
    """The effects on one video's frames, in YUV 4:2:0: three times fewer numbers than in RGB."""

    def __init__(self, look: Look, width: int, height: int, seed: int) -> None:
        rng = np.random.default_rng(seed)
        rows = np.arange(height)[:, None] / height
        fog = look.haze * np.exp(-((np.abs(rows - _HORIZON) / 0.16) ** 1.5)) + 0.12 * look.haze
        gain = (1 - fog) * np.ones((1, width))
        if look.light == "Dark":
            gain = gain * _headlights(width, height)
        air_y, air_u, air_v = _yuv(sky(look)[1])
        luma = fog * air_y * np.ones((1, width))
        bonnet_gain, bonnet = _bonnet(look, width, height)
        top = height - bonnet.shape[0]
        gain[top:] *= bonnet_gain
        luma[top:] = luma[top:] * bonnet_gain + bonnet
        layers = [np.rint(luma + _falling(look.weather, width, height, rng)).astype(np.int16) for _ in range(3)]
        grain = _grain(height, width, round(look.noise))
        shifts = rng.integers(0, 64, _BANK).tolist()
        self._offsets = [layers[i % 3] + grain[:, shift : shift + width] for i, shift in enumerate(shifts)]
        self._order = rng.integers(0, _BANK, 8192)
        self._gain = np.rint(np.clip(gain, 0.0, 1.0) * 127).astype(np.int16)
        half = gain.reshape(height // 2, 2, width // 2, 2).mean(axis=(1, 3))
        thin = np.ones((1, width // 2)) * fog.reshape(height // 2, 2).mean(axis=1)[:, None]
        thin *= half > 0.0
        self._chroma_gain = np.rint(np.clip(half, 0.0, 1.0) * 127).astype(np.int16)
        # Chroma is centred on 128, so what the gain takes away from the centre is given back.
        back = 128.0 * (1.0 - self._chroma_gain / 127.0)
        self._chroma = [np.rint(back + thin * (air - 128.0)).astype(np.int16) for air in (air_u, air_v)]
        self._work = np.empty((height, width), np.int16)
        self._small = np.empty((height // 2, width // 2), np.int16)

    def apply(self, luma: Picture, chroma: tuple[Picture, Picture], frame: int) -> None:
        """Turn the planes of a rendered picture, in place, into what the camera would have taken."""
        _blend(luma, self._gain, self._offsets[int(self._order[frame % len(self._order)])], self._work)
        for plane, offset in zip(chroma, self._chroma, strict=True):
            _blend(plane, self._chroma_gain, offset, self._small)


def _blend(plane: Picture, gain: NDArray[np.int16], offset: NDArray[np.int16], work: NDArray[np.int16]) -> None:
    np.multiply(plane, gain, out=work)
    np.right_shift(work, 7, out=work)
    np.add(work, offset, out=work)
    np.maximum(work, 0, out=work)
    np.minimum(work, 255, out=work)
    np.copyto(plane, work, casting="unsafe")


def _yuv(color: tuple[float, float, float]) -> tuple[float, float, float]:
    red, green, blue = (255 * x for x in color)
    return (
        16 + 0.257 * red + 0.504 * green + 0.098 * blue,
        128 - 0.148 * red - 0.291 * green + 0.439 * blue,
        128 + 0.439 * red - 0.368 * green - 0.071 * blue,
    )


@lru_cache(maxsize=8)
def _grain(height: int, width: int, level: int) -> NDArray[np.int16]:
    return np.rint(level * np.random.default_rng(7).standard_normal((height, width + 64))).astype(np.int16)


@lru_cache(maxsize=4)
def _headlights(width: int, height: int) -> NDArray[np.float64]:
    y = np.arange(height)[:, None] / height
    x = np.arange(width)[None, :] / width
    beam = np.exp(-(((x - 0.5) / 0.34) ** 2) - (((y - 0.62) / 0.26) ** 2))
    result: NDArray[np.float64] = np.clip(0.72 + 0.5 * beam, 0.0, 1.0)
    return result


def _falling(weather: str, width: int, height: int, rng: np.random.Generator) -> NDArray[np.float64]:
    layer = np.zeros((height, width))
    scale = height / 180
    if weather == "Rain":
        for x, y, length in zip(
            rng.integers(0, width, 70), rng.integers(0, height, 70), rng.integers(8, 20, 70), strict=True
        ):
            layer[y : y + int(length * scale), x] += rng.uniform(18, 45)
    elif weather == "Snow":
        for x, y in zip(rng.integers(0, width, 110), rng.integers(0, height, 110), strict=True):
            size = max(1, round(scale * rng.uniform(1, 2.4)))
            layer[y : y + size, x : x + size] = rng.uniform(50, 120)
    return layer


def _bonnet(look: Look, width: int, height: int) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Where the bonnet hides the picture, and its grey levels, for the lowest rows."""
    rows = max(4, round(0.085 * height))
    x = np.linspace(-1, 1, width)[None, :]
    y = np.arange(rows)[:, None] / rows
    inside = y > 0.25 + 0.75 * np.abs(x) ** 2.6
    level = look.bonnet * (0.6 + 0.5 * y) * float(np.mean(TINT[look.light])) + 4
    return np.where(inside, 0.0, 1.0), np.where(inside, level + 12, 0.0)
