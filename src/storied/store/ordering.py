"""The order of indexed values: each in a form that every engine stores and compares alike, and back."""

from __future__ import annotations

import types
import typing
from datetime import UTC, date, datetime
from decimal import Decimal
from enum import Enum
from typing import Any
from uuid import UUID

from storied.domain.showing import shown
from storied.errors import InvalidQuery

Scalar = str | int | float | None
"""What an index column holds: comparable within one column, None before everything."""


def sort_key(value: object) -> Scalar:
    """The value in the form that is stored in an index and compared: numbers as numbers, all else as text.

    Times become their UTC text with microseconds, Decimals a text that sorts by amount, enums their value.
    Raises `InvalidQuery` for a value that has no order here.
    """
    if value.__class__ is str or value is None:
        return value
    if isinstance(value, (str, bool, int)):
        return _scalar(value)
    if isinstance(value, float):
        if value != value:
            raise InvalidQuery("NaN has no place in an order. Use None for a value that is not known.")
        return value
    if isinstance(value, Decimal):
        return decimal_text(value)
    if isinstance(value, Enum):
        return sort_key(value.value)
    if isinstance(value, datetime):
        try:
            aware = value.astimezone(UTC) if value.tzinfo is not None else value
        except OverflowError:
            raise InvalidQuery(f"{value} is not in the years 1 to 9999 in UTC. Index a time that is.") from None
        return aware.replace(tzinfo=None).isoformat(timespec="microseconds")
    if isinstance(value, date):
        return value.isoformat()
    if isinstance(value, UUID):
        return str(value)
    raise InvalidQuery(f"{shown(value)} cannot be indexed. Index text, numbers, Decimals, times, enums and ids.")


_FORMS: tuple[tuple[str, tuple[type, ...]], ...] = (  # the first that fits
    ("enum", (Enum,)),
    ("number", (bool, int, float)),
    ("amount", (Decimal,)),
    ("time", (datetime,)),
    ("date", (date,)),
    ("text", (str, UUID)),
)


def index_form(hint: Any) -> str:
    """In which form `sort_key` puts values of a type: a name, the same for types whose values compare."""
    hint = typing.get_args(hint)[0] if typing.get_origin(hint) is typing.Annotated else hint
    if typing.get_origin(hint) in (typing.Union, types.UnionType):
        return "|".join(sorted({index_form(kind) for kind in typing.get_args(hint)} - {"none"}))
    if hint is types.NoneType:
        return "none"
    if not isinstance(hint, type):
        return "any"
    return next((form for form, classes in _FORMS if issubclass(hint, classes)), "any")


def _scalar(value: str | int | None) -> Scalar:
    if isinstance(value, bool):
        return int(value)
    if isinstance(value, int):
        if not -(2**63) <= value < 2**63:
            raise InvalidQuery(f"{shown(value)} does not fit 64 bits. Index it as text or as a Decimal.")
        return int(value)
    if isinstance(value, str) and type(value) is not str:
        return str(value.value) if isinstance(value, Enum) else str(value)
    return value


def decimal_text(value: Decimal) -> str:
    """A text for the amount: texts compare as the amounts do, and equal amounts have equal texts.

    Zero is ``1``, infinity ``3``, and negative infinity ``-``. A positive amount is ``2``, its magnitude as four digits
    offset by 5000, and its digits without trailing zeros; a negative one is ``0``, the same with each digit
    complemented, and ``~`` so that longer is smaller.
    """
    if value.is_infinite():
        return "3" if value > 0 else "-"
    if not value.is_finite():
        raise InvalidQuery(f"{value} has no place in an order. Use None for an amount that is not known.")
    sign, digits, exponent = value.as_tuple()
    assert isinstance(exponent, int)  # noqa: S101 - is_finite() says so; this tells the type checker
    if not any(digits):
        return "1"
    magnitude = exponent + len(digits)
    if abs(magnitude) >= 5000:
        raise InvalidQuery(f"{value} is out of the range that can be indexed. Index amounts within 10^±5000.")
    text = f"{magnitude + 5000:04d}" + "".join(map(str, digits)).rstrip("0")  # not normalize(), which rounds
    if not sign:
        return "2" + text
    return "0" + text.translate(_COMPLEMENT) + "~"


_FIXED = {"1": Decimal(0), "3": Decimal("Infinity"), "-": Decimal("-Infinity")}
_COMPLEMENT = str.maketrans("0123456789", "9876543210")


def from_sort_key(value: Scalar, kind: object) -> object:
    """The value of type *kind* (bool, Decimal, datetime, an Enum …) that `sort_key` turned into this."""
    if value is None or not isinstance(kind, type):
        return value
    if kind is bool:
        return bool(value)
    if issubclass(kind, Decimal) and isinstance(value, str):
        return decimal_from(value)
    if issubclass(kind, datetime) and isinstance(value, str):
        return datetime.fromisoformat(value).replace(tzinfo=UTC)
    if issubclass(kind, date) and isinstance(value, str):
        return date.fromisoformat(value)
    if issubclass(kind, UUID) and isinstance(value, str):
        return UUID(value)
    if issubclass(kind, Enum):
        return kind(value)
    return value


def decimal_from(text: str) -> Decimal:
    """The amount that `decimal_text` wrote."""
    if text in _FIXED:
        return _FIXED[text]
    negative = text[0] == "0"
    digits = text[1:].rstrip("~").translate(_COMPLEMENT) if negative else text[1:]
    magnitude, significant = int(digits[:4]) - 5000, digits[4:]
    amount = Decimal((int(negative), tuple(map(int, significant)), magnitude - len(significant)))
    return amount.quantize(Decimal(1)) if amount == amount.to_integral_value() and magnitude < 28 else amount
