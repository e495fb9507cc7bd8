"""Times: the clock that a store and a decision are given, and the two meanings of "at a time"."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime

import msgspec

from storied.domain.showing import shown
from storied.errors import InvalidQuery

Clock = Callable[[], datetime]
"""Gives the present as an aware time."""


def utc_now() -> datetime:
    """The present by this machine's clock, in UTC: the default `Clock`."""
    return datetime.now(UTC)


class Occurred(msgspec.Struct, frozen=True):
    """The past as it had happened by `time`, whenever it was recorded: for ``at=Occurred(datetime(…))``.

    Events are still applied in the order of the log; those that happened after `time` are left out.
    """

    time: datetime

    def __post_init__(self) -> None:
        check_aware(self.time)


At = int | datetime | Occurred
"""A moment of the past: a position, the time something was recorded, or the time it happened."""


def check_aware(time: object) -> None:
    """Passes an aware datetime. Raises `InvalidQuery`."""
    if not isinstance(time, datetime) or time.tzinfo is None:
        raise InvalidQuery(
            f"{shown(time)} is not a time with a zone. Write datetime(2018, 1, 1, tzinfo=UTC).",
            value=time,
            detail="it is a time with a zone",
        )
