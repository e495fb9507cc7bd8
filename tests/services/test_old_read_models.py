"""What clients are sent while a read model that other code made is served: what today's code has, or nothing."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest

from storied import App, Event, Id, OpenApp, View, on
from storied.services.queries import QueryService, query_service
from storied.testing.waiting import eventually
from tests.services.asgi import Sent, ask
from tests.services.test_live import listening


class Weighed(Event):
    parcel: Id
    grams: int = 0
    secret: str = "s3cret"


def app_of(view: Any) -> App:
    """An app with that view, under routes."""
    app = App("parcels")
    app.view("GET /parcels/{parcel}", "GET /parcels")(view)
    return app


def old() -> Any:
    """The view that made the read model."""

    class Parcel(View, indexes=["kind"]):
        parcel: Id
        kind: str = "box"
        weight: int = 0
        secret: str = ""

        @on
        def weighed(self, event: Weighed) -> None:
            self.weight, self.secret = event.grams, event.secret

    return Parcel


def slim() -> Any:
    """The view without a field that nobody should see, and with one more."""

    class Parcel(View, indexes=["kind"]):
        parcel: Id
        kind: str = "box"
        weight: int = 0
        grade: str = "none"

        @on
        def weighed(self, event: Weighed) -> None:
            self.weight = event.grams

    return Parcel


def of_text() -> Any:
    """The view with text where numbers were."""

    class Parcel(View, indexes=["kind"]):
        parcel: Id
        kind: str = "box"
        weight: str = ""

        @on
        def weighed(self, event: Weighed) -> None:
            self.weight = f"{event.grams} g"

    return Parcel


@asynccontextmanager
async def serving(folder: Path, view: Any) -> AsyncIterator[tuple[OpenApp, QueryService]]:
    """The query service of that code over the read model of the old, which is kept up to date."""
    url, before = f"sqlite:///{folder}/app.db", old()
    async with app_of(before).open(url) as opened:
        head = (await opened.record(Weighed(parcel="a", grams=4), Weighed(parcel="b", grams=5))).position
        await opened.wait(before, head)
        async with query_service(app_of(view), url) as service:
            yield opened, service


async def is_running(opened: OpenApp) -> bool:
    """Whether what its own code built is served."""
    return [report.state for report in await opened.view_states()] == ["running"]


WAYS: tuple[dict[str, str], ...] = ({}, {"X-Request-Id": "the-long-way"}, {"Storied-After": "2"})


async def test_a_removed_field_is_not_sent_and_a_new_one_has_its_default(tmp_path: Path) -> None:
    """In documents, by whichever way, in lists, and in streams."""
    fitted = {"parcel": "a", "kind": "box", "weight": 4, "grade": "none"}
    async with serving(tmp_path, slim()) as (_, service):
        for headers in WAYS * 2:
            assert (await ask(service, "GET", "/parcels/a", headers=headers)).json == fitted
            assert (await ask(service, "GET", "/parcels?kind=box", headers=headers)).json[0] == fitted
        for target in ("/parcels/a", "/parcels"):
            async with listening(service, target) as one:
                told = (await one.next()).data
            assert (told if target == "/parcels/a" else told[0]) == fitted


async def test_what_the_old_code_goes_on_to_write_is_sent_so_too(tmp_path: Path) -> None:
    """It keeps its read model up to date."""
    async with serving(tmp_path, slim()) as (opened, service):
        assert (await ask(service, "GET", "/parcels/a")).json["weight"] == 4
        head = (await opened.record(Weighed(parcel="a", grams=9))).position
        answer = await ask(service, "GET", "/parcels/a", headers={"Storied-After": str(head)})
        assert answer.json == {"parcel": "a", "kind": "box", "weight": 9, "grade": "none"}
        again = await ask(service, "GET", "/parcels/a", headers={"If-None-Match": answer.headers["etag"]})
        assert again.status == 304


@pytest.mark.parametrize("target", ["/parcels/a", "/parcels"])
async def test_what_does_not_fit_is_refused_until_it_does(tmp_path: Path, target: str) -> None:
    """With when to ask again; once the new code has built the view, it is sent as it is stored."""

    def told(answer: Sent) -> tuple[int, str, str]:
        return answer.status, answer.json["code"], answer.headers["retry-after"]

    view = of_text()
    async with serving(tmp_path, view) as (_, service):
        for headers in WAYS:
            assert told(await ask(service, "GET", target, headers=headers)) == (503, "view-rebuilding", "10")
        async with app_of(view).open(f"sqlite:///{tmp_path}/app.db") as opened:
            await eventually(lambda: is_running(opened))
            for headers in WAYS:
                answer = await ask(service, "GET", target, headers=headers)
                assert b'"weight":"4 g"' in answer.body


async def test_code_that_writes_the_same_shape_sends_the_same_bytes(tmp_path: Path) -> None:
    """So what clients have keeps its tag over a deploy."""

    class Parcel(View, indexes=["kind"]):
        parcel: Id
        kind: str = "box"
        weight: int = 0
        secret: str = ""

        @on
        def weighed(self, event: Weighed) -> None:
            self.weight, self.secret = event.grams + 1, event.secret

    async with serving(tmp_path, old()) as (_, same):
        stored = await ask(same, "GET", "/parcels/a")
    async with serving(tmp_path, Parcel) as (_, service):
        assert (await ask(service, "GET", "/parcels/a")).body == stored.body
