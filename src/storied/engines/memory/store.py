"""The event store in memory: the port's laws in their plainest form, and gone when the process ends."""

from __future__ import annotations

import asyncio
from bisect import bisect_right
from collections.abc import AsyncGenerator, Iterable, Sequence

from storied.domain.ids import new_id
from storied.domain.times import Clock, utc_now
from storied.engines.memory import auditing
from storied.engines.memory.searching import find_streams, measure
from storied.errors import StoreClosed
from storied.store.appending import (
    AppendRequest,
    Stored,
    check_append_id,
    check_fingerprint,
    checked_request,
    conflict,
    known_receipt,
    repeat_receipt,
)
from storied.store.auditing import Remembered, TagRow
from storied.store.port import Conditions
from storied.store.query import AppendCondition, Query, QueryItem
from storied.store.reading import Contents, Page, Reading, Span, Subscription, contents_of
from storied.store.records import NewEvent, Receipt, Recorded, placed, to_microseconds
from storied.store.restoring import check_restored, other_content
from storied.store.searching import LogFacts, Stream, StreamQuery, check_stream_query


class MemoryStore:
    """An `EventStore` in this process's memory. Nothing in it outlives the process."""

    def __init__(self, clock: Clock = utc_now) -> None:
        self.identity = new_id()
        self._clock = clock
        self._log: list[Recorded] = []
        self._by_tag: dict[str, list[int]] = {}
        self._by_type: dict[str, list[int]] = {}
        self._appends: dict[str, Stored] = {}
        self._waiting: set[asyncio.Future[None]] = set()
        self._closed = False

    async def append(
        self,
        events: Sequence[NewEvent],
        *,
        condition: Conditions = None,
        append_id: str | None = None,
        fingerprint: bytes | None = None,
    ) -> Receipt:
        """As the port says. There is no moment in it at which another task could come in between."""
        self._check_open()
        request = checked_request(events, condition, append_id, fingerprint)
        stored = self._appends.get(request.append_id)
        if stored is not None:
            first, last = stored.receipt.first, stored.receipt.position
            return repeat_receipt(request, stored, self._log[first - 1 : last] if stored.receipt.count else [])
        for wanted in request.conditions:
            self._check(wanted)
        return self._store(request)

    def read(
        self,
        query: Query = Query(),  # noqa: B008 - an immutable value
        *,
        after: int = 0,
        until: int | None = None,
        limit: int | None = None,
        backwards: bool = False,
    ) -> Reading:
        """As the port says."""
        return Reading(self, query, Span(after, until, backwards=backwards), limit)

    def subscribe(self, query: Query = Query(), *, after: int = 0) -> Subscription:  # noqa: B008 - an immutable value
        """As the port says."""
        return Subscription(self, query, after)

    async def head(self) -> int:
        """As the port says."""
        self._check_open()
        return len(self._log)

    async def receipt(self, append_id: str, fingerprint: bytes | None = None) -> Receipt | None:
        """As the port says."""
        self._check_open()
        check_append_id(append_id)
        check_fingerprint(fingerprint)
        return known_receipt(append_id, self._appends.get(append_id), fingerprint)

    async def aclose(self) -> None:
        """As the port says."""
        self._closed = True
        self._wake()

    async def page(self, query: Query, span: Span) -> Page:
        """One page, as `PageSource` says."""
        self._check_open()
        head = len(self._log)
        until = head if span.until is None else min(span.until, head)
        positions = self._positions(query, span.after, until)
        if span.backwards:
            chosen = positions[::-1][: span.limit]
            full = len(chosen) == span.limit and span.limit > 0
            return Page(self._at(chosen), chosen[-1] - 1 if full else span.after)
        chosen = positions[: span.limit]
        full = len(chosen) == span.limit and span.limit > 0
        return Page(self._at(chosen), chosen[-1] if full else max(until, span.after))

    async def contents(self, query: Query, span: Span) -> Contents:
        """As `PageSource` says."""
        return contents_of(await self.page(query, span))

    async def changed(self, position: int) -> None:
        """As `PageSource` says."""
        self._check_open()
        while len(self._log) <= position:
            waiter = asyncio.get_running_loop().create_future()
            self._waiting.add(waiter)
            try:
                await waiter
            finally:
                self._waiting.discard(waiter)
            self._check_open()

    async def streams(self, wanted: StreamQuery = StreamQuery()) -> list[Stream]:  # noqa: B008 - an immutable value
        """As `StreamSearch` says."""
        check_stream_query(wanted)
        self._check_open()
        return find_streams(self._log, self._by_tag, wanted)

    async def measure(self) -> LogFacts:
        """As `StreamSearch` says."""
        self._check_open()
        return measure(self._log, self._by_type)

    async def structure(self) -> list[str]:
        """As `Auditable` says."""
        return []

    async def unindexed(self, rows: Sequence[TagRow]) -> list[TagRow]:
        """As `Auditable` says."""
        return auditing.unindexed(self._by_tag, rows)

    async def count_rows(self, until: int) -> int:
        """As `Auditable` says."""
        return sum(bisect_right(positions, until) for positions in self._by_tag.values())

    async def strays(self, until: int) -> AsyncGenerator[TagRow, None]:
        """As `Auditable` says."""
        for row in auditing.strays(self._log, self._by_tag, until):
            yield row

    async def remembered(self, until: int, after: int = -1) -> AsyncGenerator[Remembered, None]:
        """As `Auditable` says."""
        for each in auditing.remembered(self._appends, until, after):
            yield each

    async def adopt(self, identity: str) -> None:
        """As `Restorable` says."""
        self._check_open()
        if identity != self.identity and (self._log or self._appends):
            raise other_content(f"it is {self.identity}, not {identity}")
        self.identity = identity

    async def restore(self, records: Sequence[Recorded], appends: Sequence[Stored]) -> None:
        """As `Restorable` says."""
        self._check_open()
        latest = self._log[-1].recorded_us if self._log else -(2**63)
        new = check_restored(len(self._log), latest, records, appends, self._appends)
        for record in records:
            self._add(record, tuple(dict.fromkeys(record.tags)))
        self._appends.update({stored.receipt.append_id: stored for stored in new})
        self._wake()

    def _check_open(self) -> None:
        if self._closed:
            raise StoreClosed

    def _check(self, condition: AppendCondition) -> None:
        beyond = self._positions(condition.query, condition.after, len(self._log))
        if beyond:
            raise conflict(condition, self._log[beyond[0] - 1])

    def _store(self, request: AppendRequest) -> Receipt:
        last = self._log[-1].recorded_us if self._log else 0
        recorded_us = max(to_microseconds(self._clock()), last)
        for event in request.events:
            self._add(placed(event, len(self._log) + 1, recorded_us), event.tags)
        position, count = len(self._log), len(request.events)
        self._appends[request.append_id] = Stored(Receipt(request.append_id, position, count), request.fingerprint)
        self._wake()
        return Receipt(request.append_id, position, count, new=True)

    def _add(self, record: Recorded, tags: tuple[str, ...]) -> None:
        self._log.append(record)
        self._by_type.setdefault(record.type, []).append(record.position)
        for tag in tags:
            self._by_tag.setdefault(tag, []).append(record.position)

    def _positions(self, query: Query, after: int, until: int) -> Sequence[int]:
        """The matching positions with ``after < position <= until``, ascending."""
        if query.all:
            return range(after + 1, until + 1)
        if len(query.items) == 1:
            return self._item_positions(query.items[0], after, until)
        return sorted({p for item in query.items for p in self._item_positions(item, after, until)})

    def _item_positions(self, item: QueryItem, after: int, until: int) -> list[int]:
        if item.tags:
            shortest = min((self._by_tag.get(tag, []) for tag in item.tags), key=len)
            return [
                p
                for p in _between(shortest, after, until)
                if item.matches(self._log[p - 1].type, self._log[p - 1].tags)
            ]
        found = [p for name in item.types for p in _between(self._by_type.get(name, []), after, until)]
        return sorted(found) if len(item.types) > 1 else found

    def _at(self, positions: Iterable[int]) -> list[Recorded]:
        return [self._log[position - 1] for position in positions]

    def _wake(self) -> None:
        for waiter in self._waiting:
            if not waiter.done():
                waiter.set_result(None)


def _between(positions: list[int], after: int, until: int) -> list[int]:
    return positions[bisect_right(positions, after) : bisect_right(positions, until)]
