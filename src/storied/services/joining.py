"""Joining: several services as one, for one process that runs more than one side.

A request is named, guarded and finished by the whole, and answered by the service whose route it is: by its deadline,
and by what it knows of its own store.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from typing import Any

from storied.errors import StoriedError
from storied.services.describing.description import add_description
from storied.services.gate import Gate
from storied.services.health import Readied, Readiness, add_health
from storied.services.service import Opening, Service
from storied.services.web.http import Answer, Request
from storied.services.web.routing import Route, Router


class Joined(Service[None]):
    """The routes of several services behind one gate. They open in the order given, and close in the other."""

    def __init__(self, services: Sequence[Service[Any]], readied: Sequence[Readied], gate: Gate) -> None:
        super().__init__(_router(services), Opening(lambda: _all(services)), gate.settings, gate)
        self.gate, self._readied, self._services = gate, tuple(readied), tuple(services)
        self._owners = {route.endpoint: service for service in services for route in service.router.routes}
        add_health(self.router, gate, self.readied)
        add_description(self.router, gate)

    async def respond(self, request: Request, route: Route) -> Answer:
        """As `Service` says; what is about all of them is answered here."""
        owner = self._owners.get(route.endpoint)
        return await (super().respond(request, route) if owner is None else owner.respond(request, route))

    def drain(self) -> None:
        """As `Service` says, of all of them."""
        super().drain()
        for service in self._services:
            service.drain()

    async def aclose(self) -> None:
        """As `Service` says, also of those that a request has opened by itself."""
        await super().aclose()
        for service in reversed(self._services):
            await service.aclose()

    async def readied(self) -> Readiness:
        """Ready when all are; of one that cannot tell, why not."""
        found = [await _asked(ask) for ask in self._readied]
        heads = [one.head for one in found if one.head is not None]
        return Readiness(
            all(one.ready for one in found),
            [reason for one in found for reason in one.reasons],
            [view for one in found for view in one.views],
            max(heads, default=None),
        )


async def _asked(ask: Readied) -> Readiness:
    try:
        return await ask()
    except StoriedError as error:
        return Readiness(False, [str(error)])


def _router(services: Sequence[Service[Any]]) -> Router:
    """All routes but the open ones: those are about one service, and have to be about all."""
    return Router([route for service in services for route in service.router.routes if not route.open])


@asynccontextmanager
async def _all(services: Sequence[Service[Any]]) -> AsyncIterator[None]:
    async with AsyncExitStack() as stack:
        for service in services:
            await stack.enter_async_context(service)
        yield
