"""Views as JSON texts, the way they are stored: what is served without being decoded, and what is decoded from it."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

import msgspec

from storied.domain.views import View, view_spec
from storied.errors import DefinitionError, KeyParked, ViewRebuilding
from storied.projections.asking import grouping, make_lookup, meets, next_cursor
from storied.projections.belonging import held_of
from storied.projections.comparing import value_type
from storied.projections.past import Past, document_at, stream_query
from storied.projections.projector import Projector
from storied.projections.runner import Runners
from storied.projections.serving import NOW, Question, Served, Then
from storied.projections.standings import LogOf
from storied.store.documents import Hit, Lookup, OtherEditionError, Parked, ReadModels, Shown
from storied.store.ordering import from_sort_key


class Texts(msgspec.Struct, frozen=True):
    """A page of documents: `cursor` goes on behind the last.

    `parked` are those of the view that are held back, by their keys: the positions of the events they stopped at.
    `held` is the first of these, and of others that may belong here and are not named. `position` precedes it.
    """

    hits: list[Hit]
    cursor: str | None
    position: int
    parked: Mapping[str, int] = {}
    held: int | None = None


class Counts(msgspec.Struct, frozen=True):
    """How many documents there are, by a value (under None without one); the rest as in `Texts`."""

    counts: dict[Any, int]
    position: int
    parked: Mapping[str, int] = {}


class TextViews:
    """The views of one app over one store's read models."""

    def __init__(
        self,
        projectors: Mapping[str, Projector],
        log: LogOf,
        documents: ReadModels,
        past: Past,
        runners: Runners | None = None,
    ) -> None:
        self.projectors, self.log, self.documents = projectors, log, documents
        self.past, self.served = past, Served(log, documents, past, runners)

    def projector(self, view: type[View]) -> Projector:
        """The view's projector. Raises `DefinitionError` for a view of another app."""
        name = view_spec(view).name
        projector = self.projectors.get(name)
        if projector is None or projector.spec.cls is not view:
            raise DefinitionError(f"{name} is not a view of this app. Register it with @app.view().")
        return projector

    async def document(self, view: type[View], key: str, then: Then = NOW, *, recent: bool = False) -> Shown:
        """The document with this key; a *recent* one may be as it was some milliseconds ago.

        Where it is held back, its position lies before what it has not taken, as for all that is told here: who goes on
        from there has seen everything up to it. Raises `NotCaughtUp`, `KeyParked` and `StoreUnavailable`.
        """
        projector = self.projector(view)
        if then.at is not None:
            query = stream_query(projector, key)
            if query is not None:
                store = await self.log()
                moment_then = await self.past.moment(store, then.at)
                text = await document_at(store, projector, key, query, moment_then)
                return Shown(None if text is None else text.encode(), moment_then.position, store.identity)
        if then.at is None and then.after is None:
            shown = self.documents.peek(projector.table, key, recent=recent)
            if shown is not None and shown.foreign:
                shown = self._as_own(projector, shown)
            if shown is not None and shown.held is not None:
                return Shown(shown.document, min(shown.position, shown.held - 1), shown.log, shown.held)
            if shown is not None:
                return shown
        asked = Question(lambda documents: _own_document(projector, documents, key), key, then)
        answer = await self.served.answer(projector, asked)
        return Shown(None if answer.value is None else answer.value.encode(), answer.seen, held=answer.held.first)

    async def may_be_like(self, view: type[View], key: str, visible: Mapping[str, Any]) -> int | None:
        """Where the document stopped, if it is held back and may be like this by now; None otherwise."""
        projector = self.projector(view)
        for parked in await self.documents.held(projector.table, key):
            return (await held_of(projector, visible, self.log, self.documents, [parked])).first
        return None

    async def stand(self, view: type[View], then: Then) -> int:
        """The position at which the view stands then, whatever of it is held back. Raises `NotCaughtUp`."""
        projector = self.projector(view)
        if then.at is not None:
            return (await self.past.moment(await self.log(), then.at)).position
        asked = Question(lambda documents: documents.get(projector.table, ""), "", then)
        return (await self.served.answer(projector, asked)).position

    async def page(
        self,
        view: type[View],
        where: Mapping[str, Any],
        *,
        order_by: str | None,
        limit: int,
        cursor: str | None,
        also: Mapping[str, Any] | None = None,
        then: Then = NOW,
    ) -> Texts:
        """The documents that meet the criteria, in order, a page at a time. Raises as `find` does.

        Only those that meet *also* may be seen, so no other is named, not even as one that is held back.
        """
        projector = self.projector(view)
        lookup = make_lookup(projector, where, order_by=order_by, limit=limit, cursor=cursor, also=also, at=then.at)
        one_more = msgspec.structs.replace(lookup, limit=limit + 1)
        asked = Question(lambda documents: _own_hits(projector, documents, one_more), None, then, also or {}, where)
        answer = await self.served.answer(projector, asked)
        hits = answer.value[:limit]
        goes_on = next_cursor(projector, lookup, hits[-1], then.at) if len(answer.value) > limit else None
        return Texts(hits, goes_on, answer.seen, _by_key(answer.held.known), answer.held.first)

    async def page_of_one(
        self, view: type[View], key: str, where: Mapping[str, Any], *, also: Mapping[str, Any], then: Then = NOW
    ) -> Texts:
        """As `page`, where *also* names this key, so that no other document may be seen.

        Raises `KeyParked` where the document is held back at what is waited for.
        """
        projector = self.projector(view)
        try:
            shown = await self.document(view, key, then)
        except KeyParked:
            if then.at is None and await self.may_be_like(view, key, also) is None:
                return Texts([], None, await self.stand(view, then))
            raise
        if shown.document is not None and meets(projector, self.decoded(view, shown.document), also):
            found = meets(projector, self.decoded(view, shown.document), where)
            hits = [Hit(key, shown.document.decode())] if found else []
            return Texts(hits, None, shown.position, {} if shown.held is None else {key: shown.held}, shown.held)
        held = None if shown.held is None else await self.may_be_like(view, key, also)
        is_hidden = shown.held is not None and held is None
        return Texts([], None, await self.stand(view, then) if is_hidden else shown.position, held=held)

    async def count(self, view: type[View], where: Mapping[str, Any], *, by: str | None, then: Then = NOW) -> Counts:
        """How many documents meet the criteria, by the value of *by*."""
        projector = self.projector(view)
        lookup = make_lookup(projector, where)
        group = grouping(projector, by)
        asked = Question(lambda documents: documents.count(projector.table, lookup, group), None, then, where=where)
        answer = await self.served.answer(projector, asked)
        kind = value_type(projector.spec.hints()[by]) if by else None
        try:
            counts = {from_sort_key(value, kind): count for value, count in answer.value.items()}
        except ValueError as error:  # an Enum that has lost a member
            raise ViewRebuilding(projector.name, f"its documents still have other values of {by} ({error})") from error
        return Counts(counts, answer.seen, _by_key(answer.held.known))

    async def aclose(self) -> None:
        """Stops looking for what somebody waited for. Idempotent."""
        await self.served.standings.aclose()

    def decoded(self, view: type[View], text: str | bytes) -> Any:
        """The document as an object. Raises `ViewRebuilding` when it still has the shape that other code gave it."""
        return _decoded(self.projector(view), text)

    def _as_own(self, projector: Projector, shown: Shown) -> Shown:
        """What other code made, as this code would have; worked out once while nothing changes."""
        if shown.document is None:
            return shown
        if not isinstance(shown.memo, Shown):
            text = _as_own(projector, shown.document)
            shown.memo = Shown(text, shown.position, shown.log, shown.held)
        return shown.memo


async def _own_document(projector: Projector, documents: ReadModels, key: str) -> tuple[str | None, int, bool]:
    """As `ReadModels.get`, in the shape of this code, whatever code made it. Raises `ViewRebuilding`."""
    try:
        return await documents.get(projector.table, key, own=True)
    except OtherEditionError:
        text, position, parked = await documents.get(projector.table, key)
        return None if text is None else _as_own(projector, text).decode(), position, parked


async def _own_hits(projector: Projector, documents: ReadModels, lookup: Lookup) -> tuple[list[Hit], int, bool]:
    """As `ReadModels.find`, in the shape of this code, whatever code made them. Raises `ViewRebuilding`."""
    try:
        return await documents.find(projector.table, lookup, own=True)
    except OtherEditionError:
        hits, position, parked = await documents.find(projector.table, lookup)
        own = [Hit(hit.key, _as_own(projector, hit.document).decode(), hit.value) for hit in hits]
        return own, position, parked


def _as_own(projector: Projector, text: str | bytes) -> bytes:
    """The document as this code writes it: without what it does not know, and with its defaults for what is missing."""
    return msgspec.json.encode(_decoded(projector, text))


def _decoded(projector: Projector, text: str | bytes) -> Any:
    try:
        return projector.decoder.decode(text)
    except msgspec.ValidationError as error:
        raise ViewRebuilding(projector.name, f"its documents still have another shape ({error})") from error


def _by_key(parked: Iterable[Parked]) -> dict[str, int]:
    return {one.key: one.position for one in parked}
