"""Races on purpose: a store where somebody else's event comes in between a decision and its append."""

from __future__ import annotations

from collections.abc import Sequence

from storied import App, AppendCondition, Event, Query, Receipt
from storied.commands.execute import Executor
from storied.commands.keeping import Keeper
from storied.commands.loading import Loader
from storied.commands.providing import Providers
from storied.commands.snapshotting import Snapshotter
from storied.domain.times import Clock, utc_now
from storied.store.codec import encode
from storied.store.port import Conditions, EventStore
from storied.store.reading import Contents, Page, Reading, Span, Subscription
from storied.store.records import NewEvent


class InBetween:
    """An `EventStore` that appends one of *events* before each append, until none is left; notes the conditions."""

    def __init__(self, store: EventStore, *events: Event) -> None:
        self._store, self._events = store, list(events)
        self.conditions: list[AppendCondition] = []

    @property
    def identity(self) -> str:
        """As the port says."""
        return self._store.identity

    async def append(
        self,
        events: Sequence[NewEvent],
        *,
        condition: Conditions = None,
        append_id: str | None = None,
        fingerprint: bytes | None = None,
    ) -> Receipt:
        """Appends, but somebody else is quicker."""
        given = (condition,) if isinstance(condition, AppendCondition) else condition or ()
        self.conditions.extend(given)
        if self._events:
            await self._store.append([encode(self._events.pop(0))])
        return await self._store.append(events, condition=condition, append_id=append_id, fingerprint=fingerprint)

    def read(
        self,
        query: Query = Query(),  # noqa: B008 - an immutable value
        *,
        after: int = 0,
        until: int | None = None,
        limit: int | None = None,
        backwards: bool = False,
    ) -> Reading:
        """As the port says."""
        return self._store.read(query, after=after, until=until, limit=limit, backwards=backwards)

    def subscribe(self, query: Query = Query(), *, after: int = 0) -> Subscription:  # noqa: B008 - an immutable value
        """As the port says."""
        return self._store.subscribe(query, after=after)

    async def page(self, query: Query, span: Span) -> Page:
        """As the port says."""
        return await self._store.page(query, span)

    async def contents(self, query: Query, span: Span) -> Contents:
        """As the port says."""
        return await self._store.contents(query, span)

    async def changed(self, position: int) -> None:
        """As the port says."""
        await self._store.changed(position)

    async def head(self) -> int:
        """As the port says."""
        return await self._store.head()

    async def receipt(self, append_id: str, fingerprint: bytes | None = None) -> Receipt | None:
        """As the port says."""
        return await self._store.receipt(append_id, fingerprint)

    async def aclose(self) -> None:
        """As the port says."""
        await self._store.aclose()


def executor(app: App, store: EventStore, clock: Clock = utc_now) -> Executor:
    """What executes the app's commands on the store."""
    keeper = Keeper()
    return Executor(store, app.handlers, Providers({}), clock, keeper, Loader(store, keeper, Snapshotter(store, None)))
