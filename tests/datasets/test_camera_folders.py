"""Folders of cameras as data sets: drives in one split, and the cameras' own events as metadata, never as classes."""

import json

import pytest

from tests.trips import seventy_mai, tesla
from vlm_autodrive.artifacts import read_clips, read_videos
from vlm_autodrive.clips import ClipSettings, build_clips
from vlm_autodrive.datasets import ImportSettings, import_dataset
from vlm_autodrive.datasets.video_folder import read_video_folder

EVENT_JSON = {
    "timestamp": "2023-05-01T12:01:31", "city": "Tilburg", "est_lat": "51.5555", "est_lon": "5.0913",
    "reason": "user_interaction_honk", "camera": "0",
}  # fmt: skip


def touch(root, *names):
    for name in names:
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        (root / name).touch()


def read(root, **settings):
    found = read_video_folder(root, ImportSettings(**settings))
    return {video.path.removeprefix(f"{root}/"): video for video in found.videos}, found


def test_all_channels_and_files_of_a_drive_are_one_group(tmp_path):
    event = "SavedClips/2023-05-01_12-02-00"
    drive = [f"RecentClips/{tesla(s, c)}" for s in (0, 60) for c in ("front", "back")] + [f"{event}/{tesla(120)}"]
    touch(tmp_path, *(f"car/TeslaCam/{name}" for name in drive), f"car/TeslaCam/RecentClips/{tesla(4000)}")
    touch(tmp_path, f"van/TeslaCam/RecentClips/{tesla(0)}", "van/GX010001.MP4", "van/GX020001.MP4", "van/other.mp4")
    videos, _ = read(tmp_path)
    groups = {name: video.group_id for name, video in videos.items()}
    assert {groups[f"car/TeslaCam/{name}"] for name in drive} == {"car/2023-05-01 12:00:00"}
    assert groups[f"car/TeslaCam/RecentClips/{tesla(4000)}"] == "car/2023-05-01 13:06:40"
    assert groups[f"van/TeslaCam/RecentClips/{tesla(0)}"] == "van/2023-05-01 12:00:00"
    assert groups["van/GX010001.MP4"] == groups["van/GX020001.MP4"] == "van/GX0001"
    assert groups["van/other.mp4"] == "van"


def test_the_event_of_a_teslacam_marks_the_files_that_show_it(tmp_path):
    names = [tesla(s, c) for s in (0, 60) for c in ("front", "back")]
    touch(tmp_path, *names)
    (tmp_path / "event.json").write_text(json.dumps(EVENT_JSON), encoding="utf-8")
    videos, found = read(tmp_path)
    assert {name: video.metadata for name, video in videos.items()} == {
        tesla(0): {"camera_channel": "front"},
        tesla(0, "back"): {"camera_channel": "rear"},
    } | {
        tesla(60, channel): {
            "camera_channel": name, "camera_event": "user_interaction_honk", "camera_event_time_s": "31",
            "camera_event_lat": "51.55550", "camera_event_lon": "5.09130",
        }
        for channel, name in (("front", "front"), ("back", "rear"))
    }  # fmt: skip
    assert all(video.positive is None for video in videos.values()) and found.events == []


@pytest.mark.parametrize("text", ["{", "[]", "{}", '{"timestamp": 5}', '{"timestamp": "noon"}', '{"timestamp": null}'])
def test_a_broken_event_file_is_told_and_costs_nothing(tmp_path, text):
    touch(tmp_path, tesla(0))
    (tmp_path / "event.json").write_text(text)
    videos, found = read(tmp_path)
    assert videos[tesla(0)].metadata == {"camera_channel": "front"}
    assert any("event of a TeslaCam" in issue.message for issue in found.issues)


def test_folders_of_a_camera_are_no_classes(tmp_path):
    touch(tmp_path, f"Normal/Front/{seventy_mai()}", f"Event/Front/{seventy_mai('EV', seconds=60)}")
    videos, found = read(tmp_path)
    assert [video.positive for video in videos.values()] == [None, None]
    marked = {name: video.metadata.get("camera_event") for name, video in videos.items()}
    assert marked == {f"Normal/Front/{seventy_mai()}": None, f"Event/Front/{seventy_mai('EV', seconds=60)}": "event"}
    assert [issue.value for issue in found.issues if "no classes" in issue.message] == ["Event, Normal"]


def test_folders_of_classes_stay_classes_and_do_not_part_a_drive(tmp_path):
    touch(tmp_path, f"truck/normal/{seventy_mai()}", f"truck/crash/{seventy_mai('EV', seconds=60)}")
    videos, _ = read(tmp_path)
    assert sorted(video.positive for video in videos.values()) == [False, True]
    assert len({video.group_id for video in videos.values()}) == 1


def test_a_pattern_of_ones_own(tmp_path):
    touch(tmp_path, "x/cam1 2023-05-01 120000.mp4", "x/cam2 2023-05-01 120000.mp4")
    videos, _ = read(tmp_path, camera_pattern=r"(?P<channel>cam\d) (?P<time>[-\d]{10} \d{6})")
    assert {video.metadata["camera_channel"] for video in videos.values()} == {"cam1", "cam2"}
    assert {video.group_id for video in videos.values()} == {"x/2023-05-01 12:00:00"}


def test_a_clip_knows_whether_the_camera_marked_it(tmp_path, make_video):
    for name in (tesla(60), tesla(200)):
        make_video(f"normal/{name}", count=1200)
    make_video("normal/plain.mp4", count=300)
    (tmp_path / "normal" / "event.json").write_text(json.dumps(EVENT_JSON | {"timestamp": "2023-05-01T12:01:08"}))
    import_dataset("video-folder", tmp_path / "normal", tmp_path / "unlabelled", ImportSettings())
    assert {v.metadata.get("camera_event_time_s") for v in read_videos(tmp_path / "unlabelled")} == {"8", None}
    import_dataset("video-folder", tmp_path, tmp_path / "catalog", ImportSettings())
    build_clips(tmp_path / "catalog", tmp_path / "clips", ClipSettings())
    clips = read_clips(tmp_path / "clips")
    shows = [c for c in clips if tesla(60)[:-4] in c.video_id and c.start_s <= 8 < c.end_s]
    assert all(clip.camera_marked == (clip in shows) for clip in clips if "front" in clip.video_id)
    assert {clip.camera_marked for clip in clips if "plain" in clip.video_id} == {None}
