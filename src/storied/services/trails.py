"""The audit trail of a document, over HTTP: ``GET /orders/{order}/history``."""

from __future__ import annotations

from storied.app import App
from storied.domain.times import At
from storied.domain.views import View, view_spec
from storied.projections.milestones import Milestones
from storied.projections.projector import Projector
from storied.projections.reader import Reader
from storied.projections.serving import Then
from storied.services.asking import absent, answer, as_new_as, check_key_of, encoded, fixed_in, fresh, then_of
from storied.services.freshness import moment_in
from storied.services.history import Histories, HistoryPage, Visible
from storied.services.http import Request, Response
from storied.services.listing import LIMIT, next_link, number_in, once, unknown_parameter
from storied.services.routing import Template
from storied.services.service import Service
from storied.store.moments import Moment

PARAMETERS = ("limit", "cursor", "at")


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
        where = self.app.access.visible_history(request.principal, self.view)
        key = check_key_of(request.path_params[self.key])
        limit, beyond, at = self._asked(request)
        visible = Visible(fixed_in(request, self.projector, self.fixed), where)
        reader = self.service.opening.value

        async def ask(then: Then) -> tuple[HistoryPage, int]:
            """Reads the log alone: what may be seen is decided on the very events that are told."""
            store = await reader.texts.log()
            head = await store.head()
            as_new_as(self.projector.name, store, head, then)
            now = Moment(head)
            until = now if then.at is None else await reader.texts.past.moment(store, then.at)
            page = await self.histories.page(store, key, until, visible, beyond=beyond, limit=limit)
            if page.seen and where and until != now:  # the past of what one may see now
                page.seen = await self.histories.shows(store, key, now, visible)
            return page, until.position

        (page, position), more = await fresh(request, reader, then_of(request, self.service, at), ask)
        if not page.seen:
            raise absent(position)
        if page.cursor is not None:
            more.append((b"link", next_link(request.query, str(page.cursor))))
        return answer(request, encoded(page.entries), position, *more)

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
