"""What a commit that goes wrong tells, in whichever half of a batch it is."""

import asyncio
from pathlib import Path
from typing import Any

import apsw
import pytest

from storied.engines.sqlite import store as engine
from storied.engines.sqlite.store import SqliteStore
from storied.engines.sqlite.writing import Writer
from storied.errors import StoreFenced, UnknownOutcome
from storied.store.codec import new_event
from storied.store.records import Receipt


class _Connection:
    """A connection whose n-th COMMIT raises, once it has been made or before."""

    def __init__(self, connection: Any, failing: int, error: BaseException, *, after: bool) -> None:
        self._connection, self._left, self._error, self._after = connection, failing, error, after

    def __getattr__(self, name: str) -> Any:
        return getattr(self._connection, name)

    def execute(self, sql: str, *given: Any) -> Any:
        """Fails when its time has come."""
        if sql == "COMMIT":
            self._left -= 1
            if self._left == 0:
                if self._after:
                    self._connection.execute(sql)
                raise self._error
        return self._connection.execute(sql, *given)


@pytest.mark.parametrize("error", [apsw.IOError("made to fail"), MemoryError(), KeyError("a bug")], ids=repr)
@pytest.mark.parametrize("after", [False, True], ids=["before", "after"])
async def test_a_commit_that_fails_is_never_told_as_a_success(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, error: BaseException, after: bool
) -> None:
    """The half before it is told its receipts, its own half that nothing is known; and nothing more is written."""
    monkeypatch.setattr(engine, "HALVED_APPENDS", 2)
    plain = Writer.__init__

    def prepared(writer: Writer, connection: Any, *given: Any) -> None:
        plain(writer, connection, *given)
        writer.connection = _Connection(connection, 2, error, after=after)  # type: ignore[assignment]  # all of it

    monkeypatch.setattr(Writer, "__init__", prepared)
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
