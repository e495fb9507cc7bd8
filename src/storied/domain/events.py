"""Events: immutable facts in the past tense, as frozen Structs.

The name in the store is the class's name (or ``name=``), never a module path. ``version=`` is the payload's shape;
`upcast` registers what turns an older shape into the next; ``formerly=`` lists the names it was stored under before.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import cached_property
from typing import Any, dataclass_transform

import msgspec

from storied.domain.hints import resolved_hints, visible_names
from storied.domain.tags import tag_name, tagger
from storied.errors import DefinitionError

Payload = dict[str, Any]
Upcaster = Callable[[Payload], Payload]
MAX_TYPE_CHARACTERS = 128


class EventMeta(msgspec.StructMeta):
    """Takes ``name=``, ``version=`` and ``formerly=`` from the class line and passes the rest to msgspec."""

    def __new__(  # noqa: D102 - the class's docstring says it
        mcls,
        cls_name: str,
        bases: tuple[type, ...],
        namespace: dict[str, Any],
        *,
        name: str | None = None,
        version: int = 1,
        formerly: str | tuple[str, ...] = (),
        **config: Any,
    ) -> EventMeta:
        cls = super().__new__(mcls, cls_name, bases, namespace, **{"kw_only": True, **config})
        if isinstance(formerly, str):
            formerly = (formerly,)
        _specs[cls] = EventSpec(cls, name or cls_name, version, tuple(formerly), visible_names(1))
        return cls


class EventSpec:
    """What storied knows of one event class: its name and version in the store, its tags, its upcasters."""

    def __init__(self, cls: type, name: str, version: int, formerly: tuple[str, ...], names: dict[str, Any]) -> None:
        for given in (name, *formerly):
            if not given or not given.isprintable() or len(given) > MAX_TYPE_CHARACTERS:
                raise DefinitionError(
                    f"{cls.__qualname__} cannot be stored as {given!r}. Give it a printable name of at most "
                    f"{MAX_TYPE_CHARACTERS} characters."
                )
        if not isinstance(version, int) or isinstance(version, bool) or version < 1:
            raise DefinitionError(
                f"{cls.__qualname__} has version {version!r}. Count versions from 1, in whole numbers."
            )
        self.cls, self.name, self.version, self.formerly = cls, name, version, formerly
        self.upcasters: dict[int, Upcaster] = {}
        self._names = names
        self._tags: Callable[[Any], tuple[str, ...]] | None = None

    @cached_property
    def decoder(self) -> msgspec.json.Decoder[Event]:
        """Decodes a payload of today's version."""
        return msgspec.json.Decoder(self.cls)

    @property
    def names(self) -> tuple[str, ...]:
        """Today's name and the former ones: what a query for this event asks for."""
        return (self.name, *self.formerly)

    def hints(self) -> dict[str, Any]:
        """The fields' types with their marks."""
        return resolved_hints(self.cls, self._names)

    def tags(self, event: Event) -> tuple[str, ...]:
        """The event's canonical tags. Raises `InvalidEvent` when an id has no usable value."""
        if self._tags is None:
            self._tags = tagger(self.cls, self.hints())
        return self._tags(event)

    def tag_of(self, field: str) -> str | None:
        """The name of the tag that *field* yields, or None when it yields none."""
        hint = self.hints().get(field)
        return None if hint is None else tag_name(hint, field)


_specs: dict[type, EventSpec] = {}


@dataclass_transform(frozen_default=True, kw_only_default=True, field_specifiers=(msgspec.field,))
class Event(msgspec.Struct, metaclass=EventMeta, frozen=True):
    """An immutable fact: subclass it in the past tense and annotate its fields, ids with `Id`."""


def event_spec(cls: type) -> EventSpec:
    """What storied knows of the event class. Raises `DefinitionError` for a class that is not an `Event`."""
    spec = _specs.get(cls)
    if spec is None or cls is Event:
        raise DefinitionError(f"{cls!r} is not an event. Derive it from storied.Event.")
    return spec


def upcast(cls: type[Event], version: int) -> Callable[[Upcaster], Upcaster]:
    """Registers a function from a payload of *version* to one of the next version; chained up to the class's own.

    The function takes and returns the payload as a dict of JSON values. Raises `DefinitionError` for a version that
    the class has outgrown or not reached, and for a second upcaster from the same version.
    """
    spec = event_spec(cls)
    if not 1 <= version < spec.version:
        raise DefinitionError(
            f"{cls.__name__} is at version {spec.version}, so nothing is upcast from {version}. Upcast from 1 to "
            f"{spec.version - 1}, or raise version= on the class."
        )
    if version in spec.upcasters:
        raise DefinitionError(f"{cls.__name__} has two upcasters from version {version}. Keep one.")

    def register(function: Upcaster) -> Upcaster:
        spec.upcasters[version] = function
        return function

    return register
