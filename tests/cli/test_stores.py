"""Commands on a store: the same records as in local folders, work that goes on elsewhere, and plain refusals."""

import os
import re
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
from typer.testing import CliRunner

from tests.clocks import write_clock
from tests.detection.flashes import write_drive
from vlm_autodrive.artifacts import fetch_artifact
from vlm_autodrive.cli.main import app

ROWS = [("a", "collision", 4.5), ("b", "near_collision", 3.5), ("c", "normal", ""), ("d", "normal", "")]
STAGES = [
    ("catalog", ["import", "manifest", "{manifest}"]),
    ("clips", ["clips", "{root}/catalog", "window_s=4", "split_by=count", "split.test=0.4", "split.train=0.5"]),
    ("supervision", ["supervise", "{root}/clips"]),
    ("predictions", ["evaluate", "{root}/clips", "--model", "tiny-base", "reasoning=false"]),
]


@pytest.fixture
def cli(monkeypatch, tmp_path):
    """Runs a command here, which must end well; a machine is named by the place of its local copies."""

    def run(*arguments, machine="one", exits=0):
        monkeypatch.setenv("AUTODRIVE_STORES", str(tmp_path / machine))
        result = CliRunner().invoke(app, list(arguments))
        assert result.exit_code == exits, result.output
        return result

    return run


@pytest.fixture(scope="module")
def manifests(store, tmp_path_factory):
    """A manifest of four local videos, and the address of the same one beside the same videos on the store."""
    folder = tmp_path_factory.mktemp("set")
    for name, _, _ in ROWS:
        store.put(write_clock(folder / f"{name}.mp4", count=80), f"set/{name}.mp4")
    table = "".join(f"{name}.mp4,{kind},{time_s},rain\n" for name, kind, time_s in ROWS)
    (folder / "manifest.csv").write_text("video,class,event_time_s,weather\n" + table)
    return str(folder / "manifest.csv"), store.put(folder / "manifest.csv", "set/manifest.csv")


def lines(path, *aside):
    """The lines of a file of records, without what is said to differ, and without how long a model took."""
    text = path.read_text()
    for each in aside:
        text = text.replace(each, "")
    return re.sub(r'"latency_s":[^,}]*', "", text).splitlines()


@pytest.mark.slow
def test_all_outputs_on_a_store_equal_those_in_local_folders(cli, store, manifests, tmp_path):
    for number, (name, arguments) in enumerate(STAGES):
        for root, manifest in zip((str(tmp_path / "local"), f"{store.url}/run"), manifests, strict=True):
            told = [text.format(root=root, manifest=manifest) for text in arguments]
            # Every stage on a machine of its own, which has nothing of the stages before.
            cli(*told, "--out", f"{root}/{name}", machine=f"machine-{number}")
    folder = os.path.relpath(Path(manifests[0]).parent, tmp_path / "local" / "catalog")
    for name, file in [
        ("catalog", "videos"),
        ("catalog", "events"),
        ("clips", "clips"),
        ("supervision", "samples"),
        ("predictions", "predictions"),
    ]:
        found = lines(fetch_artifact(f"{store.url}/run/{name}") / f"{file}.jsonl", f"{store.url}/set")
        expected = lines(tmp_path / "local" / name / f"{file}.jsonl", folder)
        assert found == expected and found, (name, file)
    held = store.keys("run/")
    assert {"run/clips/clips.parts/part-00000.parquet", "run/predictions/provenance.json"} <= set(held)
    assert not [key for key in held if key.endswith(".jsonl") or "partial" in key or "lease" in key]


@pytest.mark.slow
def test_local_videos_are_found_from_artefacts_on_a_store(cli, store, manifests, tmp_path):
    cli("import", "manifest", manifests[0], "--out", f"{store.url}/of-local/catalog")
    result = cli("validate", f"{store.url}/of-local/catalog", "--out", str(tmp_path / "valid"), machine="two")
    assert "4 of 4" in result.output and f"{store.url}/of-local/catalog" in result.stderr


DYING = """
import sys
from vlm_autodrive.artifacts import stores
stores.writing_to_store.__wrapped__.__kwdefaults__["push_every_s"] = 0.2
from vlm_autodrive.cli.main import app
app(sys.argv[1:])
"""


@pytest.mark.slow
def test_a_killed_command_goes_on_on_another_machine(cli, store, tmp_path):
    drive = write_drive(tmp_path / "drive.mp4", 120)
    store.put(drive, "killed/drive.mp4")
    detect = ["detect", f"{store.url}/killed/drive.mp4", "--model", "tiny-base", "reasoning=false", "eval_batch_size=2"]
    out = ["--out", f"{store.url}/killed/found"]
    environment = {**os.environ, "AUTODRIVE_STORES": str(tmp_path / "lost")}
    process = subprocess.Popen([sys.executable, "-c", DYING, *detect, *out], env=environment)
    try:
        until = time.monotonic() + 120
        while not any("windows.parts" in key for key in store.keys("killed/found")):
            assert process.poll() is None and time.monotonic() < until
            time.sleep(0.05)
    finally:
        process.send_signal(signal.SIGKILL)
        process.wait()
    assert not any(key.endswith("provenance.json") for key in store.keys("killed/found"))
    cli(*detect, *out, machine="another")
    cli("detect", str(drive), *detect[2:], "--out", str(tmp_path / "local"))
    found = fetch_artifact(f"{store.url}/killed/found")
    (stored,), (local,) = ([*folder.glob("[!.]*/events.json")] for folder in (found, tmp_path / "local"))
    assert stored.read_text().replace(f"{store.url}/killed", "") == local.read_text().replace(str(tmp_path), "")
    assert not any("partial" in key for key in store.keys("killed/found"))


@pytest.mark.slow
def test_a_run_on_a_store_is_up_to_date_on_every_machine(cli, store):
    command = ["run", "smoke", "--before-training", "--run-dir", f"{store.url}/runs/smoke"]
    cli(*command)
    whole = {key.split("/")[2] for key in store.keys("runs/smoke/") if key.endswith("/provenance.json")}
    assert {"catalog", "clips", "supervision"} <= whole
    result = cli(*command, machine="two")
    assert result.stderr.count("up to date") == len(whole) and ": done in" not in result.stderr
    result = cli("plan", f"{store.url}/runs/smoke/supervision", "--model", "tiny-base", machine="three")
    assert f"Fetched from {store.url}/runs/smoke/supervision" in result.stderr


def test_what_a_store_does_not_hold_is_told_in_one_sentence(cli, store, tmp_path):
    result = cli("clips", f"{store.url}/none", "--out", str(tmp_path / "clips"), exits=1)
    assert "autodrive: s3://drives/none does not exist" in result.stderr
    result = cli("detect", "s3://nowhere/a.mp4", "--model", "tiny-base", "--out", str(tmp_path / "found"), exits=1)
    assert "s3://nowhere/a.mp4 does not exist" in result.stderr
    result = cli("review", f"{store.url}/found", exits=1)
    assert "a review shows and writes local folders alone" in result.stderr
    with store.refusing():
        result = cli("clips", f"{store.url}/none", "--out", str(tmp_path / "clips"), exits=1)
    assert "check the credentials" in result.stderr


def test_the_address_of_a_cluster_is_none_of_a_store(cli):
    result = cli("run", "smoke", "--on", "ray://head:10001", exits=1)
    assert "--on ray://head:10001 is no place to run; give torchrun, slurm, ray or ray=ADDRESS" in result.stderr


def test_without_the_extra_a_command_says_what_to_install(cli, monkeypatch, tmp_path):
    monkeypatch.setitem(sys.modules, "fsspec", None)
    for arguments in (
        ["clips", "s3://drives/catalog", "--out", str(tmp_path / "out")],
        ["simulate", "--out", "s3://d/x"],
    ):
        assert "pip install 'vlm-autodrive[scale]'" in " ".join(cli(*arguments, exits=1).stderr.split())


def test_a_file_address_is_a_plain_path(cli, manifests, tmp_path):
    cli("import", "manifest", f"file://{manifests[0]}", "--out", f"file://{tmp_path}/catalog")
    assert (tmp_path / "catalog" / "provenance.json").is_file()
