"""Timestamps drawn on frames: legible, true to each frame's own time, and the same whoever reads the frames."""

from dataclasses import replace

import numpy as np
import pytest
from PIL import Image, ImageDraw, ImageFont

from tests.clocks import numbers_shown
from vlm_autodrive.evaluation.predict.controls import apply_control
from vlm_autodrive.records import Clip
from vlm_autodrive.settings import parse_settings
from vlm_autodrive.supervision.settings import TeacherContextSettings
from vlm_autodrive.training.packing import augment
from vlm_autodrive.training.sampler import TrainExample
from vlm_autodrive.video import FrameCache, Frames, SamplingSettings, read_frames, read_windows

HEIGHT, WIDTH, BAND = 252, 448, 28
PLAIN = SamplingSettings(fps=4, height=HEIGHT, width=WIDTH)
DRAWN = PLAIN.model_copy(update={"draw_timestamps": True})


def drawn_text(text: str, rows: int, size: int) -> np.ndarray:
    """What Pillow draws of a text, cut to its digits."""
    picture = Image.new("L", (200, rows))
    ImageDraw.Draw(picture).text((100, rows / 2), text, fill=255, font=ImageFont.load_default(size), anchor="mm")
    pixels = np.asarray(picture)
    columns = np.flatnonzero(pixels.any(axis=0))
    return pixels[:, columns[0] : columns[-1] + 1]


def times_shown(pixels: np.ndarray, rows: int = BAND, size: int = 20, up_to_s: float = 10.0) -> list[float]:
    """Read the bands: each holds one time and black beside it, in the left half of even frames, else in the right."""
    known = {}
    for hundredths in range(round(100 * up_to_s)):
        known[drawn_text(f"{hundredths / 100:.2f}s", rows, size).tobytes()] = hundredths / 100
    assert len(known) == round(100 * up_to_s), "no two times look alike"
    found = []
    for place, picture in enumerate(pixels):
        band, width = picture[-rows:], picture.shape[1]
        assert (band == band[..., :1]).all()
        columns = np.flatnonzero(band.any(axis=(0, 2)))
        assert (columns < width // 2).all() if place % 2 == 0 else (columns >= width // 2).all()
        found.append(known[np.ascontiguousarray(band[:, columns[0] : columns[-1] + 1, 0]).tobytes()])
    return found


def clip_of(path, start_s=0.5, end_s=3.0, event_time_s=1.0):
    return Clip(
        clip_id="c", video_id="v", path=str(path), start_s=start_s, end_s=end_s, split="train",
        event_class="collision", event_time_s=event_time_s, alert_time_s=None, ego_involved=None, group_id="v",
        triplet_id=None, metadata={},
    )  # fmt: skip


@pytest.fixture
def path(make_video):
    return make_video("clock.mp4", fps=20, count=100, size=(256, 64))


def test_each_frame_shows_its_own_time_below_the_whole_picture(path):
    frames, plain = (read_frames(path, 0.5, 3.0, sampling) for sampling in (DRAWN, PLAIN))
    assert frames.pixels.shape == plain.pixels.shape
    assert frames.times_s == plain.times_s
    assert times_shown(frames.pixels) == pytest.approx(frames.times_s)
    footage = read_frames(path, 0.5, 3.0, PLAIN.model_copy(update={"height": HEIGHT - BAND}))
    assert (frames.pixels[:, :-BAND] == footage.pixels).all()


@pytest.mark.parametrize(("height", "width", "rows", "size"), [(84, 126, 12, 10), (84, 84, 12, 10), (128, 224, 14, 10)])
def test_small_frames_show_times_that_can_be_told_apart(path, height, width, rows, size):
    sampling = SamplingSettings(fps=4, height=height, width=width, draw_timestamps=True)
    frames = read_frames(path, 0.5, 3.0, sampling)
    assert times_shown(frames.pixels, rows, size) == pytest.approx(frames.times_s)


def test_long_clips_fit_the_smallest_frames():
    frames = Frames(np.zeros((2, 84, 84, 3), np.uint8), (888.88, 999.99), timestamps_drawn=True)
    assert frames.pixels[0, -12:, :42].any() and not frames.pixels[0, :, 42:].any()
    assert frames.pixels[1, -12:, 42:].any() and not frames.pixels[1, :, :42].any()


def test_overlapping_windows_of_one_pass_show_the_times_of_each(path):
    windows = [(0.0, 2.0), (0.5, 2.5), (1.2, 3.2)]
    for (start_s, end_s), frames in read_windows(path, windows, DRAWN):
        assert times_shown(frames.pixels) == pytest.approx(frames.times_s)
        alone = read_frames(path, start_s, end_s, DRAWN)
        assert (frames.pixels == alone.pixels).all() and frames.times_s == alone.times_s


def test_the_cache_gives_what_is_decoded_and_nothing_of_the_other_setting(path, tmp_path):
    clip = clip_of(path)
    for sampling in (DRAWN, PLAIN, DRAWN):
        frames = FrameCache(tmp_path / "frames", sampling).get(clip)
        decoded = read_frames(path, clip.start_s, clip.end_s, sampling)
        assert (frames.pixels == decoded.pixels).all()
        assert frames.timestamps_drawn == sampling.draw_timestamps
    FrameCache(tmp_path / "frames", DRAWN).fill([clip_of(path, 1.0)])
    assert times_shown(FrameCache(tmp_path / "frames", DRAWN).cached(clip_of(path, 1.0)).pixels)[0] == 0


def test_mirrored_and_brightened_footage_keeps_its_times_upright(path):
    frames = read_frames(path, 0.5, 3.0, DRAWN)
    example = TrainExample(clip_of(path), (), mirrored=True, gain=0.7, offset=0.1)
    augmented = augment(frames, example)
    assert times_shown(augmented.pixels) == pytest.approx(frames.times_s)
    assert (augmented.pixels[:, -BAND:] == frames.pixels[:, -BAND:]).all()
    plain = replace(frames, timestamps_drawn=False)
    assert (augmented.pixels[:, :-BAND] == augment(plain, example).pixels[:, :-BAND]).all()
    assert numbers_shown(augmented.pixels[:, :-BAND]) != numbers_shown(frames.pixels[:, :-BAND])


@pytest.mark.parametrize("control", ["black", "shuffled", "event_hidden", "elsewhere_hidden"])
def test_controls_take_footage_away_and_leave_each_places_time(path, control):
    frames = read_frames(path, 0.5, 3.0, DRAWN)
    changed = apply_control(control, clip_of(path), frames, 0.3, 0)
    assert changed.times_s == frames.times_s
    assert times_shown(changed.pixels) == pytest.approx(frames.times_s)
    assert (changed.pixels[:, -BAND:] == frames.pixels[:, -BAND:]).all()
    assert (changed.pixels[:, :-BAND] != frames.pixels[:, :-BAND]).any()
    if control == "black":
        assert not changed.pixels[:, :-BAND].any()
    if control == "shuffled":
        shown = numbers_shown(changed.pixels[:, :-BAND])
        assert shown != sorted(shown) and sorted(shown) == numbers_shown(frames.pixels[:, :-BAND])
    assert apply_control("no_video", clip_of(path), frames, 0.3, 0).pixels.shape == (0, HEIGHT, WIDTH, 3)


@pytest.mark.parametrize("size", [(56, 448), (252, 56), (83, 126)])
def test_frames_too_small_for_digits_are_refused(size):
    height, width = size
    with pytest.raises(Exception, match="draw_timestamps needs frames of at least 84 x 84 pixels") as refused:
        parse_settings(SamplingSettings, {"height": height, "width": width, "draw_timestamps": True}, "train.sampling")
    assert f"not {height} x {width}" in str(refused.value)
    SamplingSettings(height=height, width=width)
    with pytest.raises(ValueError, match="at least 84 x 84"):
        TeacherContextSettings(frame_height=height, frame_width=width, draw_timestamps=True)
