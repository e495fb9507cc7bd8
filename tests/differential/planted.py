"""Stores with a bug planted in each: the state machine that compares engines has to notice every one.

Those in memory stand for bugs of the rules, those on SQLite for bugs of SQL and of the group commit.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any

import msgspec

from storied.engines.memory.store import MemoryStore
from storied.engines.sqlite import gathering, paging, querying, tagging, writing
from storied.store.appending import AppendRequest, Stored
from storied.store.query import AppendCondition, Query, QueryItem
from storied.store.reading import Page, Span
from storied.store.records import Receipt, placed, to_microseconds


class AfterIncluded(MemoryStore):
    """`after` is taken for the first position wanted."""

    async def page(self, query: Query, span: Span) -> Page:
        """A page that begins one too early."""
        return await super().page(query, msgspec.structs.replace(span, after=max(0, span.after - 1)))


class UntilExcluded(MemoryStore):
    """`until` is left out."""

    async def page(self, query: Query, span: Span) -> Page:
        """A page that ends one too early."""
        until = None if span.until is None else max(0, span.until - 1)
        return await super().page(query, msgspec.structs.replace(span, until=until))


class BackwardsFromTheWrongEnd(MemoryStore):
    """A limited page backwards holds the first matches instead of the last."""

    async def page(self, query: Query, span: Span) -> Page:
        """The right number of events, from the wrong end."""
        page = await super().page(query, span)
        if not span.backwards or len(page.events) < span.limit:
            return page
        forwards = await super().page(query, msgspec.structs.replace(span, backwards=False))
        return Page(forwards.events[::-1], page.through)


class ConditionWithoutTypes(MemoryStore):
    """A condition looks at tags alone."""

    def _check(self, condition: AppendCondition) -> None:
        items = tuple(QueryItem(tags=item.tags) if item.tags else item for item in condition.query.items)
        super()._check(AppendCondition(Query(items), condition.after))


class ConditionWithoutTags(MemoryStore):
    """A condition looks at types alone, where it names any."""

    def _check(self, condition: AppendCondition) -> None:
        items = tuple(QueryItem(item.types) if item.types else item for item in condition.query.items)
        super()._check(AppendCondition(Query(items), condition.after))


class ConditionOnAnyTag(MemoryStore):
    """A condition is content with one of several tags."""

    def _check(self, condition: AppendCondition) -> None:
        items = (
            tuple(QueryItem(item.types, (tag,)) for item in condition.query.items for tag in item.tags)
            or condition.query.items
        )
        super()._check(AppendCondition(Query(items), condition.after))


class ConditionOneTooLate(MemoryStore):
    """A condition does not see the first event beyond what was read."""

    def _check(self, condition: AppendCondition) -> None:
        super()._check(AppendCondition(condition.query, condition.after + 1))


class OnlyTheFirstCondition(MemoryStore):
    """Of several conditions one is checked."""

    async def append(self, events: Any, *, condition: Any = None, **options: Any) -> Receipt:
        """Drops the other conditions."""
        first = condition[:1] if isinstance(condition, tuple) else condition
        return await super().append(events, condition=first, **options)


class LostTag(MemoryStore):
    """The last of three tags is not indexed."""

    def _store(self, request: AppendRequest) -> Receipt:
        receipt = super()._store(request)
        for record in self._log[receipt.first - 1 :]:
            if len(record.tags) > 2:
                self._by_tag[record.tags[-1]].remove(record.position)
        return receipt


class Gap(MemoryStore):
    """A refused append uses a position up."""

    skipped = 0

    def _check(self, condition: AppendCondition) -> None:
        try:
            super()._check(condition)
        except BaseException:
            self.skipped += 1
            raise

    def _store(self, request: AppendRequest) -> Receipt:
        receipt = super()._store(request)
        return msgspec.structs.replace(receipt, position=receipt.position + self.skipped)


class StoredTwice(MemoryStore):
    """A repeat is stored again."""

    async def append(self, events: Any, *, append_id: str | None = None, **options: Any) -> Receipt:
        """Forgets the id."""
        if append_id is not None and events:
            self._appends.pop(append_id, None)
        return await super().append(events, append_id=append_id, **options)


class AnythingIsARepeat(MemoryStore):
    """A known id is answered whatever its content."""

    async def append(self, events: Any, *, append_id: str | None = None, **options: Any) -> Receipt:
        """Looks at the id alone."""
        known = self._appends.get(append_id or "")
        return known.receipt if known else await super().append(events, append_id=append_id, **options)


class RepeatHeldAgainstItsCondition(MemoryStore):
    """A repeat is refused for the very event that its first time stored."""

    async def append(self, events: Any, *, condition: Any = None, **options: Any) -> Receipt:
        """Checks conditions before it looks for the id."""
        for wanted in (condition,) if isinstance(condition, AppendCondition) else condition or ():
            self._check(wanted)
        return await super().append(events, condition=condition, **options)


class SkippedPageBoundary(MemoryStore):
    """A full page claims to have seen one position more than it did."""

    async def page(self, query: Query, span: Span) -> Page:
        """A page that reaches too far."""
        page = await super().page(query, span)
        full = not span.backwards and len(page.events) == span.limit
        return Page(page.events, min(page.through + 1, len(self._log))) if full else page


class StuckOverWhatDoesNotMatch(MemoryStore):
    """A page without a match does not move on."""

    async def page(self, query: Query, span: Span) -> Page:
        """A page that speaks up to its last event only."""
        page = await super().page(query, span)
        return page if page.events or span.backwards else Page([], span.after)


class ClockThatGoesBack(MemoryStore):
    """Times are taken from the clock as it is."""

    def _store(self, request: AppendRequest) -> Receipt:
        receipt, now = super()._store(request), to_microseconds(self._clock())
        for record, event in zip(self._log[receipt.first - 1 :], request.events, strict=True):
            self._log[record.position - 1] = placed(event, record.position, now)
        return receipt


class HalfAnAppend(MemoryStore):
    """A refused append leaves its first event behind when there are several conditions."""

    async def append(self, events: Sequence[Any], *, condition: Any = None, **options: Any) -> Receipt:
        """Stores before it has checked everything."""
        try:
            return await super().append(events, condition=condition, **options)
        except BaseException:
            if events and isinstance(condition, tuple):
                await super().append(events[:1])
            raise


RULES: tuple[type[MemoryStore], ...] = (
    AfterIncluded,
    UntilExcluded,
    BackwardsFromTheWrongEnd,
    ConditionWithoutTypes,
    ConditionWithoutTags,
    ConditionOnAnyTag,
    ConditionOneTooLate,
    OnlyTheFirstCondition,
    LostTag,
    Gap,
    StoredTwice,
    AnythingIsARepeat,
    RepeatHeldAgainstItsCondition,
    SkippedPageBoundary,
    StuckOverWhatDoesNotMatch,
    ClockThatGoesBack,
    HalfAnAppend,
)


def _blind_batch(batch: Any, condition: AppendCondition) -> int | None:
    """Conditions see what is committed, but not what the same commit is about to add."""
    found: int | None = batch._matches.get(id(condition))
    return found


def _forgetful_row(stored: Stored) -> tuple[Any, ...]:
    """Fingerprints are not stored."""
    return _append_row(Stored(stored.receipt, None))


_append_row = writing.append_row


def _sorted_forwards(columns: str, positions: list[int]) -> Any:
    """Merged pages come in the order of the log even backwards."""
    return _events_at(columns, sorted(positions))


_events_at = querying.events_at


def _without_tail(after: int, until: int, mark: int, *, backwards: bool = False) -> list[querying.Part]:
    """The newest entries of the tag index, which the file does not have yet, are not looked at."""
    return _parts(after, until, mark, backwards=backwards)[: 1 if after < mark else None]


_parts = querying.parts


def _backwards_in_the_wrong_order(after: int, until: int, mark: int, *, backwards: bool = False) -> list[querying.Part]:
    """Backwards, too, the older part of the log comes first."""
    return _parts(after, until, mark)


def _tail_ends_early(tail: tagging.Tail, mark: int, head: int) -> tagging.Span:
    """The last event is not entered."""
    return _cover(tail, mark, max(mark, head - 1))


_cover = tagging.Tail.cover


def _moved_by_half(mover: Any, move: tagging.Move, count: int) -> tagging.Move | None:
    """The mark moves although entries are left."""
    left = _moved(mover, move, count)
    if left is not None:
        tagging.put_mark(mover._connection, move.goal)
    return None


_moved = tagging.Mover._moved


def _payloads_changed(select: querying.Select) -> querying.Select:
    """A packed payload is not what was stored, to the byte."""
    sql = _packed(select).sql
    return querying.Select(sql.replace("group_concat(data,", "group_concat(data || ' ',"), select.parameters)


_packed = querying.packed


def _first_branch(query: Query, part: querying.Part, limit: int, *, backwards: bool = False) -> Iterable[Any]:
    """Of the statements of a wide query the first is asked."""
    return _position_selects(query, part, limit, backwards=backwards)[:1]


_position_selects = querying.position_selects


def _many_streams_undeduplicated(*arguments: Any) -> tuple[str, Any]:
    """An event that carries several of the tags asked for comes once for each."""
    sql, parameters = _many_streams_branch(*arguments)
    return sql.replace("DISTINCT ", ""), parameters


_many_streams_branch = querying._many_streams_branch

STATEMENTS: dict[str, tuple[Any, str, Any]] = {
    "a condition is blind to its own commit": (writing.Batch, "_first_beyond", _blind_batch),
    "fingerprints are forgotten": (writing, "append_row", _forgetful_row),
    "merged pages backwards come forwards": (paging, "events_at", _sorted_forwards),
    "the newest tags are not looked at": (paging, "parts", _without_tail),
    "two parts backwards come forwards": (paging, "parts", _backwards_in_the_wrong_order),
    "the last event is not entered": (tagging.Tail, "cover", _tail_ends_early),
    "the mark moves too early": (tagging.Mover, "_moved", _moved_by_half),
    "packed payloads are changed": (paging, "packed", _payloads_changed),
    "streams read together lack the newest": (gathering, "parts", _without_tail),
    "streams read together exceed the limit": (paging.Columns, "trim", lambda columns, limit: None),
    "a wide query is asked in part": (paging, "position_selects", _first_branch),
    "an event of several streams comes for each": (querying, "_many_streams_branch", _many_streams_undeduplicated),
}
