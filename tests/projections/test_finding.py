"""Finding documents by their indexed values: equal, in a range, in order, page by page, counted."""

from __future__ import annotations

import base64
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from datetime import UTC, date, datetime, timedelta, timezone
from decimal import Decimal
from typing import Any

import msgspec
import pytest

from storied import Event, InvalidQuery, NotIndexed, Occurred, OpenApp, Range
from storied.domain.times import At
from storied.testing.clocks import ManualClock
from tests.projections.shop import NOON, Cancelled, Color, Item, OrderPage, Paid, Placed, Totals, Valued, shop

ITEMS: list[Event] = [
    Valued(item="a", amount=Decimal("-10.5"), seen=NOON, color=Color.RED, flag=True, size=1.5),
    Valued(item="b", amount=Decimal("9"), seen=NOON + timedelta(hours=1), color=Color.BLUE, flag=False, size=-2.0),
    Valued(item="c", amount=Decimal("9.00"), seen=NOON - timedelta(days=1), color=Color.RED, flag=False, size=1e300),
    Valued(item="d", amount=Decimal("10"), seen=NOON + timedelta(microseconds=1), flag=True, size=0.0),
    Valued(item="e"),
]


@asynccontextmanager
async def _with(url: str, events: list[Event]) -> AsyncIterator[OpenApp]:
    async with shop.open(url) as opened:
        receipt = await opened.record(*events)
        for view in (Item, OrderPage):
            await opened.wait(view, receipt.position)
        yield opened


WHERE: dict[str, tuple[dict[str, Any], str]] = {
    "a Decimal": ({"amount": Decimal("9.0")}, "bc"),
    "a time in another zone": ({"seen": NOON.astimezone(timezone(timedelta(hours=9)))}, "a"),
    "an enum": ({"color": Color.RED}, "ac"),
    "a bool": ({"flag": False}, "bc"),
    "a float": ({"size": 1.5}, "a"),
    "None": ({"color": None}, "de"),
    "two fields": ({"color": Color.RED, "flag": True}, "a"),
    "amounts from": ({"amount": Range(ge=Decimal(9))}, "bcd"),
    "amounts above": ({"amount": Range(gt=Decimal(9))}, "d"),
    "amounts below": ({"amount": Range(lt=Decimal(-10))}, "a"),
    "amounts between": ({"amount": Range(gt=Decimal(-11), le=Decimal(9))}, "abc"),
    "times after": ({"seen": Range(gt=NOON)}, "bd"),
    "times up to": ({"seen": Range(le=NOON)}, "ac"),
    "sizes between": ({"size": Range(ge=-2.0, lt=1.5)}, "bd"),
    "an amount as a whole number": ({"amount": 9}, "bc"),
    "an amount as text": ({"amount": "9.0"}, "bc"),
    "amounts from a whole number": ({"amount": Range(ge=9)}, "bcd"),
    "amounts below a float": ({"amount": Range(lt=-0.5)}, "a"),
    "a time as text": ({"seen": NOON.isoformat()}, "a"),
    "an enum's value": ({"color": Color.RED.value}, "ac"),
    "sizes from a whole number": ({"size": Range(ge=1)}, "ac"),
    "nothing in between": ({"size": Range(gt=2.0, lt=1.0)}, ""),
}


@pytest.mark.parametrize("what", WHERE)
async def test_documents_are_found_by_value_and_range(url: str, what: str) -> None:
    """Values compare as they do in Python; None equals None and is in no range."""
    where, keys = WHERE[what]
    async with _with(url, ITEMS) as opened:
        assert "".join(item.item for item in await opened.find(Item, **where)) == keys
        assert await opened.count(Item, **where) == {None: len(keys)}


@pytest.mark.parametrize(
    "where",
    [{"amount": "nine"}, {"amount": Range(lt=True)}, {"seen": 5}, {"color": "mauve"}, {"flag": 1}, {"size": "1"}],
)
async def test_a_value_that_the_field_cannot_have_is_refused(where: dict[str, Any]) -> None:
    """It would be compared with something of another form, and find all documents or none."""
    async with _with("memory://", ITEMS) as opened:
        with pytest.raises(InvalidQuery, match="Give such a value"):
            await opened.find(Item, **where)
        with pytest.raises(InvalidQuery, match="Give such a value"):
            await opened.count(Item, **where)


@pytest.mark.parametrize(
    ("order", "keys"),
    [
        (None, "abcde"),
        ("item", "abcde"),
        ("-item", "edcba"),
        ("amount", "eabcd"),
        ("-amount", "dcbae"),
        ("seen", "ecadb"),
        ("-seen", "bdace"),
        ("color", "debac"),
        ("flag", "ebcad"),
        ("size", "ebdac"),
    ],
)
async def test_documents_come_in_order(url: str, order: str | None, keys: str) -> None:
    """By value and then by key, None before everything; the other way round with a minus."""
    async with _with(url, ITEMS) as opened:
        assert "".join(item.item for item in await opened.find(Item, order_by=order)) == keys


@pytest.mark.parametrize("order", [None, "-id", "city", "-city", "paid", "-paid"])
@pytest.mark.parametrize("limit", [1, 2, 3, 7, 50])
async def test_paging_visits_everything_once(url: str, order: str | None, limit: int) -> None:
    """Cursors lead through all documents in order, also where many have the same value."""
    events: list[Event] = [Placed(order=f"o-{n}", customer="c", city="ABC"[n % 3]) for n in range(11)]
    events += [Paid(order=f"o-{n}") for n in range(0, 11, 2)]
    async with _with(url, events) as opened:
        whole = [page.id for page in await opened.find(OrderPage, customer="c", order_by=order)]
        seen: list[str] = []
        cursor: str | None = None
        while True:
            found = await opened.find(OrderPage, customer="c", order_by=order, limit=limit, cursor=cursor)
            seen += [page.id for page in found]
            cursor = found.cursor
            if cursor is None:
                break
            assert len(found) == limit
        assert seen == whole
        assert len(set(seen)) == 11


async def test_paging_by_values_of_each_kind(url: str) -> None:
    """A cursor carries Decimals, times, enums, bools, floats and None alike."""
    async with _with(url, ITEMS) as opened:
        for field in ("amount", "seen", "color", "flag", "size"):
            seen = ""
            cursor: str | None = None
            while True:
                found = await opened.find(Item, order_by=field, limit=1, cursor=cursor)
                seen += found[0].item
                cursor = found.cursor
                if cursor is None:
                    break
            assert seen == "".join(item.item for item in await opened.find(Item, order_by=field))


async def test_paging_goes_on_although_the_last_document_went(url: str) -> None:
    """A cursor is a place, not a document: what it came from may be deleted meanwhile."""
    async with _with(url, [Placed(order=name, customer="c") for name in "abc"]) as opened:
        found = await opened.find(OrderPage, limit=1)
        head = (await opened.record(Cancelled(order="a"))).position
        rest = await opened.find(OrderPage, limit=5, cursor=found.cursor, after=head)
        assert [page.id for page in rest] == ["b", "c"]


async def test_a_page_says_where_it_stands(url: str) -> None:
    """Its position can be asked for again with at=."""
    async with _with(url, [Placed(order=name, customer="c") for name in "abc"]) as opened:
        assert (await opened.find(OrderPage)).position == 3


@pytest.mark.parametrize("cursor", ["", "nonsense", "ä", "W10", "WyJhIiwxLCJiIl0", 7, b"x"])
async def test_a_cursor_that_find_did_not_give_is_refused(cursor: Any) -> None:
    """It is an invalid query, never a wrong page."""
    async with shop.open("memory://") as opened:
        with pytest.raises(InvalidQuery) as caught:
            await opened.find(OrderPage, cursor=cursor)
        assert caught.value.code == "bad-cursor"


@pytest.mark.parametrize(
    "spoil",
    [
        lambda cursor: cursor + "=",
        lambda cursor: f"{cursor[:8]}!{cursor[8:]}",
        lambda cursor: f" {cursor}",
        lambda cursor: _edited(cursor, lambda asked, value, key: [asked, "text", key]),
        lambda cursor: _edited(cursor, lambda asked, value, key: [asked, value, key], b", "),
    ],
    ids=["padding", "a character between", "a blank before", "a text where numbers are", "other JSON"],
)
async def test_a_cursor_that_was_spoilt_is_refused(spoil: Callable[[str], str]) -> None:
    """It is taken as a page gave it, or not at all."""
    async with _with("memory://", ITEMS) as opened:
        found = await opened.find(Item, order_by="size", limit=2)
        assert found.cursor is not None
        with pytest.raises(InvalidQuery, match="did not come with a page"):
            await opened.find(Item, order_by="size", cursor=spoil(found.cursor))


def _edited(cursor: str, edit: Callable[..., list[Any]], between: bytes = b",") -> str:
    parts = edit(*msgspec.json.decode(base64.urlsafe_b64decode(cursor + "=" * (-len(cursor) % 4))))
    text = b"[" + between.join(msgspec.json.encode(part) for part in parts) + b"]"
    return base64.urlsafe_b64encode(text).decode().rstrip("=")


async def test_a_cursor_belongs_to_the_moment_of_its_page() -> None:
    """Pages of the present and of the past, or of two moments, do not go on with each other; one moment goes on."""
    clock = ManualClock()
    async with shop.open("memory://", clock=clock) as opened:
        for name in "abcd":
            await opened.record(Placed(order=name, customer="c"))
            clock.advance(timedelta(hours=1))
        await opened.wait(OrderPage, 4)
        when = clock.now - timedelta(minutes=30)
        moments: list[At | None] = [None, 4, 3, when, Occurred(when)]
        for moment in moments:
            page = await opened.find(OrderPage, limit=1, at=moment)
            for other in moments:
                if other == moment:
                    continue
                with pytest.raises(InvalidQuery, match="another question") as caught:
                    await opened.find(OrderPage, limit=1, at=other, cursor=page.cursor)
                assert caught.value.code == "bad-cursor"
            assert [one.id for one in await opened.find(OrderPage, limit=1, at=moment, cursor=page.cursor)] == ["b"]
        page = await opened.find(OrderPage, limit=1, at=when)
        elsewhere = when.astimezone(timezone(timedelta(hours=2)))
        assert [one.id for one in await opened.find(OrderPage, at=elsewhere, cursor=page.cursor)] == ["b", "c", "d"]


@pytest.mark.parametrize("other", [{"city": "Zug"}, {"order_by": "city"}, {"order_by": "-id"}, {"customer": "c"}])
async def test_a_cursor_of_another_question_is_refused(other: dict[str, Any]) -> None:
    """Fields and order have to be those of the page it came from."""
    async with _with("memory://", [Placed(order=name, customer="c") for name in "abc"]) as opened:
        found = await opened.find(OrderPage, city="Bern", limit=1)
        with pytest.raises(InvalidQuery, match="another question"):
            await opened.find(OrderPage, cursor=found.cursor, **other)


@pytest.mark.parametrize(
    "asked", [{"positions": 1}, {"id": "o"}, {"order": "positions"}, {"order": "-"}, {"nothing": Range(ge=1)}]
)
async def test_a_question_without_an_index_is_refused(asked: dict[str, Any]) -> None:
    """The error names the field and what is indexed."""
    async with shop.open("memory://") as opened:
        with pytest.raises(NotIndexed, match="it indexes customer, city, paid"):
            await opened.find(OrderPage, **asked)


async def test_counting_by_a_field_without_an_index_is_refused() -> None:
    """A view without an index says so."""
    async with shop.open("memory://") as opened:
        with pytest.raises(NotIndexed, match="it declares no index"):
            await opened.count(Totals, by="paid")


@pytest.mark.parametrize("limit", [0, -1, 10_001, True, "5", 1.5])
async def test_a_limit_that_cannot_be_is_refused(limit: Any) -> None:
    """The sentence says the limit that was asked for."""
    async with _with("memory://", [Placed(order=name, customer="c") for name in "abc"]) as opened:
        with pytest.raises(InvalidQuery, match=f"limit={limit!r} is not from 1 to 10000"):
            await opened.find(OrderPage, limit=limit)


async def test_the_largest_limit_is_allowed() -> None:
    """10,000 documents at once, as the sentence says."""
    async with _with("memory://", [Placed(order="o", customer="c")]) as opened:
        assert len(await opened.find(OrderPage, limit=10_000)) == 1


@pytest.mark.parametrize("value", [float("nan"), Decimal("NaN"), Decimal("Infinity"), 2**70, [1], object(), Range()])
async def test_a_value_without_an_order_is_refused(value: Any) -> None:
    """What no document can have is no question."""
    async with shop.open("memory://") as opened:
        with pytest.raises(InvalidQuery):
            await opened.find(OrderPage, paid=value)


async def test_documents_are_counted_by_value(url: str) -> None:
    """One number for each value that occurs."""
    events: list[Event] = [Placed(order=f"o-{n}", customer="c", city="AB"[n % 3 > 0]) for n in range(7)]
    async with _with(url, events) as opened:
        assert await opened.count(OrderPage, by="city") == {"A": 3, "B": 4}
        assert await opened.count(OrderPage, by="paid", city="A") == {0: 3}


def test_a_date_and_its_times_are_texts_that_sort() -> None:
    """Dates are indexed by their ISO text."""
    assert next(Range(ge=date(2024, 1, 2)).criteria("on", date)).value == "2024-01-02"
    assert (
        next(Range(ge=datetime(2024, 1, 2, tzinfo=UTC)).criteria("on", datetime)).value == "2024-01-02T00:00:00.000000"
    )
