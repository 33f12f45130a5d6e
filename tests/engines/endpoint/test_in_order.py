"""Work under way at the same time comes out in the order of its inputs, and nothing paid for is dropped."""

import asyncio

import pytest

from vlm_autodrive.engines import in_order, run_async
from vlm_autodrive.errors import UserError


class Work:
    """Waits as long as it is told, and notes who was under way together."""

    def __init__(self, pauses):
        self.pauses, self.begun, self.ended, self.under_way, self.most = pauses, [], [], 0, 0

    async def __call__(self, number):
        self.begun.append(number)
        self.under_way += 1
        self.most = max(self.most, self.under_way)
        await asyncio.sleep(self.pauses.get(number, 0))
        self.under_way -= 1
        if number == 13:
            raise UserError("the budget is spent.")
        self.ended.append(number)
        return number * 10


def collect(inputs, work, at_once):
    async def all_of_it():
        return [pair async for pair in in_order(inputs, work, at_once)]

    return run_async(all_of_it())


def test_results_come_in_the_order_of_the_inputs_however_long_each_takes():
    work = Work({0: 0.05, 3: 0.03})
    assert collect(range(8), work, 4) == [(n, n * 10) for n in range(8)]
    assert work.most == 4
    assert work.ended[:3] == [1, 2, 3]  # the first, which is slow, kept none of its companions waiting


def test_inputs_are_drawn_only_as_their_turn_comes():
    drawn = []

    def inputs():
        for number in range(100):
            drawn.append(number)
            yield number

    async def first_five():
        results = in_order(inputs(), Work({}), 3)
        found = [await anext(results) for _ in range(5)]
        await results.aclose()
        return found

    assert [number for number, _ in run_async(first_five())] == [0, 1, 2, 3, 4]
    assert len(drawn) == 8


def test_after_a_mistake_nothing_new_is_begun_and_what_is_under_way_ends():
    work = Work({14: 0.05, 15: 0.05})
    with pytest.raises(UserError, match="budget"):
        collect(range(10, 99), work, 5)
    assert max(work.begun) == 17
    assert work.ended == [10, 11, 12, 16, 17, 14, 15]


def test_an_interruption_cancels_what_is_under_way():
    work = Work(dict.fromkeys(range(5), 60))

    async def interrupted():
        async def all_of_it():
            return [pair async for pair in in_order(range(5), work, 5)]

        task = asyncio.ensure_future(all_of_it())
        await asyncio.sleep(0.05)
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)

    run_async(interrupted())
    assert work.begun == [0, 1, 2, 3, 4]
    assert work.ended == []


def test_it_runs_inside_a_running_event_loop_as_in_a_notebook():
    async def notebook():
        return collect(range(3), Work({}), 2)

    assert asyncio.run(notebook()) == [(0, 0), (1, 10), (2, 20)]
