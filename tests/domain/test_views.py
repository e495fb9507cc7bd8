"""A view says its key, its indexes, and how each event finds its documents; what cannot work is refused."""

from typing import Annotated, Any

import msgspec
import pytest

from storied.domain.dispatch import on
from storied.domain.events import Event
from storied.domain.tags import Id, Tag
from storied.domain.views import View, view_spec
from storied.errors import DefinitionError


class Line(msgspec.Struct, frozen=True):
    product: Id
    sellers: list[str] = []


class Ordered(Event, formerly="Bought"):
    order: Id
    customer: Id
    lines: list[Line] = []
    first: Line | None = None
    by_name: dict[str, Line] = {}
    number: Annotated[int, Tag()] = 0
    also: list[Id] = []
    related: Id | None = None


class Renamed(Event):
    customer: Id
    name: str


class OrderPage(View, indexes=["customer", ("status", "customer")]):
    order: Id
    customer: str = ""
    status: str = "new"

    @on
    def ordered(self, event: Ordered) -> None:
        self.customer = event.customer

    @on(where="customer")
    def renamed(self, event: Renamed) -> None:
        self.status = event.name


def keys(key: Any, event: Event) -> tuple[str, ...]:
    """The documents that an event changes in a view with ``@on(key=…)``."""

    class Page(View):
        name: Id

        @on(key=key)
        def ordered(self, event: Ordered) -> None: ...

    (route,) = view_spec(Page).routes[Ordered]
    assert route.keys is not None
    return route.keys(event)


def test_the_key_is_the_field_marked_as_id() -> None:
    """The first one that is."""
    assert (view_spec(OrderPage).key, view_spec(OrderPage).new("o-1")) == ("order", OrderPage(order="o-1"))


def test_a_view_asks_for_the_types_it_handles() -> None:
    """Under every name they were stored."""
    assert view_spec(OrderPage).types() == ("Ordered", "Bought", "Renamed")


def test_indexes_are_tuples_of_fields() -> None:
    """A lone field is a tuple of one."""
    assert view_spec(OrderPage).indexes == (("customer",), ("status", "customer"))


def test_an_event_finds_its_document_by_the_field_called_like_the_key() -> None:
    """And the tag says which stream is the document's past."""
    (route,) = view_spec(OrderPage).routes[Ordered]
    assert route.keys is not None
    assert (route.keys(Ordered(order="o-1", customer="c")), route.tag, route.where) == (("o-1",), "order", None)


def test_an_event_finds_its_documents_by_an_indexed_field() -> None:
    """Every document whose value there equals the event's."""
    (route,) = view_spec(OrderPage).routes[Renamed]
    assert (route.keys, route.tag, route.where) == (None, None, "customer")


@pytest.mark.parametrize(
    ("key", "event", "expected"),
    [
        pytest.param("customer", {}, ("c",), id="a field"),
        pytest.param("lines.product", {"lines": [Line("p"), Line("q"), Line("p")]}, ("p", "q"), id="into a list"),
        pytest.param("lines.sellers", {"lines": [Line("p", ["s", "t"]), Line("q", ["s"])]}, ("s", "t"), id="two lists"),
        pytest.param("first.product", {"first": Line("p")}, ("p",), id="into a struct"),
        pytest.param("first.product", {}, (), id="into a struct that is absent"),
        pytest.param("by_name.product", {"by_name": {"a": Line("p")}}, ("p",), id="into a dict"),
        pytest.param("number", {"number": 7}, ("7",), id="a number"),
        pytest.param("also", {"also": ["b", "a", "b"]}, ("b", "a"), id="a list of ids"),
        pytest.param("related", {"related": "r"}, ("r",), id="optional"),
        pytest.param("related", {}, (), id="absent"),
        pytest.param(lambda event: event.order.upper(), {}, ("O",), id="a function to one key"),
        pytest.param(lambda event: ["x", "y", "x"], {}, ("x", "y"), id="a function to several"),
        pytest.param(lambda event: (key for key in "ab"), {}, ("a", "b"), id="a function to a generator"),
        pytest.param(lambda event: None, {}, (), id="a function to none"),
    ],
)
def test_keys_are_found_by_path_or_function(key: Any, event: dict[str, Any], expected: tuple[str, ...]) -> None:
    """One, several or none, each once, in the order found."""
    assert keys(key, Ordered(**{"order": "o", "customer": "c", **event})) == expected


def refused(why: str, view: type[View]) -> None:
    """Every question about the view is answered with that reason, the second time too."""

    def ask() -> None:
        assert view_spec(view).key
        assert view_spec(view).routes

    for _ in range(2):
        with pytest.raises(DefinitionError, match=why):
            ask()


def test_a_view_needs_a_key() -> None:
    """A document without a name could not be found."""

    class Page(View):
        order: str = ""

        @on
        def ordered(self, event: Ordered) -> None: ...

    refused("has no key", Page)


def test_a_key_is_text() -> None:
    """Numbers are written as text."""

    class Page(View):
        order: Annotated[int, Tag()]

        @on
        def ordered(self, event: Ordered) -> None: ...

    refused("is not text", Page)


def test_every_other_field_has_a_first_value() -> None:
    """A document starts from its key alone."""

    class Page(View):
        order: Id
        customer: str

        @on
        def ordered(self, event: Ordered) -> None: ...

    refused("customer needs a default", Page)


def test_a_view_handles_something() -> None:
    """Its documents would never be."""

    class Page(View):
        order: Id

    refused("handles no event", Page)


def test_an_index_names_a_field() -> None:
    """At the definition."""
    with pytest.raises(DefinitionError, match="indexes nothing, which it does not have"):

        class Page(View, indexes=["order", ("order", "nothing")]):
            order: Id


def test_an_event_needs_the_field_that_finds_the_document() -> None:
    """The error says how to find it otherwise."""

    class Page(View):
        order: Id

        @on
        def renamed(self, event: Renamed) -> None: ...

    refused(r"Renamed, which has no field 'order'.*@on\(key", Page)


def test_a_path_begins_with_a_field_of_the_event() -> None:
    """Found before an event comes."""

    class Page(View):
        order: Id

        @on(key="rows.product")
        def ordered(self, event: Ordered) -> None: ...

    refused("no field 'rows'", Page)


def test_documents_are_looked_for_by_an_indexed_field() -> None:
    """One that begins an index."""

    class Page(View, indexes=[("status", "customer")]):
        order: Id
        customer: str = ""
        status: str = ""

        @on(where="customer")
        def renamed(self, event: Renamed) -> None: ...

    refused("'customer', which is not indexed", Page)


def test_documents_are_looked_for_by_a_field_of_the_event() -> None:
    """There is nothing to compare otherwise."""

    class Page(View, indexes=["status"]):
        order: Id
        status: str = ""

        @on(where="status")
        def renamed(self, event: Renamed) -> None: ...

    refused("no field 'status'", Page)


@pytest.mark.parametrize("cls", [View, int, Ordered])
def test_what_is_not_a_view_has_no_spec(cls: Any) -> None:
    """`View` itself is none either."""
    with pytest.raises(DefinitionError, match=r"Derive it from storied\.View"):
        view_spec(cls)
