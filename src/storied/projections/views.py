"""Views as their readers ask for them: one document or many, now or in the past, after one's own write or not."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Mapping
from typing import Any, TypeVar

import msgspec

from storied.domain.times import At
from storied.domain.views import View, view_spec
from storied.errors import DefinitionError, NotCaughtUp
from storied.projections.asking import Found, grouping, make_lookup, next_cursor
from storied.projections.past import Past, document_at, stream_query
from storied.projections.projector import Projector
from storied.projections.runner import Runners
from storied.store.documents import Documents, Lookup, Scalar
from storied.store.moments import Moment, moment
from storied.store.port import EventStore
from storied.store.query import check_position

POLL_SECONDS = 0.01
V = TypeVar("V", bound=View)


class Views:
    """The views of one app over one store's documents."""

    def __init__(
        self,
        projectors: Mapping[str, Projector],
        store: EventStore,
        documents: Documents,
        past: Past,
        runners: Runners | None,
    ) -> None:
        self._projectors, self._store, self._documents = projectors, store, documents
        self._past, self._runners = past, runners

    async def get(
        self, view: type[V], key: str, *, after: int | None, at: At | None, timeout: float
    ) -> tuple[V | None, int]:
        """The document with this key, or None, and the position it stands at."""
        projector = self._projector(view)
        text, position = await self._get_text(projector, key, after, at, timeout)
        document: Any = None if text is None else projector.decoder.decode(text)
        return document, position

    async def find(
        self,
        view: type[V],
        where: Mapping[str, Any],
        *,
        order: str | None,
        limit: int,
        cursor: str | None,
        after: int | None,
        at: At | None,
        timeout: float,
    ) -> Found[V]:
        """The documents that meet the criteria, in order, a page at a time."""
        projector = self._projector(view)
        lookup = make_lookup(projector, where, order=order, limit=limit, cursor=cursor)
        documents = await self._documents_at(projector, after, at, timeout)
        one_more = msgspec.structs.replace(lookup, limit=limit + 1)
        hits, position = await documents.find(projector.table, one_more)
        more = len(hits) > limit
        hits = hits[:limit]
        decoded: list[Any] = [projector.decoder.decode(hit.document) for hit in hits]
        return Found(decoded, next_cursor(projector, lookup, hits[-1]) if more else None, position)

    async def count(
        self,
        view: type[View],
        where: Mapping[str, Any],
        *,
        by: str | None,
        after: int | None,
        at: At | None,
        timeout: float,
    ) -> dict[Scalar, int]:
        """How many documents meet the criteria, by the value of *by*; under None when it is None."""
        projector = self._projector(view)
        lookup: Lookup = make_lookup(projector, where)
        documents = await self._documents_at(projector, after, at, timeout)
        counts, _ = await documents.count(projector.table, lookup, grouping(projector, by))
        return counts

    async def reached(self, view: type[View], position: int, timeout: float) -> None:
        """Returns once the view stands at *position* or beyond. Raises `NotCaughtUp` and `ViewFailed`."""
        await self._reach(self._projector(view), position, timeout)

    def _projector(self, view: type[View]) -> Projector:
        name = view_spec(view).name
        projector = self._projectors.get(name)
        if projector is None or projector.spec.cls is not view:
            raise DefinitionError(f"{name} is not a view of this app. Register it with @app.view().")
        return projector

    async def _get_text(
        self, projector: Projector, key: str, after: int | None, at: At | None, timeout: float
    ) -> tuple[str | None, int]:
        if at is not None:
            query = stream_query(projector, key)
            if query is not None:
                then = await moment(self._store, at)
                return await document_at(self._store, projector, key, query, then), then.position
        documents = await self._documents_at(projector, after, at, timeout)
        return await documents.get(projector.table, key)

    async def _documents_at(self, projector: Projector, after: int | None, at: At | None, timeout: float) -> Documents:
        if at is not None:
            then: Moment = await moment(self._store, at)
            return await self._past.documents(projector, then)
        if after is not None:
            await self._reach(projector, after, timeout)
        return self._documents

    async def _reach(self, projector: Projector, position: int, timeout: float) -> None:
        check_position("after", position)
        if self._runners is not None:
            await self._runners.by_name[projector.name].reached(position, timeout)
            return
        deadline = time.monotonic() + timeout
        while True:
            checkpoint = await self._documents.checkpoint(projector.table)
            if checkpoint.position >= position:
                return
            if time.monotonic() >= deadline:
                raise NotCaughtUp(projector.name, wanted=position, position=checkpoint.position, timeout=timeout)
            await asyncio.sleep(POLL_SECONDS)
