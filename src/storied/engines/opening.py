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
    network: bool = False
    """Whether a network file system is allowed."""

    @property
    def views_path(self) -> Path:
        """The read models' file, beside the log: ``shop.views.db`` for ``shop.db``."""
        return self.path.with_name(f"{self.path.stem}.views{self.path.suffix}")


@asynccontextmanager
async def open_engine(url: str, *, make: bool = True, clock: Clock = utc_now) -> AsyncIterator[Engine]:
    """The engine that *url* names: ``memory://`` or ``sqlite:///folder/shop.db`` (four slashes for an absolute path).

    ``?synchronous=normal`` makes SQLite faster and lets a power cut take the last acknowledged appends with it;
    ``?network=allow`` opens a file on a network file system, whose locks may not hold. With
    ``make=False`` a log that is not there is not made. Raises `StoreUnavailable`.
    """
    async with AsyncExitStack() as stack:
        store = await stack.enter_async_context(open_log(url, make=make, clock=clock))
        documents = await stack.enter_async_context(open_documents(url))
        yield Engine(store, documents)


@asynccontextmanager
async def open_log(url: str, *, make: bool = True, clock: Clock = utc_now) -> AsyncIterator[MemoryStore | SqliteStore]:
    """The log alone of the store that *url* names, which *make* lets make an absent file. Raises `StoreUnavailable`."""
    store: MemoryStore | SqliteStore
    if url == "memory://":
        store = MemoryStore(clock)
    else:
        address = sqlite_address(url)
        store = await SqliteStore.open(
            address.path, synchronous=address.synchronous, network=address.network, make=make, clock=clock
        )
    try:
        yield store
    finally:
        await store.aclose()


@asynccontextmanager
async def open_documents(url: str) -> AsyncIterator[MemoryDocuments | SqliteDocuments]:
    """The read models alone of the store that *url* names. Raises `StoreUnavailable`."""
    if url == "memory://":
        yield MemoryDocuments()
        return
    address = sqlite_address(url)
    documents = await SqliteDocuments.open(address.views_path, network=address.network)
    try:
        yield documents
    finally:
        await documents.aclose()


def given_url(given: str) -> str:
    """The URL that was typed; a bare path names a SQLite file."""
    if "://" in given:
        return given
    quoted = given.replace("%", "%25").replace("?", "%3F").replace("#", "%23")
    return f"sqlite:///{quoted}"


def sqlite_address(url: str) -> SqliteAddress:
    """The parts of a ``sqlite:///`` URL. Raises `StoreUnavailable` for one that cannot be understood."""
    parts = urlsplit(url)
    if parts.scheme != "sqlite" or parts.netloc or not parts.path.strip("/"):
        raise _bad_url(url, "it has none of the forms memory://, sqlite:///shop.db and sqlite:////absolute/shop.db")
    options = dict(parse_qsl(parts.query, keep_blank_values=True))
    synchronous = options.pop("synchronous", "full")
    network = options.pop("network", "refuse")
    if options or parts.fragment:
        raise _bad_url(url, f"{', '.join(options) or 'what follows #'} means nothing here")
    if synchronous not in get_args(Synchronous):
        raise _bad_url(url, f"synchronous is full or normal, not {synchronous!r}")
    if network not in ("refuse", "allow"):
        raise _bad_url(url, f"network is refuse or allow, not {network!r}")
    path = Path(unquote(parts.path.removeprefix("/")))
    if path.name == ":memory:" or "\0" in str(path):  # SQLite would keep the first of them nowhere
        raise _bad_url(url, "its path cannot name a file")
    return SqliteAddress(path, "normal" if synchronous == "normal" else "full", network == "allow")


def is_made(url: str) -> bool:
    """Whether there is a store at the URL already, which opening it would not make. Raises `StoreUnavailable`."""
    if urlsplit(url).scheme == "memory":
        return False
    path = sqlite_address(url).path
    return path.is_file() and path.stat().st_size > 0


def look_of(url: str) -> tuple[int, ...] | None:
    """What tells the store at the URL from another in its place, or from one that is still being copied there.

    None while there is none. Raises `StoreUnavailable` for a URL that names none.
    """
    if not is_made(url):
        return None
    path = sqlite_address(url).path
    try:
        status = path.stat()
    except OSError:
        return None
    file = status.st_dev, status.st_ino
    if Path(f"{path.resolve()}-wal").exists():
        return file  # somebody has it open, so it is all there, and changes as long as they write
    return *file, status.st_size, status.st_mtime_ns


def _bad_url(url: str, why: str) -> StoreUnavailable:
    return StoreUnavailable(f"{url!r} names no store: {why}. Correct the URL.", code="bad-url")
