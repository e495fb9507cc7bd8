"""What callers are told of the commits of a large batch, and when."""

import asyncio
import threading
from collections.abc import Callable, Coroutine
from pathlib import Path
from typing import Any

import apsw
import pytest

from storied.engines.sqlite import store as engine
from storied.engines.sqlite import writing
from storied.engines.sqlite.store import SqliteStore
from storied.engines.sqlite.writing import Writer
from storied.errors import Conflict, StoreFenced, StoreUnavailable, UnknownOutcome
from storied.store.codec import new_event
from storied.store.query import AppendCondition, Query
from storied.store.records import Receipt


class _Connection:
    """A connection whose n-th statement of a kind is made by somebody else."""

    def __init__(self, connection: Any, sql: str, which: int, instead: Callable[[Any], None]) -> None:
        self._connection, self._sql, self._left, self._instead = connection, sql, which, instead

    def __getattr__(self, name: str) -> Any:
        return getattr(self._connection, name)

    def execute(self, sql: str, *given: Any) -> Any:
        """Makes it, or has it made when its time has come."""
        if sql == self._sql:
            self._left -= 1
            if self._left == 0:
                return self._instead(self._connection)
        return self._connection.execute(sql, *given)


def _replace(monkeypatch: pytest.MonkeyPatch, sql: str, which: int, instead: Callable[[Any], None]) -> None:
    """Has the writers that are made from now on do something else in the place of a statement; batches are halved."""
    monkeypatch.setattr(engine, "HALVED_APPENDS", 2)
    plain = Writer.__init__

    def prepared(writer: Writer, connection: Any, *given: Any) -> None:
        plain(writer, connection, *given)
        writer.connection = _Connection(writer.connection, sql, which, instead)  # type: ignore[assignment]  # all of it

    monkeypatch.setattr(Writer, "__init__", prepared)


@pytest.mark.parametrize("error", [apsw.IOError("made to fail"), MemoryError(), KeyError("a bug")], ids=repr)
@pytest.mark.parametrize("after", [False, True], ids=["before", "after"])
async def test_a_commit_that_fails_is_never_told_as_a_success(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, error: BaseException, after: bool
) -> None:
    """The half before it is told its receipts, its own half that nothing is known; and nothing more is written."""

    def fail(connection: Any) -> None:
        if after:
            connection.execute("COMMIT")
        raise error

    _replace(monkeypatch, "COMMIT", 2, fail)
    store = await SqliteStore.open(tmp_path / "log.db")
    appends = [store.append([new_event("Noted", {"n": n})]) for n in range(10)]
    told = await asyncio.gather(*appends, return_exceptions=True)
    assert [type(one) for one in told] == [Receipt] * 5 + [UnknownOutcome] * 5
    with pytest.raises(StoreFenced):
        await store.append([new_event("Noted", {})])
    await store.aclose()
    monkeypatch.undo()
    store = await SqliteStore.open(tmp_path / "log.db")
    try:
        assert await store.head() == (10 if after else 5)
    finally:
        await store.aclose()


async def test_a_commit_without_room_refuses_its_half_and_no_more(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Nothing of it is stored, and nobody is told otherwise; the next append finds room."""

    def fail(connection: Any) -> None:
        raise apsw.FullError("made to fail")

    _replace(monkeypatch, "COMMIT", 2, fail)
    store = await SqliteStore.open(tmp_path / "log.db")
    try:
        told = await asyncio.gather(*_nine_and_a_refused(store), return_exceptions=True)
        assert [type(one) for one in told] == [Receipt] * 5 + [StoreUnavailable] * 4 + [Conflict]
        assert await store.head() == 5
        assert (await store.append([new_event("Noted", {})])).position == 6
    finally:
        await store.aclose()


async def test_what_was_refused_before_its_commit_failed_is_known(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It was not to be stored, whatever became of the others."""

    def fail(connection: Any) -> None:
        raise apsw.IOError("made to fail")

    _replace(monkeypatch, "COMMIT", 2, fail)
    store = await SqliteStore.open(tmp_path / "log.db")
    try:
        told = await asyncio.gather(*_nine_and_a_refused(store), return_exceptions=True)
        assert [type(one) for one in told] == [Receipt] * 5 + [UnknownOutcome] * 4 + [Conflict]
    finally:
        await store.aclose()


@pytest.mark.parametrize("harm", ["the disk", "the end of the transaction"])
async def test_a_write_that_fails_in_the_disk_is_the_last(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, harm: str
) -> None:
    """Also before its commit, and also where what was begun cannot be taken back; reading goes on."""

    def fail(connection: Any) -> None:
        raise apsw.IOError("made to fail")

    def fail_otherwise(connection: Any) -> None:
        raise apsw.SQLError("made to fail")

    if harm == "the disk":
        _replace(monkeypatch, writing._SQL["last_event"], 2, fail)
    else:
        _replace(monkeypatch, "ROLLBACK", 1, fail_otherwise)
        _replace(monkeypatch, writing._SQL["last_event"], 2, fail_otherwise)
    store = await SqliteStore.open(tmp_path / "log.db")
    try:
        await store.append([new_event("Noted", {})])
        with pytest.raises(StoreUnavailable):
            await store.append([new_event("Noted", {})])
        with pytest.raises(StoreFenced):
            await store.append([new_event("Noted", {})])
        assert await store.head() == 1
    finally:
        await store.aclose()


def _nine_and_a_refused(store: SqliteStore) -> list[Coroutine[Any, Any, Receipt]]:
    appends = [store.append([new_event("Noted", {"n": n})]) for n in range(9)]
    return [*appends, store.append([new_event("Noted", {})], condition=AppendCondition(Query.of(types=["Noted"])))]


@pytest.mark.parametrize(("sql", "meanwhile"), [("COMMIT", 1000), ("BEGIN IMMEDIATE", 0)])
async def test_one_half_is_told_while_the_other_is_stored(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, sql: str, meanwhile: int
) -> None:
    """Before its commit; and before anything where so many events are to be planned that it would take long."""
    monkeypatch.setattr(writing, "MOST_MEANWHILE", meanwhile)
    told, in_time = threading.Event(), []

    def wait(connection: Any) -> None:
        in_time.append(told.wait(10))
        connection.execute(sql)

    _replace(monkeypatch, sql, 2, wait)
    store = await SqliteStore.open(tmp_path / "log.db")
    try:
        appends = [asyncio.create_task(store.append([new_event("Noted", {"n": n})])) for n in range(4)]
        appends[0].add_done_callback(lambda _: told.set())
        await asyncio.gather(*appends)
        assert in_time == [True]
    finally:
        await store.aclose()


async def test_one_half_is_told_while_the_other_waits_for_another_process(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """However long that one has the file."""
    told, in_time = threading.Event(), []

    def be_busy(connection: Any) -> None:
        raise apsw.BusyError("another process writes")

    def wait(connection: Any) -> None:
        in_time.append(told.wait(10))
        connection.execute("BEGIN IMMEDIATE")

    _replace(monkeypatch, "BEGIN IMMEDIATE", 2, be_busy)
    _replace(monkeypatch, "BEGIN IMMEDIATE", 3, wait)
    store = await SqliteStore.open(tmp_path / "log.db")
    try:
        appends = [asyncio.create_task(store.append([new_event("Noted", {"n": n})])) for n in range(4)]
        appends[0].add_done_callback(lambda _: told.set())
        await asyncio.gather(*appends)
        assert in_time == [True]
    finally:
        await store.aclose()
