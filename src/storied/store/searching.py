"""Looking over a log: which streams there are, and how much it holds. For people and tools; no decision rests on it.

Both questions would be long scans if they were asked naively, so an engine answers them a little at a time and lets
other readers in between. An answer is therefore true of each stream by itself, not of one moment of the whole log.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from datetime import datetime
from typing import Literal, Protocol, get_args, runtime_checkable

import msgspec

from storied.domain.showing import shown
from storied.errors import InvalidQuery
from storied.store.checks import is_storable
from storied.store.records import from_microseconds

StreamOrder = Literal["name", "recent", "events"]
"""By tag in code point order; by last event, the latest first; by number of events, the most first."""

MAX_STREAMS = 10_000


def check_stream_query(wanted: object) -> None:
    """Passes a `StreamQuery`. Raises `InvalidQuery`."""
    if not isinstance(wanted, StreamQuery):
        raise InvalidQuery(f"{shown(wanted)} does not say which streams. Give a StreamQuery(…).")


class Stream(msgspec.Struct, frozen=True):
    """The events that carry one tag, in numbers: how many, the first and last position, and what the last one is."""

    tag: str
    events: int
    first: int
    last: int
    last_type: str
    last_recorded_us: int

    @property
    def last_recorded_at(self) -> datetime:
        """When the last event was recorded, in UTC."""
        return from_microseconds(self.last_recorded_us)


class StreamQuery(msgspec.Struct, frozen=True):
    """Which streams: tags that contain *part* whatever its case, at most *limit*; by name also those beyond *after*."""

    part: str = ""
    order: StreamOrder = "name"
    limit: int = 100
    after: str = ""

    def __post_init__(self) -> None:
        texts: tuple[object, object] = (self.part, self.after)
        if not all(isinstance(text, str) and is_storable(text) for text in texts):
            raise InvalidQuery("part and after are text. Give a part of a tag's name, such as 'order:'.")
        if not isinstance(self.limit, int) or isinstance(self.limit, bool) or not 1 <= self.limit <= MAX_STREAMS:
            raise InvalidQuery(f"limit={shown(self.limit)} is not from 1 to {MAX_STREAMS}. Ask for fewer streams.")
        if self.order not in get_args(StreamOrder):
            raise InvalidQuery(
                f"order={shown(self.order)} is none of {', '.join(get_args(StreamOrder))}. Take one of them."
            )
        if self.after and self.order != "name":
            raise InvalidQuery(f"after= goes with order='name', not {self.order!r}. Leave one of them out.")

    def matcher(self) -> Callable[[str], bool]:
        """Whether a tag contains the part, whatever its case."""
        part = self.part.casefold()
        return (lambda tag: part in tag.casefold()) if part else (lambda tag: True)


@runtime_checkable
class StreamSearch(Protocol):
    """A store that can be looked over. Engines offer it beside the four verbs."""

    async def streams(self, wanted: StreamQuery = StreamQuery()) -> list[Stream]:  # noqa: B008 - an immutable value
        """The streams asked for, in their order; equals by tag.

        Takes time in proportion to the tags in the store (and, by number of events, to their events), but holds up
        other readers for milliseconds only. A stream that is appended to meanwhile may be told as before or after.
        """
        ...

    async def measure(self) -> LogFacts:
        """How much the log holds, by type. Takes time in proportion to the events; holds up nobody."""
        ...


class LogFacts(msgspec.Struct, frozen=True):
    """A log in numbers: the head, events by type, the times of the first and last event, bytes on disk (None without).

    `engine` names what keeps it, with its version.
    """

    engine: str
    head: int
    types: dict[str, int]
    first_recorded_us: int | None
    last_recorded_us: int | None
    bytes: int | None

    @property
    def events(self) -> int:
        """How many events there are."""
        return sum(self.types.values())


def best(streams: Iterable[Stream], order: StreamOrder) -> list[Stream]:
    """The streams in that order; equals by tag."""
    if order == "recent":
        return sorted(streams, key=lambda stream: (-stream.last, stream.tag))
    if order == "events":
        return sorted(streams, key=lambda stream: (-stream.events, stream.tag))
    return sorted(streams, key=lambda stream: stream.tag)
