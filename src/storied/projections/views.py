"""Views as their readers ask for them: one document or many, now or in the past, after one's own write or not."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable, Mapping
from typing import Any, TypeVar

import msgspec

from storied.domain.times import At
from storied.domain.views import View, view_spec
from storied.errors import DefinitionError, NotCaughtUp, ViewRebuilding
from storied.projections.asking import Found, grouping, make_lookup, next_cursor
from storied.projections.building import Told, rebuild
from storied.projections.comparing import value_type
from storied.projections.past import Past, document_at, stream_query
from storied.projections.projector import Projector, key_parked
from storied.projections.reporting import ViewReport, view_reports
from storied.projections.retrying import Retried, retry
from storied.projections.runner import Runners
from storied.store.documents import Documents, Lookup, NoSuchColumnError, Parked, SupersededError
from storied.store.moments import Moment, moment
from storied.store.ordering import from_sort_key
from storied.store.port import EventStore
from storied.store.query import check_position

POLL_SECONDS = 0.01
V = TypeVar("V", bound=View)
T = TypeVar("T")


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
        return (None if text is None else self._decoded(projector, text)), position

    async def find(
        self,
        view: type[V],
        where: Mapping[str, Any],
        *,
        order_by: str | None,
        limit: int,
        cursor: str | None,
        after: int | None,
        at: At | None,
        timeout: float,
    ) -> Found[V]:
        """The documents that meet the criteria, in order, a page at a time."""
        projector = self._projector(view)
        lookup = make_lookup(projector, where, order_by=order_by, limit=limit, cursor=cursor)
        documents = await self._documents_at(projector, after, at, timeout)
        one_more = msgspec.structs.replace(lookup, limit=limit + 1)
        hits, position = await self._indexed(projector, documents.find(projector.table, one_more))
        more = len(hits) > limit
        hits = hits[:limit]
        decoded: list[Any] = [self._decoded(projector, hit.document) for hit in hits]
        cursor = next_cursor(projector, lookup, hits[-1]) if more else None
        parked = await documents.parked(projector.table) if after is not None else []
        return Found(decoded, cursor, position, tuple(one.key for one in parked))

    async def count(
        self,
        view: type[View],
        where: Mapping[str, Any],
        *,
        by: str | None,
        after: int | None,
        at: At | None,
        timeout: float,
    ) -> dict[Any, int]:
        """How many documents meet the criteria, by the value of *by*; under None when it is None."""
        projector = self._projector(view)
        lookup: Lookup = make_lookup(projector, where)
        documents = await self._documents_at(projector, after, at, timeout)
        asked = documents.count(projector.table, lookup, grouping(projector, by))
        counts, _ = await self._indexed(projector, asked)
        kind = value_type(projector.spec.hints()[by]) if by else None
        return {from_sort_key(value, kind): count for value, count in counts.items()}

    async def reached(self, view: type[View], position: int, timeout: float) -> None:
        """Returns once the view stands at *position* or beyond. Raises `NotCaughtUp` and `ViewFailed`."""
        await self._reach(self._projector(view), position, timeout)

    async def states(self) -> list[ViewReport]:
        """How each view is doing."""
        lives = {name: runner.state for name, runner in self._runners.by_name.items()} if self._runners else {}
        return await view_reports(self._projectors, self._store, self._documents, lives)

    async def parked(self, view: type[View]) -> list[Parked]:
        """The view's parked keys."""
        return await self._documents.parked(self._projector(view).table)

    async def retry(self, view: type[View], key: str | None) -> list[Retried]:
        """What became of the view's parked keys, or of that one."""
        return await retry(self._projector(view), self._documents, self._store, key)

    async def rebuild(self, view: type[View], told: Told) -> int:
        """The position of the rebuilt read model, once it is the live one."""
        return await rebuild(self._projector(view), self._documents, self._store, told)

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
        if at is not None:
            documents = await self._past_of(projector, at)
        else:
            documents = await self._documents_at(projector, after, None, timeout)
        if after is not None or at is not None:
            await _check_parked(projector, documents, key)
        return await documents.get(projector.table, key)

    async def _documents_at(self, projector: Projector, after: int | None, at: At | None, timeout: float) -> Documents:
        if at is not None:
            documents = await self._past_of(projector, at)
            await _check_parked(projector, documents, None)  # of the past there are exact answers only
            return documents
        if after is not None:
            await self._reach(projector, after, timeout)
        return self._documents

    async def _past_of(self, projector: Projector, at: At) -> Documents:
        """The view's documents as they were then."""
        then: Moment = await moment(self._store, at)
        return await self._past.documents(projector, then)

    async def _reach(self, projector: Projector, position: int, timeout: float) -> None:
        check_position("after", position)
        runner = self._runners.by_name[projector.name] if self._runners is not None else None
        if runner is not None and runner.state.life != "superseded":
            try:
                await runner.reached(position, timeout)
            except SupersededError:
                await self._poll(projector, position, timeout)
            return
        await self._poll(projector, position, timeout)

    async def _poll(self, projector: Projector, position: int, timeout: float) -> None:
        """Waits for the live edition, which another process keeps up to date, to reach *position* of this log."""
        deadline = time.monotonic() + timeout
        while True:
            editions = await self._documents.editions()
            live = next((e for e in editions if e.live and e.table.name == projector.name), None)
            ours = live is not None and live.checkpoint.log in ("", self._store.identity)
            reached = live.checkpoint.position if live is not None and ours else 0
            if reached >= position:
                return
            if time.monotonic() >= deadline:
                raise NotCaughtUp(projector.name, wanted=position, position=reached, timeout=timeout)
            await asyncio.sleep(POLL_SECONDS)

    async def _indexed(self, projector: Projector, question: Awaitable[T]) -> T:
        """The answer of the live edition. Raises `ViewRebuilding` when it lacks the index, being of other code."""
        try:
            return await question
        except NoSuchColumnError as error:
            raise ViewRebuilding(projector.name, error.message) from None

    def _decoded(self, projector: Projector, text: str) -> Any:
        try:
            return projector.decoder.decode(text)
        except msgspec.ValidationError as error:
            raise ViewRebuilding(projector.name, f"its documents still have another shape ({error})") from error


async def _check_parked(projector: Projector, documents: Documents, key: str | None) -> None:
    """Passes when the document (without a key, each) is whole. Raises `KeyParked` for the first that is not."""
    for parked in await documents.parked(projector.table, key):
        raise key_parked(projector, parked)
