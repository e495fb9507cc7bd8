"""What can be wrong with one event and with one remembered append. Pure."""

from __future__ import annotations

import struct
from collections.abc import Iterable

import msgspec

from storied.operating.faults import Faults
from storied.store.appending import receipt_checksum
from storied.store.auditing import Remembered, TagRow
from storied.store.records import Receipt, Recorded, digest_of


class EventChecker:
    """Looks at events in the order of the log."""

    def __init__(self, faults: Faults) -> None:
        self._faults = faults
        self._latest = -(2**63)

    def check(self, record: Recorded) -> list[TagRow]:
        """Notes what is wrong with the event; the entries that the tag index has to have for it."""
        position, add = record.position, self._faults.add
        if not _fits_digest(record):
            add("digest", f"event {position} ({record.type}) is not what its digest says: it was changed", position)
            return []
        if record.recorded_us < self._latest:
            add("time", f"event {position} was recorded before the event ahead of it", position)
        self._latest = max(self._latest, record.recorded_us)
        try:
            msgspec.json.decode(record.data)
            _ = record.metadata
            tags = record.tags
        except (msgspec.MsgspecError, UnicodeError, RecursionError) as error:
            add("json", f"event {position} ({record.type}) is not well-formed: {error}", position)
            return []
        return [TagRow(tag, position, record.type) for tag in dict.fromkeys(tags)]


class AppendChecker:
    """Looks at what is remembered of appends, by position: those with events cover the log without gap or overlap."""

    def __init__(self, faults: Faults, head: int) -> None:
        self._faults, self._head = faults, head
        self._covered = 0
        self.count = 0

    def check(self, remembered: Remembered) -> None:
        """Notes what is wrong with it."""
        stored, add = remembered.stored, self._faults.add
        receipt = stored.receipt
        self.count += 1
        if not _is_typed(receipt) or not isinstance(stored.fingerprint, bytes | None):
            add("append", f"what is remembered of append {receipt.append_id!r:.60} is not readable")
            return
        if remembered.checksum is not None and remembered.checksum != receipt_checksum(stored):
            add("append", f"what is remembered of append {receipt.append_id} was changed", receipt.position)
        if receipt.count < 0 or receipt.position < 0 or receipt.first < 1 <= receipt.count:
            add(
                "append",
                f"append {receipt.append_id} says {receipt.count} events up to {receipt.position}",
                receipt.position,
            )
            return
        if receipt.count == 0:
            return
        if receipt.first <= self._covered:
            add(
                "append",
                f"append {receipt.append_id} claims event {receipt.first}, which belongs to another",
                receipt.first,
            )
        self._uncovered(receipt.first - 1)
        self._covered = max(self._covered, receipt.position)

    def finish(self) -> None:
        """Notes the events at the end that no append accounts for."""
        self._uncovered(self._head)

    def _uncovered(self, until: int) -> None:
        if self._covered < until:
            first = self._covered + 1
            which = f"event {first}" if first == until else f"events {first} to {until}"
            self._faults.add("append", f"no append is remembered for {which}", first)


def is_readable(record: Recorded) -> bool:
    """Whether each column holds what it has to hold: a damaged row may have a number where its text was."""
    return _is_typed(record)


def _fits_digest(record: Recorded) -> bool:
    try:
        return digest_of(record) == record.digest
    except struct.error:  # a version that no event can have
        return False


def _is_typed(row: Recorded | Receipt) -> bool:
    try:
        msgspec.convert(msgspec.structs.asdict(row), type(row))
    except (msgspec.ValidationError, ValueError, UnicodeError):
        return False
    return True


def missing_positions(records: Iterable[Recorded], after: int, until: int) -> list[int]:
    """The positions in ``(after, until]`` at which there is no event."""
    found = {record.position for record in records}
    return [position for position in range(after + 1, until + 1) if position not in found]
