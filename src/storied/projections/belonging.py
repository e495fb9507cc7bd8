"""Belonging: which documents that are held back matter to a question.

What such a document would be like by now, nobody can tell. To those who may see only documents that are like something
it matters when it was like that, and also when the events that it has not taken name what it would have to be like: it
may be theirs by now. Then they are told at which event it stopped, but not which document it is.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from typing import Any

import msgspec

from storied.domain.views import View
from storied.errors import StoreError, ViewFailed
from storied.projections.asking import criteria_of
from storied.projections.past import stream_query
from storied.projections.projector import Projector
from storied.projections.standings import LogOf
from storied.store.documents import Criterion, Parked, ReadModels
from storied.store.ordering import Scalar, sort_key
from storied.store.records import Recorded

MOST_DOCUMENTS = 20
"""Documents whose events are looked at for one question; what more are held back may belong to it."""
MOST_EVENTS = 256
"""Events of one document that are looked at; with more of them it may belong to the question."""
_AS_WRITTEN = {"text", "number", "enum", "date"}
"""The forms of index values that stand in a payload as they are."""


class Held(msgspec.Struct, frozen=True):
    """What is held back: the documents that are known to matter, and where the first stopped that may matter."""

    known: tuple[Parked, ...] = ()
    first: int | None = None


async def held_of(
    projector: Projector, wanted: Mapping[str, Any], log: LogOf, documents: ReadModels, parked: Iterable[Parked]
) -> Held:
    """What of the *parked* matters to who sees only documents that are like *wanted*; everything, if that is empty."""
    parked = list(parked)
    if not wanted:
        return Held(tuple(parked), min((one.position for one in parked), default=None))
    known: list[Parked] = []
    maybe: list[Parked] = []
    for one in parked:
        document = as_it_was(projector, (await documents.get(projector.table, one.key))[0])
        missing = list(not_met(projector, wanted, one.key, document))
        if document is not None and not missing:
            known.append(one)
        elif len(maybe) >= MOST_DOCUMENTS or await may_meet(projector, missing, log, one.key, one.position):
            maybe.append(one)
    return Held(tuple(known), min((one.position for one in (*known, *maybe)), default=None))


def as_it_was(projector: Projector, text: str | bytes | None) -> View | None:
    """The document; None without one, and where it still has another shape: what it is like cannot be told."""
    try:
        return None if text is None else projector.decoder.decode(text)
    except msgspec.ValidationError:
        return None


def not_met(projector: Projector, wanted: Mapping[str, Any], key: str, document: View | None) -> Iterator[Criterion]:
    """The criteria that the document does not meet; none is met by one that is not there, but that of its key."""
    for criterion in criteria_of(projector, wanted, projector.spec.key):
        if criterion.field == projector.spec.key:
            value: Scalar = key
        elif document is None:
            yield criterion
            continue
        else:
            value = sort_key(getattr(document, criterion.field))
        if not criterion.holds(value):
            yield criterion


async def may_meet(projector: Projector, missing: Iterable[Criterion], log: LogOf, key: str, stopped: int) -> bool:
    """Whether the document may meet the criteria once it has taken the events that it *stopped* at, and all since.

    It may where they name the values, whatever the field, and where they cannot be looked at.
    """
    missing = list(missing)
    if any(one.field == projector.spec.key for one in missing):
        return False  # no event changes that
    forms = dict(projector.table.forms)
    open_ends = [one.value is None or one.operator != "=" or forms.get(one.field) not in _AS_WRITTEN for one in missing]
    if not missing or all(open_ends):
        return True
    named: set[str] = set()
    try:
        found = await _events_of(projector, log, key, stopped)
        for record in found or ():
            named.update(_scalars(msgspec.json.decode(record.data)))
    except (StoreError, ViewFailed, msgspec.DecodeError):
        return True
    return found is None or all(
        is_open or _written(one.value) in named for one, is_open in zip(missing, open_ends, strict=True)
    )


async def _events_of(projector: Projector, log: LogOf, key: str, stopped: int) -> list[Recorded] | None:
    """The events that the document has not taken; None where they are too many. Raises as reading them does."""
    query = stream_query(projector, key)
    reading = (await log()).read(query or projector.query, after=stopped - 1)
    async for page in reading.pages(MOST_EVENTS):
        if len(page.events) >= MOST_EVENTS:
            return None
        if query is not None:
            return list(page.events)
        steps = projector.plan(page.events)
        positions = {step.record.position for step in steps if key in step.keys or step.route.where}
        return [record for record in page.events if record.position in positions]
    return []


def _scalars(payload: Any) -> Iterator[str]:
    """Everything that stands in a payload, names too, as text."""
    if isinstance(payload, dict):
        for name, inner in payload.items():
            yield name
            yield from _scalars(inner)
    elif isinstance(payload, list):
        for inner in payload:
            yield from _scalars(inner)
    else:
        yield _written(payload)


def _written(value: Any) -> str:
    """A scalar as text, the same for numbers that are equal."""
    if isinstance(value, bool) or (isinstance(value, float) and value.is_integer()):
        value = int(value)
    return str(value)
