"""Videos come in ranges, at their own times, and as proxies where no browser plays them."""

import multiprocessing
import os
import signal
import time
from fractions import Fraction
from pathlib import Path

import av
import pytest

from tests.clocks import numbers_shown, write_clock
from tests.detection.short_list.searched import event, write_trip
from tests.review.asking import ask, ask_json, first_item
from tests.review.numbered import UNEVEN_S
from tests.review.serving import review_server
from vlm_autodrive.records import TripFile
from vlm_autodrive.review import open_review
from vlm_autodrive.review.video_processes import VideoProcesses
from vlm_autodrive.video import VideoError, playback, read_pictures, write_proxy


def times_in(path):
    """The presentation times of a file's packets, exactly, after the first."""
    with av.open(str(path)) as container:
        stream = container.streams.video[0]
        ticks = sorted(packet.pts for packet in container.demux(stream) if packet.pts is not None)
        return [(each - ticks[0]) * Fraction(stream.time_base) for each in ticks]


def until_ready(address, media_id):
    end = time.monotonic() + 120
    while (state := ask_json(address, f"/api/media/{media_id}")[1])["state"] == "making":
        assert 0 <= state["progress"] < 1
        assert (state["url"], state["times_s"]) == ("", [])
        assert state["proxy"] and state["reason"]
        assert time.monotonic() < end
        time.sleep(0.05)
    return state


@pytest.fixture(scope="module")
def served(tmp_path_factory):
    folder = tmp_path_factory.mktemp("media")
    video = write_clock(folder / "videos" / "a.mp4", UNEVEN_S)
    write_trip(folder / "found", "a", [(video, UNEVEN_S[-1])], [event(3.0)])
    with review_server(folder / "found") as address:
        (media,) = ask_json(address, f"/api/items/{first_item(address)}")[1]["media"]
        yield address, f"/media/{media['media_id']}", video.read_bytes()


def test_a_browser_gets_the_file_or_any_part_of_it(served):
    address, path, content = served
    size = len(content)
    status, headers, body = ask(address, path)
    assert (status, body, headers["accept-ranges"], headers["content-type"]) == (200, content, "bytes", "video/mp4")
    for wanted, first, last in [
        ("bytes=0-99", 0, 100),
        ("bytes=100-", 100, size),
        (f"bytes=100-{size + 500}", 100, size),
        ("bytes=-50", size - 50, size),
        (f"bytes=-{size + 50}", 0, size),
        (f"bytes={size - 1}-{size - 1}", size - 1, size),
    ]:
        status, headers, body = ask(address, path, headers={"range": wanted})
        assert (status, body) == (206, content[first:last]), wanted
        assert headers["content-range"] == f"bytes {first}-{last - 1}/{size}", wanted
        assert headers["content-length"] == str(last - first), wanted


def test_a_part_that_does_not_exist_is_refused(served):
    address, path, content = served
    status, headers, _ = ask(address, path, headers={"range": f"bytes={len(content)}-"})
    assert (status, headers["content-range"]) == (416, f"bytes */{len(content)}")
    assert ask(address, path, headers={"range": "bytes=9-3"})[0] in (400, 416)
    assert ask(address, path, headers={"range": "frames=1-2"})[0] in (200, 400, 416)


def test_the_head_of_an_answer_can_be_asked_for_alone(served):
    address, path, content = served
    status, headers, body = ask(address, path, "HEAD")
    assert (status, headers["content-length"], body) == (200, str(len(content)), b"")
    status, headers, body = ask(address, path, "HEAD", {"range": "bytes=0-9"})
    assert (status, headers["content-length"], body) == (206, "10", b"")


def test_several_parts_come_as_one_answer(served):
    address, path, content = served
    status, headers, body = ask(address, path, headers={"range": "bytes=0-9,100-119"})
    assert status == 206
    assert headers["content-type"].startswith("multipart/byteranges; boundary=")
    assert body.count(b"Content-Range: bytes ") == 2
    assert content[:10] in body and content[100:120] in body


def test_a_request_for_very_many_parts_is_cheap(served):
    address, path, content = served
    status, _, body = ask(address, path, headers={"range": "bytes=" + ",".join(f"{n}-" for n in range(200))})
    assert (status, len(body)) == (200, len(content))


def test_a_part_of_another_version_is_not_sent(served):
    address, path, content = served
    etag = ask(address, path)[1]["etag"]
    asked = {"range": "bytes=0-9"}
    assert ask(address, path, headers={**asked, "if-range": etag})[0] == 206
    status, _, body = ask(address, path, headers={**asked, "if-range": '"another"'})
    assert (status, body) == (200, content)


def test_the_page_gets_the_time_of_every_frame(served):
    address, path, _ = served
    _, state = ask_json(address, path.replace("/media/", "/api/media/"))
    assert (state["state"], state["proxy"], state["url"]) == ("ready", False, path)
    assert state["times_s"] == pytest.approx(UNEVEN_S, abs=1e-9)


WITHOUT_SOME_S = [n / 10 for n in range(60) if n not in (20, 35, 36)]
KINDS = {
    "old.avi": {"codec": "mpeg4", "fps": 10, "count": 40},
    "moving.gif": {"codec": "gif", "fps": 10, "count": 30},
    "part2.mp4": {"codec": "mpeg4", "times_s": UNEVEN_S},
    "hevc.mp4": {"codec": "libx265", "times_s": UNEVEN_S},
    "camera.ts": {"codec": "libx264", "times_s": UNEVEN_S, "options": {"bf": "2"}},
    "matroska.mkv": {"codec": "libx264", "times_s": UNEVEN_S},
    "quicktime.mov": {"codec": "libx264", "times_s": UNEVEN_S},
    "woven.mp4": {"codec": "libx264", "times_s": UNEVEN_S, "options": {"bf": "2"}},
    "dropped.mp4": {"codec": "libx264", "times_s": WITHOUT_SOME_S, "options": {"bf": "2"}},
    "uneven.webm": {"codec": "libvpx-vp9", "times_s": UNEVEN_S},
    "late.mp4": {"codec": "libx264", "times_s": UNEVEN_S, "offset_s": 1.5},
    "deep.mp4": {"codec": "libx264", "count": 20, "pix_fmt": "yuv444p"},
    "large.avi": {"codec": "mjpeg", "count": 5, "size": (1920, 1440)},
    "upright.avi": {"codec": "mjpeg", "count": 5, "size": (1080, 1920)},
}


@pytest.mark.parametrize("name", KINDS)
def test_a_proxy_shows_every_frame_at_its_own_time(make_video, tmp_path, name):
    video = make_video(name, **KINDS[name])
    known = playback(video)
    assert known.problem and not known.media_type
    written = write_proxy(video, tmp_path / "proxy.mp4")
    proxy = playback(tmp_path / "proxy.mp4")
    assert (proxy.problem, proxy.media_type) == ("", "video/mp4")
    assert written == known.times_s == pytest.approx(proxy.times_s, abs=1e-9)
    assert times_in(tmp_path / "proxy.mp4") == times_in(video)  # not a tick off
    shown = numbers_shown_by(tmp_path / "proxy.mp4", proxy.times_s)
    assert shown == numbers_shown_by(video, known.times_s) == list(range(len(shown)))
    with av.open(str(tmp_path / "proxy.mp4")) as container:
        stream = container.streams.video[0]
        assert stream.codec_context.name == "h264"
        assert stream.codec_context.pix_fmt in ("yuv420p", "yuvj420p")  # the same, its values from 0 to 255
        assert sorted((stream.width, stream.height))[0] <= 720 and max(stream.width, stream.height) <= 1280
        packets = [packet for packet in container.demux(stream) if packet.pts is not None]
        keys_s = [float(packet.pts * packet.time_base) for packet in packets if packet.is_keyframe]
        gaps = [b - a for a, b in zip(keys_s, [*keys_s[1:], proxy.times_s[-1]], strict=True)]
        assert max(gaps) < 1.25  # a second, to the next frame
    content = (tmp_path / "proxy.mp4").read_bytes()
    assert content.index(b"moov") < content.index(b"mdat")  # playing can begin before all of it is there


def numbers_shown_by(video, times_s):
    import numpy as np

    pictures = read_pictures(video, times_s, 4000)
    return numbers_shown(np.stack(pictures))


@pytest.mark.parametrize(
    ("name", "how"),
    [
        ("plain.mp4", {}),
        ("uneven.mp4", {"times_s": UNEVEN_S}),
        ("woven.mp4", {"options": {"bf": "3"}}),
        ("coarse.mp4", {"times_s": [round(n / 29.97, 3) for n in range(90)], "options": {"bf": "2"}}),
        ("vp9.webm", {"codec": "libvpx-vp9", "count": 10}),
        ("av1.mp4", {"codec": "libsvtav1", "count": 10}),
    ],
)
def test_what_browsers_play_is_played_as_it_is(make_video, name, how):
    known = playback(make_video(name, **how))
    assert (known.problem, known.media_type) == ("", f"video/{name.rsplit('.', 1)[1]}")
    assert known.times_s == pytest.approx(how.get("times_s") or [n / 10 for n in range(how.get("count", 60))])


@pytest.mark.fixtures
def test_real_clips_are_played_as_they_are_unless_their_container_or_codec_is_unusual(fixtures_dir):
    videos = [path for path in sorted((fixtures_dir / "videos").glob("*.*")) if path.suffix != ".csv"]
    problems = {path.name: playback(path).problem for path in videos}
    assert {problems[name] for name in problems if name.startswith("collision")} == {"its codec is mpeg4"}
    assert {problems[name] for name in problems if name.startswith("normal")} == {""}  # most of them with B-frames
    assert all(problem.startswith("its container") for name, problem in problems.items() if name.startswith("odd"))


@pytest.mark.fixtures
def test_real_clips_keep_their_times_in_proxies(fixtures_dir, tmp_path):
    proxies = 0
    for video in sorted((fixtures_dir / "videos").glob("*.*")):
        if video.suffix == ".csv":
            continue
        known = playback(video)
        if known.problem:
            written = write_proxy(video, tmp_path / "proxy.mp4")
            assert written == pytest.approx(known.times_s, abs=1e-9)
            assert playback(tmp_path / "proxy.mp4").times_s == pytest.approx(written, abs=1e-9)
            proxies += 1
    assert proxies >= 3


def test_a_file_that_is_no_video_has_no_proxy(tmp_path):
    (tmp_path / "a.avi").write_bytes(b"RIFF" + bytes(500))
    with pytest.raises(VideoError):
        playback(tmp_path / "a.avi")
    with pytest.raises(VideoError):
        write_proxy(tmp_path / "a.avi", tmp_path / "p.mp4")
    assert not list(tmp_path.glob("p.mp4*"))


def test_a_proxy_is_made_in_the_background_and_then_kept(tmp_path):
    video = write_clock(tmp_path / "videos" / "old.avi", codec="mpeg4", fps=10, count=40)
    broken = tmp_path / "videos" / "broken.avi"
    broken.write_bytes(b"RIFF" + bytes(500))
    write_trip(tmp_path / "found", "a", [(video, 4.0), (broken, 4.0)], [event(2.0)])
    with review_server(tmp_path / "found") as address:
        good, bad = ask_json(address, f"/api/items/{first_item(address)}")[1]["media"]
        assert ask_json(address, f"/api/media/{bad['media_id']}")[1]["state"] == "failed"
        assert ask(address, f"/media/{bad['media_id']}")[0] == 404
        state = until_ready(address, good["media_id"])
        assert (state["state"], state["proxy"]) == ("ready", True)
        assert "avi" in state["reason"]
        assert state["times_s"] == pytest.approx([n / 10 for n in range(40)])
        status, headers, content = ask(address, state["url"])
        assert (status, headers["content-type"], content[4:8]) == (200, "video/mp4", b"ftyp")
    (proxy,) = (tmp_path / "found" / ".review-cache" / "proxies").glob("*.mp4")
    made = proxy.stat().st_mtime_ns
    with review_server(tmp_path / "found") as address:
        assert ask_json(address, f"/api/media/{good['media_id']}")[1]["state"] == "ready"
    assert proxy.stat().st_mtime_ns == made


@pytest.fixture(scope="module")
def long_video(tmp_path_factory):
    """One whose proxy takes a while."""
    folder = tmp_path_factory.mktemp("long")
    return write_clock(folder / "old.avi", codec="mpeg4", fps=10, count=150, size=(1280, 720))


@pytest.fixture
def long_proxy(long_video, tmp_path):
    """A folder whose first item's proxy takes a while, and where proxies are kept."""
    write_trip(tmp_path / "found", "a", [(long_video, 15.0)], [event(2.0)])
    return tmp_path / "found", tmp_path / "found" / ".review-cache" / "proxies"


def until_begun(address):
    """The media id of the first item, when some frames of its proxy are made."""
    (media,) = ask_json(address, f"/api/items/{first_item(address)}")[1]["media"]
    end = time.monotonic() + 120
    while (state := ask_json(address, f"/api/media/{media['media_id']}")[1])["progress"] == 0:
        assert state["state"] == "making" and time.monotonic() < end
    return media["media_id"]


def test_a_crash_of_the_decoder_ends_no_server_and_the_next_one_tries_again(long_proxy):
    found, proxies = long_proxy
    with review_server(found) as address:
        media_id = until_begun(address)
        for process in multiprocessing.active_children():
            os.kill(process.pid, signal.SIGSEGV)
        state = until_ready(address, media_id)
        assert state["state"] == "failed"
        assert state["reason"].startswith("this file cannot be shown: its decoder crashed; start the server anew")
        assert list(proxies.iterdir()) == []
        assert ask(address, f"/pictures/{first_item(address)}/20.jpg")[0] == 200  # by a process that is started anew
    with review_server(found) as address:
        assert len(until_ready(address, media_id)["times_s"]) == 150


def test_a_proxy_is_given_up_when_the_server_stops(long_proxy):
    found, proxies = long_proxy
    with review_server(found) as address:
        until_begun(address)
    assert multiprocessing.active_children() == []
    assert list(proxies.iterdir()) == []


def crash(path):
    path.with_suffix(f".try{len(list(path.parent.iterdir()))}").touch()
    os.kill(os.getpid(), signal.SIGSEGV)


def test_a_file_that_crashed_its_decoder_is_not_tried_again_until_it_changes(tmp_path):
    processes, video = VideoProcesses(2), tmp_path / "bad.mp4"
    try:
        for size, tries in ((1, 1), (1, 1), (2, 2)):
            video.write_bytes(bytes(size))
            os.utime(video, (1, 1))
            with pytest.raises(VideoError, match="its decoder crashed"):
                processes.read(video, crash)
            assert len(list(tmp_path.glob("*.try*"))) == tries
        assert processes.read(tmp_path, Path.is_dir)
    finally:
        processes.close()


def test_a_video_that_was_replaced_is_proxied_anew(tmp_path):
    video = write_clock(tmp_path / "videos" / "old.avi", codec="mpeg4", fps=10, count=40)
    write_trip(tmp_path / "found", "a", [(video, 4.0)], [event(2.0)])
    with review_server(tmp_path / "found") as address:
        (media,) = ask_json(address, f"/api/items/{first_item(address)}")[1]["media"]
        assert len(until_ready(address, media["media_id"])["times_s"]) == 40
        write_clock(video, codec="mpeg4", fps=10, count=30)
        assert len(until_ready(address, media["media_id"])["times_s"]) == 30


def test_the_pictures_show_what_the_video_shows(tmp_path):
    parts = [write_clock(tmp_path / "videos" / f"{n}.mp4", fps=10, count=40, size=(256, 128)) for n in (1, 2)]
    write_trip(tmp_path / "found", "a", [(part, 4.0) for part in parts], [event(4.5)])
    review = open_review(tmp_path / "found", "ada")
    (item,) = review.source.items
    for tenths, number in [(30, 30), (45, 5), (60, 20)]:
        assert picture_numbers(review.pictures.thumbnail(item, tenths)) == [number]
    assert review.pictures.thumbnail(item, 45) == review.pictures.thumbnail(item, 45)
    plain, marked = review.pictures.strip(item, plain=True), review.pictures.strip(item)
    assert marked.startswith(b"\xff\xd8") and plain != marked
    review.close()


def picture_numbers(jpeg):
    import io

    import numpy as np
    from PIL import Image

    return numbers_shown(np.asarray(Image.open(io.BytesIO(jpeg)).convert("RGB"))[None])


def test_a_clip_whose_video_is_longer_than_was_known_has_its_true_length(tmp_path):
    video = write_clock(tmp_path / "videos" / "a.mp4", fps=10, count=40)
    write_trip(tmp_path / "found", "a", [(video, 3.0)], [event(1.0)])
    review = open_review(tmp_path / "found", "ada")
    (item,) = review.source.items
    assert item.duration_s == 3.0
    assert review.media.length_s(item) == pytest.approx(4.0)
    gone = item.model_copy(update={"files": (TripFile(path="/nowhere/a.mp4", start_s=0, duration_s=3.0),)})
    assert review.media.length_s(gone) == 3.0
    review.close()
