"""Documents by their indexed fields: a page of the stored bytes, as they are now or were, or live."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from storied.app import App
from storied.domain.views import View, view_spec
from storied.errors import InvalidQuery
from storied.projections.asking import meets, of_rule
from storied.projections.projector import Projector
from storied.projections.reader import Reader
from storied.projections.serving import Then
from storied.projections.texts import Texts
from storied.services.querying.asking import (
    answer,
    last_event,
    no_past,
    parked_at,
    stream_then,
    then_of,
    wants_stream,
)
from storied.services.querying.blaming import BAD_CURSOR, refused
from storied.services.querying.listing import Listing, array_of, indexed_value_in, listing, next_link
from storied.services.querying.live import STREAM_HEADERS, ListTelling, stream
from storied.services.querying.pulse import Pulse
from storied.services.querying.seeing import NOBODY, look
from storied.services.service import Service
from storied.services.web.http import Answer, Request, Stream
from storied.services.web.routing import Template
from storied.store.documents import Hit


class ListEndpoint:
    """What answers ``GET /orders``."""

    def __init__(self, service: Service[Reader], app: App, view: type[View], template: Template) -> None:
        self.service, self.app, self.view, self.template = service, app, view, template
        self.projector = Projector(view_spec(view))
        self.pulse = Pulse(self.projector.name, service.settings)

    async def __call__(self, request: Request) -> Answer:
        """A page of documents. Raises what the table of problems has."""
        visible = of_rule(self.projector, self.app.access.visible(request.principal, self.view))
        asked = listing(self.projector, request.query, self.service.settings.page_limit)
        for name in self.template.parameters:
            value = indexed_value_in(name, self.projector.spec.hints()[name], request.path_params[name])
            if visible.setdefault(name, value) != value:
                visible[self.projector.spec.key] = NOBODY  # what the path asks for is nothing that this client may see
        if wants_stream(request):
            return await self._stream(request, asked, visible)
        then, more = await then_of(request, self.service, asked.at)
        try:
            page = await self.page(asked, visible, then)
        except InvalidQuery as error:
            raise (refused("cursor", error) if error.code == BAD_CURSOR else error) from None
        if page.cursor is not None:
            more.append((b"link", next_link(request.query, page.cursor)))
        if page.held is not None:
            more.append(parked_at(page.held))
        return answer(request, array_of(page.hits), page.position, *more)

    async def page(self, asked: Listing, visible: Mapping[str, Any], then: Then) -> Texts:
        """The documents asked for, of those that may be seen."""
        texts = self.service.opening.value.texts
        key = visible.get(self.projector.spec.key)
        if key is None:
            return await texts.page(
                self.view,
                asked.where,
                order_by=asked.sort,
                limit=asked.limit,
                cursor=asked.cursor,
                also=visible,
                then=then,
            )
        shown = await look(texts, self.projector, str(key), then, visible)
        if shown.document is None:
            return Texts([], None, shown.position, held=shown.held)
        is_asked_for = meets(self.projector, texts.decoded(self.view, shown.document), asked.where)
        hits = [Hit(str(key), shown.document.decode())] if is_asked_for else []
        return Texts(hits, None, shown.position, {} if shown.held is None else {str(key): shown.held}, shown.held)

    async def _stream(self, request: Request, asked: Listing, visible: Mapping[str, Any]) -> Stream:
        no_past(asked.at)
        if asked.cursor is not None:
            raise InvalidQuery("a stream tells the first page of a list. Leave cursor= out, and give a limit=.")
        texts = self.service.opening.value.texts
        telling = ListTelling(lambda then: self.page(asked, visible, then))
        then, more = await stream_then(request, self.service, last_event(request))
        return Stream(200, stream(texts, self.projector, telling, then, self.pulse), [*STREAM_HEADERS, *more])
