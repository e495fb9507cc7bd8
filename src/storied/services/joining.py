"""Joining: several services as one, for one process that runs more than one side."""

from __future__ import annotations

from collections.abc import AsyncIterator, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from typing import Any

from storied.services.describing.description import add_description
from storied.services.gate import Gate
from storied.services.health import Readied, Readiness, add_health
from storied.services.service import Opening, Service
from storied.services.web.routing import Router


class Joined(Service[None]):
    """The routes of several services behind one gate. They open in the order given, and close in the other."""

    def __init__(self, services: Sequence[Service[Any]], readied: Sequence[Readied], gate: Gate) -> None:
        super().__init__(_router(services), Opening(lambda: _all(services)), gate.settings, gate)
        self.gate, self._readied = gate, tuple(readied)
        add_health(self.router, gate, self.readied)
        add_description(self.router, gate)

    async def readied(self) -> Readiness:
        """Ready when all are."""
        found = [await ask() for ask in self._readied]
        heads = [one.head for one in found if one.head is not None]
        return Readiness(
            all(one.ready for one in found),
            [reason for one in found for reason in one.reasons],
            [view for one in found for view in one.views],
            max(heads, default=None),
        )


def _router(services: Sequence[Service[Any]]) -> Router:
    """All routes but the open ones: those are about one service, and have to be about all."""
    return Router([route for service in services for route in service.router.routes if not route.open])


@asynccontextmanager
async def _all(services: Sequence[Service[Any]]) -> AsyncIterator[None]:
    async with AsyncExitStack() as stack:
        for service in services:
            await stack.enter_async_context(service)
        yield
