"""The app: what a user has defined, held together. `open` wires the definitions to an engine; nothing else is here."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import asynccontextmanager
from types import MappingProxyType
from typing import Any, TypeVar

from storied.commands.execute import Executor
from storied.commands.keeping import Keeper
from storied.commands.loading import Loader
from storied.commands.providing import Providers
from storied.commands.snapshotting import Snapshotter
from storied.domain.commands import Command, CommandHandler, register_handler
from storied.domain.entities import Entity, entity_spec
from storied.domain.events import Event
from storied.domain.hints import visible_names
from storied.domain.times import Clock, utc_now
from storied.domain.views import View, view_spec
from storied.engines.memory.documents import MemoryDocuments
from storied.engines.opening import open_engine
from storied.errors import DefinitionError
from storied.opened import OpenApp
from storied.projections.past import Past
from storied.projections.projector import Projector
from storied.projections.runner import Runners
from storied.projections.views import Views
from storied.store.codec import EventTypes

F = TypeVar("F", bound=Callable[..., Any])
V = TypeVar("V", bound=type[View])


class App:
    """The definitions of one application: command handlers, views, and what handlers are given. Does no I/O."""

    def __init__(self, name: str) -> None:
        self.name = name
        self._handlers: dict[type[Command], CommandHandler] = {}
        self._views: dict[str, type[View]] = {}
        self._providers: dict[Any, Callable[[], Any]] = {}
        self._routes: dict[type[Command] | type[View], tuple[str, ...]] = {}

    @property
    def handlers(self) -> Mapping[type[Command], CommandHandler]:
        """The handlers by the command they take."""
        return MappingProxyType(self._handlers)

    @property
    def views(self) -> Mapping[str, type[View]]:
        """The views by name."""
        return MappingProxyType(self._views)

    @property
    def entities(self) -> Mapping[str, type[Entity]]:
        """The entities that handlers ask for, by name."""
        kinds = ("entity", "entities")
        found = [p.type for handler in self._handlers.values() for p in handler.parameters if p.kind in kinds]
        return {entity.__name__: entity for entity in found}

    @property
    def routes(self) -> Mapping[type[Command] | type[View], tuple[str, ...]]:
        """The HTTP routes, as written, of commands and views."""
        return MappingProxyType(self._routes)

    def command(self, *routes: str) -> Callable[[F], F]:
        """Registers the handler of the command that its first parameter is annotated with.

        Raises `DefinitionError` when the function cannot be a handler, or the command has one already.
        """
        names = visible_names(1)

        def register(function: F) -> F:
            handler = CommandHandler(function, names)
            other = self._handlers.get(handler.command)
            if other is not None:
                raise DefinitionError(
                    f"{handler.command.__name__} is handled by {other.name} already. Keep one handler for a command."
                )
            self._handlers[handler.command] = handler
            register_handler(handler)
            self._routes[handler.command] = routes
            return function

        return register

    def view(self, *routes: str) -> Callable[[V], V]:
        """Registers a view. Raises `DefinitionError` when another one has its name."""

        def register(view: V) -> V:
            name = view_spec(view).name
            if self._views.setdefault(name, view) is not view:
                raise DefinitionError(f"two views are called {name}. Rename one: the name is the read model's.")
            self._routes[view] = routes
            return view

        return register

    def provide(self, wanted: Any, value: Any) -> None:
        """Gives *value* to handlers that ask for *wanted* by type; a callable is called (and awaited) each time."""
        self._providers[wanted] = value if callable(value) else lambda: value

    @asynccontextmanager
    async def open(self, url: str, *, views: bool = True, clock: Clock = utc_now) -> AsyncIterator[OpenApp]:
        """The app on the store that *url* names, until the block ends.

        ``memory://`` keeps nothing, ``sqlite:///shop.db`` one file and the read models beside it. With ``views=False``
        another process keeps the views up to date. Raises `DefinitionError` and `StoreUnavailable`.
        """
        providers = Providers(self._providers)
        for handler in self._handlers.values():
            providers.check(handler)
        projectors = {name: Projector(view_spec(view)) for name, view in self._views.items()}
        events = self.event_types()
        async with open_engine(url, clock=clock) as engine:
            runners = Runners(projectors.values(), engine.documents, engine.store) if views else None
            past = Past(engine.store, MemoryDocuments)
            snapshotter = Snapshotter(engine.store, engine.documents)
            loader = Loader(engine.store, keeper := Keeper(), snapshotter)
            executor = Executor(engine.store, self._handlers, providers, clock, keeper, loader)
            asked = Views(projectors, engine.store, engine.documents, past, runners, clock)
            if runners is not None:
                runners.start()
            try:
                yield OpenApp(engine.store, executor, loader, asked, events, clock)
            finally:
                await snapshotter.aclose()
                if runners is not None:
                    await runners.stop()

    def event_types(self) -> EventTypes:
        """Every event class that the app handles or returns. Raises `DefinitionError` when two share a name."""
        classes: list[type[Event]] = []
        for handler in self._handlers.values():
            classes.extend(handler.returns)
        for entity in self.entities.values():
            classes.extend(entity_spec(entity).handlers)
        for view in self._views.values():
            classes.extend(view_spec(view).routes)
        return EventTypes(classes)
