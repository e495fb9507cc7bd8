"""A service that a lifespan has closed is opened by the next one: as by tests, each of which has its own."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any

import httpx
import pytest

from storied.services import command_service, joined_service, query_service
from tests.services.asgi import ask
from tests.services.ledger import ledger

ACCOUNT = {"account": "a", "owner": "anna"}


def serve(service: Any, work: Callable[[httpx.AsyncClient], Awaitable[None]]) -> None:
    """Opens the service by its lifespan, lets *work* ask it, and closes it, in an event loop of its own."""

    async def run() -> None:
        told: asyncio.Queue[dict[str, str]] = asyncio.Queue()
        heard: asyncio.Queue[Any] = asyncio.Queue()
        living = asyncio.create_task(service({"type": "lifespan"}, told.get, heard.put))
        told.put_nowait({"type": "lifespan.startup"})
        assert (await heard.get())["type"] == "lifespan.startup.complete"
        async with httpx.AsyncClient(transport=httpx.ASGITransport(service), base_url="http://localhost") as client:
            await work(client)
        told.put_nowait({"type": "lifespan.shutdown"})
        assert (await heard.get())["type"] == "lifespan.shutdown.complete"
        await living

    asyncio.run(run())


@pytest.mark.parametrize("make", [command_service, joined_service])
def test_a_second_lifespan_opens_what_the_first_has_closed(tmp_path: Path, make: Any) -> None:
    """In another event loop, over the same file."""
    positions: list[int] = []

    async def open_one(client: httpx.AsyncClient) -> None:
        body = ACCOUNT | {"account": f"a-{len(positions)}"}
        answer = await client.post("/accounts", json=body, headers={"Prefer": "wait=5"})
        positions.append(answer.json()["position"])

    service = make(ledger, f"sqlite:///{tmp_path}/app.db")
    for _ in range(3):
        serve(service, open_one)
    assert positions == [1, 2, 3]


def test_a_second_lifespan_opens_the_read_models_anew(tmp_path: Path) -> None:
    """The express lane, too, is of what is open now."""
    url = f"sqlite:///{tmp_path}/app.db"

    async def write(client: httpx.AsyncClient) -> None:
        await client.post("/accounts", json=ACCOUNT, headers={"Prefer": "wait=5"})

    async def read(client: httpx.AsyncClient) -> None:
        answers = [await client.get(path) for path in ("/accounts/a", "/accounts", "/accounts/b")]
        assert [answer.status_code for answer in answers] == [200, 200, 404]

    serve(command_service(ledger, url), write)
    service = query_service(ledger, url)
    for _ in range(2):
        serve(service, read)


async def test_each_opening_in_memory_is_another_log() -> None:
    """The first is gone, and is not missed."""
    service = command_service(ledger, "memory://")
    for _ in range(2):
        async with service:
            assert await service.opening.value.store.head() == 0
            answer = await ask(
                service, "POST", "/accounts", b'{"account":"a","owner":"x"}', {"Content-Type": "application/json"}
            )
            assert answer.status == 201
        assert (await ask(service, "GET", "/readyz")).status == 503


async def test_a_service_that_was_told_to_close_before_it_opened_can_be_opened(tmp_path: Path) -> None:
    """It has nothing to forget."""
    service = command_service(ledger, f"sqlite:///{tmp_path}/app.db")
    await service.aclose()
    async with service:
        assert await service.opening.value.store.head() == 0
