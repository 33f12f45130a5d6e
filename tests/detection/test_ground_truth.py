from unicodedata import normalize

import pytest

from vlm_autodrive.detection.ground_truth import match_ground_truth, read_ground_truth
from vlm_autodrive.errors import UserError
from vlm_autodrive.records import Outcome, VideoDetections


def written(tmp_path, text, encoding="utf-8"):
    path = tmp_path / "truth.csv"
    path.write_text(text, encoding=encoding)
    return path


def scanned(video):
    return VideoDetections(
        video=str(video), model="m", outcome=Outcome.OK, reason="", duration_s=9, threshold=0.5, events=(), windows=()
    )


def test_events_and_quiet_videos(tmp_path):
    text = 'video,class,event_time_s,note\na.mp4,Near-Miss,12.5,\na.mp4,crash,3,"two\nlines"\nb/00042.mp4,none,,\n'
    truth = read_ground_truth(written(tmp_path, text, "utf-8-sig"))
    first, quiet = str(tmp_path / "a.mp4"), str(tmp_path / "b/00042.mp4")
    assert [(e.event_class, e.time_s) for e in truth[first]] == [("collision", 3), ("near_collision", 12.5)]
    assert truth[quiet] == ()
    assert len({e.event_id for e in truth[first]}) == 2


@pytest.mark.parametrize(
    ("row", "said"),
    [
        (",crash,1,", "line 3, column video"),
        ("a.mp4,bang,1,", "line 3, column class: 'bang'"),
        ("a.mp4,crash,,", "line 3, column event_time_s"),
        ("a.mp4,crash,nan,", "line 3, column event_time_s"),
        ("a.mp4,crash,-1,", "line 3, column event_time_s"),
        ("a.mp4,crash,1,5,yes", "line 3: 5 cells under 4 columns"),
        ("a.mp4,crash", "line 3, column event_time_s"),
        ("a.mp4,normal,4,", "line 3, column event_time_s"),
        ("a.mp4,crash,1,perhaps", "line 3, column ego_involved"),
        ("first.mp4,normal,,", "line 3, column class"),
    ],
)
def test_what_cannot_be_taken_is_refused_with_its_place(tmp_path, row, said):
    text = f"video,class,event_time_s,ego_involved\nfirst.mp4,crash,2,yes\n{row}\n"
    with pytest.raises(UserError, match=said):
        read_ground_truth(written(tmp_path, text))


def test_it_is_read_as_spreadsheets_save_it(tmp_path):
    text = "sep=;\r\nPath;Label;event_time_s;ego_involved\r\na.mp4;Near-Miss;12,5;Yes\r\n"
    [event] = read_ground_truth(written(tmp_path, text, "utf-16"))[str(tmp_path / "a.mp4")]
    assert (event.event_class, event.time_s, event.ego_involved) == ("near_collision", 12.5, True)


@pytest.mark.parametrize("text", ["", "video,class\na,crash\n", "video,class,event_time_s\n"])
def test_files_without_columns_or_rows_are_refused(tmp_path, text):
    with pytest.raises(UserError):
        read_ground_truth(written(tmp_path, text))
    with pytest.raises(UserError, match="does not exist"):
        read_ground_truth(tmp_path / "absent.csv")


def test_videos_are_recognised_by_path_or_by_an_unambiguous_name(tmp_path):
    detections = [scanned(tmp_path / "a" / "x.mp4"), scanned(tmp_path / "b" / "x.mp4"), scanned("y.mp4")]
    by_path = match_ground_truth(detections, {str(tmp_path / "a" / ".." / "b" / "x.mp4"): ()})
    assert by_path == {str(tmp_path / "b" / "x.mp4"): ()}
    assert match_ground_truth(detections, {"/elsewhere/y.mp4": ()}) == {"y.mp4": ()}
    with pytest.raises(UserError, match="several"):
        match_ground_truth(detections, {"/elsewhere/x.mp4": ()})
    with pytest.raises(UserError, match="was not scanned"):
        match_ground_truth(detections, {"z.mp4": ()})


def test_a_video_is_recognised_in_another_unicode_form():
    composed, apart = normalize("NFC", "é.mp4"), normalize("NFD", "é.mp4")
    assert match_ground_truth([scanned(apart)], {f"/there/{composed}": ()}) == {apart: ()}
    with pytest.raises(UserError, match="several"):
        match_ground_truth([scanned(f"a/{apart}"), scanned(f"b/{composed}")], {f"/there/{composed}": ()})
