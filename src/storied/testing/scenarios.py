"""Given, when, then: a command decided on what has happened, with no store at all.

::

    given(OrderPlaced(order="o-1", …)).when(PayOrder(order="o-1", …)).then(OrderPaid(order="o-1", …))

Every decision is taken twice, on entities folded twice, and must come out the same: a handler or fold that looks at
a clock, draws a number or keeps something between calls is found here. So is a rejection by a code that the handler's
``rejects=`` does not name.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from typing import Any, Self

import msgspec

from storied.app import App
from storied.commands.loading import entity_item
from storied.commands.recording import Fact
from storied.commands.repeating import checked
from storied.domain.commands import Command, CommandHandler, Context, Loaded, handlers_of
from storied.domain.entities import Entity
from storied.domain.events import Event
from storied.errors import DefinitionError, Rejected
from storied.store.codec import encode, metadata_text
from storied.store.folding import fold_of, new_entity
from storied.store.records import Metadata, Recorded, placed, to_microseconds

NOW = datetime(2026, 1, 1, 12, tzinfo=UTC)
"""When scenarios decide, unless they say otherwise."""


class Scenario(msgspec.Struct, frozen=True):
    """What has happened, and the circumstances of the decision to come. Made by `given`."""

    facts: tuple[Event | Fact, ...]
    app: App | None = None
    now: datetime = NOW
    actor: str | None = None
    provided: Mapping[Any, Any] = {}

    def at(self, now: datetime) -> Self:
        """The same, decided at *now*."""
        return msgspec.structs.replace(self, now=now)

    def by(self, actor: str) -> Self:
        """The same, asked by *actor*."""
        return msgspec.structs.replace(self, actor=actor)

    def providing(self, wanted: Any, value: Any) -> Self:
        """The same, with *value* for the parameters typed as *wanted*."""
        return msgspec.structs.replace(self, provided={**self.provided, wanted: value})

    def when(self, command: Command) -> Outcome:
        """What the command's handler makes of it. Raises what the handler raises, except `Rejected`."""
        checked(command)
        handler = self._handler(type(command))
        first, second = self._decide(handler, command), self._decide(handler, command)
        if first != second:
            raise AssertionError(
                f"{handler.name} decided differently the second time: {_told(first)}, then {_told(second)}. "
                "Take time, ids and chance from the Context."
            )
        return Outcome(command, *((), first) if isinstance(first, Refusal) else (first, None))

    def _handler(self, command: type[Command]) -> CommandHandler:
        if self.app is not None and command in self.app.handlers:
            return self.app.handlers[command]
        found = handlers_of(command) if self.app is None else ()
        if len(found) != 1:
            many = "several apps handle" if found else "no handler takes"
            raise DefinitionError(
                f"{many} {command.__name__}. Import the module that registers it, or say given(…, app=app)."
            )
        return found[0]

    def _decide(self, handler: CommandHandler, command: Command) -> tuple[Event, ...] | Refusal:
        records = self._records()
        loaded: dict[tuple[type[Entity], str | None], Entity] = {}
        entities: dict[str, list[Entity]] = {}
        for needed in handler.boundary(command):
            key = (needed.spec.cls, needed.entity_id)
            if key not in loaded:
                loaded[key] = _folded(needed, records)
            entities.setdefault(needed.parameter, []).append(loaded[key])
        context = Context(now=self.now, command_id="00000000-0000-7000-8000-000000000000", actor=self.actor)
        provided = {kind: self._provided(kind, handler) for kind in _wanted(handler)}
        try:
            events = handler.decide(command, entities, context, provided)
        except Rejected as rejected:
            _check_declared(handler, rejected.code)
            return Refusal(rejected.code, rejected.message, rejected.data)
        for event in events:
            encode(event)
        return events

    def _provided(self, kind: Any, handler: CommandHandler) -> Any:
        if kind not in self.provided:
            raise DefinitionError(
                f"handler {handler.name} asks for {kind!r}. Say .providing({getattr(kind, '__name__', kind)}, …)."
            )
        return self.provided[kind]

    def _records(self) -> list[Recorded]:
        records = []
        for position, given_fact in enumerate(self.facts, 1):
            fact = given_fact if isinstance(given_fact, Fact) else Fact(given_fact)
            metadata = metadata_text(Metadata(actor=fact.actor, occurred_at=fact.occurred_at))
            time = to_microseconds(fact.occurred_at or self.now)
            records.append(placed(encode(fact.event, metadata), position, time))
        return records


class Refusal(msgspec.Struct, frozen=True):
    """A rejection as data: its code, its sentence, and what was given beside them."""

    code: str
    message: str
    data: dict[str, Any] = {}


class Outcome(msgspec.Struct, frozen=True):
    """What a command led to: `events` (none when nothing had to change), or a `refusal`."""

    command: Command
    events: tuple[Event, ...]
    refusal: Refusal | None

    def then(self, *expected: Event) -> None:
        """Passes when exactly these events came out, in this order."""
        if self.refusal is not None or self.events != expected:
            raise AssertionError(f"{self.command!r} led to {self._told()}; expected was {_told(expected)}")

    def then_nothing(self) -> None:
        """Passes when the command was accepted and nothing had to change."""
        self.then()

    def then_rejected(self, code: str, message: str | None = None) -> None:
        """Passes when the command was rejected with this code (and, where given, this message)."""
        if self.refusal is None or self.refusal.code != code or message not in (None, self.refusal.message):
            expected = f"a rejection {code!r}" + (f" saying {message!r}" if message is not None else "")
            raise AssertionError(f"{self.command!r} led to {self._told()}; expected was {expected}")

    def _told(self) -> str:
        if self.refusal is not None:
            return f"a rejection {self.refusal.code!r} saying {self.refusal.message!r}"
        return _told(self.events)


def given(*facts: Event | Fact, app: App | None = None) -> Scenario:
    """A scenario in which *facts* have happened, in this order.

    A `Fact` says when its event occurred and by whom. *app* is needed only when several apps handle the command.
    """
    return Scenario(facts, app)


def _folded(needed: Loaded, records: Sequence[Recorded]) -> Entity:
    item = entity_item(needed.spec, needed.entity_id)
    own = [record for record in records if item.matches(record.type, record.tags)]
    return fold_of(needed.spec).apply(new_entity(needed.spec, needed.entity_id), own)


def _wanted(handler: CommandHandler) -> list[Any]:
    return [parameter.type for parameter in handler.parameters if parameter.kind == "provided"]


def _check_declared(handler: CommandHandler, code: str) -> None:
    """Passes a rejection that clients are told of, or of a handler that tells of none."""
    if handler.rejects is not None and code not in handler.rejects:
        raise AssertionError(
            f"{handler.name} rejected with {code!r}, which its rejects= does not name. Add it there, so that clients "
            "know of it."
        )


def _told(events: object) -> str:
    if isinstance(events, tuple):
        return ", ".join(map(repr, events)) if events else "no event"
    return repr(events)
