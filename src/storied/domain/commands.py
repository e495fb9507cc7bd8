"""Commands and the pure functions that decide them.

A handler's first parameter is the command. A parameter typed as an `Entity` (or a list of them) is loaded for it, its
id taken from the command's field of the same name; a `Context` brings time, ids and the actor; whatever else is asked
for is injected by type. Nothing here does I/O: `decide` is a function of values.
"""

from __future__ import annotations

import inspect
import types
import typing
from collections.abc import Callable, Iterable, Mapping
from datetime import datetime
from typing import Any, dataclass_transform

import msgspec

from storied.domain.entities import Entity, EntitySpec, entity_spec
from storied.domain.events import Event
from storied.domain.hints import resolved_hints, visible_names
from storied.domain.ids import derived_id
from storied.domain.showing import shown
from storied.errors import DefinitionError

MAX_NAME_CHARACTERS = 128
_names: dict[type, str] = {}


class CommandMeta(msgspec.StructMeta):
    """Takes ``name=`` from the class line, makes the fields keyword-only, and passes the rest to msgspec."""

    def __new__(  # noqa: D102 - the class's docstring says it
        mcls,
        cls_name: str,
        bases: tuple[type, ...],
        namespace: dict[str, Any],
        *,
        name: str | None = None,
        **config: Any,
    ) -> CommandMeta:
        cls = super().__new__(mcls, cls_name, bases, namespace, **{"kw_only": True, **config})
        if name is not None:
            if not isinstance(name, str) or not name.isprintable() or not 0 < len(name) <= MAX_NAME_CHARACTERS:
                raise DefinitionError(
                    f"{cls_name} cannot be called {shown(name)} in the log. Give it a printable name of at most "
                    f"{MAX_NAME_CHARACTERS} characters."
                )
            _names[cls] = name
        return cls


@dataclass_transform(frozen_default=True, kw_only_default=True, field_specifiers=(msgspec.field,))
class Command(msgspec.Struct, metaclass=CommandMeta, frozen=True, forbid_unknown_fields=True):
    """A request that may be refused: subclass it in the imperative and annotate its fields.

    The log calls it by the class's name or, where the class has been renamed, by the one that ``name=`` keeps.
    """


def command_name(cls: type[Command]) -> str:
    """What the log calls commands of this class."""
    return _names.get(cls) or cls.__name__


_NO_HEADERS: Mapping[str, str] = types.MappingProxyType({})


class Context:
    """What a decision may know beside its command and entities: the time, the actor, and new ids.

    `now` is aware, in UTC. `new_id` gives the same ids in the same order when the decision is taken again.
    """

    __slots__ = ("_made", "actor", "command_id", "correlation", "headers", "now")

    def __init__(
        self,
        *,
        now: datetime,
        command_id: str,
        actor: str | None = None,
        correlation: str | None = None,
        headers: Mapping[str, str] | None = None,
    ) -> None:
        self.now, self.actor, self.command_id = now, actor, command_id
        self.correlation = correlation or command_id
        self.headers = types.MappingProxyType(dict(headers)) if headers else _NO_HEADERS
        self._made = 0

    def new_id(self) -> str:
        """The next id, a UUIDv7 derived from the command's id and `now`."""
        self._made += 1
        return derived_id(self.command_id, self._made, int(self.now.timestamp() * 1000))

    def again(self) -> Context:
        """The same context for taking the decision once more."""
        same = Context.__new__(Context)
        same.now, same.actor, same.command_id = self.now, self.actor, self.command_id
        same.correlation, same.headers, same._made = self.correlation, self.headers, 0
        return same


class Loaded(msgspec.Struct, frozen=True, gc=False):
    """One entity to load for one parameter: its class, and the id (None for an entity without one)."""

    parameter: str
    spec: EntitySpec
    entity_id: str | None


class Parameter(msgspec.Struct, frozen=True):
    """One parameter of a handler after the command: `kind` is entity, entities, context or provided."""

    name: str
    kind: typing.Literal["entity", "entities", "context", "provided"]
    type: Any


Rejects = str | Iterable[str] | Mapping[str, str]
"""The codes by which a handler rejects: one, several, or each with a sentence that says when."""


class CommandHandler:
    """A handler as storied sees it: which command it takes, what it needs, and how to call it."""

    def __init__(
        self, function: Callable[..., Any], names: dict[str, Any] | None = None, rejects: Rejects | None = None
    ) -> None:
        self.function = function
        self.name = function.__qualname__
        if inspect.iscoroutinefunction(function) or inspect.isasyncgenfunction(function):
            raise DefinitionError(
                f"handler {self.name} is async, but a decision does no I/O. Make it a plain function; what it needs "
                "from outside comes as a field of the command or by app.provide()."
            )
        hints = resolved_hints(function, names if names is not None else visible_names(1))
        parameters = list(inspect.signature(function).parameters.values())
        if not parameters or not _is_command(hints.get(parameters[0].name)):
            raise DefinitionError(
                f"handler {self.name} does not say which command it takes. Annotate its first parameter with a Command."
            )
        self.command: type[Command] = hints[parameters[0].name]
        self.parameters = tuple(self._parameter(p.name, hints.get(p.name)) for p in parameters[1:])
        self.returns = _events_in(hints.get("return"))
        self.is_provided = any(parameter.kind == "provided" for parameter in self.parameters)
        """Whether it asks for anything that an app has to provide."""
        self.rejects = None if rejects is None else _sentences(rejects, self.name)
        """The codes by which it says that it rejects, each with a sentence; None when it does not say."""

    def _parameter(self, name: str, hint: Any) -> Parameter:
        if hint is None:
            raise DefinitionError(f"parameter {name} of handler {self.name} has no type. Annotate it.")
        if hint is Context:
            return Parameter(name, "context", Context)
        inner = _entity_in(hint)
        if inner is None:
            return Parameter(name, "provided", hint)
        several = _is_list(hint)
        if entity_spec(inner).tag is not None and name not in self.command.__struct_fields__:
            raise DefinitionError(
                f"handler {self.name} asks for {name}: {inner.__name__}, but {self.command.__name__} has no field "
                f"{name!r} to take its id from. Name the parameter after the field that holds the id."
            )
        return Parameter(name, "entities" if several else "entity", inner)

    def boundary(self, command: Command) -> tuple[Loaded, ...]:
        """The entities that the decision on *command* needs, a list's in the order of its ids."""
        return tuple([loaded for p in self.parameters for loaded in _loads(p, command)])

    def decide(
        self, command: Command, entities: Mapping[str, list[Entity]], context: Context, provided: Mapping[Any, Any]
    ) -> tuple[Event, ...]:
        """The events the handler returns. *entities* holds, by parameter, what `boundary` asked for.

        Raises `Rejected` as the handler raises it, and `DefinitionError` when it returns something else than events.
        """
        arguments: dict[str, Any] = {}
        for p in self.parameters:
            if p.kind == "context":
                arguments[p.name] = context
            elif p.kind == "entities":
                arguments[p.name] = entities.get(p.name, [])
            elif p.kind == "entity":
                given = entities.get(p.name)
                arguments[p.name] = given[0] if given else None
            else:
                arguments[p.name] = provided[p.type]
        return self._as_events(self.function(command, **arguments))

    def _as_events(self, result: Any) -> tuple[Event, ...]:
        if result is None:
            return ()
        if isinstance(result, Event):
            return (result,)
        events = tuple(result) if isinstance(result, Iterable) and not isinstance(result, (str, bytes)) else (result,)
        for event in events:
            if not isinstance(event, Event):
                raise DefinitionError(f"handler {self.name} returned {event!r}. Return an event, several, or None.")
        return events


_registered: dict[type[Command], list[CommandHandler]] = {}


def register_handler(handler: CommandHandler) -> None:
    """Remembers that an app handles the command, so that a test can name the command alone."""
    _registered.setdefault(handler.command, []).append(handler)


def handlers_of(command: type[Command]) -> tuple[CommandHandler, ...]:
    """The handlers that apps have registered for the command."""
    return tuple(_registered.get(command, ()))


def _sentences(rejects: Rejects, handler: str) -> Mapping[str, str]:
    """Each code with its sentence; without one, the code's words, as `Rejected` has it."""
    given = [rejects] if isinstance(rejects, str) else rejects
    pairs = given.items() if isinstance(given, Mapping) else [(code, "") for code in given]
    for code, sentence in pairs:
        if not (isinstance(code, str) and code and isinstance(sentence, str)):
            raise DefinitionError(
                f"handler {handler} cannot reject with {shown(code)}. Write rejects= as codes, such as "
                "['order-not-payable'], or as a dict from codes to sentences."
            )
    return types.MappingProxyType({code: sentence or code.replace("-", " ") for code, sentence in pairs})


def _loads(parameter: Parameter, command: Command) -> list[Loaded]:
    if parameter.kind not in ("entity", "entities"):
        return []
    spec = entity_spec(parameter.type)
    if spec.tag is None:
        return [Loaded(parameter.name, spec, None)]
    value = getattr(command, parameter.name)
    if value.__class__ is str and parameter.kind == "entity":
        return [Loaded(parameter.name, spec, value)]
    if value is None:
        return []
    several = isinstance(value, (list, tuple, set, frozenset))
    if several != (parameter.kind == "entities"):
        raise DefinitionError(
            f"{type(command).__name__}.{parameter.name} holds {'several ids' if several else 'one id'}, but the "
            f"handler asks for {'one' if several else 'several'}. Annotate its parameter with "
            f"{f'list[{spec.cls.__name__}]' if several else spec.cls.__name__}."
        )
    return [Loaded(parameter.name, spec, str(one)) for one in (value if several else [value]) if one is not None]


def _is_list(hint: Any) -> bool:
    """Whether it is ``list[…]``, or that or None."""
    if typing.get_origin(hint) in (typing.Union, types.UnionType):
        return any(_is_list(part) for part in typing.get_args(hint))
    return typing.get_origin(hint) is list


def _is_command(hint: Any) -> bool:
    return isinstance(hint, type) and issubclass(hint, Command) and hint is not Command


def _entity_in(hint: Any) -> type[Entity] | None:
    """The entity class in ``Order``, ``list[Order]`` or ``Order | None``, else None."""
    if isinstance(hint, type) and issubclass(hint, Entity):
        return hint
    if typing.get_origin(hint) in (list, typing.Union, types.UnionType):
        return next((found for part in typing.get_args(hint) if (found := _entity_in(part))), None)
    return None


def _events_in(hint: Any) -> tuple[type[Event], ...]:
    """The event classes that a return annotation names, however they are wrapped."""
    if isinstance(hint, type) and issubclass(hint, Event):
        return (hint,)
    return tuple(event for part in typing.get_args(hint) for event in _events_in(part))
