"""Readings and subscriptions: the iterators that every engine shares, over the two questions an engine answers.

Both go from page to page, so that no engine holds a read transaction while its reader thinks. A page says how far it
saw (`through`), so that a reader moves on over stretches where nothing matched.
"""

from __future__ import annotations

from collections.abc import AsyncGenerator, AsyncIterator, Awaitable, Callable
from typing import ClassVar, Protocol, TypeVar

import msgspec

from storied.domain.showing import shown
from storied.errors import InvalidQuery, StoreCorrupt
from storied.store.query import Query, check_position, check_query
from storied.store.records import Recorded

PAGE = 1024
"""Events asked of an engine at once."""
MOST_STUCK = 1000
"""Pages without progress that a subscription bears, each asked for after the engine had said that there is more."""


class Span(msgspec.Struct, frozen=True):
    """Which stretch of the log: ``after < position <= until`` (to the head when None), at most `limit` events.

    `onward` says that the reader will ask for what follows; an engine may have it ready by then.
    """

    after: int = 0
    until: int | None = None
    limit: int = PAGE
    backwards: bool = False
    onward: bool = False


class Page(msgspec.Struct, frozen=True):
    """Some events in order, and `through`: the position that the page speaks up to.

    Forwards, every matching event after the span's start and up to `through` is in the page. Backwards,
    every matching one from the span's end down to beyond `through`.
    """

    events: list[Recorded]
    through: int

    cut: ClassVar[bool] = False

    def __len__(self) -> int:
        return len(self.events)


class Content(msgspec.Struct, frozen=True, gc=False):
    """Of one event what folding needs, and no more: where it stands, what it is, and its payload's JSON."""

    position: int
    type: str
    version: int
    data: str


class Contents(msgspec.Struct, frozen=True):
    """A page's events without what folding does not need, column by column; `through` as of a `Page`.

    `cut` says that it ends early, for the size of its payloads, as if it were full.
    """

    positions: list[int]
    types: list[str]
    versions: list[int]
    payloads: list[str]
    through: int
    cut: bool = False

    def __len__(self) -> int:
        return len(self.payloads)

    @property
    def events(self) -> list[Content]:
        """The same, event by event."""
        return list(map(Content, self.positions, self.types, self.versions, self.payloads))


def contents_of(page: Page) -> Contents:
    """The contents of a page."""
    events = page.events
    return Contents(
        [event.position for event in events],
        [event.type for event in events],
        [event.version for event in events],
        [event.data for event in events],
        page.through,
    )


class PageSource(Protocol):
    """What an engine gives to readings and subscriptions."""

    async def page(self, query: Query, span: Span) -> Page:
        """The first events of the span that match, from one moment's state of the log.

        Forwards, `through` is the last event's position when the page is full, else the smaller of `until` and the
        head. Backwards, it is one below the last event's position when the page is full, else `after`.
        """
        ...

    async def contents(self, query: Query, span: Span) -> Contents:
        """What `page` gives, without what folding does not need."""
        ...

    async def changed(self, position: int) -> None:
        """Returns when the head is beyond *position*. Raises `StoreClosed` when the store is closed meanwhile."""
        ...


P = TypeVar("P", Page, Contents)
Ask = Callable[[Query, Span], Awaitable[P]]


class Reading:
    """A bounded stretch of matching events; iterate it, its `pages()`, or take the `list()`. It may be read again."""

    def __init__(self, source: PageSource, query: Query, span: Span, limit: int | None) -> None:
        check_query(query)
        _check_span(span, limit)
        self._source, self._query, self._span, self._limit = source, query, span, limit

    async def pages(self, size: int = PAGE) -> AsyncGenerator[Page, None]:
        """The events in pages of at most *size*; each but the last has at least one event. Raises `InvalidQuery`."""
        _check_size(size)
        async for page in self._walk(self._source.page, size):
            yield page

    async def contents(self, size: int = PAGE) -> AsyncGenerator[Contents, None]:
        """The same pages, without what folding does not need: some times quicker to come by."""
        _check_size(size)
        async for page in self._walk(self._source.contents, size):
            yield page

    async def _walk(self, ask: Ask[P], size: int) -> AsyncGenerator[P, None]:
        span, left = self._span, self._limit
        while left is None or left > 0:
            asked = size if left is None else min(size, left)
            onward = left is None or left > asked
            page = await ask(self._query, msgspec.structs.replace(span, limit=asked, onward=onward))
            yield page
            if len(page) < asked and not page.cut:
                return
            if left is not None:
                left -= len(page)
            span = _beyond(span, page)

    async def __aiter__(self) -> AsyncIterator[Recorded]:
        async for page in self.pages():
            for record in page.events:
                yield record

    async def list(self) -> list[Recorded]:
        """All of the events at once."""
        return [record async for page in self.pages() for record in page.events]


class Subscription:
    """Matching events for ever: what is stored, then what comes. Iterate it, or its `pages()`."""

    def __init__(self, source: PageSource, query: Query, after: int) -> None:
        check_query(query)
        check_position("after", after)
        self._source, self._query, self._after = source, query, after

    async def pages(self, size: int = PAGE) -> AsyncGenerator[Page, None]:
        """The events in pages of at most *size*; a page without events says that the log went on without a match.

        Raises `InvalidQuery` for a size that has no room for an event, and `StoreCorrupt` when the engine says time
        and again that the log went on, and shows nothing of it: waiting on would be a busy loop for ever.
        """
        _check_size(size)
        async for page in self._follow(self._source.page, size):
            yield page

    async def contents(self, size: int = PAGE) -> AsyncGenerator[Contents, None]:
        """The same pages, without what folding does not need."""
        _check_size(size)
        async for page in self._follow(self._source.contents, size):
            yield page

    async def _follow(self, ask: Ask[P], size: int) -> AsyncGenerator[P, None]:
        position, stuck = self._after, 0
        while True:
            page = await ask(self._query, Span(after=position, limit=size, onward=True))
            if page.through > position:
                yield page
                position, stuck = page.through, 0
            elif (stuck := stuck + 1) > MOST_STUCK:
                raise StoreCorrupt(
                    f"the log is said to go on beyond {position}, but no page does. Verify the store, and restore a "
                    "backup if it is damaged.",
                    position=position + 1,
                )
            if len(page) < size and not page.cut:
                await self._source.changed(position)

    async def __aiter__(self) -> AsyncIterator[Recorded]:
        async for page in self.pages():
            for record in page.events:
                yield record


def _beyond(span: Span, page: Page | Contents) -> Span:
    """The rest of the span once the page is read."""
    if span.backwards:
        return msgspec.structs.replace(span, until=page.through)
    return msgspec.structs.replace(span, after=page.through)


def _check_size(size: object) -> None:
    if not isinstance(size, int) or isinstance(size, bool) or not 0 < size < 2**63:
        raise InvalidQuery(f"a page cannot have room for {shown(size)} events. Give a whole number from 1, below 2^63.")


def _check_span(span: Span, limit: int | None) -> None:
    check_position("after", span.after)
    if span.until is not None:
        check_position("until", span.until)
    if limit is not None:
        check_position("limit", limit)
    if not isinstance(span.backwards, bool):
        raise InvalidQuery(f"backwards={shown(span.backwards)} is neither True nor False. Give one of them.")
