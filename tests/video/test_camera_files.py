"""Names of files: what they tell, and what no name tells."""

import re
from datetime import datetime
from pathlib import Path

import pytest
from pydantic import TypeAdapter, ValidationError

from vlm_autodrive.video import OwnPattern, camera_file
from vlm_autodrive.video.camera_files import CAMERA_PATTERNS

NOON = datetime(2023, 5, 1, 12, 0, 7)


@pytest.mark.parametrize(
    ("name", "maker", "channel", "kind"),
    [
        ("TeslaCam/RecentClips/2023-05-01_12-00-07-front.mp4", "TeslaCam", "front", "normal"),
        ("TeslaCam/RecentClips/2023-05-01/2023-05-01_12-00-07-back.mp4", "TeslaCam", "rear", "normal"),
        ("SavedClips/2023-05-01_12-09-00/2023-05-01_12-00-07-left_repeater.mp4", "TeslaCam", "left", "event"),
        ("SentryClips/2023-05-01_12-09-00/2023-05-01_12-00-07-right_pillar.mp4", "TeslaCam", "right_pillar", "event"),
        ("NO20230501-120007-000001F.MP4", "70mai", "front", "normal"),
        ("Event/Back/EV20230501-120007-000123B.MP4", "70mai", "rear", "event"),
        ("PA20230501-120007-000001I.mp4", "70mai", "interior", "parking"),
        ("NO20230501-120007-000001.mp4", "70mai", "front", "normal"),
        ("Record/20230501_120007_NF.mp4", "BlackVue", "front", "normal"),
        ("Record/20230501_120007_ER.mp4", "BlackVue", "rear", "event"),
        ("20230501_120007_MI.mp4", "BlackVue", "interior", "manual"),
        ("20230501_120007_PF.mp4", "BlackVue", "front", "parking"),
        ("Movie/2023_0501_120007_0001F.MP4", "Viofo", "front", "normal"),
        ("DCIM/Movie/RO/2023_0501_120007_0001R.MP4", "Viofo", "rear", "event"),
        ("2023_0501_120007_0001PF.MP4", "Viofo", "front", "parking"),
        ("20230501_120007_0001F.MP4", "Viofo", "front", "normal"),
        ("2023_0501_120007_F.MP4", "Viofo", "front", "normal"),
        ("2023_0501_120007_001.MP4", "Novatek", "front", "normal"),
        ("20230501120007_000001.MP4", "Novatek", "front", "normal"),
        ("230501_120007_001_FH.MP4", "Nextbase", "front", "normal"),
    ],
)
def test_names_with_a_clock(name, maker, channel, kind):
    found = camera_file(Path("/card") / name)
    assert (found.maker, found.channel, found.kind, found.time) == (maker, channel, kind, NOON)
    assert found.folder == Path("/card")


@pytest.mark.parametrize(
    ("name", "recording", "chapter"),
    [
        ("GX010042.MP4", "GX0042", 1),
        ("GX110042.MP4", "GX0042", 11),
        ("GH020042.mp4", "GH0042", 2),
        ("GOPR0042.MP4", "GP0042", 0),
        ("GP010042.MP4", "GP0042", 1),
    ],
)
def test_names_with_chapters(name, recording, chapter):
    found = camera_file(Path("/card/DCIM/100GOPRO") / name)
    assert (found.recording, found.chapter, found.time, found.folder) == (recording, chapter, None, Path("/card"))


@pytest.mark.parametrize("name", ["front.mp4", "00822.mp4", "2023_1301_120007_001.MP4", "IMG_0001.MOV", "12:30:05.mp4"])
def test_other_names_tell_nothing(name):
    assert camera_file(Path("/card") / name) is None


def test_a_pattern_of_ones_own():
    own = r"cam(?P<channel>\w)_(?P<time>\d{4}\.\d\d\.\d\dT\d{6})_(?P<kind>\w+)"
    found = camera_file(Path("/x/truck 1/camB_2023.05.01T120007_alarm.mp4"), own)
    assert (found.maker, found.channel, found.kind, found.time) == ("own", "rear", "alarm", NOON)
    assert found.folder == Path("/x/truck 1")
    check = TypeAdapter(OwnPattern).validate_python
    assert check(own) == own
    for wrong, words in (("(", "no regular expression"), (r"(?P<channel>.)", "needs a group for the time")):
        with pytest.raises(ValidationError, match=words):
            check(wrong)


def test_every_pattern_has_a_source_and_a_place_in_the_docs():
    described = (Path(__file__).parents[2] / "docs" / "video.md").read_text(encoding="utf-8")
    for pattern in CAMERA_PATTERNS:
        assert pattern.source and pattern.maker in described
        groups = re.compile(pattern.name).groupindex
        assert set(groups) <= {"time", "channel", "kind", "recording", "chapter"}
