import json

import pytest

from tests.detection.flashes import FlashEngine, write_drive
from vlm_autodrive.detection import DetectSettings, score_folder
from vlm_autodrive.detection.detector import detect_with_engine
from vlm_autodrive.detection.events import merge_windows
from vlm_autodrive.detection.scan import plan_windows
from vlm_autodrive.detection.scoring import score_detections
from vlm_autodrive.errors import UserError
from vlm_autodrive.records import (
    BINARY_TAXONOMY,
    DEFAULT_TAXONOMY,
    Event,
    Outcome,
    TripFile,
    VideoDetections,
    WindowScore,
    file_at,
)

SETTINGS = DetectSettings(reasoning=False)


def event(video, time_s, event_class="collision"):
    return Event(event_id=f"{video}{time_s}", video_id=video, event_class=event_class, time_s=time_s)


def scanned(video, chances, reason=""):
    duration = 4.8 + 1.2 * (len(chances) - 1)
    windows = tuple(
        WindowScore(
            start_s=a,
            end_s=b,
            outcome=Outcome.OK,
            probabilities={"collision": chance, "near_collision": 0.0, "normal": 1 - chance},
            reason=reason,
        )
        for (a, b), chance in zip(plan_windows(duration, 4.8, 1.2), chances, strict=True)
    )
    return VideoDetections(
        video=video,
        model="m",
        outcome=Outcome.OK,
        reason="",
        duration_s=duration,
        threshold=0.5,
        events=tuple(merge_windows(windows, SETTINGS, DEFAULT_TAXONOMY)),
        windows=windows,
    )


def noisy_scan(video, generator, event_times, length=150):
    """Windows that see each event with luck, and now and then one that is not there."""
    chances = []
    for index in range(length):
        start = index * 1.2
        sees = any(start + 0.5 <= t <= start + 4.3 for t in event_times)
        chances.append(generator.betavariate(4, 2) if sees else generator.betavariate(1, 6))
    return scanned(video, chances), [event(video, t) for t in event_times]


def test_scores_by_hand():
    hit = scanned("a", [0, 0, 0.9, 0.9, 0.9, 0.9, 0, 0, 0, 0, 0, 0, 0, 0, 0.8, 0, 0, 0])
    missed = scanned("b", [0.1] * 10)
    truths = {"a": [event("a", 6.2, "near_collision")], "b": [event("b", 9)]}
    score = score_detections([hit, missed, scanned("c", [0.9])], truths, times_real_time=7.5)
    assert (score.scores.events, score.scores.found, score.scores.false_alarms) == (2, 1, 1)
    assert score.scores.recall.value == 0.5
    assert score.scores.hours == pytest.approx((4.8 + 1.2 * 17 + 4.8 + 1.2 * 9) / 3600)
    assert score.scores.false_alarms_per_hour.value == pytest.approx(1 / score.scores.hours)
    assert score.median_error_s == pytest.approx(abs(hit.events[0].time_s - 6.2))
    assert score.class_right.value == 0
    assert (score.videos, score.times_real_time) == (2, 7.5)


def test_the_time_to_alert_by_hand():
    """Windows end at 4.8, 6, 7.2, 8.4, 9.6 s and so on; the alarm of the one that ends at 8.4 s is the first."""
    early = scanned("a", [0.1, 0.1, 0.1, 0.5, 0.9, 0.9, 0.1, 0.1])
    late = scanned("b", [0.1, 0.1, 0.1, 0.1, 0.1, 0.9, 0.9, 0.1])
    unjudged = scanned("c", [0.1, 0.1, 0.9])
    blind = WindowScore(start_s=2.4, end_s=7.2, outcome=Outcome.ERROR, probabilities=None)
    unjudged = unjudged.model_copy(update={"windows": (*unjudged.windows[:2], blind)})
    truths = {name: [event(name, 10.0)] for name in "abc"}
    found = score_detections([early, late, unjudged], truths).time_to_alert
    assert (found.threshold, found.horizon_s, found.events) == (0.5, 5.0, 3)
    assert (found.warned.value, found.median_s.value) == (pytest.approx(1 / 3), pytest.approx(1.6))
    # at 0.9: 0.4 s ahead; at 0.5: 1.6 s; at 0.1: the windows that end at 6, 6 and 6 s, so 4 s
    assert found.mean_s == pytest.approx((0.4 + 1.6 + 4.0) / 3)
    assert found.mean_of_always_alarming_s == pytest.approx(4.0)
    assert score_detections([early], {"a": truths["a"]}, horizon_s=1.0).time_to_alert.median_s.value == pytest.approx(
        0.4
    )
    assert score_detections([early], {"a": []}).time_to_alert is None


def test_the_time_to_alert_goes_by_the_classes_of_the_task():
    scan = scanned("a", [0.9] * 4)
    windows = tuple(w.model_copy(update={"probabilities": {"event": 0.9, "normal": 0.1}}) for w in scan.windows)
    scan = scan.model_copy(update={"windows": windows, "events": ()})
    found = score_detections([scan], {"a": [event("a", 9.0, "event")]}, taxonomy=BINARY_TAXONOMY).time_to_alert
    assert found.median_s.value == pytest.approx(4.2)


def test_what_cannot_be_scored_is_refused():
    with pytest.raises(UserError, match="no detections for b"):
        score_detections([scanned("a", [0.1])], {"a": [], "b": []})
    with pytest.raises(UserError, match="no detections"):
        score_detections([scanned("a", [0.1])], {})
    with pytest.raises(UserError, match="no time"):
        score_detections([scanned("a", [0.1])], {"a": [event("a", None)]})


def test_from_videos_to_a_score(tmp_path):
    videos = [write_drive(tmp_path / "a.mp4", 20, flashes=[7]), write_drive(tmp_path / "b.mp4", 12)]
    (tmp_path / "truth.csv").write_text("video,class,event_time_s\na.mp4,collision,7\nb.mp4,normal,\n")
    detect_with_engine(videos, FlashEngine(), tmp_path / "out", SETTINGS)
    score = score_folder(tmp_path / "out", tmp_path / "truth.csv", tmp_path / "score")
    assert score.scores.recall.value == score.class_right.value == 1
    assert json.loads((tmp_path / "score" / "score.json").read_text())["videos"] == 2
    assert len(list((tmp_path / "score" / "timelines").iterdir())) == 2


def test_a_moment_of_a_trip_is_found_in_its_file():
    files = (
        TripFile(path="a.mp4", start_s=0.0, duration_s=60.0),
        TripFile(path="b.mp4", start_s=60.0, duration_s=60.0),
    )
    found = [file_at(files, time_s).path for time_s in (-1.0, 0.0, 59.9, 60.0, 130.0)]
    assert found == ["a.mp4", "a.mp4", "a.mp4", "b.mp4", "b.mp4"]
