"""Belonging: which documents that are held back may be among those that somebody may see, as their events tell."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from decimal import Decimal
from typing import Any

import pytest

from storied import App, Event, Id, OpenApp, View, on
from storied.errors import StoreUnavailable
from storied.projections import belonging
from storied.projections.texts import Texts
from storied.store.port import EventStore


class Sent(Event):
    parcel: Id
    to: str = ""
    grams: int = 0
    worth: Decimal = Decimal(0)
    labels: list[str] = []
    readable: bool = True


class Parcel(View, indexes=["owner", "grams", "worth"]):
    parcel: Id
    owner: str | None = None
    grams: int = 0
    worth: Decimal = Decimal(0)

    @on
    def sent(self, event: Sent) -> None:
        if not event.readable:
            raise ValueError("nobody can read that")
        self.owner, self.grams, self.worth = event.to, event.grams, event.worth


class Shelf(View, indexes=["owner"]):
    shelf: Id
    owner: str = ""

    @on(key=lambda event: f"{event.parcel}-shelf")
    def sent(self, event: Sent) -> None:
        if not event.readable:
            raise ValueError("nobody can read that")
        self.owner = event.to


@asynccontextmanager
async def sent(*events: Sent) -> AsyncIterator[OpenApp]:
    """The events, in views that have seen them."""
    app = App("parcels")
    for view in (Parcel, Shelf):
        app.view()(view)
    async with app.open("memory://") as opened:
        head = (await opened.record(*events)).position
        for view in (Parcel, Shelf):
            await opened.wait(view, head)
        yield opened


async def seen(opened: OpenApp, view: type[View] = Parcel, **visible: Any) -> Texts:
    """The list for those who see only documents that are like this."""
    return await opened.reader.texts.page(view, {}, order_by=None, limit=9, cursor=None, also=visible)


SMUDGED = Sent(parcel="a", to="anna", grams=7, labels=["ben"], readable=False)


@pytest.mark.parametrize("view", [Parcel, Shelf])
@pytest.mark.parametrize(("owner", "held"), [("anna", 1), ("ben", 1), ("clara", None), ("sent", None)])
async def test_it_may_be_theirs_whom_its_events_name(view: type[View], owner: str, held: int | None) -> None:
    """Wherever in the payload, as a view may take it from there; also where only its code finds the documents."""
    async with sent(SMUDGED, Sent(parcel="b", to="clara")) as opened:
        page = await seen(opened, view, owner=owner)
        assert (page.held, page.parked) == (held, {})


@pytest.mark.parametrize(
    ("visible", "held"),
    [
        ({"grams": 7}, 1),
        ({"grams": 8}, None),
        ({"owner": "anna", "grams": 8}, None),
        ({"worth": Decimal("7.00")}, 1),
        ({"owner": None}, 1),
        ({"owner": "clara", "worth": Decimal(7)}, None),
    ],
)
async def test_what_is_written_otherwise_in_an_index_may_be_anything(visible: dict[str, Any], held: int | None) -> None:
    """All that is asked for has to be named, as far as it can be."""
    async with sent(SMUDGED) as opened:
        assert (await seen(opened, **visible)).held == held


async def test_a_document_that_was_theirs_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    """Whatever its events say, of which nothing is read then."""
    async with sent(Sent(parcel="a", to="dora"), SMUDGED) as opened:
        page = await seen(opened, owner="dora")
        assert (page.held, page.parked, page.position) == (2, {"a": 2}, 1)


async def test_where_the_log_is_away_it_may_be_anybody_s() -> None:
    """Rather than nobody's."""

    async def away() -> EventStore:
        raise StoreUnavailable("the log is away")

    async with sent(SMUDGED) as opened:
        opened.reader.texts.served._log = away
        assert (await seen(opened, owner="clara")).held == 1


@pytest.mark.parametrize("bound", ["MOST_EVENTS", "MOST_DOCUMENTS"])
async def test_what_is_not_looked_at_may_be_anybody_s(bound: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """A question reads only so much of the log."""
    events = [Sent(parcel=parcel, to="anna", readable=False) for parcel in ("a", "a", "b", "b", "c", "c")]
    async with sent(*events) as opened:
        assert (await seen(opened, owner="clara")).held is None
        monkeypatch.setattr(belonging, bound, 0 if bound == "MOST_DOCUMENTS" else 2)
        assert (await seen(opened, owner="clara")).held == 1
