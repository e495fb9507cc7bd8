"""Tags: what an event is about, derived from its typed id fields.

A tag is ``name:value``. A field annotated with `Id` (or ``Annotated[…, Tag("name")]``) yields one; a list of ids
yields several; a Struct inside the event yields those of its own id fields, so an order line's product tags the order.
"""

from __future__ import annotations

import types
import typing
from collections.abc import Callable, Iterable, Iterator
from operator import add, attrgetter
from typing import Annotated, Any
from uuid import UUID

import msgspec

from storied.domain.hints import resolved_hints
from storied.domain.showing import shown
from storied.errors import DefinitionError, InvalidEvent

MAX_TAG_CHARACTERS = 256
MAX_TAGS = 1000


class Tag(msgspec.Struct, frozen=True):
    """Marks a field as an id that tags the event; without a name the field's own name is the tag's."""

    name: str | None = None


Id = Annotated[str, Tag()]

Walk = Callable[[Any], Iterator[str]]
"""From a field's value to the tags in it."""


def tag_for(name: str, value: object) -> str:
    """The tag ``name:value``.

    Raises `InvalidEvent` when the value is empty, too long, or holds a control character.
    """
    tag = f"{name}:{value}"
    check_tag(tag)
    return tag


def check_tag(tag: str) -> None:
    """Passes a well-formed tag: ``name:value``, both non-empty, printable, at most 256 characters.

    Raises `InvalidEvent` with code ``invalid-tag``.
    """
    if not isinstance(tag, str):
        raise InvalidEvent(
            f"a tag is a string like 'order:o-1', not {shown(tag)}. Write it as text.", code="invalid-tag"
        )
    if 0 < tag.find(":") < len(tag) - 1 < MAX_TAG_CHARACTERS and tag.isprintable():
        return
    name, colon, value = tag.partition(":")
    if not colon or not name or not value:
        why = "it needs the form name:value, with something on both sides"
    elif len(tag) > MAX_TAG_CHARACTERS:
        why = f"it has {len(tag)} characters, more than {MAX_TAG_CHARACTERS}"
    else:
        why = "it holds a character that cannot be printed"
    raise InvalidEvent(
        f"the tag {tag[:80]!r} cannot be stored: {why}. Write it like order:o-1: a name, and a short printable id.",
        code="invalid-tag",
    )


def canonical_tags(tags: Iterable[str]) -> tuple[str, ...]:
    """The tags checked, each once, in code point order.

    Raises `InvalidEvent` for a malformed tag (``invalid-tag``) or more than 1,000 of them (``too-many-tags``).
    """
    given = tuple(tags)
    for tag in given:
        check_tag(tag)
    unique = tuple(sorted(set(given)))
    if len(unique) > MAX_TAGS:
        raise InvalidEvent(
            f"an event may carry {MAX_TAGS} tags, this one has {len(unique)}. Split it into several events.",
            code="too-many-tags",
        )
    return unique


def tag_name(hint: Any, field: str) -> str | None:
    """The tag's name when *hint* marks an id (also inside a list or an optional), else None."""
    origin = typing.get_origin(hint)
    if origin is Annotated:
        base, *marks = typing.get_args(hint)
        for mark in marks:
            if isinstance(mark, Tag):
                return mark.name or field
        return tag_name(base, field)
    if origin in (list, tuple, set, frozenset, typing.Union, types.UnionType):
        for part in typing.get_args(hint):
            name = tag_name(part, field)
            if name is not None:
                return name
    return None


def tagger(owner: type, hints: dict[str, Any]) -> Callable[[Any], tuple[str, ...]]:
    """A function from an instance of *owner* to its canonical tags.

    Raises `DefinitionError` when a field marked as an id can't be one (only str, int and UUID can).
    """
    plain: list[tuple[str, str]] = []
    nested: list[tuple[str, Walk]] = []
    for field, hint in hints.items():
        walk = _walk(owner, field, hint, seen=(owner,))
        if walk is None:
            continue
        if typing.get_origin(hint) is Annotated and typing.get_args(hint)[0] is str:
            plain.append((field, f"{tag_name(hint, field)}:"))
        else:
            nested.append((field, walk))

    plain.sort(key=lambda item: item[1])
    prefixes = [prefix for _, prefix in plain]
    get = getter([field for field, _ in plain])
    simple = bool(plain) and not nested and len(set(prefixes)) == len(prefixes)

    def tags(event: Any) -> tuple[str, ...]:
        values = get(event)
        found = tuple(map(add, prefixes, values))
        if simple and all(values):
            joined = "".join(found)
            if joined.isprintable() and len(joined) <= MAX_TAG_CHARACTERS:
                return found  # canonical already: prefixes that differ stand in order, and were checked with the class
        every = list(found)
        for field, walk in nested:
            every.extend(walk(getattr(event, field)))
        return canonical_tags(every)

    return tags


def getter(fields: list[str]) -> Callable[[Any], tuple[Any, ...]]:
    """A function from an object to the values of these fields, always as a tuple."""
    if len(fields) > 1:
        return attrgetter(*fields)
    return lambda event: tuple(getattr(event, field) for field in fields)


def _walk(owner: type, field: str, hint: Any, seen: tuple[type, ...]) -> Walk | None:
    origin = typing.get_origin(hint)
    if origin is Annotated:
        return _walk_annotated(owner, field, hint, seen)
    if origin in (list, tuple, set, frozenset):
        return _each(_first(owner, field, [a for a in typing.get_args(hint) if a is not Ellipsis], seen))
    if origin in (dict,):
        return _each(_first(owner, field, typing.get_args(hint)[1:], seen), values=True)
    if origin in (typing.Union, types.UnionType):
        return _either(owner, field, typing.get_args(hint), seen)
    if isinstance(hint, type) and issubclass(hint, msgspec.Struct) and hint not in seen:
        inner = resolved_hints(hint)
        walks = [(f, w) for f, h in inner.items() if (w := _walk(hint, f, h, (*seen, hint))) is not None]
        return _fields(walks) if walks else None
    return None


def _walk_annotated(owner: type, field: str, hint: Any, seen: tuple[type, ...]) -> Walk | None:
    base, *marks = typing.get_args(hint)
    mark = next((m for m in marks if isinstance(m, Tag)), None)
    if mark is None:
        return _walk(owner, field, base, seen)
    if base not in (str, int, UUID):
        raise DefinitionError(
            f"{owner.__name__}.{field} is marked as an id, but {base!r} cannot be one. Annotate a str, int or UUID; "
            "for several or none write list[Id] or Id | None."
        )
    prefix = f"{mark.name or field}:"
    return lambda value: iter((f"{prefix}{value}",))


def _first(owner: type, field: str, hints: Iterable[Any], seen: tuple[type, ...]) -> Walk | None:
    for hint in hints:
        walk = _walk(owner, field, hint, seen)
        if walk is not None:
            return walk
    return None


def _each(walk: Walk | None, *, values: bool = False) -> Walk | None:
    if walk is None:
        return None
    return lambda many: (tag for one in (many.values() if values else many) for tag in walk(one))


def _either(owner: type, field: str, hints: Iterable[Any], seen: tuple[type, ...]) -> Walk | None:
    """For a union: a Struct is walked as what it is, any other value as the first alternative that has ids."""
    walks = [(hint, walk) for hint in hints if (walk := _walk(owner, field, hint, seen)) is not None]
    structs = {hint: walk for hint, walk in walks if isinstance(hint, type)}
    other = next((walk for hint, walk in walks if not isinstance(hint, type)), None)

    def tags(value: Any) -> Iterator[str]:
        walk = structs.get(type(value)) if isinstance(value, msgspec.Struct) else other
        return iter(()) if walk is None or value is None else walk(value)

    return tags if walks else None


def _fields(walks: list[tuple[str, Walk]]) -> Walk:
    return lambda struct: (tag for field, walk in walks for tag in walk(getattr(struct, field)))
