"""What is read ahead comes in order, from a thread of its own, never further ahead than was said."""

import threading

import pytest

from vlm_autodrive.video import read_ahead


def counted(drawn, most=10, closed=None):
    try:
        for number in range(most):
            drawn.append(threading.current_thread())
            yield number
    finally:
        if closed is not None:
            closed.set()


@pytest.mark.parametrize("most", [1, 3, 20])
def test_all_come_in_order_from_one_other_thread(most):
    drawn = []
    assert list(read_ahead(counted(drawn), most)) == list(range(10))
    assert len(set(drawn)) == 1
    assert drawn[0] is not threading.current_thread()


def test_items_are_drawn_while_one_is_worked_on_and_no_more_than_was_said():
    ready, going_on = threading.Semaphore(0), threading.Semaphore(0)

    def items():
        for number in range(9):
            assert going_on.acquire(timeout=10)
            yield number
            ready.release()  # reached only when the next one is drawn

    ahead = read_ahead(items(), 2)
    going_on.release(9)
    assert next(ahead) == 0
    for _ in range(2):  # 1 and 2 are drawn though nobody asked for them
        assert ready.acquire(timeout=10)
    assert not ready.acquire(timeout=0.2)
    assert list(ahead) == list(range(1, 9))


def test_an_error_comes_where_its_item_would_have_come():
    def items():
        yield 1
        yield 2
        raise OSError("gone")

    ahead = read_ahead(items(), 5)
    assert [next(ahead), next(ahead)] == [1, 2]
    with pytest.raises(OSError, match="gone"):
        next(ahead)


def test_left_early_it_closes_what_it_reads_from():
    drawn, closed = [], threading.Event()
    ahead = read_ahead(counted(drawn, 1000, closed), 2)
    next(ahead)
    ahead.close()
    assert closed.is_set()
    assert len(drawn) <= 4
