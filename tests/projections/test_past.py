"""Any moment of the past answers exactly: states, documents and lists, by position, by time, by occurrence."""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime, timedelta
from typing import Annotated, Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from storied import App, Entity, Event, Fact, Id, InvalidQuery, Occurred, OpenApp, Tag, View, on
from storied.domain.views import view_spec
from storied.engines.memory.documents import MemoryDocuments
from storied.projections.past import Past, stream_query
from storied.projections.projector import Projector
from storied.store.moments import Moment
from storied.testing.clocks import ManualClock
from tests.projections.shop import Cancelled, CityRenamed, OrderPage, Paid, Place, Placed, Totals, shop


class Order(Entity):
    paid: int = 0
    cancelled: int = 0

    @on
    def was_paid(self, event: Paid) -> None:
        self.paid += event.amount

    @on
    def was_cancelled(self, event: Cancelled) -> None:
        self.cancelled += 1


async def test_a_document_at_a_position(url: str) -> None:
    """As it was when that event had just been stored."""
    async with shop.open(url) as opened:
        await opened.record(*(Paid(order="o") for _ in range(5)))
        seen = [await opened.get(Totals, "o", at=n) for n in range(6)]
        assert seen == [None, *(Totals(order="o", paid=n) for n in range(1, 6))]


async def test_a_document_at_a_time(url: str) -> None:
    """As of the last event recorded by then: the very moment counts, and before the first there is nothing."""
    clock = ManualClock()
    start = clock.now
    async with shop.open(url, clock=clock) as opened:
        for _ in range(4):
            clock.advance(timedelta(hours=1))
            await opened.record(Paid(order="o"))
            await opened.record(Paid(order="o"))
        clock.advance(timedelta(hours=1))
        for minutes, paid in ((0, None), (59, None), (60, 2), (61, 2), (120, 4), (240, 8), (300, 8)):
            page = await opened.get(Totals, "o", at=start + timedelta(minutes=minutes))
            assert (page and page.paid) == paid


async def test_a_document_at_a_time_of_occurrence(url: str) -> None:
    """What had happened by then, whenever it was recorded; an event without such a time happened when recorded."""
    clock = ManualClock()
    day = timedelta(days=1)
    async with shop.open(url, clock=clock) as opened:
        await opened.record(Fact(Paid(order="o", amount=1), clock.now - 2 * day), Paid(order="o", amount=10))
        await opened.record(Fact(Paid(order="o", amount=100), clock.now - 3 * day))
        for days, paid in ((-4, None), (-3, 100), (-2, 101), (-1, 101), (0, 111)):
            page = await opened.get(Totals, "o", at=Occurred(clock.now + days * day))
            assert (page and page.paid) == paid


async def test_a_list_at_a_time_of_occurrence(url: str) -> None:
    """Lists of the past leave out what had not happened, too."""
    clock = ManualClock()
    day = timedelta(days=1)
    async with shop.open(url, clock=clock) as opened:
        placed = [Fact(Placed(order=f"o-{n}", customer="c"), clock.now - n * day) for n in range(4)]
        await opened.record(*placed)
        found = await opened.find(OrderPage, at=Occurred(clock.now - 2 * day))
        assert [page.id for page in found] == ["o-2", "o-3"]


async def test_a_state_at_a_time_of_occurrence(url: str) -> None:
    """The same for entities."""
    clock = ManualClock()
    async with shop.open(url, clock=clock) as opened:
        await opened.record(Fact(Paid(order="o"), clock.now - timedelta(days=1)), Paid(order="o"))
        assert (await opened.state(Order, "o", at=Occurred(clock.now - timedelta(days=1)))).paid == 1


async def test_a_list_of_the_past_is_paged_and_counted(url: str) -> None:
    """Criteria, order, cursors and counts hold for the past as for the present, and the page says where it stands."""
    async with shop.open(url) as opened:
        await opened.record(*(Placed(order=f"o-{n}", customer="c", city="AB"[n % 2]) for n in range(6)))
        await opened.record(CityRenamed(city="A", new="B"))
        found = await opened.find(OrderPage, city="A", at=6, order_by="-id", limit=2)
        rest = await opened.find(OrderPage, city="A", at=6, order_by="-id", limit=2, cursor=found.cursor)
        assert [page.id for page in (*found, *rest)] == ["o-4", "o-2", "o-0"]
        assert (found.position, rest.cursor) == (6, None)
        assert await opened.count(OrderPage, by="city", at=6) == {"A": 3, "B": 3}
        assert await opened.count(OrderPage, by="city", at=7) == {"B": 6}


async def test_the_present_is_the_past_at_the_head(url: str) -> None:
    """Asking at the head gives what the view has."""
    async with shop.open(url) as opened:
        head = (await opened.record(Placed(order="o", customer="c"), Paid(order="o"))).position
        assert await opened.get(OrderPage, "o", at=head) == await opened.get(OrderPage, "o", after=head)


WRONG: dict[str, Any] = {
    "beyond the head": 2,
    "negative": -1,
    "a bool": True,
    "a text": "1",
    "a naive time": datetime(2024, 1, 1),
}


async def _get(opened: OpenApp, at: Any) -> object:
    return await opened.get(Totals, "o", at=at)


async def _get_whole(opened: OpenApp, at: Any) -> object:
    return await opened.get(OrderPage, "o", at=at)


async def _find(opened: OpenApp, at: Any) -> object:
    return await opened.find(OrderPage, at=at)


async def _count(opened: OpenApp, at: Any) -> object:
    return await opened.count(OrderPage, at=at)


async def _state(opened: OpenApp, at: Any) -> object:
    return await opened.state(Order, "o", at=at)


@pytest.mark.parametrize("what", WRONG)
@pytest.mark.parametrize("ask", [_get, _get_whole, _find, _count, _state])
async def test_what_is_no_moment_is_refused(ask: Callable[[OpenApp, Any], Any], what: str) -> None:
    """A position up to the head or an aware time is asked for; all else is an invalid query."""
    async with shop.open("memory://") as opened:
        await opened.execute(Place(order="o"))
        with pytest.raises(InvalidQuery):
            await ask(opened, WRONG[what])


async def test_a_position_beyond_the_head_has_a_code_of_its_own() -> None:
    """A reader can tell the future from nonsense."""
    async with shop.open("memory://") as opened:
        with pytest.raises(InvalidQuery) as caught:
            await opened.get(Totals, "o", at=1)
        assert caught.value.code == "future-position"


@pytest.mark.parametrize("ask", [_get, _get_whole, _find, _count, _state])
async def test_a_time_that_has_not_come_is_refused(ask: Callable[[OpenApp, Any], Any], url: str) -> None:
    """The present counts as come; of the moment after it nobody knows what will have been recorded by then."""
    clock = ManualClock()
    async with shop.open(url, clock=clock) as opened:
        for _ in range(2):  # with nothing in the log, and with an event
            await ask(opened, clock.now)
            with pytest.raises(InvalidQuery) as caught:
                await ask(opened, clock.now + timedelta(microseconds=1))
            assert caught.value.code == "future-time"
            assert str(caught.value).endswith("Ask for a time up to now, or leave it out for the present.")
            await opened.record(Placed(order="o", customer="c"))
            clock.advance(timedelta(minutes=1))


@pytest.mark.parametrize("ask", [_get, _get_whole, _find, _count, _state])
async def test_the_last_event_has_come_whatever_the_clock_says(ask: Callable[[OpenApp, Any], Any], url: str) -> None:
    """A clock ahead of this one may have timed it."""
    clock = ManualClock()
    ahead = clock.advance(timedelta(minutes=5))
    async with shop.open(url, clock=clock) as opened:
        await opened.record(Placed(order="o", customer="c"))
        clock.advance(-timedelta(minutes=5))
        await ask(opened, ahead)
        with pytest.raises(InvalidQuery, match="has not come yet"):
            await ask(opened, ahead + timedelta(microseconds=1))


async def test_what_is_planned_may_occur_later_than_now(url: str) -> None:
    """A time of occurrence is what somebody stated, and may lie ahead."""
    clock = ManualClock()
    tomorrow = clock.now + timedelta(days=1)
    async with shop.open(url, clock=clock) as opened:
        await opened.record(Fact(Paid(order="o"), tomorrow))
        for ahead, paid in ((0, 0), (1, 1), (9, 1)):
            assert (await opened.state(Order, "o", at=Occurred(clock.now + timedelta(days=ahead)))).paid == paid


def test_a_naive_time_of_occurrence_is_refused() -> None:
    """A time without a zone is no moment."""
    with pytest.raises(InvalidQuery):
        Occurred(datetime(2024, 1, 1))


@pytest.mark.parametrize("key", ["", "x" * 300, "a\nb"])
@pytest.mark.parametrize("view", [Totals, OrderPage])
async def test_a_key_that_no_event_can_carry_has_no_past(view: type[View], key: str) -> None:
    """It is absent in the past as it is in the present."""
    async with shop.open("memory://") as opened:
        head = (await opened.record(Paid(order="o"))).position
        assert await opened.get(view, key, after=head) is None
        assert await opened.get(view, key, at=head) is None


class Ordered(Event):
    book: Id


class Merged(Event):
    books: list[Annotated[str, Tag("book")]]


async def test_the_past_of_one_document_does_not_need_the_others(url: str) -> None:
    """An event that changes two documents is applied to the one asked for, not to one whose past was not read."""
    app = App("books")

    class Shelf(View):
        book: Id
        copies: list[int] = []

        @on
        def ordered(self, event: Ordered) -> None:
            self.copies.append(1)

        @on(key="books")
        def merged(self, event: Merged) -> None:
            self.copies.pop()

    app.view()(Shelf)
    async with app.open(url) as opened:
        await opened.record(Ordered(book="a"), Ordered(book="b"), Merged(books=["a", "b"]))
        assert stream_query(Projector(view_spec(Shelf)), "b") is not None
        assert await opened.get(Shelf, "b", at=3) == Shelf(book="b")


# --- properties: every answer equals a plain fold of the first events


ORDERS = ["a", "b", "c"]
CITIES = ["Bern", "Zug"]
orders, cities = st.sampled_from(ORDERS), st.sampled_from(CITIES)
HISTORIES = st.lists(
    st.one_of(
        st.builds(Placed, order=orders, customer=st.just("c"), city=cities),
        st.builds(Paid, order=orders, amount=st.integers(1, 9)),
        st.builds(Cancelled, order=orders),
        st.builds(CityRenamed, city=cities, new=cities),
    ),
    min_size=1,
    max_size=14,
)


def _pages(history: list[Event]) -> dict[str, OrderPage]:
    """What OrderPage says, told once more in plain Python."""
    pages: dict[str, OrderPage] = {}
    for position, event in enumerate(history, 1):
        if isinstance(event, Placed):
            page = pages.setdefault(event.order, OrderPage(id=event.order))
            page.customer, page.city = event.customer, event.city
        elif isinstance(event, Paid) and event.order in pages:
            pages[event.order].paid += event.amount
            pages[event.order].positions.append(position)
        elif isinstance(event, Cancelled):
            pages.pop(event.order, None)
        elif isinstance(event, CityRenamed):
            for page in pages.values():
                page.city = event.new if page.city == event.city else page.city
    return pages


def _totals(history: list[Event]) -> dict[str, int]:
    totals: dict[str, int] = {}
    for event in history:
        if isinstance(event, Placed):
            totals.setdefault(event.order, 0)
        elif isinstance(event, Paid):
            totals[event.order] = totals.get(event.order, 0) + event.amount
        elif isinstance(event, Cancelled):
            totals.pop(event.order, None)
    return totals


@settings(max_examples=60, deadline=None)
@given(HISTORIES)
async def test_every_position_answers_as_a_plain_fold(history: list[Event]) -> None:
    """get, find and state at each position equal a fold of the events up to it, by other code."""
    async with shop.open("memory://", views=False) as opened:
        await opened.record(*history)
        for position in range(len(history) + 1):
            told = history[:position]
            pages, totals = _pages(told), _totals(told)
            found = await opened.find(OrderPage, at=position)
            assert {page.id: page for page in found} == pages
            for order in ORDERS:
                assert await opened.get(OrderPage, order, at=position) == pages.get(order)
                total = await opened.get(Totals, order, at=position)
                assert (total and total.paid) == totals.get(order)
                state = await opened.state(Order, order, at=position)
                paid = [e.amount for e in told if isinstance(e, Paid) and e.order == order]
                assert state.paid == sum(paid)


@settings(max_examples=40, deadline=None)
@given(HISTORIES)
async def test_one_stream_answers_as_the_whole_projection(history: list[Event]) -> None:
    """Where a document's past is one stream, reading that alone gives what projecting everything gives."""
    projector = Projector(view_spec(Totals))
    async with shop.open("memory://", views=False) as opened:
        await opened.record(*history)
        past = Past(MemoryDocuments)
        for position in range(len(history) + 1):
            whole = await past.documents(opened.store, projector, Moment(position))
            for order in ORDERS:
                assert stream_query(projector, order) is not None
                text, _, _ = await whole.get(projector.table, order)
                narrow = await opened.get(Totals, order, at=position)
                assert narrow == (None if text is None else projector.decoder.decode(text))


@settings(max_examples=25, deadline=None)
@given(HISTORIES, st.integers(1, 5))
async def test_the_live_view_does_not_depend_on_its_chunks(history: list[Event], size: int) -> None:
    """Applied in chunks of any size, the view ends as the plain fold does."""
    async with shop.open("memory://") as opened:
        head = 0
        for start in range(0, len(history), size):
            head = (await opened.record(*history[start : start + size])).position
            await opened.wait(OrderPage, head)
        assert {page.id: page for page in await opened.find(OrderPage)} == _pages(history)
