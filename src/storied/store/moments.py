"""Moments of the past: from what ``at=`` was given to a position and, where it is meant, a time of occurrence."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from datetime import datetime

import msgspec

from storied.domain.times import At, Clock, Occurred, check_aware
from storied.errors import InvalidQuery
from storied.store.port import EventStore
from storied.store.query import check_position
from storied.store.records import Recorded, to_microseconds


class Moment(msgspec.Struct, frozen=True):
    """The past up to `position`; of that, when `occurred` is given, what had happened by then."""

    position: int
    occurred: datetime | None = None

    def keeps(self, records: Iterable[Recorded]) -> Iterator[Recorded]:
        """The records that had happened by then."""
        if self.occurred is None:
            return iter(records)
        by = self.occurred
        return (record for record in records if record.occurred_at <= by)


async def moment(store: EventStore, at: At, clock: Clock) -> Moment:
    """The moment that *at* means in this log.

    A time means the last event recorded at or before it. Raises `InvalidQuery` for a position beyond the head
    (``future-position``), for a time that has not come by *clock* (``future-time``), and for one without a zone.
    What is planned may occur later than now.
    """
    now = clock()  # before the head: what is recorded after both is not of a time that had come
    head = await store.head()
    if isinstance(at, Occurred):
        return Moment(head, at.time)
    if isinstance(at, datetime):
        check_aware(at)
        await _check_come(store, at, head, now)
        return Moment(await position_at(store, at, head))
    check_position("at", at)
    if at > head:
        raise InvalidQuery(
            f"at={at} lies beyond the head, which is {head}. Ask for a position up to the head.",
            code="future-position",
            value=at,
            detail=f"it lies beyond the head of the log, which is {head}",
        )
    return Moment(at)


async def _check_come(store: EventStore, time: datetime, head: int, now: datetime) -> None:
    """Passes a time up to *now*, or up to the log's last event, which a clock ahead of this one may have timed."""
    if time > now and head:
        [last] = await store.read(after=head - 1, until=head).list()
        now = max(now, last.recorded_at)
    if time > now:
        raise InvalidQuery(
            f"at={time.isoformat()} has not come yet, it is {now.isoformat()}: what is recorded until then would "
            "change the answer. Ask for a time up to now, or leave it out for the present.",
            code="future-time",
            value=time,
            detail="it has not come yet",
        )


async def position_at(store: EventStore, time: datetime, head: int) -> int:
    """The last position recorded at or before *time* (0 for none), found by halving: the times never go back."""
    wanted = to_microseconds(time)
    low, high = 0, head
    while low < high:
        middle = (low + high + 1) // 2
        [record] = await store.read(after=middle - 1, until=middle).list()
        if record.recorded_us <= wanted:
            low = middle
        else:
            high = middle - 1
    return low
