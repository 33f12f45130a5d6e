"""Names of files that are not UTF-8, or look like something else, through the stages of the data."""

import os
from pathlib import Path

from tests.clocks import write_clock
from vlm_autodrive.artifacts import read_clips, read_events, read_videos
from vlm_autodrive.clips import ClipSettings, build_clips, inspect_clips
from vlm_autodrive.datasets import ImportSettings, ValidateSettings, import_dataset, validate
from vlm_autodrive.records import file_name_text

NOT_UTF8 = [os.fsdecode(b"caf\xe9.mp4"), os.fsdecode("行车.mp4".encode("gbk"))]
NAMES = [*NOT_UTF8, "new\nline.mp4", "12:30:05.mp4", "\u202egpm.mp4"]


def test_a_folder_of_such_names_becomes_clips_and_pictures(tmp_path):
    folder = tmp_path / os.fsdecode(b"voiture \xe0") / "normal"
    folder.mkdir(parents=True)
    source = write_clock(tmp_path / "clock.mp4", count=40)
    for name in NAMES:
        (folder / name).write_bytes(source.read_bytes())
    import_dataset("video-folder", folder.parent, tmp_path / "catalog", ImportSettings())
    paths = {Path(video.path) for video in read_videos(tmp_path / "catalog")}
    assert paths == {folder / name for name in NAMES}
    summary = validate(tmp_path / "catalog", tmp_path / "validated", ValidateSettings(), workers=1)
    assert (summary.usable, summary.quarantined) == (5, {})
    build_clips(tmp_path / "validated", tmp_path / "clips", ClipSettings(window_s=2))
    clips = read_clips(tmp_path / "clips")
    assert {Path(clip.path) for clip in clips} == paths
    assert inspect_clips(tmp_path / "clips", tmp_path / "sheet.png").shown == len(NAMES)


def test_a_manifest_names_them_as_the_records_do(tmp_path):
    (tmp_path / "sub").mkdir()
    for name in (*NOT_UTF8, "sub/xe9.mp4"):
        write_clock(tmp_path / name, count=20)
    rows = f"caf\\xe9.mp4,collision,1\n{file_name_text(NOT_UTF8[1])},normal,\nsub\\xe9.mp4,collision,1.5\n"
    (tmp_path / "manifest.csv").write_text(f"video,class,event_time_s\n{rows}", encoding="utf-8")
    import_dataset("manifest", tmp_path, tmp_path / "catalog", ImportSettings())
    videos = read_videos(tmp_path / "catalog")
    assert [Path(video.path) for video in videos] == [tmp_path / name for name in (*NOT_UTF8, "sub/xe9.mp4")]
    assert all(video.duration_s == 2.0 for video in videos)
    assert [event.video_id for event in read_events(tmp_path / "catalog")] == [r"caf\xe9", "xe9"]
