"""Checking code against a store before it is deployed: every event that was ever stored is decoded with it.

Nothing short of that is a proof: a version number says which upcasters run, not whether they fit each payload.
"""

from __future__ import annotations

import msgspec

from storied.errors import DecodeError
from storied.operating.walking import Progress, no_progress, walk
from storied.store.codec import EventTypes, decode_as
from storied.store.port import EventStore

Shape = tuple[str, int]
"""A type's name in the store, and a version."""


class Count(msgspec.Struct):
    """The events of one shape: how many, where the first is, how many do not decode, and the first error of those."""

    type: str
    version: int
    known: bool
    """Whether the code has a class for the type."""
    events: int = 0
    first: int = 0
    failed: int = 0
    error: DecodeError | None = None


class Checked(msgspec.Struct, frozen=True):
    """What a check found, up to `head`: the shapes by type and version, known to the code or not."""

    identity: str
    head: int
    shapes: tuple[Count, ...]

    @property
    def events(self) -> int:
        """How many events were decoded, or could not be."""
        return sum(shape.events for shape in self.shapes)

    @property
    def failed(self) -> int:
        """How many events of known types do not decode."""
        return sum(shape.failed for shape in self.shapes)

    @property
    def unknown(self) -> int:
        """How many events have a type that the code has no class for."""
        return sum(shape.events for shape in self.shapes if not shape.known)

    @property
    def first(self) -> DecodeError | None:
        """The error of the event with the lowest position that does not decode."""
        errors = [shape.error for shape in self.shapes if shape.error is not None]
        return min(errors, key=lambda error: error.position, default=None)

    @property
    def ok(self) -> bool:
        """Whether every event of a known type decodes."""
        return self.failed == 0


async def check_events(
    store: EventStore, event_types: EventTypes, progress: Progress = no_progress, *, after: int = 0
) -> Checked:
    """Which of the stored events beyond *after* decode with these classes, by type and version.

    Raises `StoreError` when the store cannot be read; an event that does not decode is counted, not raised.
    """
    head = await store.head()
    shapes: dict[Shape, Count] = {}
    async for records in walk(store, head, after=after):
        for record in records:
            shape = shapes.get((record.type, record.version))
            spec = event_types.by_name.get(record.type)
            if shape is None:
                shape = Count(record.type, record.version, spec is not None, first=record.position)
                shapes[record.type, record.version] = shape
            shape.events += 1
            if spec is None:
                continue
            try:
                decode_as(spec, record)
            except DecodeError as error:
                shape.failed += 1
                if shape.error is None:  # without what led to it, which would keep the payload alive
                    shape.error = DecodeError(
                        position=error.position, type=error.type, version=error.version, reason=error.reason
                    )
        progress("events", records[-1].position if records else head, head)
    return Checked(store.identity, head, tuple(shapes[shape] for shape in sorted(shapes)))
