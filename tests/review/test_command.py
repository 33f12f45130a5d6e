"""``autodrive review`` as people start and stop it."""

import signal
import socket
import subprocess
import sys

import pytest
from typer.testing import CliRunner

from tests.detection.short_list.searched import event, write_trip
from tests.review.asking import ask, ask_json, decide, first_item
from vlm_autodrive.artifacts import read_corrections
from vlm_autodrive.cli.main import app


@pytest.fixture
def found(tmp_path):
    write_trip(tmp_path / "found", "a", [("/videos/a.mp4", 12.0)], [event(3.0), event(9.0)])
    return tmp_path / "found"


def refusal(*words):
    result = CliRunner().invoke(app, ["review", *map(str, words), "--no-open"])
    assert result.exit_code == 1
    assert result.stderr.startswith("autodrive: ") and result.stderr.count("\n") == 1
    return result.stderr


def test_it_prints_its_address_keeps_decisions_and_ends_with_ctrl_c(found, tmp_path):
    store = tmp_path / "mine.sqlite3"
    command = [
        sys.executable,
        "-m",
        "vlm_autodrive",
        "review",
        str(found),
        "--no-open",
        "--reviewer",
        "Ada L.",
        "--blind",
    ]
    with subprocess.Popen(
        [*command, "--store", str(store)], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    ) as running:
        try:
            line = running.stdout.readline()
            address = line.split()[-1].rstrip("/")
            assert line == f"Review 2 items at {address}/\n"
            assert running.stdout.readline().startswith("Ctrl-C ends it; ")
            assert address.startswith("http://127.0.0.1:")
            status, headers, _ = ask(address, "/")
            assert (status, headers["location"]) == (303, "/queue")
            item = first_item(address)
            assert ask_json(address, f"/api/items/{item}")[1]["hide_answer"]
            assert decide(address, item, {"decision": "confirm"})[0] == 201
            running.send_signal(signal.SIGINT)
            out, err = running.communicate(timeout=60)
        finally:
            running.kill()
    assert running.returncode == 0
    assert out == f"Stopped. The decisions are in {store}.\n"
    assert err == ""
    assert [each.reviewer for each in read_corrections([store])] == ["Ada L."]
    assert not (found / "review.sqlite3").exists()


def test_other_machines_are_kept_out_unless_there_is_a_token(found):
    said = refusal(found, "--reviewer", "ada", "--host", "0.0.0.0")
    assert "can be reached from other machines" in said and "--token" in said


def test_a_port_that_is_taken_is_told(found):
    with socket.create_server(("127.0.0.1", 0)) as other:
        said = refusal(found, "--reviewer", "ada", "--port", other.getsockname()[1])
    assert "cannot be listened on" in said and "--port" in said


def test_what_cannot_be_opened_is_told(tmp_path, found):
    assert "is no folder" in refusal(tmp_path / "nowhere", "--reviewer", "ada")
    assert "give one with --reviewer" in refusal(found, "--reviewer", " ")
    assert "give another file with --store" in refusal(found, "--reviewer", "ada", "--store", tmp_path / "no" / "s")
