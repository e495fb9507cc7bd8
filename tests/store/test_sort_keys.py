"""Index values stand in one order that agrees with the order of what they stand for."""

from datetime import UTC, date, datetime, timedelta, timezone
from decimal import Decimal, localcontext
from enum import Enum, IntEnum, StrEnum
from typing import Any
from uuid import UUID

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from storied.errors import InvalidQuery
from storied.store.documents import Table
from storied.store.ordering import decimal_text, from_sort_key, sort_key

AMOUNTS = st.decimals(allow_nan=False, allow_infinity=False) | st.decimals(-1000, 1000, places=2)
TIMES = st.datetimes(timezones=st.just(UTC))


class Level(IntEnum):
    LOW = 1
    HIGH = 10


class Colour(StrEnum):
    RED = "red"


class Size(Enum):
    SMALL = 3.5


@given(AMOUNTS, AMOUNTS)
@example(Decimal("-0"), Decimal(0))
@example(Decimal("12"), Decimal("12.0"))
@example(Decimal("9"), Decimal("10"))
@example(Decimal("-1.2"), Decimal("-1.23"))
@example(Decimal("1234567890123456789012345678901"), Decimal("1234567890123456789012345678902"))
@example(Decimal("0.1000000000000000000000000000000001"), Decimal("0.1"))
def test_texts_of_amounts_compare_as_the_amounts_do(one: Decimal, other: Decimal) -> None:
    """Smaller, equal and larger, for any number of digits, and equal amounts have one text."""
    left, right = decimal_text(one), decimal_text(other)
    assert (left < right, left == right) == (one < other, one == other)


def test_the_text_of_an_amount_does_not_depend_on_the_decimal_context() -> None:
    """A program that computes with three digits indexes all of them."""
    amount = Decimal("12345.678")
    with localcontext() as context:
        context.prec = 3
        assert decimal_text(amount) == "2500512345678"


@pytest.mark.parametrize(
    ("amount", "text"), [("0", "1"), ("0.00", "1"), ("1", "250011"), ("-1", "049988~"), ("0.05", "249995")]
)
def test_the_text_of_a_known_amount_is_known(amount: str, text: str) -> None:
    """Stored indexes hold these texts, so they never change."""
    assert decimal_text(Decimal(amount)) == text


@pytest.mark.parametrize("amount", ["NaN", "sNaN", "1E+5000", "1E-5001"])
def test_an_amount_without_a_place_is_refused(amount: str) -> None:
    """What is no number, and what is out of range."""
    with pytest.raises(InvalidQuery):
        sort_key(Decimal(amount))


@given(TIMES, TIMES)
def test_texts_of_times_compare_as_the_times_do(one: datetime, other: datetime) -> None:
    """With the microseconds always written, no text is a prefix of another."""
    assert (sort_key(one) < sort_key(other)) == (one < other)  # type: ignore[operator]


@given(st.dates(), st.dates())
def test_texts_of_days_compare_as_the_days_do(one: date, other: date) -> None:
    """Years have four digits."""
    assert (sort_key(one) < sort_key(other)) == (one < other)  # type: ignore[operator]


def test_a_time_in_any_zone_is_the_same_moment() -> None:
    """Equal times have equal keys."""
    here = datetime(2024, 1, 1, 14, 30, tzinfo=timezone(timedelta(hours=5, minutes=30)))
    assert sort_key(here) == sort_key(datetime(2024, 1, 1, 9, tzinfo=UTC)) == "2024-01-01T09:00:00.000000"


@pytest.mark.parametrize(
    ("value", "key"),
    [
        (None, None),
        ("text", "text"),
        (True, 1),
        (False, 0),
        (7, 7),
        (-(2**63), -(2**63)),
        (1.5, 1.5),
        (Level.HIGH, 10),
        (Colour.RED, "red"),
        (Size.SMALL, 3.5),
        (UUID("0190163d-8694-739b-aea5-966c26f8ad90"), "0190163d-8694-739b-aea5-966c26f8ad90"),
    ],
)
def test_a_value_has_a_plain_key(value: Any, key: Any) -> None:
    """A number, a text or None, of exactly those types: that is what a database takes."""
    assert (sort_key(value), type(sort_key(value))) == (key, type(key))


@pytest.mark.parametrize("value", [float("nan"), 2**63, -(2**63) - 1, b"bytes", [], {}, object(), timedelta(1)])
def test_a_value_without_an_order_is_refused(value: Any) -> None:
    """Nothing is indexed that could not be found again."""
    with pytest.raises(InvalidQuery):
        sort_key(value)


def test_a_table_names_each_column_once() -> None:
    """In the order in which the indexes first name them."""
    assert Table("Orders", (("customer", "status"), ("status",), ("total",))).columns == ("customer", "status", "total")


@given(st.one_of(AMOUNTS.filter(lambda amount: abs(amount.adjusted()) < 4000), TIMES, st.booleans(), st.uuids()))
def test_an_indexed_value_comes_back(value: object) -> None:
    """What an index holds can be given back as the value it stands for."""
    assert from_sort_key(sort_key(value), type(value)) == value


def test_infinite_amounts_stand_at_the_ends() -> None:
    """Below and above every other, and they come back."""
    ordered = [Decimal("-Infinity"), Decimal("-1E+4000"), Decimal(0), Decimal("1E+4000"), Decimal("Infinity")]
    assert sorted(ordered, key=decimal_text) == ordered
    assert [from_sort_key(sort_key(amount), Decimal) for amount in ordered] == ordered


def test_a_time_that_is_before_the_first_year_in_utc_has_no_order() -> None:
    """It cannot be written in UTC, and so is refused as every other value without an order."""
    with pytest.raises(InvalidQuery, match="years 1 to 9999"):
        sort_key(datetime(1, 1, 1, tzinfo=timezone(timedelta(hours=5))))
