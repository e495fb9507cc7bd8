"""Checks: what every engine can hold, alike on all of them, whoever hands it in. Pure."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping
from decimal import Decimal
from functools import cache
from typing import Any
from uuid import UUID

import msgspec

from storied.domain.events import MAX_TYPE_CHARACTERS
from storied.domain.showing import shown
from storied.domain.tags import canonical_tags
from storied.errors import InvalidEvent, InvalidQuery

MAX_EVENT_BYTES = 1024 * 1024
MAX_NESTING = 64
MAX_MAGNITUDE = 4999
"""The power of ten that an amount stays below: what an index can hold."""
_SHAPE = bytes(48 if 48 <= byte <= 57 else 91 if byte in b"[{" else 32 for byte in range(256))
"""Makes every digit a 0, every opening bracket a square one, and a space of anything else."""
_LONG_NUMBER = b"0" * 19
_STRINGS = re.compile(r'"(?:[^"\\]|\\.)*"')
_NUL = re.compile(r"(?<!\\)(?:\\\\)*\\u0000")


def check_type_name(name: object) -> None:
    """Passes the name of an event type. Raises `InvalidEvent` with code ``invalid-type``."""
    if isinstance(name, str) and 0 < len(name) <= MAX_TYPE_CHARACTERS and name.isprintable():
        return
    raise InvalidEvent(
        f"{shown(name)} cannot name an event type. Give a printable name of at most {MAX_TYPE_CHARACTERS} characters.",
        code="invalid-type",
    )


def check_version(version: object) -> None:
    """Passes a whole number from 1. Raises `InvalidEvent` with code ``invalid-version``."""
    if isinstance(version, int) and not isinstance(version, bool) and 1 <= version < 2**31:
        return
    raise InvalidEvent(
        f"version {shown(version)} is not a whole number from 1. Count versions from 1.", code="invalid-version"
    )


def check_id(event_id: object) -> None:
    """Passes a UUID in its text form. Raises `InvalidEvent` with code ``invalid-id``."""
    try:
        if isinstance(event_id, str) and str(UUID(event_id)) == event_id:
            return
    except ValueError:
        pass
    raise InvalidEvent(
        f"{shown(event_id)} cannot be an event's id. Give a UUID in its text form, or leave the id out.",
        code="invalid-id",
    )


def check_tags(tags: object) -> None:
    """Passes a tuple of tags, each once and in code point order. Raises `InvalidEvent` as `canonical_tags` does."""
    if not isinstance(tags, tuple) or canonical_tags(tags) != tags:
        raise InvalidEvent(
            f"the tags {shown(tags)} are not a tuple with each tag once, in code point order. Make the event with "
            "codec.new_event(), which brings them into it.",
            code="invalid-tag",
        )


def check_text(text: object, name: str) -> None:
    """Passes JSON text made by another hand: well-formed, within the limits, and no key twice in one object.

    Raises `InvalidEvent`: ``not-json``, and as `check_json` does.
    """
    if not isinstance(text, str):
        raise InvalidEvent(f"{name} is {shown(text)}, not JSON text. Give it as text.", code="not-json")
    check_json(text, name)
    try:
        msgspec.json.decode(text)  # refuses NaN and escaped lone surrogates, which Python's own module takes
        json.loads(text, object_pairs_hook=_distinct)
    except RecursionError:
        raise too_deep(name) from None
    except (msgspec.DecodeError, ValueError) as error:
        raise InvalidEvent(
            f"{name} is not JSON that can be stored: {error}. Make the event with codec.encode() or codec.new_event().",
            code="not-json",
        ) from None


def check_key(key: object) -> None:
    """Passes the key of a document: text that can be stored. Raises `InvalidQuery`."""
    if not isinstance(key, str) or not is_storable(key):
        raise InvalidQuery(f"{shown(key)} cannot be a document's key. Give the key as text, such as 'o-1'.")


def check_timeout(timeout: object) -> None:
    """Passes a number of seconds from 0. Raises `InvalidQuery`."""
    if not isinstance(timeout, (int, float)) or isinstance(timeout, bool) or not timeout >= 0:
        raise InvalidQuery(f"timeout={shown(timeout)} is not a number of seconds. Give one from 0, such as 2.5.")


def is_storable(text: str) -> bool:
    """Whether the text has no lone surrogate."""
    try:
        text.encode()
    except UnicodeEncodeError:
        return False
    return True


def _distinct(pairs: list[tuple[str, Any]]) -> None:
    if len({key for key, _ in pairs}) < len(pairs):
        raise ValueError("a key stands twice in one object")


def check_json(data: str, name: str, raw: bytes | None = None, *, digits: int = 0) -> None:
    """Passes JSON text that every engine and reader can hold; with *digits*, also whole numbers of up to so many.

    Raises `InvalidEvent`: ``not-json`` (a lone surrogate), ``too-large`` (over 1 MiB), ``too-deep`` (over 64 levels),
    ``number-too-large`` (a whole number past 64 bits), ``nul`` (a NUL character, which SQL databases refuse in text).
    """
    if raw is None:
        try:
            raw = data.encode()
        except UnicodeEncodeError as error:
            raise InvalidEvent(
                f"{name} is not text that can be stored: {error}. Use text without lone surrogates.", code="not-json"
            ) from None
    if len(raw) > MAX_EVENT_BYTES:
        raise InvalidEvent(
            f"{name} has {len(raw)} bytes of JSON; an event may have {MAX_EVENT_BYTES}. "
            "Store the large part elsewhere and put its address into the event.",
            code="too-large",
        )
    if "\\u0000" in data and _NUL.search(data):
        raise InvalidEvent(
            f"{name} holds a NUL character (\\u0000). Take it out, or encode binary as base64.", code="nul"
        )
    shape = raw.translate(_SHAPE)
    if _LONG_NUMBER in shape:
        _check_numbers(data, name, digits)
    if shape.count(b"[") > MAX_NESTING and _depth(data) > MAX_NESTING:
        raise too_deep(name)


def has_long_number(raw: bytes) -> bool:
    """Whether a number in the JSON may be past 64 bits; a text in it may look like one."""
    return _LONG_NUMBER in raw.translate(_SHAPE)


def check_amounts(value: object, name: str, raw: bytes) -> None:
    """Passes a value whose Decimals an index can hold; *raw* is its JSON.

    Raises `InvalidEvent` with code ``lossy`` for one that is not finite, or beyond 10^±4999.
    """
    kind: Any = type(value)
    if not _may_hold_amounts(kind) or (b"I" not in raw and b"E" not in raw and len(raw) < MAX_MAGNITUDE):
        return  # as nearly always: an amount like that is spelled with one of them, or is long
    for amount in _decimals(value):
        if not amount.is_finite() or abs(amount.adjusted()) >= MAX_MAGNITUDE:
            raise InvalidEvent(
                f"{name} holds the amount {shown(amount, 60)}, which no index can hold. Use finite amounts within "
                f"10^±{MAX_MAGNITUDE}.",
                code="lossy",
            )


@cache
def _may_hold_amounts(cls: type) -> bool:
    """Whether a field of the class may be a Decimal, however deep."""
    try:
        return "decimal" in str(msgspec.json.schema(cls))
    except (TypeError, ValueError, RuntimeError):  # of a type that has no schema
        return True


def _decimals(value: object) -> Iterator[Decimal]:
    """Every Decimal in the value."""
    if isinstance(value, Decimal):
        yield value
    elif isinstance(value, msgspec.Struct):
        for field in value.__struct_fields__:
            yield from _decimals(getattr(value, field))
    elif isinstance(value, Mapping):
        for key, one in value.items():
            yield from _decimals(key)
            yield from _decimals(one)
    elif isinstance(value, (list, tuple, set, frozenset)):
        for one in value:
            yield from _decimals(one)


def _check_numbers(data: str, name: str, digits: int) -> None:
    for number in re.findall(r"(?<![\d.eE+-])-?\d{19,}(?![\d.eE])", _STRINGS.sub('""', data)):
        if len(number) > digits and not -(2**63) <= int(number[:40]) < 2**63:
            raise InvalidEvent(
                f"{name} holds the number {number[:40]}, which does not fit 64 bits. Write it as text or as a Decimal.",
                code="number-too-large",
            )


def _depth(data: str) -> int:
    deepest = depth = 0
    for character in _STRINGS.sub("", data):
        if character in "{[":
            depth += 1
            deepest = max(deepest, depth)
        elif character in "}]":
            depth -= 1
    return deepest


def too_deep(name: str) -> InvalidEvent:
    """The refusal of JSON that is nested too deeply."""
    return InvalidEvent(f"{name} is nested deeper than {MAX_NESTING} levels. Flatten it.", code="too-deep")
