"""The readers of published data sets on files written here: bad rows, odd lines, layouts without a real file."""

import json
import re
import shlex
import shutil
import subprocess
from collections import Counter

import av
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image

from vlm_autodrive.datasets import ImportSettings
from vlm_autodrive.datasets.badas import read_badas
from vlm_autodrive.datasets.ccd import read_ccd
from vlm_autodrive.datasets.dad import read_dad
from vlm_autodrive.datasets.dada2000 import read_dada2000
from vlm_autodrive.datasets.dota import read_dota
from vlm_autodrive.datasets.mmau import read_mmau
from vlm_autodrive.datasets.tau106k import read_tau106k, tau_footage
from vlm_autodrive.datasets.vru_accident import read_vru_accident, split_options
from vlm_autodrive.errors import UserError
from vlm_autodrive.records import IncidentMetadata

SETTINGS = ImportSettings()
BADAS_HEADER = (
    "id,batch,Event-type,Nexar-vehicle-involved,min_support,Time-of-alert,Time-of-collision,Diff,article_category\n"
)


def dumped(path, content):
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps(content))
    return path


def complaints(reading):
    return [(issue.line, issue.field, issue.rejected) for issue in reading.issues]


def accounted(reading):
    return len(reading.videos) + reading.rejected == reading.rows


# CCD

LABELS = ", ".join(["0"] * 20 + ["1"] * 30)


def ccd_file(folder, *lines):
    path = folder / "Crash-1500.txt"
    path.write_text("\n".join(lines) + "\n", encoding="utf-8", newline="")
    return path


@pytest.mark.parametrize(
    ("line", "field"),
    [
        (f"000002,[{LABELS}],000285,0000,Day,Normal", ""),
        (f"000002,[{LABELS}],000285,0000,Day,Normal,Yes,more", ""),
        (f"000002,{LABELS},000285,0000,Day,Normal,Yes", ""),
        ("000002,[0, 1],000285,0000,Day,Normal,Yes", "labels"),
        (f"000002,[{LABELS.replace('1', '2')}],000285,0000,Day,Normal,Yes", "labels"),
        (f"x,[{LABELS}],000285,0000,Day,Normal,Yes", "vidname"),
        (f"000001,[{LABELS}],000285,0000,Day,Normal,Yes", ""),
    ],
)
def test_ccd_lines_that_cannot_be_taken_are_rejected_by_their_line(tmp_path, line, field):
    good = f"000001,[{LABELS}],000285,0000,Day,Normal,Yes"
    reading = read_ccd(ccd_file(tmp_path, good, "", line), SETTINGS)
    assert (reading.rows, len(reading.videos)) == (2, 1)
    assert complaints(reading) == [(3, field, True)]
    assert all(issue.message for issue in reading.issues)


def test_ccd_odd_values_are_taken_without_them(tmp_path):
    lines = [f"000001,[{LABELS}],000285,0000,Dusk,Hail,maybe", f"000002,[{', '.join(['0'] * 50)}],1,2,Night,Snowy,No"]
    reading = read_ccd(ccd_file(tmp_path, *lines), SETTINGS)
    assert complaints(reading) == [
        (1, "timing", False), (1, "weather", False), (1, "egoinvolve", False), (2, "labels", False),
    ]  # fmt: skip
    assert [(e.time_s, e.ego_involved) for e in reading.events] == [(2.0, None), (None, False)]
    assert [v.incident for v in reading.videos] == [IncidentMetadata(), IncidentMetadata(light="dark", weather="snow")]


def test_ccd_normal_videos_are_taken_from_their_folder(tmp_path):
    ccd_file(tmp_path, f"000001,[{LABELS}],000285,0000,Day,Normal,Yes")
    (tmp_path / "Normal").mkdir()
    (tmp_path / "Normal" / "000001.mp4").touch()
    reading = read_ccd(tmp_path, SETTINGS)
    assert [(v.video_id, v.positive, v.source_id) for v in reading.videos] == [
        ("Crash-1500-000001", True, "ccd:Crash-1500/000001"),
        ("Normal-000001", False, "ccd:Normal/000001"),
    ]


@pytest.fixture(scope="module")
def one_folder(tmp_path_factory):
    """A folder for all examples of a property, each of which writes its file anew."""
    return tmp_path_factory.mktemp("lines")


# A file with a mark or zero bytes in front is read as what those stand for, UTF-8 or UTF-16.
fields = st.text(st.characters(blacklist_characters="\n\r\0\ufeff", blacklist_categories=["Cs"]), max_size=12)


@given(
    st.lists(
        st.one_of(
            st.tuples(st.integers(0, 10**6), st.integers(0, 50), fields, fields).map(
                lambda p: f"{p[0]:06d},[{', '.join(['0'] * p[1] + ['1'] * (50 - p[1]))}],1,2,{p[2]},{p[3]},Yes"
            ),
            st.text("0123456789,[] xYN\t", max_size=60),
            fields,
        ),
        max_size=8,
    )
)
@settings(deadline=None, max_examples=60)  # a busy machine is no fault
def test_ccd_no_line_is_lost_whatever_it_holds(one_folder, lines):
    path = ccd_file(one_folder, *lines)
    reading = read_ccd(path, SETTINGS)
    assert reading.rows == sum(bool(line.strip()) for line in lines)
    assert accounted(reading)


@given(st.integers(0, 49), st.sampled_from([",", ", ", " ,"]), st.sampled_from(["\n", "\r\n"]), st.booleans())
@settings(deadline=None)
def test_ccd_time_is_that_of_the_first_1_however_the_line_is_spaced(one_folder, first, comma, end, mark):
    labels = comma.join(["0"] * first + ["1"] * (50 - first))
    path = one_folder / "Crash-1500.txt"
    line = f" 000009 ,[{labels}], 000285,0000,Day,Rainy,No{end}"
    path.write_bytes((b"\xef\xbb\xbf" if mark else b"") + line.encode())
    (event,) = read_ccd(path, SETTINGS).events
    assert event.time_s == pytest.approx(first / 10)
    assert event.ego_involved is False


# BADAS


def test_badas_bad_rows_are_told_and_good_ones_kept(tmp_path):
    rows = (
        "000456.mp4,,Collision,no,9,2.12,2.92,0.8,pos-not-ego\n"
        "000457.mp4,,Shunt,no,9,2.12,2.92,0.8,pos-not-ego\n"
        "../000458.mp4,,Collision,no,9,2.12,2.92,0.8,pos-not-ego\n"
        "000459.mp4,,Near-collision,perhaps,9,3.12,2.92,,\n"
        "000456.mp4,,Near-collision,no,9,2.12,2.92,0.8,pos-not-ego\n"
        "000460.mp4,,Collision,yes,9,,-3,,\n"
    )
    (tmp_path / "dad_test_concensus.csv").write_text(BADAS_HEADER + rows)
    reading = read_badas(tmp_path, SETTINGS)
    assert sorted(complaints(reading)) == [
        (3, "class", True), (4, "id", True), (5, "alert_time_s", False), (5, "ego_involved", False), (6, "", True),
        (7, "event_time_s", True),
    ]  # fmt: skip
    assert accounted(reading)
    assert [(e.event_class, e.time_s, e.alert_time_s) for e in reading.events] == [
        ("collision", 2.92, 2.12), ("near_collision", 2.92, None),
    ]  # fmt: skip


def test_badas_file_whose_name_tells_no_data_set_is_refused(tmp_path):
    (tmp_path / "mine.csv").write_text(BADAS_HEADER)
    with pytest.raises(UserError, match="keep BADAS's names"):
        read_badas(tmp_path / "mine.csv", SETTINGS)


# DoTA


def dota_entry(**changes):
    return {
        "video_start": 1, "video_end": 60, "anomaly_start": 20, "anomaly_end": 30, "anomaly_class": "ego: turning",
        "num_frames": 60, "subset": "train",
    } | changes  # fmt: skip


def test_dota_bad_entries_are_told_and_a_key_that_stands_twice_is_not_lost(tmp_path):
    entries = [
        ("0RJPQ_97dcs_000387", dota_entry()),
        ("0RJPQ_97dcs_000500", dota_entry(anomaly_start=60)),
        ("0RJPQ_97dcs_000600", dota_entry(anomaly_start="soon")),
        ("0RJPQ_97dcs_000700", dota_entry(anomaly_class="turning")),
        ("0RJPQ_97dcs_000800", dota_entry(anomaly_class="other: leave_to_left")),
        ("0RJPQ_97dcs_000387", dota_entry(anomaly_start=5)),
        ("../outside_000001", dota_entry()),
        ("0RJPQ_97dcs_000900", "text"),
    ]
    text = ",".join(f"{json.dumps(name)}: {json.dumps(value)}" for name, value in entries)
    path = tmp_path / "metadata_train.json"
    path.write_text("{" + text + "}")
    reading = read_dota(path, SETTINGS)
    assert complaints(reading) == [
        (2, "anomaly_start", True), (3, "anomaly_start", True), (4, "anomaly_class", False), (6, "", True),
        (7, "name", True), (8, "anomaly_start", True),
    ]  # fmt: skip
    assert (reading.rows, len(reading.videos)) == (8, 3)
    assert accounted(reading)
    assert [(e.time_s, e.event_class, e.ego_involved) for e in reading.events] == [
        (2.0, "collision", True), (2.0, None, None), (2.0, None, False),
    ]  # fmt: skip


def test_dota_kinds_that_are_left_open_take_an_overlay(tmp_path):
    kinds = {"0RJPQ_97dcs_000387": "other: leave_to_left", "0RJPQ_97dcs_000500": "ego: unknown"}
    dumped(tmp_path / "metadata_val.json", {name: dota_entry(anomaly_class=kind) for name, kind in kinds.items()})
    overlay = tmp_path / "overlay.csv"
    overlay.write_text("id,class\n0RJPQ_97dcs_000387,Near-miss\nnobody,crash\n")
    reading = read_dota(tmp_path, ImportSettings(overlay=str(overlay)))
    assert [event.event_class for event in reading.events] == ["near_collision", None]
    assert (reading.rows, reading.rejected) == (4, 1)


@pytest.mark.parametrize("content", ["", "{", "3", '"x"', b"\xff\xfe\x00"])
def test_broken_json_is_one_sentence(tmp_path, content):
    path = tmp_path / "metadata_val.json"
    path.write_bytes(content if isinstance(content, bytes) else content.encode())
    with pytest.raises(UserError, match=r"metadata_val\.json"):
        read_dota(path, SETTINGS)


# Folders of frames


def frames(folder, count, first, digits, suffix):
    folder.mkdir(parents=True)
    for number in range(first, first + count):
        picture = np.full((33, 65, 3), number % 256, np.uint8)  # odd sizes, which yuv420p does not take as they are
        Image.fromarray(picture).save(folder / f"{number:0{digits}d}{suffix}")


@pytest.mark.parametrize("format_", ["dota", "dada2000"])
def test_a_folder_of_frames_is_a_problem_that_names_the_way_out(tmp_path, format_):
    if format_ == "dota":
        dumped(tmp_path / "metadata_train.json", {"0RJPQ_97dcs_000387": dota_entry()})
        frames(tmp_path / "frames" / "0RJPQ_97dcs_000387", 12, 0, 6, ".jpg")
        read, rate, wanted = read_dota, 10, tmp_path / "frames" / "0RJPQ_97dcs_000387.mp4"
    else:
        dumped(tmp_path / "train_file.json", [[["34", "001"], "001"]])
        frames(tmp_path / "34" / "001" / "images", 12, 1, 4, ".png")
        read, rate, wanted = read_dada2000, 30, tmp_path / "34" / "001.mp4"
    (video,) = read(tmp_path, SETTINGS).videos
    assert "12 images" in video.problem
    command = shlex.split(re.search(r"ffmpeg .*", video.problem).group())
    assert command[command.index("-framerate") + 1] == str(rate)
    assert command[-1] == str(wanted)
    assert video.path == str(wanted)
    if shutil.which("ffmpeg"):
        subprocess.run(command, check=True, capture_output=True)
    else:  # the same by PyAV, from the very pattern, number and rate that the command names
        pattern, start = command[command.index("-i") + 1], command[command.index("-start_number") + 1]
        with av.open(pattern, options={"framerate": str(rate), "start_number": start}) as source:
            pictures = [frame.to_image() for frame in source.decode(video=0)]
        with av.open(str(wanted), "w") as made:
            stream = made.add_stream("libx264", rate=rate)
            stream.width, stream.height, stream.pix_fmt = 66, 34, "yuv420p"
            for picture in pictures:
                made.mux(stream.encode(av.VideoFrame.from_image(picture)))
            made.mux(stream.encode())
    (video,) = read(tmp_path, SETTINGS).videos
    assert video.problem == ""
    with av.open(video.path) as made:
        assert sum(1 for _ in made.decode(video=0)) == 12


# DADA-2000


def test_dada_bad_entries_are_told(tmp_path):
    dumped(tmp_path / "train_file.json", [[["1", "001"], "001"], ["1", "002"], [["x", "003"], "3"], 4])
    reading = read_dada2000(tmp_path, SETTINGS)
    assert [(line, rejected) for line, _, rejected in complaints(reading)] == [
        (2, True), (3, True), (4, True), (None, False),
    ]  # fmt: skip
    assert accounted(reading)
    with pytest.raises(UserError, match=r"train_file\.json"):
        read_dada2000(dumped(tmp_path / "mine.json", []), SETTINGS)


# DAD


def test_dad_folders_say_everything(tmp_path, make_video):
    for label in ("positive", "negative"):
        make_video(f"videos/testing/{label}/000456.mp4", fps=20, count=100)
    make_video("videos/training/positive/000001.mp4", fps=20, count=60)
    reading = read_dad(tmp_path, SETTINGS)
    assert Counter((v.split, v.positive) for v in reading.videos) == {
        ("test", True): 1, ("test", False): 1, ("train", True): 1,
    }  # fmt: skip
    assert "dad:testing/positive/000456" in {video.source_id for video in reading.videos}  # as BADAS names it
    times = {event.video_id: event.time_s for event in reading.events}
    assert times["testing-positive-000456"] == pytest.approx(4.5, abs=0.01)  # frame 90 of 100, at 20 a second
    assert times["training-positive-000001"] is None  # not the 100 frames of the convention
    assert [(i.value, i.rejected) for i in reading.issues] == [("000001.mp4", False)]
    assert (reading.rows, reading.rejected) == (3, 0)
    with pytest.raises(UserError, match="training and testing"):
        read_dad(tmp_path / "videos" / "testing", SETTINGS)


# MM-AU's JSON


def mmau_entry(**changes):
    return {
        "video_name": "1_1", "id": "1", "type": "1", "weather": "1", "light": "2", "scenes": "4", "linear": "1",
        "accident occurred": "1", "abnormal_start_frame": "30", "abnormal_end_frame": "115", "accident_frame": "63",
        "total_frames": "440", "t_ai": "30", "t_co": "63", "t_ae": "115", "texts": "a pedestrian crosses the road",
        "causes": "Pedestrian does not notice the coming vehicles", "measures": "slow down",
    } | changes  # fmt: skip


def test_mm_au_json_of_nothing_but_text(tmp_path, make_video):
    make_video("ab12.mp4", fps=30, count=120)
    entries = {
        "ab12": mmau_entry(total_frames="120"),
        "cd34": mmau_entry(video_name="43_7", type="43"),
        "ef56": mmau_entry(**{"accident occurred": "0", "accident_frame": "-1", "video_name": "1_11"}),
        "01ab": mmau_entry(accident_frame="115", abnormal_end_frame="63", video_name="10_000012"),
        "02ab": mmau_entry(type="99", video_name="10_13"),
        "03ab": mmau_entry(weather="9", video_name="10_14"),
    }
    reading = read_mmau(dumped(tmp_path / "video_metadata.json", entries), SETTINGS)
    assert complaints(reading) == [
        (3, "accident occurred", False), (4, "accident_frame", True), (5, "video", True), (6, "weather", False),
    ]  # fmt: skip
    assert accounted(reading)
    assert reading.videos[0].source_id == "dada:1/001"
    assert reading.videos[0].incident == IncidentMetadata(
        weather="clear", light="dark", scene="urban", road_layout="straight"
    )
    times = {event.video_id: (event.time_s, event.ego_involved) for event in reading.events}
    assert times["ab12"] == (pytest.approx(62 / 30, abs=0.01), True)
    assert times["cd34"] == (None, False)  # the JSON has no frame rate, and the file is not there


def test_mm_au_workbooks_and_json_of_the_same_videos_are_not_both_read(tmp_path):
    dumped(tmp_path / "video_metadata.json", {})
    (tmp_path / "cap_text_annotations.xls").touch()
    with pytest.raises(UserError, match="name one of them"):
        read_mmau(tmp_path, SETTINGS)


def test_swapped_columns_are_noticed_by_their_order(tmp_path):
    entry = mmau_entry(accident_frame="115", abnormal_end_frame="63")
    reading = read_mmau(dumped(tmp_path / "video_metadata.json", {"ab12": entry}), SETTINGS)
    assert "swapped" in reading.issues[0].message
    assert reading.rejected == 1


def test_a_file_of_another_length_is_told(tmp_path, make_video):
    make_video("ab12.mp4", fps=30, count=60)
    reading = read_mmau(dumped(tmp_path / "video_metadata.json", {"ab12": mmau_entry()}), SETTINGS)
    assert [(i.field, i.rejected) for i in reading.issues] == [("total_frames", False)]


def test_a_file_that_is_no_workbook_is_one_sentence(tmp_path):
    path = tmp_path / "dada_text_annotations.xlsx"
    path.write_text("video,weather\n")
    with pytest.raises(UserError, match="no Excel workbook"):
        read_mmau(path, SETTINGS)


# VRU-Accident


def asked(options="A. a car, a van, B. a bus, C. none", letter="B"):
    return {"question": "What is it? Choose the correct option (A, B or C) without any explanations.",
            "options": options, "GT": letter}  # fmt: skip


def test_vru_bad_entries_and_questions_are_told(tmp_path):
    entries = {
        "./VRU_videos/DoTA/VRU_1.mp4": {"road type": asked(), "location": asked(letter="E"), "weather": "?"},
        "./VRU_videos/DoTA/VRU_2.mp4": [],
        "../../etc/VRU_3.mp4": {"road type": asked()},
        "./VRU_videos/DoTA/VRU_4": {"road type": asked()},
    }
    reading = read_vru_accident(dumped(tmp_path / "DoTA" / "DoTA_VQA_annotation.json", entries), SETTINGS)
    assert complaints(reading) == [
        (1, "location", False), (1, "weather", False), (2, "name", True), (3, "name", True), (4, "name", True),
        (None, "event_time_s", False),
    ]  # fmt: skip
    assert accounted(reading)
    (question,) = reading.questions
    assert (question.question, question.options, question.answer) == (
        "What is it?", ("a car, a van", "a bus", "none"), "a bus",
    )  # fmt: skip


def test_vru_videos_lie_beside_the_metadata(tmp_path, make_video):
    file = dumped(
        tmp_path / "MetaData" / "DoTA" / "DoTA_VQA_annotation.json",
        {"./VRU_videos/DoTA/VRU_1.mp4": {"road type": asked()}},
    )
    made = make_video("VRU_videos/DoTA/VRU_1.mp4", count=5)
    for path in (file, tmp_path, tmp_path / "MetaData"):
        assert [video.path for video in read_vru_accident(path, SETTINGS).videos] == [str(made)]


words = st.text("abc ,;'-", min_size=1, max_size=20).map(lambda text: f"x{text}y")


@given(st.lists(words, min_size=2, max_size=6))
@settings(deadline=None)
def test_vru_options_come_apart_as_they_were_put_together(options):
    text = ", ".join(f"{letter}. {option}" for letter, option in zip("ABCDEF", options, strict=False))
    assert split_options(text) == tuple(options)


# TAU-106K


def tau_entry(**changes):
    return {
        "videoPath": "videos/CCD_Accident_000013.mp4", "videoHeight": 10, "videoWidth": 10,
        "data_source": "dashcam-self", "accident_type": "single vehicle accident", "accident_caption": "…",
        "accident_segments": [["0.25", 0.5]], "accident_objects": [],
    } | changes  # fmt: skip


def test_tau_bad_entries_are_told(tmp_path):
    entries = [
        tau_entry(),
        tau_entry(videoPath="../a.mp4"),
        tau_entry(videoPath="videos/b.mp4", accident_segments=[[0.5, 1.5]]),
        tau_entry(videoPath="videos/c.mp4", accident_segments=[[0.5, 0.2]]),
        tau_entry(videoPath="videos/d.mp4", accident_type="normal"),
        tau_entry(videoPath="videos/e.mp4", accident_segments=[]),
        tau_entry(videoPath="videos/f.mp4", accident_type="fire", data_source="phone"),
        tau_entry(),
        "text",
    ]
    reading = read_tau106k(dumped(tmp_path / "video_annotations_all_val.json", entries), SETTINGS)
    assert complaints(reading) == [
        (2, "videoPath", True), (3, "accident_segments", True), (4, "accident_segments", True),
        (5, "accident_segments", True), (6, "accident_segments", False), (7, "data_source", False), (8, "", True),
        (9, "videoPath", True),
    ]  # fmt: skip
    assert accounted(reading)
    assert [(e.event_class, e.ego_involved) for e in reading.events] == [
        ("collision", True), ("collision", True), (None, None),
    ]  # fmt: skip


def test_tau_takes_each_segment_as_an_event(tmp_path, make_video):
    entry = tau_entry(accident_segments=[[0.25, 0.5], ["0.75", "1"]])
    make_video("videos/CCD_Accident_000013.mp4", fps=10, count=80)
    reading = read_tau106k(dumped(tmp_path / "video_annotations_all_test.json", [entry]), SETTINGS)
    assert [event.time_s for event in reading.events] == pytest.approx([2.0, 6.0], abs=0.02)
    assert len({event.event_id for event in reading.events}) == 2


@pytest.mark.parametrize(
    ("name", "source_id", "group_id"),
    [
        ("youtube_m4HgqoMqCPQ_scene-82", "youtube:m4HgqoMqCPQ/scene-82", "youtube:m4HgqoMqCPQ"),
        ("youtube__kY09CPFirM_scene-27_clip", "youtube:_kY09CPFirM/scene-27", "youtube:_kY09CPFirM"),
        ("Domestic_BV1Zu411x7QK_3", "bilibili:BV1Zu411x7QK/3", "bilibili:BV1Zu411x7QK"),
        ("DoTA_RASKiMoxhOE_002350", "dota:RASKiMoxhOE_002350", "youtube:RASKiMoxhOE"),
        ("DADA_12_022", "dada:12/022", "dada:12/022"),
        ("CCD_Normal_002980", "ccd:Normal/002980", "ccd:Normal/002980"),
        ("DashCam_training_negative_000114", "dad:training/negative/000114", "dad:training/negative/000114"),
        ("TAD-benchmark_video34", "tau:TAD-benchmark_video34", "tau:TAD-benchmark_video34"),
    ],
)
def test_tau_names_tell_the_source(name, source_id, group_id):
    footage = tau_footage(name)
    assert (footage.source_id, footage.group_id) == (source_id, group_id)
