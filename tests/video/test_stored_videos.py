"""Videos on a store: read as the same local file is, by ranges, and never silently in part."""

import subprocess
import sys
from dataclasses import asdict
from pathlib import Path

import av
import numpy as np
import pytest

from tests.stores import write_noise
from tests.video.field_coded import write_field_coded
from vlm_autodrive.addresses import address_of
from vlm_autodrive.records import TripFile
from vlm_autodrive.video import (
    DecodeLimits,
    SamplingSettings,
    SubprocessVideoChecker,
    VideoError,
    join_files,
    probe,
    read_frames,
    read_pictures,
    read_windows,
    write_clip_file,
)
from vlm_autodrive.video.check import check_video
from vlm_autodrive.video.demuxing import packet_clock
from vlm_autodrive.video.errors import StoreError
from vlm_autodrive.video.frame_store import FrameStore

SAMPLING = SamplingSettings(fps=4, height=56, width=112)
WINDOWS = [(start, start + 5.0) for start in range(0, 55, 5)]


@pytest.fixture(scope="module")
def long_videos(store, tmp_path_factory):
    """Two minutes of video with the index at the end, and in front: the local file and its address."""
    folder = tmp_path_factory.mktemp("long")
    files = [write_noise(folder / f"{name}.mp4", front=name == "front") for name in ("back", "front")]
    return [(file, Path(store.put(file, f"long/{file.name}"))) for file in files]


def bytes_needed(path, start_s, end_s):
    """The index of a file, and the packets from the key frame before a window to its end."""
    with av.open(str(path)) as container:
        stream = container.streams.video[0]
        packets = [(p.pts * p.time_base, p.size, p.is_keyframe) for p in container.demux(stream) if p.size]
    key_s = max(time_s for time_s, _, is_key in packets if is_key and time_s <= start_s)
    content = path.read_bytes()
    index = int.from_bytes(content[(at := content.index(b"moov")) - 4 : at], "big")
    return index + sum(size for time_s, size, _ in packets if key_s <= time_s < end_s)


@pytest.mark.parametrize("place", [0, 1])
def test_a_window_takes_little_more_than_its_own_bytes(store, long_videos, place):
    local, stored = long_videos[place]
    store.line.bytes_down = 0
    found = read_frames(stored, 31.3, 36.3, SAMPLING)
    took, needed = store.line.bytes_down, bytes_needed(local, 31.3, 36.3)
    expected = read_frames(local, 31.3, 36.3, SAMPLING)
    assert np.array_equal(found.pixels, expected.pixels) and found.times_s == expected.times_s
    assert needed < took < 1.6 * needed < local.stat().st_size / 4


@pytest.mark.parametrize("place", [0, 1])
def test_a_probe_reads_the_index_and_not_the_pictures(store, long_videos, place):
    local, stored = long_videos[place]
    store.line.bytes_down = 0
    found = probe(stored)
    assert store.line.bytes_down < local.stat().st_size / 5
    assert found == probe(local)
    assert asdict(packet_clock(stored)) == asdict(packet_clock(local))


def test_all_windows_are_those_of_the_local_file(long_videos):
    local, stored = long_videos[0]
    for (window, found), (_, expected) in zip(
        read_windows(stored, WINDOWS, SAMPLING), read_windows(local, WINDOWS, SAMPLING), strict=True
    ):
        assert np.array_equal(found.pixels, expected.pixels), window


@pytest.mark.parametrize(
    ("name", "how"),
    [
        ("a.mp4", {"options": {"bf": "2"}}),
        ("open.mp4", {"options": {"bf": "2", "x264-params": "open-gop=1"}, "gop": 12}),
        ("fragments.mp4", {}),
        ("uneven.mov", {"times_s": [0.0, 0.1, 0.5, 0.6, 1.4, 2.0, 2.1, 2.2, 9.0]}),
        ("late.mp4", {"offset_s": 3.0}),
        ("refresh.mp4", {"options": {"x264-params": "intra-refresh=1:keyint=10"}, "count": 80}),
        ("a.ts", {}),
        ("a.mkv", {}),
        ("a.avi", {"codec": "mjpeg"}),
        ("a.webm", {"codec": "libvpx-vp9"}),
        ("b.mp4", {"codec": "mpeg4"}),
        ("c.mp4", {"codec": "libx265", "options": {"x265-params": "log-level=none:keyint=10"}}),
    ],
)
def test_every_container_is_read_as_the_local_file(store, make_video, name, how):
    local = make_video(name, **how)
    if name == "fragments.mp4":
        local = _fragmented(local)
    stored = Path(store.put(local, f"containers/{name}"))
    assert probe(stored) == probe(local)
    assert asdict(packet_clock(stored)) == asdict(packet_clock(local))
    assert check_video(stored) == check_video(local)
    end_s = probe(local).duration_s
    found, expected = (read_frames(path, end_s / 3, end_s, SAMPLING) for path in (stored, local))
    assert np.array_equal(found.pixels, expected.pixels) and found.times_s == expected.times_s


def test_fields_are_paired_on_a_store_too(store, tmp_path):
    local = write_field_coded(tmp_path / "fields.mp4")
    stored = Path(store.put(local, "fields.mp4"))
    assert asdict(packet_clock(stored)) == asdict(packet_clock(local)) and probe(stored) == probe(local)


def test_a_file_that_is_cut_off_is_noted_as_locally(store, tmp_path):
    local = write_noise(tmp_path / "cut.mp4", 4, front=True)
    local.write_bytes(local.read_bytes()[: local.stat().st_size * 2 // 3])
    stored = Path(store.put(local, "cut.mp4"))
    assert "cut off" in probe(stored).notes and probe(stored) == probe(local)


def test_pictures_clips_trips_and_checks_take_addresses(store, make_video, tmp_path):
    local = make_video("drive.mp4")
    stored = Path(store.put(local, "drive.mp4"))
    for found, expected in zip(
        read_pictures(stored, [0.5, 4.0], 100), read_pictures(local, [0.5, 4.0], 100), strict=True
    ):
        assert np.array_equal(found, expected)
    for path, name in ((stored, "s.mp4"), (local, "l.mp4")):
        write_clip_file(path, 1.0, 3.0, tmp_path / name)
    assert (tmp_path / "s.mp4").read_bytes() == (tmp_path / "l.mp4").read_bytes()
    (trip,), _ = join_files([stored])
    assert trip.folder == stored.parent and trip.files == (
        TripFile(path=address_of(stored), start_s=0.0, duration_s=6.0),
    )
    with SubprocessVideoChecker(DecodeLimits()) as checker:
        assert checker.check(stored) == check_video(local)


def test_a_frame_is_kept_for_as_long_as_the_object_is_the_same(store, make_video, tmp_path):
    frames = FrameStore(tmp_path / "frames", 1 << 20)
    stored = Path(store.put(make_video("one.mp4"), "kept.mp4"))
    before = frames.content_hash(stored)
    assert frames.content_hash(stored) == before
    store.put(make_video("two.mp4", count=30), "kept.mp4")
    assert FrameStore(tmp_path / "frames", 1 << 20).content_hash(stored) != before


@pytest.mark.parametrize(
    ("address", "reason"),
    [("s3://drives/none.mp4", "the file does not exist"), ("s3://nowhere/a.mp4", "there is no such bucket")],
)
def test_what_is_missing_is_a_reason_of_that_video(store, address, reason):
    with pytest.raises(VideoError) as caught:
        probe(Path(address))
    assert caught.value.reason == reason and str(caught.value) == f"{address}: {reason}"


def test_refused_credentials_are_a_reason_of_that_video(store, make_video):
    stored = Path(store.put(make_video(), "secret.mp4"))
    with store.refusing(), pytest.raises(VideoError, match="refuses access; check the credentials"):
        probe(stored)


def test_a_text_is_told_from_a_video_by_its_first_bytes(store, tmp_path):
    (tmp_path / "page.mp4").write_text("<html>log in</html>")
    with pytest.raises(VideoError, match="an HTML page, not a video"):
        probe(Path(store.put(tmp_path / "page.mp4", "page.mp4")))


@pytest.fixture
def cut(store):
    """Cuts the line to the store after so many bytes; it is mended in the end."""

    def after(count):
        store.line.bytes_down, store.line.cut_after = 0, count

    yield after
    store.line.cut_after = None


def test_a_line_that_breaks_is_an_error_and_never_the_end_of_the_video(cut, long_videos):
    _, stored = long_videos[0]
    cut(3_000_000)
    results = list(read_windows(stored, WINDOWS, SAMPLING))
    assert len(results) == len(WINDOWS)
    errors = [result for _, result in results if isinstance(result, VideoError)]
    assert 0 < len(errors) < len(WINDOWS) and all("could not be read on" in error.reason for error in errors)
    assert all(len(result.times_s) == 20 for _, result in results if not isinstance(result, VideoError))


def test_a_check_does_not_take_a_broken_line_for_damage(cut, long_videos):
    _, stored = long_videos[1]
    cut(3_000_000)
    with pytest.raises(StoreError, match="could not be read on"):
        check_video(stored)


@pytest.mark.parametrize("name", ["a.ts", "a.mkv"])
def test_packets_are_read_to_the_end_or_not_at_all(cut, store, make_video, monkeypatch, name):
    monkeypatch.setattr("vlm_autodrive.addresses.BLOCK_BYTES", 4096)
    local = make_video(name, size=(320, 160), count=200)
    stored = Path(store.put(local, f"broken/{name}"))
    cut(local.stat().st_size)  # of the two times that it is read
    with pytest.raises(StoreError):
        probe(stored)
    cut(None)
    assert probe(stored) == probe(local)


def test_without_the_extra_a_video_says_what_to_install():
    program = """
import sys
sys.modules["fsspec"] = None
from pathlib import Path
from vlm_autodrive.errors import UserError
from vlm_autodrive.video import probe
try:
    probe(Path("s3://drives/a.mp4"))
except UserError as error:
    print(error)
"""
    told = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True).stdout
    assert "pip install 'vlm-autodrive[scale]'" in told and told.startswith("s3://drives/a.mp4 lies on a store")


def _fragmented(path):
    target = path.with_name("in-fragments.mp4")
    with (
        av.open(str(path)) as source,
        av.open(str(target), "w", options={"movflags": "frag_keyframe+empty_moov"}) as out,
    ):
        stream = source.streams.video[0]
        to = out.add_stream_from_template(stream)
        for packet in source.demux(stream):
            if packet.dts is not None:
                packet.stream = to
                out.mux(packet)
    return target
