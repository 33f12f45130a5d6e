"""Detection over trips: events at every phase across cuts, no second lost, trees of cameras, trips that grow."""

import json
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from typer.testing import CliRunner

from tests.detection.flashes import FlashEngine, write_drive
from tests.detection.test_detector import Heard
from tests.trips import cut, seventy_mai, tesla
from vlm_autodrive.cli.main import app
from vlm_autodrive.detection import DetectSettings
from vlm_autodrive.detection.detector import detect_with_engine
from vlm_autodrive.detection.ground_truth import match_ground_truth, read_ground_truth
from vlm_autodrive.detection.results import read_detections
from vlm_autodrive.detection.scan import plan_windows
from vlm_autodrive.records import file_at

SETTINGS = DetectSettings(eval_batch_size=4, reasoning=False)


def search(inputs, out, engine=None, settings=SETTINGS, **named):
    return detect_with_engine(inputs, engine or FlashEngine(), out, settings, **named)


def accounted(found):
    """Seconds judged, and seconds named as not judged."""
    return (found.duration_s or 0) + sum(hole.duration_s or 0 for hole in found.not_judged)


@pytest.mark.parametrize("phase", [-1.2, -0.9, -0.6, -0.3, 0.0, 0.3, 0.6, 0.9, 1.2])
def test_an_event_at_every_phase_of_the_stride_and_across_a_cut_is_found(tmp_path, phase):
    drive = write_drive(tmp_path / "whole.mp4", 21, flashes=[11 + phase])
    cut(drive, [11], [seventy_mai(seconds=0), seventy_mai(seconds=11)], tmp_path / "card")
    [found] = search([tmp_path / "card"], tmp_path / "out")
    [event] = found.events
    [alone] = search([drive], tmp_path / "alone")
    assert event == alone.events[0]
    assert event.time_s == pytest.approx(11 + phase, abs=0.75)
    assert (found.outcome, found.duration_s, found.not_judged) == ("ok", pytest.approx(21), ())
    file = file_at(found.files, event.time_s)
    assert (file.recorded_at == "2023-05-01T12:00:11") == (event.time_s >= 11)


@settings(max_examples=300)
@given(
    st.lists(st.floats(0.51, 90), min_size=1, max_size=6),
    st.lists(st.booleans(), min_size=6, max_size=6),
    st.floats(0.5, 8),
    st.floats(0.1, 1),
    st.floats(0, 1),
)
def test_every_second_of_footage_lies_in_a_window(lengths, gaps, window_s, part, phase):
    """Over any cuts and gaps; an event well inside a continuous section lies well inside some window."""
    stride_s = window_s * part
    edges = [0.0]
    for length in lengths:
        edges.append(round(edges[-1] + length, 6))
    starts = [edge for edge, gap in zip(edges[1:-1], gaps, strict=False) if gap]
    windows = plan_windows(edges[-1], window_s, stride_s, starts)
    up_to = 0.0
    for start, end in windows:
        assert start <= up_to + 1e-5
        assert not any(start + 1e-5 < edge < end - 1e-5 for edge in starts)
        up_to = max(up_to, end)
    assert up_to == pytest.approx(edges[-1])
    for cut_s in edges[1:-1]:
        event = cut_s + (phase - 0.5) * stride_s
        section = [s for s in (0.0, *starts) if s <= event][-1:], [s for s in (*starts, edges[-1]) if s > event][:1]
        if not section[0] or not section[1]:
            continue
        room = min(event - section[0][0], section[1][0] - event, (window_s - stride_s) / 2)
        assert max(min(event - start, end - event) for start, end in windows) >= room - 1e-5


def test_no_second_is_lost_where_files_are_damaged(tmp_path):
    drive = write_drive(tmp_path / "whole.mp4", 40, flashes=[6, 35])
    files = cut(drive, [10, 20, 30], [seventy_mai(seconds=s) for s in (0, 10, 20, 30)], tmp_path / "card")
    files[1].write_bytes(files[1].read_bytes()[:3000])
    content = bytearray(files[2].read_bytes())
    content[len(content) // 2 : len(content) * 3 // 4] = bytes(len(content) * 3 // 4 - len(content) // 2)
    files[2].write_bytes(content)
    [found] = search([tmp_path / "card"], tmp_path / "out")
    assert found.outcome == "error" and files[1].name in found.reason
    assert accounted(found) == pytest.approx(40, abs=0.05)
    assert {Path(hole.path) for hole in found.not_judged} >= {files[1]}
    assert [event.time_s for event in found.events] == pytest.approx([6, 25], abs=1.5)  # trip time passes the hole over
    assert file_at(found.files, found.events[1].time_s).path == str(files[3])


def tesla_tree(root, drive):
    names = [f"TeslaCam/RecentClips/{tesla(s)}" for s in (0, 10)]
    cut(drive, [10, 20], [*names, f"TeslaCam/SavedClips/2023-05-01_12-00-25/{tesla(20)}"], root)
    for channel in ("back", "left_repeater", "right_repeater"):
        cut(drive, [10], [f"TeslaCam/RecentClips/{tesla(0, channel)}"], root)
    return 3, "TeslaCam/RecentClips"


def seventy_mai_tree(root, drive):
    names = [f"Normal/Front/{seventy_mai(seconds=s)}" for s in (0, 20)]
    cut(drive, [10, 20], [names[0], f"Event/Front/{seventy_mai('EV', seconds=10)}", names[1]], root)
    for channel in ("B", "I"):
        cut(drive, [10], [f"Normal/Back/{seventy_mai(channel=channel)}"], root)
    return 2, ""


def chaptered_tree(root, drive):
    cut(drive, [10, 20], [f"DCIM/100GOPRO/GX0{n}0042.MP4" for n in (1, 2, 3)], root)
    (root / "DCIM/100GOPRO/GL010042.LRV").write_bytes((root / "DCIM/100GOPRO/GX010042.MP4").read_bytes())
    return 1, ""


@pytest.mark.parametrize("tree", [tesla_tree, seventy_mai_tree, chaptered_tree])
def test_trees_of_cameras_give_one_record_and_lose_no_second(tmp_path, tree):
    drive = write_drive(tmp_path / "whole.mp4", 30, flashes=[9.9], near=[24])
    aside, _ = tree(tmp_path / "truck 7", drive)
    heard = Heard()
    [found] = search([tmp_path / "truck 7"], tmp_path / "out", reporter=heard)
    assert (found.outcome, len(found.files), found.title.endswith("(3 files)")) == ("ok", 3, True)
    assert accounted(found) == pytest.approx(30, abs=0.01)
    assert [event.time_s for event in found.events] == pytest.approx([9.9, 24], abs=0.75)
    summary = json.loads((tmp_path / "out" / "summary.json").read_text())
    assert len(summary["left_aside"]) == aside
    assert any(f"{aside} files are not searched" in line for line in heard.said)
    assert summary["total"] | {"times_real_time": 0} == {
        "videos": 1, "videos_with_errors": 0, "files": 3, "seconds_of_video": 30.0, "seconds_not_judged": 0.0,
        "times_real_time": 0, "events": {"collision": 1, "near_collision": 1}, "training": "", "expectation": "",
    }  # fmt: skip
    assert summary["each"][0]["folder"].startswith("truck_7_")
    assert heard.done == heard.total == 30


def test_channels_that_are_asked_for(tmp_path):
    drive = write_drive(tmp_path / "whole.mp4", 30)
    tesla_tree(tmp_path / "car", drive)
    both = SETTINGS.model_copy(update={"channels": ("rear", "left")})
    assert len(search([tmp_path / "car"], tmp_path / "out", settings=both)) == 2
    [named] = search([tmp_path / "car/TeslaCam/RecentClips" / tesla(0, "right_repeater")], tmp_path / "out2")
    assert named.outcome == "ok"
    other = SETTINGS.model_copy(update={"channels": ("interior",)})
    [nothing] = search([tmp_path / "car"], tmp_path / "out3", settings=other)
    assert nothing.outcome == "error" and "channel front" in nothing.reason and "--channel" in nothing.reason


def test_folders_of_results_keep_their_names(tmp_path):
    trucks = mkdirs(tmp_path, "truck1", "truck2", "x/truck1")
    files = [write_drive(tmp_path / truck / "front.mp4", 6) for truck in trucks]
    search(files[1:], tmp_path / "out")
    engine = FlashEngine()
    search(files, tmp_path / "out", engine)
    assert engine.clips_seen == 2
    names = {folder.name: read_one(folder) for folder in (tmp_path / "out").iterdir() if folder.is_dir()}
    assert names == {
        "truck2_front": str(files[1]), "truck1_front": str(files[2]), "truck1_front-2": str(files[0]),
    }  # fmt: skip
    titles = [each["title"] for each in json.loads((tmp_path / "out" / "summary.json").read_text())["each"]]
    assert titles == ["truck1/front.mp4", "truck2/front.mp4", "truck1/front.mp4"]


def test_a_trip_that_grew_is_gone_on_with(tmp_path):
    drive = write_drive(tmp_path / "whole.mp4", 40, flashes=[4], near=[24.9])
    names = [seventy_mai(seconds=s) for s in (0, 10, 20, 30)]
    later = [file.rename(tmp_path / file.name) for file in cut(drive, [10, 20, 30], names, tmp_path / "card")[2:]]
    reasoning = SETTINGS.model_copy(update={"reasoning": True})
    first = FlashEngine()
    [short] = search([tmp_path / "card"], tmp_path / "out", first, reasoning)
    for file in later:
        file.rename(tmp_path / "card" / file.name)
    second = FlashEngine()
    [long] = search([tmp_path / "card"], tmp_path / "out", second, reasoning)
    whole = FlashEngine()
    assert [long] == search([tmp_path / "card"], tmp_path / "anew", whole, reasoning)
    assert second.clips_seen < whole.clips_seen - 10
    assert (len(short.files), len(long.files)) == (2, 4)
    assert read_detections(tmp_path / "out") == [long]


def test_two_trips_that_became_one_are_one_result(tmp_path):
    drive = write_drive(tmp_path / "whole.mp4", 30)
    names = [seventy_mai(seconds=s) for s in (0, 280, 560)]
    files = cut(drive, [10, 20], names, tmp_path / "card")
    middle = files[1].rename(tmp_path / names[1])
    assert len(search([tmp_path / "card"], tmp_path / "out")) == 2
    middle.rename(files[1])
    heard = Heard()
    found = search([tmp_path / "card"], tmp_path / "out", reporter=heard)
    assert read_detections(tmp_path / "out") == found and len(found) == 1
    assert any("is part of" in line for line in heard.said)


def test_results_below_a_folder_that_is_searched_are_no_input(tmp_path):
    write_drive(tmp_path / "drive.mp4", 6)
    (tmp_path / ".hidden").mkdir()
    write_drive(tmp_path / ".hidden" / "drive.mp4", 6)
    search([tmp_path], tmp_path / "found")
    write_drive(tmp_path / "found" / "clip.mp4", 2)
    assert len(search([tmp_path], tmp_path / "found")) == 1


def test_paths_that_hold_nothing_have_records(tmp_path):
    (tmp_path / "empty").mkdir()
    drive = write_drive(tmp_path / "drive.mp4", 6)
    found = search([tmp_path / "empty", drive, tmp_path / "typo.mp4"], tmp_path / "out")
    assert [each.outcome for each in found] == ["error", "ok", "error"]
    assert "no video in this folder" in found[0].reason and "does not exist" in found[2].reason


def test_true_events_are_found_in_the_files_of_a_trip(tmp_path):
    drive = write_drive(tmp_path / "whole.mp4", 21, flashes=[4, 14])
    names = [seventy_mai(seconds=0), seventy_mai(seconds=10)]
    cut(drive, [10], names, tmp_path / "card")
    found = search([tmp_path / "card"], tmp_path / "out")
    table = tmp_path / "truth.csv"
    table.write_text(
        f"video,class,event_time_s\ncard/{names[1]},collision,4\ncard/{names[0]},collision,4\n", encoding="utf-8"
    )
    [events] = match_ground_truth(found, read_ground_truth(table)).values()
    assert [event.time_s for event in events] == pytest.approx([4, 14])


def test_the_command_takes_folders_and_channels(tmp_path):
    drive = write_drive(tmp_path / "whole.mp4", 30)
    tesla_tree(tmp_path / "car", drive)
    arguments = ["detect", str(tmp_path / "car"), "--model", "tiny-base", "--out", str(tmp_path / "out")]
    result = CliRunner().invoke(app, [*arguments, "--channel", "rear", "--channel", "left", "reasoning=false"])
    assert result.exit_code == 0, result.output
    assert sorted(Path(each.video).stem[20:] for each in read_detections(tmp_path / "out")) == ["back", "left_repeater"]


def mkdirs(root, *names):
    for name in names:
        (root / name).mkdir(parents=True)
    return names


def read_one(folder):
    return json.loads((folder / "events.json").read_text())["video"]
