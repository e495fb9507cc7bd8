"""What differs between two JSON values, field by field. Pure."""

from __future__ import annotations

import operator
from collections.abc import Iterable, Iterator
from itertools import takewhile
from typing import Any

import msgspec


class Difference(msgspec.Struct, omit_defaults=True):
    """One place, as a JSON pointer (RFC 6901), and what stood and stands there; unset where nothing did or does.

    That is RFC 6902's `replace`, `add` or `remove`.
    """

    path: str
    before: Any = msgspec.UNSET
    after: Any = msgspec.UNSET


def differences(before: Any, after: Any, path: str = "") -> Iterator[Difference]:
    """Where the values differ, as deep down as can be told; made one after another they lead from one to the other.

    Values differ when their JSON does: -0.0 from 0.0, and 1 from 1.0. Of lists the ends that are the same are passed
    over; what is between is compared place by place, and the rest was put in, or taken out, the last one first.
    """
    if isinstance(before, dict) and isinstance(after, dict):
        for name in dict.fromkeys((*before, *after)):
            yield from _at(f"{path}/{_escaped(name)}", before.get(name, msgspec.UNSET), after.get(name, msgspec.UNSET))
    elif isinstance(before, list) and isinstance(after, list):
        yield from _in_lists(before, after, path)
    elif _text(before) != _text(after):
        yield Difference(path, before, after)


def _at(path: str, before: Any, after: Any) -> Iterator[Difference]:
    if before is msgspec.UNSET or after is msgspec.UNSET:
        yield Difference(path, before, after)
    else:
        yield from differences(before, after, path)


def _in_lists(before: list[Any], after: list[Any], path: str) -> Iterator[Difference]:
    olds, news = list(map(_text, before)), list(map(_text, after))
    start = _alike(olds, news)
    end = _alike(olds[start:][::-1], news[start:][::-1])
    olds_end, news_end = len(before) - end, len(after) - end
    both = min(olds_end, news_end)
    for place in range(start, both):
        yield from differences(before[place], after[place], f"{path}/{place}")
    for place in reversed(range(both, olds_end)):
        yield Difference(f"{path}/{place}", before=before[place])
    for place in range(both, news_end):
        yield Difference(f"{path}/{place}", after=after[place])


def _alike(olds: Iterable[bytes], news: Iterable[bytes]) -> int:
    """How many are the same, from the first one on."""
    return sum(takewhile(bool, map(operator.eq, olds, news)))


def _text(value: Any) -> bytes:
    return msgspec.json.encode(value, order="sorted")


def _escaped(name: str) -> str:
    return name.replace("~", "~0").replace("/", "~1")
