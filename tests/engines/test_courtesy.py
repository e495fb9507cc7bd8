"""Processes that write one file at once: none waits for long because another one is busy."""

import asyncio
import multiprocessing
import time
from itertools import pairwise
from pathlib import Path

import pytest

from storied.engines.sqlite.courtesy import PAUSE_SECONDS, RIVALRY_SECONDS, Courtesy
from storied.engines.sqlite.store import SqliteStore
from storied.store.codec import new_event
from storied.store.query import Query
from storied.testing.contract.specimens import stored

EACH = 300


class _Clock:
    """A clock that stands still unless it is set."""

    now = 50.0

    def __call__(self) -> float:
        return self.now


def _courtesy(clock: _Clock, *heads: tuple[int, int]) -> Courtesy:
    """What a writer knows after it found the log to end at the one, and left it at the other, again and again."""
    courtesy = Courtesy(clock)
    for found, left in heads:
        courtesy.found(found)
        courtesy.left(left)
    return courtesy


@pytest.mark.parametrize(
    ("heads", "due"),
    [
        ([], False),
        ([(7, 8)], False),
        ([(7, 8), (8, 9), (9, 10)], False),
        ([(7, 8), (9, 10)], False),
        ([(7, 8), (9, 10), (10, 11)], True),
        ([(7, 8), (9, 10), (10, 11), (12, 13)], False),
    ],
    ids=["new", "first write", "alone", "after another", "twice since another wrote", "another came"],
)
def test_a_pause_is_due_after_two_writes_in_a_row_while_others_write(heads: list[tuple[int, int]], due: bool) -> None:
    """A writer that is alone never pauses, and one that takes turns with another does not either."""
    assert _courtesy(_Clock(), *heads).is_due() is due


def test_no_pause_is_due_once_the_others_have_been_silent() -> None:
    """Who wrote a while ago may never write again."""
    clock = _Clock()
    courtesy = _courtesy(clock, (7, 8), (9, 10), (10, 11))
    clock.now += RIVALRY_SECONDS
    assert not courtesy.is_due()


async def test_a_writer_pauses_before_its_third_write_in_a_row(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """When another one has written before; alone it never does."""
    pauses: list[float] = []
    monkeypatch.setattr(time, "sleep", pauses.append)
    monkeypatch.setattr("storied.engines.sqlite.courtesy.RIVALRY_SECONDS", 1000.0)
    one, other = [await SqliteStore.open(tmp_path / "log.db") for _ in range(2)]
    try:
        for store, paused in (
            (one, 0),
            (one, 0),
            (one, 0),
            (other, 0),
            (one, 0),
            (one, 0),
            (one, 1),
            (one, 2),
            (other, 2),
        ):
            await store.append([new_event("a", {})])
            assert pauses == [PAUSE_SECONDS] * paused
    finally:
        await one.aclose()
        await other.aclose()


async def test_two_busy_processes_take_turns(tmp_path: Path) -> None:
    """With a caller each, the log often passes from one to the other: nobody has it to himself for long."""
    path = tmp_path / "log.db"
    await (await SqliteStore.open(path)).aclose()
    context = multiprocessing.get_context("spawn")
    writers = [context.Process(target=_write, args=(str(path), *names)) for names in (("a", "b"), ("b", "a"))]
    for writer in writers:
        writer.start()
    for writer in writers:
        await asyncio.to_thread(writer.join, 90)
    assert [writer.exitcode for writer in writers] == [0, 0]
    store = await SqliteStore.open(path)
    try:
        names = [record.type for record in await stored(store)]
    finally:
        await store.aclose()
    begin = max(names.index("a"), names.index("b"))
    end = len(names) - max(names[::-1].index("a"), names[::-1].index("b"))
    together = names[begin:end]
    assert len(together) > EACH
    assert sum(one != other for one, other in pairwise(together)) > len(together) / 10


def _write(path: str, own: str, other: str) -> None:
    """Appends until both have appended so often."""
    asyncio.run(_written(Path(path), own, other))


async def _written(path: Path, own: str, other: str) -> None:
    store = await SqliteStore.open(path)
    try:
        await store.append([new_event(own, {})])
        async with asyncio.timeout(60):
            async for _ in store.subscribe(Query.of(types=[other])):
                break
            made, done = 1, False
            while not done:
                for _ in range(EACH // 6):
                    await store.append([new_event(own, {})])
                    made += 1
                done = made >= EACH and len(await store.read(Query.of(types=[other]), limit=EACH).list()) == EACH
    finally:
        await store.aclose()
