"""What differs between two JSON values, field by field. Pure."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import msgspec


class Difference(msgspec.Struct, omit_defaults=True):
    """One place, as a JSON pointer (RFC 6901), and what stood and stands there; unset where nothing did or does."""

    path: str
    before: Any = msgspec.UNSET
    after: Any = msgspec.UNSET


def differences(before: Any, after: Any, path: str = "") -> Iterator[Difference]:
    """Where the values differ, as deep down as can be told; lists are compared place by place."""
    if isinstance(before, dict) and isinstance(after, dict):
        for name in dict.fromkeys((*before, *after)):
            yield from _at(f"{path}/{_escaped(name)}", before.get(name, msgspec.UNSET), after.get(name, msgspec.UNSET))
    elif isinstance(before, list) and isinstance(after, list):
        for place in range(max(len(before), len(after))):
            one = before[place] if place < len(before) else msgspec.UNSET
            other = after[place] if place < len(after) else msgspec.UNSET
            yield from _at(f"{path}/{place}", one, other)
    elif type(before) is not type(after) or before != after:
        yield Difference(path, before, after)


def _at(path: str, before: Any, after: Any) -> Iterator[Difference]:
    if before is msgspec.UNSET or after is msgspec.UNSET:
        yield Difference(path, before, after)
    else:
        yield from differences(before, after, path)


def _escaped(name: str) -> str:
    return name.replace("~", "~0").replace("/", "~1")
