"""Waiting for something to become true, against a deadline: what tests do where others sleep."""

from __future__ import annotations

import asyncio
import contextlib
import inspect
from collections.abc import AsyncIterable, AsyncIterator, Awaitable, Callable
from typing import TypeVar

T = TypeVar("T")

TIMEOUT = 10.0
"""Seconds after which what should have happened long ago counts as never happening."""

_FIRST_PAUSE = 0.0005
_LONGEST_PAUSE = 0.05


async def eventually(
    condition: Callable[[], object | Awaitable[object]],
    timeout: float = TIMEOUT,
) -> None:
    """Returns as soon as *condition* (a function, plain or async) gives something true.

    Raises `TimeoutError` when it does not within *timeout* seconds.
    """
    pause = _FIRST_PAUSE
    with contextlib.suppress(TimeoutError):
        async with asyncio.timeout(timeout):
            while not await _value(condition):
                await asyncio.sleep(pause)
                pause = min(2 * pause, _LONGEST_PAUSE)
            return
    raise TimeoutError(f"the condition did not become true within {timeout:g} s")


async def take(
    items: AsyncIterable[T],
    count: int,
    timeout: float = TIMEOUT,
) -> list[T]:
    """The first *count* items of something that may go on for ever, such as a subscription.

    Raises `TimeoutError`, saying what came, when fewer come within *timeout* seconds.
    """
    taken: list[T] = []
    try:
        async with asyncio.timeout(timeout):
            async for item in _until(items, count):
                taken.append(item)  # noqa: PERF401 - what came before the deadline is told
    except TimeoutError:
        raise TimeoutError(f"{len(taken)} of {count} came within {timeout:g} s: {taken!r:.500}") from None
    return taken


async def turns(count: int) -> None:
    """Lets every other task that is ready run, *count* times over."""
    for _ in range(count):
        await asyncio.sleep(0)


async def _until(items: AsyncIterable[T], count: int) -> AsyncIterator[T]:
    """The first *count* of *items*; the source is closed then, if it can be."""
    if not count:
        return
    iterator = aiter(items)
    try:
        async for item in iterator:
            yield item
            count -= 1
            if not count:
                return
    finally:
        close = getattr(iterator, "aclose", None)
        if close is not None:
            await close()


async def _value(condition: Callable[[], object | Awaitable[object]]) -> object:
    value = condition()
    return await value if inspect.isawaitable(value) else value
