"""Comparing: a value that is asked for, in the form in which an index holds those of its field. Pure."""

from __future__ import annotations

import types
import typing
from collections.abc import Sequence
from datetime import datetime
from typing import Any

import msgspec

from storied.domain.showing import shown
from storied.errors import InvalidQuery
from storied.store.checks import is_storable
from storied.store.ordering import Scalar, sort_key


def comparable(field: str, hint: Any, value: Any) -> Scalar:
    """The value in the form in which the index holds those of the field: 3 is an amount where the field is a Decimal.

    Without this an int would be compared with the text of a Decimal, and every document be found, or none.
    Raises `InvalidQuery`, whose `value` it is, for one that the field cannot have.
    """
    try:
        return _comparable(field, hint, value)
    except InvalidQuery as error:
        error.value, error.detail = value, f"it is nothing that {field} could be compared with"
        raise


def _comparable(field: str, hint: Any, value: Any) -> Scalar:
    kinds = value_kinds(hint)
    if value is not None and typing.Any not in kinds and not _is_of(value, kinds):
        try:
            value = msgspec.convert(value, typing.Union[tuple(kinds)])  # noqa: UP007 - made of a list
        except msgspec.ValidationError as error:
            names = " or ".join(getattr(kind, "__name__", str(kind)) for kind in kinds if kind is not types.NoneType)
            raise InvalidQuery(f"{field} is {names}, which {shown(value)} is not. Give such a value.") from error
    if isinstance(value, str) and not is_storable(value):
        raise InvalidQuery(f"{field} cannot hold {shown(value)}. Give text without lone surrogates.")
    return sort_key(value)


def _is_of(value: Any, kinds: Sequence[Any]) -> bool:
    """Whether a field of these kinds can be compared with the value as it is."""
    classes = [kind for kind in kinds if isinstance(kind, type)]
    if isinstance(value, datetime) and datetime not in classes:  # it is a date, too, but compares with none
        return False
    if isinstance(value, int | float) and not isinstance(value, bool):
        return bool({int, float} & set(classes))
    return isinstance(value, tuple(classes))


def value_kinds(hint: Any) -> list[Any]:
    """The alternatives of a field's type, without marks."""
    origin = typing.get_origin(hint)
    if origin is typing.Annotated:
        return value_kinds(typing.get_args(hint)[0])
    if origin in (typing.Union, types.UnionType):
        return [kind for part in typing.get_args(hint) for kind in value_kinds(part)]
    return [hint]


def value_type(hint: Any) -> Any:
    """The class of a field's values: what is left of its type without marks and without None."""
    kinds = [kind for kind in value_kinds(hint) if kind is not types.NoneType]
    return kinds[0] if len(kinds) == 1 else None
