"""Concurrent jobs with results in the order of their inputs."""

import asyncio
from collections import deque
from collections.abc import AsyncGenerator, Awaitable, Callable, Coroutine, Iterable
from concurrent.futures import ThreadPoolExecutor
from typing import Any, TypeVar

from vlm_autodrive.errors import UserError

I = TypeVar("I")  # noqa: E741
O = TypeVar("O")  # noqa: E741
T = TypeVar("T")


async def in_order(
    inputs: Iterable[I], work: Callable[[I], Awaitable[O]], at_once: int
) -> AsyncGenerator[tuple[I, O], None]:
    """Work on up to ``at_once`` inputs at a time. Inputs are drawn only as their turn comes.

    After a user's mistake or a spent budget nothing new is begun, but what is under way comes to its
    end, since it is paid for. An interruption cancels it.

    Args:
        inputs: What is to be worked on.
        work: What is done with each.
        at_once: How many at a time.

    Yields:
        Each input with its result.
    """
    under_way: deque[tuple[I, asyncio.Future[O]]] = deque()
    try:
        for each in inputs:
            if len(under_way) == at_once:
                first, result = under_way.popleft()
                yield first, await result
            under_way.append((each, asyncio.ensure_future(work(each))))
        while under_way:
            first, result = under_way.popleft()
            yield first, await result
    except UserError:
        await asyncio.gather(*(result for _, result in under_way), return_exceptions=True)
        raise
    finally:
        for _, result in under_way:
            result.cancel()
        await asyncio.gather(*(result for _, result in under_way), return_exceptions=True)


def run_async(work: Coroutine[Any, Any, T]) -> T:
    """Run a coroutine to its end, also from inside a notebook, whose own event loop is running already."""
    if not _in_a_loop():
        return asyncio.run(work)
    with ThreadPoolExecutor(1) as thread:
        return thread.submit(asyncio.run, work).result()


def _in_a_loop() -> bool:
    try:
        asyncio.get_running_loop()
    except RuntimeError:
        return False
    return True
