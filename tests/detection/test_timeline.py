import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image

from tests.detection.flashes import write_drive
from tests.detection.short_list.searched import event
from vlm_autodrive.detection.canvas import Axis, label_width, place_labels
from vlm_autodrive.detection.scan import plan_windows
from vlm_autodrive.detection.timeline import draw_timeline, strip_times, write_timeline
from vlm_autodrive.palette import class_colour
from vlm_autodrive.progress import format_clock
from vlm_autodrive.records import (
    DEFAULT_TAXONOMY,
    DetectedEvent,
    Event,
    Outcome,
    TripFile,
    VideoDetections,
    WindowScore,
)


@settings(deadline=None)
@given(st.lists(st.floats(0, 600), max_size=40).map(sorted), st.floats(600, 601))
def test_labels_never_cover_each_other_nor_leave_the_picture(times, end):
    axis = Axis(100, 1500, end)
    labels = [(time, f"Near-Collision {format_clock(time, True)}") for time in times]
    boxes = [
        (lane, left, left + label_width(words))
        for (left, lane), (_, words) in zip(place_labels(axis, labels), labels, strict=True)
    ]
    for number, (lane, left, right) in enumerate(boxes):
        assert left >= 100 - 1
        assert right <= 1500 + 1
        for other_lane, other_left, other_right in boxes[number + 1 :]:
            assert lane != other_lane or right <= other_left or other_right <= left


@pytest.mark.parametrize(
    ("seconds", "tenths", "told"),
    [
        (0, False, "0:00"),
        (65, False, "1:05"),
        (59.96, True, "1:00.0"),
        (3661.2, True, "1:01:01.2"),
        (7.4, False, "0:07"),
    ],
)
def test_clock(seconds, tenths, told):
    assert format_clock(seconds, tenths) == told


@pytest.mark.parametrize("duration", [0.3, 60, 8000])
@pytest.mark.parametrize("truth", [None, (), (Event(event_id="e", video_id="v", event_class=None, time_s=0.2),)])
def test_drawing_at_any_length(duration, truth):
    probabilities = {"collision": 0.7, "near_collision": 0.1, "normal": 0.2}
    windows = tuple(
        WindowScore(start_s=a, end_s=b, outcome=Outcome.OK, probabilities=None if i % 7 == 3 else probabilities)
        for i, (a, b) in enumerate(plan_windows(duration, 4.8, 4.8))
    )
    event = DetectedEvent(
        event_class="collision",
        time_s=duration / 2,
        start_s=0,
        end_s=duration,
        probability=0.8,
        probabilities=probabilities,
    )
    detections = VideoDetections(
        video="x" * 300,
        model="m",
        outcome=Outcome.ERROR,
        reason="long " * 100,
        duration_s=duration,
        threshold=0.5,
        events=(event,),
        windows=windows,
    )
    pictures = [(time_s, np.zeros((90, 160, 3), np.uint8)) for time_s in strip_times(detections)]
    assert len(pictures) == 10
    image = draw_timeline(detections, pictures, DEFAULT_TAXONOMY, truth)
    assert image.size[0] == 1600
    assert 300 < image.size[1] < 900
    assert draw_timeline(detections, [], DEFAULT_TAXONOMY, truth).size[1] < image.size[1]


def found(events, files, end_s=40.0):
    windows = tuple(
        WindowScore(
            start_s=a,
            end_s=b,
            outcome=Outcome.OK,
            probabilities={"collision": 0.1, "near_collision": 0.6, "normal": 0.3},
        )
        for a, b in plan_windows(end_s, 4.0, 4.0)
    )
    return VideoDetections(
        video="trip.mp4", files=files, model="m", outcome=Outcome.OK, reason="", duration_s=end_s, threshold=0.5,
        events=tuple(events), windows=windows,
    )  # fmt: skip


@settings(deadline=None)
@given(st.lists(st.tuples(st.floats(0, 40), st.floats(0.5, 1)), max_size=25))
def test_the_strip_shows_the_likeliest_events_and_no_part_of_the_trip_goes_unseen(moments):
    events = [event(time_s, probability=probability) for time_s, probability in sorted(moments)]
    times_s = strip_times(found(events, ()))
    assert len(times_s) == len(set(times_s)) == 10
    assert times_s == sorted(times_s)
    likeliest = sorted(events, key=lambda each: -each.probability)[:10]
    assert {each.time_s for each in likeliest} <= set(times_s)
    if not events:
        assert times_s == pytest.approx([2 + 4 * number for number in range(10)])


def test_a_timeline_pictures_its_events_across_files_and_draws_every_class(tmp_path):
    paths = [write_drive(tmp_path / "1.mp4", 20, flashes=[7]), write_drive(tmp_path / "2.mp4", 20, near=[13])]
    files = tuple(TripFile(path=str(path), start_s=20.0 * n, duration_s=20) for n, path in enumerate(paths))
    write_timeline(tmp_path / "t.png", found([event(7), event(33, "near_collision")], files), DEFAULT_TAXONOMY)
    with Image.open(tmp_path / "t.png") as picture:
        pixels = np.asarray(picture.convert("RGB")).astype(int)
    strip = pixels[90:150, 132:1572]
    white, blue = (np.abs(strip - colour).sum(axis=2).min(axis=0) for colour in ((255, 255, 255), (20, 20, 230)))
    tiles = [slice(n * 144 + 40, n * 144 + 100) for n in range(10)]
    assert [bool((white[tile] < 12).all()) for tile in tiles].count(True) == 1
    assert [bool((blue[tile] < 40).all()) for tile in tiles].count(True) == 1
    curves = pixels[-272:-60, 132:1572]
    for name in ("collision", "near_collision"):
        colour = np.array(class_colour(DEFAULT_TAXONOMY.event_names, name))
        assert ((np.abs(curves - colour).sum(axis=2) < 6).any(axis=0)).mean() > 0.9, name
