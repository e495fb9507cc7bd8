"""Old payloads are read with today's classes, version by version, or the error says what is missing."""

import pytest

from storied.domain.events import Event, Payload, event_spec, upcast
from storied.errors import DecodeError, DefinitionError
from storied.store.codec import EventTypes
from storied.store.records import NewEvent, placed


class Moved(Event, version=3):
    street: str
    country: str


@upcast(Moved, 1)
def split_address(payload: Payload) -> Payload:
    """Version 1 had one field for all."""
    street, _, city = payload["address"].partition(", ")
    return {"street": street, "city": city}


@upcast(Moved, 2)
def add_country(payload: Payload) -> Payload:
    """Version 2 knew cities instead of countries."""
    return {"street": payload["street"], "country": {"Bern": "CH"}[payload["city"]]}


def decoded(type: str, version: int, data: str, *classes: type[Event]) -> object:
    """What today's code makes of a stored payload."""
    return EventTypes(classes).decode(placed(NewEvent(type, data, version), 7, 0))


def reason(type: str, version: int, data: str, *classes: type[Event]) -> str:
    """Why today's code cannot read a stored payload."""
    with pytest.raises(DecodeError) as caught:
        decoded(type, version, data, *classes)
    assert (caught.value.position, caught.value.type, caught.value.version) == (7, type, version)
    return caught.value.reason


def test_upcasters_are_chained_from_the_first_version() -> None:
    """Version 1 passes through both, in order."""
    assert decoded("Moved", 1, '{"address":"Gasse 1, Bern"}', Moved) == Moved(street="Gasse 1", country="CH")


def test_an_upcaster_starts_at_the_version_stored() -> None:
    """Version 2 passes through the second only."""
    assert decoded("Moved", 2, '{"street":"Gasse 1","city":"Bern"}', Moved) == Moved(street="Gasse 1", country="CH")


def test_today_s_version_passes_through_none() -> None:
    """Version 3 is what the class says."""
    assert decoded("Moved", 3, '{"street":"Gasse 1","country":"CH"}', Moved) == Moved(street="Gasse 1", country="CH")


def test_an_upcaster_that_raises_is_named_with_its_error() -> None:
    """The position, the version and what was raised are told."""
    assert "the upcaster from version 2 raised KeyError('Rome')" in reason(
        "Moved", 2, '{"street":"Via 1","city":"Rome"}', Moved
    )


def test_a_missing_upcaster_is_named() -> None:
    """The gap in the chain is told, whatever the payload."""

    class Left(Event, version=3):
        pass

    upcast(Left, 1)(dict)
    assert reason("Left", 1, "{}", Left) == "no upcaster from version 2 to 3"


def test_data_newer_than_the_code_is_told() -> None:
    """A reader of yesterday does not guess at tomorrow's payload."""
    assert "up to version 3 only" in reason("Moved", 4, "{}", Moved)


def test_a_payload_that_does_not_fit_is_told_with_its_field() -> None:
    """Today's version decodes strictly."""
    assert "country" in reason("Moved", 3, '{"street":"Gasse 1","country":7}', Moved)


def test_a_payload_that_does_not_fit_after_upcasting_is_told() -> None:
    """What the chain gives has to fit the class."""

    class Weighed(Event, version=2):
        grams: int

    upcast(Weighed, 1)(lambda payload: {"grams": "heavy"})
    assert "after upcasting" in reason("Weighed", 1, "{}", Weighed)


def test_the_stored_payload_is_not_changed_by_upcasting() -> None:
    """An upcaster may change the dict it gets; each reading gets a fresh one."""

    class Counted(Event, version=2):
        count: int

    def increase(payload: Payload) -> Payload:
        payload["count"] += 1
        return payload

    upcast(Counted, 1)(increase)
    record = placed(NewEvent("Counted", '{"count":1}'), 1, 0)
    types = EventTypes([Counted])
    assert types.decode(record) == types.decode(record) == Counted(count=2)


@pytest.mark.parametrize("version", [0, -1, 3, 4])
def test_an_upcaster_starts_below_the_class_s_version(version: int) -> None:
    """From today's version, or from none, there is nothing to upcast."""
    with pytest.raises(DefinitionError, match="Upcast from 1 to 2"):
        upcast(Moved, version)


def test_there_is_one_upcaster_from_each_version() -> None:
    """A second one would take the place of the first unseen."""
    with pytest.raises(DefinitionError, match="two upcasters from version 1"):
        upcast(Moved, 1)


def test_an_upcaster_can_still_be_called() -> None:
    """Registering leaves the function as it is, for its tests."""
    assert split_address({"address": "Gasse 1, Bern"}) == {"street": "Gasse 1", "city": "Bern"}
    assert event_spec(Moved).upcasters == {1: split_address, 2: add_country}
