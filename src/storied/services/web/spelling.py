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

from storied.services.web.wording import NO_AMOUNT, NO_UUID, NOT_FINITE, NOT_IN_DIGITS, UUID_IN_CAPITALS

DECIMAL = r"^[+-]?([0-9]{1,999}\.?[0-9]{0,999}|\.[0-9]{1,999})([eE][+-]?[0-9]{1,3})?$"
"""An amount that Python's Decimal takes and an index can hold, each of which has an end: well within it."""
UUIDS = "^[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$"
"""A UUID as it is told, and as addresses have it; a body may have it in capitals, too (RFC 9562, 4)."""
_AMOUNT = re.compile(DECIMAL.strip("^$"))
_UUID = re.compile(UUIDS.strip("^$"), re.IGNORECASE | re.ASCII)
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
    An amount is spelled as `DECIMAL` has it. One thing has one address: so a UUID is spelled as `UUIDS` has it, and a
    whole number in digits, as both are told. Raises as `msgspec.convert` does.
    """
    value = msgspec.convert(text, wanted, strict=False)
    if isinstance(value, Decimal) and not is_amount(text):
        raise msgspec.ValidationError(NO_AMOUNT)
    if isinstance(value, UUID) and text != str(value):
        raise msgspec.ValidationError(UUID_IN_CAPITALS if is_uuid(text) else NO_UUID)
    if value.__class__ is int and text != str(value):
        raise msgspec.ValidationError(NOT_IN_DIGITS)
    if isinstance(value, bool) and text not in ("true", "false"):
        raise msgspec.ValidationError("Expected `bool`, got `str`")
    if isinstance(value, float) and not isfinite(value):
        raise msgspec.ValidationError(NOT_FINITE)
    return msgspec.convert(text, wanted) if isinstance(value, (datetime, timedelta)) else value


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


def is_amount(text: str) -> bool:
    """Whether the text spells an amount as the description has it, which Decimal is not so exact about."""
    return _AMOUNT.fullmatch(text) is not None


def is_uuid(text: str) -> bool:
    """Whether the text spells a UUID with its dashes, in letters of either case."""
    return _UUID.fullmatch(text) is not None


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
