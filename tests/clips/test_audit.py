"""The audit finds what crosses splits and what gives the class away, and is quiet where there is nothing."""

import json

import av
import numpy as np
import pytest
from PIL import Image
from typer.testing import CliRunner

from tests.clips.catalogs import event, video
from vlm_autodrive.artifacts import read_clips, write_catalog, write_clips, writing_artifact
from vlm_autodrive.cli.main import app
from vlm_autodrive.clips import ClipSettings, audit, build_clips
from vlm_autodrive.clips.audit_samples import AuditSample, FileFacts
from vlm_autodrive.clips.duplicates import hash_frames, look_alikes
from vlm_autodrive.clips.shortcuts import find_shortcuts
from vlm_autodrive.errors import UserError
from vlm_autodrive.records import DEFAULT_TAXONOMY

ANY = ClipSettings()


def scene(path, seed, *, size=(160, 96), codec="libx264", fps=10, seconds=3.0, bit_rate=400_000):
    """A drifting pattern of patches: the same seed at another size or bit rate is the same footage."""
    path.parent.mkdir(parents=True, exist_ok=True)
    rng = np.random.default_rng(seed)
    seen = Image.fromarray(rng.integers(0, 255, (6, 40)).astype(np.uint8)).resize((640, 96), Image.Resampling.BICUBIC)
    patches = np.asarray(seen)
    with av.open(str(path), "w") as container:
        stream = container.add_stream(codec, rate=fps)
        stream.width, stream.height = size
        stream.pix_fmt, stream.bit_rate = "yuv420p", bit_rate
        for number in range(round(seconds * fps)):
            left = 40 * number // fps
            picture = np.repeat(patches[:, left : left + 160, None], 3, axis=2)
            frame = av.VideoFrame.from_ndarray(np.ascontiguousarray(picture), "rgb24")
            container.mux(stream.encode(frame.reformat(*size)))
        container.mux(stream.encode())
    return path


def catalog(folder, videos, events=()):
    with writing_artifact(folder, "catalog", {}, ANY) as partial:
        write_catalog(partial, folder, DEFAULT_TAXONOMY, videos, list(events), [], [])
    return folder


def footage(path, name, positive, **more):
    return video(name, 3.0, positive, **more).model_copy(update={"path": str(path)})


def item(name, label="normal", group=None, **facts):
    file = {"duration_s": 6.0, "fps": 30.0, "bits_per_s": 1e6, "bytes": 10**6, "codec": "h264"} | facts
    return AuditSample(
        name=name, path=f"/d/{name}.mp4", video_stream=None, start_s=0, end_s=6, is_event=label != "normal",
        label=label, event_place=None, split="train", drive=group or name, group=group or name, source="x",
        source_id=None, problem="", file=FileFacts(width=1280, height=720, **file),
    )  # fmt: skip


def by_fact(items, **how):
    found = find_shortcuts(items, DEFAULT_TAXONOMY, whole_videos=False, seed=0, **how)
    return {shortcut.fact: shortcut for shortcut in found}


def test_a_fact_that_tells_the_class_leaks_and_the_others_do_not():
    rng = np.random.default_rng(1)
    labels = [str(rng.choice(DEFAULT_TAXONOMY.names)) for _ in range(240)]
    items = [
        item(f"v{n:04}", label, codec="mpeg4" if label == "collision" else "h264", bits_per_s=rng.normal(1e6, 1e5))
        for n, label in enumerate(labels)
    ]
    found = by_fact(items)
    assert (found["codec"].result, found["all"].result) == ("leaks", "leaks")
    assert found["codec"].classes.value == pytest.approx((1 + 0.75 + 0.75) / 3, abs=0.05)
    assert "Collision mpeg4 100 %" in found["codec"].words
    assert {found[fact].result for fact in ("duration", "fps", "picture size", "source", "position")} == {"clean"}
    assert found["fps"].event.value == found["fps"].event.high == 0.5
    assert 0.4 < found["bitrate"].event.value < 0.6


def test_three_classes_are_looked_at_even_if_event_against_none_is_not_told():
    items = [item(f"v{n:04}", DEFAULT_TAXONOMY.names[n % 3], fps=(20.0, 30.0, 25.0)[n % 3]) for n in range(150)]
    found = by_fact(items)["fps"]
    assert found.classes.low > 0.95
    blurred = [item(f"v{n:04}", ("collision", "near_collision")[n % 2], fps=20.0 + 10 * (n % 2)) for n in range(60)]
    found = by_fact(blurred)["fps"]
    assert (found.event.value, found.result) == (None, "leaks")


def test_folds_keep_groups_whole():
    rng = np.random.default_rng(2)
    items = []
    for number in range(80):
        label, rate = ("collision", "normal")[int(rng.integers(2))], rng.uniform(1e6, 2e6)
        items += [item(f"g{number}-{n}", label, f"g{number}", bits_per_s=rate) for n in range(5)]
    assert 0.3 < by_fact(items)["bitrate"].event.value < 0.7  # with a group on both sides it would be nearly 1


def test_what_is_alike_within_each_triplet_tells_nothing():
    rng = np.random.default_rng(3)
    items = []
    for number in range(100):
        length_s, fps = rng.uniform(5, 9), float(rng.choice([25, 30]))
        for label in DEFAULT_TAXONOMY.names:
            items.append(item(f"{len(items):05}", label, f"t{number}", duration_s=length_s, fps=fps))
    found = by_fact(items)
    for fact in ("duration", "fps"):
        assert found[fact].result == "clean"
        assert max(found[fact].event.high, found[fact].classes.high) <= 0.6


def test_too_few_drives_are_not_told():
    found = by_fact([item("a", "collision"), item("b"), item("c")])
    assert {shortcut.result for shortcut in found.values()} == {"too few groups"}


def test_hashes_survive_another_encoding_and_leave_blank_frames_out(tmp_path):
    rng = np.random.default_rng(0)
    pictures = rng.integers(40, 200, (5, 16, 17, 3)).astype(np.uint8)
    assert hash_frames(pictures).shape == (5, 256)
    assert (hash_frames(pictures) == hash_frames((pictures * 0.9 + 10).astype(np.uint8))).mean() > 0.99
    pictures[2] = 7
    assert hash_frames(pictures).shape == (4, 256)


def test_look_alikes_are_sought_between_parts_only():
    rng = np.random.default_rng(0)
    same = rng.random((16, 256)) < 0.5
    near = same.copy()
    near[:, :10] ^= True
    hashes = {"a": same, "b": near, "c": same, "d": rng.random((16, 256)) < 0.5, "blank": same[:0]}
    parts = {"a": "train", "b": "test", "c": "train", "d": "test", "blank": "test"}
    found = look_alikes(hashes, parts, parts)
    assert [({p.first, p.second}, p.frames, p.bits) for p in found] == [({"a", "b"}, 2, 10), ({"b", "c"}, 2, 10)]
    assert look_alikes({}, {}, {}) == []


def test_files_that_give_the_class_away_are_told_in_words(tmp_path):
    videos, events = [], []
    for number in range(24):
        positive = number % 2 == 0
        how = {"codec": "mpeg4", "fps": 10} if positive else {"codec": "libx264", "fps": 25}
        path = scene(tmp_path / "videos" / f"{number:03}.mp4", number, **how)
        videos.append(footage(path, f"{number:03}", positive))
        events += [event(f"{number:03}", 1.5)] if positive else []
    made = catalog(tmp_path / "catalog", videos, events)
    result = CliRunner().invoke(app, ["audit", str(made)])
    assert result.exit_code == 0, result.stdout
    assert "SHORTCUT: codec gives the class away: Collision mpeg4 100 %; Normal h264 100 %." in result.stdout
    assert "SHORTCUT: fps gives the class away: Collision 10; Normal 25." in result.stdout
    assert "That is as good as fixed" in result.stdout
    assert "no frame of one drive looks like a frame of another" in result.stdout
    clips = build_clips(made, tmp_path / "clips", ClipSettings(window_s=2, split_by="count"))
    found = audit(clips, frames=False)
    assert {s.fact for s in found.shortcuts if s.result == "leaks"} >= {"codec", "fps"}
    assert (found.kind, found.count, found.look_alikes, found.leaks_across_splits) == ("clips", 24, None, False)


def test_footage_again_under_another_name_is_a_leak_across_splits(tmp_path):
    paths = [scene(tmp_path / "v" / f"{n}.mp4", n) for n in range(6)]
    again = scene(tmp_path / "v" / "again.mp4", 0, size=(128, 80), bit_rate=200_000)
    videos = [footage(p, p.stem, False) for p in [*paths, again]]
    made = catalog(tmp_path / "catalog", videos)
    result = CliRunner().invoke(app, ["audit", str(made)])
    assert result.exit_code == 0
    assert "0 looks like again, though their drives differ: give them one drive" in result.stdout
    cut = build_clips(made, tmp_path / "cut", ClipSettings(window_s=3, split_by="count"))
    clips = [c.model_copy(update={"split": "test" if c.video_id == "again" else "train"}) for c in read_clips(cut)]
    with writing_artifact(tmp_path / "leaky", "clips", {"catalog": made}, ANY) as folder:
        write_clips(folder, tmp_path / "leaky", DEFAULT_TAXONOMY, clips)
    result = CliRunner().invoke(app, ["audit", str(tmp_path / "leaky"), "--json"])
    assert result.exit_code == 1
    told = json.loads(result.stdout)
    assert [{pair["first"], pair["second"]} for pair in told["look_alikes"]] == [{"again-w0", "0-w0"}]
    assert told["split_leaks"] == []


def test_a_drive_or_footage_in_two_splits_is_a_leak(tmp_path):
    paths = [scene(tmp_path / "v" / f"{n}.mp4", n) for n in range(4)]
    drives, footages = ["one", "one", "two", "three"], [None, None, "nexar:00001", "nexar:00001"]
    videos = [
        footage(p, p.stem, False, group_id=g, source_id=s) for p, g, s in zip(paths, drives, footages, strict=True)
    ]
    made = catalog(tmp_path / "catalog", videos)
    cut = build_clips(made, tmp_path / "cut", ClipSettings(window_s=3))
    assert not audit(cut, frames=False).leaks_across_splits
    clips = [
        c.model_copy(update={"split": split})
        for c, split in zip(read_clips(cut), ("train", "test", "train", "validation"), strict=True)
    ]
    leaky = tmp_path / "leaky"
    with writing_artifact(leaky, "clips", {"catalog": made}, ANY) as folder:
        write_clips(folder, leaky, DEFAULT_TAXONOMY, clips)
    found = audit(leaky, frames=False)
    told = {(s.kind, s.key): s.splits for s in found.split_leaks}
    assert told == {("drive", "one"): ("test", "train"), ("footage", "nexar:00001"): ("train", "validation")}
    result = CliRunner().invoke(app, ["audit", str(leaky), "--skip-frames"])
    assert result.exit_code == 1
    assert "LEAK: drive one is in test and train (2 in all)." in result.stdout
    assert "frames were not compared" in result.stdout


def test_what_cannot_be_read_is_counted_and_what_is_gone_is_said(tmp_path):
    good, bad = scene(tmp_path / "good.mp4", 1), tmp_path / "bad.mp4"
    made = catalog(tmp_path / "catalog", [footage(good, "good", False), footage(bad, "bad", True)], [event("bad", 1)])
    bad.write_bytes(b"not a video")
    found = audit(made)
    assert (found.count, found.unusable) == (2, 1)
    clips = build_clips(made, tmp_path / "clips", ClipSettings(window_s=2))
    made.rename(tmp_path / "elsewhere")
    assert any("catalog is not where it was" in remark for remark in audit(clips, frames=False).remarks)


def test_only_catalogs_and_clips_can_be_audited(tmp_path):
    with pytest.raises(UserError, match="no finished result"):
        audit(tmp_path)
    with writing_artifact(tmp_path / "report", "report", {}, ANY):
        pass
    with pytest.raises(UserError, match="holds report, but a catalog or clips"):
        audit(tmp_path / "report")


@pytest.mark.fixtures
def test_on_real_footage_it_says_that_codec_and_fps_give_the_class_away(fixtures_dir, tmp_path):
    made = tmp_path / "catalog"
    run = CliRunner().invoke
    labels = str(fixtures_dir / "videos" / "labels.csv")
    assert run(app, ["import", "manifest", labels, "--out", str(made)]).exit_code == 0
    clips = build_clips(made, tmp_path / "clips", ClipSettings(window_s=4, split_by="count"))
    for words in ([str(made), "--skip-frames"], [str(clips)]):
        result = run(app, ["audit", *words])
        assert result.exit_code == 0, result.stdout
        assert "SHORTCUT: codec gives the class away" in result.stdout
        assert "SHORTCUT: fps gives the class away" in result.stdout
        assert "LEAK" not in result.stdout
