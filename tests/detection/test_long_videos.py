"""Long videos: the threshold is fitted on some, and the others are scored with it."""

import json

import pytest

from vlm_autodrive.artifacts import writing_artifact
from vlm_autodrive.detection import calibration, detector, long_videos, search_long_videos
from vlm_autodrive.detection.operating import SearchBasis
from vlm_autodrive.errors import UserError
from vlm_autodrive.evaluation import read_long_videos
from vlm_autodrive.models import ModelCard, read_card
from vlm_autodrive.progress import SILENT, SilentReporter
from vlm_autodrive.records import DEFAULT_TAXONOMY, DetectedEvent, Outcome, VideoDetections, WindowScore
from vlm_autodrive.runs.recipe import DetectRunSettings
from vlm_autodrive.settings import Settings
from vlm_autodrive.video import SamplingSettings

EVENT_S, NOISE_S, LENGTH_S = 20.0, 40.0, 60.0


def scanned(video, settings, event=0.9, noise=0.6):
    """A drive whose windows score high at the event, lower at a false alarm, and nothing elsewhere."""
    windows = []
    for number in range(int((LENGTH_S - 4.8) / 1.2) + 1):
        begin = number * 1.2
        middle = begin + 2.4
        chance = event if abs(middle - EVENT_S) <= 1.2 else noise if abs(middle - NOISE_S) <= 1.2 else 0.01
        chances = {"collision": chance, "near_collision": 0.0, "normal": 1 - chance}
        windows.append(WindowScore(start_s=begin, end_s=begin + 4.8, outcome=Outcome.OK, probabilities=chances))
    found = [
        DetectedEvent(
            event_class="collision", time_s=time_s, start_s=time_s, end_s=time_s, probability=chance, probabilities={}
        )
        for time_s, chance in ((EVENT_S, event), (NOISE_S, noise))
        if chance >= settings.threshold
    ]
    return VideoDetections(
        video=str(video),
        model="m",
        outcome=Outcome.OK,
        reason="",
        duration_s=LENGTH_S,
        threshold=settings.threshold,
        events=tuple(found),
        windows=tuple(windows),
    )


UNTOLD = SearchBasis()


class Made(Settings):
    number: int = 0


def make(folder, kind, files):
    with writing_artifact(folder, kind, {}, Made()) as work:
        for name, text in files.items() if work is not None else ():
            (work / name).parent.mkdir(exist_ok=True)
            (work / name).write_text(text)
    return folder


@pytest.fixture
def searched(tmp_path, monkeypatch):
    """Calls the stage on four videos, with a stand-in for detection that notes what it was asked."""
    asked = []

    def detect(videos, engine, out, settings, taxonomy, reporter, *, model_key, basis=UNTOLD, overwrite, **_):
        asked.append((out.name, [video.name for video in videos], settings))
        out.mkdir(parents=True, exist_ok=True)
        (out / "summary.json").write_text(json.dumps({"total": {"times_real_time": 12.5}}))
        said = {"training": basis.training, "expectation": basis.expectation}
        return [scanned(video, settings).model_copy(update=said) for video in videos]

    def detect_trips(trips, left_aside, **named):
        return detect([trip.path for trip in trips], **named)

    monkeypatch.setattr(calibration, "detect_with_engine", detect)
    monkeypatch.setattr(detector, "detect_trips", detect_trips)
    monkeypatch.setattr(long_videos, "write_short_list", lambda out, *_: (out / "index.html").touch())
    card = ModelCard(name="m", sampling=SamplingSettings(), base_training="trained on real video")
    files = {"taxonomy.json": DEFAULT_TAXONOMY.model_dump_json(), "autodrive.json": card.model_dump_json()}
    checkpoint = make(tmp_path / "checkpoint", "checkpoint", files)

    def search(section, quiet=(), reporter=SILENT):
        rows = [f"{n}.mp4,normal," if n in quiet else f"{n}.mp4,collision,{EVENT_S}" for n in range(4)]
        manifest = "\n".join(["video,class,event_time_s", *rows]) + "\n"
        files = {"long_videos/manifest.csv": manifest, **{f"long_videos/{n}.mp4": "" for n in range(4)}}
        simulated = make(tmp_path / "simulated", "simulated_dataset", files)
        return read_long_videos(
            search_long_videos(checkpoint, simulated, tmp_path / "long_videos", section, reporter)
        ), asked

    return search


def test_the_threshold_is_fixed_on_the_first_videos_and_the_others_are_scored(searched):
    summary, asked = searched(DetectRunSettings(tuning_videos=1, threshold=0.5, max_false_alarms_per_hour=1))
    (tuning, tuned_on, quick), (found, scored, settings) = asked
    assert (tuning, tuned_on, quick.reasoning) == ("tuning", ["0.mp4"], False)
    assert (found, scored, settings.reasoning) == ("found", ["1.mp4", "2.mp4", "3.mp4"], True)
    assert 0.6 < settings.threshold < 0.9
    assert summary.threshold == settings.threshold
    assert (summary.threshold_fitted_on, summary.max_false_alarms_per_hour) == (("0.mp4",), 1)
    scores = summary.score.scores
    assert (scores.events, scores.found, scores.false_alarms) == (3, 3, 0)
    assert summary.score.times_real_time == 12.5
    assert "calibrated for 1 false alarms per hour: expect a recall of 1.00 " in summary.expectation
    assert summary.hours == scores.hours == pytest.approx(3 * LENGTH_S / 3600)


def test_without_tuning_videos_the_threshold_stands_and_all_are_scored(searched):
    summary, asked = searched(DetectRunSettings(threshold=0.5))
    assert [(out, len(videos)) for out, videos, _ in asked] == [("found", 4)]
    assert summary.threshold == 0.5
    assert (summary.threshold_fitted_on, summary.max_false_alarms_per_hour) == ((), None)
    assert summary.score.scores.false_alarms == 4


def test_timelines_of_the_first_scored_videos_show_the_truth(searched, tmp_path, monkeypatch):
    drawn = []

    def write(path, found, taxonomy, truth, blur):
        drawn.append((path.name, found.video, truth and [event.time_s for event in truth]))

    monkeypatch.setattr(long_videos, "write_timeline", write)
    summary, _ = searched(DetectRunSettings(tuning_videos=1, threshold=0.5), quiet=(2,))
    videos = [str(tmp_path / "simulated" / "long_videos" / f"{n}.mp4") for n in range(4)]
    assert drawn == [("1_1.png", videos[1], [EVENT_S]), ("2_2.png", videos[2], ())]
    assert summary.timelines == ("timelines/1_1.png", "timelines/2_2.png")


def test_tuning_videos_without_an_event_leave_the_threshold_and_say_so(searched):
    class Saying(SilentReporter):
        said = []

        def say(self, message):
            self.said.append(message)

    summary, _ = searched(DetectRunSettings(tuning_videos=1, threshold=0.55), quiet=(0,), reporter=Saying())
    assert (summary.threshold, summary.threshold_fitted_on) == (0.55, ())
    assert "not calibrated: the tuning videos hold no event" in Saying.said[0]


def test_tuning_on_every_drive_is_refused(searched):
    with pytest.raises(UserError, match="leaves none of 4 videos"):
        searched(DetectRunSettings(tuning_videos=4))


def test_a_second_call_does_nothing(searched):
    section = DetectRunSettings(tuning_videos=1)
    first, asked = searched(section)
    before = len(asked)
    second, _ = searched(section)
    assert (second, len(asked)) == (first, before)


def test_videos_of_ones_own_are_searched_and_not_scored(searched, tmp_path):
    for name in ("b.mp4", "a.mp4"):
        (tmp_path / name).touch()
    summary, asked = searched(DetectRunSettings(videos=(f"{tmp_path}/*.mp4",), tuning_videos=2))
    assert asked[0][1] == ["a.mp4", "b.mp4"]
    assert (summary.videos, summary.score) == (2, None)
    assert [(tmp_path / "long_videos" / name).is_file() for name in summary.timelines] == [True, True]


def test_a_video_that_is_not_there_is_named(searched, tmp_path):
    with pytest.raises(UserError, match=r"nothing\.mp4, named in detect\.videos"):
        searched(DetectRunSettings(videos=(f"{tmp_path}/nothing.mp4",)))


def test_the_checkpoints_card_gets_the_calibration_and_gets_it_back(searched, tmp_path):
    section = DetectRunSettings(tuning_videos=2)
    summary, asked = searched(section)
    kept = tmp_path / "checkpoint" / "calibration.json"
    text = kept.read_text()
    assert read_card(str(tmp_path / "checkpoint")).calibration.point().threshold == summary.threshold
    kept.unlink()  # as if it were trained anew
    again, _ = searched(section)
    assert (again, kept.read_text(), len(asked)) == (summary, text, 2)
    later = DetectRunSettings(videos=(str(tmp_path / "simulated" / "long_videos" / "3.mp4"),))
    found = search_long_videos(tmp_path / "checkpoint", None, tmp_path / "later", later)
    assert read_long_videos(found).threshold == summary.threshold, "the card tells the threshold"
