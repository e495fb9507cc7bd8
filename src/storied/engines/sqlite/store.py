"""The event store on one SQLite file: a writing lane, a reading lane, and a waiting room for new events."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, Callable, Mapping, Sequence
from pathlib import Path
from typing import Any, TypeVar
from zlib import crc32

import apsw

from storied.domain.ids import new_id
from storied.domain.times import Clock, utc_now
from storied.engines.sqlite import auditing, restoring
from storied.engines.sqlite.connection import (
    APPLICATION_ID,
    Synchronous,
    closed_on_failure,
    has_table,
    make_schema,
    open_reader,
    open_writer,
    sync_recovered,
    transaction,
    unavailable,
)
from storied.engines.sqlite.gathering import ContentsRead, run_reads
from storied.engines.sqlite.lane import Lane
from storied.engines.sqlite.paging import LogConnection, Read, read_ahead, read_page
from storied.engines.sqlite.presence import Whereabouts
from storied.engines.sqlite.room import check_room, check_turn, seems_full
from storied.engines.sqlite.searching import find_streams, measure
from storied.engines.sqlite.statements import statements
from storied.engines.sqlite.tagging import put_mark
from storied.engines.sqlite.waiting import WaitingRoom
from storied.engines.sqlite.writing import Writer, find_append
from storied.errors import StoreCorrupt, StoreUnavailable
from storied.store.appending import (
    AppendRequest,
    Stored,
    check_append_id,
    check_fingerprint,
    checked_request,
    known_receipt,
)
from storied.store.auditing import Remembered, TagRow
from storied.store.port import Conditions
from storied.store.query import Query
from storied.store.reading import Contents, Page, Reading, Span, Subscription
from storied.store.records import NewEvent, Receipt, Recorded
from storied.store.searching import LogFacts, Stream, StreamQuery, check_stream_query

HALVED_APPENDS, HALVED_READS = 48, 16
"""Jobs from which a lane takes a batch in halves: for fewer, two syncs or statements cost more than they gain."""
FORMAT = 2
"""The version of the file's layout. Files of format 1 are brought to it when they are opened."""

_SQL = statements("log.sql")
T = TypeVar("T")


class SqliteStore:
    """An `EventStore` in a SQLite file; several processes may have it open. Made by `SqliteStore.open`."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.identity = ""
        self._writer: Lane[Writer, AppendRequest] = Lane(
            f"storied-writer-{path.name}", Writer.run, _close_writer, halved=HALVED_APPENDS
        )
        self._reader: Lane[LogConnection, Read] = Lane(
            f"storied-reader-{path.name}",
            lambda connection, batch: run_reads(connection, batch, self._reader.release),
            LogConnection.close,
            halved=HALVED_READS,
            idle=read_ahead,
        )
        self._room = WaitingRoom(self.head)
        self._place: Whereabouts | None = None

    @classmethod
    async def open(
        cls,
        path: Path,
        *,
        synchronous: Synchronous = "full",
        network: bool = False,
        make: bool = True,
        clock: Clock = utc_now,
    ) -> SqliteStore:
        """The store in the file at *path*, which is made when it is absent, unless *make* is false.

        With ``synchronous="normal"`` the last appends may be lost in a power cut although they were acknowledged.
        A network file system is refused, unless *network* allows it.
        Raises `StoreUnavailable`; its code says why.
        """
        store = cls(path)

        def start_writing() -> Writer:
            connection = open_writer(path, synchronous, APPLICATION_ID, network=network, make=make)
            with closed_on_failure(connection, path):
                store.identity = _prepare(connection, path)
                sync_recovered(connection)
            return Writer(connection, path, clock, store._writer.release)

        await store._writer.start(start_writing)
        try:
            await store._reader.start(lambda: open_reader(path, LogConnection))
        except BaseException:
            await store._writer.aclose()
            raise
        store._place = Whereabouts(path)
        return store

    async def append(
        self,
        events: Sequence[NewEvent],
        *,
        condition: Conditions = None,
        append_id: str | None = None,
        fingerprint: bytes | None = None,
    ) -> Receipt:
        """As the port says; appends of many tasks share one commit."""
        self._writer.check_open()
        receipt: Receipt = await self._writer.submit(checked_request(events, condition, append_id, fingerprint))
        self._room.head_is(receipt.position)
        return receipt

    def read(
        self,
        query: Query = Query(),  # noqa: B008 - an immutable value
        *,
        after: int = 0,
        until: int | None = None,
        limit: int | None = None,
        backwards: bool = False,
    ) -> Reading:
        """As the port says; no read transaction is open between two pages."""
        return Reading(self, query, Span(after, until, backwards=backwards), limit)

    def subscribe(self, query: Query = Query(), *, after: int = 0) -> Subscription:  # noqa: B008 - an immutable value
        """As the port says; events of other processes are noticed within some 20 ms."""
        return Subscription(self, query, after)

    async def head(self) -> int:
        """As the port says."""
        return await self._read(LogConnection.head)

    async def receipt(self, append_id: str, fingerprint: bytes | None = None) -> Receipt | None:
        """As the port says."""
        self._writer.check_open()
        check_append_id(append_id)
        check_fingerprint(fingerprint)
        stored = await self._read(lambda connection: find_append(connection, append_id))
        return known_receipt(append_id, stored, fingerprint)

    async def streams(self, wanted: StreamQuery = StreamQuery()) -> list[Stream]:  # noqa: B008 - an immutable value
        """As `StreamSearch` says."""
        check_stream_query(wanted)
        return await find_streams(self._read_tagged, wanted)

    async def measure(self) -> LogFacts:
        """As `StreamSearch` says."""
        return await measure(self._read, await self.head(), self.path)

    async def structure(self) -> list[str]:
        """As `Auditable` says."""
        return await auditing.structure(self.path)

    async def unindexed(self, rows: Sequence[TagRow]) -> list[TagRow]:
        """As `Auditable` says."""
        return await self._read(lambda connection: auditing.unindexed(connection, rows))

    async def count_rows(self, until: int) -> int:
        """As `Auditable` says."""
        return await auditing.count_rows(self.path, until)

    def strays(self, until: int) -> AsyncGenerator[TagRow, None]:
        """As `Auditable` says."""
        return auditing.strays(self._read, until)

    def remembered(self, until: int, after: int = -1) -> AsyncGenerator[Remembered, None]:
        """As `Auditable` says."""
        return auditing.remembered(self.path, until, after)

    def seems_full(self) -> bool:
        """As `Roomy` says."""
        return seems_full(self.path)

    async def check_room(self) -> None:
        """As `Roomy` says."""
        self._writer.check_open()
        await asyncio.to_thread(check_room, self.path)

    async def check_turn(self) -> None:
        """As `Roomy` says."""
        self._writer.check_open()
        await asyncio.to_thread(check_turn, self.path)

    def check_place(self) -> None:
        """As `Placed` says."""
        if self._place is not None:
            self._place.check()

    async def adopt(self, identity: str) -> None:
        """As `Restorable` says."""
        self._writer.check_open()
        await restoring.adopt(self.path, identity, facts_checksum)
        self.identity = identity

    async def restore(self, records: Sequence[Recorded], appends: Sequence[Stored]) -> None:
        """As `Restorable` says; synced whatever the store's own setting."""
        self._writer.check_open()
        self._room.head_is(await restoring.restore(self.path, records, appends))

    async def aclose(self) -> None:
        """As the port says; one that is cancelled goes on by itself."""
        self._writer.close()
        self._reader.close()
        self._room.close()
        await self._writer.aclose()
        await self._reader.aclose()

    async def page(self, query: Query, span: Span) -> Page:
        """One page, as `PageSource` says."""
        return await self._read(lambda connection: read_page(connection, query, span))

    async def contents(self, query: Query, span: Span) -> Contents:
        """As `PageSource` says."""
        return await self._read(ContentsRead(query, span))

    async def changed(self, position: int) -> None:
        """As `PageSource` says."""
        await self._room.beyond(position)

    async def _read_tagged(self, work: Callable[[LogConnection], T]) -> T:
        """What *work* returns, with the tag index whole on the connection."""

        def read(connection: LogConnection) -> T:
            connection.tagged(overview=True)
            return work(connection)

        return await self._read(read)

    async def _read(self, work: Callable[[LogConnection], T]) -> T:
        try:
            result: T = await self._reader.submit(work)
        except (apsw.Error, UnicodeDecodeError) as error:
            raise unavailable(self.path, error) from error
        return result


def _close_writer(writer: Writer) -> None:
    writer.close()


def _prepare(connection: apsw.Connection, path: Path) -> str:
    """Makes the schema when the file is new; the log's identity.

    Raises `StoreUnavailable` for a file that a newer storied wrote, and `StoreCorrupt` for one whose own description
    is damaged.
    """
    facts = _facts(connection, path)
    if facts.get("format") != FORMAT:
        facts = _make_facts(connection, path)
    if facts.get("checksum") != facts_checksum(facts):
        raise StoreCorrupt(f"{path} is damaged where it says which log it is. Restore a backup beside it and compare.")
    if connection.execute(_SQL["count_tables"]).get < 4:
        raise StoreCorrupt(f"{path} lacks a part of the log. Restore a backup beside it and compare.")
    return str(facts["identity"])


def _facts(connection: apsw.Connection, path: Path) -> dict[str, Any]:
    """What the file says about itself, read without a lock that a busy writer holds; empty when it is new."""
    if not has_table(connection, "store"):
        return {}
    rows: Any = connection.execute(_SQL["facts"])
    facts: dict[str, Any] = dict(rows)
    if facts.get("format", FORMAT) not in range(1, FORMAT + 1):
        raise StoreUnavailable(
            f"{path} has format {facts['format']}, and this storied knows format {FORMAT}. Nothing was changed. "
            "Upgrade storied, or open the file with the version that wrote it.",
            code="newer-store",
        )
    return facts


def _make_facts(connection: apsw.Connection, path: Path) -> dict[str, Any]:
    """Makes what the file lacks, unless another process has just done so; what it says about itself then."""
    make_schema(connection, _SQL["schema"], "store", APPLICATION_ID)
    with transaction(connection):
        facts = _facts(connection, path)
        if facts.get("format") == FORMAT:
            return facts
        if "checksum" in facts and facts["checksum"] != facts_checksum(facts):
            return facts  # damaged: whoever asked will say so
        if not _has_checksums(connection):
            connection.execute(_SQL["add_checksum"])
        connection.execute(_SQL["add_mark"])
        put_mark(connection, connection.execute(_SQL["ends"]).get[0])
        facts = {"identity": new_id(), **facts, "format": FORMAT}
        facts["checksum"] = facts_checksum(facts)
        connection.executemany(_SQL["put_facts"], list(facts.items()))
    return facts


def facts_checksum(facts: Mapping[str, object]) -> int:
    """CRC-32 of what a file says about itself, beside the checksum."""
    said = sorted(repr(fact) for fact in facts.items() if fact[0] != "checksum")
    return crc32("\n".join(said).encode())


def _has_checksums(connection: apsw.Connection) -> bool:
    return any(column[0] == "checksum" for column in connection.execute("SELECT name FROM pragma_table_info('append')"))
