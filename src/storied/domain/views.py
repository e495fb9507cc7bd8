"""Views: documents in the shape their reader wants, folded from events.

A view's key is its first field annotated with `Id`; every other field has a default. ``indexes=`` names the fields,
or tuples of fields, that `find` may ask for. What a handler returns is nothing, or `Delete()` to remove the document.
"""

from __future__ import annotations

import operator
import typing
from collections.abc import Callable, Iterable
from typing import Any, dataclass_transform

import msgspec

from storied.domain.dispatch import Handler, find_handlers
from storied.domain.entities import check_defaults
from storied.domain.events import Event, event_spec
from storied.domain.fingerprint import fold_fingerprint
from storied.domain.hints import resolved_hints, visible_names
from storied.domain.tags import Tag, tag_name
from storied.errors import DefinitionError

KeysOf = Callable[[Any], tuple[str, ...]]
Columns = tuple[str, ...]


class Delete(msgspec.Struct, frozen=True):
    """What a view's handler returns to remove the document; a later event starts a new one."""


class ViewMeta(msgspec.StructMeta):
    """Takes ``indexes=`` from the class line and passes the rest to msgspec."""

    def __new__(  # noqa: D102 - the class's docstring says it
        mcls,
        name: str,
        bases: tuple[type, ...],
        namespace: dict[str, Any],
        *,
        indexes: Iterable[str | Columns] = (),
        **config: Any,
    ) -> ViewMeta:
        cls = super().__new__(mcls, name, bases, namespace, **{"kw_only": True, **config})
        _specs[cls] = ViewSpec(cls, indexes, visible_names(1))
        return cls


class Route(msgspec.Struct, frozen=True):
    """One handler of a view: how it finds its documents, and how it changes one."""

    handler: Handler
    keys: KeysOf | None
    """From the event to the keys; None when the documents are found by `where`."""
    where: str | None
    path: str | None
    """Where the key stands in the payload, when it is not found by a function."""
    tag: str | None
    """The tag whose value is the key, when the event carries it: then one document's past is one stream."""


class ViewSpec:
    """What storied knows of one view class: its key, its indexes, its routes."""

    def __init__(self, cls: Any, indexes: Iterable[str | Columns], names: dict[str, Any]) -> None:
        self.cls: type[View] = cls
        self.name: str = cls.__name__
        self.indexes = tuple((index,) if isinstance(index, str) else tuple(index) for index in indexes)
        unknown = sorted({field for index in self.indexes for field in index} - set(cls.__struct_fields__))
        if unknown:
            raise DefinitionError(f"{self.name} indexes {', '.join(unknown)}, which it does not have. Name its fields.")
        self._names = names
        self._hints: dict[str, Any] | None = None
        self._key: str | None = None
        self._routes: dict[type[Event], tuple[Route, ...]] | None = None

    def hints(self) -> dict[str, Any]:
        """The fields' types with their marks."""
        if self._hints is None:
            self._hints = resolved_hints(self.cls, self._names)
        return self._hints

    @property
    def key(self) -> str:
        """The field that holds the document's key. Raises `DefinitionError` when none is marked."""
        if self._key is None:
            marked = ((field, hint) for field, hint in self.hints().items() if _is_id(hint))
            field, hint = next(marked, ("", None))
            if hint is None:
                raise DefinitionError(f"{self.name} has no key. Annotate the field that names a document with Id.")
            if typing.get_args(hint)[0] is not str:
                raise DefinitionError(f"the key {self.name}.{field} is not text. Annotate it with Id.")
            check_defaults(self.cls, exempt=field)
            self._key = field
        return self._key

    def check_key(self) -> None:
        """Raises `DefinitionError` when the key is wrong; where a class is still to come, `routes` does."""
        try:
            _ = self.key
        except DefinitionError as error:
            if not isinstance(error.__cause__, NameError):
                raise

    @property
    def routes(self) -> dict[type[Event], tuple[Route, ...]]:
        """The routes by event class, in the order the methods were written."""
        if self._routes is None:
            _ = self.key  # which every document needs, however its handlers find it
            table = find_handlers(self.cls)
            if not table:
                raise DefinitionError(f"{self.name} handles no event. Give it a method marked with @on.")
            self._routes = {
                event: tuple(self._route(event, handler) for handler in handlers) for event, handlers in table.items()
            }
        return self._routes

    def fingerprint(self) -> str:
        """What tells this code from other code of the view; see `domain.fingerprint`."""
        return fold_fingerprint(self.cls, find_handlers(self.cls))

    def types(self) -> tuple[str, ...]:
        """The names, today's and former, of the event types it handles."""
        return tuple(name for event in self.routes for name in event_spec(event).names)

    def new(self, key: str) -> View:
        """The document as it is before its first event."""
        return self.cls(**{self.key: key})

    def _route(self, event: type[Event], handler: Handler) -> Route:
        at = f"{self.name}.{handler.method.__name__}"
        chosen, where = handler.on.key, handler.on.where
        if where is not None:
            if where not in {field for index in self.indexes for field in index[:1]}:
                raise DefinitionError(
                    f"{at} looks for documents by {where!r}, which is not indexed. Add it to indexes=[…]."
                )
            _check_field(at, event, where)
            return Route(handler, None, where, None, None)
        if callable(chosen):
            return Route(handler, _keys_by(chosen), None, None, None)
        path = chosen or self.key
        _check_field(at, event, path.partition(".")[0])
        hint = event_spec(event).hints()[path.partition(".")[0]]
        tag = tag_name(hint, path) if "." not in path else None
        if typing.get_origin(hint) is typing.Annotated and typing.get_args(hint)[0] is str:
            return Route(handler, _one_key(path), None, path, tag)
        return Route(handler, _keys_at(path.split(".")), None, path, tag)


def _is_id(hint: Any) -> bool:
    return typing.get_origin(hint) is typing.Annotated and any(isinstance(mark, Tag) for mark in hint.__metadata__)


def _check_field(at: str, event: type[Event], field: str) -> None:
    if field not in event.__struct_fields__:
        raise DefinitionError(
            f"{at} handles {event.__name__}, which has no field {field!r} to find the document by. "
            "Write @on(key=…) with a field of the event or a function that gives the keys."
        )


def _one_key(field: str) -> KeysOf:
    get = operator.attrgetter(field)
    return lambda event: (get(event),)


def _keys_by(function: Callable[[Any], Any]) -> KeysOf:
    def keys(event: Any) -> tuple[str, ...]:
        found = function(event)
        return _flat(found if isinstance(found, str) or not isinstance(found, Iterable) else list(found))

    return keys


def _keys_at(path: list[str]) -> KeysOf:
    def keys(event: Any) -> tuple[str, ...]:
        found: list[Any] = [event]
        for name in path:
            found = [inner for one in found if one is not None for inner in _several(getattr(one, name))]
        return _flat(found)

    return keys


def _several(value: Any) -> Iterable[Any]:
    if isinstance(value, dict):
        return value.values()
    return value if isinstance(value, (list, tuple, set, frozenset)) else (value,)


def _flat(value: Any) -> tuple[str, ...]:
    """Each key once, in the order found; absent ones left out."""
    return tuple(dict.fromkeys(str(key) for key in _several(value) if key is not None))


_specs: dict[type, ViewSpec] = {}


@dataclass_transform(kw_only_default=True, field_specifiers=(msgspec.field,))
class View(msgspec.Struct, metaclass=ViewMeta):
    """A document for readers: subclass it, mark the key with `Id`, and keep it up to date with ``@on`` methods."""


def view_spec(cls: type) -> ViewSpec:
    """What storied knows of the view class. Raises `DefinitionError` for a class that is not a `View`."""
    spec = _specs.get(cls)
    if spec is None or cls is View:
        raise DefinitionError(f"{cls!r} is not a view. Derive it from storied.View.")
    return spec
