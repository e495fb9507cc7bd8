"""What growth does: throughput as the log gets longer, and memory while a long log is read, folded and projected."""

from __future__ import annotations

import asyncio
import os
import sys
import tempfile
import time
from collections.abc import Awaitable, Callable, Iterator
from pathlib import Path

from benchmarks.measures import filled
from benchmarks.model import Basket, BasketPage, app, basket_id, item
from storied import AppendCondition, OpenApp, Query
from storied.store.codec import encode

CALLERS = 64
ROUNDS = 150


def curve(sizes: list[int]) -> Iterator[str]:
    """A Markdown table: conditional appends and cold loads a second by 64 callers, at each length of one log."""
    yield "| Events stored | conditional appends/s | against the first | entities of 10 events loaded/s |"
    yield "|--:|--:|--:|--:|"
    with tempfile.TemporaryDirectory() as folder:
        first = 0.0
        for size in sizes:
            appended, loaded = asyncio.run(_at(f"sqlite:///{folder}/log.db", size))
            first = first or appended
            yield f"| {size:,} | {appended:,.0f} | {appended / first:.2f} | {loaded:,.0f} |"


async def _at(url: str, size: int) -> tuple[float, float]:
    async with app.open(url, views=False) as shop:
        head = await shop.store.head()
        while head < size:
            count = min(5000, size - head)
            await shop.store.append([encode(item(n, max(size // 10, 1))) for n in range(head, head + count)])
            head += count
        rates = sorted([await _append_rate(shop, size) for _ in range(3)])
        return rates[1], await _load_rate(shop, max(size // 10, 1))


async def _append_rate(shop: OpenApp, size: int) -> float:
    start = await shop.store.head()

    async def caller(number: int) -> None:
        for turn in range(ROUNDS):
            basket = start + turn * CALLERS + number
            query = Query.of(types=["ItemAdded"], tags=[f"basket:{basket_id(basket)}"])
            event = encode(item(basket, 10**9))
            await shop.store.append([event], condition=AppendCondition(query, size))

    return await _rate(caller)


async def _load_rate(shop: OpenApp, baskets: int) -> float:
    async def caller(number: int) -> None:
        for turn in range(ROUNDS // 3):
            await shop.state(Basket, basket_id((turn * CALLERS + number) * 7919 % baskets))

    return await _rate(caller) / 3


async def _rate(caller: Callable[[int], Awaitable[None]]) -> float:
    started = time.perf_counter()
    await asyncio.gather(*(caller(number) for number in range(CALLERS)))
    return CALLERS * ROUNDS / (time.perf_counter() - started)


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
