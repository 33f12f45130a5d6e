"""Where faces are blurred: in all that others get to see, never in what a model judges; and no folder holds both."""

import base64
import io
import re

import numpy as np
import pytest
from PIL import Image
from typer.testing import CliRunner

from tests.detection.flashes import FlashEngine
from tests.detection.test_detect_served import run as detect_served
from tests.detection.test_detect_served import verdict
from tests.evaluation.builders import make_clip, make_prediction, write_prediction_set
from tests.faces import sharpness, with_face, write_faces
from tests.fake_endpoint import completion, serve
from tests.supervision.export import export_world
from tests.supervision.teachers.jobs import ask, request, served
from tests.supervision.teachers.served_world import clip_set, honest, served_settings
from vlm_autodrive.artifacts import SAMPLES_FILE, write_clips, writing_artifact
from vlm_autodrive.cli.main import app
from vlm_autodrive.detection import DetectSettings, ShortListSettings, write_short_list
from vlm_autodrive.detection.detector import detect_with_engine
from vlm_autodrive.errors import UserError
from vlm_autodrive.evaluation import CompareSettings, ReportSettings, compare, write_report
from vlm_autodrive.evaluation.report.media import REPORT_FILES
from vlm_autodrive.records import DEFAULT_TAXONOMY, Outcome, write_jsonl
from vlm_autodrive.runs import load_recipe
from vlm_autodrive.settings import Settings
from vlm_autodrive.supervision import (
    ExportSettings,
    estimate_lines,
    estimate_supervision,
    export_supervision,
    supervise,
)
from vlm_autodrive.supervision.export.clip_files import CLIP_FILES_FILE
from vlm_autodrive.supervision.teachers.protocol import TeacherVideo
from vlm_autodrive.video import SamplingSettings, face_blur, read_pictures

SHARP = 2000
"""What :func:`sharpness` gives is above this for a face that can be seen, and below for one that is blurred."""


@pytest.fixture(scope="module")
def faces(tmp_path_factory):
    return write_faces(tmp_path_factory.mktemp("faces") / "faces.mp4", 60, flashes=[3.0])


@pytest.fixture
def broken(monkeypatch):
    def fail(*_, **__):
        raise RuntimeError("out of memory")

    monkeypatch.setattr(face_blur, "_detector", lambda: fail)


def a_clip(faces, number=0, **changes):
    values = {"path": str(faces), "start_s": 0.0, "end_s": 2.0, "split": "train", "event_time_s": 1.0} | changes
    return make_clip(f"clip-{number}", "collision", **values)


def pictures_in(asked):
    """The pictures of a request, as they arrived."""
    content = asked.body["messages"][-1]["content"]
    urls = [part["image_url"]["url"] for part in content if part["type"] == "image_url"]
    return [np.asarray(Image.open(io.BytesIO(base64.b64decode(url.partition(",")[2])))) for url in urls]


def test_a_teacher_gets_blurred_frames_and_none_that_was_kept_for_others(faces, tmp_path):
    clips = clip_set(tmp_path / "clips", [a_clip(faces)])
    shown = {"frames": 2, "frame_height": 96, "frame_width": 160}
    with serve(honest) as endpoint:
        plain = served_settings(endpoint.url, tmp_path / "cache", ("description",), context=shown)
        blurred = served_settings(endpoint.url, tmp_path / "cache", ("description",), context=shown, blur="faces")
        supervise(clips, tmp_path / "plain", plain)
        before = len(endpoint.asked)
        with pytest.raises(UserError, match="already holds another result"):
            supervise(clips, tmp_path / "plain", blurred)
        assert "2 frames each, their faces blurred" in " ".join(
            estimate_lines(estimate_supervision(clips, blurred), blurred)
        )
        supervise(clips, tmp_path / "blurred", blurred)
        requests = [pictures_in(asked) for asked in endpoint.asked]
        supervise(clips, tmp_path / "again", blurred)  # from the cache
        assert len(endpoint.asked) == len(requests)
    assert [len(pictures) for pictures in requests] == [2] * len(requests)
    assert before and len(requests) > before
    assert min(sharpness(picture) for pictures in requests[:before] for picture in pictures) > SHARP
    assert max(sharpness(picture) for pictures in requests[before:] for picture in pictures) < SHARP


def test_frames_that_cannot_be_blurred_are_not_sent_to_a_teacher(faces, tmp_path, broken):
    sampling = SamplingSettings(n_frames=2, max_frames=2, height=96, width=160)
    wanted = [request(n, footage=TeacherVideo(faces, 0.0, 2.0, sampling, blur=b)) for n, b in ((1, None), (2, "faces"))]
    with serve(lambda asked: completion('{"seen": "A car."}')) as endpoint:
        (sent, failed), _ = ask(served(endpoint.url, tmp_path / "cache"), wanted)
        assert [asked.text.endswith("<1>") for asked in endpoint.asked] == [True]
    assert sent.outcome is Outcome.OK
    assert failed.outcome is Outcome.ERROR
    assert "its faces cannot be blurred (out of memory)" in failed.reason


def test_a_served_model_judges_the_very_frames_whatever_is_blurred(faces, tmp_path):
    with serve(lambda asked: verdict((0.1, 0.1, 0.8))) as endpoint:
        for out, more in (("plain", ()), ("blurred", ("--blur", "faces"))):
            folder = tmp_path / out / "found"
            folder.parent.mkdir()
            result = detect_served(faces, folder, endpoint.url, "--model", "big", *more)
            assert result.exit_code == 0, result.stderr
        bodies = [asked.body for asked in endpoint.asked]
    assert len(bodies) >= 8
    half = len(bodies) // 2
    assert bodies[:half] == bodies[half:]
    assert "image_url" in str(bodies[0])


def tiles(strip, count=6):
    """The frames of a film strip."""
    picture = np.asarray(Image.open(strip))
    width = (picture.shape[1] + 4) // count - 4
    return [picture[:, n * (width + 4) : n * (width + 4) + width] for n in range(count)]


def seen_in(out):
    """The sharpest face in the strips and the clip of a folder, and the timeline's bytes."""
    (strip,), (clip,) = (out / "strips").glob("*.jpg"), (out / "clips").glob("*.mp4")
    in_clip = read_pictures(clip, [0.2, 0.6], 160)
    (timeline,) = out.glob("*/timeline.png")
    in_strip = [tile for tile in tiles(strip) if tile.mean() < 200]  # the event itself is a white flash
    return max(map(sharpness, in_strip)), max(map(sharpness, in_clip)), timeline.read_bytes()


def test_a_folder_of_detections_is_blurred_as_a_whole_without_judging_again(faces, tmp_path):
    out = tmp_path / "out"
    plain, blurred = (DetectSettings(eval_batch_size=4, window_s=2, stride_s=1, blur=b) for b in (None, "faces"))
    listing = ShortListSettings(clips=True, before_s=1.5, after_s=1)
    found = detect_with_engine([faces], FlashEngine(), out, plain)
    write_short_list(out, listing)
    sharp = seen_in(out)
    assert min(sharp[:2]) > SHARP
    judged = FlashEngine(fail_after=0)
    with pytest.raises(UserError, match=r"were made without --blur; give another --out, or --overwrite"):
        detect_with_engine([faces], judged, out, blurred)
    other = write_faces(tmp_path / "other.mp4", 20)
    with pytest.raises(UserError, match=r"search its videos again with --overwrite"):
        detect_with_engine([other], judged, out, blurred, overwrite=True)
    again = detect_with_engine([faces], judged, out, blurred, overwrite=True)
    assert [each.events[0].time_s for each in again] == [each.events[0].time_s for each in found]
    assert not list(out.glob("strips/*")) + list(out.glob("clips/*")) + list(out.glob("incidents/*"))
    write_short_list(out, listing)
    soft = seen_in(out)
    assert max(soft[:2]) < SHARP
    assert soft[2] != sharp[2]
    page = next((out / "incidents").glob("*.html")).read_text()
    embedded = base64.b64decode(re.search(r"data:image/jpeg;base64,([^\"]+)", page)[1])
    assert embedded == next((out / "strips").glob("*.jpg")).read_bytes()
    with pytest.raises(UserError, match="were made with --blur faces"):
        detect_with_engine([faces], judged, out, plain)


def test_an_event_whose_pictures_cannot_be_blurred_has_none_and_says_so(faces, tmp_path, broken):
    settings = DetectSettings(window_s=2, stride_s=1).model_copy(update={"blur": "faces"})
    detect_with_engine([faces], FlashEngine(), tmp_path / "out", settings)
    write_short_list(tmp_path / "out", ShortListSettings(clips=True))
    assert not list((tmp_path / "out").glob("strips/*")) + list((tmp_path / "out").glob("clips/*"))
    rows = (tmp_path / "out" / "events.jsonl").read_text()
    assert rows.count("its faces cannot be blurred (out of memory)") == 2


def test_a_report_shows_blurred_strips_and_no_timelines_that_are_not(faces, tmp_path):
    clips = [a_clip(faces, number, split="test", event_time_s=None, group_id=f"g{number}") for number in range(3)]
    sure = {"collision": 0.1, "near_collision": 0.1, "normal": 0.8}
    answers = [make_prediction(clip, "normal", probabilities=sure) for clip in clips]
    predicted = write_prediction_set(tmp_path / "m", clips, answers)
    comparison = compare({"m": predicted}, tmp_path / "comparison", CompareSettings(resamples=200))
    strips = {}
    for blur in (None, "faces"):
        settings = ReportSettings(blur=blur, frames_per_example=2, frame_width=160, seconds_around=0.4, with_clips=True)
        page = (write_report(comparison, tmp_path / str(blur), settings) / "report.html").read_text()
        found = re.findall(r"data:image/jpeg;base64,([^\"]+)", page)
        shown = [np.asarray(Image.open(io.BytesIO(base64.b64decode(each)))) for each in found]
        clip = next((tmp_path / str(blur) / REPORT_FILES).glob("*.mp4"))
        strips[blur] = [sharpness(picture) for picture in (*shown, *read_pictures(clip, [0.2, 1.0], 160))]
    assert len(strips[None]) == len(strips["faces"]) >= 4
    assert min(strips[None]) > SHARP > max(strips["faces"])
    with writing_artifact(tmp_path / "long", "long videos", {}, DetectSettings()) as folder:
        (folder / "long_videos.json").write_text("{}")
    with pytest.raises(UserError, match="are not blurred"):
        write_report(comparison, tmp_path / "r", ReportSettings(blur="faces"), long_videos=tmp_path / "long")


def test_an_export_is_cut_anew_and_links_no_clip_that_is_not_blurred(faces, tmp_path):
    clip = a_clip(faces, end_s=0.6)
    with writing_artifact(tmp_path / "supervision", "supervision", {}, Settings()) as folder:
        write_jsonl(folder / SAMPLES_FILE, export_world.good_items(clip))
        write_clips(folder, tmp_path / "supervision", DEFAULT_TAXONOMY, [clip])
    cut = {}
    for blur in (None, "faces"):
        settings = ExportSettings(to="messages", blur=blur)
        export_supervision(tmp_path / "supervision", tmp_path / f"to-{blur}", settings, workers=1)
        assert (tmp_path / f"to-{blur}" / CLIP_FILES_FILE).is_file()
        (video,) = (tmp_path / f"to-{blur}" / "videos").glob("*.mp4")
        cut[blur] = read_pictures(video, [0.0, 0.3, 0.5], 160)
    assert min(map(sharpness, cut[None])) > SHARP > max(map(sharpness, cut["faces"]))
    with pytest.raises(UserError, match="already holds another result"):
        export_supervision(tmp_path / "supervision", tmp_path / "to-None", settings, workers=1)


def test_the_commands_take_one_option_and_contact_sheets_follow_it(faces, tmp_path):
    clips = clip_set(tmp_path / "clips", [a_clip(faces)])
    made = {}
    for name, more in (("plain", ()), ("blurred", ("--blur", "faces"))):
        picture = tmp_path / f"{name}.png"
        result = CliRunner().invoke(app, ["inspect", str(clips), "--out", str(picture), "--frames", "4", *more])
        assert result.exit_code == 0, result.stderr
        made[name] = np.asarray(Image.open(picture))
    assert made["plain"].shape == made["blurred"].shape
    assert (made["plain"] != made["blurred"]).any()
    first = np.s_[82 : 82 + 158, 20 : 20 + 264]  # of the frames
    assert sharpness(made["plain"][first]) > SHARP > sharpness(made["blurred"][first])
    for words in (
        ["supervise", "c"],
        ["detect", "v"],
        ["report", "c"],
        ["export", "supervision", "s", "--to", "messages"],
    ):
        refused = CliRunner().invoke(app, [*words, "--out", str(tmp_path / "no"), "--blur", "plates"])
        assert refused.exit_code == 2, words
        assert "faces" in refused.stderr


def test_a_recipe_blurs_what_its_report_shows_in_one_way():
    with_face()
    blurred = load_recipe("demo", ["report.blur=faces", "detect.blur=faces", "supervise.blur=faces"])
    assert (blurred.supervise.blur, blurred.detect.blur, blurred.report.blur) == ("faces",) * 3
    with pytest.raises(UserError, match=r"set detect.blur and report.blur alike"):
        load_recipe("demo", ["report.blur=faces"])
