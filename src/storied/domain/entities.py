"""Entities: the state a decision needs, folded from one stream.

The class is a mutable Struct whose fields all have defaults; its stream's tag is named after the class in
snake case, or by ``tag=``. With ``tag=None`` it folds every event of the types it handles.
"""

from __future__ import annotations

import re
from typing import Any, dataclass_transform

import msgspec

from storied.domain.dispatch import Handler, find_handlers
from storied.domain.events import Event, event_spec
from storied.domain.tags import check_tag, tag_for
from storied.errors import DefinitionError, InvalidEvent


class _ByName:
    """The marker for "named after the class"."""


BY_NAME = _ByName()


def snake_case(name: str) -> str:
    """`OrderLine` as ``order_line``."""
    return re.sub(r"(?<=[a-z0-9])(?=[A-Z])|(?<=[A-Z])(?=[A-Z][a-z])", "_", name).lower()


class EntityMeta(msgspec.StructMeta):
    """Takes ``tag=`` from the class line and passes the rest to msgspec."""

    def __new__(  # noqa: D102 - the class's docstring says it
        mcls,
        name: str,
        bases: tuple[type, ...],
        namespace: dict[str, Any],
        *,
        tag: str | _ByName | None = BY_NAME,
        **config: Any,
    ) -> EntityMeta:
        cls = super().__new__(mcls, name, bases, namespace, **{"kw_only": True, **config})
        _specs[cls] = EntitySpec(cls, snake_case(name) if isinstance(tag, _ByName) else tag)
        return cls


class EntitySpec:
    """What storied knows of one entity class: its stream's tag and its handlers."""

    def __init__(self, cls: Any, tag: str | None) -> None:
        self.cls: type[Entity] = cls
        self.tag = tag
        if tag is not None:
            try:
                check_tag(f"{tag}:x")
            except InvalidEvent as error:
                raise DefinitionError(
                    f"{cls.__name__} cannot have tag={tag!r}. Take a short printable name."
                ) from error
        check_defaults(cls)
        self._handlers: dict[type[Event], tuple[Handler, ...]] | None = None
        self._types: tuple[str, ...] | None = None

    @property
    def handlers(self) -> dict[type[Event], tuple[Handler, ...]]:
        """The ``@on`` methods by event class. Raises `DefinitionError` when there is none."""
        if self._handlers is None:
            found = find_handlers(self.cls)
            if not found:
                raise DefinitionError(f"{self.cls.__name__} handles no event. Give it a method marked with @on.")
            self._handlers = found
        return self._handlers

    def types(self) -> tuple[str, ...]:
        """The names, today's and former, of the event types it folds, in order."""
        if self._types is None:
            self._types = tuple(sorted({name for event in self.handlers for name in event_spec(event).names}))
        return self._types

    def tags(self, entity_id: str | None) -> tuple[str, ...]:
        """The tags that select its stream; none for an entity without an id."""
        if self.tag is None:
            return ()
        if entity_id is None:
            raise DefinitionError(f"{self.cls.__name__} needs an id. Pass the id of the one you mean.")
        return (tag_for(self.tag, entity_id),)


def check_defaults(cls: type[msgspec.Struct], exempt: str | None = None) -> None:
    """Passes when every field but *exempt* has a default. Raises `DefinitionError` naming those that have none."""
    fields, defaults = cls.__struct_fields__, cls.__struct_defaults__
    trailing = zip(reversed(fields), reversed(defaults), strict=False)
    required = set(fields[: len(fields) - len(defaults)])
    required.update(field for field, default in trailing if default is msgspec.NODEFAULT)
    required.discard(exempt or "")
    if required:
        raise DefinitionError(
            f"{cls.__name__} starts empty, so {', '.join(sorted(required))} needs a default. Give each field the value "
            "it has before the first event."
        )


_specs: dict[type, EntitySpec] = {}


@dataclass_transform(kw_only_default=True, field_specifiers=(msgspec.field,))
class Entity(msgspec.Struct, metaclass=EntityMeta, tag=None):
    """State to decide on: subclass it, give each field its first value, and fold events with ``@on`` methods."""

    id: str = ""


def entity_spec(cls: type) -> EntitySpec:
    """What storied knows of the entity class. Raises `DefinitionError` for a class that is not an `Entity`."""
    spec = _specs.get(cls)
    if spec is None or cls is Entity:
        raise DefinitionError(f"{cls!r} is not an entity. Derive it from storied.Entity.")
    return spec
