"""The timeout follows what answers take; the clock is set by hand."""

from types import SimpleNamespace

import pytest

from vlm_autodrive.engines.endpoint import timeouts
from vlm_autodrive.engines.endpoint.timeouts import AdaptiveTimeout


@pytest.fixture
def clock(monkeypatch):
    clock = SimpleNamespace(now_s=100.0)
    monkeypatch.setattr(timeouts, "time", SimpleNamespace(monotonic=lambda: clock.now_s))
    return clock


def test_it_doubles_once_for_all_that_were_sent_before_and_is_bounded(clock):
    timeout = AdaptiveTimeout(10.0)
    clock.now_s += 10
    for _ in range(5):
        timeout.expire(100.0)
    assert (timeout.seconds, timeout.expired) == (20.0, 5)
    for _ in range(4):
        clock.now_s += 20
        timeout.expire(clock.now_s)
    assert timeout.seconds == 40.0


def test_it_is_three_times_what_the_slowest_answer_took(clock):
    timeout = AdaptiveTimeout(10.0)
    for taken_s, expected_s in ((2.0, 10.0), (5.0, 15.0), (1.0, 15.0), (60.0, 40.0)):
        clock.now_s += taken_s
        timeout.answered(clock.now_s - taken_s)
        assert timeout.seconds == pytest.approx(expected_s)
