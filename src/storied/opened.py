"""An opened app: the verbs that a user types, each handed to the side it belongs to."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable, Coroutine, Mapping
from contextlib import aclosing
from datetime import datetime
from typing import Any, TypeVar
from uuid import UUID

from storied.commands.execute import Done, Executor, Request
from storied.commands.loading import Loader, load_at
from storied.commands.recording import Fact, record_facts
from storied.domain.commands import Command
from storied.domain.entities import Entity, entity_spec
from storied.domain.events import Event
from storied.domain.showing import shown
from storied.domain.times import At, Clock
from storied.domain.views import View
from storied.errors import InvalidEvent, InvalidQuery, StoreUnavailable
from storied.projections.asking import Found
from storied.projections.reader import Reader
from storied.projections.reporting import ViewReport
from storied.projections.retrying import Retried
from storied.projections.serving import WAIT_SECONDS, Then
from storied.projections.views import Views
from storied.store.appending import check_append_id
from storied.store.checks import check_key, check_timeout
from storied.store.codec import EventTypes
from storied.store.documents import Parked
from storied.store.moments import moment
from storied.store.port import EventStore
from storied.store.query import Query, check_position
from storied.store.reading import Reading
from storied.store.records import Receipt, Recorded

N = TypeVar("N", bound=Entity)
V = TypeVar("V", bound=View)


class OpenApp:
    """An app with its store open. Made by ``app.open(url)``; `store` is its event store, `reader` reads its views."""

    def __init__(
        self,
        store: EventStore,
        executor: Executor,
        loader: Loader,
        views: Views,
        reader: Reader,
        events: EventTypes,
        clock: Clock,
    ) -> None:
        self.store, self.reader = store, reader
        self._executor, self._loader, self._views, self._events = executor, loader, views, events
        self._clock = clock

    async def execute(
        self,
        command: Command,
        *,
        actor: str | None = None,
        command_id: str | None = None,
        correlation: str | None = None,
        causation: str | None = None,
        occurred_at: datetime | None = None,
        headers: Mapping[str, str] | None = None,
        seen: int | None = None,
    ) -> Receipt:
        """The receipt of what *command* changed, once it is durable; its count is 0 when nothing had to change.

        With a *command_id*, repeating the command returns the first receipt, and another command under the same id
        raises `AppendIdReused`. With *seen*, a position, it raises `Outdated` when anything that the command rests on
        has happened after it. Raises `Rejected` as the handler raised it, `InvalidCommand`, `InvalidEvent`, `Conflict`
        when others were quicker every time, and `UnknownOutcome` (repeat it with that id as command_id).
        """
        _check_headers(headers)
        if command_id is not None:
            check_append_id(command_id)
        if seen is not None:
            check_position("seen", seen)
        request = Request(
            command_id=command_id,
            actor=actor,
            correlation=correlation,
            causation=causation,
            occurred_at=occurred_at,
            headers=headers or {},
            seen=seen,
        )
        return (await self.perform(command, request)).receipt

    def perform(self, command: Command, request: Request) -> Coroutine[Any, Any, Done]:
        """As `execute`, for whoever answers for others: all that is known of who asks in, all that was done out."""
        return self._executor.perform(command, request)

    async def record(
        self,
        *facts: Event | Fact,
        actor: str | None = None,
        append_id: str | None = None,
        correlation: str | None = None,
        headers: Mapping[str, str] | None = None,
    ) -> Receipt:
        """The receipt of facts stored without a decision, all or none: an import, a report from outside.

        A `Fact` says when its event occurred. With an *append_id* a repeat stores nothing and returns the first
        receipt. Raises `InvalidEvent` and `AppendIdReused`.
        """
        _check_headers(headers)
        return await record_facts(
            self.store, facts, actor=actor, append_id=append_id, correlation=correlation, headers=headers or {}
        )

    async def get(
        self, view: type[V], key: str, *, after: int | None = None, at: At | None = None, timeout: float = WAIT_SECONDS
    ) -> V | None:
        """The view's document with this key, or None.

        With *after*, one that has seen that position: it waits for at most *timeout* seconds, then raises
        `NotCaughtUp`. With *at*, the document as it was then.
        """
        check_key(key)
        check_timeout(timeout)
        document, _ = await self._views.get(view, key, after=after, at=at, timeout=timeout)
        return document

    async def find(
        self,
        view: type[V],
        where: Mapping[str, Any] | None = None,
        *,
        order_by: str | None = None,
        limit: int = 100,
        cursor: str | None = None,
        after: int | None = None,
        at: At | None = None,
        timeout: float = WAIT_SECONDS,
        **fields: Any,
    ) -> Found[V]:
        """A page of the documents whose indexed fields equal the values given, or lie in the `Range` given.

        Criteria are keywords, or stand in *where* when a field is called like a parameter. *order_by* names an indexed
        field (``-field`` for the largest first; the key otherwise); ``cursor=page.cursor`` continues. *after*, *at* and
        *timeout* as for `get`. Raises `NotIndexed`, `InvalidQuery` and `ViewRebuilding`.
        """
        criteria = {**_criteria(where), **fields}
        check_timeout(timeout)
        if order_by is not None:
            _check_name("order_by", order_by)
        if limit is None:
            raise InvalidQuery("limit=None is no limit. Give a whole number, and go on by the page's cursor.")
        return await self._views.find(
            view, criteria, order_by=order_by, limit=limit, cursor=cursor, after=after, at=at, timeout=timeout
        )

    async def count(
        self,
        view: type[View],
        where: Mapping[str, Any] | None = None,
        *,
        by: str | None = None,
        after: int | None = None,
        at: At | None = None,
        timeout: float = WAIT_SECONDS,
        **fields: Any,
    ) -> dict[Any, int]:
        """How many documents there are as `find` would find them, for each value of the indexed field *by*.

        Without *by* the number of all stands under None.
        """
        criteria = {**_criteria(where), **fields}
        check_timeout(timeout)
        if by is not None:
            _check_name("by", by)
        return await self._views.count(view, criteria, by=by, after=after, at=at, timeout=timeout)

    async def ask(
        self, query: Callable[..., Any], /, *, after: int | None = None, timeout: float = WAIT_SECONDS, **arguments: Any
    ) -> Any:
        """What the query function answers, from views that have seen the position *after*, as for `get`."""
        check_timeout(timeout)
        return await self.reader.then(Then(after, timeout=timeout)).ask(query, **arguments)

    async def wait(self, view: type[View], position: int, *, timeout: float = WAIT_SECONDS) -> None:
        """Returns once the view has seen *position*. Raises `NotCaughtUp` and `ViewFailed`."""
        check_timeout(timeout)
        await self._views.reached(view, position, timeout)

    async def until_lost(self) -> StoreUnavailable:
        """Returns once this process keeps the views no more, because their files, or the log's, are not in their place.

        It gives the error that says so. Close the app then; opened again, it works on what is there. Raises
        `DefinitionError` when the app was opened with ``views=False``.
        """
        return await self._views.until_lost()

    async def view_states(self) -> list[ViewReport]:
        """How each view of the app is doing: what readers are given, what is being built, lag, parked keys, errors."""
        return await self._views.states()

    async def parked(self, view: type[View]) -> list[Parked]:
        """The keys of the view that are held back at an event, in order of the events, with error and trace."""
        return await self._views.parked(view)

    async def retry(self, view: type[View], key: str | None = None) -> list[Retried]:
        """Runs today's code over the events of the view's parked keys, or of that one; what became of each."""
        if key is not None:
            check_key(key)
        return await self._views.retry(view, key)

    async def rebuild(self, view: type[View], *, told: Callable[[int], None] = lambda _: None) -> int:
        """Builds the view's read model anew beside the one that is served, then swaps them; the position it stands at.

        *told* hears the positions on the way. Interrupted, the next call goes on where this one was.
        """
        return await self._views.rebuild(view, told)

    async def state(self, entity: type[N], entity_id: str | None = None, *, at: At | None = None) -> N:
        """The entity folded from its stream, now or as it was then; as it starts when it has no events."""
        spec = entity_spec(entity)
        if entity_id is not None:
            entity_id = _entity_id(entity_id)
        if at is None:
            loaded = await self._loader.current(spec, entity_id)
        else:
            loaded = await load_at(self.store, spec, entity_id, await moment(self.store, at, self._clock))
        assert isinstance(loaded, entity)  # noqa: S101 - tells the type checker what load_at made
        return loaded

    def history(self, tag: str, *, after: int = 0, until: int | None = None, backwards: bool = False) -> Reading:
        """What happened in the stream of *tag* (``order:o-1``): each record says who, when, why and what."""
        return self.store.read(Query.of(tags=[tag]), after=after, until=until, backwards=backwards)

    async def events(
        self,
        query: Query = Query(),  # noqa: B008 - an immutable value
        *,
        after: int = 0,
        until: int | None = None,
    ) -> AsyncIterator[list[Event | Recorded]]:
        """The matching events as objects, in order, in lists of about a thousand: a whole log in little memory.

        A record stands for an event whose type the app does not know. Raises `DecodeError`.
        """
        start = after
        async with aclosing(self.store.read(query, after=after, until=until).contents()) as pages:
            async for contents in pages:
                events: list[Any] = self._events.decode_contents(contents)
                if None in events:
                    records = await self.store.read(query, after=start, until=contents.through).list()
                    events = [record if event is None else event for event, record in zip(events, records, strict=True)]
                yield events
                start = contents.through

    def decode(self, record: Recorded) -> Event | Recorded:
        """The record's event in today's shape; the record itself when the app does not know its type.

        Raises `DecodeError`.
        """
        return self._events.decode(record)


def _check_headers(headers: object) -> None:
    if headers is not None and not isinstance(headers, Mapping):
        raise InvalidEvent(
            f"headers={shown(headers)} are no headers. Give a dict of text to text.", code="invalid-metadata"
        )


def _criteria(where: object) -> Mapping[str, Any]:
    if where is None:
        return {}
    if not isinstance(where, Mapping):
        raise InvalidQuery(f"where={shown(where)} is not a mapping. Give a dict from indexed fields to values.")
    return where


def _check_name(name: str, value: object) -> None:
    if not isinstance(value, str):
        raise InvalidQuery(f"{name}={shown(value)} does not name a field. Give an indexed field's name as text.")


def _entity_id(given: object) -> str:
    """The id as it stands in the tag. Raises `InvalidQuery` for what cannot be one."""
    if not isinstance(given, (str, int, UUID)) or isinstance(given, bool):
        raise InvalidQuery(f"{shown(given)} cannot be an entity's id. Give it as text, a whole number or a UUID.")
    try:
        return str(given)
    except ValueError:  # a number of too many digits
        raise InvalidQuery("this number has too many digits for an id. Give one of up to 250.") from None
