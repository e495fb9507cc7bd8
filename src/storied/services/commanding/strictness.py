"""Strictness: amounts, times and UUIDs in a body that a decoder takes, and the description does not allow.

``1_000`` is one, and blanks around a number, a time without an offset, and a UUID without its dashes. What a value is
like does not tell how it was spelled, so what was sent is looked at, by the type that it is for. Pure.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from datetime import datetime
from decimal import Decimal
from itertools import repeat
from typing import Any
from uuid import UUID

import msgspec.inspect as mi

from storied.services.commanding.faults import Fault, pointer_to
from storied.services.web.spelling import DECIMAL, LOCAL_TIME, TIME, UUID_TEXT, misspelling

At = tuple[str | int, ...]
_OF_ONE_KIND = (mi.ListType, mi.SetType, mi.FrozenSetType, mi.VarTupleType, mi.CollectionType)
_KINDS: dict[type[mi.Type], type] = {mi.DecimalType: Decimal, mi.DateTimeType: datetime, mi.UUIDType: UUID}
_SPELLED = (mi.DecimalType, mi.DateTimeType, mi.UUIDType)
_WITH_FIELDS = (mi.StructType, mi.DataclassType, mi.TypedDictType, mi.NamedTupleType)


def spelled_in(hint: Any) -> mi.Type | None:
    """What `misspelled` takes for the type; None where no value of it holds any of these, however deep."""
    wanted = mi.type_info(hint)
    seen: list[mi.Type] = []
    todo = [wanted]
    while todo:
        one = todo.pop()
        if isinstance(one, _SPELLED):
            return wanted
        if not any(one is other for other in seen):
            seen.append(one)
            todo += _inside(one)
    return None


def pattern_of(wanted: mi.Type) -> str | None:
    """How the texts are spelled of a type whose values are all of one of these kinds, or none; None for any other."""
    if isinstance(wanted, mi.Metadata):
        return pattern_of(wanted.type)
    if isinstance(wanted, mi.UnionType):
        others = [one for one in wanted.types if not isinstance(one, mi.NoneType)]
        return pattern_of(others[0]) if len(others) == 1 else None
    if isinstance(wanted, mi.DateTimeType):
        return LOCAL_TIME if wanted.tz is False else TIME
    return {mi.DecimalType: DECIMAL, mi.UUIDType: UUID_TEXT}.get(type(wanted))


def misspelled(wanted: mi.Type, sent: Any, at: At) -> Iterator[Fault]:
    """The texts that are not well spelled in what was *sent*, as plain Python, for a value of the type *wanted*.

    Says nothing of what is wrong with it otherwise.
    """
    if isinstance(wanted, _SPELLED):
        local = isinstance(wanted, mi.DateTimeType) and wanted.tz is False
        fault = misspelling(_KINDS[type(wanted)], sent, local=local) if isinstance(sent, str) else None
        if fault is not None:
            yield Fault(fault, pointer_to(*at))
    elif isinstance(wanted, mi.Metadata):
        yield from misspelled(wanted.type, sent, at)
    elif isinstance(wanted, mi.UnionType):
        for one in wanted.types:
            yield from misspelled(one, sent, at)
    elif isinstance(sent, list):
        for index, (one, part) in enumerate(zip(_items(wanted), sent, strict=False)):
            yield from misspelled(one, part, (*at, index))
    elif isinstance(sent, dict):
        members = _members(wanted, sent)
        for name, part in sent.items():
            if name in members:
                yield from misspelled(members[name], part, (*at, name))


def _items(wanted: mi.Type) -> Iterable[mi.Type]:
    """The types of the items of an array."""
    if isinstance(wanted, _OF_ONE_KIND):
        return repeat(wanted.item_type)
    if isinstance(wanted, mi.TupleType):
        return wanted.item_types
    if isinstance(wanted, mi.StructType) and wanted.array_like:
        return [*([] if wanted.tag is None else [mi.AnyType()]), *(field.type for field in wanted.fields)]
    return [field.type for field in wanted.fields] if isinstance(wanted, mi.NamedTupleType) else ()


def _members(wanted: mi.Type, sent: dict[str, Any]) -> dict[str, mi.Type]:
    """The types of the members of an object; the tag tells the classes of a union apart."""
    if isinstance(wanted, mi.DictType):
        return dict.fromkeys(sent, wanted.value_type)
    if not isinstance(wanted, _WITH_FIELDS):
        return {}
    if isinstance(wanted, mi.StructType) and wanted.tag not in (None, sent.get(wanted.tag_field or "")):
        return {}
    return {field.encode_name: field.type for field in wanted.fields}


def _inside(wanted: mi.Type) -> Iterable[mi.Type]:
    """The types of which values of the type are made."""
    match wanted:
        case mi.Metadata():
            return (wanted.type,)
        case mi.UnionType():
            return wanted.types
        case mi.DictType():
            return (wanted.value_type,)
        case mi.TupleType():
            return wanted.item_types
    if isinstance(wanted, _OF_ONE_KIND):
        return (wanted.item_type,)
    return [field.type for field in wanted.fields] if isinstance(wanted, _WITH_FIELDS) else ()
