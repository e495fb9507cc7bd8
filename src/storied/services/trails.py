"""The audit trail of a document, over HTTP: ``GET /orders/{order}/history``."""

from __future__ import annotations

from storied.app import App
from storied.domain.times import At
from storied.domain.views import View, view_spec
from storied.projections.projector import Projector
from storied.projections.reader import Reader
from storied.services.asking import absent, answer, check_key_of, encoded
from storied.services.freshness import moment_in
from storied.services.history import history_page
from storied.services.http import Header, Request, Response
from storied.services.listing import LIMIT, next_link, number_in, once, unknown_parameter, value_in
from storied.services.live import sees
from storied.services.routing import Template
from storied.services.service import Service
from storied.store.moments import Moment

PARAMETERS = ("limit", "cursor", "at")


class HistoryEndpoint:
    """What answers ``GET /orders/{order}/history``."""

    def __init__(self, service: Service[Reader], app: App, view: type[View], template: Template) -> None:
        self.service, self.app, self.view = service, app, view
        self.projector = Projector(view_spec(view))
        self.key = self.projector.spec.key
        self.fixed = tuple(name for name in template.parameters if name != self.key)

    async def __call__(self, request: Request) -> Response:
        """A page of the trail, the first event first. Raises what the table of problems has."""
        visible = dict(self.app.access.visible(request.principal, self.view))
        key = check_key_of(request.path_params[self.key])
        limit, beyond, at = self._asked(request)
        for name in self.fixed:
            value = value_in(name, self.projector.spec.hints()[name], request.path_params[name])
            if visible.setdefault(name, value) != value:
                raise absent()
        texts = self.service.opening.value.texts
        if visible and not sees(texts, self.projector, await texts.document(self.view, key), visible):
            raise absent()
        store = await texts.log()
        until = Moment(await store.head()) if at is None else await texts.past.moment(store, at)
        page = await history_page(store, self.projector, key, until, beyond=beyond, limit=limit)
        if not page.any:
            raise absent(until.position)
        more: list[Header] = []
        if page.cursor is not None:
            more.append((b"link", next_link(request.query, str(page.cursor))))
        return answer(request, encoded(page.entries), until.position, *more)

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
