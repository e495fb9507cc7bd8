"""Loading: the entities a decision needs, and the append condition that says what it was based on."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

import msgspec

from storied.domain.commands import Loaded
from storied.domain.entities import Entity, EntitySpec
from storied.store.folding import fold_of, new_entity
from storied.store.moments import Moment
from storied.store.port import EventStore
from storied.store.query import AppendCondition, Query, QueryItem
from storied.store.records import Recorded

EntityKey = tuple[EntitySpec, str | None]


class Basis(msgspec.Struct, frozen=True):
    """What a decision is based on: entities by parameter, and the condition that nothing of it has changed."""

    entities: dict[str, list[Entity]]
    condition: AppendCondition | None
    position: int


def entity_item(spec: EntitySpec, entity_id: str | None) -> QueryItem:
    """The events that make up the entity: its stream, of the types it handles."""
    return QueryItem(tuple(sorted(spec.types())), spec.tags(entity_id))


def boundary_items(boundary: Iterable[Loaded]) -> tuple[QueryItem, ...]:
    """The events that the boundary's entities are made of, an item for each entity."""
    return tuple(dict.fromkeys(entity_item(loaded.spec, loaded.entity_id) for loaded in boundary))


async def load(store: EventStore, boundary: Sequence[Loaded]) -> Basis:
    """The entities of the boundary as of one moment, and the condition under which they are still true.

    One that is named twice is loaded once, and both parameters get the same object.
    """
    wanted = {(loaded.spec, loaded.entity_id): new_entity(loaded.spec, loaded.entity_id) for loaded in boundary}
    if not wanted:
        return Basis({}, None, 0)
    query = Query(boundary_items(boundary))
    position = 0
    async for page in store.read(query).pages():
        for (spec, entity_id), entity in wanted.items():
            fold_of(spec).apply(entity, _own(page.events, spec, entity_id, alone=len(wanted) == 1))
        position = page.through
    entities: dict[str, list[Entity]] = {}
    for loaded in boundary:
        entities.setdefault(loaded.parameter, []).append(wanted[loaded.spec, loaded.entity_id])
    return Basis(entities, AppendCondition(query, position), position)


async def load_at(store: EventStore, spec: EntitySpec, entity_id: str | None, moment: Moment | None) -> Entity:
    """The entity as it was at the moment, or as it is now."""
    entity = new_entity(spec, entity_id)
    query = Query((entity_item(spec, entity_id),))
    async for page in store.read(query, until=moment.position if moment else None).pages():
        fold_of(spec).apply(entity, moment.keeps(page.events) if moment else page.events)
    return entity


def _own(records: list[Recorded], spec: EntitySpec, entity_id: str | None, *, alone: bool) -> Iterable[Recorded]:
    """The records of the entity's own stream among those of several."""
    tags = spec.tags(entity_id)
    if alone or not tags:
        return records
    return [record for record in records if tags[0] in record.tags]
