"""The tag index of a SQLite log, complete up to a mark: whatever is moved when, every handle finds every event."""

import asyncio
import shutil
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import apsw
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from storied.engines.memory.store import MemoryStore
from storied.engines.sqlite import tagging
from storied.engines.sqlite.store import SqliteStore
from storied.engines.sqlite.writing import Batch
from storied.errors import Conflict, StoriedError
from storied.store.query import AppendCondition, Query, QueryItem
from storied.store.searching import StreamQuery
from storied.testing.contract.specimens import event, events

TAGS = [f"a:{n}" for n in range(4)] + [f"b:{n}" for n in range(3)]
QUERIES = [
    Query.of(tags=["a:1"]),
    Query.of(tags=["a:1", "b:1"]),
    Query.of(types=["X"], tags=["b:2"]),
    Query(tuple(QueryItem(("X", "Y"), (tag,)) for tag in TAGS)),
    Query((QueryItem(("Y",)), QueryItem((), ("a:0", "b:0")))),
]
STEPS = st.lists(
    st.tuples(
        st.integers(0, 1),  # by which handle
        st.sampled_from(["X", "Y"]),
        st.lists(st.sampled_from(TAGS), max_size=3, unique=True),
        st.integers(0, 6),  # how far back the condition's `after` lies
        st.sampled_from([None, *QUERIES]),
        st.booleans(),  # whether its transaction fails at the end
    ),
    min_size=5,
    max_size=40,
)


@pytest.fixture(autouse=True)
def _short_tail(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(tagging, "SHORT", 0)
    monkeypatch.setattr(tagging, "FEWEST", 4)
    monkeypatch.setattr(tagging, "PACE", 1)


async def outcome(store: Any, new: Any, condition: AppendCondition | None) -> object:
    """The position stored at, or what was refused."""
    try:
        return (await store.append([new], condition=condition)).position
    except Conflict as error:
        return error.position


async def test_two_handles_and_failing_transactions_find_every_event(monkeypatch: pytest.MonkeyPatch) -> None:
    """Conditions, readings and streams are those of the memory engine, whichever of the two appends."""
    plain = Batch.insert

    class FailedError(StoriedError):
        """Stands for whatever may go wrong before the commit."""

    async def check(steps: list[Any]) -> None:
        with TemporaryDirectory() as folder:
            handles = [await SqliteStore.open(Path(folder) / "log.db") for _ in range(2)]
            model = MemoryStore()
            for which, name, tags, back, query, fails in steps:
                new = event(name, *tags)
                if fails:
                    monkeypatch.setattr(Batch, "insert", _failing(plain, FailedError("made to fail")))
                    with pytest.raises(StoriedError):
                        await handles[which].append([new])
                    monkeypatch.setattr(Batch, "insert", plain)
                    continue
                after = max(0, await model.head() - back)
                condition = None if query is None else AppendCondition(query, after)
                assert await outcome(handles[which], new, condition) == await outcome(model, new, condition)
                asked = QUERIES[(after + back) % len(QUERIES)]
                expected = [r.position for r in await model.read(asked, after=after // 2).list()]
                for handle in handles:
                    assert [r.position for r in await handle.read(asked, after=after // 2).list()] == expected
            by_name = StreamQuery()
            for handle in handles:
                assert [s.tag for s in await handle.streams(by_name)] == [s.tag for s in await model.streams(by_name)]
                assert await handle.count_rows(2**62) == await model.count_rows(2**62)
                await handle.aclose()
            await model.aclose()

    @settings(max_examples=60, deadline=None)
    @given(STEPS)
    def run(steps: list[Any]) -> None:
        asyncio.run(check(steps))

    await asyncio.to_thread(run)


def _failing(plain: Any, error: Exception) -> Any:
    def insert(batch: Batch) -> None:
        plain(batch)
        raise error

    return insert


@pytest.mark.parametrize("count", range(1, 24))
async def test_a_file_left_in_the_middle_is_whole(tmp_path: Path, count: int) -> None:
    """However far the moving was when the process died, the next one finds each event once, under each of its tags."""
    store = await SqliteStore.open(tmp_path / "log.db")
    for number in range(count):
        await store.append(events(1, "Noted", f"order:{count - number}", f"day:{number % 3}"))
    for name in ("log.db", "log.db-wal"):  # as a crash leaves them
        shutil.copy(tmp_path / name, tmp_path / f"left-{name}")
    await store.aclose()
    again = await SqliteStore.open(tmp_path / "left-log.db")
    for day in range(3):
        found = await again.read(Query.of(tags=[f"day:{day}"])).list()
        assert [r.position - 1 for r in found] == list(range(day, count, 3))
    await again.aclose()
    connection = apsw.Connection(str(tmp_path / "left-log.db"))
    assert connection.execute("SELECT count(*) FROM tag_entry").get == 2 * count  # closing has entered the rest
    connection.close()


async def test_what_gathers_is_bounded_in_entries(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Appends of very many tags do not leave so many unmoved that whoever opens the file next waits long for them."""
    monkeypatch.setattr(tagging, "MOST", 50)
    store = await SqliteStore.open(tmp_path / "log.db")
    await store.append([event("Noted", *[f"k{n}:{m}" for n in range(300)]) for m in range(10)])
    connection = apsw.Connection(str(tmp_path / "log.db"))
    left = "SELECT count(*) FROM event WHERE position > (SELECT position FROM indexed)"
    for _ in range(60):
        await store.append([event("Noted", "a:1")])
    assert connection.execute(left).get < 60
    connection.close()
    await store.aclose()


async def test_a_refused_append_writes_nothing(tmp_path: Path) -> None:
    """While entries are being moved, too, a conflict leaves the index as it is."""
    store = await SqliteStore.open(tmp_path / "log.db")
    for number in range(6):
        await store.append(events(1, "Noted", f"order:{number}", f"day:{number}"))
    connection = apsw.Connection(str(tmp_path / "log.db"))
    before = connection.execute("SELECT count(*) FROM tag_entry").get
    for _ in range(3):
        with pytest.raises(Conflict):
            await store.append(events(1), condition=AppendCondition(Query.of(tags=["order:1"]), 0))
    assert connection.execute("SELECT count(*) FROM tag_entry").get == before
    connection.close()
    await store.aclose()


async def test_a_short_log_enters_tags_at_once(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Its index is complete after each commit; when the log has grown long, entries begin to gather."""
    monkeypatch.setattr(tagging, "SHORT", 5)
    store = await SqliteStore.open(tmp_path / "log.db")
    connection = apsw.Connection(str(tmp_path / "log.db"))
    marks = []
    for _ in range(8):
        await store.append(events(1, "Noted", "order:1"))
        marks.append(connection.execute("SELECT position FROM indexed").get)
    assert marks == [1, 2, 3, 4, 5, 5, 5, 5]
    assert [r.position for r in await store.read(Query.of(tags=["order:1"])).list()] == [1, 2, 3, 4, 5, 6, 7, 8]
    connection.close()
    await store.aclose()


async def test_another_program_finds_everything_in_the_view(tmp_path: Path) -> None:
    """Plain SQL over `tagged` knows the newest events, too, while the store is open."""
    store = await SqliteStore.open(tmp_path / "log.db")
    await store.append(events(3, "Noted", "order:o-1"))
    connection = apsw.Connection(str(tmp_path / "log.db"))
    rows = connection.execute("SELECT position, type FROM tagged WHERE tag = 'order:o-1' ORDER BY 1").fetchall()
    assert rows == [(1, "Noted"), (2, "Noted"), (3, "Noted")]
    connection.close()
    await store.aclose()
