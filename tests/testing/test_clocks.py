"""A manual clock moves when it is told to."""

from datetime import UTC, datetime, timedelta

import pytest

from storied.errors import InvalidQuery
from storied.testing.clocks import ManualClock

START = datetime(2024, 1, 1, tzinfo=UTC)


def test_a_clock_stands_still() -> None:
    """However often it is read."""
    clock = ManualClock(START)
    assert [clock(), clock(), clock.now] == [START] * 3


def test_a_clock_is_moved_in_either_direction() -> None:
    """And tells the new present."""
    clock = ManualClock(START)
    assert clock.advance(timedelta(days=1)) == START + timedelta(days=1)
    clock.advance(timedelta(days=-2))
    assert clock() == START - timedelta(days=1)


def test_a_clock_starts_at_an_aware_time() -> None:
    """A store could not tell the moment otherwise."""
    with pytest.raises(InvalidQuery, match="zone"):
        ManualClock(START.replace(tzinfo=None))
