"""Naming: texts in a command that can name nothing: no tag can hold them, or no path leads to what they name.

An id becomes a tag of events, which has its limits. And ``.`` and ``..`` are steps in a path to every client, however
they are encoded, so what is called like that could be created and never be asked for again. Pure.
"""

from __future__ import annotations

import types
import typing
from collections.abc import Collection, Iterable, Iterator, Mapping
from itertools import repeat
from typing import Annotated, Any, Union

import msgspec

from storied.domain.commands import CommandHandler
from storied.domain.entities import entity_spec
from storied.domain.tags import MAX_TAG_CHARACTERS, Tag
from storied.services.commanding.faults import Fault, pointer_to

STEPS = frozenset({".", ".."})
UNPRINTABLE = "An id has no character that cannot be printed. Leave it out."
At = tuple[str | int, ...]
_SEVERAL = (list, tuple, set, frozenset)
_UNIONS = (Union, types.UnionType)


class Names(msgspec.Struct, frozen=True):
    """What the texts of one field name: `hint` is its type with its marks, `in_path` whether it stands in paths."""

    field: str
    hint: Any
    in_path: bool

    @property
    def matter(self) -> bool:
        """Whether they name anything."""
        return self.in_path or holds_ids(self.hint)

    def faults(self, sent: Any, at: At) -> Iterator[Fault]:
        """What is wrong with the texts in what was *sent*, as plain Python, for the field."""
        if self.in_path and isinstance(sent, str) and sent in STEPS:
            yield Fault(f"{sent!r} is a step in a path to every client. Take another id.", pointer_to(*at))
        yield from _misnamed(self.hint, sent, at, self.field)

    @property
    def most(self) -> int:
        """The characters that an id may have that stands in the field, or in an array in it."""
        return min((_most(mark, self.field) for mark in _marks_in(self.hint)), default=MAX_TAG_CHARACTERS)


def names_of_field(
    field: msgspec.structs.FieldInfo, parameters: Collection[str], tags: Mapping[str, str], keys: Collection[str]
) -> Names:
    """What a command's field names: by its type, as the *tags* of entities by field, and in its route or as a key."""
    hint = marked(field.type, tags[field.name]) if field.name in tags else field.type
    return Names(field.name, hint, not {field.name, field.encode_name}.isdisjoint({*parameters, *keys}))


def entities_of(handler: CommandHandler | None) -> Mapping[str, str]:
    """The tags of the entities that a handler loads, by the field of the command that has their ids."""
    given = () if handler is None else handler.parameters
    tags = {one.name: entity_spec(one.type).tag for one in given if one.kind in ("entity", "entities")}
    return {name: tag for name, tag in tags.items() if tag is not None}


def marked(hint: Any, tag: str) -> Any:
    """The type, with its texts marked as ids that become this tag."""
    origin, arguments = typing.get_origin(hint), typing.get_args(hint)
    if hint is str:
        return Annotated[str, Tag(tag)]
    if origin is Annotated:
        return Annotated.__class_getitem__((marked(arguments[0], tag), *hint.__metadata__))
    if origin in _UNIONS:
        return Union[tuple(marked(one, tag) for one in arguments)]  # noqa: UP007 - made of a list
    if origin in _SEVERAL:
        return origin[tuple(marked(one, tag) for one in arguments)]
    return hint


def holds_ids(hint: Any, seen: tuple[Any, ...] = ()) -> bool:
    """Whether a value of the type may hold ids that are texts, however deep."""
    if _marks(hint):
        return True
    fields = _fields(hint) if hint not in seen else {}
    inside = (*typing.get_args(hint), *(field.type for field in fields.values()))
    return any(holds_ids(one, (*seen, hint)) for one in inside)


def _misnamed(hint: Any, sent: Any, at: At, field: str) -> Iterator[Fault]:
    """What is wrong with the ids in what was sent for a value of the type; *field* is the one that it stands in."""
    origin, arguments = typing.get_origin(hint), typing.get_args(hint)
    if origin is Annotated:
        details = (_fault_in(sent, _most(mark, field)) for mark in _marks(hint) if isinstance(sent, str))
        detail = next(filter(None, details), None)
        if detail is not None:
            yield Fault(detail, pointer_to(*at))
        yield from _misnamed(arguments[0], sent, at, field)
    elif origin in _UNIONS:
        for one in arguments:
            yield from _misnamed(one, sent, at, field)
    elif isinstance(sent, list) and origin in _SEVERAL:
        kinds: Iterable[Any] = arguments if origin is tuple and arguments[1:] != (...,) else repeat(arguments[0])
        for index, (one, part) in enumerate(zip(kinds, sent, strict=False)):
            yield from _misnamed(one, part, (*at, index), field)
    elif isinstance(sent, dict):
        fields = _fields(hint, sent)
        for name, part in sent.items():
            if name in fields:
                yield from _misnamed(fields[name].type, part, (*at, name), fields[name].name)
            elif origin is dict:
                yield from _misnamed(arguments[1], part, (*at, name), field)


def _fault_in(text: str, most: int) -> str | None:
    if not text:
        return "An id is not empty. Give one."
    if len(text) > most:
        return f"This id has at most {most} characters. Give a shorter one."
    return None if text.isprintable() else UNPRINTABLE


def _most(mark: Tag, field: str) -> int:
    return MAX_TAG_CHARACTERS - len(mark.name or field) - 1


def _marks(hint: Any) -> list[Tag]:
    """The marks of a type that say that its texts are ids."""
    if typing.get_origin(hint) is not Annotated or typing.get_args(hint)[0] is not str:
        return []
    return [mark for mark in hint.__metadata__ if isinstance(mark, Tag)]


def _marks_in(hint: Any) -> Iterator[Tag]:
    """The same of the type and of those in it, which are no Structs."""
    yield from _marks(hint)
    for one in typing.get_args(hint):
        yield from _marks_in(one)


def _fields(hint: Any, sent: Mapping[str, Any] | None = None) -> dict[str, msgspec.structs.FieldInfo]:
    """The fields of a Struct, by their names in JSON; none of one that what was sent is not, by its tag."""
    cls = typing.get_origin(hint) or hint
    if not (isinstance(cls, type) and issubclass(cls, msgspec.Struct)):
        return {}
    config = cls.__struct_config__
    if config.array_like or (sent is not None and config.tag not in (None, sent.get(config.tag_field or ""))):
        return {}
    return {field.encode_name: field for field in msgspec.structs.fields(hint)}
