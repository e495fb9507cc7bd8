"""A reader: views as objects, all as of one request, for query functions and for processes that only read."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from typing import Any, TypeVar
from weakref import WeakSet

from storied.domain.queries import QueryFunction
from storied.domain.showing import shown
from storied.domain.times import At
from storied.domain.views import View
from storied.errors import DefinitionError, InvalidQuery, NotIndexed, StoriedError
from storied.projections.asking import Found
from storied.projections.serving import NOW, Then
from storied.projections.texts import TextViews
from storied.store.checks import check_key

V = TypeVar("V", bound=View)
Queries = Mapping[Callable[..., Any], QueryFunction]


class Reader:
    """Reads views. What it was made with (a position to wait for, a moment of the past) holds for each question.

    A query function is given one; ``app.read(url)`` opens one over the read models alone.
    """

    def __init__(self, texts: TextViews, queries: Queries, then: Then = NOW) -> None:
        self.texts, self._queries, self._then = texts, queries, then
        self.position: int | None = None
        """The least position of what was read so far; None when nothing was."""
        self.refused: WeakSet[StoriedError] = WeakSet()
        """What was raised for questions that could not be asked, as long as somebody has it."""
        self.parked: int | None = None
        """The least position at which a document stopped that was asked for; None when each is as the log says."""

    async def get(
        self, view: type[V], key: str, *, after: int | None = None, at: At | None = None, timeout: float | None = None
    ) -> V | None:
        """The view's document with this key, or None; *after*, *at* and *timeout* as for `OpenApp.get`."""
        await asyncio.sleep(0)  # whoever asks again and again lets others go on, and sees what they did
        with self._refusing():
            check_key(key)
            found = await self.texts.document(view, key, self._when(after, at, timeout))
        self._note(found.position, *(() if found.held is None else (found.held,)))
        return None if found.document is None else self.texts.decoded(view, found.document)

    async def find(
        self,
        view: type[V],
        where: Mapping[str, Any] | None = None,
        *,
        order_by: str | None = None,
        limit: int = 100,
        cursor: str | None = None,
        at: At | None = None,
        **fields: Any,
    ) -> Found[V]:
        """A page of documents; as `OpenApp.find`."""
        criteria = {**(where or {}), **fields}
        with self._refusing():
            page = await self.texts.page(
                view, criteria, order_by=order_by, limit=limit, cursor=cursor, then=self._when(None, at, None)
            )
        self._note(page.position, *page.parked.values())
        decoded = [self.texts.decoded(view, hit.document) for hit in page.hits]
        return Found(decoded, page.cursor, page.position, tuple(page.parked))

    async def count(
        self,
        view: type[View],
        where: Mapping[str, Any] | None = None,
        *,
        by: str | None = None,
        at: At | None = None,
        **fields: Any,
    ) -> dict[Any, int]:
        """How many documents there are; as `OpenApp.count`."""
        criteria = {**(where or {}), **fields}
        with self._refusing():
            found = await self.texts.count(view, criteria, by=by, then=self._when(None, at, None))
        self._note(found.position, *found.parked.values())
        return found.counts

    async def ask(self, query: Callable[..., Any], /, **arguments: Any) -> Any:
        """What the query function answers. Raises `DefinitionError` for one that is not registered with the app."""
        found = self._queries.get(query)
        if found is None:
            raise DefinitionError(f"{shown(query)} is not a query of this app. Register it with @app.query().")
        with self._refusing():
            found.check(arguments)
        return await found.ask(self, arguments)

    def then(self, then: Then) -> Reader:
        """A reader of the same views as of then."""
        return Reader(self.texts, self._queries, then)

    @contextmanager
    def _refusing(self) -> Iterator[None]:
        """Remembers what is refused, so that it is told from what a query function refuses by itself."""
        try:
            yield
        except (InvalidQuery, NotIndexed) as error:
            self.refused.add(error)
            raise

    def _note(self, position: int, *held: int) -> None:
        self.position = position if self.position is None else min(self.position, position)
        self.parked = min(held if self.parked is None else (self.parked, *held), default=None)

    def _when(self, after: int | None, at: At | None, timeout: float | None) -> Then:
        given = self._then
        if after is not None and at is not None:
            raise InvalidQuery("after= waits for the present and at= asks for the past. Give one of them.")
        if at is not None:
            return Then(at=at, bounds=given.bounds)
        return Then(
            given.after if after is None else after,
            given.at if after is None else None,
            given.timeout if timeout is None else timeout,
            given.log if after is None else None,
            given.bounds,
        )
