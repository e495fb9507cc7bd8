"""Times and moments are read as ISO 8601, in UTC unless they say otherwise."""

from argparse import ArgumentTypeError
from datetime import UTC, datetime

import pytest

from storied.cli.times import parse_at, parse_count, parse_position, parse_time, time_text
from storied.domain.times import Occurred

NOON = datetime(2018, 1, 31, 12, tzinfo=UTC)


@pytest.mark.parametrize(
    "text", ["2018-01-31T12:00", "2018-01-31 12:00:00", "2018-01-31T12:00Z", "2018-01-31T13:00+01:00"]
)
def test_a_time_is_aware(text: str) -> None:
    """Without a zone it is UTC."""
    assert parse_time(text) == NOON
    assert parse_time(text).tzinfo is not None


def test_a_date_is_its_midnight() -> None:
    """In UTC."""
    assert parse_time("2018-01-31") == datetime(2018, 1, 31, tzinfo=UTC)


def test_a_moment_is_a_position_a_time_or_an_occurrence() -> None:
    """Digits alone are a position."""
    assert parse_at("2018") == 2018
    assert parse_at("2018-01-31T12:00") == NOON
    assert parse_at("occurred:2018-01-31T12:00") == Occurred(NOON)


@pytest.mark.parametrize(
    "text", ["", "soon", "12:00", "2018-13-01", "-1", "occurred:", "occurred:7", "happened:2018-01-01", "١٢"]
)
def test_what_is_no_moment_is_refused(text: str) -> None:
    """With an example of what would be."""
    with pytest.raises(ArgumentTypeError, match="2018-01-31"):
        parse_at(text)


@pytest.mark.parametrize("text", ["", "-1", "1.5", "x", str(2**63), "²"])
def test_what_is_no_position_is_refused(text: str) -> None:
    """Positions are whole numbers from 0."""
    with pytest.raises(ArgumentTypeError):
        parse_position(text)


def test_a_count_starts_at_1() -> None:
    """None of something is not asked for."""
    assert parse_count("1") == 1
    with pytest.raises(ArgumentTypeError):
        parse_count("0")


def test_a_time_is_printed_to_the_microsecond_in_utc() -> None:
    """What is printed can be typed again."""
    assert time_text(NOON) == "2018-01-31T12:00:00Z"
    exact = datetime(2018, 1, 31, 12, 0, 0, 1, tzinfo=UTC)
    assert parse_time(time_text(exact)) == exact
