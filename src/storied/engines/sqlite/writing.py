"""The group commit: many appends in one transaction, each with its own condition and its own outcome.

Conditions are checked in the order the appends came, against the log and against the events that earlier appends of
the same batch are about to add; then everything is inserted at once and synced once.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import apsw

from storied.domain.times import Clock
from storied.engines.sqlite.connection import unavailable
from storied.engines.sqlite.lane import Job
from storied.engines.sqlite.querying import position_selects
from storied.engines.sqlite.statements import statements
from storied.errors import StoreFenced, StoriedError, UnknownOutcome
from storied.store.appending import AppendRequest, Stored, conflict, repeat_receipt
from storied.store.query import AppendCondition
from storied.store.records import Receipt, Recorded, placed, to_microseconds

LAST = 2**63 - 1


class Writer:
    """The writing connection of one process. Everything here runs in the writer's lane."""

    def __init__(self, connection: apsw.Connection, path: Path, clock: Clock) -> None:
        self.connection, self._path, self._clock = connection, path, clock
        self._fenced: str | None = None

    def run(self, jobs: list[Job[AppendRequest]]) -> None:
        """Settles every job: with a receipt once its events are durable, or with the error that says why not."""
        live = [job for job in jobs if not job.future.cancelled()]
        if self._fenced is not None:
            _refuse(live, StoreFenced(self._fenced))
            return
        try:
            self.connection.execute("BEGIN IMMEDIATE")
        except apsw.Error as error:
            _refuse(live, unavailable(self._path, error))
            return
        try:
            batch = self._planned(live)
            batch.insert()
        except BaseException as error:  # whatever it is, nothing was committed
            self._roll_back(error)
            _refuse(live, unavailable(self._path, error) if isinstance(error, apsw.Error) else error)
            return
        self._commit(live, batch)

    def _planned(self, jobs: list[Job[AppendRequest]]) -> Batch:
        last = self.connection.execute(_SQL["last_event"]).fetchone() or (0, 0)
        batch = Batch(self.connection, last[0], max(to_microseconds(self._clock()), last[1]))
        for job in jobs:
            try:
                job.result = batch.add(job.request)
            except StoriedError as error:
                job.error = error
        return batch

    def _commit(self, jobs: list[Job[AppendRequest]], batch: Batch) -> None:
        try:
            self.connection.execute("COMMIT" if batch.changes else "ROLLBACK")
        except apsw.FullError as error:  # the frame that commits was never written
            self._roll_back(error)
            _refuse(jobs, unavailable(self._path, error))
        except apsw.Error as error:  # it may have been written although it was not synced
            self._fenced = str(error)
            self._roll_back(error)
            for job in jobs:
                if job.error is None:
                    job.error = UnknownOutcome(job.request.append_id, f"the commit failed in the disk ({error})")

    def _roll_back(self, error: BaseException) -> None:
        if isinstance(error, apsw.IOError):
            self._fenced = str(error)
        if self.connection.in_transaction:
            try:
                self.connection.execute("ROLLBACK")
            except apsw.Error as second:
                self._fenced = str(second)


class Batch:
    """The appends of one transaction: what they would add, and the means to check the next one against it."""

    def __init__(self, connection: apsw.Connection, head: int, recorded_us: int) -> None:
        self._connection, self._head, self._recorded_us = connection, head, recorded_us
        self._committed_head = head
        self._records: list[Recorded] = []
        self._tags: list[tuple[str, int, str]] = []
        self._by_tag: dict[str, list[int]] = {}
        self._appends: dict[str, Stored] = {}

    @property
    def changes(self) -> bool:
        """Whether there is anything to commit."""
        return bool(self._appends)

    def add(self, request: AppendRequest) -> Receipt:
        """Plans the append. Raises `Conflict` or `AppendIdReused`, and then adds nothing."""
        if not request.fresh:
            stored = self._appends.get(request.append_id) or find_append(self._connection, request.append_id)
            if stored is not None:
                return repeat_receipt(request, stored, self._stored_records(stored.receipt))
        for condition in request.conditions:
            self._check(condition)
        for event in request.events:
            self._head += 1
            self._records.append(placed(event, self._head, self._recorded_us))
            for tag in event.tags:
                self._tags.append((tag, self._head, event.type))
                self._by_tag.setdefault(tag, []).append(self._head)
        receipt = Receipt(request.append_id, self._head, len(request.events))
        self._appends[request.append_id] = Stored(receipt, request.fingerprint)
        return receipt

    def insert(self) -> None:
        """Writes everything that was planned."""
        if self._records:
            self._connection.executemany(_SQL["insert_event"], map(_row, self._records))
            self._connection.executemany(_SQL["insert_tag"], self._tags)
        self._connection.executemany(
            _SQL["insert_append"],
            [(key, s.receipt.position, s.receipt.count, s.fingerprint) for key, s in self._appends.items()],
        )

    def _check(self, condition: AppendCondition) -> None:
        position = self._first_beyond(condition)
        if position is not None:
            raise conflict(condition, self._record(position))

    def _first_beyond(self, condition: AppendCondition) -> int | None:
        query, after = condition.query, condition.after
        if after < self._committed_head:
            if query.all:
                return after + 1
            position = first_match(self._connection, condition, self._committed_head)
            if position is not None:
                return position
        if self._head == self._committed_head:
            return None
        return next(
            (
                r.position
                for r in self._planned_candidates(condition)
                if r.position > after and query.matches(r.type, r.tags)
            ),
            None,
        )

    def _planned_candidates(self, condition: AppendCondition) -> list[Recorded]:
        """Planned events that the condition might match, in order; all of them when no tag narrows it."""
        items = condition.query.items
        if not items or not all(item.tags for item in items):
            return self._records
        positions = sorted({p for item in items for p in self._by_tag.get(item.tags[0], ())})
        return [self._records[p - self._committed_head - 1] for p in positions]

    def _record(self, position: int) -> Recorded:
        if position > self._committed_head:
            return self._records[position - self._committed_head - 1]
        return read_span(self._connection, position, position)[0]

    def _stored_records(self, receipt: Receipt) -> list[Recorded]:
        return [self._record(position) for position in range(receipt.first, receipt.position + 1)]


_SQL = statements("log.sql")


def first_match(connection: apsw.Connection, condition: AppendCondition, head: int) -> int | None:
    """The first committed position beyond the condition's `after` that its query matches."""
    found = [
        row[0]
        for select in position_selects(condition.query, condition.after, head, 1)
        for row in connection.execute(select.sql, select.parameters)
    ]
    return min(found, default=None)


def find_append(connection: apsw.Connection, append_id: str) -> Stored | None:
    """What the log remembers of the append id."""
    row: Any = connection.execute(_SQL["find_append"], (append_id,)).fetchone()
    return None if row is None else Stored(Receipt(append_id, row[0], row[1]), row[2])


def read_span(connection: apsw.Connection, first: int, last: int) -> list[Recorded]:
    """The events from *first* to *last*."""
    rows: Any = connection.execute(_SQL["read_all"], (first - 1, last, last - first + 1))
    return [Recorded(*row) for row in rows]


def _row(record: Recorded) -> tuple[Any, ...]:
    return (
        record.position,
        record.id,
        record.type,
        record.version,
        record.tags_json,
        record.data,
        record.metadata_json,
        record.recorded_us,
        record.digest,
    )


def _refuse(jobs: list[Job[AppendRequest]], error: BaseException) -> None:
    """Nothing was stored, for any of them; the reason that a job already has is the better one."""
    for job in jobs:
        job.result = None
        if job.error is None:
            job.error = error
