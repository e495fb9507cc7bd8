"""From a URL to an engine: the log and the documents of one store, opened and closed together."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from pathlib import Path
from typing import get_args
from urllib.parse import parse_qsl, unquote, urlsplit

import msgspec

from storied.domain.times import Clock, utc_now
from storied.engines.memory.documents import MemoryDocuments
from storied.engines.memory.store import MemoryStore
from storied.engines.sqlite.connection import Synchronous
from storied.engines.sqlite.documents import SqliteDocuments
from storied.engines.sqlite.store import SqliteStore
from storied.errors import StoreUnavailable
from storied.store.documents import Documents
from storied.store.port import EventStore


class Engine(msgspec.Struct, frozen=True):
    """A log and the read models beside it."""

    store: EventStore
    documents: Documents


class SqliteAddress(msgspec.Struct, frozen=True):
    """What a ``sqlite:///…`` URL says."""

    path: Path
    synchronous: Synchronous = "full"

    @property
    def views_path(self) -> Path:
        """The read models' file, beside the log: ``shop.views.db`` for ``shop.db``."""
        return self.path.with_name(f"{self.path.stem}.views{self.path.suffix}")


@asynccontextmanager
async def open_engine(url: str, *, clock: Clock = utc_now) -> AsyncIterator[Engine]:
    """The engine that *url* names: ``memory://`` or ``sqlite:///folder/shop.db`` (four slashes for an absolute path).

    ``?synchronous=normal`` makes SQLite faster and lets a power cut take the last acknowledged appends with it.
    Raises `StoreUnavailable`.
    """
    async with AsyncExitStack() as stack:
        if url == "memory://":
            yield Engine(MemoryStore(clock), MemoryDocuments())
            return
        address = sqlite_address(url)
        store = await SqliteStore.open(address.path, synchronous=address.synchronous, clock=clock)
        stack.push_async_callback(store.aclose)
        documents = await SqliteDocuments.open(address.views_path)
        stack.push_async_callback(documents.aclose)
        yield Engine(store, documents)


def sqlite_address(url: str) -> SqliteAddress:
    """The parts of a ``sqlite:///`` URL. Raises `StoreUnavailable` for one that cannot be understood."""
    parts = urlsplit(url)
    if parts.scheme != "sqlite" or parts.netloc or not parts.path.strip("/"):
        raise _bad_url(url, "it has none of the forms memory://, sqlite:///shop.db and sqlite:////absolute/shop.db")
    options = dict(parse_qsl(parts.query, keep_blank_values=True))
    synchronous = options.pop("synchronous", "full")
    if options or parts.fragment:
        raise _bad_url(url, f"{', '.join(options) or 'what follows #'} means nothing here")
    if synchronous not in get_args(Synchronous):
        raise _bad_url(url, f"synchronous is full or normal, not {synchronous!r}")
    return SqliteAddress(Path(unquote(parts.path.removeprefix("/"))), "normal" if synchronous == "normal" else "full")


def _bad_url(url: str, why: str) -> StoreUnavailable:
    return StoreUnavailable(f"{url!r} names no store: {why}. Correct the URL.", code="bad-url")
