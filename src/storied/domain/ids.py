"""Ids: time-ordered UUIDs (version 7, RFC 9562), random for the store, derived for a decision.

A decision that is taken again must make the same ids again, so those are derived from the command's id and the
time it was decided at, not drawn.
"""

from __future__ import annotations

from hashlib import sha256
from uuid import UUID

from uuid_utils import uuid7


def new_id() -> str:
    """A fresh UUIDv7 as text, in time order within this process."""
    return str(uuid7())


def derived_id(seed: str, index: int, milliseconds: int) -> str:
    """The UUIDv7 that *seed* and *index* stand for at *milliseconds* since 1970: the same again for the same three."""
    noise = int.from_bytes(sha256(f"{seed}\n{index}".encode()).digest()[:10], "big")
    value = (milliseconds & 0xFFFFFFFFFFFF) << 80 | noise
    value = value & ~(0xF << 76) | 0x7 << 76
    value = value & ~(0x3 << 62) | 0x2 << 62
    return str(UUID(int=value))
