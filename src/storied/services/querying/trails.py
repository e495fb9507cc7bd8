"""The audit trail of a document, over HTTP: ``GET /orders/{order}/history``."""

from __future__ import annotations

import time
from contextlib import AsyncExitStack
from datetime import datetime

import msgspec

from storied.app import App
from storied.domain.times import At
from storied.domain.views import View, view_spec
from storied.projections.asking import of_rule
from storied.projections.milestones import Milestones
from storied.projections.projector import Projector
from storied.projections.reader import Reader
from storied.services.querying.asking import (
    absent,
    answer,
    bounds_of,
    check_key_of,
    encoded,
    fixed_in,
    no_stream,
    then_of,
)
from storied.services.querying.differing import Difference
from storied.services.querying.freshness import moment_in
from storied.services.querying.history import Histories, HistoryPage, Told, Visible
from storied.services.querying.listing import LIMIT, next_link, number_in, once, unknown_parameter
from storied.services.service import Service
from storied.services.web.http import Request, Response
from storied.services.web.routing import Template
from storied.store.moments import Moment
from storied.store.port import EventStore

PARAMETERS = ("limit", "cursor", "at")


class Entry(msgspec.Struct, omit_defaults=True):
    """One event of the trail, as it is served. `changes` are those of the document."""

    position: int
    id: str
    type: str
    version: int
    recorded_at: datetime
    occurred_at: datetime
    data: msgspec.Raw
    changes: list[Difference]
    actor: str | None = None
    command: str | None = None
    correlation: str | None = None
    causation: str | None = None
    headers: dict[str, str] = {}
    error: str | None = None


class HistoryEndpoint:
    """What answers ``GET /orders/{order}/history``."""

    def __init__(
        self, service: Service[Reader], app: App, view: type[View], template: Template, milestones: Milestones
    ) -> None:
        self.service, self.app, self.view = service, app, view
        self.projector = Projector(view_spec(view))
        self.histories = Histories(self.projector, milestones)
        self.key = self.projector.spec.key
        self.fixed = tuple(name for name in template.parameters if name != self.key)

    async def __call__(self, request: Request) -> Response:
        """A page of the trail, the first event first. Raises what the table of problems has."""
        where = of_rule(self.projector, self.app.access.visible_history(request.principal, self.view))
        no_stream(request, "Histories")
        key = check_key_of(request.path_params[self.key])
        limit, beyond, at = self._asked(request)
        visible = Visible(fixed_in(request, self.projector, self.fixed), where)
        store = await self.service.opening.value.texts.log()
        _, more = await then_of(request, self.service, at)  # the log that is read has reached what it is asked for
        page, position = await self._read(store, key, at, visible, beyond=beyond, limit=limit)
        if not page.seen:
            raise absent(position)
        if page.cursor is not None:
            more.append((b"link", next_link(request.query, str(page.cursor))))
        return answer(request, encoded([entry_of(told) for told in page.told]), position, *more)

    async def _read(
        self, store: EventStore, key: str, at: At | None, visible: Visible, *, beyond: int, limit: int
    ) -> tuple[HistoryPage, int]:
        """Reads the log alone: what may be seen is decided on the very events that are told."""
        until = None if at is None else await self.service.opening.value.texts.past.moment(store, at)
        now = Moment(await store.head())
        until = until or now
        bounds, past = bounds_of(self.service), self.service.opening.value.texts.past
        end = time.monotonic() + bounds.seconds
        async with AsyncExitStack() as stack:
            if not self.histories.is_in_one_stream(key):
                await stack.enter_async_context(past.turn(self.projector, bounds))
            page = await self.histories.page(store, key, until, visible, now=now, beyond=beyond, limit=limit, until=end)
        return page, until.position

    def _asked(self, request: Request) -> tuple[int, int, At | None]:
        most = self.service.settings.page_limit
        limit, beyond, at = min(LIMIT, most), 0, None
        for name, text in once(request.query).items():
            match name:
                case "limit":
                    limit = number_in(name, text, 1, most)
                case "cursor":
                    beyond = number_in(name, text, 0, 10**18)
                case "at":
                    at = moment_in(text)
                case _:
                    raise unknown_parameter(name, PARAMETERS)
        return limit, beyond, at


def entry_of(told: Told) -> Entry:
    """The event as it is served."""
    record, metadata = told.record, told.record.metadata
    return Entry(
        position=record.position,
        id=record.id,
        type=record.type,
        version=record.version,
        recorded_at=record.recorded_at,
        occurred_at=record.occurred_at,
        data=msgspec.Raw(record.data.encode()),
        changes=told.changes,
        actor=metadata.actor,
        command=metadata.command,
        correlation=metadata.correlation,
        causation=metadata.causation,
        headers=dict(metadata.headers),
        error=told.error,
    )
