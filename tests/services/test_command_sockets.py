"""The command service behind a real server, with a real client, over a real socket."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from storied.services.commands import command_service
from tests.services.ledger import ledger
from tests.services.serving import served

ACCOUNT = {"account": "a", "owner": "anna"}


async def test_a_command_goes_over_the_wire(tmp_path: Path) -> None:
    """The server's lifespan opens the store and closes it, and everything is there afterwards."""
    url = f"sqlite:///{tmp_path}/app.db"
    async with served(command_service(ledger, url), lifespan="on") as client:
        answer = await client.post("/accounts", json=ACCOUNT, headers={"Prefer": "wait=5"})
        assert (answer.status_code, answer.headers["location"]) == (201, "/accounts/a")
        assert [value for name, value in client.cookies.items() if name.startswith("storied-after-")] == ["1"]
        answer = await client.put("/accounts/a%2Fb", json={"owner": "x"}, headers={"If-Match": '"0"'})
        assert answer.json()["events"][0]["tags"] == ["account:a/b"]
        assert (await client.options("/accounts/a")).headers["allow"] == "PUT, DELETE, OPTIONS"
        assert (await client.get("/accounts/a")).status_code == 405
        assert (await client.head("/nothing")).content == b""
    async with ledger.open(url) as shop:
        assert await shop.store.head() == 2


async def test_parallel_clients_with_one_key_execute_once(tmp_path: Path) -> None:
    """64 connections at once: one event, and one answer to all, byte for byte."""
    async with served(command_service(ledger, f"sqlite:///{tmp_path}/app.db")) as client:
        await client.post("/accounts", json=ACCOUNT)
        answers = await asyncio.gather(
            *(
                client.post("/accounts/a/payments", json={"amount": "5"}, headers={"Idempotency-Key": "k"})
                for _ in range(64)
            )
        )
        assert {answer.status_code for answer in answers} == {200}
        assert len({answer.content for answer in answers}) == 1
        assert answers[0].json()["position"] == 2
        other = await client.post("/accounts/a/payments", json={"amount": "6"}, headers={"Idempotency-Key": "k"})
        assert other.status_code == 422


@pytest.mark.parametrize("pause", [0.0, 0.001, 0.005, 0.02])
async def test_a_client_that_hangs_up_may_repeat(tmp_path: Path, pause: float) -> None:
    """Wherever it hung up: after all of them, each is stored once."""
    async with served(command_service(ledger, f"sqlite:///{tmp_path}/app.db")) as client:
        host, port = client.base_url.host, client.base_url.port
        body = json.dumps(ACCOUNT).encode()
        head = (
            f"POST /accounts HTTP/1.1\r\nHost: {host}\r\nContent-Type: application/json\r\nIdempotency-Key: k\r\n"
            f"Content-Length: {len(body)}\r\n\r\n"
        ).encode()
        for sent in (head, head + body[:10], head + body):
            _, writer = await asyncio.open_connection(host, port)
            writer.write(sent)
            await writer.drain()
            await asyncio.sleep(pause)
            writer.transport.abort()
        answer = await client.post("/accounts", json=ACCOUNT, headers={"Idempotency-Key": "k"})
        assert (answer.status_code, answer.json()["position"], answer.json()["count"]) == (201, 1, 1)


async def test_a_body_that_is_too_large_is_refused_while_it_is_sent(tmp_path: Path) -> None:
    """In pieces of unknown number, or with a length that says so before."""

    async def pieces() -> AsyncIterator[bytes]:
        for _ in range(64):
            yield b" " * 64 * 1024

    async with served(command_service(ledger, f"sqlite:///{tmp_path}/app.db")) as client:
        headers = {"Content-Type": "application/json"}
        answer = await client.post("/accounts", content=b" " * 4_000_000, headers=headers)
        assert (answer.status_code, answer.json()["code"]) == (413, "too-large")
        answer = await client.post("/accounts", content=pieces(), headers=headers)
        assert answer.status_code == 413
        assert (await client.post("/accounts", json=ACCOUNT)).status_code == 201
