"""Artefacts on a store: whole with their provenance, pushed once, gone on with elsewhere, written by one at a time."""

import io
import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from vlm_autodrive.addresses import AddressError, mirror_of
from vlm_autodrive.artifacts import fetch_artifact, read_samples, writing_artifact, writing_to_store
from vlm_autodrive.artifacts.lease import Lease
from vlm_autodrive.artifacts.mirror import Mirror
from vlm_autodrive.errors import UserError
from vlm_autodrive.progress import SilentReporter
from vlm_autodrive.records import Record, append_jsonl, parts, read_jsonl, read_partial_jsonl, write_jsonl
from vlm_autodrive.settings import Settings


class Row(Record):
    number: int


class Rows(Settings):
    count: int = 5


@pytest.fixture(autouse=True)
def machine(monkeypatch, tmp_path):
    """Changes to another machine, as far as local copies go; the test begins on ``one``."""

    def change(name):
        monkeypatch.setenv("AUTODRIVE_STORES", str(tmp_path / name))

    change("one")
    return change


def make(folder, count=5, *, stop_after=None, overwrite=False, kind="clips"):
    """A stage as all are: it appends record after record, goes on where it was, and ends with an artefact."""
    made = 0
    with writing_artifact(folder, kind, {}, Rows(count=count), overwrite=overwrite) as partial:
        if partial is None:
            return made
        done = len(read_partial_jsonl(partial / "done.jsonl", Row))
        for number in range(done, count):
            if made == stop_after:
                raise KeyboardInterrupt
            append_jsonl(partial / "done.jsonl", [Row(number=number)])
            made += 1
        write_jsonl(partial / "clips.jsonl", read_jsonl(partial / "done.jsonl", Row))
        (partial / "picture.png").write_bytes(b"png" * count)
        (partial / "done.jsonl").unlink()
    return made


def test_what_is_written_is_whole_on_the_store_and_read_elsewhere(store, machine, monkeypatch):
    monkeypatch.setattr(parts, "MOST_LINES", 2)
    address = f"{store.url}/whole/clips"
    with writing_to_store(address) as folder:
        assert make(folder) == 5
    listed = [f"whole/clips/clips.parts/part-0000{n}.parquet" for n in range(3)]
    assert store.keys("whole/") == [*listed, "whole/clips/picture.png", "whole/clips/provenance.json"]
    machine("two")
    fetched = fetch_artifact(address)
    assert fetched == mirror_of(address) and [row.number for row in read_jsonl(fetched / "clips.jsonl", Row)] == [
        *range(5)
    ]
    assert (fetched / "picture.png").read_bytes() == b"png" * 5
    before = (fetched / "clips.jsonl").stat().st_mtime_ns
    with writing_to_store(address) as folder:  # up to date
        assert make(folder) == 0 and folder == fetched
    assert (fetched / "clips.jsonl").stat().st_mtime_ns == before


def test_a_folder_that_was_copied_by_hand_is_an_input(store, tmp_path):
    address = f"{store.url}/copied/samples"
    with writing_to_store(address) as folder, writing_artifact(folder, "supervision", {}, Rows()) as partial:
        write_jsonl(partial / "samples.jsonl", [])
    for key in store.keys("copied/samples/"):
        target = tmp_path / key
        target.parent.mkdir(parents=True, exist_ok=True)
        target.write_bytes(store.read(key))
    assert not (tmp_path / "copied" / "samples" / "samples.jsonl").exists()
    assert read_samples(tmp_path / "copied" / "samples") == []


def test_nothing_is_pushed_or_pulled_twice(store):
    address = f"{store.url}/once/clips"
    with writing_to_store(address) as folder:
        make(folder)
    mirror = Mirror(address)
    assert mirror.pull()
    mirror.push()
    assert (mirror.bytes_pulled, mirror.bytes_pushed) == (0, 0)


def test_the_text_of_files_that_are_no_records_is_left_as_it_is(store):
    address = f"{store.url}/export"
    with writing_to_store(address) as folder, writing_artifact(folder, "export", {}, Rows()) as partial:
        (partial / "train.jsonl").write_text('{"messages": []}\n')
    assert store.read("export/train.jsonl") == b'{"messages": []}\n'


def test_unfinished_work_goes_on_on_another_machine(store, machine):
    address = f"{store.url}/moved/clips"
    with pytest.raises(KeyboardInterrupt), writing_to_store(address) as folder:
        make(folder, 9, stop_after=4)
    (key,) = store.keys("moved/")
    assert key.startswith("moved/.clips.partial-") and key.endswith("/done.parts/part-00000.parquet")
    machine("two")
    with writing_to_store(address) as folder:
        assert make(folder, 9) == 5
    assert [key for key in store.keys("moved/") if "partial" in key or "lease" in key] == []
    machine("one")  # whose half is stale
    with writing_to_store(address) as folder:
        assert make(folder, 9) == 0
    assert not list(folder.parent.glob(".clips.partial-*/*"))


def test_what_is_appended_is_pushed_now_and_then_as_further_parts(store):
    address = f"{store.url}/slow/clips"
    with (
        pytest.raises(KeyboardInterrupt),
        writing_to_store(address, push_every_s=0.05) as folder,
        writing_artifact(folder, "clips", {}, Rows()) as partial,
    ):
        for count in (1, 2, 3):
            append_jsonl(partial / "done.jsonl", [Row(number=count)])
            with (partial / "done.jsonl").open("a") as stream:
                stream.write('{"number": ')  # of the next line, of which no part may hold half
            wait_for(lambda count=count: len(store.keys("slow/.clips.partial-")) == count)
            read_partial_jsonl(partial / "done.jsonl", Row)
        raise KeyboardInterrupt
    assert Mirror(address).pull() is False  # nothing of it is finished


def wait_for(holds, seconds=30):
    until = time.monotonic() + seconds
    while not holds():
        assert time.monotonic() < until
        time.sleep(0.02)


def test_a_killed_process_loses_little_and_its_lease_is_taken_over(store, machine, tmp_path):
    address = f"{store.url}/killed/clips"
    program = f"""
import time
from tests.artifacts.test_stores import Row, Rows
from vlm_autodrive.artifacts import writing_artifact, writing_to_store
from vlm_autodrive.records import append_jsonl
with writing_to_store({address!r}, push_every_s=0.1) as folder:
    with writing_artifact(folder, "clips", {{}}, Rows(count=9)) as partial:
        for number in range(4):
            append_jsonl(partial / "done.jsonl", [Row(number=number)])
        time.sleep(600)
"""
    process = subprocess.Popen([sys.executable, "-c", program], cwd=Path(__file__).parents[2])

    def is_all_stored():
        held = [store.read(key) for key in store.keys("killed/") if key.endswith(".parquet")]
        return sum(len(parts.unpack_part(io.BytesIO(part))[0]) for part in held) == 4

    wait_for(is_all_stored, 60)
    said = rf"process {process.pid} on .* writes to {address}"
    with pytest.raises(UserError, match=said), writing_to_store(address):
        pass
    os.kill(process.pid, signal.SIGKILL)
    process.wait()
    machine("two")  # the mirror of the first one is lost
    with writing_to_store(address) as folder:
        assert make(folder, 9) == 5
    assert [row.number for row in read_jsonl(fetch_artifact(address) / "clips.jsonl", Row)] == [*range(9)]


PAUSED = """
import sys
from tests.artifacts.test_stores import make
from vlm_autodrive.artifacts import stores, writing_to_store
stores._LEASES = 1
with writing_to_store(sys.argv[1], push_every_s=1) as folder:
    make(folder / "mine", 2)
    input()
    make(folder / "mine", 3, overwrite=True)
    make(folder / "more", 3)
"""


@pytest.mark.parametrize("has_ended", [False, True])
def test_a_process_that_was_paused_does_not_write_over_the_one_that_took_its_lease(store, machine, has_ended):
    name = f"paused-{has_ended}"
    address = f"{store.url}/{name}/run"
    command = [sys.executable, "-c", PAUSED, address]
    process = subprocess.Popen(
        command, cwd=Path(__file__).parents[2], stdin=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    )
    try:
        wait_for(lambda: f"{name}/run/mine/provenance.json" in store.keys(name), 60)
        time.sleep(0.3)  # so that it stops between two pushes: a server may wait for the rest of a request
        process.send_signal(signal.SIGSTOP)
        machine("two")
        lease, mirror = Lease(address, 1), Mirror(address)
        wait_for(lambda: takes(lease))
        mirror.pull()
        make(mirror.folder / "mine", 4, overwrite=True)
        mirror.push()
        if has_ended:
            lease.give_back()
        before = {key: store.read(key) for key in store.keys(f"{name}/")}
        process.send_signal(signal.SIGCONT)
        _, told = process.communicate("\n", 60)
    finally:
        process.kill()
    said = f"another process has taken {address} to write to, since this one was paused"
    assert process.returncode == 1 and said in told and "what was made since is not stored, and is in" in told
    assert {key: store.read(key) for key in store.keys(f"{name}/")} == before
    assert (f"{name}/.run.lease" in before) is not has_ended


def takes(lease):
    try:
        lease.take()
    except UserError:
        return False
    return True


def test_a_lease_counts_by_its_machine_and_process_not_by_the_name_of_the_host(store):
    address, key = f"{store.url}/named/clips", "named/.clips.lease"
    Lease(address, 120).take()
    held = json.loads(store.read(key))
    for changed, is_free in [
        ({"machine": "another container", "process": 1 << 30}, False),
        ({"machine": "", "process": 1 << 30}, False),
        ({}, False),
        ({"started": "1"}, True),
        ({"process": 1 << 30}, True),
    ]:
        store.client.put_object(Bucket="drives", Key=key, Body=json.dumps(held | changed))
        assert takes(Lease(address, 120)) is is_free, changed


def test_it_is_said_once_when_the_store_fails_and_when_it_works_again(store):
    address = f"{store.url}/failing/clips"
    said = []
    reporter = SilentReporter()
    reporter.say = said.append
    with writing_to_store(address, reporter, push_every_s=0.1) as folder:
        with store.refusing():
            wait_for(lambda: said)
            time.sleep(0.5)  # and pushes some times more
        wait_for(lambda: len(said) > 1)
        make(folder)
    why = "the store refuses access; check the credentials in the environment, such as AWS_ACCESS_KEY_ID"
    assert said[0] == f"Storing at {address} fails ({why}); it is tried every 0.1 s."
    assert said[1] == f"Storing at {address} works again." and len(said) == 3  # and how much was stored


def test_a_lease_of_another_machine_ends_by_itself(store, monkeypatch):
    address = f"{store.url}/leased/clips"
    lease = {"token": "", "host": "elsewhere", "process": 1, "machine": "", "started": "", "at": time.time() - 100}
    store.client.put_object(Bucket="drives", Key="leased/.clips.lease", Body=json.dumps(lease))
    with pytest.raises(UserError, match=r"free in [12][0-9] s"), writing_to_store(address):
        pass
    with writing_to_store(address, push_every_s=20) as folder:
        make(folder)
    assert "leased/.clips.lease" not in store.keys("leased/")


def test_an_artefact_that_is_replaced_is_never_mixed_with_the_one_before(store, machine, monkeypatch):
    address = f"{store.url}/replaced/clips"
    with writing_to_store(address) as folder:
        make(folder, 3)
        (folder / "old.txt").write_text("of the first")
    machine("two")
    with writing_to_store(address) as folder:
        make(folder, 4, overwrite=True)
    assert "replaced/clips/old.txt" not in store.keys("replaced/")
    machine("one")
    assert sorted(path.name for path in fetch_artifact(address).iterdir()) == [
        "clips.jsonl",
        "picture.png",
        "provenance.json",
    ]
    assert len(read_jsonl(fetch_artifact(address) / "clips.jsonl", Row)) == 4


KILLED = """
import os, signal, sys
from tests.artifacts.test_stores import make
from vlm_autodrive.artifacts import writing_to_store
from vlm_autodrive.artifacts.mirror import Mirror
from vlm_autodrive.records import parts
parts.MOST_LINES = 2
push = Mirror._push
def dying(mirror, name, found):
    made = push(mirror, name, found)
    if name.startswith("clips/") and name.endswith(sys.argv[2]):
        os.kill(os.getpid(), signal.SIGKILL)
    return made
pipe = parts.packed_parts
def dying_between(*given, **how):
    for number, part in enumerate(pipe(*given, **how)):
        if number and sys.argv[2] == "parts" and how["is_all"]:
            os.kill(os.getpid(), signal.SIGKILL)
        yield part
Mirror._push, parts.packed_parts = dying, dying_between
with writing_to_store(sys.argv[1]) as folder:
    make(folder, 5, overwrite=True)
"""


@pytest.mark.parametrize("where", ["parts", "clips.jsonl", "picture.png", "provenance.json"])
@pytest.mark.parametrize("again_on", ["one", "two"])
def test_an_upload_that_is_killed_costs_no_result(store, machine, where, again_on):
    address = f"{store.url}/killed-{where}-{again_on}/clips"
    with writing_to_store(address) as folder:
        make(folder, 3)
    command = [sys.executable, "-c", KILLED, address, where]
    assert subprocess.run(command, cwd=Path(__file__).parents[2]).returncode == -signal.SIGKILL
    machine(again_on)
    with writing_to_store(address) as folder:
        made = make(folder, 5)
    assert made == 0 or (again_on == "two" and where != "provenance.json")
    machine("three")
    assert len(read_jsonl(fetch_artifact(address) / "clips.jsonl", Row)) == 5


def test_a_result_that_is_not_stored_yet_is_removed_by_nobody(store, machine):
    run = f"{store.url}/mine"
    with writing_to_store(run) as folder:
        make(folder / "clips", 3)
    with writing_to_store(run) as folder:
        make(folder / "clips", 4, overwrite=True)
        with pytest.raises(UserError, match="clips holds a result that was never stored"):
            fetch_artifact(f"{run}/clips")
        assert make(folder / "clips", 4) == 0
    assert len(read_jsonl(fetch_artifact(f"{run}/clips") / "clips.jsonl", Row)) == 4
    machine("two")
    with writing_to_store(f"{run}/clips") as folder:
        make(folder, 5, overwrite=True)
    machine("one")  # whose copy was stored, and is replaced
    assert len(read_jsonl(fetch_artifact(f"{run}/clips") / "clips.jsonl", Row)) == 5


def test_an_upload_that_is_cut_is_no_artefact_and_is_repeated(store, machine, monkeypatch):
    address = f"{store.url}/cut/clips"
    push = Mirror._push

    def breaking(self, name, found):
        if name.endswith("provenance.json"):
            raise AddressError(5, "the store does not answer", address)
        return push(self, name, found)

    monkeypatch.setattr(Mirror, "_push", breaking)
    said = r"is whole in .*/clips, but cannot be written to"
    with pytest.raises(UserError, match=said), writing_to_store(address) as folder:
        make(folder)
    assert "cut/clips/provenance.json" not in store.keys("cut/")
    monkeypatch.setattr(Mirror, "_push", push)
    machine("two")  # which takes away what was cut, and makes nothing of its own
    with writing_to_store(address):
        pass
    assert not any(key.startswith("cut/clips/") for key in store.keys("cut/"))
    machine("one")
    with writing_to_store(address) as folder:
        assert make(folder) == 0
    assert "cut/clips/provenance.json" in store.keys("cut/")
    machine("two")
    assert len(read_jsonl(fetch_artifact(address) / "clips.jsonl", Row)) == 5


def test_what_is_not_there_is_told(store):
    with pytest.raises(UserError, match="s3://drives/nothing does not exist"):
        fetch_artifact(f"{store.url}/nothing")
    with pytest.raises(UserError, match="no such bucket"), writing_to_store("s3://nowhere/clips"):
        pass
    with pytest.raises(UserError, match="is a whole bucket"), writing_to_store(store.url):
        pass


def test_a_local_path_is_no_store(tmp_path):
    assert fetch_artifact(tmp_path) == tmp_path
    with writing_to_store(tmp_path / "out") as folder:
        assert folder == tmp_path / "out"
