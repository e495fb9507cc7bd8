"""Views as their readers ask for them: one document or many, now or in the past, after one's own write or not."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from typing import Any, TypeVar

from storied.domain.times import At
from storied.domain.views import View
from storied.errors import DefinitionError, StoreUnavailable
from storied.projections.asking import Found
from storied.projections.building import Told, rebuild
from storied.projections.projector import Projector
from storied.projections.reporting import ViewReport, view_reports
from storied.projections.retrying import Retried, retry
from storied.projections.runner import Runners
from storied.projections.serving import Then
from storied.projections.texts import TextViews
from storied.store.documents import Documents, Parked
from storied.store.port import EventStore

V = TypeVar("V", bound=View)


class Views:
    """The views of one app over one store's documents."""

    def __init__(self, texts: TextViews, store: EventStore, documents: Documents, runners: Runners | None) -> None:
        self.texts = texts
        self._store, self._documents, self._runners = store, documents, runners

    async def get(
        self, view: type[V], key: str, *, after: int | None, at: At | None, timeout: float
    ) -> tuple[V | None, int]:
        """The document with this key, or None, and the position it stands at."""
        await asyncio.sleep(0)  # whoever asks again and again lets others go on, and sees what they did
        shown = await self.texts.document(view, key, Then(after, at, timeout))
        return (None if shown.document is None else self.texts.decoded(view, shown.document)), shown.position

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
        then = Then(after, at, timeout)
        page = await self.texts.page(view, where, order_by=order_by, limit=limit, cursor=cursor, then=then)
        decoded: list[Any] = [self.texts.decoded(view, hit.document) for hit in page.hits]
        return Found(decoded, page.cursor, page.position, tuple(page.parked))

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
        return (await self.texts.count(view, where, by=by, then=Then(after, at, timeout))).counts

    async def reached(self, view: type[View], position: int, timeout: float) -> None:
        """Returns once the view stands at *position* or beyond. Raises `NotCaughtUp` and `ViewFailed`."""
        await self.texts.served.reach(self._projector(view), position, timeout)

    async def until_lost(self) -> StoreUnavailable:
        """Why this process keeps the views no more, once its files are not where they were."""
        if self._runners is None:
            raise DefinitionError("views=False keeps no views, so nobody looks. Open the app with its views.")
        return await self._runners.until_lost()

    async def states(self) -> list[ViewReport]:
        """How each view is doing."""
        lives = {name: runner.state for name, runner in self._runners.by_name.items()} if self._runners else {}
        return await view_reports(self.texts.projectors, self._store, self._documents, lives)

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
        return self.texts.projector(view)
