"""Values as the texts of paths, query strings and headers spell them. Pure."""

from __future__ import annotations

import re
import types
import typing
from collections.abc import Iterable
from datetime import date, datetime, time, timedelta
from decimal import Decimal
from enum import Enum
from math import isfinite
from typing import Any
from uuid import UUID

import msgspec

from storied.services.web.wording import (
    HAS_OFFSET,
    NO_AMOUNT,
    NO_OFFSET,
    NO_TIME,
    NO_UUID,
    NOT_64_BITS,
    NOT_FINITE,
    NOT_IN_DIGITS,
    UUID_IN_CAPITALS,
)

DECIMAL = r"^[+-]?([0-9]{1,999}\.?[0-9]{0,999}|\.[0-9]{1,999})([eE][+-]?[0-9]{1,3})?$"
"""An amount that Python's Decimal takes and an index can hold, each of which has an end: well within it."""
_LOCAL = r"[0-9]{4}-[0-9]{2}-[0-9]{2}[Tt][0-9]{2}:[0-9]{2}:[0-9]{2}(\.[0-9]+)?"
TIME = rf"^{_LOCAL}([Zz]|[+-][0-9]{{2}}:[0-9]{{2}})$"
"""A time as RFC 3339 and JSON Schema's ``date-time`` have it."""
LOCAL_TIME = f"^{_LOCAL}$"
"""The same without an offset, for types that say ``msgspec.Meta(tz=False)``."""
UUIDS = "^[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$"
"""A UUID as it is told, and as addresses have it."""
UUID_TEXT = "^[0-9A-Fa-f]{8}(-[0-9A-Fa-f]{4}){3}-[0-9A-Fa-f]{12}$"
"""A UUID in a body, which may have it in capitals, too (RFC 9562, 4)."""
_TIME, _LOCAL_TIME, _UUID = (re.compile(one.strip("^$")) for one in (TIME, LOCAL_TIME, UUID_TEXT))
_AMOUNT = re.compile(DECIMAL.strip("^$"))
_NAMES: tuple[tuple[type, str], ...] = (  # the first that fits
    (bool, "true or false"),
    (int, "a whole number"),
    (float, "a number"),
    (Decimal, "a number"),
    (datetime, "a time such as 2018-01-01T00:00:00Z"),
    (date, "a day such as 2018-01-01"),
    (time, "a time of day such as 09:30:00"),
    (timedelta, "a duration such as PT5M"),
    (UUID, "a UUID in small letters, with its dashes"),
)


def value_of(text: str, wanted: Any) -> Any:
    """The value of a type that the text spells, as JSON would have it in quotes or, for numbers and the like, without.

    A number is no time, no duration and no bool, though it could be taken for one, and it is finite: JSON has no other.
    Amounts, times and UUIDs are spelled as the description has them. One thing has one address: so a UUID is spelled as
    `UUIDS` has it, and a whole number in digits, as both are told. Raises as `msgspec.convert` does.
    """
    value = msgspec.convert(text, wanted, strict=False)
    fault = misspelling(type(value), text, local=isinstance(value, datetime) and is_local(value, wanted))
    if fault is not None:
        raise msgspec.ValidationError(fault)
    if isinstance(value, UUID) and text != str(value):
        raise msgspec.ValidationError(UUID_IN_CAPITALS)
    if value.__class__ is int and text != str(value):
        raise msgspec.ValidationError(NOT_IN_DIGITS)
    if isinstance(value, int) and not -(2**63) <= value < 2**63:
        raise msgspec.ValidationError(NOT_64_BITS)
    if isinstance(value, bool) and text not in ("true", "false"):
        raise msgspec.ValidationError("Expected `bool`, got `str`")
    if isinstance(value, float) and not isfinite(value):
        raise msgspec.ValidationError(NOT_FINITE)
    return msgspec.convert(text, wanted) if isinstance(value, (datetime, timedelta)) else value


def is_time(text: str, *, local: bool = False) -> bool:
    """Whether the text spells a time; a *local* one is without an offset."""
    return misspelling(datetime, text, local=local) is None


def several_of(wanted: Any) -> tuple[Any, Any] | None:
    """The collection that a type is, or None beside it, and the type of each value; None for a type of one value."""
    origin = typing.get_origin(wanted)
    arguments = [part for part in typing.get_args(wanted) if part is not types.NoneType]
    if origin is typing.Annotated or (origin in (typing.Union, types.UnionType) and len(arguments) == 1):
        return several_of(arguments[0])
    return (origin, arguments[0]) if origin in (list, tuple, set, frozenset) else None


def is_marked(wanted: Any) -> bool:
    """Whether `msgspec.Meta` says more of the type's values, or of those in it."""
    found = typing.get_origin(wanted) is typing.Annotated and any(
        isinstance(m, msgspec.Meta) for m in wanted.__metadata__
    )
    return found or any(is_marked(part) for part in typing.get_args(wanted))


def misspelling(kind: Any, text: str, *, local: bool = False) -> str | None:
    """What is wrong with how the text spells a value of this class, which a decoder is not so exact about.

    A *local* time is one without an offset.
    """
    if kind is Decimal:
        return None if _AMOUNT.fullmatch(text) else NO_AMOUNT
    if kind is UUID:
        return None if _UUID.fullmatch(text) else NO_UUID
    if kind is not datetime or (_LOCAL_TIME if local else _TIME).fullmatch(text):
        return None
    if local:
        return HAS_OFFSET if _TIME.fullmatch(text) else NO_TIME
    return NO_OFFSET if _LOCAL_TIME.fullmatch(text) else NO_TIME


def is_local(value: datetime, wanted: Any) -> bool:
    """Whether the time has no offset, and the type wants none."""
    return value.tzinfo is None and wants_local(wanted)


def wants_local(wanted: Any) -> bool:
    """Whether times of the type have no offset."""
    marks = wanted.__metadata__ if typing.get_origin(wanted) is typing.Annotated else ()
    return any(isinstance(mark, msgspec.Meta) and mark.tz is False for mark in marks) or any(
        wants_local(part) for part in typing.get_args(wanted)
    )


def names_of(kinds: Iterable[Any]) -> str:
    """What texts of these types are, for who writes them."""
    return " or ".join(dict.fromkeys(_name(kind) for kind in kinds if kind is not types.NoneType))


def _name(kind: Any) -> str:
    if typing.get_origin(kind) is typing.Literal:
        return f"one of {', '.join(map(str, typing.get_args(kind)))}"
    if not isinstance(kind, type):
        return str(kind)
    if issubclass(kind, Enum):
        return f"one of {', '.join(str(member.value) for member in kind)}"
    return next((name for known, name in _NAMES if issubclass(kind, known)), kind.__name__)
