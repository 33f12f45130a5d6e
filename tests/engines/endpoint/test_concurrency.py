"""How the number of requests in flight follows what an endpoint bears; the clock is set by hand."""

import asyncio
from types import SimpleNamespace

import pytest

from vlm_autodrive.engines.endpoint import concurrency
from vlm_autodrive.engines.endpoint.concurrency import AdaptiveLimit


@pytest.fixture
def clock(monkeypatch):
    clock = SimpleNamespace(now_s=100.0)
    monkeypatch.setattr(concurrency, "time", SimpleNamespace(monotonic=lambda: clock.now_s))
    return clock


async def fill(limit, wanted=500):
    """As many enter as may, and the others wait."""
    tasks = [asyncio.create_task(limit.enter()) for _ in range(wanted)]
    await asyncio.sleep(0)
    return tasks


async def round_trip(limit, clock, bears, seconds=0.2):
    """All that are in flight come back, those above ``bears`` refused at once; returns how many were refused."""
    entered_s, count = clock.now_s, limit.in_flight
    for _ in range(max(count - bears, 0)):
        limit.leave_refused(entered_s, None)
    clock.now_s += seconds
    for _ in range(min(count, bears)):
        limit.leave_taken(entered_s)
    await asyncio.sleep(0)
    return max(count - bears, 0)


def run(coroutine):
    async def main():
        try:
            return await coroutine
        finally:
            for task in asyncio.all_tasks() - {asyncio.current_task()}:
                task.cancel()

    return asyncio.run(main())


def test_it_doubles_until_it_is_refused_and_then_stays_near_what_is_borne(clock):
    async def check():
        limit = AdaptiveLimit(256)
        await fill(limit, 5000)
        sizes = []
        for _ in range(60):
            sizes.append(limit.in_flight)
            await round_trip(limit, clock, bears=64)
        assert sizes[:4] == [16, 32, 64, 128]
        assert max(sizes[12:]) <= 1.1 * 64
        assert min(sizes[12:]) >= 0.85 * 64

    run(check())


def test_it_never_passes_its_most(clock):
    async def check():
        limit = AdaptiveLimit(20)
        await fill(limit)
        for _ in range(8):
            await round_trip(limit, clock, bears=999)
        assert limit.in_flight == 20

    run(check())


def test_a_burst_is_one_cut_a_round_trip_and_is_made_up_for_by_doubling(clock):
    async def check():
        limit = AdaptiveLimit(64)
        await fill(limit, 2000)
        for _ in range(6):
            await round_trip(limit, clock, bears=999)
        assert limit.limit == 64
        await round_trip(limit, clock, bears=0, seconds=0.0)  # 64 refusals at one moment
        assert limit.limit == pytest.approx(64 * 0.9)
        for _ in range(10):  # and more, until the burst is over
            clock.now_s += 0.2
            await round_trip(limit, clock, bears=0, seconds=0.0)
        assert limit.limit == pytest.approx(64 * 0.9**11)
        trips = 0
        while limit.limit < 0.85 * 64:
            await round_trip(limit, clock, bears=999)
            trips += 1
        assert trips <= 3

    run(check())


def test_refusals_of_requests_sent_before_a_cut_do_not_cut_again(clock):
    async def check():
        limit = AdaptiveLimit(8)
        await fill(limit)
        early_s = clock.now_s
        clock.now_s += 1.0
        limit.leave_refused(clock.now_s, None)
        cut = limit.limit
        clock.now_s += 5.0
        limit.leave_refused(early_s, None)
        assert limit.limit == cut
        limit.leave_refused(clock.now_s, None)
        assert limit.limit < cut

    run(check())


def test_it_does_not_rise_while_it_is_not_what_holds_requests_back(clock):
    async def check():
        limit = AdaptiveLimit(64)
        await fill(limit, 5)
        await round_trip(limit, clock, bears=999)
        assert limit.limit == 16

    run(check())


def test_requests_without_an_answer_in_time_halve_it_once_a_round(clock):
    async def check():
        limit = AdaptiveLimit(16)
        await fill(limit)
        sent_s = clock.now_s
        clock.now_s += 120.0
        for _ in range(16):
            limit.leave_timed_out(sent_s)
        assert limit.limit == 8.0
        clock.now_s += 120.0
        limit.leave_timed_out(clock.now_s)
        assert limit.limit == 4.0

    run(check())


def test_it_never_falls_below_one(clock):
    async def check():
        limit = AdaptiveLimit(4)
        await fill(limit)
        for _ in range(60):
            clock.now_s += 1.0
            await round_trip(limit, clock, bears=0)
        assert limit.limit == 1.0
        assert limit.in_flight == 1

    run(check())


def test_a_caller_that_is_cancelled_leaves_no_place_taken():
    async def check():
        limit = AdaptiveLimit(2)
        first = [await limit.enter() for _ in range(2)]
        waiting = await fill(limit, 4)
        waiting[0].cancel()
        limit.leave()  # gives the place to the second, which is cancelled before it knows
        waiting[1].cancel()
        await asyncio.gather(*waiting[:2], return_exceptions=True)
        assert waiting[2].done() is False or waiting[2].result()
        await waiting[2]
        limit.leave_taken(first[1])
        await waiting[3]
        assert limit.in_flight == 2
        limit.leave()
        limit.leave()
        assert limit.in_flight == 0

    run(check())


def test_while_a_server_asks_for_patience_nobody_enters_even_if_cancelled():
    async def check():
        limit = AdaptiveLimit(4)
        entered_s = await limit.enter()
        limit.leave_refused(entered_s, 0.2)
        patient = asyncio.create_task(limit.enter())
        with pytest.raises(TimeoutError):
            await asyncio.wait_for(limit.enter(), 0.05)
        assert not patient.done()
        assert await patient - entered_s >= 0.2
        assert limit.in_flight == 1

    run(check())
