"""Verifying what remains of a log whose file is so damaged that it cannot be opened: how far it is still sound."""

from __future__ import annotations

from contextlib import aclosing
from itertools import takewhile
from pathlib import Path

from storied.engines.sqlite.remains import remains
from storied.errors import StoreError
from storied.operating.faults import Faults
from storied.operating.records import EventChecker, is_readable
from storied.operating.verifying import Verified
from storied.operating.walking import Progress, no_progress


async def verify_remains(path: Path, error: StoreError, progress: Progress = no_progress) -> Verified | None:
    """What can be said of the file that *error* keeps from being opened; None when not even its first event is sound.

    It ends at the first event that cannot be read, or is not as it was stored: what lies behind it is not looked for.
    """
    faults, sound = Faults(), 0
    checker = EventChecker(faults)
    async with aclosing(remains(path)) as pages:
        async for records in pages:
            for record in takewhile(is_readable, records):
                checker.check(record)
                if faults.counts:
                    break
                sound = record.position
            if sound < records[-1].position:
                break
            progress("events", sound, None)
    if not sound:
        return None
    if faults.first is None:
        faults.add("file", f"no event behind {sound} can be read: {error.message}", sound + 1)
    return Verified("", sound, sound, 0, 0, faults.counts, faults.first, tuple(faults.kept), opens=False)
