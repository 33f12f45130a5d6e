import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from vlm_autodrive.detection.canvas import Axis, label_width, place_labels
from vlm_autodrive.detection.scan import plan_windows
from vlm_autodrive.detection.timeline import draw_timeline
from vlm_autodrive.progress import format_clock
from vlm_autodrive.records import DEFAULT_TAXONOMY, DetectedEvent, Event, Outcome, VideoDetections, WindowScore


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
    pictures = [np.zeros((90, 160, 3), np.uint8)] * 10
    image = draw_timeline(detections, pictures, DEFAULT_TAXONOMY, truth)
    assert image.size[0] == 1600
    assert 300 < image.size[1] < 900
    assert draw_timeline(detections, [], DEFAULT_TAXONOMY, truth).size[1] < image.size[1]
