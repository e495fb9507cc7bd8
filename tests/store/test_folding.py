"""A fold decodes what it handles; whatever goes wrong in that is a `DecodeError` that says where."""

from __future__ import annotations

from typing import Any

import pytest

from storied import App, Entity, Event, Id, on, upcast
from storied.domain.entities import entity_spec
from storied.errors import DecodeError
from storied.store.codec import EventTypes, new_event
from storied.store.folding import fold_of
from storied.store.reading import Page, contents_of
from storied.store.records import NewEvent, Recorded, placed


class Weighed(Event, version=2):
    thing: Id
    grams: int

    def __post_init__(self) -> None:
        if self.grams < 0:
            raise KeyError("a weight below zero")


@upcast(Weighed, 1)
def _in_grams(payload: dict[str, Any]) -> dict[str, Any]:
    return {"thing": payload["thing"], "grams": int(payload["kilos"] * 1000)}


class Seen(Event):
    thing: Id


class Thing(Entity):
    grams: int = 0

    @on
    def weighed(self, event: Weighed) -> None:
        self.grams += event.grams


class Watched(Entity):
    seen: int = 0

    @on
    def weighed(self, event: Weighed, record: Recorded) -> None:
        self.seen = record.position


def weighed(grams: Any, version: int = 2) -> NewEvent:
    """A stored event of this weight, as versions have it."""
    field = "grams" if version > 1 else "kilos"
    return new_event("Weighed", {"thing": "b", field: grams}, version=version, tags=("thing:b", "watched:b"))


def stored(*events: NewEvent) -> Page:
    """The events as they come back."""
    return Page([placed(event, number, 0) for number, event in enumerate(events, 1)], len(events))


@pytest.mark.parametrize("entity", [Thing, Watched])
async def test_a_class_that_refuses_a_stored_event_is_told_with_the_position(entity: type[Entity]) -> None:
    """Whatever its `__post_init__` raises, and whether the fold takes records or contents."""
    async with App("things").open("memory://") as opened:
        await opened.store.append([weighed(1), weighed(-1), weighed(2)])
        with pytest.raises(DecodeError, match="a weight below zero") as caught:
            await opened.state(entity, "b")
    assert (caught.value.position, caught.value.type, caught.value.version) == (2, "Weighed", 2)
    assert isinstance(caught.value.__cause__, KeyError)


@pytest.mark.parametrize(
    ("event", "reason"),
    [(weighed(-1, 1), "after upcasting"), (weighed("x"), "Expected `int`"), (weighed(1, 3), "up to version 2 only")],
    ids=["upcast", "type", "newer"],
)
@pytest.mark.parametrize("by", ["records", "contents"])
def test_the_first_that_does_not_fit_is_told(by: str, event: NewEvent, reason: str) -> None:
    """By both ways, in the same words."""
    page, fold = stored(weighed(1), event, weighed(-1)), fold_of(entity_spec(Thing))
    ways = {
        "records": lambda: fold.apply(Thing(id="b"), page.events),
        "contents": lambda: fold.apply_contents(Thing(id="b"), contents_of(page)),
    }
    with pytest.raises(DecodeError, match=reason) as caught:
        ways[by]()
    assert caught.value.position == 2


def test_versions_stand_side_by_side_and_what_is_not_handled_passes() -> None:
    """Old shapes are upcast between those of today."""
    page = stored(weighed(1), weighed(1, 1), new_event("Seen", {"thing": "b"}), new_event("Other", {}), weighed(2))
    fold = fold_of(entity_spec(Thing))
    assert fold.apply(Thing(id="b"), page.events).grams == 1003
    assert fold.apply_contents(Thing(id="b"), contents_of(page)).grams == 1003


def test_each_is_decoded_or_its_error_stands_in_its_place() -> None:
    """What does not decode does not hide what comes after it."""
    events = EventTypes([Weighed]).decode_each(
        stored(weighed(1), weighed(-1), new_event("Other", {}), weighed(2)).events
    )
    assert [event.position if isinstance(event, DecodeError) else event for event in events] == [
        Weighed(thing="b", grams=1),
        2,
        None,
        Weighed(thing="b", grams=2),
    ]
