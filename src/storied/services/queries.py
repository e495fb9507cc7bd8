"""The query service: the routes of an app's views and query functions, as an ASGI application.

It opens the read models alone and sends what is stored in them as it is. Only questions about the past, and histories,
need the log.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager

from storied.app import App
from storied.domain.access import HistoryOf, Subject
from storied.domain.views import View, view_spec
from storied.errors import DefinitionError
from storied.opened import OpenApp
from storied.projections.milestones import Milestones
from storied.projections.projector import Projector
from storied.projections.reader import Reader
from storied.projections.trailing import has_history
from storied.services.describing.description import add_description
from storied.services.gate import Gate
from storied.services.health import Readiness, add_health, as_foreign, head_of, view_health
from storied.services.querying.documents import DocumentEndpoint
from storied.services.querying.express import Express
from storied.services.querying.lists import ListEndpoint
from storied.services.querying.origin import Origin
from storied.services.querying.questions import QuestionEndpoint
from storied.services.querying.trails import HistoryEndpoint
from storied.services.service import Opening, Service
from storied.services.settings import Settings
from storied.services.web.http import Endpoint, Receive, Scope, Send
from storied.services.web.routing import Route, Router, Template, parse_template
from storied.store.documents import ReadModels


class QueryService(Service[Reader]):
    """The views and queries of an app over HTTP. Made by `query_service`."""

    def __init__(
        self, router: Router, opening: Opening[Reader], settings: Settings, gate: Gate, express: Express
    ) -> None:
        super().__init__(router, opening, settings, gate)
        self.gate, self.express = gate, express
        self._documents: ReadModels | None = None
        self.origin: Origin | None = None
        """Whether the documents are of the log that is there, while the service has opened them itself."""

    def check(self, route: Route) -> None:
        """As `Service` says: nothing is told of another log's documents."""
        if self.origin is not None and not route.open:
            self.origin.check()

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serves one ASGI connection."""
        taken = self.express.take(scope, receive) if scope["type"] == "http" else None
        if taken is None:
            await super().__call__(scope, receive, send)
            return
        start, body, lane, began = taken
        try:
            await send(start)
            await send(body)
        except OSError:  # the client has gone
            return
        finally:
            self.express.count(lane, began)

    async def readied(self) -> Readiness:
        """Whether questions can be answered: each view is there, and somebody keeps it up to date."""
        texts = (await self.opening.get()).texts
        if self.origin is not None:
            await self.origin.look()
        documents = texts.documents
        editions, beats = await documents.editions(), await documents.heartbeats()
        views = view_health(texts.projectors, editions, beats, self.settings)
        head = head_of(beats, self.settings)
        if self.origin is not None and self.origin.foreign:
            views, head = [as_foreign(one, self.origin.seconds().get(one.view)) for one in views], None
        reasons = [f"View {one.view} is {one.state}." for one in views if not one.ready]
        return Readiness(not reasons, reasons, views, head)

    @asynccontextmanager
    async def opened(self, app: App, where: str | OpenApp | Reader) -> AsyncIterator[Reader]:
        """The read models, open; those at a URL are held against the log that is there."""
        async with AsyncExitStack() as stack:
            if isinstance(where, str):
                reader = await stack.enter_async_context(app.read(where))
                self.origin = Origin(where, reader.texts.documents, self._origin_changed)
                await self.origin.look()
                looking = asyncio.create_task(self.origin.run(), name="storied-origin")
                stack.push_async_callback(_ended, looking)
            else:
                reader = where.reader if isinstance(where, OpenApp) else where
            self._documents = reader.texts.documents
            self._origin_changed()
            try:
                yield reader
            finally:
                self._documents = self.express.documents = self.origin = None

    def _origin_changed(self) -> None:
        """Opens the express lane, or closes it and ends the streams, by what the documents are of."""
        foreign = self.origin is not None and self.origin.foreign
        self.express.documents = None if foreign else self._documents
        if foreign:
            self.end_streams()


def query_service(
    app: App, where: str | OpenApp | Reader, *, settings: Settings | None = None, gate: Gate | None = None
) -> QueryService:
    """The views and query functions of *app* that have routes, as an ASGI application.

    *where* is the URL of a store, whose read models the service opens, read-only, and closes; or an opened app, or a
    reader, which stays its owner's. The read models need not be there yet. Raises `DefinitionError`.
    """
    settings = settings or Settings()
    gate = gate or Gate(app, settings)
    express = Express(gate, settings)
    service = QueryService(Router(), Opening(lambda: service.opened(app, where)), settings, gate, express)
    routes: list[tuple[Template, Endpoint, Subject]] = []
    histories: list[tuple[Template, Endpoint, Subject]] = []
    milestones = Milestones()
    for view in app.views.values():
        for text in app.routes.get(view, ()):
            template = parse_template(text, ("GET",))
            if is_of_one(view, template):
                routes.append((template, DocumentEndpoint(service, app, view, template), view))
                if has_history(Projector(view_spec(view))):
                    below = parse_template(f"{text.rstrip('/')}/history", ("GET",))
                    told = HistoryEndpoint(service, app, view, template, milestones)
                    histories.append((below, told, HistoryOf(view)))
            else:
                routes.append((template, ListEndpoint(service, app, view, template), view))
    for query in app.queries.values():
        routes += [
            (template, QuestionEndpoint(service, app, query, template), query.function)
            for template in (parse_template(text, ("GET",)) for text in query.routes)
        ]
    taken = {_shape(template) for template, *_ in routes}
    for template, endpoint, subject in routes + [one for one in histories if _shape(one[0]) not in taken]:
        service.router.add(template, endpoint, subject)
    add_health(service.router, gate, service.readied)
    add_description(service.router, gate)
    express.open_for(service.router)
    return service


async def _ended(task: asyncio.Task[None]) -> None:
    task.cancel()
    await asyncio.wait([task])


def is_of_one(view: type[View], template: Template) -> bool:
    """Whether the route is that of one document, whose key stands in it; otherwise it is that of a list.

    Raises `DefinitionError` when the path asks for what documents cannot be found by.
    """
    projector = Projector(view_spec(view))
    key = projector.spec.key
    unknown = [name for name in template.parameters if name != key and name not in projector.table.columns]
    if unknown:
        raise DefinitionError(
            f"route {template.text!r} has {', '.join(unknown)}, by which {projector.name} cannot be asked for. Name "
            f"its key, {key}, or an indexed field."
        )
    return key in template.parameters


def _shape(template: Template) -> tuple[str, ...]:
    """What requests the template answers, whatever its parameters are called."""
    return tuple("{}" if part.startswith("{") else part for part in template.parts)
