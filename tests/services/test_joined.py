"""Both services as one application: an address that one of them tells is answered by the other."""

from __future__ import annotations

from pathlib import Path

import httpx
import pytest
from fastapi import FastAPI

from storied.errors import StoreUnavailable
from storied.services import joined_service
from storied.services.settings import Settings
from tests.services.ledger import ledger

ACCOUNT = {"account": "a", "owner": "anna"}


@pytest.mark.parametrize("prefix", ["", "/api"])
async def test_what_was_created_is_read_where_its_location_says(tmp_path: Path, prefix: str) -> None:
    """At the root, and below the prefix at which it is mounted."""
    both = joined_service(ledger, f"sqlite:///{tmp_path}/app.db")
    web = FastAPI(openapi_url=None)
    web.mount(prefix, both)
    async with both, httpx.AsyncClient(transport=httpx.ASGITransport(web), base_url="http://localhost") as client:
        created = await client.post(f"{prefix}/accounts", json=ACCOUNT)
        after = {"Storied-After": created.headers["Storied-Position"]}
        page = await client.get(created.headers["Location"], headers=after)
        assert (page.status_code, page.json()["owner"]) == (200, "anna")
        document = (await client.get(f"{prefix}/openapi.json")).json()
        assert {"post", "get"} <= document["paths"]["/accounts"].keys()


async def test_both_sides_may_share_an_opened_app() -> None:
    """It stays its owner's."""
    async with ledger.open("memory://") as shop:
        async with joined_service(ledger, shop) as both:
            transport = httpx.ASGITransport(both)
            async with httpx.AsyncClient(transport=transport, base_url="http://localhost") as client:
                await client.post("/accounts", json=ACCOUNT, headers={"Prefer": "wait=5"})
                assert (await client.get("/accounts/a")).json()["owner"] == "anna"
        assert await shop.store.head() == 1


async def test_memory_cannot_be_opened_by_each_side() -> None:
    """Each would have its own; the remedy is told."""
    with pytest.raises(StoreUnavailable, match="Hand in the opened app"):
        async with joined_service(ledger, "memory://"):
            pass


async def test_the_settings_are_those_of_both_sides(tmp_path: Path) -> None:
    """As its hosts are."""
    both = joined_service(ledger, f"sqlite:///{tmp_path}/app.db", settings=Settings(hosts=("shop.example",)))
    async with both, httpx.AsyncClient(transport=httpx.ASGITransport(both), base_url="http://localhost") as client:
        assert (await client.get("/accounts")).status_code == 421
        assert (await client.post("/accounts", json=ACCOUNT)).status_code == 421
