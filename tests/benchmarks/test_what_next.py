"""The study of what to label next runs at its tiniest size, and judges moments and differences rightly."""

import sys

import pytest

from benchmarks import what_next
from vlm_autodrive.records import Event
from vlm_autodrive.review import ProposedMoment


def moment(start_s, end_s):
    return ProposedMoment(folder="a", start_s=start_s, end_s=end_s, worth=0.5, event_id=None, answers=())


def test_all_that_the_review_shows_of_a_moment_is_judged_the_nearest_event_first():
    told = [("collision", 16.1), ("near_collision", 10.0), ("collision", 7.9)]
    events = [Event(event_id=f"{t}", video_id="a", event_class=name, time_s=t) for name, t in told]
    seen = what_next.events_seen(moment(10.0, 14.8), events)
    assert [(label.event_class, label.time_s) for label in seen] == [("near_collision", 10.0), ("collision", 16.1)]
    assert what_next.events_seen(moment(20.0, 24.8), events) == []


def test_the_interval_is_students_over_the_seeds():
    low, high = what_next.interval([0.1, 0.2, 0.3, 0.4, 0.5])
    assert (low, high) == pytest.approx((0.3 - 2.7764 * 0.1581 / 5**0.5, 0.3 + 2.7764 * 0.1581 / 5**0.5), abs=1e-4)


@pytest.mark.slow
def test_it_runs(tmp_path, monkeypatch, capsys):
    monkeypatch.setattr(sys, "argv", ["what_next", "--work", str(tmp_path), "--smoke", "--seeds", "0"])
    what_next.main()
    *_, table, _, note = capsys.readouterr().out.strip().splitlines()
    assert table.startswith("| 0 | ")
    assert "3 moments labelled of" in note
