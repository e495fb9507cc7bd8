"""Execute a command: load, decide, append.

The decision is pure and belongs to the handler. This module owns only the race: when another writer got there
first, the command is decided again on what is now true, in turn with the others of this process that lost.
"""

from __future__ import annotations

import asyncio
import random
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from datetime import datetime
from typing import Any

import msgspec

from storied.commands.keeping import Keeper, thawed
from storied.commands.loading import Basis, Loader, boundary_items, entity_item
from storied.commands.providing import Providers
from storied.commands.repeating import checked, command_fingerprint
from storied.commands.turns import Turns
from storied.domain.commands import Command, CommandHandler, Context, Loaded, command_name
from storied.domain.events import Event
from storied.domain.ids import new_id
from storied.domain.times import Clock
from storied.errors import Between, Conflict, InvalidCommand, InvalidQuery, Outdated, StoreError
from storied.store.codec import encode, metadata_text
from storied.store.folding import fold_of
from storied.store.port import EventStore
from storied.store.query import AppendCondition, Query
from storied.store.records import Metadata, NewEvent, Receipt

ATTEMPTS = 24
"""How often a command is decided before its conflict is told; the pauses in between add up to about a second."""

MOST_BETWEEN = 20
"""Events that are told when a caller's position is outdated."""


class Request(msgspec.Struct, frozen=True, kw_only=True):
    """Who asks, and in what connection. `command_id` makes a repeat answer with the first receipt.

    A repeat is told by the `fingerprint` of the JSON that the command was read from, or else by what it says. `seen` is
    the position up to which the caller knows what the command rests on. `fresh` says that the command id was made up
    for this request, so that nothing can stand under it yet. `appending` is called when something is about to be handed
    to the store: whatever is raised before has stored nothing.
    """

    command_id: str | None = None
    fingerprint: bytes | None = None
    actor: str | None = None
    correlation: str | None = None
    causation: str | None = None
    occurred_at: datetime | None = None
    headers: Mapping[str, str] = {}
    seen: int | None = None
    fresh: bool = False
    appending: Callable[[], None] | None = None


class Done(msgspec.Struct, frozen=True):
    """What came of a command. `events` are those it stored; None where it may have been an earlier run that did."""

    receipt: Receipt
    events: tuple[NewEvent, ...] | None = None


class _Asked(msgspec.Struct):
    """A command with all that its attempts have in common; `command_id` is the one that was given, if any."""

    command: Command
    handler: CommandHandler
    command_id: str | None
    fingerprint: bytes
    context: Context
    metadata: str
    seen: int | None
    appending: Callable[[], None] | None
    provided: Mapping[Any, Any] = {}


class Executor:
    """Executes commands on one store by the handlers of one app."""

    def __init__(
        self,
        store: EventStore,
        handlers: Mapping[type[Command], CommandHandler],
        providers: Providers,
        clock: Clock,
        keeper: Keeper,
        loader: Loader,
    ) -> None:
        self._store, self._handlers, self._providers, self._clock = store, handlers, providers, clock
        self._keeper = keeper
        self._loader = loader
        self._turns = Turns()

    async def execute(self, command: Command, request: Request) -> Receipt:
        """The receipt of what `perform` did."""
        return (await self.perform(command, request)).receipt

    async def perform(self, command: Command, request: Request) -> Done:
        """The receipt of what *command* changed; its count is 0 when there was nothing to change.

        Raises `Rejected` as the handler raised it, `InvalidCommand`, `Outdated` when the caller had not seen what the
        command rests on, and `Conflict` once every attempt has lost.
        """
        asked = self._asked(command, request)
        if asked.handler.is_provided:
            first = await self._first_receipt(asked)  # a repeat does not need what may have gone since
            if first is not None:
                return Done(first)
            asked.provided = await self._providers.for_handler(asked.handler)
        boundary = asked.handler.boundary(command)
        if not self._turns.are_taken(entity_item(loaded.spec, loaded.entity_id) for loaded in boundary):
            done = await self._tried(asked, boundary)
            if done is not None:
                return done
        async with self._turns.take(boundary_items(boundary)):
            for attempt in range(2, ATTEMPTS):
                await asyncio.sleep(pause(attempt))
                done = await self._tried(asked, boundary)
                if done is not None:
                    return done
            await asyncio.sleep(pause(ATTEMPTS))
            return await self._attempt(asked, boundary)

    async def _tried(self, asked: _Asked, boundary: Sequence[Loaded]) -> Done | None:
        """As `_attempt`, and None when somebody was quicker: worth another attempt."""
        try:
            return await self._attempt(asked, boundary)
        except Outdated:
            raise  # no attempt will make the caller know more
        except Conflict:
            return None

    async def _attempt(self, asked: _Asked, boundary: Sequence[Loaded]) -> Done:
        """Loads, decides and appends once. Raises `Conflict` when somebody was quicker.

        That the command came before under its id need not be known beforehand: the store looks for the id before
        anything else, and whatever prevents the append looks for it then.
        """
        try:
            events, basis = await self._decide(asked, boundary)
            if asked.seen is not None:
                await self._check_known(asked, asked.seen, boundary, basis)
            new = [encode(event, asked.metadata) for event in events]
        except Exception:
            first = await self._first_receipt(asked)
            if first is not None:
                return Done(first)
            await self._check_seen(asked, boundary)
            raise
        if not events and asked.command_id is None:
            await self._check_seen(asked, boundary)
            return Done(Receipt(asked.context.command_id, basis.position, 0), ())
        return await self._append(asked, boundary, basis, events, new)

    async def _append(
        self, asked: _Asked, boundary: Sequence[Loaded], basis: Basis, events: Sequence[Event], new: Sequence[NewEvent]
    ) -> Done:
        """Stores what was decided. Raises `Conflict`, and what the store raises."""
        if asked.appending is not None:
            asked.appending()
        try:
            receipt = await self._store.append(
                new,
                condition=_conditions(asked, boundary, basis),
                append_id=asked.context.command_id,
                fingerprint=asked.fingerprint,
            )
        except BaseException as error:
            self._doubt(boundary)
            if isinstance(error, Conflict):
                await self._check_seen(asked, boundary)
            if isinstance(error, StoreError):  # which says that nothing was stored now; a repeat may be read even so
                with suppress(StoreError):
                    first = await self._first_receipt(asked)
                    if first is not None:
                        return Done(first)
            raise
        if receipt.new or asked.command_id is None:
            try:
                self._learn(basis, events, new, receipt)
            except KeyboardInterrupt:
                raise
            except BaseException:  # of a fold: what is stored is stored, and whoever loads the entity is told
                self._doubt(boundary)
            return Done(receipt, tuple(new))
        self._doubt(boundary)
        return Done(receipt)

    async def _decide(self, asked: _Asked, boundary: Sequence[Loaded]) -> tuple[tuple[Event, ...], Basis]:
        """The events decided on, and what they are based on.

        A decision that stores nothing is never checked by a condition. So where it rests on what was kept, it is taken
        again on what the store says.
        """

        def decide() -> tuple[Event, ...]:
            return asked.handler.decide(asked.command, basis.entities, asked.context.again(), asked.provided)

        basis = self._loader.at_hand(boundary) or await self._loader.load(boundary)
        if basis.warm:
            try:
                events = decide()
            except Exception:  # what the store says may be otherwise
                events = ()
            if events:
                return events, basis
            self._doubt(boundary)
            basis = await self._loader.load(boundary)
        return decide(), basis

    async def _check_known(self, asked: _Asked, seen: int, boundary: Sequence[Loaded], basis: Basis) -> None:
        """Passes a position that the log has reached: of one beyond it nobody can have seen anything."""
        if not boundary:
            raise InvalidCommand(
                f"{type(asked.command).__name__} rests on no entity, so seen={seen} compares to nothing. Leave "
                "seen= out, or let the handler ask for the entity that must not have changed.",
                code="nothing-to-compare",
            )
        if seen > basis.position and seen > await self._store.head():
            raise InvalidQuery(
                f"seen={seen} lies beyond the log's head. Give a position that this log has told you.",
                code="future-position",
            )

    async def _check_seen(self, asked: _Asked, boundary: Sequence[Loaded]) -> None:
        """Raises `Outdated` when something of the boundary has happened after the position that the caller has seen."""
        if asked.seen is None or not boundary:
            return
        reading = self._store.read(Query(boundary_items(boundary)), after=asked.seen, limit=MOST_BETWEEN + 1)
        between = [Between(r.position, r.type, r.tags, r.actor) for r in await reading.list()]
        if between:
            raise Outdated(asked.seen, tuple(between[:MOST_BETWEEN]), more=len(between) > MOST_BETWEEN)

    def _learn(self, basis: Basis, events: Sequence[Event], new: Sequence[NewEvent], receipt: Receipt) -> None:
        """Keeps the entities with what was just stored, so that the next command need not read it.

        The condition has proved that nothing came between what they were based on and the new events.
        """
        for (spec, entity_id), kept in basis.kept.items():
            if kept is None:
                continue
            entity, tags = thawed(spec.cls, kept.state), spec.tags(entity_id)
            own = [event for event, stored in zip(events, new, strict=True) if not tags or tags[0] in stored.tags]
            if fold_of(spec).apply_events(entity, own):
                self._keeper.keep((spec, entity_id), entity, receipt.position)
            else:
                self._keeper.doubt((spec, entity_id))  # its fold wants the record, which only the store has

    def _doubt(self, boundary: Sequence[Loaded]) -> None:
        for loaded in boundary:
            self._keeper.doubt((loaded.spec, loaded.entity_id))

    def _asked(self, command: Command, request: Request) -> _Asked:
        handler = self._handler(command)
        data = checked(command, read=request.fingerprint is not None)
        fingerprint = request.fingerprint or command_fingerprint(command, data)
        context = Context(
            now=self._clock(),
            command_id=request.command_id or new_id(),
            actor=request.actor,
            correlation=request.correlation,
            headers=request.headers,
        )
        metadata = metadata_text(_metadata(command_name(type(command)), request, context))
        given = None if request.fresh else request.command_id
        return _Asked(command, handler, given, fingerprint, context, metadata, request.seen, request.appending)

    async def _first_receipt(self, asked: _Asked) -> Receipt | None:
        """What the command changed when it came before under this id. Raises `AppendIdReused`."""
        return None if asked.command_id is None else await self._store.receipt(asked.command_id, asked.fingerprint)

    def _handler(self, command: Command) -> CommandHandler:
        handler = self._handlers.get(type(command))
        if handler is None:
            raise InvalidCommand(
                f"no handler takes {type(command).__name__}. Register one with @app.command(…).", code="unknown-command"
            )
        return handler


def _conditions(asked: _Asked, boundary: Sequence[Loaded], basis: Basis) -> tuple[AppendCondition, ...]:
    """That nothing the decision rests on has changed, and nothing that the caller had not seen has happened to it."""
    if asked.seen is None:
        return basis.conditions
    return (AppendCondition(Query(boundary_items(boundary)), asked.seen), *basis.conditions)


def pause(attempt: int) -> float:
    """Seconds to wait before the next attempt: none at first, then a random part of up to 64 ms."""
    return 0.0 if attempt <= 2 else random.random() * min(0.064, 0.001 * 2 ** (attempt - 2))  # noqa: S311 - no secret


def _metadata(name: str, request: Request, context: Context) -> Metadata:
    return Metadata(
        actor=request.actor,
        command=name,
        correlation=context.correlation,
        causation=request.causation or context.command_id,
        occurred_at=request.occurred_at,
        headers=dict(request.headers),
    )
