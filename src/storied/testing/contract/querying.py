"""Facts about queries: every shape finds exactly what it asks for, each event once, in order."""

from __future__ import annotations

import random
from collections.abc import Sequence
from pathlib import Path

import pytest

from storied.domain.events import Event
from storied.errors import Conflict
from storied.store.port import EventStore
from storied.store.query import AppendCondition, Query, QueryItem
from storied.testing.contract.opening import OpensStores
from storied.testing.contract.specimens import event, positions, stored


class Renamed(Event, formerly=("OldName", "OlderName")):
    """An event class that was stored under other names before."""


async def tell(store: EventStore) -> None:
    """The history that the facts below ask about."""
    await store.append([event("Opened", "account:a"), event("Opened", "account:b", "owner:o")])
    await store.append([event("Paid", "account:a", "account:b"), event("Noted"), event("Paid", "account:a")])
    await store.append([event("Closed", "account:b", "owner:o"), event("Closed", "account:a", "owner:o")])


SHAPES: dict[str, tuple[Query, list[int]]] = {
    "every event": (Query(), [1, 2, 3, 4, 5, 6, 7]),
    "one type": (Query.of(types=["Paid"]), [3, 5]),
    "a type without tags": (Query.of(types=["Noted"]), [4]),
    "several types": (Query.of(types=["Opened", "Closed"]), [1, 2, 6, 7]),
    "one tag": (Query.of(tags=["account:a"]), [1, 3, 5, 7]),
    "several tags": (Query.of(tags=["account:b", "owner:o"]), [2, 6]),
    "a type and a tag": (Query.of(types=["Paid"], tags=["account:b"]), [3]),
    "types and tags": (Query.of(types=["Opened", "Closed"], tags=["account:a", "owner:o"]), [7]),
    "two tagged items": (Query.of(tags=["owner:o"]) | Query.of(tags=["account:a"]), [1, 2, 3, 5, 6, 7]),
    "two typed items": (Query.of(types=["Noted"]) | Query.of(types=["Paid"]), [3, 4, 5]),
    "a typed and a tagged item": (Query.of(types=["Noted"]) | Query.of(tags=["owner:o"]), [2, 4, 6, 7]),
    "items that overlap": (
        Query.of(tags=["account:a"]) | Query.of(types=["Paid"]) | Query.of(tags=["account:b"], types=["Paid"]),
        [1, 3, 5, 7],
    ),
    "an item with every event": (Query.of(types=["Paid"]) | Query(), [1, 2, 3, 4, 5, 6, 7]),
    "a type named twice": (Query((QueryItem(types=("Paid", "Paid")),)), [3, 5]),
    "a tag named twice": (Query((QueryItem(tags=("owner:o", "owner:o")),)), [2, 6, 7]),
    "an item named twice": (Query((QueryItem(tags=("owner:o",)), QueryItem(tags=("owner:o",)))), [2, 6, 7]),
    "four streams, some events in several": (
        Query(tuple(QueryItem(tags=(tag,)) for tag in ("account:a", "account:b", "account:c", "owner:o"))),
        [1, 2, 3, 5, 6, 7],
    ),
    "types in any order": (Query((QueryItem(types=("Paid", "Closed"), tags=("owner:o", "account:b")),)), [6]),
    "an unknown type": (Query.of(types=["Never"]), []),
    "an unknown tag": (Query.of(tags=["account:z"]), []),
    "a known type with an unknown tag": (Query.of(types=["Paid"], tags=["account:z"]), []),
    "a known and an unknown tag": (Query.of(tags=["account:a", "account:z"]), []),
    "an unknown type beside a known one": (Query.of(types=["Never", "Noted"]), [4]),
    "a tag that begins alike": (Query.of(tags=["account:aa"]) | Query.of(tags=["owner:oo"]), []),
}

ODD_TAGS = [
    "order:1",
    "order:10",
    "order:1 ",
    "Order:1",
    "order:%",
    "order:_",
    "order:*",
    "order:'; DROP TABLE event; --",
    'order:"quoted"',
    "order:back\\slash",
    "order:a:b:c",
    "order:ünï·çødé",
    "order:e\u0301",
    "order:\u00e9",
    "order:日本語",
    "order:🦊",
    "order:[1,2]",
    "order:" + "x" * 250,
]


class QueryFacts(OpensStores):
    """What a query finds."""

    @pytest.mark.parametrize("shape", SHAPES)
    async def test_a_query_finds_what_it_asks_for(self, tmp_path: Path, shape: str) -> None:
        """Types are alternatives, tags are demanded together, items are alternatives; each event comes once."""
        async with self.open_store(tmp_path) as store:
            await tell(store)
            query, expected = SHAPES[shape]
            assert positions(await stored(store, query)) == expected

    @pytest.mark.parametrize("shape", SHAPES)
    async def test_a_query_backwards_finds_the_same_from_the_last(self, tmp_path: Path, shape: str) -> None:
        """Backwards is the same list reversed."""
        async with self.open_store(tmp_path) as store:
            await tell(store)
            query, expected = SHAPES[shape]
            assert positions(await store.read(query, backwards=True).list()) == expected[::-1]

    @pytest.mark.parametrize("tag", ODD_TAGS)
    async def test_a_tag_is_compared_character_by_character(self, tmp_path: Path, tag: str) -> None:
        """No prefix, wildcard, letter case, quoting or normal form of Unicode makes two tags one."""
        async with self.open_store(tmp_path) as store:
            await store.append([event("Noted", odd) for odd in ODD_TAGS])
            assert positions(await stored(store, Query.of(tags=[tag]))) == [ODD_TAGS.index(tag) + 1]

    @pytest.mark.parametrize("type", ["Paid", "paid", "Pai", "Pa%d", "P_id", "Bezahlt-für", "支払い", "Paid v2"])
    async def test_a_type_is_compared_character_by_character(self, tmp_path: Path, type: str) -> None:
        """Type names are told apart as exactly as tags are."""
        names = ["Paid", "paid", "Pai", "Pa%d", "P_id", "Bezahlt-für", "支払い", "Paid v2"]
        async with self.open_store(tmp_path) as store:
            await store.append([event(name) for name in names])
            assert positions(await stored(store, Query.of(types=[type]))) == [names.index(type) + 1]

    async def test_a_class_asks_for_its_former_names_too(self, tmp_path: Path) -> None:
        """Events stored before a class was renamed are found by the class."""
        async with self.open_store(tmp_path) as store:
            await store.append([event(name) for name in ("OlderName", "Other", "OldName", "Renamed")])
            assert positions(await stored(store, Query.of(types=[Renamed]))) == [1, 3, 4]

    async def test_an_event_is_in_the_stream_of_each_of_its_tags(self, tmp_path: Path) -> None:
        """A hundred tags on one event find it a hundred ways."""
        tags = [f"part:{n}" for n in range(100)]
        async with self.open_store(tmp_path) as store:
            await store.append([event(), event("Assembled", *tags), event()])
            found = [positions(await stored(store, Query.of(tags=[tag]))) for tag in tags]
            assert found == [[2]] * 100

    async def test_many_tags_may_be_demanded_together(self, tmp_path: Path) -> None:
        """An item of fifty tags finds the one event that carries them all."""
        tags = [f"part:{n}" for n in range(50)]
        async with self.open_store(tmp_path) as store:
            await store.append(
                [event("Assembled", *tags[:49]), event("Assembled", *tags), event("Assembled", *tags[1:])]
            )
            assert positions(await stored(store, Query.of(tags=tags))) == [2]

    async def test_a_query_of_thousands_of_items_is_answered(self, tmp_path: Path) -> None:
        """2,000 streams are read at once, in the order of the log."""
        items = tuple(QueryItem(("Noted",) if n % 2 else (), (f"thing:{n}",)) for n in range(2000))
        async with self.open_store(tmp_path) as store:
            order = random.Random(7).sample(range(4000), 1500)  # noqa: S311 - no secret
            await store.append([event("Noted", f"thing:{n}") for n in order])
            expected = [at for at, n in enumerate(order, 1) if n < 2000]
            assert positions(await stored(store, Query(items))) == expected

    @pytest.mark.parametrize("count", [16, 17, 18, 100, 1000])
    @pytest.mark.parametrize("types", [(), ("Paid",)])
    async def test_an_item_may_ask_for_as_many_tags_as_an_event_can_carry(
        self, tmp_path: Path, types: tuple[str, ...], count: int
    ) -> None:
        """All of them have to be there; the event that lacks one is not found, and is no conflict."""
        tags = [f"a:{number}" for number in range(count)]
        query = Query.of(types=types, tags=tags)
        async with self.open_store(tmp_path) as store:
            await store.append([event("Paid", *tags[:-1]), event("Paid", *tags), event("Paid", *tags[1:])])
            assert positions(await store.read(query).list()) == [2]
            await store.append([event("Paid", "a:0")], condition=AppendCondition(query, after=2))
            with pytest.raises(Conflict):
                await store.append([event("Paid", "a:0")], condition=AppendCondition(query, after=1))

    @pytest.mark.parametrize("seed", range(4))
    async def test_any_query_over_any_stretch_agrees_with_its_definition(self, tmp_path: Path, seed: int) -> None:
        """Random queries over random stretches of a random history give what `Query.matches` says, event by event."""
        chance = random.Random(seed)  # noqa: S311 - no secret
        history = [(chance.choice("ABCD"), _some(chance, TAGS)) for _ in range(120)]
        async with self.open_store(tmp_path) as store:
            await store.append([event(type, *tags) for type, tags in history])
            for _ in range(60):
                query = _any_query(chance)
                after, until = chance.randrange(0, 130), chance.choice([None, chance.randrange(0, 130)])
                limit, backwards = chance.choice([None, chance.randrange(0, 9)]), chance.random() < 0.5
                expected = [
                    at
                    for at, (type, tags) in enumerate(history, 1)
                    if after < at <= (130 if until is None else until) and query.matches(type, tags)
                ]
                expected = expected[::-1] if backwards else expected
                found = await store.read(query, after=after, until=until, limit=limit, backwards=backwards).list()
                assert positions(found) == expected[:limit], (query, after, until, limit, backwards)


TAGS = ["a:1", "a:2", "b:1", "b:2", "c:1"]


def _some(chance: random.Random, among: Sequence[str]) -> list[str]:
    return chance.sample(among, chance.randrange(0, 4))


def _any_query(chance: random.Random) -> Query:
    query = Query.of(types=_some(chance, "ABCDE"), tags=_some(chance, TAGS))
    for _ in range(chance.randrange(0, 4)):
        query |= Query.of(types=_some(chance, "ABCDE"), tags=chance.sample(TAGS, chance.randrange(1, 3)))
    return query
