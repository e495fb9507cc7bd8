"""The projector: what one chunk of the log does to the documents of one view. Pure.

A chunk is first read for the keys it touches (`plan`), then applied to the documents with those keys (`apply`), so
that each is read once and written once however many events changed it.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

import msgspec

from storied.domain.events import Event, EventSpec, event_spec
from storied.domain.views import Delete, Route, View, ViewSpec
from storied.errors import InvalidQuery, StoriedError, ViewFailed
from storied.store.codec import EventTypes, decode_as
from storied.store.documents import Change, Scalar, Table, sort_key
from storied.store.query import Query
from storied.store.records import Recorded


class Step(msgspec.Struct, frozen=True):
    """One event for one route: the keys it names, or the value that is `wanted` in the field `where`."""

    record: Recorded
    event: Event
    route: Route
    keys: tuple[str, ...] = ()
    wanted: Scalar = None


class Projector:
    """One view as a projection: its table, its query, and its effect on documents."""

    def __init__(self, spec: ViewSpec) -> None:
        self.spec = spec
        self.name = spec.name
        self.table = Table(spec.name, spec.indexes)
        self.query = Query.of(types=spec.routes)
        self.decoder = msgspec.json.Decoder(spec.cls)
        EventTypes(spec.routes)  # two classes under one name cannot be told apart
        self._routes: dict[str, tuple[EventSpec, tuple[Route, ...]]] = {
            name: (event_spec(event), routes)
            for event, routes in spec.routes.items()
            for name in event_spec(event).names
        }

    def plan(self, records: Iterable[Recorded]) -> list[Step]:
        """What the records ask to be done, in order. Raises `ViewFailed` at the first that cannot be read."""
        steps: list[Step] = []
        for record in records:
            found = self._routes.get(record.type)
            if found is None:
                continue
            spec, routes = found
            try:
                event = decode_as(spec, record)
                for route in routes:
                    if route.keys is None:
                        wanted = sort_key(getattr(event, route.where)) if route.where else None
                        steps.append(Step(record, event, route, wanted=wanted))
                    elif keys := route.keys(event):
                        steps.append(Step(record, event, route, keys))
            except Exception as error:
                raise self._failed(record, error) from error
        return steps

    def apply(self, steps: Iterable[Step], stored: Mapping[str, str]) -> list[Change]:
        """The changes that the steps make to the stored documents (JSON by key), one for each document changed.

        Raises `ViewFailed` at the first event whose handler raises, or leaves what cannot be stored.
        """
        work = _Work(self, stored)
        for step in steps:
            try:
                keys = step.keys if step.route.where is None else work.keys_where(step.route.where, step.wanted)
                for key in keys:
                    work.apply(key, step)
            except Exception as error:
                raise self._failed(step.record, error) from error
        return work.changes()

    def change(self, key: str, document: View | None) -> Change:
        """The document as it is to be written. Raises what its values raise."""
        if document is None:
            return Change(key, None)
        text = msgspec.json.encode(document).decode()
        self.decoder.decode(text)
        return Change(key, text, tuple(sort_key(getattr(document, column)) for column in self.table.columns))

    def _failed(self, record: Recorded, error: Exception) -> ViewFailed:
        reason = error.message if isinstance(error, StoriedError) else f"{type(error).__name__}: {error}"
        return ViewFailed(self.name, position=record.position, type=record.type, reason=reason)


class _Work:
    """The documents of one chunk while it is applied, decoded when first touched."""

    def __init__(self, projector: Projector, stored: Mapping[str, str]) -> None:
        self._projector, self._stored = projector, stored
        self._documents: dict[str, View | None] = {}
        self._last: dict[str, Recorded] = {}

    def apply(self, key: str, step: Step) -> None:
        document = self._document(key)
        if document is None:
            if not step.route.handler.on.create:
                return
            document = self._projector.spec.new(key)
        handler = step.route.handler
        if handler.takes_record:
            outcome: Any = handler.method(document, step.event, step.record)
        else:
            outcome = handler.method(document, step.event)
        self._documents[key] = None if isinstance(outcome, Delete) else document
        self._last[key] = step.record

    def keys_where(self, field: str, wanted: Scalar) -> list[str]:
        """The keys of documents whose field has that value, as they are by now, compared as `find` compares."""
        keys = dict.fromkeys((*self._stored, *self._documents))
        documents = ((key, self._document(key)) for key in keys)
        return [key for key, document in documents if document and sort_key(getattr(document, field)) == wanted]

    def changes(self) -> list[Change]:
        made = []
        for key, record in self._last.items():
            try:
                change = self._projector.change(key, self._documents[key])
            except (msgspec.MsgspecError, TypeError, ValueError, InvalidQuery) as error:
                reason = f"document {key!r} cannot be stored: {error}"
                raise ViewFailed(
                    self._projector.name, position=record.position, type=record.type, reason=reason
                ) from error
            if change.document is None and key not in self._stored:
                continue
            if change.document is None or change.document != self._stored.get(key):
                made.append(change)
        return made

    def _document(self, key: str) -> View | None:
        if key not in self._documents:
            text = self._stored.get(key)
            self._documents[key] = None if text is None else self._projector.decoder.decode(text)
        return self._documents[key]
