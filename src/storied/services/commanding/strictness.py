"""Strictness: amounts and UUIDs in a body that the decoder takes, and the description does not allow.

``1_000`` is such an amount, blanks around a number, and the digits of any script; a UUID without its dashes is another.
What a value is like does not tell how it was spelled, so what was sent is looked at, by the type that it is for. Pure.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from itertools import repeat
from typing import Any

import msgspec.inspect as mi

from storied.services.commanding.faults import Fault, pointer_to
from storied.services.web.spelling import DECIMAL, UUIDS, is_amount, is_uuid
from storied.services.web.wording import NO_AMOUNT, NO_UUID

_PATTERNS: dict[type, str] = {mi.DecimalType: DECIMAL.strip("^$"), mi.UUIDType: f"(?i:{UUIDS.strip('^$')})"}
At = tuple[str | int, ...]
_OF_ONE_KIND = (mi.ListType, mi.SetType, mi.FrozenSetType, mi.VarTupleType, mi.CollectionType)
_WITH_FIELDS = (mi.StructType, mi.DataclassType, mi.TypedDictType, mi.NamedTupleType)


def spelled_in(hint: Any) -> mi.Type | None:
    """What `misspelled` takes for the type; None where no value of it holds an amount or a UUID, however deep."""
    wanted = mi.type_info(hint)
    seen: list[mi.Type] = []
    todo = [wanted]
    while todo:
        one = todo.pop()
        if isinstance(one, (mi.DecimalType, mi.UUIDType)):
            return wanted
        if not any(one is other for other in seen):
            seen.append(one)
            todo += _inside(one)
    return None


def spelling_of(wanted: mi.Type) -> str | None:
    """The pattern of texts for values of the type, where each is an amount, or each a UUID, or none at all."""
    if isinstance(wanted, mi.Metadata):
        return spelling_of(wanted.type)
    if isinstance(wanted, mi.UnionType):
        found = {spelling_of(one) for one in wanted.types if not isinstance(one, mi.NoneType)}
        return found.pop() if len(found) == 1 else None
    return _PATTERNS.get(type(wanted))


def misspelled(wanted: mi.Type, sent: Any, at: At) -> Iterator[Fault]:
    """The texts that are no amounts, or no UUIDs, in what was *sent*, as plain Python, for a value of type *wanted*.

    Says nothing of what is wrong with it otherwise.
    """
    if isinstance(wanted, mi.DecimalType):
        if isinstance(sent, str) and not is_amount(sent):
            yield Fault(NO_AMOUNT, pointer_to(*at))
    elif isinstance(wanted, mi.UUIDType):
        if isinstance(sent, str) and not is_uuid(sent):
            yield Fault(NO_UUID, pointer_to(*at))
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
