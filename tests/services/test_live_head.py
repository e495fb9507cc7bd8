"""HEAD of a stream: its head, at once, and no stream."""

from __future__ import annotations

import asyncio
from pathlib import Path

import pytest

from storied.services.queries import query_service
from storied.services.settings import Settings
from tests.services.asgi import ask
from tests.services.library import library
from tests.services.serving import served
from tests.services.test_live import listening
from tests.services.test_queries import get, stocked

STREAM = {"Accept": "text/event-stream"}


@pytest.mark.parametrize("target", ["/books", "/books/walden", "/authors/austen/books"])
async def test_the_head_of_a_stream_is_that_of_the_stream_and_no_more(tmp_path: Path, target: str) -> None:
    """Nothing follows it, and how long the stream would be is not said."""
    async with stocked(f"sqlite:///{tmp_path}/app.db") as (_, service), asyncio.timeout(10):
        answer = await ask(service, "HEAD", target, headers=STREAM)
        assert (answer.status, answer.body) == (200, b"")
        assert answer.headers["content-type"] == "text/event-stream"
        assert "content-length" not in answer.headers


async def test_the_head_of_a_stream_is_no_stream(tmp_path: Path) -> None:
    """It takes the place of none, also where no more can be opened."""
    url = f"sqlite:///{tmp_path}/app.db"
    async with stocked(url), query_service(library, url, settings=Settings(stream_limit=1)) as service:
        async with asyncio.timeout(10):
            for _ in range(3):
                assert (await ask(service, "HEAD", "/books", headers=STREAM)).status == 200
            assert service.gate.meters.streams.at(())[0] == 0
        async with listening(service, "/books") as client:
            await client.next()
            async with asyncio.timeout(10):
                assert (await ask(service, "HEAD", "/books", headers=STREAM)).status == 200
            assert service.gate.meters.streams.at(())[0] == 1


async def test_the_head_of_a_stream_of_nothing_is_not_found(tmp_path: Path) -> None:
    """As the stream is."""
    async with stocked(f"sqlite:///{tmp_path}/app.db") as (_, service):
        whole = await get(service, "/books/nobody", accept="text/event-stream")
        assert (await ask(service, "HEAD", "/books/nobody", headers=STREAM)).status == whole.status == 404


async def test_a_connection_goes_on_behind_the_head_of_a_stream(tmp_path: Path) -> None:
    """A server does not hold it."""
    async with stocked(f"sqlite:///{tmp_path}/app.db") as (_, service), served(service) as http:
        async with asyncio.timeout(10):
            head = await http.head("/books", headers=STREAM)
            whole = await http.get("/books/walden")
        assert (head.status_code, head.headers["content-type"], whole.json()["book"]) == (
            200,
            "text/event-stream",
            "walden",
        )
