"""OpenAPI: the description of an app's services, without serving them."""

from __future__ import annotations

from typing import Any, Literal

from storied.app import App
from storied.services.commands import command_service
from storied.services.describing.description import describe
from storied.services.describing.security import Security
from storied.services.gate import Gate
from storied.services.queries import query_service
from storied.services.settings import Settings
from storied.services.web.routing import Route

NOWHERE = "memory://"


def openapi(
    app: App, side: Literal["commands", "queries", "both"] = "both", *, settings: Settings | None = None
) -> dict[str, Any]:
    """The OpenAPI 3.1 document of the command service, the query service, or both as one, as they serve it.

    It opens nothing. Raises `DefinitionError` as making the services does.
    """
    settings = settings or Settings()
    gate = Gate(app, settings)
    routes: dict[str, Route] = {}
    if side != "queries":
        served = command_service(app, NOWHERE, settings=settings, gate=gate).router.routes
        routes |= {route.template.text: route for route in served}
    if side != "commands":
        served = query_service(app, NOWHERE, settings=settings, gate=gate).router.routes
        routes |= {route.template.text: route for route in served}
    return describe(app, routes.values(), settings, Security(gate.verifier, gate.access))
