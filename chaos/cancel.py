"""``cancel``: every verb is cancelled at each of its awaits, and nothing is left behind or stored twice.

At each await twice: before what it waits for is there, and in the moment when it is there but the task has not gone
on. Then whatever was cancelled is asked again, by its id where it has one.
"""

from __future__ import annotations

import asyncio
import tempfile
import threading
from collections import Counter
from collections.abc import AsyncIterator, Awaitable, Callable, Coroutine, Generator
from contextlib import asynccontextmanager, suppress
from pathlib import Path
from typing import Any

import msgspec

from chaos.reporting import Progress
from storied import App, Command, Entity, Event, Id, on
from storied.domain.ids import new_id
from storied.engines.memory.store import MemoryStore
from storied.engines.sqlite.store import SqliteStore
from storied.errors import StoreClosed
from storied.opened import OpenApp
from storied.store.codec import new_event
from storied.store.query import AppendCondition, Query
from storied.testing.waiting import eventually, turns

MOST_AWAITS = 200
Step = Callable[[str], Coroutine[Any, Any, object]]


class Cancelled(msgspec.Struct):
    """The result of a campaign."""

    cancellations: int = 0
    by_verb: Counter[str] = msgspec.field(default_factory=Counter)
    violations: list[str] = []

    def sentence(self) -> str:
        """The result in words."""
        verbs = ", ".join(f"{verb} {count}" for verb, count in self.by_verb.items())
        return f"{self.cancellations} cancellations ({verbs}); {len(self.violations)} promises broken"


class Moved(Event):
    """Something went somewhere."""

    box: Id


class Box(Entity):
    """How often a box moved."""

    moves: int = 0

    @on
    def moved(self, event: Moved) -> None:
        """One more."""
        self.moves += 1


class Move(Command):
    """Moves a box."""

    box: Id


app = App("cancelled")


@app.command()
def move(command: Move, box: Box) -> Moved:
    """A box can always be moved."""
    return Moved(box=command.box)


class CancelledAt:
    """Awaits a coroutine, and cancels the task that does at its await number *at*; *late*: when that is over."""

    def __init__(self, coroutine: Coroutine[Any, Any, object], at: int, *, late: bool) -> None:
        self._coroutine, self._at, self._late = coroutine, at, late
        self.awaits = 0

    def __await__(self) -> Generator[Any, Any, object]:
        task = asyncio.current_task()
        steps = self._coroutine.__await__()
        send: Callable[[], Any] = lambda: next(steps)  # noqa: E731 - what to do with the coroutine next
        while True:
            try:
                waits_for = send()
            except StopIteration as end:
                return end.value
            self.awaits += 1
            if self.awaits == self._at and task is not None:
                self._cancel(task, waits_for)
            try:
                yield waits_for
            except BaseException as error:  # a cancellation among them
                thrown = error
                send = lambda thrown=thrown: steps.throw(thrown)  # type: ignore[misc]  # noqa: E731
            else:
                send = lambda: next(steps)  # noqa: E731

    def _cancel(self, task: asyncio.Task[Any], waits_for: Any) -> None:
        if self._late and waits_for is not None:
            waits_for.add_done_callback(lambda _: task.cancel())
        else:
            asyncio.get_running_loop().call_soon(task.cancel)


async def cancelled_at(coroutine: Coroutine[Any, Any, object], at: int, *, late: bool) -> bool:
    """Runs the coroutine in a task and cancels that at its await number *at*; False when it had fewer."""
    wrapped = CancelledAt(coroutine, at, late=late)

    async def body() -> None:
        await wrapped

    with suppress(asyncio.CancelledError):
        await asyncio.create_task(body())
    return wrapped.awaits >= at


def campaign(progress: Progress) -> Cancelled:
    """Cancels every verb of both engines at each await, then opening and closing."""
    result = Cancelled()
    asyncio.run(_stores(result, progress))
    asyncio.run(_opening(result))
    asyncio.run(_closing(result))
    progress.at(1, 1, result.sentence())
    return result


async def _stores(result: Cancelled, progress: Progress) -> None:
    with tempfile.TemporaryDirectory(prefix="storied-cancel-") as folder:
        for store in (MemoryStore(), await SqliteStore.open(Path(folder) / "log.db")):
            for verb, step, check in verbs(store):
                await _each_await(f"{type(store).__name__}.{verb}", verb, store, step, check, result)
                progress.at(0, 1, result.sentence())
            await store.aclose()
        async with app.open(f"sqlite:///{folder}/app.db") as opened:
            await _each_await("execute", "execute", None, *executing(opened), result)


def verbs(store: Any) -> list[tuple[str, Step, Step]]:
    """Each verb as something to cancel by a fresh name, and what must hold of that name afterwards."""

    async def append(name: str) -> None:
        await store.append([new_event("Noted", {}, tags=(f"name:{name}",))], append_id=name)

    async def append_unless(name: str) -> None:
        condition = AppendCondition(Query.of(tags=[f"name:{name}"]))
        await store.append([new_event("Noted", {}, tags=(f"name:{name}",))], condition=condition, append_id=name)

    def once(again: Step) -> Step:
        async def check(name: str) -> None:
            await again(name)
            found = await store.read(Query.of(tags=[f"name:{name}"])).list()
            assert len(found) == 1, f"{name} is stored {len(found)} times"

        return check

    async def read(_: str) -> None:
        await store.read().list()

    async def subscribe(name: str) -> None:
        writing = asyncio.create_task(_soon(append(name)))
        try:
            async for record in store.subscribe(Query.of(tags=[f"name:{name}"])):
                assert record.tags == (f"name:{name}",)
                return
        finally:
            await asyncio.shield(writing)

    async def wait(name: str) -> None:
        with suppress(TimeoutError):
            async with asyncio.timeout(0.05):
                await store.changed(await store.head())

    async def head(_: str) -> None:
        await store.head()

    async def receipt(name: str) -> None:
        await store.receipt(name)

    return [
        ("append", append, once(append)),
        ("append with a condition", append_unless, once(append_unless)),
        ("read", read, read),
        ("subscribe", subscribe, once(append)),
        ("wait", wait, head),
        ("head", head, head),
        ("receipt", receipt, receipt),
    ]


def executing(opened: OpenApp) -> tuple[Step, Step]:
    """A command to be cancelled, and that it is executed once when it is repeated."""

    async def execute(name: str) -> None:
        await opened.execute(Move(box=name), command_id=name)

    async def check(name: str) -> None:
        await execute(name)
        box = await opened.state(Box, name)
        assert box.moves == 1, f"{name} was moved {box.moves} times"

    return execute, check


async def _each_await(label: str, verb: str, store: Any, step: Step, check: Step, result: Cancelled) -> None:
    threads, tasks = threading.active_count(), len(asyncio.all_tasks())
    for late in (False, True):
        for at in range(1, MOST_AWAITS):
            name = new_id()
            if not await cancelled_at(step(name), at, late=late):
                break
            result.cancellations += 1
            result.by_verb[verb] += 1
            try:
                async with asyncio.timeout(10):
                    await check(name)
                    await eventually(lambda: len(asyncio.all_tasks()) <= tasks)
                assert threading.active_count() == threads, "a thread is left"
                assert store is None or not left_waiting(store), "somebody is left waiting"
            except (AssertionError, TimeoutError) as error:
                result.violations.append(f"{label} at await {at}{' late' if late else ''}: {error!r}")


def left_waiting(store: Any) -> int:
    """How many wait in the store."""
    return len(store._room._waiting if isinstance(store, SqliteStore) else store._waiting)


async def _soon(coroutine: Awaitable[None]) -> None:
    await turns(20)
    await coroutine


async def _opening(result: Cancelled) -> None:
    """A cancelled opening leaves no thread, and the file can be opened."""
    with tempfile.TemporaryDirectory(prefix="storied-cancel-") as folder:
        path, threads = Path(folder) / "log.db", threading.active_count()
        for late in (False, True):
            for at in range(1, MOST_AWAITS):
                opened: list[SqliteStore] = []

                async def step(opened: list[SqliteStore] = opened) -> None:
                    opened.append(await SqliteStore.open(path))

                if not await cancelled_at(step(), at, late=late):
                    break
                result.cancellations += 1
                result.by_verb["open"] += 1
                try:
                    await eventually(lambda most=threads: threading.active_count() <= most, timeout=3)  # type: ignore[misc]
                except TimeoutError:
                    left = threading.active_count() - threads
                    result.violations.append(f"open at await {at}{' late' if late else ''}: {left} threads are left")
                    threads = threading.active_count()
            for store in opened:
                await store.aclose()


async def _closing(result: Cancelled) -> None:
    """A cancelled closing is finished by another, and accepted appends are stored."""
    with tempfile.TemporaryDirectory(prefix="storied-cancel-") as folder:
        path, threads = Path(folder) / "log.db", threading.active_count()
        for late in (False, True):
            for at in range(1, MOST_AWAITS):
                async with _open(path) as store:
                    appending = asyncio.create_task(store.append([new_event("Noted", {})]))
                    await turns(1)
                    more = await cancelled_at(store.aclose(), at, late=late)
                    await store.aclose()
                    receipt = (await asyncio.gather(appending, return_exceptions=True))[0]
                if not more:
                    break
                result.cancellations += 1
                result.by_verb["close"] += 1
                if isinstance(receipt, (BaseException,)):
                    result.violations.append(f"close at await {at}: an accepted append was told {receipt!r}")
                with suppress(TimeoutError):
                    await eventually(lambda: threading.active_count() <= threads, timeout=3)
                if threading.active_count() > threads:
                    result.violations.append(f"close at await {at}{' late' if late else ''}: a thread is left")


@asynccontextmanager
async def _open(path: Path) -> AsyncIterator[SqliteStore]:
    store = await SqliteStore.open(path)
    with suppress(StoreClosed):
        yield store
