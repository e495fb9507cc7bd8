"""Asking: from what `find` and `count` are given to a lookup, and from hits to a page that can be continued. Pure."""

from __future__ import annotations

import base64
import binascii
from collections.abc import Iterator, Mapping, Sequence
from hashlib import sha256
from typing import Any, Generic, TypeVar, overload

import msgspec

from storied.domain.showing import shown
from storied.domain.times import At, Occurred
from storied.domain.views import View
from storied.errors import DefinitionError, InvalidQuery, NotIndexed
from storied.projections.comparing import comparable
from storied.projections.projector import Projector
from storied.store.documents import Criterion, Hit, Lookup
from storied.store.ordering import Scalar, sort_key

V = TypeVar("V", bound=View)
MAX_LIMIT = 10_000
_OPEN = ("enum", "any")
"""The forms of indexes that hold text and numbers alike."""


class Range(msgspec.Struct, frozen=True, kw_only=True):
    """A range for `find`: at least `ge`, more than `gt`, at most `le`, less than `lt`. An absent bound is open."""

    ge: Any = None
    gt: Any = None
    le: Any = None
    lt: Any = None

    def criteria(self, field: str, hint: Any) -> Iterator[Criterion]:
        """The comparisons it stands for. Raises `InvalidQuery` when it has no bound, or one the field cannot have."""
        bounds = ((">=", self.ge), (">", self.gt), ("<=", self.le), ("<", self.lt))
        given = [Criterion(field, operator, comparable(field, hint, v)) for operator, v in bounds if v is not None]  # type: ignore[arg-type]  # the four literals above
        if not given:
            raise InvalidQuery(f"the range for {field} has no bound. Give ge=, gt=, le= or lt=.")
        return iter(given)


class Found(Sequence[V], Generic[V]):
    """Some documents in order: `cursor` continues behind the last (None at the end), `position` is where they stand.

    `parked` names the view's documents that are held back at an event: those among the found are as they were before,
    and `position` lies before the first such event.
    """

    def __init__(self, documents: list[V], cursor: str | None, position: int, parked: tuple[str, ...] = ()) -> None:
        self._documents, self.cursor, self.position, self.parked = documents, cursor, position, parked

    @overload
    def __getitem__(self, index: int) -> V: ...
    @overload
    def __getitem__(self, index: slice) -> list[V]: ...
    def __getitem__(self, index: int | slice) -> V | list[V]:
        """The document, or documents, at the index."""
        return self._documents[index]

    def __len__(self) -> int:
        return len(self._documents)

    def __repr__(self) -> str:
        return f"Found({self._documents!r}, cursor={self.cursor!r}, position={self.position})"


def make_lookup(
    projector: Projector,
    where: Mapping[str, Any],
    *,
    order_by: str | None = None,
    limit: int | None = None,
    cursor: str | None = None,
    also: Mapping[str, Any] | None = None,
    at: At | None = None,
) -> Lookup:
    """The lookup for ``field=value`` and ``field=Range(…)``, ordered by *order_by* (``-field`` for the largest first).

    What *also* says has to hold besides, whatever *where* says of the same fields. The *cursor* goes on with the same
    question, at the same moment *at*.

    Raises `NotIndexed` for a field without an index and `InvalidQuery` for a value, limit or cursor that cannot be.
    """
    criteria = [*criteria_of(projector, where), *criteria_of(projector, also or {})]
    descending = order_by is not None and order_by.startswith("-")
    by = order_by.removeprefix("-") if order_by else None
    if by is not None and by != projector.spec.key:
        _check_indexed(projector, by)
    elif by == projector.spec.key:
        by = None
    if limit is not None and not (isinstance(limit, int) and not isinstance(limit, bool) and 0 < limit <= MAX_LIMIT):
        raise InvalidQuery(
            f"limit={shown(limit)} is not from 1 to {MAX_LIMIT}. Take such a page and go on by its cursor.",
            value=limit,
            detail=f"it is a whole number from 1 to {MAX_LIMIT}",
        )
    lookup = Lookup(tuple(criteria), by, descending, limit)
    if cursor is None:
        return lookup
    return msgspec.structs.replace(lookup, beyond=_read_cursor(cursor, projector, lookup, at))


def meets(projector: Projector, document: View, where: Mapping[str, Any]) -> bool:
    """Whether the document meets criteria as `find` takes them; they may name the key, too."""
    return all(
        criterion.holds(sort_key(getattr(document, criterion.field)))
        for criterion in criteria_of(projector, where, projector.spec.key)
    )


def of_rule(projector: Projector, where: Mapping[str, Any]) -> dict[str, Any]:
    """The criteria of a rule of access, which may name the key, too.

    Raises `DefinitionError` for what no document can be like: that is the rule's mistake, not that of who asks.
    """
    try:
        list(criteria_of(projector, where, projector.spec.key))
    except InvalidQuery as error:
        raise DefinitionError(f"where= for {projector.name} compares what cannot be: {error}") from error
    return dict(where)


def grouping(projector: Projector, by: str | None) -> str | None:
    """The field to count by. Raises `NotIndexed`."""
    if by is not None:
        _check_indexed(projector, by)
    return by


def next_cursor(projector: Projector, lookup: Lookup, last: Hit, at: At | None = None) -> str:
    """What continues the lookup behind the hit, at the same moment."""
    return _written(_asked(projector, lookup, at), last.value, last.key)


def _read_cursor(cursor: str, projector: Projector, lookup: Lookup, at: At | None) -> tuple[Scalar, str]:
    try:
        text = base64.b64decode(cursor + "=" * (-len(cursor) % 4), altchars=b"-_", validate=True)
        asked, value, key = msgspec.json.decode(text, type=tuple[str, Scalar, str])
        if _written(asked, value, key) != cursor or not _may_stand_in(projector, lookup.order, value):
            raise InvalidQuery("no page gives such a cursor.")
        sort_key(value)
    except (msgspec.MsgspecError, binascii.Error, ValueError, AttributeError, TypeError, InvalidQuery):
        raise InvalidQuery(
            "this cursor did not come with a page. Start from the first page.",
            code="bad-cursor",
            value=cursor,
            detail="it did not come with a page, so start from the first one",
        ) from None
    if asked != _asked(projector, lookup, at):
        raise InvalidQuery(
            "this cursor belongs to another question. Repeat the fields, the order and the moment (at=) of the page it "
            "came from.",
            code="bad-cursor",
            value=cursor,
            detail="it belongs to another question, so repeat what the page it came from was asked with",
        )
    return value, key


def _written(asked: str, value: Scalar, key: str) -> str:
    return base64.urlsafe_b64encode(msgspec.json.encode([asked, value, key])).decode().rstrip("=")


def _may_stand_in(projector: Projector, order: str | None, value: Scalar) -> bool:
    """Whether the index of that order could hold the value."""
    if order is None or value is None:
        return value is None
    form = dict(projector.table.forms)[order]
    return form in _OPEN or "|" in form or isinstance(value, str) is not (form == "number")


def _asked(projector: Projector, lookup: Lookup, at: At | None) -> str:
    """A short name for the question, so that a cursor is not used for another."""
    asked = [projector.name, lookup.criteria, lookup.order, lookup.descending]
    if at is not None:
        asked.append(_spelled(at))
    return sha256(msgspec.json.encode(asked)).hexdigest()[:12]


def _spelled(at: At) -> str:
    """The moment, the same however it was written."""
    if isinstance(at, Occurred):
        return f"occurred:{sort_key(at.time)}"
    return str(sort_key(at))


def criteria_of(projector: Projector, where: Mapping[str, Any], *known: str) -> Iterator[Criterion]:
    """The comparisons that *where* stands for; the fields in *known* may be named without an index.

    Raises `NotIndexed` and `InvalidQuery`.
    """
    for field, value in where.items():
        if field not in known:
            _check_indexed(projector, field)
        hint = projector.spec.hints()[field]
        if isinstance(value, Range):
            yield from value.criteria(field, hint)
        else:
            yield Criterion(field, "=", comparable(field, hint, value))


def _check_indexed(projector: Projector, field: str) -> None:
    columns = projector.table.columns
    if field not in columns:
        raise NotIndexed(projector.name, field, columns)
