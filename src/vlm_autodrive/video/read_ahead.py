"""Reading ahead: what is read next is decoded while what was read before is worked on."""

from collections import deque
from collections.abc import Generator
from concurrent.futures import ThreadPoolExecutor
from typing import TypeVar

T = TypeVar("T")


def read_ahead(items: Generator[T, None, None], most: int) -> Generator[T, None, None]:
    """Draw items in a thread, up to ``most`` of them before they are asked for.

    An error of ``items`` comes where its item would have come. Close this generator where it may be left early: that
    waits for the item being drawn, and closes ``items``.
    """
    nothing = object()
    with ThreadPoolExecutor(1, thread_name_prefix="read ahead") as pool:
        coming = deque(pool.submit(next, items, nothing) for _ in range(most))
        try:
            while (item := coming.popleft().result()) is not nothing:
                coming.append(pool.submit(next, items, nothing))
                yield item  # type: ignore[misc]
        finally:
            pool.shutdown(cancel_futures=True)
            items.close()
