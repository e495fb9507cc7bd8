"""Events of every shape and name in one log: entities, views, queries and the check read them with today's classes."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest

from storied.domain.events import Event, event_spec, upcast
from storied.engines.memory.store import MemoryStore
from storied.errors import DecodeError
from storied.opened import OpenApp
from storied.operating.checking import Checked, check_events
from storied.store.codec import EventTypes, new_event
from storied.store.query import Query
from storied.store.records import CHECKED, NewEvent
from storied.testing import given
from tests.schema_evolution.small import (
    Country,
    Customer,
    CustomerMoved,
    CustomerRegistered,
    Move,
    add_country,
    app,
    split_name,
)

HISTORY = [
    new_event("SignedUp", {"customer": "c-1", "name": "Ada King Lovelace"}, version=1, tags=("customer:c-1",)),
    new_event("SignedUp", {"customer": "c-2", "first": "Max", "last": "Frisch"}, version=2, tags=("customer:c-2",)),
    new_event("Heard", {"of": "nobody"}),
    new_event(
        "CustomerRegistered",
        {"customer": "c-3", "first": "Emmy", "last": "Noether", "country": "DE"},
        version=3,
        tags=("customer:c-3",),
    ),
    new_event("CustomerMoved", {"customer": "c-2", "country": "DE"}, tags=("customer:c-2",)),
]


@asynccontextmanager
async def opened(tmp_path: Path, *more: NewEvent) -> AsyncIterator[OpenApp]:
    """The app on a store with the history, and more."""
    async with app.open(f"sqlite:///{tmp_path}/small.db") as small:
        await small.store.append(HISTORY)
        for event in more:
            await small.store.append([event])
        yield small


async def checked(events: list[NewEvent], *classes: type[Event]) -> Checked:
    """What the check says of these events with these classes."""
    store = MemoryStore()
    if events:
        await store.append(events)
    return await check_events(store, EventTypes(classes))


async def test_an_entity_folds_every_shape(tmp_path: Path) -> None:
    """Whatever its version and its name; decisions rest on it."""
    async with opened(tmp_path) as small:
        found = [await small.state(Customer, f"c-{number}") for number in (1, 2, 3)]
        assert [(c.name, c.country) for c in found] == [
            ("Ada King Lovelace", "CH"),
            ("Max Frisch", "DE"),
            ("Emmy Noether", "DE"),
        ]
        assert (await small.execute(Move(customer="c-1", country="CH"))).count == 0
        assert (await small.execute(Move(customer="c-1", country="UK"))).count == 1
        assert (await small.state(Customer, "c-1")).country == "UK"


async def test_a_view_folds_every_shape(tmp_path: Path) -> None:
    """Its documents are found by keys that an upcaster made; so is their past."""
    async with opened(tmp_path) as small:
        swiss = await small.get(Country, "CH", after=5)
        german = await small.get(Country, "DE", after=5)
        assert swiss is not None
        assert german is not None
        assert (swiss.customers, german.customers) == (["Lovelace", "Frisch"], ["Noether"])
        before = await small.get(Country, "CH", at=1)
        assert before is not None
        assert before.customers == ["Lovelace"]
        assert await small.get(Country, "DE", at=3) is None


async def test_a_query_for_the_class_finds_the_former_name(tmp_path: Path) -> None:
    """With the tags that were stored then; the record keeps its own name."""
    async with opened(tmp_path) as small:
        records = await small.store.read(Query.of(types=[CustomerRegistered], tags=["customer:c-2"])).list()
        every = await small.store.read(Query.of(types=[CustomerRegistered])).list()
        history = [small.decode(record) async for record in small.history("customer:c-2")]
    assert [(record.position, record.type) for record in records] == [(2, "SignedUp")]
    assert [record.position for record in every] == [1, 2, 4]
    assert history == [
        CustomerRegistered(customer="c-2", first="Max", last="Frisch", country="CH"),
        CustomerMoved(customer="c-2", country="DE"),
    ]


async def test_a_condition_sees_the_former_name(tmp_path: Path) -> None:
    """What was decided on is every event of the class, whatever it was called."""
    async with opened(tmp_path) as small:
        late = new_event("SignedUp", {"customer": "c-9", "name": "A B"}, version=1, tags=("customer:c-9",))
        await small.store.append([late])
        assert (await small.state(Customer, "c-9")).name == "A B"
        assert (await small.execute(Move(customer="c-9", country="CH"))).count == 0


def test_scenarios_speak_of_today() -> None:
    """A test of a decision knows no version."""
    ada = CustomerRegistered(customer="c-1", first="Ada", last="Lovelace", country="CH")
    given(ada).when(Move(customer="c-1", country="UK")).then(CustomerMoved(customer="c-1", country="UK"))


async def test_the_check_counts_each_shape(tmp_path: Path) -> None:
    """By name and version, as they are stored; what has no class stands apart."""
    async with opened(tmp_path, HISTORY[0], HISTORY[2]) as small:
        found = await check_events(small.store, app.event_types())
    assert [(s.type, s.version, s.known, s.events, s.first, s.failed) for s in found.shapes] == [
        ("CustomerMoved", 1, True, 1, 5, 0),
        ("CustomerRegistered", 3, True, 1, 4, 0),
        ("Heard", 1, False, 2, 3, 0),
        ("SignedUp", 1, True, 2, 1, 0),
        ("SignedUp", 2, True, 1, 2, 0),
    ]
    assert (found.ok, found.first, found.events, found.unknown, found.head) == (True, None, 7, 2, 7)


async def test_a_check_can_begin_behind_a_position(tmp_path: Path) -> None:
    """What was checked before the last deploy need not be checked again with the same upcasters."""
    async with opened(tmp_path) as small:
        found = await check_events(small.store, app.event_types(), after=3)
    assert (found.events, found.head) == (2, 5)


async def test_an_empty_store_passes() -> None:
    """There is nothing that could fail."""
    found = await checked([])
    assert (found.ok, found.shapes, found.head) == (True, (), 0)


async def test_progress_is_told() -> None:
    """Up to the head."""
    store, told = MemoryStore(), []
    for _ in range(100):
        await store.append(HISTORY)
    await check_events(store, app.event_types(), lambda *news: told.append(news))
    assert told[-1] == ("events", 500, 500)
    assert [done for _, done, _ in told] == sorted({done for _, done, _ in told})


class Paid(Event, version=3):
    order: str
    amount: int


def paid(version: int, **payload: Any) -> NewEvent:
    """A stored payment of that version."""
    return new_event("Paid", {"order": "o-1", **payload}, version=version)


def failing(payload: Any) -> Any:
    """An upcaster that finds its payload wanting."""
    return {"order": payload["order"], "amount": payload["cents"] // 0}


async def not_awaited(payload: Any) -> Any:
    """An upcaster that forgets it is none."""
    return payload


RUBBISH: dict[str, Any] = {
    "nothing": lambda payload: None,
    "a list": lambda payload: [payload],
    "text": lambda payload: "rubbish",
    "an object": lambda payload: object(),
    "a set in a field": lambda payload: {"order": {1}, "amount": 1},
    "a wrong type": lambda payload: {"order": "o-1", "amount": "many"},
    "a field missing": lambda payload: {"order": "o-1"},
    "a recursion": lambda payload: payload.update(amount=payload) or payload,
    "a class": lambda payload: dict,
    "keys that are no text": lambda payload: {1: 2},
    "no number": lambda payload: {"order": "o-1", "amount": float("nan")},
}


@pytest.fixture
def upcasters(monkeypatch: pytest.MonkeyPatch) -> dict[int, Any]:
    """The upcasters of `Paid`, which a test may fill."""
    mine: dict[int, Any] = {}
    monkeypatch.setattr(event_spec(Paid), "upcasters", mine)
    return mine


@pytest.mark.parametrize("rubbish", RUBBISH.values(), ids=RUBBISH)
@pytest.mark.parametrize("last", [False, True])
async def test_an_upcaster_that_returns_rubbish_fails_the_check(
    upcasters: dict[int, Any], rubbish: Any, last: bool
) -> None:
    """In the middle of the chain or at its end: the position is named, and no other error comes out."""
    upcasters.update({1: dict, 2: rubbish} if last else {1: rubbish, 2: dict})
    found = await checked([new_event("Heard", {}), paid(3, amount=1), paid(2, amount=2), paid(1)], Paid)
    failed = {shape.version: shape.failed for shape in found.shapes if shape.known}
    assert failed == {1: 1, 2: int(last), 3: 0}
    assert found.first is not None
    assert found.first.position == (3 if last else 4)
    assert "does not fit today's code" in str(found.first)


async def test_an_asynchronous_upcaster_fails_the_check(upcasters: dict[int, Any]) -> None:
    """It gives a coroutine, which is no payload."""
    upcasters.update({2: not_awaited})
    with pytest.warns(RuntimeWarning, match="never awaited"):
        found = await checked([paid(2, amount=1)], Paid)
    assert found.failed == 1


async def test_missing_and_failing_upcasters_and_newer_versions_are_told_apart(upcasters: dict[int, Any]) -> None:
    """For each shape: how many fail, where the first is, and why."""
    upcasters[2] = failing
    events = [paid(3, amount=1), paid(1), paid(2, cents=5), paid(2), paid(4), paid(1), paid(4)]
    found = await checked(events, Paid)
    assert [(s.version, s.events, s.failed, s.error.position if s.error else 0) for s in found.shapes] == [
        (1, 2, 2, 2),
        (2, 2, 2, 3),
        (3, 1, 0, 0),
        (4, 2, 2, 5),
    ]
    reasons = [shape.error.reason for shape in found.shapes if shape.error]
    assert reasons[0] == "no upcaster from version 1 to 2"
    assert reasons[1].startswith("the upcaster from version 2 raised ZeroDivisionError")
    assert reasons[2].startswith("this code knows Paid up to version 3 only")
    assert (found.failed, found.first) == (6, found.shapes[0].error)


async def test_a_payload_that_is_no_json_fails_the_check(upcasters: dict[int, Any]) -> None:
    """Such as another program may have written; of today's version, and of an older one."""
    upcasters.update({1: dict, 2: dict})
    store = MemoryStore()
    damaged = [("{", 3), ("{", 1), ("[" * 5000, 2)]
    await store.append([NewEvent("Paid", data, version, proof=CHECKED) for data, version in damaged])
    found = await check_events(store, EventTypes([Paid]))
    assert [(shape.version, shape.failed) for shape in found.shapes] == [(1, 1), (2, 1), (3, 1)]


async def test_a_class_that_refuses_a_value_by_itself_fails_the_check() -> None:
    """Whatever its `__post_init__` raises."""

    class Weighed(Event):
        grams: int

        def __post_init__(self) -> None:
            if self.grams < 0:
                raise KeyError("a weight below zero")

    found = await checked([new_event("Weighed", {"grams": 1}), new_event("Weighed", {"grams": -1})], Weighed)
    assert (found.failed, found.first.position if found.first else 0) == (1, 2)


async def test_a_view_parks_what_it_cannot_read_and_an_entity_raises(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Until the upcaster is there; then both go on, and nothing was lost."""
    monkeypatch.delitem(event_spec(CustomerRegistered).upcasters, 2)
    async with opened(tmp_path) as small:
        with pytest.raises(DecodeError, match="no upcaster from version 2 to 3") as caught:
            await small.state(Customer, "c-1")
        assert caught.value.position == 1
        assert (await check_events(small.store, app.event_types())).failed == 2
    monkeypatch.undo()
    async with app.open(f"sqlite:///{tmp_path}/small.db") as small:
        assert (await small.state(Customer, "c-1")).country == "CH"
        swiss = await small.get(Country, "CH", after=5)
        assert swiss is not None
        assert swiss.customers == ["Lovelace", "Frisch"]


def test_upcasters_are_plain_functions() -> None:
    """They can be tested by themselves, and chained by hand."""
    assert add_country(split_name({"customer": "c", "name": "A B C"})) == {
        "customer": "c",
        "first": "A B",
        "last": "C",
        "country": "CH",
    }


def test_a_former_name_has_the_same_upcasters() -> None:
    """One chain serves all names of a class."""

    class Renamed(Event, version=2, formerly=("Older", "Oldest")):
        value: int

    upcast(Renamed, 1)(lambda payload: {"value": int(payload["value"])})
    types = EventTypes([Renamed])
    assert {types.by_name[name] for name in ("Renamed", "Older", "Oldest")} == {event_spec(Renamed)}
