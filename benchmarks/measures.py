"""The measurements: each gives storied's figure and the bare machine's for the same work."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable, Callable
from pathlib import Path

from benchmarks import bare
from benchmarks.figures import Figure, Measure
from benchmarks.model import AddItem, Basket, BasketPage, app, basket_id, item
from benchmarks.serving import SERVING
from benchmarks.together import TOGETHER
from storied import AppendCondition, OpenApp, Query
from storied.store.codec import encode


async def filled(shop: OpenApp, count: int, baskets: int) -> None:
    """Appends *count* events, a few thousand at a time."""
    for start in range(0, count, 5000):
        events = [encode(item(number, baskets)) for number in range(start, min(start + 5000, count))]
        await shop.store.append(events)


def appends(callers: int, total: int, per_append: int = 1) -> Callable[[Path], Awaitable[Figure]]:
    """Conditional appends by so many callers at once, each on a stream of its own."""

    async def run(folder: Path) -> Figure:
        async with app.open(f"sqlite:///{folder}/log.db", views=False) as shop:
            rounds = total // callers

            async def caller(number: int) -> None:
                for turn in range(rounds):
                    basket = turn * callers + number
                    query = Query.of(types=["ItemAdded"], tags=[f"basket:{basket_id(basket)}"])
                    events = [encode(item(basket, total)) for _ in range(per_append)]
                    await shop.store.append(events, condition=AppendCondition(query, 0))

            started = time.perf_counter()
            await asyncio.gather(*(caller(number) for number in range(callers)))
            rate = rounds * callers * per_append / (time.perf_counter() - started)
        every = min(total * per_append, rounds * callers * per_append)
        return Figure(rate, bare.append_rate(folder / "bare.db", every, callers * per_append, per_append))

    return run


def commands(warm: bool) -> Callable[[Path], Awaitable[Figure]]:
    """Commands by 64 callers on entities of ten events: loaded, decided and appended."""

    async def run(folder: Path) -> Figure:
        callers, rounds = 64, 100 if warm else 60
        baskets = callers if warm else callers * rounds
        async with app.open(f"sqlite:///{folder}/log.db", views=False) as shop:
            await filled(shop, baskets * 10, baskets)

            async def caller(number: int) -> None:
                for turn in range(rounds):
                    basket = number if warm else turn * callers + number
                    await shop.execute(AddItem(basket=basket_id(basket), amount=1))

            if warm:
                await asyncio.gather(*(shop.execute(AddItem(basket=basket_id(n), amount=1)) for n in range(callers)))
            started = time.perf_counter()
            await asyncio.gather(*(caller(number) for number in range(callers)))
            rate = rounds * callers / (time.perf_counter() - started)
        bare.filled(folder / "bare.db", baskets * 10, baskets)
        return Figure(rate, bare.command_rate(folder / "bare.db", baskets, rounds * callers, callers))

    return run


async def read(folder: Path) -> Figure:
    """The whole log into event objects, in order."""
    count = 200_000
    async with app.open(f"sqlite:///{folder}/log.db", views=False) as shop:
        await filled(shop, count, 1000)
        seen = 0
        started = time.perf_counter()
        async for events in shop.events():
            seen += len(events)
        rate = seen / (time.perf_counter() - started)
    return Figure(rate, bare.read_rate(folder / "log.db"))


def loads(per_stream: int, streams: int) -> Callable[[Path], Awaitable[Figure]]:
    """Entities of so many events loaded by 64 callers, nothing cached."""

    async def run(folder: Path) -> Figure:
        callers = 64
        async with app.open(f"sqlite:///{folder}/log.db", views=False) as shop:
            await filled(shop, per_stream * streams, streams)
            mine = streams // callers

            async def caller(number: int) -> None:
                for turn in range(mine):
                    await shop.state(Basket, basket_id(turn * callers + number))

            started = time.perf_counter()
            await asyncio.gather(*(caller(number) for number in range(callers)))
            rate = mine * callers / (time.perf_counter() - started)
        return Figure(rate, bare.load_rate(folder / "log.db", streams, per_stream))

    return run


async def project(folder: Path) -> Figure:
    """Events into a view with two indexes, exactly once."""
    count = 200_000
    url = f"sqlite:///{folder}/log.db"
    async with app.open(url, views=False) as shop:
        await filled(shop, count, 5000)
    started = time.perf_counter()
    async with app.open(url) as shop:
        await shop.wait(BasketPage, count, timeout=120)
        rate = count / (time.perf_counter() - started)
    return Figure(rate, bare.project_rate(folder / "log.db", folder / "bare.db"))


async def find(folder: Path) -> Figure:
    """Documents found by an index, a hundred a page, by 16 callers."""
    async with app.open(f"sqlite:///{folder}/log.db") as shop:
        await filled(shop, 50_000, 50_000)
        await shop.wait(BasketPage, 50_000, timeout=60)
        started = time.perf_counter()

        async def caller(number: int) -> int:
            return sum([len(await shop.find(BasketPage, total=(number + t) % 100, limit=100)) for t in range(30)])

        found = sum(await asyncio.gather(*(caller(number) for number in range(16))))
        rate = found / (time.perf_counter() - started)
    return Figure(rate, bare.find_rate(folder / "log.db", folder / "bare.db", 16 * 30))


async def opening(folder: Path) -> Figure:
    """Milliseconds to open a store of a million events and know its head."""
    url = f"sqlite:///{folder}/log.db"
    async with app.open(url, views=False) as shop:
        await filled(shop, 1_000_000, 100_000)
    started = time.perf_counter()
    async with app.open(url, views=False) as shop:
        await shop.store.head()
        took = (time.perf_counter() - started) * 1000
    return Figure(took, bare.opening_time(folder / "log.db"))


MEASURES = (
    Measure("conditional appends, 1 caller", "appends/s", 3_000, appends(1, 2_000)),
    Measure("conditional appends, 16 callers", "appends/s", 20_000, appends(16, 20_000)),
    Measure("conditional appends, 64 callers", "appends/s", 40_000, appends(64, 40_000)),
    Measure("conditional appends, 256 callers", "appends/s", 60_000, appends(256, 60_000)),
    Measure("ten events an append, 64 callers", "events/s", 120_000, appends(64, 9_600, 10)),
    Measure("commands, warm entities, 64 callers", "commands/s", 15_000, commands(warm=True)),
    Measure("commands, cold entities of 10 events, 64 callers", "commands/s", 8_000, commands(warm=False)),
    Measure("log read into event objects", "events/s", 500_000, read),
    Measure("entities loaded from 10 events, 64 callers", "entities/s", 15_000, loads(10, 6_400)),
    Measure("entities loaded from 100 events, 64 callers", "entities/s", 4_000, loads(100, 1_280)),
    Measure("entities loaded from 1,000 events, 64 callers", "entities/s", 600, loads(1000, 256)),
    Measure("events projected into a view", "events/s", 150_000, project),
    Measure("documents found by index", "documents/s", 20_000, find),
    Measure("open a store of a million events", "ms", 100, opening, least=False),
    *TOGETHER,
    *SERVING,
)
