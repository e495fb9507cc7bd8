"""Backing up a store that is in use: a copy of one moment in a new file, synced and looked at before it counts."""

from __future__ import annotations

from pathlib import Path

import msgspec

from storied.engines.opening import SqliteAddress, given_url, open_log, sqlite_address
from storied.engines.sqlite.copying import copy_database
from storied.errors import StoreCorrupt, StoreUnavailable
from storied.operating.walking import Progress, no_progress
from storied.store.port import EventStore
from storied.store.records import Recorded


class BackedUp(msgspec.Struct, frozen=True):
    """A backup: where, the log's identity, the head of the copy, and its size in bytes; the views' file, if wanted."""

    path: Path
    identity: str
    head: int
    bytes: int
    views: Path | None = None


async def back_up(url: str, target: Path, *, views: bool = False, progress: Progress = no_progress) -> BackedUp:
    """The backup of the store that *url* names, in the new file *target*; with *views* the read models beside it.

    Others may go on writing. The copy holds everything stored before it began. Raises `StoreUnavailable` (with code
    ``target-exists`` for a file that is there) and `StoreCorrupt` when the copy is not what was copied.
    """
    if url == "memory://":
        raise StoreUnavailable(
            "a store in memory has no file to copy. Export it instead: storied.operating.exporting.", code="bad-url"
        )
    address = sqlite_address(url)
    async with open_log(url) as store:
        begun = await _last(store)
        beside = None
        if views and address.views_path.exists():  # first, so that no view is ahead of the copied log
            beside = SqliteAddress(target).views_path
            await copy_database(address.views_path, beside, lambda done, total: progress("views", done, total))
        try:
            copied = await copy_database(address.path, target, lambda done, total: progress("log", done, total))
        except BaseException:
            if beside is not None:
                beside.unlink(missing_ok=True)
            raise
        head = await _check_copy(target, store, begun)
        return BackedUp(target, store.identity, head, copied.bytes, beside)


async def _check_copy(target: Path, store: EventStore, begun: Recorded | None) -> int:
    """The head of the copy, which opens as the same log and ends as that did."""
    url = f"{given_url(str(target))}?network=allow"  # nobody else has it open, so its locks do not matter
    async with open_log(url) as copy:
        last = await _last(copy)
        head = last.position if last else 0
        known = await store.read(after=head - 1, until=head).list() if last else []
        if (
            copy.identity != store.identity
            or head < (begun.position if begun else 0)
            or known != ([last] if last else [])
        ):
            raise StoreCorrupt(
                f"the copy at {target} is not a copy of this log up to position {head}. Remove it, verify the store, "
                "and look at the disk.",
                position=head,
            )
    return head


async def _last(store: EventStore) -> Recorded | None:
    found = await store.read(backwards=True, limit=1).list()
    return found[0] if found else None
