"""Progress: how often a log hears of it, and what it says."""

import io

import pytest
from rich.console import Console

from vlm_autodrive import console
from vlm_autodrive.console import BarReporter, LineReporter, make_reporter
from vlm_autodrive.progress import format_seconds


@pytest.fixture
def clock(monkeypatch):
    class Clock:
        now = 100.0

    monkeypatch.setattr(console.time, "monotonic", lambda: Clock.now)
    return Clock


def lines_of(clock, steps, seconds_a_step, done=0):
    stream = io.StringIO()
    with LineReporter(stream).task("Cutting", steps, done) as task:
        for step in range(done, steps):
            clock.now += seconds_a_step
            task.advance(status=f"clip {step}")
    return stream.getvalue().splitlines()


@pytest.mark.parametrize(
    ("seconds", "text"), [(0.4, "0 s"), (59.6, "1 min 00 s"), (125, "2 min 05 s"), (4200, "1 h 10 min")]
)
def test_durations(seconds, text):
    assert format_seconds(seconds) == text


def test_a_line_for_every_twentieth_of_a_slow_task(clock):
    lines = lines_of(clock, 1000, 0.1)
    assert len(lines) == 20
    assert lines[0] == "Cutting: 50 of 1000 (5 %), 1 min 35 s left, clip 49"
    assert lines[-1] == "Cutting: 1000 of 1000 in 1 min 40 s"


def test_a_very_slow_task_speaks_every_ten_seconds(clock):
    assert len(lines_of(clock, 1000, 5.0)) == 500


def test_a_quick_task_says_only_that_it_is_done(clock):
    assert lines_of(clock, 100, 0.01) == ["Cutting: 100 of 100 in 1 s"]


def test_resumed_work_counts_its_own_speed_only(clock):
    lines = lines_of(clock, 100, 1.0, done=80)
    assert lines[0] == "Cutting: going on at 80 of 100"
    assert lines[1] == "Cutting: 85 of 100 (85 %), 15 s left, clip 84"


def test_work_done_before_is_not_worth_a_line(clock):
    assert lines_of(clock, 5, 1.0, done=5) == []


def test_a_task_of_nothing_does_not_fail(clock):
    assert lines_of(clock, 0, 1.0) == []


def test_a_failed_task_does_not_say_that_it_is_done(clock):
    stream = io.StringIO()
    with pytest.raises(ZeroDivisionError), LineReporter(stream).task("Cutting", 5):
        raise ZeroDivisionError
    assert stream.getvalue() == ""


def test_bars_leave_one_line_each_and_end_after_a_failure():
    stream = io.StringIO()
    terminal = Console(file=stream, force_terminal=True, width=100, color_system=None)
    reporter = BarReporter(terminal)
    with reporter.task("Outer", 2) as outer:
        with reporter.task("Inner", 3) as inner:
            inner.advance(3, "[odd] status")
        reporter.say("said [between]")
        outer.advance(2)
    with pytest.raises(ZeroDivisionError), reporter.task("Broken", 1):
        raise ZeroDivisionError
    with reporter.task("After", 1) as after:
        after.advance()
    text = stream.getvalue()
    for line in ("Inner: 3 of 3 in 0 s", "said [between]", "Outer: 2 of 2 in 0 s", "After: 1 of 1 in 0 s"):
        assert line in text
    assert "Broken: 0 of 1 in" not in text
    assert text.count("\x1b[?25l") == text.count("\x1b[?25h"), "the cursor is shown again"


def test_a_log_gets_lines():
    assert isinstance(make_reporter(), LineReporter)


def test_a_narrow_terminal_shortens_the_status_alone(clock):
    stream = io.StringIO()
    reporter = BarReporter(Console(file=stream, force_terminal=True, width=80, _environ={}))
    with reporter.task("training", 60) as task:
        task.advance(30, "loss 7.325, rate 2.6e-06, 43.3 items/s, 2,062 tokens/s, data wait 1 %")
        reporter._progress.tasks[0].total = 60
        shown = reporter._progress.get_renderable()
        plain = Console(file=io.StringIO(), width=80, _environ={})
        plain.print(shown)
    line = plain.file.getvalue().splitlines()[0]
    assert "30/60" in line
    assert "loss 7.325" in line
    assert "…" in line
    assert len(plain.file.getvalue().splitlines()) == 1
