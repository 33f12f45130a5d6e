"""What an export holds, what it leaves out and says so, and that it goes on after an interruption."""

import filecmp
import json
import os
import random
import re
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest
from typer.testing import CliRunner

from tests.supervision.export.export_world import EVENT_TIME_S, PLANTED, make_world
from vlm_autodrive.artifacts import SAMPLES_FILE, read_clips, read_provenance, read_samples
from vlm_autodrive.cli.main import app
from vlm_autodrive.errors import UserError
from vlm_autodrive.progress import SilentReporter
from vlm_autodrive.records import write_jsonl
from vlm_autodrive.supervision import ExportSettings, export_supervision
from vlm_autodrive.supervision.export.clip_files import CLIP_FILES_FILE
from vlm_autodrive.video import SamplingSettings, probe, read_frames

MESSAGES, PARQUET = ExportSettings(to="messages"), ExportSettings(to="hf-parquet")
COLUMNS = ["messages", "videos", "sample_id", "clip_id", "type", "topic", "split", "source_start_s", "source_end_s"]


@pytest.fixture(scope="module")
def world(tmp_path_factory):
    return make_world(tmp_path_factory.mktemp("world"))


class Listener(SilentReporter):
    def __init__(self):
        self.said = []

    def say(self, message):
        self.said.append(message)


def lines_of(path):
    return [json.loads(line) for line in path.read_text(encoding="utf-8").split("\n") if line]


def test_all_is_counted_and_what_was_left_out_is_said(world, tmp_path):
    listener = Listener()
    summary = export_supervision(world[0], tmp_path / "out", MESSAGES, listener, workers=1)
    assert summary.samples == {
        "train": {"verdict": 3, "reasoning": 3, "vqa": 3},
        "validation": {"verdict": 1, "reasoning": 1, "vqa": 1},
    }
    assert summary.clips == {"train": 3, "validation": 1}
    assert summary.samples_left_out == {"its text holds a media tag": 1, "its clip cannot be read": 6}
    assert summary.clips_left_out == {"gone-w0": "the file does not exist", "short-w0": "ends after 7.2 of 12.0 s"}
    assert (summary.samples_rejected, summary.test_clips, summary.clips_miscounted) == (2, 1, 0)
    said = " ".join(listener.said)
    for phrase in (
        "12 samples of 4 clips",
        "2 rejected samples and 1 test clips are not",
        "gone-w0",
        "short-w0",
        "media tag",
    ):
        assert phrase in said
    assert summary.model_dump(mode="json") == json.loads((tmp_path / "out" / "export.json").read_text())
    assert read_provenance(tmp_path / "out").kind == "export"


def test_a_row_holds_what_the_student_is_given_and_nothing_else(world, tmp_path):
    export_supervision(world[0], tmp_path / "out", MESSAGES, workers=1)
    clips = {clip.clip_id: clip for clip in read_clips(world[0])}
    for split in ("train", "validation"):
        for row in lines_of(tmp_path / "out" / f"{split}.jsonl"):
            assert list(row) == COLUMNS
            clip = clips[row["clip_id"]]
            assert (row["split"], clip.split) == (split, split)
            assert (row["source_start_s"], row["source_end_s"]) == (clip.start_s, clip.end_s)
            assert re.fullmatch(r"videos/[0-9a-f]{16}\.mp4", row["videos"][0])
    written = [path.read_text() for path in (tmp_path / "out").rglob("*.json*") if path.name != "provenance.json"]
    for secret in (PLANTED, str(EVENT_TIME_S), "rejected question", "mirrored", "a teacher", str(tmp_path)):
        assert not any(secret in text for text in written), secret
    names = {clip.event_class for clip in clips.values()}
    assert not [path for path in (tmp_path / "out" / "videos").iterdir() if any(name in path.name for name in names)]


class Interrupting(SilentReporter):
    """Ctrl-C after so many clips."""

    def __init__(self, after):
        self.left = after

    def task(self, description, total, done=0):
        self.begun_at = done
        return self

    def __enter__(self):
        return self

    def __exit__(self, *_):
        return False

    def advance(self, steps=1, status=""):
        self.left -= 1
        if not self.left:
            raise KeyboardInterrupt


def test_an_interrupted_export_goes_on_and_ends_with_the_same_files(world, tmp_path):
    whole = tmp_path / "elsewhere" / "whole"
    export_supervision(world[0], whole, MESSAGES, workers=2)
    with pytest.raises(KeyboardInterrupt):
        export_supervision(world[0], tmp_path / "out", MESSAGES, Interrupting(after=2), workers=1)
    (partial,) = tmp_path.glob(".out.partial-*")
    log = partial / CLIP_FILES_FILE
    first = {each["path"]: (partial / each["path"]).stat().st_mtime_ns for each in lines_of(log) if not each["problem"]}
    with log.open("a") as stream:
        stream.write('{"clip_id":"torn')  # as a killed run may leave it
    (partial / "videos" / "0123456789abcdef.mp4.partial").write_bytes(b"half")
    goes_on = Interrupting(after=1000)
    export_supervision(world[0], tmp_path / "out", MESSAGES, goes_on, workers=1)
    assert goes_on.begun_at == 2
    assert {path: (tmp_path / "out" / path).stat().st_mtime_ns for path in first} == first
    files = sorted(str(p.relative_to(whole)) for p in whole.rglob("*") if p.is_file())
    assert files == sorted(str(p.relative_to(tmp_path / "out")) for p in (tmp_path / "out").rglob("*") if p.is_file())
    files.remove("provenance.json")
    assert filecmp.cmpfiles(whole, tmp_path / "out", files, shallow=False) == (files, [], [])


def test_what_another_export_has_cut_is_linked(world, tmp_path):
    first, second, small = tmp_path / "messages", tmp_path / "parquet", tmp_path / "small"
    export_supervision(world[0], first, MESSAGES, workers=1)
    (tmp_path / "torn").mkdir()
    (tmp_path / "torn" / CLIP_FILES_FILE).write_text('{"clip_id":"torn')  # another run is writing just now

    def inodes(folder):
        return {path.name: path.stat().st_ino for path in (folder / "videos").iterdir()}

    cut = inodes(first)
    linked = Interrupting(after=1000)
    export_supervision(world[0], second, PARQUET, linked, workers=1)
    assert (linked.begun_at, inodes(second)) == (4, cut)
    assert (second / CLIP_FILES_FILE).read_bytes() == (first / CLIP_FILES_FILE).read_bytes()
    export_supervision(world[0], first, PARQUET, workers=1, overwrite=True)
    assert inodes(first) == cut
    sized = ExportSettings(to="messages", height=56, width=112)
    export_supervision(world[0], small, sized, workers=1)
    assert set(inodes(small).values()).isdisjoint(cut.values())
    source = Path(read_clips(world[0])[0].path)
    times = source.stat()
    os.utime(source, ns=(times.st_atime_ns, times.st_mtime_ns + 1))  # as an edited file has
    try:
        export_supervision(world[0], tmp_path / "again", MESSAGES, workers=1)
    finally:
        os.utime(source, ns=(times.st_atime_ns, times.st_mtime_ns))
    assert len(cut.items() - inodes(tmp_path / "again").items()) == 1


def test_pictures_get_the_size_that_training_gives_its_frames(world, tmp_path):
    export_supervision(world[0], tmp_path / "out", ExportSettings(to="messages", height=56, width=112), workers=1)
    clips = {clip.clip_id: clip for clip in read_clips(world[0])}
    sampling = SamplingSettings(n_frames=1000, max_frames=1000, height=56, width=112)
    for row in lines_of(tmp_path / "out" / CLIP_FILES_FILE):
        if row["problem"]:
            continue
        clip, file = clips[row["clip_id"]], tmp_path / "out" / row["path"]
        about = probe(file)
        assert (about.height, about.width) == (56, 112)
        seen = read_frames(file, 0, about.duration_s, sampling).pixels.astype(int)
        trained = read_frames(Path(clip.path), clip.start_s, clip.end_s, sampling).pixels.astype(int)
        assert np.abs(seen - trained).mean() < 2
    with pytest.raises(ValueError, match="give height and width, or neither"):
        ExportSettings(to="messages", height=224)


@pytest.mark.slow
def test_killed_at_any_moment_it_goes_on(world, tmp_path):
    export_supervision(world[0], tmp_path / "elsewhere" / "whole", PARQUET, workers=2)
    out = tmp_path / "out"
    program = "from vlm_autodrive.cli.main import main; main()"
    command = [sys.executable, "-c", program, "export", "supervision", str(world[0]), "--to", "hf-parquet"]
    command += ["--out", str(out), "--workers", "2"]
    moments = random.Random(0)
    for _ in range(6):
        process = subprocess.Popen(command, stderr=subprocess.DEVNULL, stdout=subprocess.DEVNULL)
        time.sleep(moments.uniform(0.5, 3.0))
        process.kill()
        process.wait()
        assert not out.exists() or (out / "export.json").is_file()
    subprocess.run(command, check=True, capture_output=True)
    files = sorted(str(p.relative_to(out)) for p in out.rglob("*") if p.is_file() and p.name != "provenance.json")
    assert filecmp.cmpfiles(tmp_path / "elsewhere" / "whole", out, files, shallow=False) == (files, [], [])
    assert not list(tmp_path.glob(".out.*"))


def test_the_command(world, tmp_path):
    command = ["export", "supervision", str(world[0]), "--workers", "1"]
    done = CliRunner().invoke(app, [*command, "--to", "messages", "--out", str(tmp_path / "m"), "--json"])
    assert json.loads(done.stdout)["clips"] == {"train": 3, "validation": 1}
    again = CliRunner().invoke(app, [*command, "--to", "messages", "--out", str(tmp_path / "m")])
    assert again.stdout.splitlines()[-1] == str(tmp_path / "m")
    assert ["validation", "reasoning", "1"] in [line.split() for line in again.stdout.splitlines()]
    wrong = CliRunner().invoke(app, [*command, "--to", "parquet", "--out", str(tmp_path / "p")])
    assert wrong.exit_code == 1
    assert "'messages' or 'hf-parquet'" in wrong.stderr
    taken = CliRunner().invoke(app, [*command, "--to", "hf-parquet", "--out", str(tmp_path / "m")])
    assert taken.exit_code == 1
    assert "--overwrite" in taken.stderr


def test_nothing_to_export_is_told_in_a_sentence(world, tmp_path):
    with pytest.raises(UserError, match="holds no finished supervision"):
        export_supervision(tmp_path, tmp_path / "out", MESSAGES)
    whole, _ = make_world(tmp_path)
    samples = read_samples(whole)
    write_jsonl(whole / SAMPLES_FILE, [sample for sample in samples if "gone" in sample.clip_id])
    with pytest.raises(UserError, match=r"no clip of .* can be read; the first is gone-w0: the file does not exist"):
        export_supervision(whole, tmp_path / "unreadable", PARQUET, workers=1)
    write_jsonl(whole / SAMPLES_FILE, [sample for sample in samples if not sample.accepted or "test" in sample.clip_id])
    with pytest.raises(UserError, match="no accepted sample"):
        export_supervision(whole, tmp_path / "nothing", PARQUET, workers=1)
    assert not (tmp_path / "nothing").exists()
