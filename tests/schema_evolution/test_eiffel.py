"""A schema history of the real world: every published version is read with today's classes, or the error says why."""

import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import msgspec
import pytest

from storied.domain.events import Event, event_spec
from storied.errors import DecodeError
from storied.opened import OpenApp
from storied.operating.checking import check_events
from storied.store.codec import EventTypes, new_event
from storied.store.query import Query
from storied.store.records import NewEvent, placed
from tests.schema_evolution.data import examples, folder, ordinal, schemas
from tests.schema_evolution.eiffel import HISTORY, CaseFinished, RecipesCollected, Story, Subject, app
from tests.schema_evolution.instances import instance

NAMES = {event_spec(cls).names[-1]: cls for cls in HISTORY}
every_type = pytest.mark.parametrize("name", NAMES)


def raw(event_type: str, version: str, payload: Any) -> NewEvent:
    """The event as a producer of that time had stored it, found by the events it is about."""
    targets = [payload["meta"]["id"], *(link["target"] for link in payload["links"])]
    tags = tuple(f"event:{target}" for target in targets)
    return new_event(event_type, payload, version=ordinal(event_type, version), tags=tags)


def instances(event_type: str) -> list[tuple[str, Any]]:
    """The smallest and the largest payload of each version."""
    return [
        (version, instance(schema, everything=everything))
        for version, schema in schemas()[event_type].items()
        for everything in (False, True)
    ]


@pytest.fixture
def history() -> list[NewEvent]:
    """Every version of every type, small and large, and then the published examples."""
    made = [raw(name, version, payload) for name in NAMES for version, payload in instances(name)]
    return made + [raw(*example) for example in examples()]


@asynccontextmanager
async def opened(tmp_path: Path, events: list[NewEvent]) -> AsyncIterator[OpenApp]:
    """The app on a store that holds the events."""
    async with app.open(f"sqlite:///{tmp_path}/eiffel.db") as shop:
        await shop.store.append(events)
        yield shop


@every_type
def test_the_class_stands_at_the_newest_published_version(name: str) -> None:
    """So nothing that was published is newer than the code."""
    assert event_spec(NAMES[name]).version == len(schemas()[name])


@every_type
def test_every_version_is_read(name: str) -> None:
    """With nothing but what it required, and with all that it allowed."""
    types = EventTypes(HISTORY)
    for version, payload in instances(name):
        event = types.decode(placed(raw(name, version, payload), 1, 0))
        assert isinstance(event, NAMES[name])
        assert msgspec.to_builtins(event)["meta"]["version"] == version


@every_type
def test_a_version_without_its_upcasters_is_refused_or_had_nothing_to_do(name: str) -> None:
    """Each step that does something is needed: the payload of its version does not fit today's class as it is."""
    cls = NAMES[name]
    decoder = event_spec(cls).decoder
    for version, payload in instances(name):
        later = [step for step in HISTORY[cls] if step >= ordinal(name, version)]
        if not later:
            decoder.decode(json.dumps(payload))
    largest = [payload for _, payload in instances(name)][1::2]
    for step in HISTORY[cls]:
        with pytest.raises(msgspec.ValidationError):
            decoder.decode(json.dumps(largest[step - 1]))


def test_the_published_examples_are_read() -> None:
    """Those of the types that are modelled here as events of theirs, the others as the records they are."""
    types = EventTypes(HISTORY)
    seen = 0
    for event_type, version, payload in examples():
        decoded = types.decode(placed(raw(event_type, version, payload), 1, 0))
        if event_type in NAMES:
            assert isinstance(decoded, NAMES[event_type])
            assert msgspec.to_builtins(decoded)["meta"]["id"] == payload["meta"]["id"]
            seen += 1
    assert (seen, len(examples())) == (16, 36)


def test_nothing_is_lost_on_the_way() -> None:
    """What an old event said stands in today's class, in its new place."""
    types = EventTypes(HISTORY)
    old = instance(schemas()["EiffelArtifactCreatedEvent"]["1.0.0"], everything=True)
    event: Any = types.decode(placed(raw("EiffelArtifactCreatedEvent", "1.0.0", old), 1, 0))
    assert event.data.identity == "pkg:maven/text/text@text"
    assert event.data.depends_on == event.data.implements == ["pkg:maven/text/text@text"]
    assert [file.name for file in event.data.file_information] == ["text.text"]
    assert event.meta.source.serializer == "pkg:maven/text/text@text"
    assert event.meta.security.author_identity == "text"
    issue = instance(schemas()["EiffelIssueVerifiedEvent"]["1.1.0"], everything=True)
    verified: Any = types.decode(placed(raw("EiffelIssueVerifiedEvent", "1.1.0", issue), 1, 0))
    assert verified.data.custom_data[-1].value == issue["data"]["issues"]


async def test_the_check_counts_every_version_exactly(tmp_path: Path, history: list[NewEvent]) -> None:
    """By type and version: two made up for each, and the examples; types without a class are listed apart."""
    async with opened(tmp_path, history) as shop:
        found = await check_events(shop.store, app.event_types())
    expected: dict[tuple[str, int], int] = {}
    for event in history:
        expected[event.type, event.version] = expected.get((event.type, event.version), 0) + 1
    assert {(shape.type, shape.version): shape.events for shape in found.shapes} == expected
    assert {shape.type for shape in found.shapes if shape.known} == set(NAMES)
    assert (found.ok, found.failed, found.unknown) == (True, 0, 20)
    assert found.events == len(history) == found.head


async def test_the_check_names_what_a_missing_upcaster_would_break(
    tmp_path: Path, history: list[NewEvent], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Every version before the gap, how many of each, and the first position."""
    monkeypatch.delitem(event_spec(CaseFinished).upcasters, 4)
    async with opened(tmp_path, history) as shop:
        found = await check_events(shop.store, app.event_types())
    failed = {shape.version: shape.failed for shape in found.shapes if shape.failed}
    assert failed == {1: 2, 2: 2, 3: 2, 4: 2}
    first = next(n for n, event in enumerate(history, 1) if event.type == "EiffelTestCaseFinishedEvent")
    assert found.first is not None
    assert (found.first.position, found.first.version) == (first, 1)
    assert "no upcaster from version 4 to 5" in str(found.first)
    assert "Add an upcaster with @upcast" in str(found.first)


async def test_a_version_that_was_never_published_is_told(tmp_path: Path) -> None:
    """An event newer than the code, and one that is not of its version's shape, name their positions and the remedy."""
    newest = instance(schemas()["EiffelTestCaseFinishedEvent"]["4.1.1"], everything=False)
    future = new_event("EiffelTestCaseFinishedEvent", newest, version=13)
    liar = new_event("EiffelTestCaseFinishedEvent", newest | {"data": {"outcome": {"verdict": 7}}}, version=12)
    async with opened(tmp_path, [raw("EiffelTestCaseFinishedEvent", "4.1.1", newest), future, liar]) as shop:
        found = await check_events(shop.store, app.event_types())
        records = await shop.store.read().list()
    assert [(s.version, s.events, s.failed) for s in found.shapes] == [(12, 2, 1), (13, 1, 1)]
    for record, reason in ((records[1], "up to version 12 only"), (records[2], "Expected `str`, got `int`")):
        with pytest.raises(DecodeError, match=reason) as caught:
            app.event_types().decode(record)
        assert caught.value.position == record.position


async def test_a_view_and_an_entity_fold_every_version(tmp_path: Path, history: list[NewEvent]) -> None:
    """As if all of them had been of today's shape."""
    async with opened(tmp_path, history) as shop:
        await shop.wait(Story, len(history), timeout=30)
        for name in NAMES:
            story = await shop.get(Story, name)
            assert story is not None
            made = dict.fromkeys(schemas()[name], 2)
            for event_type, version, _ in examples():
                made[version] = made.get(version, 0) + (event_type == name)
            assert story.versions == {version: number for version, number in made.items() if number}
        subject = await shop.state(Subject, "aaaaaaaa-bbbb-4ccc-8ddd-eeeeeeeeeeee")
        wanted = {"EiffelTestCaseFinishedEvent", "EiffelArtifactCreatedEvent", *event_spec(RecipesCollected).formerly}
        assert len(subject.versions) == sum(2 * len(schemas()[name]) for name in wanted)


async def test_a_renamed_event_is_found_under_both_names(tmp_path: Path, history: list[NewEvent]) -> None:
    """A query for the class asks for the former name too, with its tags as they were stored."""
    async with opened(tmp_path, history) as shop:
        query = Query.of(types=[RecipesCollected], tags=["event:aaaaaaaa-bbbb-4ccc-8ddd-eeeeeeeeeeee"])
        found = await shop.store.read(query).list()
    assert {record.type for record in found} == {"EiffelTestExecutionRecipeCollectionCreatedEvent"}
    assert [record.version for record in found] == [version for version in range(1, 13) for _ in range(2)]


def test_the_data_is_where_it_is_said_to_be() -> None:
    """222 schemas and 36 examples, or the folder is another one."""
    assert folder().is_dir()
    assert sum(map(len, schemas().values())) == 222
    assert all(issubclass(cls, Event) for cls in NAMES.values())
