"""Entities that are kept in memory between commands, as bytes, so that nobody can change what is kept.

A kept entity saves the reading, never the checking: its append condition says up to where it was known, so a decision
on a state that is no longer true is refused by the store and taken again. Dropping any of them changes no answer.
"""

from __future__ import annotations

from collections import OrderedDict
from typing import Any

import msgspec

from storied.domain.entities import Entity, EntitySpec

CAPACITY = 10_000
"""Entities kept; the one that was used longest ago goes first."""
MAX_BYTES = 64 * 1024
"""An entity larger than this is read anew each time."""

EntityKey = tuple[EntitySpec, str | None]


class Kept(msgspec.Struct, frozen=True, gc=False):
    """An entity as it is after every event up to `position`; `sure` unless somebody is known to have added some."""

    state: bytes
    position: int
    sure: bool = True


class Keeper:
    """The entities of one store that were used last."""

    def __init__(self, capacity: int = CAPACITY) -> None:
        self._capacity = capacity
        self._kept: OrderedDict[EntityKey, Kept] = OrderedDict()
        self._lossy: set[type[Entity]] = set()

    def find(self, key: EntityKey) -> Kept | None:
        """The entity as it is kept, if it is."""
        kept = self._kept.get(key)
        if kept is not None:
            self._kept.move_to_end(key)
        return kept

    def keep(self, key: EntityKey, entity: Entity, position: int) -> Kept | None:
        """The entity as it is kept as of *position*; None when it is too large or would not come back equal.

        What is known up to a later position stays.
        """
        if entity.__class__ in self._lossy or self._capacity == 0:
            return None
        state = frozen(entity)
        if state is None:
            self._lossy.add(entity.__class__)
            self._kept.pop(key, None)
            return None
        if len(state) > MAX_BYTES:
            self._kept.pop(key, None)
            return None
        kept, before = Kept(state, position), self._kept.get(key)
        if before is None or before.position <= position:
            self._kept[key] = kept
            if len(self._kept) > self._capacity:
                self._kept.popitem(last=False)
        return kept

    def doubt(self, key: EntityKey) -> None:
        """Somebody has added events: the kept state is a start, and no more."""
        kept = self._kept.get(key)
        if kept is not None:
            self._kept[key] = msgspec.structs.replace(kept, sure=False)


_encoder = msgspec.msgpack.Encoder()
_decoders: dict[type[Entity], msgspec.msgpack.Decoder[Any]] = {}


def frozen(entity: Entity) -> bytes | None:
    """The entity as bytes, or None when it would not come back equal."""
    try:
        state = _encoder.encode(entity)
        return state if thawed(type(entity), state) == entity else None
    except (msgspec.MsgspecError, TypeError, ValueError, OverflowError, ArithmeticError, RecursionError):
        return None


def thawed(cls: type[Entity], state: bytes) -> Entity:
    """A fresh entity from the bytes."""
    decoder = _decoders.get(cls)
    if decoder is None:
        decoder = _decoders[cls] = msgspec.msgpack.Decoder(cls)
    entity: Entity = decoder.decode(state)
    return entity
