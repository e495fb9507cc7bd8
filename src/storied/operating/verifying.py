"""Verifying a log: every event is read and held against its digest, its index, and what is remembered of its append.

It works on a log that others write to: it looks at what was there when it began. Memory stays flat.
"""

from __future__ import annotations

from contextlib import aclosing

import msgspec

from storied.domain.views import View
from storied.errors import StoreCorrupt, StoreUnavailable
from storied.operating.comparing import compare_views
from storied.operating.faults import Fault, Faults, Kind
from storied.operating.records import AppendChecker, EventChecker, is_readable, missing_positions
from storied.operating.walking import Progress, characters_in, next_size, no_progress
from storied.store.auditing import AuditableStore, TagRow
from storied.store.documents import Documents
from storied.store.records import Recorded


class Verified(msgspec.Struct, frozen=True):
    """What a check found: how much it looked at, `counts` of faults by kind, the first, and up to 100 in full."""

    identity: str
    head: int
    events: int
    tags: int
    appends: int
    counts: dict[Kind, int]
    first: Fault | None
    faults: tuple[Fault, ...]
    views: dict[str, str] = {}
    """What was looked at of each view, in words."""
    opens: bool = True
    """Whether the file can be opened at all; otherwise `head` is how far it can be read."""

    @property
    def ok(self) -> bool:
        """Whether there is nothing wrong."""
        return not self.counts

    @property
    def sound(self) -> int:
        """The position up to which nothing is wrong with the log, as far as faults have positions."""
        first = self.first
        return self.head if first is None or first.position is None or first.kind == "view" else first.position - 1


class ViewsToVerify(msgspec.Struct, frozen=True):
    """Views that are to be held against the log, and where their documents are."""

    views: tuple[type[View], ...]
    documents: Documents


async def verify(
    store: AuditableStore, progress: Progress = no_progress, *, views: ViewsToVerify | None = None
) -> Verified:
    """What is wrong with the log up to its head of this moment, and with the *views* made from it.

    Raises `StoreError` when the log cannot be asked at all.
    """
    head = await store.head()
    faults = Faults()
    walk = _Walk(store, faults, head, progress)
    events, tags = await walk.events()
    await walk.tag_index(tags)
    appends = await walk.appends()
    await walk.lost_end()
    progress("file", 0, None)
    for sentence in await store.structure():
        faults.add("file", sentence)
    looked = await compare_views(views.views, store, views.documents, faults, progress) if views else {}
    kept = tuple(faults.kept)
    return Verified(store.identity, head, events, tags, appends, faults.counts, faults.first, kept, looked)


class _Walk:
    """One pass over everything that a log keeps."""

    def __init__(self, store: AuditableStore, faults: Faults, head: int, progress: Progress) -> None:
        self._store, self._faults, self._head, self._progress = store, faults, head, progress

    async def events(self) -> tuple[int, int]:
        """How many events could be read, and how many entries of the tag index they ask for."""
        checker = EventChecker(self._faults)
        after, size, events, tags = 0, 64, 0, 0
        while after < self._head:
            until = min(after + size, self._head)
            records = await self._read(after, until)
            rows = [row for record in records for row in checker.check(record)]
            await self._look_up(rows)
            events, tags = events + len(records), tags + len(rows)
            size = next_size(size, characters_in(records))
            after = until
            self._progress("events", after, self._head)
        return events, tags

    async def tag_index(self, expected: int) -> None:
        """Looks for entries that no event asks for, unless there are just as many as there have to be."""
        self._progress("tag index", 0, None)
        try:
            if self._faults.counts.get("tags", 0) == 0 and await self._store.count_rows(self._head) == expected:
                return
            async with aclosing(self._store.strays(self._head)) as strays:
                async for row in strays:
                    self._faults.add(
                        "tags", f"the index has event {row.position} under {row.tag}, which it lacks", row.position
                    )
        except (StoreCorrupt, StoreUnavailable) as error:
            self._faults.add("tags", f"the tag index cannot be read: {error}")

    async def appends(self) -> int:
        """How many appends are remembered."""
        self._progress("appends", 0, None)
        checker = AppendChecker(self._faults, self._head)
        try:
            async with aclosing(self._store.remembered(self._head)) as appends:
                async for remembered in appends:
                    checker.check(remembered)
            checker.finish()
        except (StoreCorrupt, StoreUnavailable) as error:
            self._faults.add("append", f"what is remembered of appends cannot be read: {error}")
        return checker.count

    async def lost_end(self) -> None:
        """Looks for appends beyond the head: a damaged file may show less of the log than it holds."""
        try:
            async with aclosing(self._store.remembered(2**63 - 1, after=self._head)) as appends:
                last = 0
                async for remembered in appends:
                    last = max(last, remembered.stored.receipt.position)
            head = await self._store.head()
            if last > head:
                self._faults.add("missing", f"there is no event {head + 1}, but an append up to {last}", head + 1)
        except (StoreCorrupt, StoreUnavailable) as error:
            self._faults.add("append", f"what is remembered of appends cannot be read: {error}")

    async def _read(self, after: int, until: int) -> list[Recorded]:
        """The events that can be read; a stretch that cannot be read is halved until the bad events stand alone."""
        try:
            records = await self._store.read(after=after, until=until).list()
        except (StoreCorrupt, StoreUnavailable) as error:
            if until - after == 1:
                self._faults.add("unreadable", f"event {until} cannot be read: {error}", until)
                return []
            middle = (after + until) // 2
            return await self._read(after, middle) + await self._read(middle, until)
        for position in missing_positions(records, after, until):
            self._faults.add("missing", f"there is no event {position}", position)
        readable = list(filter(is_readable, records))
        if len(readable) < len(records):
            for record in records:
                if not is_readable(record):
                    self._faults.add("unreadable", f"event {record.position} is not readable", record.position)
        return readable

    async def _look_up(self, rows: list[TagRow]) -> None:
        try:
            for row in await self._store.unindexed(rows) if rows else ():
                self._faults.add("tags", f"the index lacks event {row.position} under {row.tag}", row.position)
        except (StoreCorrupt, StoreUnavailable) as error:
            self._faults.add("tags", f"the tag index cannot be read: {error}", rows[0].position)
