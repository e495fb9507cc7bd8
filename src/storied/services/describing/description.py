"""Description: what a service can be asked, as an OpenAPI 3.1 document, and a page to read it.

The document is made of the routes that the service has, when it is first asked for. Where a credential is asked for, it
is for those who show one, and for this machine, unless the settings make it public.
"""

from __future__ import annotations

import asyncio
import re
from collections.abc import Iterable
from hashlib import sha256
from typing import Any

import msgspec

from storied.app import App
from storied.services.access.identity import unauthenticated
from storied.services.describing.answers import HEADERS
from storied.services.describing.operations import Operations
from storied.services.describing.page import ORIGIN, SCRIPT, STYLE, page_of
from storied.services.describing.parameters import SHARED
from storied.services.describing.security import Security
from storied.services.gate import Gate, is_local
from storied.services.querying.asking import answer
from storied.services.querying.freshness import has_it, tag_of
from storied.services.settings import Settings
from storied.services.web.http import Endpoint, Header, Request, Response
from storied.services.web.routing import Route, Router, parse_template

VERSION = "3.1.0"
DIALECT = "https://json-schema.org/draft/2020-12/schema"
ANYWHERE = "http://anywhere.invalid"
"""What stands on a page that is kept, in the place of where it is asked for."""
_HOST = re.compile(r"(?:[A-Za-z0-9.-]+|\[[0-9A-Fa-f:.]+\])(?::[0-9]+)?")
POLICY = (
    b"default-src 'none'; style-src 'self'; script-src 'self'; "
    b"base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
)


def describe(app: App, routes: Iterable[Route], settings: Settings, security: Security) -> dict[str, Any]:
    """The OpenAPI document of these routes."""
    operations = Operations(app, routes, settings, security)
    paths: dict[str, dict[str, Any]] = {}
    for route in operations.routes:
        paths.setdefault(route.template.path, {})[route.template.method.lower()] = operations.of(route)
    tags = dict.fromkeys(one["tags"][0] for item in paths.values() for one in item.values())
    components = {
        "schemas": dict(sorted(operations.components.items())),
        "responses": operations.responses,
        "parameters": _used("parameters", SHARED, paths),
        "headers": _used("headers", HEADERS, [paths, operations.responses]),
    }
    if security.schemes:
        components["securitySchemes"] = security.schemes
    document = {
        "openapi": VERSION,
        "info": {"title": app.name, "version": ""},
        "jsonSchemaDialect": DIALECT,
        "servers": [{"url": "/"}],
        **({} if security.asks else {"security": []}),
        "tags": [{"name": name} for name in sorted(tags)],
        "paths": dict(sorted(paths.items())),
        "components": {kind: one for kind, one in components.items() if one},
    }
    document["info"] = {"title": app.name, "version": _version_of(document)}
    return document


def _used(kind: str, components: dict[str, Any], within: Any) -> dict[str, Any]:
    """The components that are referred to."""
    text = msgspec.json.encode(within).decode()
    return {name: one for name, one in components.items() if f'"#/components/{kind}/{name}"' in text}


def _version_of(document: dict[str, Any]) -> str:
    """Another one for each other interface: nobody has to remember to count it up."""
    return sha256(msgspec.json.encode(document, order="deterministic")).hexdigest()[:12]


def add_description(router: Router, gate: Gate) -> None:
    """Adds ``/openapi.json`` and ``/docs`` to the routes that they describe, unless the app has taken these paths."""
    description = Description(router, gate)
    files = {"style": ("text/css", STYLE), "script": ("text/javascript", SCRIPT)}
    added: list[tuple[str, Endpoint]] = [
        ("GET /openapi.json", description.document),
        ("GET /docs", description.page),
        ("GET /docs/storied.css", _file(*files["style"])),
        ("GET /docs/storied.js", _file(*files["script"])),
    ]
    taken = {route.template.text for route in router.routes}
    for text, endpoint in added:
        if text not in taken:
            router.add(parse_template(text), endpoint, open=True)


class Description:
    """What answers who asks what can be asked."""

    def __init__(self, router: Router, gate: Gate) -> None:
        self._router, self._gate = router, gate
        self._made: dict[str, Any] | None = None
        self._placed: tuple[str, bytes, bytes] | None = None

    async def document(self, request: Request) -> Response:
        """The document. Raises `AccessDenied`."""
        return answer(request, (await self._at(request))[1], None)

    async def page(self, request: Request) -> Response:
        """The page. Raises `AccessDenied`."""
        page = (await self._at(request))[2]
        return _answer(request, page.replace(ANYWHERE.encode(), _origin_of(request).encode()), "text/html")

    async def _at(self, request: Request) -> tuple[str, bytes, bytes]:
        """The document and the page as they are for who comes by this way, made once as long as all come by it."""
        gate = self._gate
        security = Security(gate.verifier, gate.access)
        is_known = request.principal is not None or is_local(gate, request)
        if security.asks and not is_known and not gate.settings.public_description:
            raise unauthenticated("What can be asked here is for those who say who they are")
        made, placed, root = self._made, self._placed, request.root
        if made is None:  # in a thread, since it takes a moment, in which others are served
            made = await asyncio.to_thread(describe, gate.app, self._router.routes, gate.settings, security)
            self._made = made
        if placed is None or placed[0] != root:
            document = made | {"servers": [{"url": root or "/"}]}
            placed = (root, msgspec.json.encode(document), await asyncio.to_thread(_page, document))
            self._placed = placed
        return placed


def _page(document: dict[str, Any]) -> bytes:
    return page_of(document, ANYWHERE).encode()


def _origin_of(request: Request) -> str:
    """Where the request was sent to, as far as the service can see; what no client writes is not taken over."""
    host = request.headers.get("host") or ""
    return f"{request.scope.get('scheme', 'http')}://{host}" if _HOST.fullmatch(host) else ORIGIN


def _file(media: str, text: str) -> Endpoint:
    body = text.encode()

    async def endpoint(request: Request) -> Response:
        return _answer(request, body, media)

    return endpoint


def _answer(request: Request, body: bytes, media: str) -> Response:
    """A part of the page, which may load its own parts and nothing else."""
    tag = tag_of(body)
    headers: list[Header] = [
        (b"etag", tag),
        (b"cache-control", b"private, no-cache"),
        (b"content-security-policy", POLICY),
        (b"x-content-type-options", b"nosniff"),
        (b"referrer-policy", b"no-referrer"),
    ]
    if has_it(request.headers.getall("if-none-match"), tag):
        return Response(304, b"", headers)
    return Response(200, body, [(b"content-type", f"{media}; charset=utf-8".encode()), *headers])
