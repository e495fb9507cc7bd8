"""Values as the texts of paths, query strings and headers spell them. Pure."""

from __future__ import annotations

import re
import types
import typing
from collections.abc import Iterable
from datetime import date, datetime, timedelta
from decimal import Decimal
from enum import Enum
from math import isfinite
from typing import Any
from uuid import UUID

import msgspec

DECIMAL = r"^[+-]?([0-9]{1,999}\.?[0-9]{0,999}|\.[0-9]{1,999})([eE][+-]?[0-9]{1,3})?$"
"""An amount that Python's Decimal takes and an index can hold, each of which has an end: well within it."""
NO_AMOUNT = "Invalid decimal string."
_AMOUNT = re.compile(DECIMAL.strip("^$"))
_NAMES: tuple[tuple[type, str], ...] = (  # the first that fits
    (bool, "true or false"),
    (int, "a whole number"),
    (float, "a number"),
    (Decimal, "a number"),
    (datetime, "a time such as 2018-01-01T00:00:00Z"),
    (date, "a day such as 2018-01-01"),
    (timedelta, "a duration such as PT5M"),
    (UUID, "a UUID"),
)


def value_of(text: str, wanted: Any) -> Any:
    """The value of a type that the text spells, as JSON would have it in quotes or, for numbers and the like, without.

    A number is no time, no duration and no bool, though it could be taken for one, and it is finite: JSON has no other.
    An amount is spelled as `DECIMAL` has it. Raises as `msgspec.convert` does.
    """
    value = msgspec.convert(text, wanted, strict=False)
    if isinstance(value, Decimal) and not is_amount(text):
        raise msgspec.ValidationError(NO_AMOUNT)
    if isinstance(value, bool) and text not in ("true", "false"):
        raise msgspec.ValidationError("Expected `bool`, got `str`")
    if isinstance(value, float) and not isfinite(value):
        raise msgspec.ValidationError("Expected a finite number")
    return msgspec.convert(text, wanted) if isinstance(value, (datetime, timedelta)) else value


def is_amount(text: str) -> bool:
    """Whether the text spells an amount as the description has it, which Decimal is not so exact about."""
    return _AMOUNT.fullmatch(text) is not None


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
