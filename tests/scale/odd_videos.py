"""Every way in which a video file is odd, or none at all."""

import os

import av
import numpy as np

from tests.clocks import turn, write_clock
from tests.remuxing import cut_by_edit_list, faststart

_HEVC = {"preset": "ultrafast", "x265-params": "log-level=none"}
UNUSABLE = {
    "no-index": "not a video, or cut off at its end: an MP4 or MOV without the index that is written last; copy it "
    "again, or have it repaired",
    "empty": "the file is empty",
    "random": "not a video, or cut off at its end",
    "text": "a text file, not a video; leave it out, or download it again",
    "folder": "it is a folder",
    "sound": "no video stream in it",
    "unknown": "no video stream in it",
    "missing": "the file does not exist",
}
"""Why some of them cannot be used; the others can."""
_UNEVEN_S = [0.0, 0.04, 0.3, 0.31, 0.7, 1.5, 1.52, 1.9]


def write_odd_videos(folder):
    """Write them, in what becomes a folder of twenty names with ``missing.mp4``."""

    def clock(name, count=10, **how):
        return write_clock(folder / name, count=count, size=(64, 48), **how)

    clock("hevc.mp4", codec="libx265", options=_HEVC)
    clock("av1.mp4", codec="libsvtav1", options={"preset": "12", "svtav1-params": "lookahead=0"})
    clock("vp9.webm", codec="libvpx-vp9", options={"deadline": "realtime", "cpu-used": "8"})
    clock("mpeg4.avi", codec="mpeg4")
    clock("late.ts", offset_s=1.467)
    clock("uneven.mp4", times_s=_UNEVEN_S)
    clock("444.mp4", pix_fmt="yuv444p")
    clock("10-bit.mp4", pix_fmt="yuv420p10le")
    turn(clock("turned.mp4"), (0, 1, -1, 0))
    whole = clock("edit-list.mp4", count=30)
    cut_by_edit_list(whole, 1.3).rename(whole)
    cut = clock("cut.mp4", count=100)
    faststart(cut, whole := cut.with_name("whole.mp4"))
    cut.write_bytes(whole.read_bytes()[: whole.stat().st_size // 2])
    whole.unlink()

    _write_frame(folder / "one-frame.mp4")
    no_index = clock("no-index.mp4")
    no_index.write_bytes(no_index.read_bytes()[: no_index.stat().st_size // 2])
    (folder / "empty.mp4").touch()
    (folder / "random.mp4").write_bytes(os.urandom(50_000))
    (folder / "text.mp4").write_text("This is no video.\n" * 20)
    (folder / "folder.mp4").mkdir()
    _write_sound(folder / "sound.mp4")
    unknown = clock("unknown.mp4")
    unknown.write_bytes(unknown.read_bytes().replace(b"avc1", b"zzzz").replace(b"avcC", b"zzzC"))


def _write_frame(path):
    with av.open(str(path), "w") as container:
        stream = container.add_stream("libx264", rate=10)
        stream.width, stream.height, stream.pix_fmt = 64, 48, "yuv420p"
        container.mux(stream.encode(av.VideoFrame.from_ndarray(np.full((48, 64, 3), 99, np.uint8), "rgb24")))
        container.mux(stream.encode())


def _write_sound(path):
    with av.open(str(path), "w") as container:
        stream = container.add_stream("aac", rate=48000, layout="mono")
        frame = av.AudioFrame.from_ndarray(np.zeros((1, 4800), np.float32), format="fltp", layout="mono")
        frame.sample_rate = 48000
        container.mux(stream.encode(frame))
        container.mux(stream.encode())
