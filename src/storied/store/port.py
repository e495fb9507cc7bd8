"""The event store's port: four verbs, the pages that readings are made of, and the laws that every engine keeps.

One log, one order: positions start at 1, have no gaps, and are handed out in commit order, so whoever sees a
position sees everything before it. `storied.testing.contract` turns each law into a test.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol

from storied.store.query import AppendCondition, Query
from storied.store.reading import PageSource, Reading, Subscription
from storied.store.records import NewEvent, Receipt

Conditions = AppendCondition | Sequence[AppendCondition] | None


class EventStore(PageSource, Protocol):
    """An append-only log of events."""

    @property
    def identity(self) -> str:
        """A UUID that this log was given when it was made: a copy keeps it, another log has another."""
        ...

    async def append(
        self,
        events: Sequence[NewEvent],
        *,
        condition: Conditions = None,
        append_id: str | None = None,
        fingerprint: bytes | None = None,
    ) -> Receipt:
        """Stores all of *events* or none, durably, before it returns.

        - The events take contiguous positions, in the order given. A refused or failed append uses no position.
        - *condition* (or each of several) holds if no event that its query matches, by types AND tags, lies beyond its
          `after`; otherwise the append raises `Conflict` naming the first such event. Conditional and plain appends
          share one order: a condition sees every append acknowledged before it and every one ordered before it.
        - *append_id* names the append; without it the store makes one up. Repeating the id with the same events (type,
          version, tags, data and metadata; the events' ids may differ) returns the first receipt and stores nothing,
          whatever the condition says now. With other events it raises `AppendIdReused`. A receipt is `new` only when
          this very append has stored what it tells.
        - With a *fingerprint* (of the request that led here), a repeat is one whose fingerprint is the same, whatever
          its events are.
        - Two of *events* with one id are refused: `InvalidEvent` with code ``repeated-id``. The log is not searched.
        - With no event at all it stores the id alone, and needs one: `InvalidInput` with code ``empty-append``.
        - After `UnknownOutcome`, or a cancellation while it waited, the append may or may not be stored. Repeat it with
          its id. Every other error means that nothing was stored.
        - `recorded_at` is the store's clock, and never earlier than that of any event before it.
        """
        ...

    def read(
        self,
        query: Query = Query(),  # noqa: B008 - an immutable value
        *,
        after: int = 0,
        until: int | None = None,
        limit: int | None = None,
        backwards: bool = False,
    ) -> Reading:
        """The matching events with ``after < position <= until``, in order, or from the last when *backwards*.

        Without *until* it reads up to the head as it is when the reading reaches it. At most *limit* events; 0 gives
        none. Nothing is asked of the store before the reading is iterated. Raises `InvalidQuery`.
        """
        ...

    def subscribe(self, query: Query = Query(), *, after: int = 0) -> Subscription:  # noqa: B008 - an immutable value
        """The matching events beyond *after*, in order, each once, for ever: what is stored, then what comes.

        There is no seam between the two. Waiting costs no busy loop, and events of other processes arrive too.
        It ends with `StoreClosed` when the store is closed.
        """
        ...

    async def head(self) -> int:
        """The position of the last event; 0 when there is none."""
        ...

    async def receipt(self, append_id: str, fingerprint: bytes | None = None) -> Receipt | None:
        """What the append with this id stored, or None when the store does not have it.

        With a *fingerprint*, raises `AppendIdReused` when the id was used with another one.
        """
        ...

    async def aclose(self) -> None:
        """Finishes what was accepted, then lets go of everything. Idempotent; then every verb raises `StoreClosed`."""
        ...
