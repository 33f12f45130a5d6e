"""Contact sheets show the frames that they say, mark the event, and tell why there is nothing to see."""

import numpy as np
import pytest
from PIL import Image
from typer.testing import CliRunner

from tests.clips.catalogs import event, video
from tests.clocks import numbers_shown
from vlm_autodrive.artifacts import read_clips, write_catalog, writing_artifact
from vlm_autodrive.cli.main import app
from vlm_autodrive.clips import ClipSettings, build_clips, inspect_clips
from vlm_autodrive.clips.contact_sheet import contact_sheet, read_stills
from vlm_autodrive.clips.inspection import choose_clips
from vlm_autodrive.errors import UserError
from vlm_autodrive.palette import BAD, class_colour
from vlm_autodrive.records import DEFAULT_TAXONOMY

RED = class_colour(DEFAULT_TAXONOMY.event_names, "collision")


@pytest.fixture
def clip_set(make_video, tmp_path):
    paths = {name: make_video(f"{name}.mp4", fps=10, count=80) for name in ("hit", "calm", "other")}
    videos = [video(name, 8.0, name == "hit").model_copy(update={"path": str(path)}) for name, path in paths.items()]
    videos.append(video("lost", None, True, problem="the file is empty"))
    catalog = tmp_path / "catalog"
    events = [event("hit", 5.0, alert_time_s=4.0, ego_involved=True), event("lost", 1)]
    with writing_artifact(catalog, "catalog", {}, ClipSettings()) as folder:
        write_catalog(folder, catalog, DEFAULT_TAXONOMY, videos, events, [], [])
    return build_clips(catalog, tmp_path / "clips", ClipSettings(window_s=4))


def clip_of(clip_set, video_id):
    return next(c for c in read_clips(clip_set) if c.video_id == video_id)


def shows(sheet, colour):
    return int((np.abs(np.asarray(sheet).astype(int) - colour).max(axis=2) <= 2).sum())


def test_stills_are_the_frames_of_their_times(clip_set):
    clip = clip_of(clip_set, "hit")
    stills = read_stills(clip, 8)
    assert len(stills) == 8
    for still in stills:
        number = numbers_shown(np.asarray(still.picture)[None])[0]
        assert number / 10 == pytest.approx(clip.start_s + still.time_s, abs=1e-3)
    assert 0 <= stills[0].time_s < 0.5
    assert 3.5 < stills[-1].time_s < 4
    assert [round(clip.start_s + s.time_s, 3) for s in stills if s.is_event] == [5.0]


def test_a_short_clip_gives_what_it_has(clip_set):
    clip = clip_of(clip_set, "calm").model_copy(update={"start_s": 1.0, "end_s": 1.3})
    assert [round(s.time_s, 3) for s in read_stills(clip, 8)] == [0.0, 0.1, 0.2]


def test_the_event_is_marked_in_the_colour_of_its_class(clip_set):
    hit, calm = (contact_sheet(clip_of(clip_set, name), DEFAULT_TAXONOMY) for name in ("hit", "calm"))
    assert hit.size == calm.size
    assert shows(hit, RED) > 5000  # the badge, a frame's border and a mark on the line of time
    assert shows(calm, RED) == 0
    assert shows(calm, class_colour(DEFAULT_TAXONOMY.event_names, "normal")) > 1500
    ahead = clip_of(clip_set, "hit").model_copy(update={"event_time_s": 4.5})
    assert not any(still.is_event for still in read_stills(ahead, 8))


def test_what_cannot_be_shown_says_why(clip_set, tmp_path):
    lost = contact_sheet(clip_of(clip_set, "lost"), DEFAULT_TAXONOMY)
    broken = clip_of(clip_set, "calm").model_copy(update={"path": str(tmp_path / "gone.mp4")})
    gone = contact_sheet(broken, DEFAULT_TAXONOMY)
    assert lost.height == gone.height < 150
    assert shows(gone, BAD) > 100


def test_one_picture_of_several_clips(clip_set, tmp_path):
    picture = tmp_path / "look" / "a.png"
    words = ["inspect", str(clip_set), "--clip", "hit-w0", "--clip", "calm-w0", "--out", str(picture)]
    result = CliRunner().invoke(app, words)
    assert result.exit_code == 0, result.stderr
    assert result.stdout.strip() == str(picture)
    with Image.open(picture) as image:
        assert image.height == 2 * contact_sheet(clip_of(clip_set, "hit"), DEFAULT_TAXONOMY).height


def test_the_draw_takes_the_classes_in_turn(clip_set, tmp_path):
    clips = read_clips(clip_set)
    many = [c.model_copy(update={"clip_id": f"{c.clip_id}-{n}"}) for c in clips for n in range(50)]
    drawn = choose_clips(many, (), 9, 0, clip_set)
    kinds = [(c.event_class, bool(c.problem)) for c in drawn]
    assert {kind: kinds.count(kind) for kind in kinds} == {
        ("collision", False): 3,
        ("collision", True): 3,
        ("normal", False): 3,
    }
    assert drawn == choose_clips(many[::-1][::-1], (), 9, 0, clip_set)
    assert drawn != choose_clips(many, (), 9, 1, clip_set)


def test_mistakes_have_a_way_out(clip_set, tmp_path):
    with pytest.raises(UserError, match=r"no clip hit; it has hit-w0"):
        inspect_clips(clip_set, tmp_path / "a.png", clip_ids=["hit"])
    with pytest.raises(UserError, match=r"a\.html must end in \.png; .* `autodrive review .*clips`"):
        inspect_clips(clip_set, tmp_path / "a.html")
    with pytest.raises(UserError, match=r"300 clips do not make one picture; take fewer \(--most\)"):
        inspect_clips(clip_set, tmp_path / "a.png", clip_ids=[clip_of(clip_set, "lost").clip_id] * 300)
