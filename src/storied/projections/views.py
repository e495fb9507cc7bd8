"""Views as their readers ask for them: one document or many, now or in the past, after one's own write or not."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, TypeVar

import msgspec

from storied.domain.times import At, Clock
from storied.domain.views import View, view_spec
from storied.errors import DefinitionError, ViewRebuilding
from storied.projections.asking import Found, grouping, make_lookup, next_cursor
from storied.projections.building import Told, rebuild
from storied.projections.comparing import value_type
from storied.projections.past import Past, document_at, stream_query
from storied.projections.projector import Projector
from storied.projections.reporting import ViewReport, view_reports
from storied.projections.retrying import Retried, retry
from storied.projections.runner import Runners
from storied.projections.serving import Question, Served
from storied.store.documents import Documents, Lookup, Parked
from storied.store.moments import moment
from storied.store.ordering import from_sort_key
from storied.store.port import EventStore

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
        clock: Clock,
    ) -> None:
        self._projectors, self._store, self._documents = projectors, store, documents
        self._served, self._runners = Served(store, documents, past, runners, clock), runners
        self._clock = clock

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
        one_more = msgspec.structs.replace(lookup, limit=limit + 1)
        asked = Question(lambda documents: documents.find(projector.table, one_more), None, after, at, timeout)
        answer = await self._served.answer(projector, asked)
        hits = answer.value[:limit]
        decoded: list[Any] = [self._decoded(projector, hit.document) for hit in hits]
        cursor = next_cursor(projector, lookup, hits[-1]) if len(answer.value) > limit else None
        return Found(decoded, cursor, answer.position, tuple(one.key for one in answer.parked))

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
        group = grouping(projector, by)
        asked = Question(lambda documents: documents.count(projector.table, lookup, group), None, after, at, timeout)
        answer = await self._served.answer(projector, asked)
        kind = value_type(projector.spec.hints()[by]) if by else None
        try:
            return {from_sort_key(value, kind): count for value, count in answer.value.items()}
        except ValueError as error:  # an Enum that has lost a member
            raise ViewRebuilding(projector.name, f"its documents still have other values of {by} ({error})") from error

    async def reached(self, view: type[View], position: int, timeout: float) -> None:
        """Returns once the view stands at *position* or beyond. Raises `NotCaughtUp` and `ViewFailed`."""
        await self._served.reach(self._projector(view), position, timeout)

    async def states(self) -> list[ViewReport]:
        """How each view is doing."""
        lives = {name: runner.state for name, runner in self._runners.by_name.items()} if self._runners else {}
        return await view_reports(self._projectors, self._store, self._documents, lives)

    async def parked(self, view: type[View]) -> list[Parked]:
        """The parked keys of this code's edition; of the live one, when this code has made none."""
        table = self._projector(view).table
        editions = [edition for edition in await self._documents.editions() if edition.table.name == table.name]
        if all(edition.table != table for edition in editions):
            table = next((edition.table for edition in editions if edition.live), table)
        return await self._documents.parked(table)

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
                then = await moment(self._store, at, self._clock)
                return await document_at(self._store, projector, key, query, then), then.position
        asked = Question(lambda documents: documents.get(projector.table, key), key, after, at, timeout)
        answer = await self._served.answer(projector, asked)
        return answer.value, answer.position

    def _decoded(self, projector: Projector, text: str) -> Any:
        try:
            return projector.decoder.decode(text)
        except msgspec.ValidationError as error:
            raise ViewRebuilding(projector.name, f"its documents still have another shape ({error})") from error
