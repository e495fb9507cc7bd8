"""One document by its key: the stored bytes, as they are now or were, or live."""

from __future__ import annotations

from collections.abc import Mapping
from contextlib import suppress
from typing import Any

from storied.app import App
from storied.domain.times import At
from storied.domain.views import View, view_spec
from storied.errors import KeyParked
from storied.projections.asking import of_rule
from storied.projections.projector import Projector
from storied.projections.reader import Reader
from storied.services.querying.asking import (
    absent,
    answer,
    check_key_of,
    fixed_in,
    last_event,
    no_past,
    parked_at,
    seen_document,
    stream_then,
    then_of,
    wants_stream,
)
from storied.services.querying.freshness import moment_in
from storied.services.querying.listing import once, unknown_parameter
from storied.services.querying.live import STREAM_HEADERS, DocumentTelling, stream
from storied.services.querying.pulse import Pulse
from storied.services.service import Service
from storied.services.web.http import Answer, Request, Stream
from storied.services.web.routing import Template


class DocumentEndpoint:
    """What answers ``GET /orders/{order}``."""

    def __init__(self, service: Service[Reader], app: App, view: type[View], template: Template) -> None:
        self.service, self.app, self.view = service, app, view
        self.projector = Projector(view_spec(view))
        self.pulse = Pulse(self.projector.name, service.settings)
        self.key = self.projector.spec.key
        self.fixed = tuple(name for name in template.parameters if name != self.key)

    async def __call__(self, request: Request) -> Answer:
        """The document, or that there is none. Raises what the table of problems has."""
        key, at, visible = self.asked(request)
        if wants_stream(request):
            return await self._stream(request, key, at, visible)
        then, more = await then_of(request, self.service, at)
        reader = self.service.opening.value
        shown = await seen_document(reader, self.projector, key, then, visible, recent=True)
        if shown.document is None:
            raise absent(shown.position)
        if shown.held is not None:
            more.append(parked_at(shown.held))
        return answer(request, shown.document, shown.position, *more)

    def asked(self, request: Request) -> tuple[str, At | None, Mapping[str, Any]]:
        """The key, the moment, and what the document has to be like for this client to see it."""
        visible = of_rule(self.projector, self.app.access.visible(request.principal, self.view))
        at: At | None = None
        for name, text in once(request.query).items():
            if name != "at":
                raise unknown_parameter(name, ["at"])
            at = moment_in(text)
        for name, value in fixed_in(request, self.projector, self.fixed).items():
            if visible.setdefault(name, value) != value:
                raise absent()
        return check_key_of(request.path_params[self.key]), at, visible

    async def _stream(self, request: Request, key: str, at: At | None, visible: Mapping[str, Any]) -> Stream:
        no_past(at)
        reader = self.service.opening.value
        last = last_event(request)
        then, more = await stream_then(request, self.service, last)
        if last is None:  # who has been here before is told that the document is gone
            with suppress(KeyParked):  # which a stream tells by itself
                await seen_document(reader, self.projector, key, then, visible)
        telling = DocumentTelling(reader.texts, self.projector, key, visible)
        return Stream(200, stream(reader.texts, self.projector, telling, then, self.pulse), [*STREAM_HEADERS, *more])
