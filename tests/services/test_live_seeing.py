"""What a stream tells who may not see a document: what it would tell if the document were not there, and no more."""

from __future__ import annotations

from pathlib import Path

import pytest

from storied import App, Id, OpenApp, View, on
from storied.services.access.identity import ApiKeys
from storied.services.queries import query_service
from storied.services.settings import Settings
from storied.testing.waiting import eventually
from tests.services.test_live import Told, listening
from tests.services.test_seeing import (
    ANNA,
    ANNA_KEY,
    BEN,
    BEN_KEY,
    CLERK,
    Moved,
    Order,
    Placed,
    behind,
    get,
    serving,
)


async def parked(opened: OpenApp) -> str:
    """Parks an order of Anna's; the position that the view then has reached."""
    await opened.record(Moved(order="anna-1", customer="nobody"))
    head = (await opened.record(Placed(order="cleo-1", customer="cleo"))).position
    await opened.wait(Order, head)
    return str(head)


async def test_a_stream_of_a_document_of_another_is_as_one_of_nothing(tmp_path: Path) -> None:
    """Also when it is held back, to who comes back: it is gone, and nothing is told of what becomes of it."""
    async with serving(tmp_path) as (opened, service):
        head = await parked(opened)
        for order in ("anna-1", "anna-2", "nobody-1"):
            ben = {"Authorization": f"Bearer {BEN}", "Last-Event-ID": head}
            clara = {"Authorization": f"Bearer {CLERK}"}
            async with (
                listening(service, f"/orders/{order}", **ben) as client,
                listening(service, "/orders/cleo-1", **clara) as other,
            ):
                assert await client.next() == Told("gone", int(head), {"key": order})
                first = await other.next()
                await opened.record(Moved(order=order, customer="cleo"))
                last = await opened.record(Placed(order="cleo-1", customer="cleo", total=(first.id or 0) + 1))
                head = str((await other.next()).id)
                assert head == str(last.position)
                assert client.wire.chunks.empty()


@pytest.mark.parametrize("more", [{}, {"last_event_id": "5"}])
async def test_a_stream_that_has_seen_a_position_is_refused_alike(tmp_path: Path, more: dict[str, str]) -> None:
    """It begins for those who come back, and is a 404 to others, whatever stands behind it."""
    async with serving(tmp_path) as (opened, service):
        head = await parked(opened)
        told: list[object] = []
        for order in ("anna-1", "anna-2", "nobody-1"):
            if more:
                key = {"Authorization": f"Bearer {BEN}", "Storied-After": head, "Last-Event-ID": "5"}
                async with listening(service, f"/orders/{order}", **key) as client:
                    event = await client.next()
                    told.append((event.event, event.id))
            else:
                answer = await get(service, f"/orders/{order}", BEN, accept="text/event-stream", storied_after=head)
                answer.headers.pop("x-request-id")
                told.append((str(answer.status), answer.headers))
        assert told[0] == told[1] == told[2]


async def test_who_sees_a_document_is_told_that_it_is_held_back(tmp_path: Path) -> None:
    """As before: the stream says so, and says nothing of the document that is not as new as asked for."""
    async with serving(tmp_path) as (opened, service):
        head = await parked(opened)
        key = {"Authorization": f"Bearer {ANNA}", "Last-Event-ID": head}
        async with listening(service, "/orders/anna-1", **key) as client:
            told = await client.next()
            assert (told.event, told.data["status"]) == ("status", "parked")


@pytest.mark.parametrize("target", ["/orders/anna-1", "/orders/anna-1?at=5"])
async def test_a_parked_document_of_another_is_absent_at_the_same_position(tmp_path: Path, target: str) -> None:
    """In its headers, too."""
    async with serving(tmp_path) as (opened, service):
        await parked(opened)
        forbidden = await get(service, target, BEN, storied_after="5")
        absent = await get(service, target.replace("anna", "nobody"), BEN, storied_after="5")
        for answer in (forbidden, absent):
            answer.headers.pop("x-request-id")
        assert (forbidden.status, forbidden.headers) == (404, absent.headers)


async def test_a_list_of_one_key_tells_nothing_of_a_document_of_another(tmp_path: Path) -> None:
    """Where a rule names the key and more: held back or not, it is as if it were not there."""
    app = App("orders")
    app.view("GET /orders/{order}", "GET /orders")(Order)
    app.allow(Order, to="customer", where=lambda principal: {"order": "anna-1", "customer": principal.id})
    app.verifier = ApiKeys([ANNA_KEY, BEN_KEY])
    async with app.open(f"sqlite:///{tmp_path}/app.db") as opened, query_service(app, opened) as service:
        await opened.record(Placed(order="anna-1", customer="anna"), Moved(order="anna-1", customer="nobody"))
        assert (await get(service, "/orders", ANNA, storied_after="2")).json["code"] == "key-parked"
        answer = await get(service, "/orders", BEN, storied_after="2")
        assert (answer.status, answer.body, answer.headers.get("storied-parked")) == (200, b"[]", None)


def reshaped() -> App:
    """The same app after a change: an order's total is told in words."""
    app = App("orders")

    class Order(View, indexes=["customer"]):
        order: Id
        customer: str = ""
        total: str = ""

        @on
        def placed(self, event: Placed) -> None:
            self.customer, self.total = event.customer, str(event.total)

    app.view("GET /orders/{order}", "GET /orders")(Order)
    app.allow(Order, to="customer", where=lambda principal: {"customer": principal.id})
    app.verifier = ApiKeys([ANNA_KEY, BEN_KEY])
    return app


async def test_while_it_cannot_be_told_whose_documents_are_nobody_learns_which_there_are(tmp_path: Path) -> None:
    """As long as documents of another shape are served: that the view is being built anew is all that is told."""
    async with behind(tmp_path):
        pass
    app, url = reshaped(), f"sqlite:///{tmp_path}/app.db"
    async with query_service(app, url, settings=Settings()) as service:
        for more in ({}, {"accept": "text/event-stream"}, {"storied_after": "4"}):
            for order in ("anna-1", "ben-1", "nobody-1"):
                answer = await get(service, f"/orders/{order}", BEN, **more)
                assert (answer.status, answer.json["code"]) == (503, "view-rebuilding"), (more, order)
        async with app.open(url):

            async def answered() -> bool:
                return (await get(service, "/orders/ben-1", BEN)).status == 200

            await eventually(answered)
            for order in ("anna-1", "nobody-1"):
                assert (await get(service, f"/orders/{order}", BEN)).status == 404
