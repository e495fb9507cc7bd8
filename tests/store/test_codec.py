"""What is stored decodes to an equal event, or it is not stored."""

import math
from datetime import UTC, date, datetime, timedelta, timezone
from decimal import Decimal
from enum import Enum
from typing import Annotated, Any
from uuid import UUID
from zoneinfo import ZoneInfo

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from storied.domain.events import Event
from storied.domain.tags import Id, Tag
from storied.errors import DefinitionError, InvalidEvent
from storied.store.checks import MAX_EVENT_BYTES, MAX_NESTING
from storied.store.codec import EventTypes, decode_as, encode, metadata_text, new_event
from storied.store.records import Metadata, NewEvent, placed


class Colour(Enum):
    RED = "red"
    BLUE = "blue"


class Line(msgspec.Struct, frozen=True):
    product: Id
    pieces: int


class Everything(Event):
    order: Id
    text: str
    whole: int
    real: float
    yes: bool
    amount: Decimal
    when: datetime
    day: date
    number: UUID
    colour: Colour
    lines: list[Line]
    by_name: dict[str, int]
    perhaps: str | None
    several: set[str]


class Loose(Event):
    value: Any


class Measured(Event):
    value: float | None = None


class Sent(Event):
    parcel: Annotated[int, Tag()]


TEXT = st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\0"), max_size=20)
IDS = st.text("abcxyz-19äß", min_size=1, max_size=10)
EVERYTHING = st.builds(
    Everything,
    order=IDS,
    text=TEXT,
    whole=st.integers(-(2**63), 2**63 - 1),
    real=st.floats(allow_nan=False, allow_infinity=False),
    yes=st.booleans(),
    amount=st.decimals(allow_nan=False, allow_infinity=False),
    when=st.datetimes(timezones=st.sampled_from([UTC, timezone(timedelta(hours=5, minutes=30))])).filter(
        lambda time: 1 < time.year < 9999
    ),
    day=st.dates(),
    number=st.uuids(),
    colour=st.sampled_from(Colour),
    lines=st.lists(st.builds(Line, product=IDS, pieces=st.integers(0, 99)), max_size=3),
    by_name=st.dictionaries(TEXT, st.integers(0, 9), max_size=3),
    perhaps=st.none() | TEXT,
    several=st.sets(TEXT, max_size=3),
)
JSON = st.recursive(
    st.none()
    | st.booleans()
    | st.integers(-(2**63), 2**63 - 1)
    | st.floats(allow_nan=False, allow_infinity=False)
    | TEXT,
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(TEXT, inner, max_size=4),
    max_leaves=20,
)


@given(EVERYTHING)
def test_an_event_comes_back_equal(event: Everything) -> None:
    """Every field type that JSON can hold survives the way into the store and out of it."""
    record = placed(encode(event), 1, 0)
    assert EventTypes([Everything]).decode(record) == event


@given(JSON)
def test_plain_json_comes_back_equal(payload: object) -> None:
    """An event without a class holds any JSON value."""
    assert placed(new_event("Noted", payload), 1, 0).payload == payload


def test_an_event_is_stored_under_its_name_version_and_tags() -> None:
    """The class says the name and the version, the fields say the tags."""

    class Shipped(Event, name="shipped", version=3):
        order: Id
        to: Annotated[str, Tag("customer")]

    stored = encode(Shipped(order="o-1", to="c-9"), '{"actor":"anna"}')
    assert (stored.type, stored.version, stored.tags) == ("shipped", 3, ("customer:c-9", "order:o-1"))
    assert (stored.data, stored.metadata) == ('{"order":"o-1","to":"c-9"}', '{"actor":"anna"}')


def refusal(payload: Any) -> str:
    """The code that an event without a class is refused with."""
    with pytest.raises(InvalidEvent) as caught:
        new_event("Noted", payload)
    return caught.value.code


def nested(levels: int) -> list[Any]:
    """Lists in lists, that deep."""
    value: list[Any] = []
    for _ in range(levels - 1):
        value = [value]
    return value


@pytest.mark.parametrize(
    ("payload", "code"),
    [
        pytest.param({"a": math.nan}, "lossy", id="NaN"),
        pytest.param({"a": math.inf}, "lossy", id="infinity"),
        pytest.param({"a": (1, 2)}, "lossy", id="tuple"),
        pytest.param({"a": Decimal(1)}, "lossy", id="Decimal"),
        pytest.param({"a": datetime(2020, 1, 1, tzinfo=UTC)}, "lossy", id="datetime"),
        pytest.param({1: "a"}, "lossy", id="number as key"),
        pytest.param({"a": object()}, "not-json", id="object"),
        pytest.param({"a": "\ud800"}, "not-json", id="lone surrogate"),
        pytest.param({"a": 2**70}, "number-too-large", id="far beyond 64 bits"),
        pytest.param({"a": 2**63}, "number-too-large", id="just beyond 64 bits"),
        pytest.param([2**64 - 1], "number-too-large", id="unsigned 64 bits"),
        pytest.param({"a": "nul\0"}, "nul", id="NUL"),
        pytest.param({"nul\0": 1}, "nul", id="NUL in a key"),
        pytest.param({"a": "\\\0"}, "nul", id="NUL after a backslash"),
        pytest.param("x" * (MAX_EVENT_BYTES - 1), "too-large", id="a byte too many"),
        pytest.param("ü" * (MAX_EVENT_BYTES // 2), "too-large", id="a character of two bytes too many"),
        pytest.param(nested(MAX_NESTING + 1), "too-deep", id="a level too many"),
        pytest.param(nested(900), "too-deep", id="far too deep"),
        pytest.param(nested(100_000), "too-deep", id="deeper than the stack"),
    ],
)
def test_what_json_cannot_hold_is_refused(payload: Any, code: str) -> None:
    """Each rule has a code of its own."""
    assert refusal(payload) == code


@pytest.mark.parametrize(
    "payload",
    [
        pytest.param("x" * (MAX_EVENT_BYTES - 2), id="as large as allowed"),
        pytest.param(nested(MAX_NESTING), id="as deep as allowed"),
        pytest.param("[{" * 200, id="brackets in a text"),
        pytest.param('"[[{\\"' * 60, id="quotes and brackets in a text"),
        pytest.param([[]] * 200, id="brackets side by side"),
        pytest.param("9" * 40, id="digits in a text"),
        pytest.param({"9" * 40: 1}, id="digits in a key"),
        pytest.param([-(2**63), 2**63 - 1], id="numbers of 64 bits"),
        pytest.param([1e300, 1.2345678901234567e-19, 12345678901234567890.0], id="long fractions"),
        pytest.param("\\u0000", id="an escape as text"),
    ],
)
def test_what_json_can_hold_is_kept(payload: Any) -> None:
    """Rules are about values, not about what a text looks like."""
    assert placed(new_event("Noted", payload), 1, 0).payload == payload


@pytest.mark.parametrize("value", ["1", None, 1.5, True, 2**63])
def test_a_field_holds_its_declared_type(value: Any) -> None:
    """A class is not believed: what is stored has to decode."""
    with pytest.raises(InvalidEvent) as caught:
        encode(Sent(parcel=value))
    assert caught.value.code in {"wrong-type", "number-too-large"}


@pytest.mark.parametrize("value", [math.nan, math.inf])
def test_an_event_that_would_come_back_changed_is_refused(value: float) -> None:
    """NaN would come back as None, and the message names the field."""
    with pytest.raises(InvalidEvent, match="value: ") as caught:
        encode(Measured(value=value))
    assert caught.value.code == "lossy"


@pytest.mark.parametrize(
    ("value", "code"),
    [(object(), "not-json"), ({1, 2}, "lossy"), ("\0", "nul"), (2**63, "number-too-large"), (nested(99), "too-deep")],
    ids=["object", "set", "nul", "number", "depth"],
)
def test_a_field_of_any_type_keeps_to_the_rules(value: Any, code: str) -> None:
    """Events of a class are refused with the same codes as events without one."""
    with pytest.raises(InvalidEvent) as caught:
        encode(Loose(value=value))
    assert caught.value.code == code


@pytest.mark.parametrize("order", ["", "line\n", "x" * 300])
def test_an_id_that_cannot_be_a_tag_is_refused(order: str) -> None:
    """An event that could not be found by its id is not stored."""

    class Opened(Event):
        order: Id

    with pytest.raises(InvalidEvent) as caught:
        encode(Opened(order=order))
    assert caught.value.code == "invalid-tag"


@pytest.mark.parametrize("type", ["", "nul\0", "line\n", "x" * 129, 7, None])
def test_a_type_has_a_printable_name(type: Any) -> None:
    """At most 128 characters of it."""
    with pytest.raises(InvalidEvent) as caught:
        new_event(type, {})
    assert caught.value.code == "invalid-type"


@pytest.mark.parametrize("version", [0, -1, 1.0, True, "1", 2**31])
def test_a_version_counts_from_1(version: Any) -> None:
    """In whole numbers that every engine can hold."""
    with pytest.raises(InvalidEvent) as caught:
        new_event("Noted", {}, version=version)
    assert caught.value.code == "invalid-version"


@pytest.mark.parametrize(
    "metadata",
    [
        Metadata(occurred_at=datetime(2020, 1, 1)),  # noqa: DTZ001, RUF100 - without a zone on purpose
        Metadata(actor=7),  # type: ignore[arg-type]
        Metadata(headers={"a": 1}),  # type: ignore[dict-item]
        Metadata(headers={"a": 2**70}),  # type: ignore[dict-item]
        Metadata(headers={"a": object()}),  # type: ignore[dict-item]
        Metadata(actor="\ud800"),
    ],
    ids=["naive time", "number as actor", "number as header", "huge number", "object", "lone surrogate"],
)
def test_metadata_is_of_its_declared_types(metadata: Metadata) -> None:
    """Times are aware, everything else is text."""
    with pytest.raises(InvalidEvent) as caught:
        metadata_text(metadata)
    assert caught.value.code == "invalid-metadata"


def test_metadata_without_nul() -> None:
    """The rules of payloads hold for metadata."""
    with pytest.raises(InvalidEvent) as caught:
        metadata_text(Metadata(headers={"a": "\0"}))
    assert caught.value.code == "nul"


def test_metadata_that_says_the_same_is_the_same_text() -> None:
    """Repeats are recognised by the text, so the order of headers does not show."""
    one, two = Metadata(headers={"a": "1", "b": "2"}), Metadata(headers={"b": "2", "a": "1"})
    assert metadata_text(one) == metadata_text(two) == '{"headers":{"a":"1","b":"2"}}'


def test_a_record_of_an_unknown_type_is_handed_on_as_it_is() -> None:
    """A reader that does not know a type is not stopped by it."""
    record = placed(NewEvent("Unheard", "{}"), 1, 0)
    assert EventTypes([Sent]).decode(record) is record


def test_a_record_is_decoded_by_a_former_name() -> None:
    """A renamed class reads what was stored under its old name."""

    class Dispatched(Event, formerly=("Sent",)):
        parcel: int

    event = EventTypes([Dispatched]).decode(placed(NewEvent("Sent", '{"parcel":7}'), 1, 0))
    assert event == Dispatched(parcel=7)


def test_two_classes_of_one_name_are_refused() -> None:
    """Nobody could tell which of them a record is."""

    class Other(Event, formerly=("Sent",)):
        pass

    with pytest.raises(DefinitionError, match="both stored as 'Sent'"):
        EventTypes([Sent, Other])


def test_a_class_given_twice_is_given_once() -> None:
    """Several handlers may name the same event."""
    assert set(EventTypes([Sent, Sent]).by_name) == {"Sent"}


def test_fields_of_a_later_version_are_not_in_the_way() -> None:
    """A payload with a field that the class does not have decodes."""
    assert decode_as(EventTypes([Sent]).by_name["Sent"], placed(NewEvent("Sent", '{"parcel":1,"x":2}'), 1, 0)) == Sent(
        parcel=1
    )


def test_a_time_in_a_repeated_hour_is_stored() -> None:
    """A local time that the end of summer time repeats keeps its offset, and is not called changed."""

    class Moved(Event):
        at: datetime

    moved = Moved(at=datetime(2018, 2, 17, 23, 30, tzinfo=timezone(timedelta(hours=-2))))
    repeated = Moved(at=datetime(2018, 2, 17, 23, 30, tzinfo=ZoneInfo("America/Sao_Paulo")))
    assert encode(repeated).data == encode(moved).data
