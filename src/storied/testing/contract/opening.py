"""How the facts come by the thing they are about: the one method that an engine's test class writes."""

from __future__ import annotations

from abc import ABC, abstractmethod
from contextlib import AbstractAsyncContextManager
from pathlib import Path

from storied.domain.times import Clock, utc_now
from storied.store.documents import Documents
from storied.store.port import EventStore


class OpensStores(ABC):
    """A class of tests that knows how to open the engine's event store."""

    @abstractmethod
    def open_store(self, place: Path, clock: Clock = utc_now) -> AbstractAsyncContextManager[EventStore]:
        """A store at *place*, an existing folder of the test's own, with *clock* as its clock; closed at the end.

        It is new at a place that holds none. A durable engine opens the one that it finds there.
        """


class OpensDocuments(ABC):
    """A class of tests that knows how to open the engine's documents."""

    @abstractmethod
    def open_documents(self, place: Path) -> AbstractAsyncContextManager[Documents]:
        """The documents at *place*, an existing folder of the test's own; closed at the end."""
