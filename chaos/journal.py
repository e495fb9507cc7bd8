"""A journal: what clients asked and were told, line by line, in a file that outlives them.

A line is written with one `write` to a file opened for appending, so several processes may share it. A killed one
leaves at most its last line torn; the next to open the file marks it as such. Times are `time.monotonic_ns()`, which
all processes of a machine share.
"""

from __future__ import annotations

import os
import time
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import msgspec

from storied.store.query import AppendCondition
from storied.store.records import NewEvent, Recorded


class Sent(msgspec.Struct, frozen=True, tag=True):
    """A client is about to append."""

    append_id: str
    events: tuple[NewEvent, ...]
    conditions: tuple[AppendCondition, ...]
    at: int = msgspec.field(default_factory=time.monotonic_ns)


class Told(msgspec.Struct, frozen=True, tag=True):
    """What came of it: ``stored`` from *first* to *position*, or an error's code; a conflict has a *position*."""

    append_id: str
    outcome: str
    first: int = 0
    position: int = 0
    at: int = msgspec.field(default_factory=time.monotonic_ns)


class Saw(msgspec.Struct, frozen=True, tag=True):
    """A subscriber from the first position on was given these events: position and id."""

    subscriber: str
    events: tuple[tuple[int, str], ...]
    at: int = msgspec.field(default_factory=time.monotonic_ns)


class Note(msgspec.Struct, frozen=True, tag=True):
    """Anything else that a client wants to have said."""

    text: str
    at: int = msgspec.field(default_factory=time.monotonic_ns)


Entry = Sent | Told | Saw | Note
TORN = b"~"
_decoder = msgspec.json.Decoder(Entry)


class Journal:
    """Where one process writes what it sees."""

    def __init__(self, path: Path) -> None:
        self._file = os.open(path, os.O_RDWR | os.O_APPEND | os.O_CREAT, 0o600)
        size = os.fstat(self._file).st_size
        if size and os.pread(self._file, 1, size - 1) != b"\n":
            os.write(self._file, TORN + b"\n")

    def write(self, entry: Entry) -> None:
        """Adds a line."""
        os.write(self._file, msgspec.json.encode(entry) + b"\n")

    def close(self) -> None:
        """Lets go of the file."""
        os.close(self._file)


def entries(path: Path) -> list[Entry]:
    """The whole lines of a journal; nothing when there is no file."""
    if not path.exists():
        return []
    return [_decoder.decode(line) for line in path.read_bytes().split(b"\n")[:-1] if not line.endswith(TORN)]


def saw(subscriber: str, records: Iterable[Recorded]) -> Saw:
    """The entry of a subscriber who was given *records*."""
    return Saw(subscriber, tuple((record.position, record.id) for record in records))


def asked_again(sent: Sent) -> dict[str, Any]:
    """The arguments that repeat an append."""
    return {"events": sent.events, "condition": sent.conditions or None, "append_id": sent.append_id}
