"""The projector: what one chunk of the log does to the documents of one view. Pure.

A chunk is first read for the keys it touches (`plan`), then applied to the documents with those keys (`apply`), so
that each is read once and written once however many events changed it. An event that a handler cannot take parks its
key: the document stays as it was before, later events leave it alone, and every other key goes on.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import msgspec

from storied.domain.events import Event, event_spec
from storied.domain.tags import getter
from storied.domain.views import Route, View, ViewSpec
from storied.errors import DecodeError, KeyParked, StoriedError, ViewFailed
from storied.projections.comparing import comparable
from storied.store.codec import EventTypes
from storied.store.documents import Change, Parked, Table
from storied.store.ordering import Scalar, index_form, sort_key
from storied.store.query import Query
from storied.store.reading import Content
from storied.store.records import Recorded


class Step(msgspec.Struct, frozen=True, gc=False):
    """One event for one route: the keys it names, or the value that is `wanted` in the field `where`.

    `undecodable` says why the event could not be read, where its keys were found all the same.
    """

    record: Recorded | Content
    event: Event | None
    route: Route
    keys: tuple[str, ...] = ()
    wanted: Scalar = None
    undecodable: DecodeError | None = None


class Projector:
    """One view as a projection: its table, its query, and how a step changes a document."""

    def __init__(self, spec: ViewSpec) -> None:
        self.spec = spec
        self.name = spec.name
        self.table = _table(spec)
        self.query = Query.of(types=spec.routes)
        self._values = getter(list(self.table.columns))
        self.decoder: msgspec.json.Decoder[View] = msgspec.json.Decoder(spec.cls)
        self.takes_records = any(r.handler.takes_record for routes in spec.routes.values() for r in routes)
        """Whether any handler wants the record beside the event, so that contents are not enough."""
        self._types = EventTypes(spec.routes)
        self._routes: dict[str, tuple[Route, ...]] = {
            name: routes for event, routes in spec.routes.items() for name in event_spec(event).names
        }

    def plan(self, records: Iterable[Recorded | Content]) -> list[Step]:
        """What the records ask to be done, in order. Raises `ViewFailed` at the first whose keys cannot be told."""
        steps: list[Step] = []
        records = list(records)
        for record, event in zip(records, self._types.decode_each(records), strict=True):
            if event is None:
                continue
            routes = self._routes[record.type]
            if isinstance(event, DecodeError):
                steps.extend(self._undecodable(record, routes, event))
                continue
            try:
                for route in routes:
                    if route.keys is None:
                        steps.append(Step(record, event, route, wanted=self._wanted(event, route.where or "")))
                    elif keys := route.keys(event):
                        steps.append(Step(record, event, route, keys))
            except KeyboardInterrupt:
                raise
            except BaseException as error:  # whatever it is, the view's code has raised it
                raise self.failed(record, error) from error
        return steps

    def apply(self, document: View | None, key: str, step: Step) -> Any:
        """The document after the step: changed, made, or what the handler returned (`Delete()`) in its place.

        Raises what the handler raises.
        """
        if step.undecodable is not None:
            raise step.undecodable
        handler = step.route.handler
        if document is None:
            if not handler.on.create:
                return None
            document = self.spec.new(key)
        if handler.takes_record:
            outcome = handler.method(document, step.event, step.record)
        else:
            outcome = handler.method(document, step.event)
        return document if outcome is None else outcome

    def _wanted(self, event: Event, field: str) -> Scalar:
        """The event's value in the form in which the view's index holds those of its field of the same name."""
        return comparable(field, self.spec.hints()[field], getattr(event, field))

    def change(self, key: str, document: View | None) -> Change:
        """The document as it is to be written. Raises what its values raise."""
        if document is None:
            return Change(key, None)
        text = msgspec.json.encode(document).decode()
        self.decoder.decode(text)
        return Change(key, text, tuple(map(sort_key, self._values(document))))

    def failed(self, record: Recorded | Content, error: BaseException) -> ViewFailed:
        """The failure of the whole view at this record."""
        reason, fault = reason_of(error), "the view's handler"
        if isinstance(error, DecodeError):
            reason = f"as version {record.version} it does not fit today's code: {error.reason}"
            fault = "the event's class, or add an upcaster,"
        return ViewFailed(self.name, position=record.position, type=record.type, reason=reason, fault=fault)

    def _undecodable(self, record: Recorded | Content, routes: tuple[Route, ...], error: DecodeError) -> list[Step]:
        """A step for each route whose keys stand in the stored payload as they are. Raises `ViewFailed` otherwise."""
        try:
            payload = msgspec.json.decode(record.data)
            paths = [route.path for route in routes]
            keys = [keys_in(payload, path) if path is not None else None for path in paths]
        except (msgspec.MsgspecError, TypeError, KeyError, AttributeError):
            keys = [None]
        if not all(keys):
            raise self.failed(record, error) from error
        found = [(route, several) for route, several in zip(routes, keys, strict=True) if several]
        return [Step(record, None, route, several, undecodable=error) for route, several in found]


def key_parked(projector: Projector, parked: Parked) -> KeyParked:
    """The error that says why the document is held back."""
    return KeyParked(projector.name, key=parked.key, position=parked.position, type=parked.type, reason=parked.error)


def _table(spec: ViewSpec) -> Table:
    hints = spec.hints()
    fields = dict.fromkeys(field for index in spec.indexes for field in index)
    forms = tuple((field, index_form(hints[field])) for field in fields)
    return Table(spec.name, spec.indexes, spec.fingerprint(), forms=forms)


def keys_in(payload: Any, path: str) -> tuple[str, ...]:
    """The keys at a path of a payload's JSON values, as text."""
    found = [payload]
    for name in path.split("."):
        found = [inner for one in found for inner in _several(one[name])]
    return tuple(dict.fromkeys(str(key) for key in found if isinstance(key, (str, int))))


def reason_of(error: BaseException) -> str:
    """An error in one sentence."""
    return error.message if isinstance(error, StoriedError) else f"{type(error).__name__}: {error}"


def _several(value: Any) -> list[Any]:
    return list(value.values()) if isinstance(value, dict) else value if isinstance(value, list) else [value]
