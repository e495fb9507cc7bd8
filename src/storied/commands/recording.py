"""Recording: facts that nobody decides here, because they have happened already."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime

import msgspec

from storied.domain.events import Event
from storied.store.codec import encode, metadata_text
from storied.store.port import EventStore
from storied.store.records import Metadata, NewEvent, Receipt


class Fact(msgspec.Struct, frozen=True):
    """An event with when it occurred and, if it differs from the others', by whom."""

    event: Event
    occurred_at: datetime | None = None
    actor: str | None = None


async def record_facts(
    store: EventStore,
    facts: Sequence[Event | Fact],
    *,
    actor: str | None,
    append_id: str | None,
    correlation: str | None,
    headers: Mapping[str, str],
) -> Receipt:
    """The receipt of the facts, stored in the order given, all or none."""

    def new(fact: Event | Fact) -> NewEvent:
        given = fact if isinstance(fact, Fact) else Fact(fact)
        metadata = Metadata(
            actor=given.actor or actor, correlation=correlation, occurred_at=given.occurred_at, headers=dict(headers)
        )
        return encode(given.event, metadata_text(metadata))

    return await store.append([new(fact) for fact in facts], append_id=append_id)
