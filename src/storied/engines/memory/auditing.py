"""Looking behind a log in memory: its index is two dicts, and its appends are a third."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence

from storied.store.appending import Stored, receipt_checksum
from storied.store.auditing import Remembered, TagRow
from storied.store.records import Recorded


def unindexed(by_tag: Mapping[str, Sequence[int]], rows: Sequence[TagRow]) -> list[TagRow]:
    """Those of the rows that the tag index lacks."""
    return [row for row in rows if row.position not in by_tag.get(row.tag, ())]


def strays(log: Sequence[Recorded], by_tag: Mapping[str, Sequence[int]], until: int) -> Iterator[TagRow]:
    """The entries of the tag index that no event asks for, by tag and position."""
    for tag in sorted(by_tag):
        for position in by_tag[tag]:
            if position <= until and tag not in log[position - 1].tags:
                yield TagRow(tag, position, log[position - 1].type)


def remembered(appends: Mapping[str, Stored], until: int, after: int) -> Iterator[Remembered]:
    """What is remembered of appends, by position and id."""
    chosen = (stored for stored in appends.values() if after < stored.receipt.position <= until)
    for stored in sorted(chosen, key=lambda stored: (stored.receipt.position, stored.receipt.append_id)):
        yield Remembered(stored, receipt_checksum(stored))
