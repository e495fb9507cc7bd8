"""The group commit: many appends in one transaction, each with its own condition and its own outcome.

Conditions are checked in the order the appends came, against the log and against the events that earlier appends of
the same batch are about to add; then everything is inserted at once and synced once.

A batch costs a handful of statements, however many appends it has. Every statement lets go of Python's global lock and
has to get it back, which a busy event loop may delay by milliseconds; a statement for each row would wait for each row.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from contextlib import suppress
from pathlib import Path
from typing import Any

import apsw
import msgspec

from storied.domain.times import Clock
from storied.engines.sqlite.bulk import insert_rows
from storied.engines.sqlite.connection import BUSY_MILLISECONDS, transaction, unavailable
from storied.engines.sqlite.courtesy import ASK_SECONDS, PAUSE_SECONDS, Courtesy
from storied.engines.sqlite.lane import Job
from storied.engines.sqlite.presence import PresentConnection, moved
from storied.engines.sqlite.querying import parts, position_selects, stream_matches
from storied.engines.sqlite.statements import statements
from storied.engines.sqlite.tagging import Mover, checked_mark, index_all
from storied.errors import StoreFenced, StoriedError, UnknownOutcome
from storied.store.appending import AppendRequest, Stored, conflict, receipt_checksum, repeat_receipt
from storied.store.query import AppendCondition
from storied.store.records import NewEvent, Receipt, Recorded, digest_at, encode_tags, placed, to_microseconds

_SQL = statements("log.sql")
Jobs = Sequence[Job[AppendRequest]]
MOST_MEANWHILE = 1024
"""Events that are planned while those of the batch before wait to be told; for more they are told at once."""
LOOK_SECONDS = 0.05
"""How often the writer looks whether its file is still there: a look costs as much as a statement."""


class Writer:
    """The writing connection of one process. Everything here runs in the writer's lane.

    *release* is called whenever Python is let go of for long, so that the lane can tell whoever was waiting.
    """

    def __init__(self, connection: PresentConnection, path: Path, clock: Clock, release: Callable[[], None]) -> None:
        self.connection, self._path, self._clock, self._release = connection, path, clock, release
        self._fenced: str | None = None
        self._moved = False
        self._looked = 0.0
        self._mover = Mover(connection)
        self._courtesy = Courtesy()

    def run(self, jobs: list[Job[AppendRequest]]) -> None:
        """Settles every job: with a receipt once its events are durable, or with the error that says why not."""
        live = [job for job in jobs if not job.future.cancelled()]
        if self._fenced is not None:
            _refuse(live, StoreFenced(self._fenced, moved=self._moved))
            return
        if sum([len(job.request.events) for job in live]) > MOST_MEANWHILE:
            self._release()
        try:
            self._mover.prepare()
            self._begin()
        except (apsw.Error, StoriedError) as error:
            _refuse(live, unavailable(self._path, error) if isinstance(error, apsw.Error) else error)
            return
        try:
            self._look()
            requests = [job.request for job in live]
            batch = Batch(self.connection, self._mover, requests, to_microseconds(self._clock()))
            self._courtesy.found(batch.committed_head)
            for job in live:
                _settle(job, batch)
            batch.insert()
        except BaseException as error:  # whatever it is, nothing was committed
            self._roll_back(error)
            _refuse(live, unavailable(self._path, error) if isinstance(error, apsw.Error) else error)
            return
        self._commit(live, batch)

    def _begin(self) -> None:
        """Begins to write, when no other process does. Raises `apsw.BusyError` after a while."""
        if self._courtesy.is_due():
            self._release()
            time.sleep(PAUSE_SECONDS)
        deadline = time.monotonic() + BUSY_MILLISECONDS / 1000
        self.connection.set_busy_timeout(0)
        try:
            while True:
                try:
                    self.connection.execute("BEGIN IMMEDIATE")
                    return
                except apsw.BusyError:
                    if time.monotonic() > deadline:
                        raise
                self._release()
                time.sleep(ASK_SECONDS)
        finally:
            self.connection.set_busy_timeout(BUSY_MILLISECONDS)

    def _commit(self, jobs: Jobs, batch: Batch) -> None:
        self._release()
        try:
            self.connection.execute("COMMIT")
            self._mover.committed()
            self._courtesy.left(batch.head)
        except apsw.FullError as error:  # the frame that commits was never written
            self._roll_back(error)
            _refuse(jobs, unavailable(self._path, error))
        except BaseException as error:  # it may have been written although it was not synced
            self._fenced = str(error) or repr(error)
            self._roll_back(error)
            for job in jobs:
                if job.error is None:
                    job.error = UnknownOutcome(job.request.append_id, f"the commit failed in the disk ({error})")

    def _look(self) -> None:
        """Fences when the file is gone, or its log: whoever opens the path would not find what is written now."""
        now = time.monotonic()
        if now - self._looked < LOOK_SECONDS:
            return
        self._looked = now
        if not self.connection.is_in_place():
            self._fenced = moved(self._path)
            self._moved = True
            raise StoreFenced(self._fenced, moved=True)

    def _roll_back(self, error: BaseException) -> None:
        if isinstance(error, apsw.IOError):
            self._fenced = str(error)
        self._mover.rolled_back()
        if self.connection.in_transaction:
            try:
                self.connection.execute("ROLLBACK")
            except apsw.Error as second:
                self._fenced = str(second)

    def close(self) -> None:
        """Completes the tag index, unless that has to wait for somebody, and closes the connection."""
        if self._fenced is None:
            with suppress(apsw.Error, StoriedError):
                self.connection.set_busy_timeout(0)
                with transaction(self.connection):
                    index_all(self.connection)
        self.connection.close()


class Batch:
    """The appends of one transaction: what the log says of them, and what they are about to add to it."""

    def __init__(
        self, connection: apsw.Connection, mover: Mover, requests: Sequence[AppendRequest], now_us: int
    ) -> None:
        self._connection, self._mover = connection, mover
        last: Any = connection.execute(_SQL["last_event"]).fetchone()
        self.committed_head = self.head = last[0] or 0
        self._recorded_us = max(now_us, last[1] or 0)
        mover.begin(checked_mark(*last[2:]), self.head)
        self._appends = known_appends(connection, [r.append_id for r in requests if not r.fresh])
        self._matches = _first_matches(
            connection, [c for r in requests for c in r.conditions], self.committed_head, mover.mark
        )
        self._new: list[Stored] = []
        self._events: list[NewEvent] = []
        self._rows: list[Any] = []
        self._entries = 0
        self._tagged: set[str] = set()

    def add(self, request: AppendRequest) -> Receipt:
        """Plans the append. Raises `Conflict` or `AppendIdReused`, and then adds nothing."""
        stored = self._appends.get(request.append_id)
        if stored is not None:
            return repeat_receipt(request, stored, self._stored_records(stored.receipt))
        for condition in request.conditions:
            position = self._first_beyond(condition)
            if position is not None:
                raise conflict(condition, self._record(position))
        self._place(request.events)
        append_id, count = request.append_id, len(request.events)
        new = self._appends[append_id] = Stored(Receipt(append_id, self.head, count), request.fingerprint)
        self._new.append(new)
        return Receipt(append_id, self.head, count, new=True)

    def insert(self) -> None:
        """Writes everything that was planned."""
        insert_rows(self._connection, _SQL["insert_event"], 9, self._rows)
        self._mover.add(self.head, self._entries)
        insert_rows(self._connection, _SQL["insert_append"], 5, [v for stored in self._new for v in append_row(stored)])

    def _place(self, events: Sequence[NewEvent]) -> None:
        position, recorded_us, rows = self.head, self._recorded_us, self._rows
        for event in events:
            position += 1
            tags, tags_json = event.tags, encode_tags(event.tags)
            event_id, name, version, metadata, data = event.id, event.type, event.version, event.metadata, event.data
            digest = digest_at(position, recorded_us, version, (event_id, name, tags_json, metadata, data))
            rows += (position, event_id, name, version, tags_json, data, metadata, recorded_us, digest)
            self._entries += len(tags)
            self._tagged.update(tags)
        self.head = position
        self._events += events

    def _first_beyond(self, condition: AppendCondition) -> int | None:
        position = self._matches.get(id(condition))
        if position is not None or not self._events:
            return position
        return self._first_planned(condition)

    def _first_planned(self, condition: AppendCondition) -> int | None:
        """The first event of this batch that refutes the condition."""
        query, after = condition.query, condition.after
        if query.items and not any(item.tags[0] in self._tagged if item.tags else True for item in query.items):
            return None
        for position, event in enumerate(self._events, self.committed_head + 1):
            if position > after and query.matches(event.type, event.tags):
                return position
        return None

    def _record(self, position: int) -> Recorded:
        if position > self.committed_head:
            return placed(self._events[position - self.committed_head - 1], position, self._recorded_us)
        return _read_one(self._connection, position)

    def _stored_records(self, receipt: Receipt) -> list[Recorded]:
        return [self._record(position) for position in range(receipt.first, receipt.position + 1)]


def find_append(connection: apsw.Connection, append_id: str) -> Stored | None:
    """What the log remembers of the append id."""
    return known_appends(connection, [append_id]).get(append_id)


def known_appends(connection: apsw.Connection, append_ids: list[str]) -> dict[str, Stored]:
    """What the log remembers of these append ids."""
    if not append_ids:
        return {}
    rows: Any = connection.execute(_SQL["find_appends"], (msgspec.json.encode(append_ids).decode(),))
    return {row[0]: Stored(Receipt(row[0], row[1], row[2]), row[3]) for row in rows}


def _first_matches(
    connection: apsw.Connection, conditions: list[AppendCondition], head: int, mark: int
) -> dict[int, int]:
    """The first committed position that refutes each condition, by the condition's `id()`; absent where none does.

    The conditions on one stream each, by far the commonest, share a statement for each set of types.
    """
    found: dict[int, int] = {}
    streams: dict[tuple[str, ...], list[AppendCondition]] = {}
    for condition in conditions:
        if condition.after >= head:
            continue
        items = condition.query.items
        if not items:
            found[id(condition)] = condition.after + 1
        elif len(items) == 1 and len(items[0].tags) == 1:
            streams.setdefault(items[0].types, []).append(condition)
        else:
            cut = parts(condition.after, head, mark)
            selects = [select for part in cut for select in position_selects(condition.query, part, 1)]
            rows: Any = [row[0] for s in selects for row in connection.execute(s.sql, s.parameters)]
            if rows:
                found[id(condition)] = min(rows)
    for types, several in streams.items():
        select = stream_matches(types, [(c.query.items[0].tags[0], c.after) for c in several], mark)
        rows = connection.execute(select.sql, select.parameters)
        found.update({id(c): row[0] for c, row in zip(several, rows, strict=True) if row[0] is not None})
    return found


def _read_one(connection: apsw.Connection, position: int) -> Recorded:
    row: Any = connection.execute(_SQL["read_one"], (position,)).fetchone()
    return Recorded(*row)


def append_row(stored: Stored) -> tuple[Any, ...]:
    """The row that remembers an append."""
    receipt = stored.receipt
    return receipt.append_id, receipt.position, receipt.count, stored.fingerprint, receipt_checksum(stored)


def _settle(job: Job[AppendRequest], batch: Batch) -> None:
    try:
        job.result = batch.add(job.request)
    except StoriedError as error:
        job.error = error


def _refuse(jobs: Jobs, error: BaseException) -> None:
    """Nothing was stored, for any of them; the reason that a job already has is the better one."""
    for job in jobs:
        job.result = None
        if job.error is None:
            job.error = error
