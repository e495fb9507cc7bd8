"""Who sees what: rules about views, held against each document, by whichever door it is asked for."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest

from storied import EVERYONE, App, Event, Id, OpenApp, Reader, View, on
from storied.services.access.identity import ApiKeys, new_key
from storied.services.queries import QueryService, query_service
from storied.services.settings import Settings
from storied.services.web.cookies import cookie_of
from tests.services.asgi import Sent, ask
from tests.services.test_live import Told, listening


class Placed(Event):
    order: Id
    customer: str
    total: int = 1


class Moved(Event):
    order: Id
    customer: str
    smudged: bool = False


class Order(View, indexes=["customer", "total"]):
    order: Id
    customer: str = ""
    total: int = 0

    @on
    def placed(self, event: Placed) -> None:
        self.customer, self.total = event.customer, event.total

    @on
    def moved(self, event: Moved) -> None:
        if event.customer == "nobody" or event.smudged:
            raise ValueError("an order is somebody's")
        self.customer = event.customer


class Profile(View):
    customer: Id
    orders: int = 0

    @on(key="customer")
    def placed(self, event: Placed) -> None:
        if event.total < 0:
            raise ValueError("an order costs something")
        self.orders += 1


class Notice(View):
    order: Id

    @on
    def placed(self, event: Placed) -> None:
        """Shows nothing but that there is an order."""


ANNA, ANNA_KEY = new_key("anna", ["customer"])
BEN, BEN_KEY = new_key("ben", ["customer"])
CLERK, CLERK_KEY = new_key("clara", ["clerk"])
AUDITOR, AUDITOR_KEY = new_key("otto", ["auditor"])


def make_app() -> App:
    """Customers see their own, clerks see everything, and notices are for everybody."""
    app = App("orders")
    below = "GET /customers/{customer}/orders"
    app.view("GET /orders/{order}", "GET /orders", below, f"{below}/{{order}}")(Order)
    app.view("GET /profiles/{customer}", "GET /profiles")(Profile)
    app.view("GET /notices/{order}")(Notice)

    @app.query("GET /orders/{order}/customer")
    async def customer_of(views: Reader, order: str) -> str | None:
        found = await views.get(Order, order)
        return found.customer if found else None

    app.allow(Order, to="customer", where=lambda principal: {"customer": principal.id})
    app.allow(Order, to="clerk")
    app.allow(Order, to="customer", where=lambda principal: {"customer": principal.id}, history=True)
    app.allow(Order, to=["clerk", "auditor"], history=True)
    app.allow(Profile, to="customer", where=lambda principal: {"customer": principal.id})
    app.allow(Notice, to=EVERYONE)
    app.allow(customer_of, to="clerk")
    app.verifier = ApiKeys([ANNA_KEY, BEN_KEY, CLERK_KEY, AUDITOR_KEY])
    return app


@asynccontextmanager
async def serving(folder: Path) -> AsyncIterator[tuple[OpenApp, QueryService]]:
    """Orders of two customers, and their query service."""
    app, url = make_app(), f"sqlite:///{folder}/app.db"
    async with app.open(url) as opened:
        placed = [Placed(order=f"{who}-{n}", customer=who, total=n) for who in ("anna", "ben") for n in (1, 2)]
        head = (await opened.record(*placed)).position
        for view in app.views.values():
            await opened.wait(view, head)
        async with query_service(app, url, settings=Settings()) as service:
            yield opened, service


async def get(service: QueryService, target: str, key: str | None, **headers: str) -> Sent:
    """The answer to the holder of the key."""
    credential = {} if key is None else {"Authorization": f"Bearer {key}"}
    return await ask(service, "GET", target, headers=credential | {n.replace("_", "-"): v for n, v in headers.items()})


@pytest.mark.parametrize("door", ["", "?at=4", "/history"])
async def test_a_document_of_another_is_as_one_that_is_not_there(tmp_path: Path, door: str) -> None:
    """Now, in the past, and in its history: the same 404, but for the id of the request."""
    async with serving(tmp_path) as (_, service):
        assert (await get(service, f"/orders/anna-1{door}", ANNA)).status == 200
        assert (await get(service, f"/orders/anna-1{door}", CLERK)).status == 200
        forbidden = await get(service, f"/orders/anna-1{door}", BEN)
        absent = await get(service, f"/orders/nobody-1{door}", BEN)
        assert forbidden.status == 404
        told = [{k: v for k, v in answer.json.items() if k != "request_id"} for answer in (forbidden, absent)]
        assert told[0] == told[1]


@pytest.mark.parametrize("door", ["", "?at=4", "/history", "stream"])
async def test_a_path_shows_nobody_more_than_they_see(tmp_path: Path, door: str) -> None:
    """What it says beside the key is held against the document and against the rules, and widens neither."""
    async with serving(tmp_path) as (_, service):

        async def status(customer: str, order: str, key: str) -> int:
            accept = {"accept": "text/event-stream"} if door == "stream" else {}
            target = f"/customers/{customer}/orders/{order}{'' if accept else door}"
            return (await get(service, target, key, **accept)).status

        if door != "stream":
            assert await status("anna", "anna-1", ANNA) == 200
            assert await status("ben", "ben-1", CLERK) == 200
        for customer, order in (("ben", "ben-1"), ("anna", "ben-1"), ("ben", "anna-1")):
            assert await status(customer, order, ANNA) == 404
        for customer, order in (("anna", "ben-1"), ("ben", "anna-1")):
            assert await status(customer, order, CLERK) == 404


async def test_a_tag_does_not_tell_of_what_is_not_seen(tmp_path: Path) -> None:
    """Who guesses the tag of another's document gets the 404 all the same."""
    async with serving(tmp_path) as (_, service):
        tag = (await get(service, "/orders/anna-1", ANNA)).headers["etag"]
        assert (await get(service, "/orders/anna-1", ANNA, if_none_match=tag)).status == 304
        assert (await get(service, "/orders/anna-1", BEN, if_none_match=tag)).status == 404


@pytest.mark.parametrize("door", ["", "&at=4"])
async def test_a_list_holds_what_is_seen_and_no_more(tmp_path: Path, door: str) -> None:
    """Whatever it is filtered by, ordered by, or which page is asked for."""
    async with serving(tmp_path) as (_, service):

        async def seen(query: str, key: str) -> list[str]:
            answer = await get(service, f"/orders?{query}{door}", key)
            assert answer.status == 200, answer.body
            return [one["order"] for one in answer.json]

        assert await seen("limit=9", CLERK) == ["anna-1", "anna-2", "ben-1", "ben-2"]
        assert await seen("limit=9", ANNA) == ["anna-1", "anna-2"]
        assert await seen("customer=ben", ANNA) == []
        assert await seen("customer.ge=a&sort=-total", ANNA) == ["anna-2", "anna-1"]
        assert [one["order"] for one in (await get(service, "/customers/ben/orders", CLERK)).json] == ["ben-1", "ben-2"]
        assert (await get(service, "/customers/ben/orders", ANNA)).json == []
        first = await get(service, "/orders?limit=1", CLERK)
        cursor = first.headers["link"].partition("cursor=")[2].partition(">")[0]
        other = await get(service, f"/orders?limit=9&cursor={cursor}{door}", ANNA)
        assert (other.status, other.json["code"]) == (400, "bad-cursor")  # it is one of another question


async def test_a_rule_may_name_the_key(tmp_path: Path) -> None:
    """A list then has at most the one document."""
    async with serving(tmp_path) as (_, service):
        assert (await get(service, "/profiles/anna", ANNA)).json == {"customer": "anna", "orders": 2}
        assert (await get(service, "/profiles/ben", ANNA)).status == 404
        assert (await get(service, "/profiles", ANNA)).json == [{"customer": "anna", "orders": 2}]
        assert (await get(service, "/profiles", CLERK)).status == 403


async def test_a_stream_tells_what_is_seen_and_no_more(tmp_path: Path) -> None:
    """A document that becomes another's is gone, and one that becomes one's own appears."""
    key = {"Authorization": f"Bearer {ANNA}"}
    async with serving(tmp_path) as (opened, service):
        assert (await get(service, "/orders/ben-1", ANNA, accept="text/event-stream")).status == 404
        async with listening(service, "/orders/anna-1", **key) as one, listening(service, "/orders", **key) as several:
            assert (await one.next()).data["order"] == "anna-1"
            assert [order["order"] for order in (await several.next()).data] == ["anna-1", "anna-2"]
            await opened.record(Moved(order="anna-1", customer="ben"))
            assert await one.next() == await several.next() == Told("gone", 5, {"key": "anna-1"})
            await opened.record(Moved(order="ben-2", customer="anna"))
            assert (await several.next()).data["order"] == "ben-2"


async def test_a_rule_may_name_the_key_and_more(tmp_path: Path) -> None:
    """The one document is listed where it meets all of the rule, and all that is asked for."""

    class Sum(View, indexes=["total", "open"]):
        customer: Id
        total: int = 0
        open: bool = True

        @on(key="customer")
        def placed(self, event: Placed) -> None:
            self.total += event.total
            self.open = event.total < 9

    app, url = App("sums"), f"sqlite:///{tmp_path}/app.db"
    app.view("GET /sums")(Sum)
    app.allow(Sum, to="customer", where=lambda principal: {"customer": principal.id, "open": True})
    app.verifier = ApiKeys([ANNA_KEY, BEN_KEY])
    async with app.open(url) as opened:
        placed = [Placed(order="o-1", customer="anna", total=5), Placed(order="o-2", customer="ben", total=9)]
        await opened.wait(Sum, (await opened.record(*placed)).position)
        async with query_service(app, url) as service:
            for target, key, listed in (
                ("/sums", ANNA, ["anna"]),
                ("/sums?total=5", ANNA, ["anna"]),
                ("/sums?total=6", ANNA, []),
                ("/sums", BEN, []),
                ("/sums?total=9", BEN, []),
            ):
                assert [one["customer"] for one in (await get(service, target, key)).json] == listed, (target, listed)


async def test_a_stream_tells_of_no_document_of_another_that_it_is_held_back(tmp_path: Path) -> None:
    """Who comes back to one that is another's now is told that it is gone, and no more."""
    async with serving(tmp_path) as (opened, service):
        await opened.record(Moved(order="anna-1", customer="nobody"))
        for key, event in ((ANNA, "document"), (BEN, "gone")):
            headers = {"Authorization": f"Bearer {key}", "Last-Event-Id": "1"}
            async with listening(service, "/orders/anna-1", **headers) as one:
                assert (await one.next()).event == event
                if event == "document":
                    assert (await one.next()).data["status"] == "parked"
                assert (b"parked" in one.wire.sent.body) == (event == "document")


async def test_who_does_not_say_who_they_are_sees_what_everybody_may(tmp_path: Path) -> None:
    """And is asked for a credential for the rest."""
    async with serving(tmp_path) as (_, service):
        assert (await get(service, "/notices/ben-1", None)).status == 200
        for target in ("/orders/anna-1", "/orders", "/orders/anna-1/history", "/orders/anna-1/customer"):
            assert (await get(service, target, None)).status == 401


async def test_a_question_is_for_whom_it_is_allowed(tmp_path: Path) -> None:
    """What it reads on the way is its own business."""
    async with serving(tmp_path) as (_, service):
        assert (await get(service, "/orders/ben-1/customer", CLERK)).json == "ben"
        assert (await get(service, "/orders/ben-1/customer", ANNA)).status == 403


async def test_a_service_below_a_prefix_serves_the_same(tmp_path: Path) -> None:
    """Mounted, with its links relative to where they were asked for."""
    app = App("mounted")
    app.view("GET /orders/{order}", "GET /orders")(Order)
    async with app.open("memory://") as opened:
        await opened.wait(Order, (await opened.record(Placed(order="a/1", customer="c"))).position)
        await opened.wait(Order, (await opened.record(Placed(order="b", customer="c"))).position)
        async with query_service(app, opened) as service:
            alone = await ask(service, "GET", "/orders/b")
            below = await ask(service, "GET", "/shop/orders/b", root_path="/shop")
            assert (below.status, below.body, below.headers["etag"]) == (200, alone.body, alone.headers["etag"])
            assert (await ask(service, "GET", "/shop/orders/a%2F1", root_path="/shop")).json["order"] == "a/1"
            page = await ask(service, "GET", "/shop/orders?limit=1", root_path="/shop")
            assert page.headers["link"].startswith("<?limit=1&cursor=")


# --- histories ---------------------------------------------------------------------------------------


async def test_a_history_needs_a_rule_of_its_own(tmp_path: Path) -> None:
    """Who may read a document may not read what is behind it, and the other way round."""
    async with serving(tmp_path) as (_, service):
        assert (await get(service, "/profiles/anna", ANNA)).status == 200
        refused = await get(service, "/profiles/anna/history", ANNA)
        assert (refused.status, refused.json["code"]) == (403, "forbidden")
        assert (await get(service, "/notices/anna-1/history", None)).status == 401
        assert (await get(service, "/orders/anna-1/history", AUDITOR)).status == 200
        assert (await get(service, "/orders/anna-1", AUDITOR)).status == 403


async def test_a_history_does_not_tell_of_the_time_in_which_it_was_another_s(tmp_path: Path) -> None:
    """What was another's before, and in between, is left out, also from the changes; who sees all is told all."""
    async with serving(tmp_path) as (opened, service):
        for customer in ("ben", "ben", "anna"):
            await opened.record(Moved(order="anna-1", customer=customer))
        await opened.record(Moved(order="ben-1", customer="anna"))
        whole = (await get(service, "/orders/anna-1/history", CLERK)).json
        assert [entry["position"] for entry in whole] == [1, 5, 6, 7]
        placed, left, back = (await get(service, "/orders/anna-1/history", ANNA)).json
        assert (placed["position"], left["position"], back["position"]) == (1, 5, 7)
        assert left["changes"] == [{"path": "", "before": {"order": "anna-1", "customer": "anna", "total": 1}}]
        assert {"path": "/customer", "after": "anna"} in back["changes"]
        [came] = (await get(service, "/orders/ben-1/history", ANNA)).json
        assert came["position"] == 8
        assert "ben" not in [change.get("before") for change in came["changes"]]


async def test_pages_of_a_narrowed_history_are_the_whole_of_it(tmp_path: Path) -> None:
    """A page ends where there is more to see, and not where there is only more that is hidden."""
    async with serving(tmp_path) as (opened, service):
        for customer in ("ben", "ben", "anna"):
            await opened.record(Moved(order="anna-1", customer=customer))
        first = await get(service, "/orders/anna-1/history?limit=2", ANNA)
        assert [entry["position"] for entry in first.json] == [1, 5]
        rest = await get(service, "/orders/anna-1/history?limit=2&cursor=5", ANNA)
        assert ([entry["position"] for entry in rest.json], rest.headers.get("link")) == ([7], None)
        assert "cursor=5" in first.headers["link"]


@pytest.mark.parametrize(("now", "at"), [("ben", 4), ("anna", 5)])
async def test_a_history_is_seen_by_whom_it_belongs_to_now_and_then(tmp_path: Path, now: str, at: int) -> None:
    """Up to a moment at which it was another's, or of what is another's now, it is as if it were not there."""
    async with serving(tmp_path) as (opened, service):
        await opened.record(Moved(order="anna-1", customer="ben"))
        await opened.record(Moved(order="anna-1", customer=now))
        assert (await get(service, f"/orders/anna-1/history?at={at}", ANNA)).status == 404
        assert (await get(service, f"/orders/anna-1/history?at={at}", CLERK)).status == 200


async def test_a_list_of_the_past_names_no_document_of_another(tmp_path: Path) -> None:
    """Nor does one that is held back keep others from their own; its owner is told that the list is not whole."""
    async with serving(tmp_path) as (opened, service):
        await opened.record(Moved(order="anna-1", customer="nobody"))
        whole = await get(service, "/orders?at=5", BEN)
        assert [one["order"] for one in whole.json] == ["ben-1", "ben-2"]
        for key in (ANNA, CLERK):
            held = await get(service, "/orders?at=5", key)
            assert (held.status, held.json["code"], held.json["key"]) == (503, "key-parked", "anna-1")


async def test_a_list_tells_of_no_document_of_another_that_it_is_held_back(tmp_path: Path) -> None:
    """Its owner is told, who would miss it."""
    async with serving(tmp_path) as (opened, service):
        await opened.record(Moved(order="anna-1", customer="nobody"))
        for key, told in ((BEN, None), (ANNA, "5"), (CLERK, "5")):
            answer = await get(service, "/orders", key, storied_after="5")
            assert (answer.status, answer.headers.get("storied-parked")) == (200, told)


@pytest.mark.parametrize(("door", "headers"), [("?at=5", {}), ("", {"storied_after": "5"})])
async def test_nobody_is_told_that_a_document_of_another_is_held_back(
    tmp_path: Path, door: str, headers: dict[str, str]
) -> None:
    """To them it is not there, whatever it stopped at."""
    async with serving(tmp_path) as (opened, service):
        await opened.record(Moved(order="anna-1", customer="nobody"))
        for key in (ANNA, CLERK):
            held = await get(service, f"/orders/anna-1{door}", key, **headers)
            assert (held.status, held.json["code"]) == (503, "key-parked")
        answers = [await get(service, f"/orders/{order}{door}", BEN, **headers) for order in ("anna-1", "none-1")]
        assert [answer.status for answer in answers] == [404, 404]
        told = [{k: v for k, v in answer.json.items() if k != "request_id"} for answer in answers]
        assert told[0] == told[1]
        positions = [answer.headers.get("storied-position") for answer in answers]
        assert positions[0] == positions[1]


async def test_what_was_given_away_is_seen_as_it_was_before(tmp_path: Path) -> None:
    """With `at=` a document is held against the rule as it was then; its history asks for now, too."""
    async with serving(tmp_path) as (opened, service):
        moved = await opened.record(Moved(order="anna-1", customer="ben"))
        await opened.wait(Order, moved.position)
        for target, anna, ben in (
            ("/orders/anna-1", 404, 200),
            ("/orders/anna-1?at=4", 200, 404),
            ("/orders/anna-1/history", 404, 200),
            ("/orders/anna-1/history?at=4", 404, 404),
        ):
            found = [(await get(service, target, key)).status for key in (ANNA, BEN)]
            assert found == [anna, ben], target


@pytest.mark.parametrize(
    ("order", "stop"),
    [("new", {"customer": "nobody"}), ("anna-1", {"customer": "ben", "smudged": True})],
    ids=["it had no owner yet", "it was another's"],
)
async def test_who_may_own_by_now_what_is_held_back_is_told(tmp_path: Path, order: str, stop: dict[str, Any]) -> None:
    """Where the events that it has not taken name them: lists do not miss what they wrote without a word."""
    async with serving(tmp_path) as (opened, service):
        stopped = (await opened.record(Moved(order=order, **stop))).position
        head = (await opened.record(Placed(order=order, customer="ben"))).position
        await opened.wait(Order, head)
        clara = {"storied_after": str(head)}
        for target, headers in (("/orders", {}), ("/orders", clara), (f"/orders?at={head}", {})):
            answer = await get(service, target, BEN, **headers)
            assert [one["order"] for one in answer.json] == ["ben-1", "ben-2"]
            assert (answer.headers["storied-parked"], answer.headers["storied-position"]) == (
                str(stopped),
                str(stopped - 1),
            )
        assert (await get(service, f"/orders/{order}", BEN)).headers["storied-parked"] == str(stopped)
        for target, headers in ((f"/orders/{order}", clara), (f"/orders/{order}?at={head}", {})):
            held = await get(service, target, BEN, **headers)
            assert (held.status, held.json["code"]) == (503, "key-parked")
        async with listening(service, "/orders", Authorization=f"Bearer {BEN}") as client:
            told = [await client.next(), await client.next()]
        assert [(one.event, one.data["status"]) for one in told if one.event == "status"] == [("status", "parked")]


async def test_who_is_not_named_by_what_is_held_back_is_told_nothing_of_it(tmp_path: Path) -> None:
    """Of whatever they ask."""
    async with serving(tmp_path) as (opened, service):
        await opened.record(Moved(order="new", customer="nobody"), Placed(order="new", customer="ben"))
        head = {"storied_after": str(await opened.store.head())}
        for target in ("/orders", f"/orders?at={head['storied_after']}", "/orders/new"):
            answer = await get(service, target, ANNA, **({} if "at=" in target else head))
            assert "storied-parked" not in answer.headers
            assert (answer.status, answer.headers["storied-position"]) == (
                404 if target == "/orders/new" else 200,
                head["storied_after"],
            )


async def test_what_is_told_of_a_document_of_another_does_not_show_that_it_is_held_back(tmp_path: Path) -> None:
    """It is answered as one that is not there, to the position."""
    async with serving(tmp_path) as (opened, service):
        await opened.record(Moved(order="anna-1", customer="nobody"))
        head = (await opened.record(Placed(order="ben-3", customer="ben"))).position
        await opened.wait(Order, head)
        told = [
            (answer.status, answer.headers.get("storied-position"), answer.headers.get("storied-parked"))
            for target in ("/orders/anna-1", "/orders/anna-2", "/orders/none")
            for answer in [await get(service, target, BEN)]
        ]
        assert told == [(404, str(head), None)] * 3


async def test_a_history_ends_where_it_cannot_be_told_whose_it_is(tmp_path: Path) -> None:
    """An event that the view cannot take may have given the document to another, with all that follows."""
    async with serving(tmp_path) as (opened, service):
        await opened.record(Moved(order="anna-1", customer="nobody"), Moved(order="anna-1", customer="ben"))
        assert [entry["position"] for entry in (await get(service, "/orders/anna-1/history", ANNA)).json] == [1]
        whole = (await get(service, "/orders/anna-1/history", CLERK)).json
        assert ["error" in entry for entry in whole] == [False, True, False]


@asynccontextmanager
async def behind(folder: Path) -> AsyncIterator[tuple[OpenApp, QueryService]]:
    """The same, with nobody who keeps the views up to date."""
    async with serving(folder):
        pass
    app, url = make_app(), f"sqlite:///{folder}/app.db"
    async with app.open(url, views=False) as opened, query_service(app, url, settings=Settings()) as service:
        yield opened, service


async def test_who_may_see_a_history_is_decided_on_the_events_that_it_tells(tmp_path: Path) -> None:
    """However old the read model is: what has become another's is not shown, and what has become one's own is."""
    async with behind(tmp_path) as (opened, service):
        await opened.record(Moved(order="anna-1", customer="ben"))
        assert (await get(service, "/orders/anna-1", ANNA)).status == 200  # it is behind
        assert (await get(service, "/orders/anna-1/history", ANNA)).status == 404
        [came] = (await get(service, "/orders/anna-1/history", BEN)).json
        assert came["position"] == 5


async def test_a_history_is_as_new_as_asked(tmp_path: Path) -> None:
    """It has seen what the log has; what lies beyond, or in another log, is refused, and so is what is no position."""
    async with behind(tmp_path) as (opened, service):
        target = "/orders/anna-1/history"
        assert (await get(service, target, CLERK, storied_after="4")).status == 200
        for after, status, code in (
            ("5", 412, "unknown-position"),
            ("2; log=other", 412, "unknown-position"),
            ("soon", 400, "bad-header"),
        ):
            answer = await get(service, target, CLERK, storied_after=after)
            assert (answer.status, answer.json["code"]) == (status, code), after
        forgotten = await get(service, target, CLERK, cookie=f"{cookie_of(opened.store.identity)}=99")
        assert (forgotten.status, "Max-Age=0" in forgotten.headers["set-cookie"]) == (200, True)


async def test_a_stream_does_not_say_that_what_it_has_not_seen_is_not_there(tmp_path: Path) -> None:
    """Asked for as new as a position, it waits for it as a document does, and is refused when that takes too long."""
    async with behind(tmp_path) as (opened, service):
        head = (await opened.record(Placed(order="new", customer="anna"))).position
        wanted = {"storied_after": str(head), "accept": "text/event-stream"}
        late = await get(service, "/orders/new", ANNA, prefer="wait=0.05", **wanted)
        assert (late.status, late.json["code"]) == (503, "not-caught-up")
        key = {"Authorization": f"Bearer {ANNA}", "Storied-After": str(head)}
        async with make_app().open(f"sqlite:///{tmp_path}/app.db"), listening(service, "/orders/new", **key) as one:
            assert (await one.next()).data["order"] == "new"
        absent = await get(service, "/orders/none", ANNA, **wanted)
        assert absent.status == 404


async def test_only_who_sees_a_document_is_told_in_a_list_that_it_is_held_back(tmp_path: Path) -> None:
    """Also where the list can hold nothing but that one, by its key."""
    async with serving(tmp_path) as (opened, service):
        await opened.record(Moved(order="anna-1", customer="nobody"))
        head = (await opened.record(Placed(order="anna-3", customer="anna", total=-1))).position
        for view in (Order, Profile):
            await opened.wait(view, head)
        told = [
            (await get(service, target, key)).headers.get("storied-parked")
            for target in ("/orders", "/profiles", "/profiles?limit=1")
            for key in (ANNA, BEN)
        ]
        assert told == ["5", None, "6", None, "6", None]


@pytest.mark.parametrize(
    "door", ["/orders", "/orders?at=4", "/orders/anna-1", "/orders/anna-1?at=4", "/orders/anna-1/history"]
)
async def test_a_rule_that_compares_what_cannot_be_is_the_servers_mistake(tmp_path: Path, door: str) -> None:
    """The client is told nothing of it, and sees nothing; the log tells the operator."""
    app, url = App("orders"), f"sqlite:///{tmp_path}/app.db"
    app.view("GET /orders/{order}", "GET /orders")(Order)
    wrong = {"total": "much"}
    for history in (False, True):
        app.allow(
            Order, to="customer", where=lambda principal: wrong if principal.id else {"total": 1}, history=history
        )
    app.verifier = ApiKeys([ANNA_KEY])
    async with app.open(url) as opened:
        await opened.wait(Order, (await opened.record(Placed(order="anna-1", customer="anna"))).position)
        async with query_service(app, url, settings=Settings()) as service:
            answer = await get(service, door, ANNA)
    assert (answer.status, answer.json["code"]) == (500, "internal")
    assert "much" not in answer.body.decode()


async def test_a_stream_begins_with_the_latest_that_its_client_has_seen(tmp_path: Path) -> None:
    """By whichever header it says so; before that is there, it is told that the view is behind, and nothing older."""
    async with behind(tmp_path) as (opened, service):
        await opened.record(Moved(order="anna-1", customer="anna"))
        key = {"Authorization": f"Bearer {ANNA}", "Prefer": "wait=0.05"}
        for after, last in (("4", "5"), ("5", "4")):
            async with listening(service, "/orders/anna-1", Storied_After=after, Last_Event_Id=last, **key) as one:
                told = await one.next()
                assert (told.event, told.data["status"]) == ("status", "behind")
