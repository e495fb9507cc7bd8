"""Loading: the entities a decision needs, and the append conditions that say what it was based on.

What is kept in memory is not read at all; what is in doubt is brought up to date; a long stream starts from its
snapshot. Whichever way, the conditions say up to where each entity is known, and the store refuses what came too late.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from functools import lru_cache

import msgspec

from storied.commands.keeping import CAPACITY, EntityKey, Keeper, Kept, thawed
from storied.commands.snapshotting import Snapshotter
from storied.domain.commands import Loaded
from storied.domain.entities import Entity, EntitySpec
from storied.store.folding import fold_of, fold_page, folded, new_entity
from storied.store.moments import Moment
from storied.store.port import EventStore
from storied.store.query import AppendCondition, Query, QueryItem
from storied.store.reading import PAGE, Span

FIRST_PAGE = 256
"""Events read before a snapshot is looked for: most streams are shorter, and need none."""


class Basis(msgspec.Struct, frozen=True, gc=False):
    """What a decision is based on: entities by parameter, and the conditions that nothing of it has changed."""

    entities: dict[str, list[Entity]]
    conditions: tuple[AppendCondition, ...]
    position: int
    kept: dict[EntityKey, Kept | None]
    """The same entities as nobody has touched them, where they could be kept."""
    warm: bool
    """Whether any of them was taken as it was kept, without asking the store."""


class _Known:
    """An entity while it is loaded: as it is after every event up to `position`."""

    __slots__ = ("entity", "position", "sure")

    def __init__(self, entity: Entity, position: int, sure: bool) -> None:
        self.entity, self.position, self.sure = entity, position, sure


@lru_cache(CAPACITY)
def entity_item(spec: EntitySpec, entity_id: str | None) -> QueryItem:
    """The events that make up the entity: its stream, of the types it handles."""
    return QueryItem(spec.types(), spec.tags(entity_id))


@lru_cache(CAPACITY)
def entity_query(spec: EntitySpec, entity_id: str | None) -> Query:
    """The same as a query."""
    return Query((entity_item(spec, entity_id),))


def boundary_items(boundary: Iterable[Loaded]) -> tuple[QueryItem, ...]:
    """The events that the boundary's entities are made of, an item for each entity."""
    return tuple(dict.fromkeys(entity_item(loaded.spec, loaded.entity_id) for loaded in boundary))


class Loader:
    """Loads entities from one store."""

    def __init__(self, store: EventStore, keeper: Keeper, snapshotter: Snapshotter) -> None:
        self._store, self._keeper, self._snapshotter = store, keeper, snapshotter

    def at_hand(self, boundary: Sequence[Loaded]) -> Basis | None:
        """What `load` gives, for a boundary of one entity that is kept and not in doubt; None for any other."""
        if len(boundary) != 1:
            return None
        loaded = boundary[0]
        key = loaded.spec, loaded.entity_id
        kept = self._keeper.find(key)
        if kept is None or not kept.sure:
            return None
        entities = {loaded.parameter: [thawed(loaded.spec.cls, kept.state)]}
        condition = AppendCondition(entity_query(*key), kept.position)
        return Basis(entities, (condition,), kept.position, {key: kept}, warm=True)

    async def load(self, boundary: Sequence[Loaded]) -> Basis:
        """The entities of the boundary, and the conditions under which they are still true.

        One that is named twice is loaded once, and both parameters get the same object.
        """
        keys = dict.fromkeys((loaded.spec, loaded.entity_id) for loaded in boundary)
        kept = {key: self._keeper.find(key) for key in keys}
        known = {key: _known(key, kept[key]) for key in keys}
        unsure = {key: one for key, one in known.items() if not one.sure}
        if len(unsure) == 1:
            [(key, one)] = unsure.items()
            await self._read_one(key, one)
        elif unsure:
            await self._read_several(unsure)
        for key, one in unsure.items():
            kept[key] = self._keeper.keep(key, one.entity, one.position)
        entities: dict[str, list[Entity]] = {}
        for loaded in boundary:
            entities.setdefault(loaded.parameter, []).append(known[loaded.spec, loaded.entity_id].entity)
        position = max((one.position for one in known.values()), default=0)
        return Basis(entities, _conditions(known), position, kept, warm=len(unsure) < len(known))

    async def current(self, spec: EntitySpec, entity_id: str | None) -> Entity:
        """The entity as it is now, read from the log (and its snapshot), whatever is kept."""
        one = _Known(new_entity(spec, entity_id), 0, sure=False)
        await self._read_one((spec, entity_id), one)
        return one.entity

    async def _read_one(self, key: EntityKey, one: _Known) -> None:
        spec, entity_id = key
        fold, query, begins = fold_of(spec), entity_query(spec, entity_id), one.position == 0
        first = Span(one.position, limit=FIRST_PAGE if begins else PAGE)
        one.position, full = await fold_page(fold, one.entity, self._store, query, first)
        if not full:
            return
        if not begins:
            async for _, through in folded(fold, one.entity, self._store.read(query, after=one.position)):
                one.position = through
            return
        one.entity, one.position = await self._snapshotter.load(spec, entity_id, one.entity, one.position)

    async def _read_several(self, several: dict[EntityKey, _Known]) -> None:
        items = tuple(dict.fromkeys(entity_item(spec, entity_id) for spec, entity_id in several))
        after = min(one.position for one in several.values())
        through = after
        async for page in self._store.read(Query(items), after=after).pages():
            for (spec, entity_id), one in several.items():
                tags, known = spec.tags(entity_id), one.position
                own = [r for r in page.events if r.position > known and (not tags or tags[0] in r.tags)]
                fold_of(spec).apply(one.entity, own)
            through = page.through
        for one in several.values():
            one.position = max(one.position, through)


async def load_at(store: EventStore, spec: EntitySpec, entity_id: str | None, moment: Moment) -> Entity:
    """The entity as it was at the moment."""
    entity, fold = new_entity(spec, entity_id), fold_of(spec)
    async for page in store.read(entity_query(spec, entity_id), until=moment.position).pages():
        fold.apply(entity, moment.keeps(page.events))
    return entity


def _known(key: EntityKey, kept: Kept | None) -> _Known:
    spec, entity_id = key
    if kept is None:
        return _Known(new_entity(spec, entity_id), 0, sure=False)
    return _Known(thawed(spec.cls, kept.state), kept.position, kept.sure)


def _conditions(known: dict[EntityKey, _Known]) -> tuple[AppendCondition, ...]:
    """One condition for the entities known up to the same position."""
    by_position: dict[int, list[QueryItem]] = {}
    for (spec, entity_id), one in known.items():
        by_position.setdefault(one.position, []).append(entity_item(spec, entity_id))
    return tuple(AppendCondition(Query(tuple(dict.fromkeys(i))), position) for position, i in by_position.items())
