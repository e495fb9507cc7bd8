"""What growth does: throughput as the log gets longer, and memory while a long log is read, folded and projected."""

from __future__ import annotations

import asyncio
import math
import os
import sys
import tempfile
import time
from collections.abc import Awaitable, Callable, Iterator, Sequence
from pathlib import Path

from benchmarks.measures import filled
from benchmarks.model import Basket, BasketPage, app, basket_id, item
from storied import AppendCondition, OpenApp, Query
from storied.engines.sqlite import tagging
from storied.store.codec import encode

CALLERS = 64
ROUNDS = 50
WINDOW = CALLERS * ROUNDS
"""Appends that are timed together."""
CYCLE = tagging.MOST
"""As many events may be gathered before their tags are moved into the index, which the appends after them do."""
LONG = 500_000
"""From this length on, appends are measured over whole cycles."""
LENGTHS = (10_000, 100_000, 1_000_000, 5_000_000)


def windows(size: int) -> int:
    """How many windows are timed at this length: beyond a whole cycle and the moving after it, where it is long."""
    return 3 if size < LONG else math.ceil(1.5 * CYCLE / WINDOW)


def curve(sizes: Sequence[int]) -> Iterator[str]:
    """A Markdown table: conditional appends and cold loads a second by 64 callers, at each length of one log."""
    yield (
        "| Events stored | conditional appends/s, mean | slowest window | against the first | appends timed "
        "| entities of 10 events loaded/s |"
    )
    yield "|--:|--:|--:|--:|--:|--:|"
    with tempfile.TemporaryDirectory() as folder:
        first = 0.0
        for size in sizes:
            times, loaded = asyncio.run(_at(f"sqlite:///{folder}/log.db", size))
            mean, slowest = WINDOW * len(times) / sum(times), WINDOW / max(times)
            first = first or mean
            timed = WINDOW * len(times)
            yield f"| {size:,} | {mean:,.0f} | {slowest:,.0f} | {mean / first:.2f} | {timed:,} | {loaded:,.0f} |"


async def _at(url: str, size: int) -> tuple[list[float], float]:
    """The seconds that each window of appends took, and entities loaded a second."""
    async with app.open(url, views=False) as shop:
        head = await shop.store.head()
        while head < size:
            count = min(5000, size - head)
            await shop.store.append([encode(item(n, max(size // 10, 1))) for n in range(head, head + count)])
            head += count
        times = [await _appending(shop, size) for _ in range(windows(size))]
        return times, await _load_rate(shop, max(size // 10, 1))


async def _appending(shop: OpenApp, size: int) -> float:
    start = await shop.store.head()

    async def caller(number: int) -> None:
        for turn in range(ROUNDS):
            basket = start + turn * CALLERS + number
            query = Query.of(types=["ItemAdded"], tags=[f"basket:{basket_id(basket)}"])
            event = encode(item(basket, 10**9))
            await shop.store.append([event], condition=AppendCondition(query, size))

    return await _seconds(caller)


async def _load_rate(shop: OpenApp, baskets: int) -> float:
    async def caller(number: int) -> None:
        for turn in range(ROUNDS):
            await shop.state(Basket, basket_id((turn * CALLERS + number) * 7919 % baskets))

    return WINDOW / await _seconds(caller)


async def _seconds(caller: Callable[[int], Awaitable[None]]) -> float:
    started = time.perf_counter()
    await asyncio.gather(*(caller(number) for number in range(CALLERS)))
    return time.perf_counter() - started


def memory(count: int) -> Iterator[str]:
    """A Markdown table: the peak of the process's memory at two lengths of a log, each in a process of its own."""
    yield f"| What | peak at {count // 10:,} events | peak at {count:,} |"
    yield "|---|--:|--:|"
    with tempfile.TemporaryDirectory() as folder:
        for size in (count // 10, count):
            _in_child(lambda size=size: _fill(f"sqlite:///{folder}/{size}.db", size))  # type: ignore[misc]  # bound now
        for name, task in _TASKS.items():
            peaks = []
            for size in (count // 10, count):
                url = f"sqlite:///{folder}/{size}.db"
                peaks.append(_in_child(lambda task=task, url=url, size=size: task(url, size)))  # type: ignore[misc]  # likewise
            yield f"| {name} | {peaks[0]:,} MiB | {peaks[1]:,} MiB |"
            for left in Path(folder).glob("*.views.db*"):
                left.unlink()


async def _fill(url: str, size: int) -> None:
    async with app.open(url, views=False) as shop:
        await filled(shop, size, 1000)


async def _read(url: str, size: int) -> None:
    async with app.open(url, views=False) as shop:
        async for _ in shop.events():
            pass


async def _fold(url: str, size: int) -> None:
    async with app.open(url, views=False) as shop:
        await shop.state(Basket, basket_id(1))


async def _project(url: str, size: int) -> None:
    async with app.open(url) as shop:
        await shop.wait(BasketPage, size, timeout=600)


_TASKS = {"read into event objects": _read, "one entity folded": _fold, "projected into a view": _project}


def _in_child(work: Callable[[], Awaitable[None]]) -> int:
    """The peak of resident memory, in MiB, of a process that does the work."""
    sys.stdout.flush()
    child = os.fork()
    if child == 0:
        code = 1
        try:
            asyncio.run(_await(work))
            code = 0
        finally:
            os._exit(code)
    _, status, usage = os.wait4(child, 0)
    if status != 0:
        raise RuntimeError("the measured process failed")
    return usage.ru_maxrss // 1024


async def _await(work: Callable[[], Awaitable[None]]) -> None:
    await work()
