"""What a decoder says of a value becomes a sentence for who sent it: what is wrong, and what to give."""

from __future__ import annotations

import enum
from collections.abc import Set as AbstractSet
from datetime import date, datetime, time, timedelta
from decimal import Decimal
from typing import Annotated, Any, Literal, NamedTuple, TypedDict
from uuid import UUID

import msgspec
import pytest
from msgspec import Meta

from storied.services.commanding.faults import UNREADABLE, fault_of, faults_of


class Kind(enum.Enum):
    NEW = "new"
    OLD = "old"


class Size(enum.IntEnum):
    SMALL = 1
    LARGE = 2


class One(msgspec.Struct, tag="one"):
    n: int


class Two(msgspec.Struct, tag="two", forbid_unknown_fields=True):
    n: int


class Row(msgspec.Struct, array_like=True):
    n: int
    text: str


class Pair(NamedTuple):
    left: int
    right: int = 0


class Keyed(TypedDict):
    name: str


class Careful(msgspec.Struct):
    n: int

    def __post_init__(self) -> None:
        raise ValueError("Invalid value for n: ask Anna")


NO_CHOICE = "This is none of the values that can stand here. Give one of"
NOT_SET = "A list of different values holds texts, numbers and the like. Give no lists or objects in it."
TIME = "This is not a time. Give one such as 2018-01-01T00:00:00Z."
LONG = "This is not a duration of days, hours, minutes and seconds. Give one such as P1DT2H or PT5M."
CASES: list[tuple[Any, str, str, str]] = [
    (int, '"7"', "#", "This is a text. Give a whole number."),
    (int, "1.5", "#", "This is a number with a fraction or an exponent. Give a whole number."),
    (int, "null", "#", "This is null. Give a whole number."),
    (int, "1e400", "#", "This number is too large. Give a smaller one."),
    (str, "true", "#", "This is true or false. Give a text."),
    (bool, "1", "#", "This is a number. Give true or false."),
    (float, "[]", "#", "This is a list. Give a number."),
    (int | float, '"x"', "#", "This is a text. Give a number."),
    (int | str, "{}", "#", "This is an object. Give a whole number or a text."),
    (str | None, "1", "#", "This is a number. Give a text or null."),
    (list[int], '{"a": 1}', "#", "This is an object. Give a list."),
    (list[int], '[1, "x"]', "#/1", "This is a text. Give a whole number."),
    (dict[str, int], "[]", "#", "This is a list. Give an object."),
    (dict[str, int], '{"a/b": "x"}', "#/a~1b", "This is a text. Give a whole number."),
    (dict[int, int], '{"x": 1}', "#", "The name of a member cannot be read: this is not a whole number. Correct it."),
    (Decimal, "true", "#", "This is true or false. Give an amount as a text or a number."),
    (Decimal, '"x"', "#", 'This is not an amount. Give one such as "12.50".'),
    (UUID, "1", "#", "This is a number. Give a UUID as a text."),
    (UUID, '"x"', "#", "This is not a UUID. Give one such as 7f0e4b0e-9a3f-4a8e-8d5c-0f6a4b1c2d3e."),
    (datetime, "1", "#", "This is a number. Give a time as a text, such as 2018-01-01T00:00:00Z."),
    (datetime, '"x"', "#", TIME),
    (Annotated[datetime, Meta(tz=True)], '"2018-01-01T00:00:00"', "#",
     "This time has no offset. Put Z behind it, or one such as +01:00."),
    (Annotated[time, Meta(tz=False)], '"09:30:00Z"', "#", "This time has an offset, and must have none. Leave it out."),
    (date, '"x"', "#", "This is not a day. Give one such as 2018-01-01."),
    (time, '"x"', "#", "This is not a time of day. Give one such as 09:30:00."),
    (timedelta, '"x"', "#", LONG),
    (timedelta, '"P1Y"', "#", LONG),
    (timedelta, '"P9999999999999D"', "#", "This duration is too long. Give a shorter one."),
    (bytes, '"*"', "#", "This is not Base64. Encode the bytes as RFC 4648 has it."),
    (bytes, "1", "#", "This is a number. Give a text in Base64."),
    (Annotated[int, Meta(ge=3)], "2", "#", "This is too small. Give a whole number of 3 or more."),
    (Annotated[float, Meta(gt=0.5)], "0", "#", "This is too small. Give a number above 0.5."),
    (Annotated[float, Meta(le=2)], "3", "#", "This is too large. Give a number of 2.0 or less."),
    (Annotated[float, Meta(lt=2)], "3", "#", "This is too large. Give a number below 2.0."),
    (Annotated[int, Meta(multiple_of=5)], "3", "#", "This is no multiple of 5. Give one."),
    (Annotated[str, Meta(min_length=1)], '""', "#", "This text is too short. Give 1 character or more."),
    (Annotated[str, Meta(max_length=2)], '"abc"', "#", "This text is too long. Give 2 characters or fewer."),
    (Annotated[str, Meta(pattern="^a$")], '"b"', "#", "This text has another form. Give one that matches '^a$'."),
    (Annotated[bytes, Meta(min_length=3)], '"YQ=="', "#", "This text is too short. Give 3 bytes in Base64 or more."),
    (Annotated[list[int], Meta(min_length=2)], "[1]", "#", "This list is too short. Give 2 items or more."),
    (Annotated[dict[str, int], Meta(max_length=0)], '{"a": 1}', "#",
     "This object is too large. Give 0 members or fewer."),
    (tuple[int, int], "[1]", "#", "This list has another length. Give 2 items."),
    (Pair, "[]", "#", "This list has another length. Give 1 to 2 items."),
    (Row, "[1]", "#", "This list has another length. Give at least 2 items."),
    (Row, "[1, 2]", "#/1", "This is a number. Give a text."),
    (Kind, '"x"', "#", f"{NO_CHOICE} new, old."),
    (Kind | None, "1", "#", f"{NO_CHOICE} new, old, null."),
    (Size, '"x"', "#", f"{NO_CHOICE} 1, 2."),
    (Literal["a", "b"], "true", "#", f"{NO_CHOICE} a, b."),
    (Literal[tuple(range(40))], "41", "#", f"{NO_CHOICE} those in the description."),
    (One | Two, '{"type": "x", "n": 1}', "#/type", f"{NO_CHOICE} those in the description."),
    (One | Two, '{"type": 1}', "#/type", "This is something else. Give a text."),
    (One | Two, '{"type": "one"}', "#/n", "This field is missing. Give it."),
    (One | Two, '{"type": "two", "n": 1, "m": 1}', "#/m", "There is no such field. Leave it out, or correct its name."),
    (Keyed, "{}", "#/name", "This field is missing. Give it."),
    (set[Any], "[[]]", "#", NOT_SET),
    (AbstractSet[Decimal], '["sNaN"]', "#", NOT_SET),
    (Careful, '{"n": 1}', "#", "Invalid value for n: ask Anna."),
]  # fmt: skip
TEXTS: list[tuple[Any, str, str]] = [
    (int, "x", "This is not a whole number. Correct it."),
    (int | None, "x", "This is not a whole number. Correct it."),
    (bool, "x", "This is not true or false. Correct it."),
    (Size, "x", f"{NO_CHOICE} 1, 2."),
    (datetime, "99999999999999999", "There is no such time. Give one such as 2018-01-01T00:00:00Z."),
]


@pytest.mark.parametrize(("wanted", "sent", "pointer", "detail"), CASES, ids=lambda value: str(value)[:40])
def test_a_mistake_in_a_body_is_told_in_the_words_of_json(wanted: Any, sent: str, pointer: str, detail: str) -> None:
    """With its place, and what to give instead; the app's own words stay as they are."""
    found = [(fault.pointer, fault.detail) for fault in faults_of(sent.encode(), wanted, ())]
    assert found == [(pointer, detail)]


@pytest.mark.parametrize(("wanted", "text", "detail"), TEXTS, ids=str)
def test_a_mistake_in_a_text_says_what_it_should_spell(wanted: Any, text: str, detail: str) -> None:
    """In a path or a header everything is a text, so nobody is told that."""
    with pytest.raises(UNREADABLE) as refused:
        msgspec.convert(text, wanted, strict=False)
    assert fault_of(refused.value, (), wanted, spelled=True).detail == detail
