"""No door goes round the rules: each route of the example shop, in each of its ways, refuses whoever lacks its role."""

from __future__ import annotations

import asyncio
import copy
import re
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import msgspec
import pytest

from storied import OPERATIONS, App, Event, Id, View, on
from storied.domain.access import Access, HistoryOf
from storied.examples.shop import app as shop
from storied.examples.shop.views import CustomerOverview, OrderPage, SellerMonth
from storied.services.access.identity import ApiKeys, new_key
from storied.services.gate import Gate
from storied.services.queries import query_service
from storied.services.service import Service
from storied.services.settings import Settings
from storied.services.sides import service_of
from storied.services.web.routing import Route
from tests.services.asgi import Sent, Wire, ask, scope_of

JSON = {"Content-Type": "application/json"}
STREAM = {"Accept": "text/event-stream"}
HOME = {"zip_code": "01000", "city": "são paulo", "state": "SP"}


def guarded_shop() -> App:
    """The shop without a rule of its own."""
    app = copy.copy(shop)
    app.access = Access()
    return app


def role_of(subject: Any) -> str:
    """The one role that is let at the subject."""
    return f"may {subject.view.__name__}'s history" if isinstance(subject, HistoryOf) else f"may {subject.__name__}"


def roles_for(app: App) -> set[str]:
    """One role for each command, view and query."""
    subjects: list[Any] = [*app.handlers, *app.views.values(), *(query.function for query in app.queries.values())]
    for subject in subjects:
        app.allow(subject, to=role_of(subject))
    histories = [HistoryOf(view) for view in app.views.values()]
    for history in histories:
        app.allow(history.view, to=role_of(history), history=True)
    app.allow(OPERATIONS, to="operator")
    return {role_of(subject) for subject in (*subjects, *histories)} | {"operator"}


def targets(route: Route) -> list[tuple[str, str, dict[str, str]]]:
    """The ways to ask for the route: method, target and headers."""
    path = re.sub(r"\{[^}]*\}", "o-1", route.template.path)
    if route.template.method != "GET":
        return [(route.template.method, path, {**JSON, "Idempotency-Key": "k", "If-Match": '"0"', "Prefer": "wait=1"})]
    return [
        ("GET", path, {}),
        ("HEAD", path, {}),
        ("GET", path, STREAM),
        ("GET", path, {"If-None-Match": "*"}),
        ("GET", path, {"Storied-After": "0"}),
        ("GET", f"{path}?at=1", {}),
        ("GET", f"{path}?limit=1", {}),
        ("GET", f"{path}?nonsense=1", {}),
    ]


async def status(service: Service[Any], method: str, target: str, headers: dict[str, str]) -> int:
    """What the service says first; a stream is left then."""
    wire = Wire(b"")
    wire.gone.set()
    await service(scope_of(method, target, headers), wire.receive, wire.send)
    return wire.sent.status


async def test_each_route_refuses_who_lacks_its_role(tmp_path: Path) -> None:
    """Nobody, somebody with a false credential, and somebody with every role but this; the right one comes through."""
    app = guarded_shop()
    every = roles_for(app)
    by_role = {role: new_key("right", [role]) for role in every}
    all_but = {role: new_key("wrong", every - {role}) for role in every}
    keys = ApiKeys(kept for made in (by_role, all_but) for _, kept in made.values())
    gate = Gate(app, Settings(verifier=keys))
    url = f"sqlite:///{tmp_path / 'shop.db'}"
    seen = set()
    async with service_of(app, url, "both", gate, views=True) as service:
        for route in service.router.routes:
            if route.open:
                continue
            assert route.subject is not None, route.template.text
            role = role_of(route.subject)
            seen.add(role)
            for method, target, headers in targets(route):
                where = (method, target, headers)
                assert await status(service, method, target, headers) == 401, where
                false = {"Authorization": f"Bearer {by_role[role][0][:-2]}xx"}
                assert await status(service, method, target, headers | false) == 401, where
                wrong = {"X-Api-Key": all_but[role][0]}
                assert await status(service, method, target, headers | wrong) == 403, where
                right = {"X-Api-Key": by_role[role][0]}
                assert await status(service, method, target, headers | right) not in (401, 403), where
    assert seen >= {role_of(subject) for subject in (*app.handlers, *app.views.values())}
    opened = {route.template.path for route in service.router.routes if route.open}
    assert {path for path in opened if not path.startswith("/docs")} == {
        "/livez",
        "/metrics",
        "/openapi.json",
        "/readyz",
    }


ANNA, ANNA_KEY = new_key("anna", ["customer"])
BEN, BEN_KEY = new_key("ben", ["customer"])
CLERK, CLERK_KEY = new_key("carl", ["clerk"])


@asynccontextmanager
async def two_orders(folder: Path) -> AsyncIterator[tuple[Service[Any], int]]:
    """The shop with an order of anna's and one of ben's, each of whom sees their own, and where the log stands."""
    app = guarded_shop()
    for command in app.handlers:
        app.allow(command, to="clerk")
    app.allow(OrderPage, to="customer", where=lambda principal: {"customer": principal.id})
    app.allow(CustomerOverview, to="customer", where=lambda principal: {"customer": principal.id})
    app.allow(OrderPage, to="customer", where=lambda principal: {"customer": principal.id}, history=True)
    for view in (OrderPage, CustomerOverview, SellerMonth):
        app.allow(view, to="clerk")
        app.allow(view, to="clerk", history=True)
    gate = Gate(app, Settings(verifier=ApiKeys([ANNA_KEY, BEN_KEY, CLERK_KEY])))
    async with service_of(app, f"sqlite:///{folder / 'shop.db'}", "both", gate, views=True) as service:
        for line, body in (
            ("POST /sellers", {"seller": "s", "city": "c"}),
            ("POST /products", {"product": "mug", "seller": "s", "title": "Mug", "price": "20"}),
            ("POST /customers", {"customer": "anna", "address": HOME}),
            ("POST /customers", {"customer": "ben", "address": HOME}),
            ("POST /orders", {"order": "o-anna", "customer": "anna", "products": ["mug"]}),
            ("POST /orders", {"order": "o-ben", "customer": "ben", "products": ["mug"]}),
        ):
            method, target = line.split()
            headers = JSON | {"X-Api-Key": CLERK, "Prefer": "wait=10"}
            done = await ask(service, method, target, msgspec.json.encode(body), headers)
            assert done.status in (200, 201), done.body
        yield service, int(done.headers["storied-position"])


async def get(service: Service[Any], target: str, key: str, **headers: str) -> Sent:
    """The answer to a GET by somebody."""
    given = {name.replace("_", "-"): value for name, value in headers.items()}
    return await ask(service, "GET", target, headers={"X-Api-Key": key} | given)


def told(answer: Sent) -> tuple[int, dict[str, str], Any]:
    """What a client can tell an answer by, without what is another each time."""
    ours = {"x-request-id", "date"}
    content = {name: value for name, value in answer.json.items() if name != "request_id"}
    return answer.status, {name: value for name, value in answer.headers.items() if name not in ours}, content


@pytest.mark.parametrize("way", ["", "?at=6", "/history", "/history?at=6"])
async def test_what_is_another_s_is_as_what_is_not_there(tmp_path: Path, way: str) -> None:
    """The same status, the same headers, the same words; what is one's own is there."""
    async with two_orders(tmp_path) as (service, _):
        assert (await get(service, f"/orders/o-anna{way}", ANNA)).status == 200
        forbidden = await get(service, f"/orders/o-ben{way}", ANNA)
        absent = await get(service, f"/orders/o-nobody{way}", ANNA)
        assert forbidden.status == 404
        assert told(forbidden) == told(absent)
        assert (await get(service, f"/orders/o-ben{way}", CLERK)).status == 200


async def test_a_tag_that_was_seen_before_opens_nothing(tmp_path: Path) -> None:
    """If-None-Match with the right tag, or any, is no answer about another's document."""
    async with two_orders(tmp_path) as (service, _):
        tag = (await get(service, "/orders/o-ben", BEN)).headers["etag"]
        assert (await get(service, "/orders/o-ben", BEN, If_None_Match=tag)).status == 304
        for given in (tag, "*"):
            assert (await get(service, "/orders/o-ben", ANNA, If_None_Match=given)).status == 404


async def test_lists_hold_what_is_one_s_own(tmp_path: Path) -> None:
    """Whatever is asked for, in whatever order, now or then, and page by page."""
    async with two_orders(tmp_path) as (service, head):

        async def orders(query: str, key: str = ANNA) -> list[str]:
            answer = await get(service, f"/orders{query}", key)
            assert answer.status == 200, answer.body
            return [document["order"] for document in answer.json]

        for query in ("", "?sort=-total", "?limit=1", f"?at={head}", "?customer=anna", "?total.ge=1"):
            assert await orders(query) == ["o-anna"], query
        assert await orders("?customer=ben") == []
        assert await orders("?customer=ben", BEN) == ["o-ben"]
        assert len(await orders("", CLERK)) == 2
        first = await get(service, "/orders?limit=1&sort=-total", CLERK)
        assert "link" in first.headers
        cursor = re.search(r"cursor=([^&>]+)", first.headers["link"])
        assert cursor is not None
        borrowed = await get(service, f"/orders?limit=1&sort=-total&cursor={cursor[1]}", ANNA)
        assert borrowed.status == 400 or [one["order"] for one in borrowed.json] in ([], ["o-anna"])


async def test_a_view_may_belong_to_its_key(tmp_path: Path) -> None:
    """A customer's overview is the customer's; its list has one line."""
    async with two_orders(tmp_path) as (service, _):
        assert (await get(service, "/customers/anna", ANNA)).status == 200
        assert (await get(service, "/customers/ben", ANNA)).status == 404
        assert [one["customer"] for one in (await get(service, "/customers", ANNA)).json] == ["anna"]
        assert (await get(service, "/customers?orders.ge=2", ANNA)).json == []
        assert (await get(service, "/sales", ANNA)).status == 403


async def test_streams_tell_of_one_s_own(tmp_path: Path) -> None:
    """One of another's document is not begun, and one of a list leaves it out."""
    async with two_orders(tmp_path) as (service, _):
        assert await status(service, "GET", "/orders/o-ben", STREAM | {"X-Api-Key": ANNA}) == 404
        wire = Wire(b"")
        headers = STREAM | {"X-Api-Key": ANNA}
        running = asyncio.ensure_future(service(scope_of("GET", "/orders", headers), wire.receive, wire.send))
        text = b""
        while b"event: list" not in text:
            text += await asyncio.wait_for(wire.chunks.get(), 10)
        wire.gone.set()
        await running
        assert b"o-anna" in text
        assert b"o-ben" not in text


async def test_somebody_s_place_in_a_stream_opens_nothing(tmp_path: Path) -> None:
    """A Last-Event-ID skips the look at what is there, not the look at whose it is."""
    async with two_orders(tmp_path) as (service, head):
        wire = Wire(b"")
        headers = STREAM | {"X-Api-Key": ANNA, "Last-Event-ID": str(head)}
        running = asyncio.ensure_future(service(scope_of("GET", "/orders/o-ben", headers), wire.receive, wire.send))
        text = b""
        while b"event:" not in text:
            text += await asyncio.wait_for(wire.chunks.get(), 10)
        wire.gone.set()
        await running
        assert b"event: gone" in text
        assert b"total" not in text


async def test_the_quick_way_to_documents_is_closed_where_there_are_rules(tmp_path: Path) -> None:
    """Also for a service that was made before its app had the first rule."""
    app = guarded_shop()
    url = f"sqlite:///{tmp_path / 'shop.db'}"
    async with two_orders(tmp_path), query_service(app, url) as service:
        for _ in range(3):
            assert (await ask(service, "GET", "/orders/o-ben")).status == 200
        app.allow(OrderPage, to="clerk")
        assert (await ask(service, "GET", "/orders/o-ben")).status == 401


class Filed(Event):
    letter: Id
    owner: str
    harm: bool = False


class Letter(View, indexes=["owner"]):
    letter: Id
    owner: str = ""

    @on
    def filed(self, event: Filed) -> None:
        if event.harm:
            raise ValueError("what is in it cannot be read")
        self.owner = event.owner


@pytest.mark.parametrize("way", ["", "?at=3"])
async def test_another_s_document_that_is_held_back_is_not_there_either(way: str) -> None:
    """That it stopped at an event would tell that it is there."""
    app = App("letters")
    app.view("GET /letters/{letter}")(Letter)
    app.allow(Letter, to="customer", where=lambda principal: {"owner": principal.id})
    settings = Settings(verifier=ApiKeys([ANNA_KEY, BEN_KEY]))
    async with app.open("memory://") as opened, query_service(app, opened, settings=settings) as service:
        await opened.record(Filed(letter="a", owner="anna"), Filed(letter="b", owner="ben"))
        receipt = await opened.record(Filed(letter="b", owner="ben", harm=True))
        await opened.wait(Letter, receipt.position)
        after = str(receipt.position)
        given = {} if way else {"Storied_After": after}
        forbidden = await get(service, f"/letters/b{way}", ANNA, **given)
        absent = await get(service, f"/letters/c{way}", ANNA, **given)
        assert forbidden.status == 404
        assert told(forbidden) == told(absent)
        assert (await get(service, f"/letters/b{way}", BEN, **given)).json["code"] == "key-parked"
