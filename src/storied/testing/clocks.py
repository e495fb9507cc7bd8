"""A clock that stands still until it is told to move."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

from storied.domain.times import check_aware


class ManualClock:
    """A `Clock` that shows `now` until somebody moves it, in either direction.

    Raises `InvalidQuery` for a start without a time zone.
    """

    def __init__(self, start: datetime = datetime(2020, 1, 1, tzinfo=UTC)) -> None:
        check_aware(start)
        self.now = start

    def advance(self, by: timedelta) -> datetime:
        """Moves the clock, back when *by* is negative, and gives the new present."""
        self.now += by
        return self.now

    def __call__(self) -> datetime:
        """The present."""
        return self.now
