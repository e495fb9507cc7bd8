"""Tags are derived from the fields that are marked as ids, wherever they are in the event."""

import types
from typing import Annotated, Any
from uuid import UUID

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from storied.domain.events import Event, event_spec
from storied.domain.tags import MAX_TAGS, Id, Tag, canonical_tags, check_tag, tag_for
from storied.errors import DefinitionError, InvalidEvent

ProductId = Annotated[UUID, Tag("product")]
NUMBER = UUID("0190163d-8694-739b-aea5-966c26f8ad90")


class Discount(msgspec.Struct, frozen=True):
    campaign: Id | None = None


class Line(msgspec.Struct, frozen=True):
    product: Id
    discounts: list[Discount] = []


class Node(msgspec.Struct, frozen=True):
    node: Id
    children: "list[Node]" = []


class Person(msgspec.Struct, frozen=True, tag=True):
    person: Id


class Company(msgspec.Struct, frozen=True, tag=True):
    company: Id


class Anonymous(msgspec.Struct, frozen=True, tag=True):
    pass


class Ordered(Event):
    order: Id
    buyer: Annotated[str, Tag("customer")]
    seller: Id | None = None
    watchers: list[Id] = []
    pair: tuple[Id, ...] = ()
    unique: set[Id] = set()
    places: dict[str, Id] = {}
    lines: list[Line] = []
    first: Line | None = None
    by_name: dict[str, Line] = {}
    number: Annotated[int, Tag()] = 0
    item: ProductId | None = None
    payer: Person | Company | Anonymous | str | None = None
    payers: list[Person | Company] = []
    carrier: Id | Company = ""
    note: str = ""
    marked: Annotated[str, "a mark that is not a tag"] = ""


def tags(**fields: Any) -> set[str]:
    """The tags of such an order beyond those that every one has."""
    event = Ordered(**{"order": "o", "buyer": "c", "carrier": "dhl", **fields})
    found = event_spec(Ordered).tags(event)
    assert list(found) == sorted(set(found))
    return set(found) - {"order:o", "customer:c", "number:0", "carrier:dhl"}


@pytest.mark.parametrize(
    ("fields", "expected"),
    [
        pytest.param({}, set(), id="nothing more"),
        pytest.param({"note": "x", "marked": "y"}, set(), id="fields without a mark"),
        pytest.param({"seller": "s"}, {"seller:s"}, id="optional"),
        pytest.param({"seller": None}, set(), id="absent"),
        pytest.param({"watchers": ["w2", "w1", "w2"]}, {"watchers:w1", "watchers:w2"}, id="list"),
        pytest.param({"pair": ("p", "q")}, {"pair:p", "pair:q"}, id="tuple"),
        pytest.param({"unique": {"u", "v"}}, {"unique:u", "unique:v"}, id="set"),
        pytest.param({"places": {"home": "h", "work": "w"}}, {"places:h", "places:w"}, id="values of a dict"),
        pytest.param({"lines": [Line("p1"), Line("p2")]}, {"product:p1", "product:p2"}, id="structs in a list"),
        pytest.param({"first": Line("p")}, {"product:p"}, id="optional struct"),
        pytest.param({"by_name": {"a": Line("p")}}, {"product:p"}, id="structs in a dict"),
        pytest.param(
            {"lines": [Line("p", [Discount("x"), Discount()])]}, {"product:p", "campaign:x"}, id="structs in structs"
        ),
        pytest.param({"payer": Person("p")}, {"person:p"}, id="first of a union"),
        pytest.param({"payer": Company("c")}, {"company:c"}, id="second of a union"),
        pytest.param({"payer": Anonymous()}, set(), id="one of a union without an id"),
        pytest.param({"payer": "text"}, set(), id="text in a union with structs"),
        pytest.param({"carrier": Company("c")}, {"company:c"}, id="struct in a union with an id"),
        pytest.param({"payers": [Person("p"), Company("c")]}, {"person:p", "company:c"}, id="a list of a union"),
        pytest.param({"number": 7}, {"number:7"}, id="whole number"),
        pytest.param({"item": NUMBER}, {f"product:{NUMBER}"}, id="UUID under another name"),
    ],
)
def test_ids_become_tags(fields: dict[str, Any], expected: set[str]) -> None:
    """An id tags its event under the field's name or its own, alone, in a collection, or inside a struct."""
    found = tags(**fields)
    assert found - ({"number:7"} - expected) == expected


def test_an_event_without_ids_has_no_tags() -> None:
    """It is found by its type alone."""

    class Started(Event):
        note: str

    assert event_spec(Started).tags(Started(note="x")) == ()


def test_a_struct_inside_itself_is_walked_once() -> None:
    """A tree gives the tag of its root; the walk does not go round in circles."""

    class Grown(Event):
        tree: Node

    assert event_spec(Grown).tags(Grown(tree=Node("root", [Node("leaf")]))) == ("node:root",)


@pytest.mark.parametrize("hint", [list[str], float, str | None, bytes])
def test_only_text_numbers_and_uuids_are_ids(hint: Any) -> None:
    """The error says what to write for several or none."""
    annotations = {"thing": Annotated[hint, Tag()]}
    cls: Any = types.new_class("Odd", (Event,), exec_body=lambda body: body.update(__annotations__=annotations))
    with pytest.raises(DefinitionError, match=r"list\[Id\]"):
        event_spec(cls).tags(cls(thing="x"))


def test_the_tag_of_a_field_can_be_asked_for() -> None:
    """Views and entities find out under which name a field tags."""
    spec = event_spec(Ordered)
    asked = ["order", "buyer", "seller", "watchers", "item", "note", "lines", "nothing"]
    assert [spec.tag_of(field) for field in asked] == [
        "order",
        "customer",
        "seller",
        "watchers",
        "product",
        None,
        None,
        None,
    ]


@pytest.mark.parametrize("tag", ["a:b", "a:b:c", "order: with spaces ", "städte:zürich", "日:本", "x:" + "y" * 254])
def test_a_tag_is_a_name_a_colon_and_a_value(tag: str) -> None:
    """Any printable text will do on both sides, up to 256 characters in all."""
    check_tag(tag)


@pytest.mark.parametrize(
    ("tag", "why"),
    [
        ("", "name:value"),
        ("order", "name:value"),
        ("order:", "name:value"),
        (":o-1", "name:value"),
        ("order:a\nb", "printed"),
        ("order:\x00", "printed"),
        ("order:\ud800", "printed"),
        ("x:" + "y" * 255, "257 characters"),
        (7, "string"),
        (None, "string"),
        (b"a:b", "string"),
    ],
)
def test_a_malformed_tag_is_refused_with_the_reason(tag: Any, why: str) -> None:
    """One code, and a sentence that says which rule is broken."""
    with pytest.raises(InvalidEvent, match=why) as caught:
        check_tag(tag)
    assert caught.value.code == "invalid-tag"


@pytest.mark.parametrize("tags", [["order:o", 7], [None, "order:o"], [7]])
def test_tags_that_are_no_text_are_refused_beside_any(tags: list[Any]) -> None:
    """Whatever stands beside them."""
    with pytest.raises(InvalidEvent) as caught:
        canonical_tags(tags)
    assert caught.value.code == "invalid-tag"


@given(st.lists(st.builds("{}:{}".format, st.sampled_from("aAzäß"), st.integers(0, 20))))
def test_canonical_tags_are_sorted_and_unique(tags: list[str]) -> None:
    """In code point order, so that every engine and every digest agrees."""
    assert list(canonical_tags(tags)) == sorted(set(tags))


def test_an_event_has_room_for_a_thousand_tags() -> None:
    """One more is refused; the same one again does not count."""
    many = [f"part:{n}" for n in range(MAX_TAGS)]
    assert len(canonical_tags([*many, many[0]])) == MAX_TAGS
    with pytest.raises(InvalidEvent) as caught:
        canonical_tags([*many, "part:more"])
    assert caught.value.code == "too-many-tags"


@pytest.mark.parametrize("value", ["", "a\tb", "x" * 300])
def test_a_tag_is_not_made_of_an_unusable_value(value: str) -> None:
    """The value is checked where the tag is made."""
    with pytest.raises(InvalidEvent):
        tag_for("order", value)
