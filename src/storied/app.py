"""The app: what a user has defined, held together. `open` wires the definitions to an engine; nothing else is here."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import AsyncExitStack, asynccontextmanager
from types import MappingProxyType
from typing import Any, TypeVar

from storied.commands.execute import Executor
from storied.commands.keeping import Keeper
from storied.commands.loading import Loader
from storied.commands.providing import Providers
from storied.commands.snapshotting import Snapshotter
from storied.domain.access import Access, Roles, Subject, Verifier, When, Where
from storied.domain.commands import Command, CommandHandler, Rejects, register_handler
from storied.domain.entities import Entity, entity_spec
from storied.domain.events import Event
from storied.domain.hints import visible_names
from storied.domain.queries import QueryFunction
from storied.domain.times import Clock, utc_now
from storied.domain.views import View, view_spec
from storied.engines.alone import LateLog, open_read_models
from storied.engines.memory.documents import MemoryDocuments
from storied.engines.opening import open_engine
from storied.errors import DefinitionError
from storied.opened import OpenApp
from storied.projections.beating import kept_up_to_date
from storied.projections.past import Past
from storied.projections.projector import Projector
from storied.projections.reader import Reader
from storied.projections.runner import Runners
from storied.projections.texts import TextViews
from storied.projections.views import Views
from storied.store.codec import EventTypes
from storied.store.port import EventStore

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
        self._queries: dict[Callable[..., Any], QueryFunction] = {}
        self.access = Access()
        self.verifier: Verifier | None = None
        """Finds out who asks, for the services and the command line, where they are not given another."""

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
    def queries(self) -> Mapping[Callable[..., Any], QueryFunction]:
        """The query functions, each as storied sees it."""
        return MappingProxyType(self._queries)

    @property
    def routes(self) -> Mapping[type[Command] | type[View], tuple[str, ...]]:
        """The HTTP routes, as written, of commands and views."""
        return MappingProxyType(self._routes)

    def command(self, *routes: str, rejects: Rejects | None = None) -> Callable[[F], F]:
        """Registers the handler of the command that its first parameter is annotated with.

        *rejects* tells clients the codes of its `Rejected`: a list of them, or a dict with a sentence for each. Raises
        `DefinitionError` when the function cannot be a handler, or the command has one already.
        """
        names = visible_names(1)

        def register(function: F) -> F:
            handler = CommandHandler(function, names, rejects)
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
        """Registers a view. Raises `DefinitionError` when another one has its name, or its documents have no key."""

        def register(view: V) -> V:
            view_spec(view).check_key()
            name = view_spec(view).name
            if self._views.setdefault(name, view) is not view:
                raise DefinitionError(f"two views are called {name}. Rename one: the name is the read model's.")
            self._routes[view] = routes
            return view

        return register

    def query(self, *routes: str) -> Callable[[F], F]:
        """Registers a query function: async, with one parameter annotated with `Reader`, and what it is asked with.

        Raises `DefinitionError` when the function cannot be a query, or a route names what it does not take.
        """
        names = visible_names(1)

        def register(function: F) -> F:
            self._queries[function] = QueryFunction(function, routes, names, Reader)
            return function

        return register

    def provide(self, wanted: Any, value: Any) -> None:
        """Gives *value* to handlers that ask for *wanted* by type; a callable is called (and awaited) each time."""
        self._providers[wanted] = value if callable(value) else lambda: value

    def allow(
        self,
        subject: Subject,
        to: Roles,
        *,
        when: When | None = None,
        where: Where | None = None,
        history: bool = False,
    ) -> None:
        """Lets those who have the role (or one of several, or `EVERYONE`) at a command, view, entity or query.

        Once there is a rule, what none allows is denied. ``when=lambda principal, command: …`` looks at a command,
        ``where=lambda principal: {field: value}`` narrows a view to the documents that are like that, by its key or by
        indexed fields. The histories of a view show events whole, so they need rules of their own, with
        ``history=True``. Rules bind the services and the command line; code that has opened the app may do everything.
        Raises `DefinitionError` for a rule that cannot work.
        """
        self.access.allow(subject, to, when=when, where=where, history=history)

    @asynccontextmanager
    async def open(
        self, url: str, *, views: bool = True, make: bool = True, clock: Clock = utc_now
    ) -> AsyncIterator[OpenApp]:
        """The app on the store that *url* names, until the block ends.

        ``memory://`` keeps nothing, ``sqlite:///shop.db`` one file and the read models beside it. With ``views=False``
        another process keeps the views up to date, and with ``make=False`` a log that is not there is not made.
        Raises `DefinitionError` and `StoreUnavailable`.
        """
        providers = Providers(self._providers)
        for handler in self._handlers.values():
            providers.check(handler)
        projectors = {name: Projector(view_spec(view)) for name, view in self._views.items()}
        events = self.event_types()
        async with open_engine(url, make=make, clock=clock) as engine:
            runners = Runners(projectors.values(), engine.documents, engine.store) if views else None

            async def log() -> EventStore:
                return engine.store

            texts = TextViews(projectors, log, engine.documents, Past(MemoryDocuments, clock), runners)
            snapshotter = Snapshotter(engine.store, engine.documents)
            loader = Loader(engine.store, keeper := Keeper(), snapshotter)
            executor = Executor(engine.store, self._handlers, providers, clock, keeper, loader)
            asked = Views(texts, engine.store, engine.documents, runners)
            async with AsyncExitStack() as stack:
                if runners is not None:
                    await stack.enter_async_context(kept_up_to_date(runners, engine.documents, engine.store))
                stack.push_async_callback(snapshotter.aclose)
                stack.push_async_callback(texts.aclose)
                yield OpenApp(engine.store, executor, loader, asked, Reader(texts, self._queries), events, clock)

    @asynccontextmanager
    async def read(self, url: str, *, clock: Clock = utc_now) -> AsyncIterator[Reader]:
        """A reader over the read models alone of the store that *url* names, until the block ends.

        It writes nothing, makes no file, and needs neither the log nor, at first, the read models to be there; only
        questions about the past open the log. Another process keeps the views up to date.
        """
        projectors = {name: Projector(view_spec(view)) for name, view in self._views.items()}
        async with open_read_models(url) as documents:
            log = LateLog(url, clock=clock)
            texts = TextViews(projectors, log, documents, Past(MemoryDocuments, clock))
            try:
                yield Reader(texts, self._queries)
            finally:
                await texts.aclose()
                await log.aclose()

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
