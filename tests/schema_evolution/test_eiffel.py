"""A schema history of the real world: every published version is read with today's classes, or the error says why."""

import json
from collections import Counter
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
from tests.schema_evolution.eiffel.application import HISTORY, UNSAID, Story, Subject, app
from tests.schema_evolution.eiffel.checks import CaseFinished, RecipesCollected
from tests.schema_evolution.instances import UNDECLARED, instance

NAMES = {event_spec(cls).names[-1]: cls for cls in HISTORY}
every_type = pytest.mark.parametrize("name", NAMES)


def raw(event_type: str, version: str, payload: Any) -> NewEvent:
    """The event as a producer of that time had stored it, found by the events it is about."""
    own = [payload["meta"]["id"]] if "meta" in payload else []
    targets = [*own, *(link["target"] for link in payload.get("links", ()))]
    tags = tuple(f"event:{target}" for target in targets)
    return new_event(event_type, payload, version=ordinal(event_type, version), tags=tags)


def instances(event_type: str) -> list[tuple[str, Any]]:
    """The smallest and the largest payload of each version."""
    return [
        (version, instance(schema, everything=everything))
        for version, schema in schemas()[event_type].items()
        for everything in (False, True)
    ]


def version_in(payload: Any) -> str:
    """The published version that the payload says it is of."""
    return str((payload.get("meta") or {}).get("version", UNSAID))


def largest(event_type: str, version: str) -> tuple[Any, Any]:
    """The largest payload of the version, and the event that it is read as today."""
    payload = instance(schemas()[event_type][version], everything=True)
    return payload, EventTypes(HISTORY).decode(placed(raw(event_type, version, payload), 1, 0))


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
        assert version_in(msgspec.to_builtins(event)) == version_in(payload)


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


def test_every_type_is_modelled() -> None:
    """All 24 of the protocol."""
    assert set(NAMES) == set(schemas())


def test_the_published_examples_are_read() -> None:
    """Each of them as an event of its class, and as the one it was."""
    types = EventTypes(HISTORY)
    for event_type, version, payload in examples():
        decoded = types.decode(placed(raw(event_type, version, payload), 1, 0))
        assert isinstance(decoded, NAMES[event_type])
        assert msgspec.to_builtins(decoded)["meta"]["id"] == payload["meta"]["id"]


def test_coordinates_become_package_urls() -> None:
    """What an old artifact said stands in today's class, in its new place."""
    _, event = largest("EiffelArtifactCreatedEvent", "1.0.0")
    assert event.data.identity == "pkg:maven/text/text@text"
    assert event.data.depends_on == event.data.implements == ["pkg:maven/text/text@text"]
    assert [file.name for file in event.data.file_information] == ["text.text"]
    assert event.meta.source.serializer == "pkg:maven/text/text@text"
    assert event.meta.security.author_identity == "text"


@pytest.mark.parametrize("name", ["EiffelIssueVerifiedEvent", "EiffelSourceChangeCreatedEvent"])
def test_issues_are_kept_beside(name: str) -> None:
    """Links to events that old logs lack cannot be made of them; they are not lost either."""
    payload, event = largest(name, "1.1.0")
    assert payload["data"]["issues"][0]["tracker"] == "text"
    assert (event.data.custom_data[-1].key, event.data.custom_data[-1].value) == ("issues", payload["data"]["issues"])


def test_what_a_closed_event_no_longer_declares_is_kept_beside() -> None:
    """An activity's cancelling was open to anything once."""
    _, event = largest("EiffelActivityCanceledEvent", "3.2.0")
    assert (event.data.custom_data[-1].key, event.data.custom_data[-1].value) == (UNDECLARED, "text")


def test_an_event_that_says_nothing_is_read() -> None:
    """One type has never demanded a thing: of no meta, data or links, today's class makes the least."""
    assert instance(schemas()["EiffelIssueDefinedEvent"]["1.0.0"], everything=False) == {}
    event: Any = EventTypes(HISTORY).decode(placed(raw("EiffelIssueDefinedEvent", "1.0.0", {}), 1, 0))
    assert (event.meta, event.data, event.links) == (None, None, [])


async def test_the_check_counts_every_version_exactly(tmp_path: Path, history: list[NewEvent]) -> None:
    """By type and version: two made up for each, and the examples."""
    async with opened(tmp_path, history) as shop:
        found = await check_events(shop.store, app.event_types())
    expected: dict[tuple[str, int], int] = {}
    for event in history:
        expected[event.type, event.version] = expected.get((event.type, event.version), 0) + 1
    assert {(shape.type, shape.version): shape.events for shape in found.shapes} == expected
    assert {shape.type for shape in found.shapes if shape.known} == set(NAMES)
    assert (found.ok, found.failed, found.unknown) == (True, 0, 0)
    assert found.events == len(history) == found.head


async def test_the_check_lists_types_without_a_class_apart(tmp_path: Path, history: list[NewEvent]) -> None:
    """They are counted, and are no fault."""
    async with opened(tmp_path, history) as shop:
        found = await check_events(shop.store, EventTypes([CaseFinished, RecipesCollected]))
    known = {event_spec(cls).names[-1] for cls in (CaseFinished, RecipesCollected)}
    assert {shape.type for shape in found.shapes if shape.known} == known
    assert (found.ok, found.failed) == (True, 0)
    assert found.unknown == sum(event.type not in known for event in history)


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
            told = [payload for _, payload in instances(name)]
            told += [payload for event_type, _, payload in examples() if event_type == name]
            assert story.versions == Counter(map(version_in, told))
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
