"""The command service below frameworks, behind a real server: whoever opens it, it answers, and closes in the end."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest
from fastapi import FastAPI
from litestar import Litestar, asgi
from litestar.types import Receive as LitestarReceive
from litestar.types import Scope as LitestarScope
from litestar.types import Send as LitestarSend
from starlette.applications import Starlette
from starlette.routing import Mount

from storied.services.commands import CommandService, command_service
from tests.services.ledger import ledger
from tests.services.serving import served


def in_fastapi(service: CommandService, lifespan: Any) -> Any:
    """A FastAPI application with the service below /api."""
    web = FastAPI(lifespan=lifespan)
    web.mount("/api", service)
    return web


def in_starlette(service: CommandService, lifespan: Any) -> Any:
    """A Starlette application with the service below /api."""
    return Starlette(routes=[Mount("/api", service)], lifespan=lifespan)


def in_litestar(service: CommandService, lifespan: Any) -> Any:
    """A Litestar application with the service below /api."""

    @asgi("/api", is_mount=True, copy_scope=True)
    async def api(scope: LitestarScope, receive: LitestarReceive, send: LitestarSend) -> None:
        await service(scope, receive, send)  # type: ignore[arg-type]

    return Litestar([api], lifespan=[lifespan] if lifespan else [])


def in_starlette_twice(service: CommandService, lifespan: Any) -> Any:
    """The service two mounts deep."""
    inner = Starlette(routes=[Mount("/pi", service)])
    return Starlette(routes=[Mount("/a", inner)], lifespan=lifespan)


MOUNTS = {"/api": [in_fastapi, in_starlette, in_litestar], "/a/pi": [in_starlette_twice]}
CASES = [(place, mount) for place, mounts in MOUNTS.items() for mount in mounts]


@pytest.mark.parametrize("opened", ["at the start", "by a first request"])
@pytest.mark.parametrize(("place", "mount"), CASES, ids=lambda case: getattr(case, "__name__", case))
async def test_a_mounted_service_answers_where_it_is_mounted(
    tmp_path: Path, place: str, mount: Callable[[CommandService, Any], Any], opened: str
) -> None:
    """With its own problems and addresses; and what it stored is there when the server has ended."""
    url = f"sqlite:///{tmp_path}/app.db"
    service = command_service(ledger, url)

    @asynccontextmanager
    async def lifespan(web: Any) -> AsyncIterator[None]:
        async with service:
            yield

    async with served(mount(service, lifespan if opened == "at the start" else None)) as client:
        assert service.opening.is_open is (opened == "at the start")
        answer = await client.post(f"{place}/accounts", json={"account": "a/ü b", "owner": "x"})
        assert (answer.status_code, answer.headers["location"]) == (201, f"{place}/accounts/a%2F%C3%BC%20b")
        answer = await client.put(f"{place}/accounts/a%2F%C3%BC%20b", json={"owner": "y"})
        assert answer.json()["events"][0]["tags"] == ["account:a/ü b"]
        assert (await client.get(f"{place}/accounts/a")).json()["code"] == "method-not-allowed"
        assert (await client.post(f"{place}/nothing")).json()["code"] == "not-found"
        assert (await client.post("/accounts", json={})).status_code == 404
    await service.aclose()
    async with ledger.open(url) as shop:
        assert await shop.store.head() == 2
