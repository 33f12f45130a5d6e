"""Files that are no sound videos: each is one error with a true reason, and what is sound in it is read."""

import io
import zipfile
from pathlib import Path

import av
import numpy as np
import pytest

from tests.clocks import numbers_shown, write_clock
from vlm_autodrive.video import OpenVideo, SamplingSettings, VideoError, probe, read_frames, read_pictures, read_windows
from vlm_autodrive.video.check import check_video
from vlm_autodrive.video.errors import library_errors

SAMPLING = SamplingSettings(fps=2, height=56, width=112)


def write_noise(path, start_s, seconds, *, sound=False):
    """A transport stream of some 8 Mbit/s, so that its end lies beyond what a demuxer looks at to begin with."""
    with av.open(str(path), "w", format="mpegts") as container:
        video = container.add_stream("mpeg2video", rate=25)
        video.width, video.height, video.pix_fmt, video.bit_rate = 320, 192, "yuv420p", 8_000_000
        audio = container.add_stream("mp2", rate=48000, layout="stereo") if sound else None
        for number in range(start_s * 25, (start_s + seconds) * 25):
            pixels = np.random.default_rng(number).integers(0, 255, (192, 320, 3), dtype=np.uint8)
            frame = av.VideoFrame.from_ndarray(pixels, format="rgb24")
            frame.pts = number
            container.mux(video.encode(frame))
        container.mux(video.encode(None))
        for start in range(start_s * 48000, (start_s + seconds) * 48000, 1152) if audio else ():
            silence = av.AudioFrame.from_ndarray(np.zeros((1, 2304), np.int16), format="s16", layout="stereo")
            silence.sample_rate, silence.pts = 48000, start
            container.mux(audio.encode(silence))
    return path.read_bytes()


def write_titled(path, codec="libx264"):
    """A clock of 2 s with the title XXXXXX, in the container that the path's ending names."""
    plain = write_clock(path.with_name(f"plain{path.suffix}"), count=20, codec=codec)
    with av.open(str(plain)) as source, av.open(str(path), "w") as target:
        target.metadata["title"] = "XXXXXX"
        stream = target.add_stream_from_template(source.streams.video[0])
        for packet in source.demux(source.streams.video[0]):
            if packet.size:
                packet.stream = stream
                target.mux(packet)
    plain.unlink()


def test_a_stream_that_appears_on_the_way_costs_no_frame(tmp_path):
    """PyAV ends with an IndexError on such a file, behind its last frame."""
    long, short = write_noise(tmp_path / "a", 0, 9), write_noise(tmp_path / "b", 9, 3, sound=True)
    path = tmp_path / "appears.ts"
    path.write_bytes(long + short)
    check = check_video(path)
    assert (check.frames + check.misplaced_frames, check.damage) == (300, "")
    assert probe(path).frames >= 298  # two packets where the parts meet are marked as corrupt
    assert len(read_frames(path, 8.0, 11.0, SAMPLING).pixels) == 6
    ((_, found),) = read_windows(path, [(8.0, 11.0)], SAMPLING)
    assert len(found.pixels) == 6


@pytest.mark.parametrize(("name", "codec"), [("a.mp4", "libx264"), ("a.mkv", "libx264"), ("a.avi", "mpeg4")])
@pytest.mark.parametrize("title", ["café ä".encode("latin-1"), "行车记".encode("gbk")])
def test_titles_and_handler_names_of_any_encoding_are_read_over(tmp_path, name, codec, title):
    path = tmp_path / name
    write_titled(path, codec)
    content = path.read_bytes()
    assert b"XXXXXX" in content
    content = content.replace(b"XXXXXX", title).replace(b"VideoHandler", b"Vid\xe9oHandl\xe9r")
    path.write_bytes(content)
    with pytest.raises(UnicodeDecodeError):
        av.open(str(path))
    assert probe(path).frames == 20
    assert check_video(path).frames == 20
    assert numbers_shown(read_frames(path, 0.0, 2.0, SAMPLING).pixels) == [0, 5, 10, 15]


def zipped():
    content = io.BytesIO()
    with zipfile.ZipFile(content, "w") as archive:
        archive.writestr("a.mp4", "no video")
    return content.getvalue()


def picture(codec):
    context = av.CodecContext.create(codec, "w")
    context.width, context.height, context.time_base = 64, 64, 1
    context.pix_fmt = {"mjpeg": "yuvj420p", "png": "rgb24", "bmp": "bgr24"}[codec]
    frame = av.VideoFrame.from_ndarray(np.zeros((64, 64, 3), np.uint8), format="rgb24")
    return b"".join(bytes(packet) for packet in [*context.encode(frame.reformat(format=context.pix_fmt))])


NOT_VIDEOS = {
    "lfs.mp4": (
        b"version https://git-lfs.github.com/spec/v1\noid sha256:00\nsize 1\n",
        "a Git LFS pointer",
        "lfs pull",
    ),
    "annex.mp4": (b"/annex/objects/SHA256E-s12345--00.mp4\n", "a git-annex pointer", "annex get"),
    "page.mp4": (b"<!DOCTYPE html><title>404 Not Found</title>", "an HTML page (404 Not Found)", "download it again"),
    "gbk.mp4": ("<html><title>错误</title>".encode("gbk"), "an HTML page", "download it again"),
    "denied.mp4": (b'<?xml version="1.0"?>\n<Error><Code>AccessDenied</Code>', "access denied", "the right to read it"),
    "gone.mp4": (b'<?xml version="1.0"?>\n<Error><Code>NoSuchKey</Code>', "NoSuchKey", "download it again"),
    "notes.mp4": (b'<?xml version="1.0"?>\n<annotations/>', "an XML file", "leave it out"),
    "answer.mp4": (b'{"error": "quota"}', "a JSON text", "download it again"),
    "zip.mp4": (zipped(), "a ZIP archive", "unpack it"),
    "gz.mp4": (b"\x1f\x8b\x08" + bytes(50), "a gzip archive", "unpack it"),
    "tar.mp4": (b"a.mp4".ljust(257, b"\0") + b"ustar\0" + bytes(300), "a tar archive", "unpack it"),
    "picture.mp4": (b"\x89PNG\r\n\x1a\n" + bytes(100), "a picture (png)", "leave it out"),
    "png.mp4": (picture("png"), "a picture (png)", "leave it out"),
    "jpeg.mp4": (picture("mjpeg"), "a picture (jpeg)", "leave it out"),
    "source.ts": (b'import { a } from "./a";\nexport const b = a;\n', "TypeScript source", "leave it out"),
    "umlaut.ts": ("// Übergröße\n".encode() * 200, "TypeScript source", "leave it out"),
    "list.mp4": (b"#EXTM3U\nhttp://127.0.0.1:9/a.ts\n", "a playlist", "join them"),
    "concat.mp4": (b"ffconcat version 1.0\nfile sound.mp4\n", "a playlist", "join them"),
    "utf16.mp4": ("video,class\n".encode("utf-16"), "a text file", "leave it out"),
    "zeros.mp4": (bytes(5000), "zeros only", "copy it again"),
    "empty.mp4": (b"", "the file is empty", ""),
    "random.mp4": (np.random.default_rng(0).bytes(5000), "not a video, or cut off at its end", ""),
    "paper.mp4": (b"%PDF-1.7\n%\xe2\xe3", "a PDF document", "leave it out"),
}


@pytest.mark.parametrize("name", NOT_VIDEOS)
def test_what_is_no_video_is_named_and_says_what_to_do(tmp_path, name):
    content, kind, advice = NOT_VIDEOS[name]
    path = tmp_path / name
    path.write_bytes(content)
    for read in (probe, check_video, lambda path: read_pictures(path, [0.0], 64)):
        with pytest.raises(VideoError) as raised:
            read(path)
        assert kind in raised.value.reason
        assert advice in raised.value.reason


def test_an_mp4_without_its_index_is_told_from_other_damage(make_video):
    path = make_video("a.mp4")
    content = path.read_bytes()
    path.write_bytes(content[: content.rindex(b"moov") - 4])
    with pytest.raises(VideoError, match="without the index that is written last"):
        probe(path)


@pytest.mark.parametrize("seconds_per_frame", [100, 0x7FFFFFFF])
def test_a_damaged_frame_rate_does_not_make_seconds_into_centuries(make_video, seconds_per_frame):
    path = make_video("a.avi", codec="mpeg4", count=20)
    content = bytearray(path.read_bytes())
    scale = content.index(b"strh") + 8 + 20  # dwScale and dwRate of the stream's header
    content[scale : scale + 8] = seconds_per_frame.to_bytes(4, "little") + (1).to_bytes(4, "little")
    path.write_bytes(content)
    for read in (probe, check_video):
        with pytest.raises(VideoError, match=r"its frames lie \d+ s apart by its clock"):
            read(path)


def test_folders_links_and_absent_files_have_reasons_of_their_own(tmp_path):
    (tmp_path / "folder.mp4").mkdir()
    (tmp_path / "link.mp4").symlink_to("gone.mp4")
    (tmp_path / "annexed.mp4").symlink_to(".git/annex/objects/aa/bb/SHA256E-s1--00.mp4/SHA256E-s1--00.mp4")
    reasons = {
        "folder.mp4": "it is a folder",
        "link.mp4": "a link to a file that does not exist",
        "annexed.mp4": "git annex get",
        "gone.mp4": "the file does not exist",
        "nul\0.mp4": "the file does not exist",
        "lone\ud800.mp4": "the file does not exist",
        f"{'long' * 100}.mp4": "cannot be opened",
    }
    for name, reason in reasons.items():
        with pytest.raises(VideoError, match=reason):
            probe(tmp_path / name)


@pytest.mark.parametrize(
    "name", ["12:30:05.mp4", "file:x.mp4", "concat:a.mp4", "pipe:.mp4", "http:x", "%04d.mp4", "-a.mp4"]
)
def test_no_file_is_taken_for_a_protocol_by_its_name(tmp_path, monkeypatch, name):
    write_clock(tmp_path / "a.mp4", count=20).rename(tmp_path / name)
    monkeypatch.chdir(tmp_path)

    assert probe(Path(name)).frames == 20
    assert check_video(Path(name)).frames == 20
    assert numbers_shown(read_frames(Path(name), 0.0, 2.0, SAMPLING).pixels) == [0, 5, 10, 15]


def test_what_is_ours_is_never_taken_for_a_fault_of_the_file(make_video, tmp_path):
    """Errors of the library become the file's; an error in code that uses its frames stays what it is."""
    with pytest.raises(VideoError, match=r"damaged \(list index"), library_errors(tmp_path):
        raise IndexError("list index out of range")

    with OpenVideo(make_video("a.mp4")) as video, pytest.raises(ZeroDivisionError):
        for time_s, _ in video.frames(0.0):
            1 / time_s
    with pytest.raises(ZeroDivisionError):
        check_video(make_video("b.mp4"), lambda _: 1 / 0)
