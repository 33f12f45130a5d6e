"""The command for each event: real processes, run at least once for each, and once where nothing went wrong."""

import json
import multiprocessing
import subprocess
import time

import pytest

from tests.detection.short_list.searched import event, write_trip
from tests.detection.test_detector import Heard
from vlm_autodrive.detection import parse_command, send_events, write_short_list
from vlm_autodrive.detection.short_list.event_command import SENT_FILE
from vlm_autodrive.errors import UserError

APPEND = parse_command("""sh -c 'cat >> "$AUTODRIVE_OUT/got"'""")


def listed(out, *events, name="one"):
    write_trip(out, name, [(out.parent / f"{name}.mp4", 60.0)], events)
    write_short_list(out)


def got(out):
    path = out / "got"
    return [json.loads(line) for line in path.read_text().splitlines()] if path.exists() else []


def test_each_event_is_sent_once_as_its_row(tmp_path):
    out = tmp_path / "out"
    listed(out, event(3), event(20, "near_collision"))
    assert send_events(out, APPEND) == 0
    assert send_events(out, APPEND) == 0
    assert sorted(got(out), key=str) == sorted(
        map(json.loads, (out / "events.jsonl").read_text().splitlines()), key=str
    )
    listed(out, event(3), event(20, "near_collision"), event(40))
    assert send_events(out, APPEND) == 0
    assert [row["trip_time_s"] for row in got(out)[2:]] == [40]


@pytest.mark.parametrize(
    ("now", "sent"),
    [
        (event(4.4), []),  # searched anew, with another window: the same event
        (event(4.6), [4.6]),
        (event(3, "near_collision"), [3]),  # another class is news
    ],
)
def test_an_event_whose_time_moves_a_little_is_the_same(tmp_path, now, sent):
    out = tmp_path / "out"
    listed(out, event(3))
    send_events(out, APPEND)
    listed(out, now)
    send_events(out, APPEND)
    assert [row["trip_time_s"] for row in got(out)[1:]] == sent


def test_a_command_that_fails_says_so_and_is_tried_again(tmp_path):
    heard = Heard()
    out = tmp_path / "out"
    listed(out, event(3), event(20))
    fails = parse_command("sh -c 'grep -q one_00003 || { echo the pager is down; echo; exit 3; }'")
    assert send_events(out, fails, heard) == 1
    (said,) = heard.said
    assert said.startswith("one_00020.00s: sh ")
    assert said.endswith("ended with status 3: the pager is down; it is tried again later.")
    assert send_events(out, APPEND, heard) == 0
    assert [row["trip_time_s"] for row in got(out)] == [20]


def test_a_command_that_hangs_is_killed_with_what_it_started(tmp_path):
    heard = Heard()
    out = tmp_path / "out"
    listed(out, event(3))
    begun = time.monotonic()
    assert send_events(out, parse_command("sh -c 'sleep 987654 & sleep 99'"), heard, timeout_s=2) == 1
    assert time.monotonic() - begun < 60
    assert "had not ended after 2 s" in heard.said[0]
    assert "987654" not in subprocess.run(["ps", "-eo", "args"], capture_output=True, text=True, check=True).stdout
    assert not (out / SENT_FILE).exists()


def test_a_command_may_leave_its_input_unread(tmp_path):
    out = tmp_path / "out"
    listed(out, event(3, reasoning="long " * 100_000))
    assert send_events(out, parse_command("true")) == 0


@pytest.mark.parametrize(
    ("text", "words"),
    [("", "no program ''"), ("nosuchprogram x", "no program 'nosuchprogram'"), ("echo 'a", "No closing quotation")],
)
def test_what_is_no_command_is_refused_before_the_search(text, words):
    with pytest.raises(UserError, match=words):
        parse_command(text)


def test_no_shell_reads_the_command(tmp_path):
    assert parse_command("echo '$HOME;' > x")[1:] == ["$HOME;", ">", "x"]


def test_killed_at_random_moments_no_event_is_missed(tmp_path):
    """Two senders at once, one killed again and again: every event is sent, and at most one more than once a kill."""
    out = tmp_path / "out"
    listed(out, *(event(at) for at in range(3, 33, 3)))
    fork = multiprocessing.get_context("fork")
    for delay_s in (0.0, 0.01, 0.02, 0.03, 0.05):
        first = fork.Process(target=send_events, args=(out, APPEND))
        first.start()
        time.sleep(delay_s)
        first.kill()
        first.join()
    both = [fork.Process(target=send_events, args=(out, APPEND)) for _ in range(2)]
    for process in both:
        process.start()
    for process in both:
        process.join()
        assert process.exitcode == 0
    times = [row["trip_time_s"] for row in got(out)]
    assert sorted(set(times)) == list(range(3, 33, 3))
    assert len(times) - len(set(times)) <= 5
    assert len((out / SENT_FILE).read_text().splitlines()) == len(set(times))
