"""What a toolkit costs: the same small answer from ASGI applications made with each, without a server or a socket.

Each has a route with a parameter among twenty, and sends the same bytes. What differs is the way to the endpoint and
back: the router, the request and the response.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable, Iterator, MutableMapping
from contextlib import asynccontextmanager
from typing import Any

from fastapi import FastAPI
from fastapi import Response as FastAPIResponse
from litestar import Litestar, get
from litestar import Response as LitestarResponse
from starlette.applications import Starlette
from starlette.requests import Request as StarletteRequest
from starlette.responses import Response as StarletteResponse
from starlette.routing import Route

from storied.services.service import Opening, Service
from storied.services.settings import Settings
from storied.services.web.http import Answer, Request, Response
from storied.services.web.routing import Router, parse_template

BODY = b'{"order":"o-1","customer":"c-9","status":"paid","total":"9.90"}'
JSON = "application/json"
PLACES = [f"things{n}" for n in range(19)] + ["orders"]
REQUESTS = 5_000


def bare() -> Any:
    """No routing at all: the floor."""

    async def application(scope: Any, receive: Any, send: Any) -> None:
        headers = [(b"content-type", b"application/json"), (b"content-length", b"%d" % len(BODY))]
        await send({"type": "http.response.start", "status": 200, "headers": headers})
        await send({"type": "http.response.body", "body": BODY})

    return application


def storied_service() -> Any:
    """A service of storied, with the whole pipeline but its gate."""

    @asynccontextmanager
    async def nothing() -> Any:
        yield None

    async def endpoint(request: Request) -> Answer:
        return Response(200, BODY, [(b"content-type", b"application/json")])

    router = Router()
    for place in PLACES:
        router.add(parse_template(f"GET /{place}/{{key}}"), endpoint)
    return Service(router, Opening(nothing), Settings())


def starlette() -> Any:
    """Starlette."""

    async def endpoint(request: StarletteRequest) -> StarletteResponse:
        return StarletteResponse(BODY, media_type=JSON)

    return Starlette(routes=[Route(f"/{place}/{{key}}", endpoint) for place in PLACES])


def litestar() -> Any:
    """Litestar."""

    def handler(place: str) -> Any:
        @get(f"/{place}/{{key:str}}", name=place)
        async def endpoint(key: str) -> LitestarResponse[bytes]:
            return LitestarResponse(BODY, media_type=JSON)

        return endpoint

    return Litestar([handler(place) for place in PLACES], openapi_config=None)


def fastapi() -> Any:
    """FastAPI."""
    web = FastAPI(openapi_url=None)

    async def endpoint(key: str) -> FastAPIResponse:
        return FastAPIResponse(BODY, media_type=JSON)

    for place in PLACES:
        web.get(f"/{place}/{{key}}")(endpoint)
    return web


TOOLKITS: dict[str, Callable[[], Any]] = {
    "bare ASGI, no routes": bare,
    "storied's own": storied_service,
    "Starlette": starlette,
    "Litestar": litestar,
    "FastAPI": fastapi,
}


def compare(rounds: int) -> Iterator[str]:
    """The microseconds of processor time that each toolkit takes for a request, as the lines of a table."""
    yield "| Toolkit | µs a request |"
    yield "|---|--:|"
    for name, seconds in asyncio.run(_measure(rounds)).items():
        yield f"| {name} | {seconds * 1e6:.1f} |"


async def _measure(rounds: int) -> dict[str, float]:
    """The least processor time for one request of each, the rounds taken in turn."""
    applications = {name: make() for name, make in TOOLKITS.items()}
    best = dict.fromkeys(applications, float("inf"))
    for _ in range(rounds):
        for name, application in applications.items():
            best[name] = min(best[name], await _seconds(application))
    return best


async def _seconds(application: Any) -> float:
    status = 0

    async def receive() -> MutableMapping[str, Any]:
        return {"type": "http.request", "body": b"", "more_body": False}

    async def send(message: MutableMapping[str, Any]) -> None:
        nonlocal status
        status = message.get("status", status)

    scopes = [_scope() for _ in range(REQUESTS)]
    began = time.process_time()
    for scope in scopes:
        await application(scope, receive, send)
    spent = time.process_time() - began
    if status != 200:
        raise RuntimeError(f"{application!r} answered {status}")
    return spent / REQUESTS


def _scope() -> dict[str, Any]:
    return {
        "type": "http",
        "asgi": {"version": "3.0", "spec_version": "2.4"},
        "http_version": "1.1",
        "method": "GET",
        "scheme": "http",
        "path": "/orders/o-1",
        "raw_path": b"/orders/o-1",
        "query_string": b"",
        "root_path": "",
        "headers": [(b"host", b"localhost"), (b"accept", b"*/*"), (b"user-agent", b"bench")],
        "client": ("127.0.0.1", 1),
        "server": ("127.0.0.1", 80),
        "state": {},
    }
