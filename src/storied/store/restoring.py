"""The door through which a log comes back as it was: with its positions, times, digests, receipts and identity.

It is no way to append: it only takes what goes on exactly where the store ends, so that a log restored in parts is at
every moment a prefix of the one it came from.
"""

from __future__ import annotations

import struct
from collections.abc import Mapping, Sequence
from typing import Protocol, runtime_checkable

import msgspec

from storied.errors import InvalidInput, StoreCorrupt
from storied.store.appending import Stored
from storied.store.records import Recorded, digest_of


@runtime_checkable
class Restorable(Protocol):
    """A store into which a log can be brought back."""

    async def adopt(self, identity: str) -> None:
        """Takes over the identity of the log that is to be brought back.

        Only an empty store (no event, no append remembered) takes another than its own: `InvalidInput` with code
        ``other-content``.
        """
        ...

    async def restore(self, records: Sequence[Recorded], appends: Sequence[Stored]) -> None:
        """Adds the records as they are, and what is remembered of appends, all or nothing, durably.

        - The first record's position is the head's successor, the others follow without a gap, and no time goes back:
          else `InvalidInput` with code ``not-next``.
        - Each record fits its digest, else `StoreCorrupt`.
        - No append speaks of a position beyond the new head. One whose id is known says the same as before, else
          `InvalidInput` with code ``other-content``; it is then left as it is.
        """
        ...


def check_restored(
    head: int, recorded_us: int, records: Sequence[Recorded], appends: Sequence[Stored], known: Mapping[str, Stored]
) -> list[Stored]:
    """The appends that are new, once everything keeps the laws of `Restorable.restore`.

    *head* and *recorded_us* are those of the store's last event, *known* what it remembers under the appends' ids.
    """
    for record in records:
        if record.position != head + 1 or record.recorded_us < recorded_us:
            raise InvalidInput(
                f"event {record.position} does not go on where the store ends, at position {head}. Nothing was stored. "
                "Restore into an empty store, or go on with what comes next.",
                code="not-next",
            )
        if not _is_sound(record):
            raise StoreCorrupt(
                f"event {record.position} is not what its digest says. Nothing was stored. Take another copy.",
                position=record.position,
            )
        head, recorded_us = record.position, record.recorded_us
    found = dict(known)
    for stored in appends:
        receipt = stored.receipt
        if not 0 <= receipt.count <= receipt.position <= head:
            raise InvalidInput(
                f"append {receipt.append_id} speaks of events up to {receipt.position}, and the store ends at {head}. "
                "Nothing was stored. Restore its events first.",
                code="not-next",
            )
        if found.setdefault(receipt.append_id, stored) != stored:
            raise other_content(f"append {receipt.append_id} is remembered with other content")
    return [stored for append_id, stored in found.items() if append_id not in known]


def _is_sound(record: Recorded) -> bool:
    try:
        return digest_of(record) == record.digest and record.tags is not None
    except (msgspec.MsgspecError, struct.error, UnicodeError):  # no list of tags, or a number that none can have
        return False


def other_content(why: str) -> InvalidInput:
    """The refusal of a store that holds something else than what is to be restored."""
    return InvalidInput(
        f"this store holds another log than the one to restore: {why}. Nothing was stored. Restore into a new store.",
        code="other-content",
    )
