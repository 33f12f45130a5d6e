"""Pictures are turned, mirrored and stretched as players do it: "left" and "right" in supervision depend on it."""

import math
from fractions import Fraction

import av
import numpy as np
import pytest

from tests.clocks import turn
from vlm_autodrive.video import OpenVideo, SamplingSettings, probe, read_frames, read_pictures, write_clip_file

COLOURS = {"R": (220, 30, 30), "G": (30, 200, 30), "B": (30, 30, 220), "W": (255, 255, 255)}
MATRICES = {
    "as stored": ((1, 0, 0, 1), "RGBW"),
    "90": ((0, 1, -1, 0), "BRWG"),
    "180": ((-1, 0, 0, -1), "WBGR"),
    "270": ((0, -1, 1, 0), "GWRB"),
    "hflip": ((-1, 0, 0, 1), "GRWB"),
    "vflip": ((1, 0, 0, -1), "BWRG"),
    "transpose": ((0, 1, 1, 0), "RBGW"),
    "transverse": ((0, -1, -1, 0), "WGBR"),
    "all zero": ((0, 0, 0, 0), "RGBW"),
    "no area": ((1, 0, 1, 0), "RGBW"),
    "45": ((math.sqrt(0.5), math.sqrt(0.5), -math.sqrt(0.5), math.sqrt(0.5)), "RGBW"),
}


def corners(path, size=(320, 192), aspect=None):
    """Red left top, green right top, blue left bottom, white right bottom."""
    width, height = size
    picture = np.full((height, width, 3), 90, np.uint8)
    side = height // 4
    picture[:side, :side], picture[:side, -side:] = COLOURS["R"], COLOURS["G"]
    picture[-side:, :side], picture[-side:, -side:] = COLOURS["B"], COLOURS["W"]
    with av.open(str(path), "w") as container:
        stream = container.add_stream("libx264", rate=5, options={"preset": "ultrafast"})
        stream.width, stream.height, stream.pix_fmt = width, height, "yuv420p"
        if aspect:
            stream.codec_context.sample_aspect_ratio = Fraction(aspect)
        for _ in range(10):
            container.mux(stream.encode(av.VideoFrame.from_ndarray(picture, "rgb24")))
        container.mux(stream.encode())
    return path


def read(picture):
    """The letters of a picture's corners, in reading order."""
    inset = min(picture.shape[:2]) // 10
    seen = [picture[y, x].astype(int) for y in (inset, -inset) for x in (inset, -inset)]
    return "".join(min(COLOURS, key=lambda name: np.abs(pixel - COLOURS[name]).sum()) for pixel in seen)


@pytest.mark.parametrize("name", MATRICES)
def test_pictures_stand_as_players_show_them(tmp_path, name):
    matrix, expected = MATRICES[name]
    path = corners(tmp_path / "a.mp4")
    turn(path, matrix)
    (picture,) = read_pictures(path, [0.5], 1000)
    is_turned = expected in ("BRWG", "GWRB", "RBGW", "WGBR")
    assert picture.shape == ((320, 192, 3) if is_turned else (192, 320, 3))
    assert read(picture) == expected
    sampling = SamplingSettings(fps=2, height=96, width=96)
    assert {read(pixels) for pixels in read_frames(path, 0, 2, sampling).pixels} == {expected}
    write_clip_file(path, 0, 2, tmp_path / "clip.mp4")
    assert read(read_pictures(tmp_path / "clip.mp4", [0.5], 1000)[0]) == expected
    info = probe(path)
    assert (info.height, info.width) == picture.shape[:2]
    told = {"RGBW": set()}.get(expected, {"rotated"})
    assert set(info.notes) == ({"tilted"} if name == "45" else told)


def test_what_is_done_to_pictures_is_told(tmp_path):
    path = corners(tmp_path / "a.mp4")
    turn(path, MATRICES["transverse"][0])
    assert probe(path).notes == {
        "rotated": "pictures are mirrored left to right and turned by 270 degrees to stand upright"
    }
    turn(path, MATRICES["45"][0])
    assert probe(path).notes == {"tilted": "pictures are to be turned by 45 degrees, and are left as they are stored"}


@pytest.mark.parametrize(
    ("size", "aspect", "shown"),
    [
        ((360, 270), "4/3", (270, 480)),
        ((240, 270), "2/1", (270, 480)),
        ((180, 144), "64/45", (144, 256)),
        ((480, 136), "1/2", (272, 480)),
        ((320, 192), "1/1", (192, 320)),
        ((320, 192), "1/90", (192, 320)),
    ],
)
@pytest.mark.parametrize("name", ["a.mp4", "a.mkv", "a.ts"])
def test_pictures_have_the_shape_that_players_show(tmp_path, name, size, aspect, shown):
    path = corners(tmp_path / name, size, aspect=aspect)
    info = probe(path)
    assert (info.height, info.width) == shown
    assert read_pictures(path, [0.5], 10_000)[0].shape[:2] == shown
    assert ("pixel shape" in info.notes) == (aspect != "1/1")
    write_clip_file(path, 0, 1, tmp_path / "clip.mp4")
    with OpenVideo(tmp_path / "clip.mp4") as video:
        assert video.display_size == shown
        assert not video.notes


def test_a_turned_picture_of_wide_pixels(tmp_path):
    path = corners(tmp_path / "a.mp4", (240, 270), aspect="2/1")
    turn(path, MATRICES["90"][0])
    (picture,) = read_pictures(path, [0.5], 10_000)
    assert picture.shape[:2] == (480, 270)
    assert read(picture) == "BRWG"


def test_a_shape_that_cannot_be_known_is_noted(tmp_path):
    path = corners(tmp_path / "a.mp4", (720, 576))
    assert "pictures seldom have square pixels" in probe(path).notes["pixel shape"]
