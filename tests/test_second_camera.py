"""A file of two cameras, from import to clips, samples and detection: each stage reads the stream that is picked."""

import numpy as np
import pytest

from tests.detection.flashes import FlashEngine, write_drive
from tests.video.test_streams import DEFAULT, joined
from vlm_autodrive.artifacts import read_clips, read_videos
from vlm_autodrive.clips import ClipSettings, build_clips
from vlm_autodrive.clips.contact_sheet import read_stills
from vlm_autodrive.datasets import ImportSettings, ValidateSettings, import_dataset, validate
from vlm_autodrive.detection import DetectSettings
from vlm_autodrive.detection.detector import detect_with_engine
from vlm_autodrive.progress import SILENT
from vlm_autodrive.records import DEFAULT_TAXONOMY
from vlm_autodrive.supervision.export.clip_files import write_clip_files
from vlm_autodrive.supervision.facts import facts_of
from vlm_autodrive.supervision.settings import SuperviseSettings, TeacherContextSettings
from vlm_autodrive.supervision.teachers.requests import _footage
from vlm_autodrive.video import FrameCache, SamplingSettings, read_frames

FLASH_S = 6.0
SAMPLING = SamplingSettings(fps=10, max_frames=120, height=72, width=128)
WITH_FRAMES = SuperviseSettings(context=TeacherContextSettings(frames=64))


@pytest.fixture
def two_cameras(tmp_path):
    """A crash that the second camera alone shows."""
    folder = tmp_path / "videos" / "normal"
    folder.mkdir(parents=True)
    front, rear = write_drive(tmp_path / "front.mp4", 12), write_drive(tmp_path / "rear.mp4", 12, flashes=[FLASH_S])
    return joined(folder / "trip.mkv", (front, DEFAULT), (rear, 0))


def has_flash(pictures):
    return max(np.asarray(picture).mean() for picture in pictures) > 200


@pytest.mark.parametrize(("stream", "is_rear"), [(None, False), (0, False), (1, True)])
def test_every_stage_reads_the_stream_of_the_import(tmp_path, two_cameras, stream, is_rear):
    import_dataset("video-folder", tmp_path / "videos", tmp_path / "catalog", ImportSettings(video_stream=stream))
    validate(tmp_path / "catalog", tmp_path / "valid", ValidateSettings(), workers=1)
    for catalog in ("catalog", "valid"):
        (video,) = read_videos(tmp_path / catalog)
        assert video.video_stream == stream
        assert video.notes["other streams"].startswith(f"video stream {stream or 0} is read")
    build_clips(tmp_path / "valid", tmp_path / "clips", ClipSettings(window_s=12))
    (clip,) = read_clips(tmp_path / "clips")
    assert clip.video_stream == stream
    (cut,) = write_clip_files(tmp_path, [clip], None, SILENT, workers=1).values()
    readers = {
        "training": FrameCache(tmp_path / "cache", SAMPLING).get(clip).pixels,
        "inspection": [still.picture for still in read_stills(clip.model_copy(update={"event_time_s": FLASH_S}), 8)],
        "teacher": _footage(facts_of(clip, DEFAULT_TAXONOMY), WITH_FRAMES).frames().pixels,
        "export": read_frames(tmp_path / cut.path, 0, 12, SAMPLING).pixels,
    }
    assert {reader: has_flash(pictures) for reader, pictures in readers.items()} == dict.fromkeys(readers, is_rear)


@pytest.mark.parametrize(("stream", "found"), [(None, 0), (1, 1)])
def test_detection_reads_the_stream_of_its_setting(tmp_path, two_cameras, stream, found):
    settings = DetectSettings(video_stream=stream, reasoning=False)
    (result,) = detect_with_engine([two_cameras], FlashEngine(), tmp_path / "out", settings)
    assert (result.video_stream, len(result.events)) == (stream, found)
