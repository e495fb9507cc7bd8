"""Both services as one application: an address that one of them tells is answered by the other."""

from __future__ import annotations

import asyncio
from pathlib import Path

import httpx
import pytest
from fastapi import FastAPI

from storied.errors import StoreUnavailable
from storied.services import joined_service
from storied.services.joining import Joined
from storied.services.querying import origin
from storied.services.settings import Settings
from storied.testing.waiting import eventually
from tests.services import tally
from tests.services.asgi import Wire, ask, scope_of
from tests.services.ledger import ledger
from tests.services.test_keeping import filled, move
from tests.services.test_origin import replaced

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


async def mark(service: Joined, **headers: str) -> tuple[int, dict[str, str]]:
    """The status and the headers of what is answered to a new mark."""
    given = {name.replace("_", "-"): value for name, value in headers.items()}
    sent = await ask(service, "POST", "/tallies/a/marks", b'{"mark":"m"}', {"Content-Type": "application/json"} | given)
    return sent.status, sent.headers


async def test_documents_of_another_log_are_not_served(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Streams of them end, and it is not ready, and says of which views, whatever the command side has to say."""
    monkeypatch.setattr(origin, "LOOK_SECONDS", 0.02)
    url = await filled(tmp_path / "here", "a-1")
    await filled(tmp_path / "other", "b-1", "b-2")
    async with joined_service(tally.app, url, views=False) as service:
        assert (await ask(service, "GET", "/tallies/a")).json["marks"] == ["a-1"]
        wire = Wire()
        scope = scope_of("GET", "/tallies/a", {"Accept": "text/event-stream"})
        streaming = asyncio.create_task(service(scope, wire.receive, wire.send))
        await eventually(lambda: wire.chunks.qsize() > 1)
        await replaced(tmp_path / "here", tmp_path / "other")

        async def is_refused() -> bool:
            answer = await ask(service, "GET", "/tallies/a")
            return (answer.status, answer.json.get("code")) == (503, "other-log")

        await eventually(is_refused)
        await asyncio.wait_for(streaming, 10)
        ready = await ask(service, "GET", "/readyz")
        assert (ready.status, [view["state"] for view in ready.json["views"]]) == (503, ["foreign"])


async def test_streams_end_when_the_server_goes_down(tmp_path: Path) -> None:
    """Those of each side, so that it has not to wait for them."""
    url = await filled(tmp_path / "here", "a-1")
    async with joined_service(tally.app, url) as service:
        wire = Wire()
        scope = scope_of("GET", "/tallies/a", {"Accept": "text/event-stream"})
        streaming = asyncio.create_task(service(scope, wire.receive, wire.send))
        await eventually(lambda: wire.chunks.qsize() > 1)
        service.drain()
        await asyncio.wait_for(streaming, 10)


async def test_a_side_that_cannot_tell_hides_nothing_of_the_other(tmp_path: Path) -> None:
    """The log is away, so commands cannot be stored; how the views are doing is known all the same."""
    url = await filled(tmp_path / "here", "a-1")
    async with joined_service(tally.app, url, views=False) as service:
        move(tmp_path / "here", "tally.db*", tmp_path / "away")
        ready = await ask(service, "GET", "/readyz")
        assert (ready.status, [view["view"] for view in ready.json["views"]]) == (503, ["TallyPage"])


async def test_waiting_for_views_is_not_cut_by_the_deadline_of_the_request(tmp_path: Path) -> None:
    """What was stored is not told as if nobody knew."""
    settings = Settings(deadline=0.2)
    async with joined_service(tally.app, f"sqlite:///{tmp_path}/tally.db", settings=settings, views=False) as service:
        status, headers = await mark(service, Prefer="wait=0.6")
        assert (status, headers["preference-applied"]) == (200, 'wait=0.6; views=""; late="TallyPage"')


async def test_what_requests_have_opened_is_closed(tmp_path: Path) -> None:
    """Mounted, it is told of no lifespan: whoever closes it closes both sides."""
    service = joined_service(tally.app, f"sqlite:///{tmp_path}/tally.db")
    assert (await mark(service, Prefer="wait=20"))[0] == 200
    assert (await ask(service, "GET", "/tallies/a")).status == 200
    await service.aclose()
    for method, target in (("POST", "/tallies/a/marks"), ("GET", "/tallies/a")):
        answer = await ask(service, method, target, b'{"mark":"n"}', {"Content-Type": "application/json"})
        assert (answer.status, answer.json["code"]) == (503, "store-closed")
    assert not list(tmp_path.glob("*-wal"))
