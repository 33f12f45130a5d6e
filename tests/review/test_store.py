"""Decisions are only ever added, and one that was answered is there whatever happens to the server."""

import itertools
import random
import re
import sqlite3
import subprocess
import sys
import threading
from datetime import UTC, datetime

import httpx
import pytest

from tests.detection.short_list.searched import event, write_trip
from vlm_autodrive.artifacts import read_corrections
from vlm_autodrive.errors import UserError
from vlm_autodrive.records import Correction, MomentLabel
from vlm_autodrive.review import DecisionStore
from vlm_autodrive.review.store import ReviewConflict, current_label, standing

COLLISION, NORMAL = MomentLabel(event_class="collision", time_s=3.0), MomentLabel(event_class="normal")
NUMBERS = itertools.count()


def correction(item_id="one", decision="confirm", after=COLLISION, before=COLLISION, **changes):
    values = {
        "correction_id": f"c{next(NUMBERS)}",
        "item_id": item_id,
        "decision": decision,
        "reviewer": "ada",
        "at": datetime.now(UTC),
        "before": before,
        "after": after,
        "video": "/videos/a.mp4",
        "window_start_s": 0.0,
        "window_end_s": 5.0,
    }
    return Correction(**(values | changes))


@pytest.fixture
def store(tmp_path):
    opened = DecisionStore(tmp_path / "review.sqlite3")
    yield opened
    opened.close()


def test_decisions_come_back_in_their_order_as_they_were(store, tmp_path):
    made = [correction(), correction("two"), correction(after=NORMAL, decision="change", reason="a puddle")]
    assert [store.add(made[0], '"0"'), store.add(made[1], '"0"'), store.add(made[2], '"1"')] == ['"1"', '"1"', '"2"']
    assert store.decisions("one") == (made[0], made[2])
    assert store.all_decisions() == {"one": (made[0], made[2]), "two": (made[1],)}
    assert read_corrections([tmp_path / "review.sqlite3"]) == made


def test_a_decision_on_what_another_connection_changed_is_a_conflict(store, tmp_path):
    other = DecisionStore(tmp_path / "review.sqlite3")
    first, second = correction(), correction(after=NORMAL)
    assert store.etag("one") == other.etag("one") == '"0"'
    store.add(first, '"0"')
    with pytest.raises(ReviewConflict) as conflict:
        other.add(second, '"0"')
    assert conflict.value.etag == '"1"'
    assert other.decisions("one") == (first,)
    other.add(second, '"1"')
    assert store.decisions("one") == (first, second)
    other.close()


def test_of_many_at_once_exactly_one_is_taken(store, tmp_path):
    stores = [DecisionStore(tmp_path / "review.sqlite3") for _ in range(4)]
    taken, refused = [], []

    def decide(mine):
        try:
            taken.append(mine.add(correction(), '"0"'))
        except ReviewConflict as conflict:
            refused.append(conflict.etag)

    threads = [threading.Thread(target=decide, args=(mine,)) for mine in stores]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert (taken, refused) == (['"1"'], ['"1"'] * 3)
    assert len(store.decisions("one")) == 1
    for each in stores:
        each.close()


@pytest.mark.parametrize("statement", ["UPDATE decisions SET reviewer = 'eve'", "DELETE FROM decisions"])
def test_no_decision_can_be_changed_or_removed(store, tmp_path, statement):
    store.add(correction(), '"0"')
    with sqlite3.connect(tmp_path / "review.sqlite3") as other, pytest.raises(sqlite3.Error, match="only ever added"):
        other.execute(statement)
    assert len(read_corrections([tmp_path / "review.sqlite3"])) == 1


def test_commits_wait_for_the_disk(store):
    assert store._connection.execute("PRAGMA journal_mode").fetchone() == ("wal",)
    assert store._connection.execute("PRAGMA synchronous").fetchone() == (2,)


def test_a_file_that_is_no_store_is_refused(tmp_path):
    (tmp_path / "text").write_text("decisions")
    with pytest.raises(UserError, match="cannot be used for decisions"):
        DecisionStore(tmp_path / "text")
    with sqlite3.connect(tmp_path / "other") as other:
        other.execute("CREATE TABLE mine (x)")
    with pytest.raises(UserError, match="another kind of database"):
        DecisionStore(tmp_path / "other")
    newer = DecisionStore(tmp_path / "newer")
    newer._connection.execute("PRAGMA user_version = 99")
    newer.close()
    with pytest.raises(UserError, match="made by a newer version"):
        DecisionStore(tmp_path / "newer")
    with pytest.raises(UserError, match="cannot be used for decisions"):
        DecisionStore(tmp_path / "nowhere" / "review.sqlite3")


def test_what_holds_is_the_last_decision_that_was_not_taken_back():
    confirmed, changed = correction(), correction(after=NORMAL, decision="change")
    undone = correction(decision="undo", undoes=changed.correction_id)
    added = correction(decision="add", before=None, after=MomentLabel(event_class="near_collision", time_s=9.0))
    assert current_label(COLLISION, []) == COLLISION
    assert current_label(None, []) is None
    assert current_label(COLLISION, [confirmed, changed]) == NORMAL
    assert current_label(COLLISION, [confirmed, changed, undone]) == COLLISION
    assert current_label(NORMAL, [added]) == NORMAL
    assert standing([confirmed, changed, undone, added]) == [confirmed, added]


def start_server(folder):
    """A real server process on a free port, and its address."""
    command = [sys.executable, "-m", "vlm_autodrive", "review", str(folder), "--no-open", "--reviewer", "ada"]
    process = subprocess.Popen(command, stdout=subprocess.PIPE, text=True)
    return process, re.search(r"http://\S+", process.stdout.readline())[0].rstrip("/")


def test_killing_the_server_loses_no_decision_that_was_answered(tmp_path):
    found = tmp_path / "found"
    write_trip(found, "a", [("/videos/a.mp4", 60.0)], [event(2.0 + number) for number in range(20)])
    draw, answered = random.Random(0), {}
    for _ in range(5):
        process, address = start_server(found)
        fresh = 0
        try:
            with httpx.Client(base_url=address, headers={"x-autodrive-review": "1"}, timeout=60) as client:
                ids = list(dict.fromkeys(re.findall(r"/items/([0-9a-f]{16})", client.get("/queue").text)))
                killer = None
                while True:
                    item_id = draw.choice(ids)
                    etag = client.get(f"/api/items/{item_id}").headers["etag"]
                    sent = client.post(
                        f"/api/items/{item_id}/decisions", json={"decision": "confirm"}, headers={"if-match": etag}
                    )
                    assert sent.status_code == 201
                    made = sent.json()["correction"]
                    answered[made["correction_id"]] = made
                    fresh += 1
                    if killer is None:  # while decisions are being made, at a moment that nobody chose
                        killer = threading.Timer(draw.uniform(0.0, 0.2), process.kill)
                        killer.start()
        except httpx.TransportError:
            assert fresh
        finally:
            process.kill()
            process.wait()
            process.stdout.close()
        corrections = read_corrections([found / "review.sqlite3"])
        kept = {each.correction_id: each.model_dump(mode="json") for each in corrections}
        assert answered.items() <= kept.items()
    assert len(answered) >= 5
