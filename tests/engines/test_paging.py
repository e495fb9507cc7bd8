"""Contents of the log: read ahead of whoever asks, and in slices that are never too large to join."""

import asyncio
from pathlib import Path

import apsw
import pytest

from storied.engines.sqlite import paging, tagging
from storied.engines.sqlite.paging import LogConnection
from storied.engines.sqlite.store import SqliteStore
from storied.errors import StoreCorrupt, StoriedError
from storied.store.codec import new_event
from storied.store.query import Query
from storied.store.reading import Contents, Span
from storied.store.records import NewEvent
from tests.commands.bank import Account, Deposited, bank


async def _grow(store: SqliteStore, sizes: list[int]) -> None:
    await store.append([new_event("Noted", {"text": "x" * size}, tags=("note:1",)) for size in sizes])


@pytest.mark.parametrize("query", [Query(), Query.of(tags=["note:1"])], ids=["everything", "a stream"])
async def test_what_is_appended_between_two_pages_is_in_the_second(tmp_path: Path, query: Query) -> None:
    """Half a page read ahead is no page: more may come before it is asked for."""
    store = await SqliteStore.open(tmp_path / "log.db")
    try:
        await _grow(store, [1] * 4)
        seen: list[int] = []
        async for page in store.read(query).contents(3):
            seen += page.positions
            if len(seen) == 3:
                await store.head()  # by then half a page was read ahead
                await _grow(store, [1] * 2)
        assert seen == [1, 2, 3, 4, 5, 6]
    finally:
        await store.aclose()


async def test_a_page_read_ahead_serves_once_and_only_the_question_it_was_read_for(tmp_path: Path) -> None:
    """Two readers in turns, on one lane."""
    store = await SqliteStore.open(tmp_path / "log.db")
    try:
        await _grow(store, [1] * 8)
        one = store.read().contents(2)
        other = store.read(Query.of(tags=["note:1"]), after=1).contents(2)
        seen: dict[str, list[int]] = {"one": [], "other": []}
        for _ in range(3):
            seen["one"] += (await anext(one)).positions
            await store.head()
            seen["other"] += (await anext(other)).positions
            await store.head()
        assert seen == {"one": [1, 2, 3, 4, 5, 6], "other": [2, 3, 4, 5, 6, 7]}
    finally:
        await store.aclose()


async def test_a_slice_too_large_to_join_is_read_in_smaller_ones(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Small events say nothing of how large the next are."""
    monkeypatch.setattr(paging, "MOST_BYTES", 5000)
    store = await SqliteStore.open(tmp_path / "log.db")
    sizes = [10] * 40 + [4000] * 10 + [10] * 40
    try:
        await _grow(store, sizes)
        pages = [page async for page in store.read().contents()]
        assert [len(text) - len('{"text":""}') for page in pages for text in page.payloads] == sizes
        backwards = [page async for page in store.read(backwards=True).contents(7)]
        assert [position for page in backwards for position in page.positions] == list(range(len(sizes), 0, -1))
    finally:
        await store.aclose()


@pytest.mark.parametrize("short", [tagging.SHORT, 0], ids=["short log", "long log"])
async def test_streams_read_together_keep_to_their_spans(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, short: int
) -> None:
    """Each begins, ends and stops where it was asked to."""
    monkeypatch.setattr(tagging, "SHORT", short)
    monkeypatch.setattr(tagging, "FEWEST", 3)  # so that some tags are in the index, and some are not
    store = await SqliteStore.open(tmp_path / "log.db")
    try:
        for number in range(12):
            await store.append(_note(number % 2))
        asked = [(0, Span(3, limit=3)), (1, Span(4, 9, limit=3)), (0, Span(limit=3)), (1, Span(12, limit=3))]
        pages = await asyncio.gather(*(store.contents(Query.of(tags=[f"note:{n}"]), span) for n, span in asked))
        assert [page.positions for page in pages] == [[5, 7, 9], [6, 8], [1, 3, 5], []]
        assert [page.through for page in pages] == [9, 9, 5, 12]
    finally:
        await store.aclose()


async def test_streams_too_large_to_be_read_together_are_read_alone(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Twenty callers at once, each with a stream that fits, and together they do not."""
    monkeypatch.setattr(paging, "MOST_BYTES", 5000)
    store = await SqliteStore.open(tmp_path / "log.db")
    try:
        for number in range(20):
            await store.append(_note(number))
        queries = [Query.of(tags=[f"note:{number}"]) for number in range(20)]
        pages = await asyncio.gather(*(store.contents(query, Span(limit=256)) for query in queries))
        assert [page.positions for page in pages] == [[number + 1] for number in range(20)]
    finally:
        await store.aclose()


@pytest.mark.parametrize(
    ("change", "error"),
    [
        ("data = data || char(29) || char(31)", StoreCorrupt),
        ("data = CAST(x'7b22ff227d' AS TEXT)", StoreCorrupt),
        ("data = NULL", StoreCorrupt),
        ("type = NULL", StoreCorrupt),
        ("version = NULL", StoreCorrupt),
    ],
)
async def test_a_damaged_stream_fails_alone(tmp_path: Path, change: str, error: type[Exception]) -> None:
    """Whoever asked for another stream at the same time gets it, and nobody gets a stream without the event."""
    store = await SqliteStore.open(tmp_path / "log.db")
    try:
        for number in range(3):
            await store.append(_note(number))
        _damage(tmp_path / "log.db", change, 2)
        queries = [Query.of(tags=[f"note:{number}"]) for number in range(3)]
        found = await asyncio.gather(
            *(store.contents(query, Span(limit=1000)) for query in queries), return_exceptions=True
        )
        assert [isinstance(page, Contents) for page in found] == [True, False, True]
        assert isinstance(found[1], error)
        with pytest.raises(error):
            await store.contents(queries[1], Span(limit=1000))
    finally:
        await store.aclose()


@pytest.mark.parametrize("change", ["data = NULL", "type = x'4465706f7369746564'", "version = NULL"])
@pytest.mark.parametrize("together", [1, 3])
@pytest.mark.parametrize("short", [tagging.SHORT, 0], ids=["short log", "long log"])
async def test_a_damaged_event_is_never_passed_over(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, change: str, together: int, short: int
) -> None:
    """However many entities are loaded at once: what is missing an event would be decided on wrongly."""
    monkeypatch.setattr(tagging, "SHORT", short)
    async with bank.open(f"sqlite:///{tmp_path}/log.db", views=False) as shop:
        for number in range(3):
            await shop.record(Deposited(account=f"a{number}", amount=5))
        _damage(tmp_path / "log.db", change, 1)
        loads = (shop.state(Account, f"a{number}") for number in range(together))
        first, *others = await asyncio.gather(*loads, return_exceptions=True)
        assert isinstance(first, StoriedError) or (isinstance(first, Account) and first.balance == 5)
        good = [one for one in others if not isinstance(one, StoreCorrupt)]  # a tail has all of the newest, or nothing
        assert [one.balance for one in good if isinstance(one, Account)] == [5] * len(good)


async def test_a_type_that_is_missing_from_a_long_log_is_told(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Its tags are not in the index yet; to leave the event out of it would hide the event from every condition."""
    monkeypatch.setattr(tagging, "SHORT", 0)
    store = await SqliteStore.open(tmp_path / "log.db")
    try:
        await store.append(_note(1))
        _damage(tmp_path / "log.db", "type = NULL", 1)
        with pytest.raises(StoreCorrupt):
            await store.contents(Query.of(tags=["note:1"]), Span())
    finally:
        await store.aclose()


async def test_readers_in_turns_each_have_their_page_ahead(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Each page is read once, and one that nobody comes for is given up."""
    reads: list[Span] = []
    plain = paging._in_slices

    def counted(connection: LogConnection, query: Query, span: Span, asked: int) -> Contents:
        reads.append(span)
        return plain(connection, query, span, asked)

    monkeypatch.setattr(paging, "_in_slices", counted)
    monkeypatch.setattr(paging, "FORGOTTEN", 30)
    store = await SqliteStore.open(tmp_path / "log.db")
    try:
        await _grow(store, [1] * 21)
        readers = [store.read(query).contents(2) for query in (Query(), Query.of(types=["Noted"]))]
        for _ in range(10):
            for reader in readers:
                await anext(reader)
                await store.head()
        assert len(reads) == len(set(reads)) * 2 == 22
        reads.clear()
        left = store.read().contents(2)
        await anext(left)
        for _ in range(40):
            await store.head()
        await anext(left)
        assert [span.after for span in reads].count(2) == 2
    finally:
        await store.aclose()


async def test_damage_ahead_is_told_to_who_comes_to_it(tmp_path: Path) -> None:
    """And to nobody else: what is read ahead without being asked for says nothing."""
    store = await SqliteStore.open(tmp_path / "log.db")
    try:
        await _grow(store, [1] * 6)
        _damage(tmp_path / "log.db", "data = CAST(x'7b22ff227d' AS TEXT)", 5)
        pages = store.read().contents(2)
        assert [(await anext(pages)).positions for _ in range(2)] == [[1, 2], [3, 4]]
        assert await store.head() == 6
        with pytest.raises(StoreCorrupt):
            await anext(pages)
        assert await store.head() == 6
    finally:
        await store.aclose()


def _damage(log: Path, change: str, position: int) -> None:
    """Changes an event as no program should, beyond what its table takes."""
    connection = apsw.Connection(str(log))
    connection.execute("DROP TRIGGER event_update")
    connection.pragma("writable_schema", 1)
    connection.execute(
        "UPDATE sqlite_schema SET sql = replace(replace(sql, 'NOT NULL', ''), 'STRICT', '') WHERE name = 'event'"
    )
    connection.close()
    connection = apsw.Connection(str(log))
    connection.execute(f"UPDATE event SET {change} WHERE position = {position}")
    connection.close()


def _note(number: int) -> list[NewEvent]:
    return [new_event("Noted", {"text": "x" * 1000}, tags=(f"note:{number}",))]
