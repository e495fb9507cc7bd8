"""Views follow the log: how documents are found, changed, removed, and asked for."""

from __future__ import annotations

from decimal import Decimal
from pathlib import Path

import pytest

from storied import App, DefinitionError, Event, Id, View, on
from tests.projections.shop import (
    Cancelled,
    CityRenamed,
    Everything,
    Filled,
    Letter,
    Line,
    OrderPage,
    Paid,
    Place,
    Placed,
    Seller,
    Totals,
    shop,
)


async def test_a_document_is_found_by_its_key(url: str) -> None:
    """A command's receipt is all that a reader needs to see its effect."""
    async with shop.open(url) as opened:
        receipt = await opened.execute(Place(order="o"))
        page = await opened.get(OrderPage, "o", after=receipt.position)
        assert page == OrderPage(id="o", customer="c", city="Bern")


async def test_an_absent_document_is_none(url: str) -> None:
    """No event, no document."""
    async with shop.open(url) as opened:
        assert await opened.get(OrderPage, "o") is None


async def test_a_view_of_another_app_cannot_be_asked() -> None:
    """The error says to register it."""
    async with App("empty").open("memory://") as opened:
        with pytest.raises(DefinitionError, match="not a view of this app"):
            await opened.get(OrderPage, "o")


async def test_the_key_may_be_the_events_field_of_the_same_name(url: str) -> None:
    """Without key= the view's key field names the event's."""
    async with shop.open(url) as opened:
        head = (await opened.record(Paid(order="o", amount=3))).position
        assert await opened.get(Totals, "o", after=head) == Totals(order="o", paid=3)


async def test_a_path_reaches_into_a_list(url: str) -> None:
    """Each seller named in the lines is changed, once for an event that names it twice."""
    lines = [Line("s", 1), Line("t", 2), Line("s", 4)]
    async with shop.open(url) as opened:
        head = (await opened.record(Filled(order="o", lines=lines))).position
        found = await opened.find(Seller, after=head)
        assert list(found) == [Seller(seller="s", sold=5, orders=1), Seller(seller="t", sold=2, orders=1)]


async def test_a_path_into_an_empty_list_changes_nothing(url: str) -> None:
    """An order without lines is nobody's."""
    async with shop.open(url) as opened:
        head = (await opened.record(Filled(order="o", lines=[]))).position
        assert await opened.count(Seller, after=head) == {None: 0}


@pytest.mark.parametrize(("city", "keys"), [("Bern", ["B"]), ("La Chaux-De", ["C", "D", "L"]), ("x", [])])
async def test_a_function_gives_any_number_of_keys(url: str, city: str, keys: list[str]) -> None:
    """One, several or none; a generator will do."""
    async with shop.open(url) as opened:
        head = (await opened.record(Placed(order="o", customer="c", city=city))).position
        assert [found.letter for found in await opened.find(Letter, after=head)] == keys


@pytest.mark.parametrize(
    ("given", "keys"), [(None, []), ("ab", ["ab"]), (["a", None, "a", "b"], ["a", "b"]), ((), []), (7, ["7"])]
)
async def test_a_function_may_give_one_key_several_or_none(given: object, keys: list[str]) -> None:
    """A text is one key, however long; None is no key; each key counts once."""

    class Seen(Event):
        thing: Id

    class Count(View):
        id: Id
        count: int = 0

        @on(key=lambda event: given)  # type: ignore[arg-type]  # more than the types allow
        def seen(self, event: Seen) -> None:
            self.count += 1

    app = App("counts")
    app.view()(Count)
    async with app.open("memory://") as opened:
        head = (await opened.record(Seen(thing="t"))).position
        assert [(found.id, found.count) for found in await opened.find(Count, after=head)] == [(k, 1) for k in keys]


@pytest.mark.parametrize("together", [True, False], ids=["one chunk", "chunk by chunk"])
async def test_where_fans_out_to_the_documents_with_the_value(url: str, together: bool) -> None:
    """Those that have it when the event comes, whether they were made in the same chunk or long before."""
    events: list[Event] = [
        Placed(order="a", customer="c", city="Bern"),
        Placed(order="b", customer="c", city="Zug"),
        CityRenamed(city="Bern", new="Berne"),
        Placed(order="d", customer="c", city="Bern"),
    ]
    cities = await _cities(url, events, together)
    assert cities == {"a": "Berne", "b": "Zug", "d": "Bern"}


@pytest.mark.parametrize("together", [True, False], ids=["one chunk", "chunk by chunk"])
async def test_where_sees_values_that_changed_meanwhile(url: str, together: bool) -> None:
    """A document that got the value just before is changed, and one that lost it is not."""
    events: list[Event] = [
        Placed(order="a", customer="c", city="Bern"),
        Placed(order="b", customer="c", city="Zug"),
        CityRenamed(city="Bern", new="Zug"),
        Placed(order="b", customer="c", city="Bern"),
        CityRenamed(city="Zug", new="Chur"),
        CityRenamed(city="Nowhere", new="Bern"),
        Cancelled(order="b"),
        CityRenamed(city="Bern", new="Chur"),
    ]
    assert await _cities(url, events, together) == {"a": "Chur"}


async def _cities(url: str, events: list[Event], together: bool) -> dict[str, str]:
    async with shop.open(url) as opened:
        head = 0
        if together:
            head = (await opened.record(*events)).position
        else:
            for event in events:
                head = (await opened.record(event)).position
                await opened.wait(OrderPage, head)
        return {page.id: page.city for page in await opened.find(OrderPage, after=head)}


async def test_create_false_changes_only_what_exists(url: str) -> None:
    """A payment for an order that nobody placed makes no page."""
    async with shop.open(url) as opened:
        head = (await opened.record(Paid(order="o"), Placed(order="p", customer="c"), Paid(order="p"))).position
        assert [(page.id, page.paid) for page in await opened.find(OrderPage, after=head)] == [("p", 1)]


async def test_a_deleted_document_is_gone(url: str) -> None:
    """Neither its key nor its values find it."""
    async with shop.open(url) as opened:
        await opened.wait(OrderPage, (await opened.record(Placed(order="o", customer="c"))).position)
        head = (await opened.record(Cancelled(order="o"))).position
        assert await opened.get(OrderPage, "o", after=head) is None
        assert len(await opened.find(OrderPage, customer="c")) == 0


@pytest.mark.parametrize("together", [True, False], ids=["one chunk", "chunk by chunk"])
async def test_a_deleted_document_starts_anew(url: str, together: bool) -> None:
    """A later event finds no trace of what was there before."""
    events: list[Event] = [
        Placed(order="o", customer="c"),
        Paid(order="o", amount=5),
        Cancelled(order="o"),
        Paid(order="o"),
        Placed(order="o", customer="d"),
        Paid(order="o", amount=2),
    ]
    async with shop.open(url) as opened:
        for chunk in [events] if together else [[event] for event in events]:
            await opened.wait(OrderPage, (await opened.record(*chunk)).position)
        assert await opened.get(OrderPage, "o") == OrderPage(id="o", customer="d", city="Bern", paid=2, positions=[6])


async def test_a_handler_may_take_the_record(url: str) -> None:
    """Position, time and actor are beside the event for whoever asks."""
    async with shop.open(url) as opened:
        head = (await opened.record(Placed(order="o", customer="c"), Paid(order="o"), Paid(order="o"))).position
        page = await opened.get(OrderPage, "o", after=head)
        assert page is not None
        assert page.positions == [2, 3]


async def test_a_union_handles_each_of_its_events(url: str) -> None:
    """One method, one count over all of the types."""
    async with shop.open(url) as opened:
        head = (await opened.record(Placed(order="o", customer="c"), Paid(order="o"), Cancelled(order="o"))).position
        assert await opened.get(Everything, "all", after=head) == Everything(id="all", count=3)


async def test_views_go_on_where_they_stopped(tmp_path: Path) -> None:
    """Opened again, a view has what it had and takes what has come since."""
    url = f"sqlite:///{tmp_path}/shop.db"
    async with shop.open(url) as opened:
        await opened.wait(Everything, (await opened.record(Paid(order="o"))).position)
    async with shop.open(url, views=False) as opened:
        head = (await opened.record(Paid(order="o"), Paid(order="o"))).position
        assert await opened.get(Everything, "all") == Everything(id="all", count=1)
    async with shop.open(url) as opened:
        assert await opened.get(Everything, "all", after=head) == Everything(id="all", count=3)


class Priced(Event):
    thing: Id
    price: int


class Repriced(Event):
    price: int
    to: int


async def test_a_fan_out_compares_amounts_of_different_types(url: str) -> None:
    """A whole number of the event finds the documents whose field is a Decimal of that amount."""
    app = App("prices")

    class Price(View, indexes=["price"]):
        thing: Id
        price: Decimal = Decimal(0)

        @on
        def priced(self, event: Priced) -> None:
            self.price = Decimal(event.price)

        @on(where="price")
        def repriced(self, event: Repriced) -> None:
            self.price = Decimal(event.to)

    app.view()(Price)
    async with app.open(url) as opened:
        head = (await opened.record(Priced(thing="a", price=3), Priced(thing="b", price=4))).position
        await opened.wait(Price, head)
        head = (await opened.record(Repriced(price=3, to=5))).position
        assert [(one.thing, one.price) for one in await opened.find(Price, after=head)] == [
            ("a", Decimal(5)),
            ("b", Decimal(4)),
        ]
