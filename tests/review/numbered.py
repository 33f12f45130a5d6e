"""Folders of detections whose videos show the number of each frame, and reading it off the page."""

from pathlib import Path

import numpy as np

from tests.clocks import write_clock
from tests.detection.short_list.searched import event, write_trip

UNEVEN_S = [0.0, *np.cumsum([(0.04, 0.1, 0.033, 0.2, 0.05)[number % 5] for number in range(119)]).round(3).tolist()]
"""Times of 120 frames of a camera that leaves frames out: from 33 to 200 ms apart."""

PAYLOAD = "<img src=x onerror=\"document.title='owned'\"><script>document.title='owned'</script>"
"""What must be shown as it is written."""

NUMBER = """(() => {
  const video = document.querySelector("video"), canvas = document.createElement("canvas");
  [canvas.width, canvas.height] = [8, 8];
  const pen = canvas.getContext("2d");
  pen.drawImage(video, 0, 0, 8, 8);
  const row = pen.getImageData(0, 4, 8, 1).data;
  return [...Array(8).keys()].reduce((sum, bit) => sum + (row[4 * bit] > 127 ? 1 << bit : 0), 0);
})()"""
"""The number that the frame on the screen shows, as JavaScript."""


COPIED = {
    "hevc.mp4": ("its codec is hevc", {"codec": "libx265"}),
    "camera.ts": ("its container is mpegts", {}),
    "old.avi": ("its container is avi", {"codec": "mpeg4"}),
    "woven.mp4": ("its frames come unevenly, and a browser does not find each of them", {"options": {"bf": "2"}}),
}
"""Files that browsers do not play as they are, why, and how they are written."""


def write_copied_trips(folder: Path) -> Path:
    """A trip for each file of ``COPIED``, of 40 frames; those of the last come at uneven times."""
    out = folder / "copied"
    for name, (_, how) in COPIED.items():
        times_s = UNEVEN_S[:40] if name == "woven.mp4" else None
        video = write_clock(folder / "videos" / name, times_s, fps=10, count=40, size=(256, 128), **how)
        write_trip(out, video.stem, [(video, 4.0)], [event(2.0)])
    return out


def write_numbered_trips(folder: Path) -> Path:
    """Three trips: uneven times; two files, cut at 3 s; and one that no browser plays."""
    videos, out = folder / "videos", folder / "detections"
    uneven = write_clock(videos / "uneven.mp4", UNEVEN_S, size=(256, 128))
    cut = [write_clock(videos / f"cut{part}.mp4", fps=10, count=30, size=(256, 128)) for part in (1, 2)]
    old = write_clock(videos / "old.avi", fps=10, count=40, codec="mpeg4", size=(256, 128))
    says = f"The car ahead brakes [t=3.1]. {PAYLOAD} They touch [t=5.2]."
    first = event(5.2, reasoning=says, reasoning_start_s=0.0, cited_times_s=(3.1, 5.2), alert_time_s=4.0)
    write_trip(out, "uneven", [(uneven, UNEVEN_S[-1] + 0.04)], [first])
    write_trip(out, "cut", [(path, 3.0) for path in cut], [event(3.3, "near_collision")])
    write_trip(out, "old", [(old, 4.0)], [event(2.0)])
    return out
