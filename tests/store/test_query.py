"""Queries match as the specification words it, and refuse what cannot be asked."""

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from storied.domain.events import Event
from storied.errors import DefinitionError, InvalidQuery
from storied.store.query import AppendCondition, Query, QueryItem

TYPES = st.sampled_from(["A", "B", "C"])
TAGS = st.sampled_from(["a:1", "a:2", "b:1", "b:2"])
ITEMS = st.builds(
    lambda types, tags: QueryItem(tuple(types), tuple(tags)), st.lists(TYPES, max_size=3), st.lists(TAGS, min_size=1)
) | st.builds(lambda types: QueryItem(tuple(types)), st.lists(TYPES, min_size=1))
QUERIES = st.builds(lambda items: Query(tuple(items)), st.lists(ITEMS, max_size=4))
EVENTS = st.tuples(TYPES, st.sets(TAGS))


class Kept(Event, name="kept", formerly=("Held",)):
    pass


@given(QUERIES, EVENTS)
def test_an_event_matches_when_an_item_wants_its_type_and_all_its_tags_are_there(
    query: Query, event: tuple[str, set[str]]
) -> None:
    """Types are alternatives, tags are demanded together, items are alternatives, no item means everything."""
    type, tags = event
    wanted = [(not item.types or type in item.types) and set(item.tags) <= tags for item in query.items]
    assert query.matches(type, tags) == (any(wanted) or not query.items)


@given(QUERIES, QUERIES, EVENTS)
def test_the_union_of_two_queries_matches_what_either_matches(one: Query, two: Query, event: Any) -> None:
    """`|` means OR, also with a query for everything."""
    assert (one | two).matches(*event) == (one.matches(*event) or two.matches(*event))


@given(st.lists(TYPES, min_size=1), st.lists(TAGS, min_size=1))
def test_an_item_names_each_type_and_tag_once_in_order(types: list[str], tags: list[str]) -> None:
    """Items that mean the same are equal, however they were written."""
    item = QueryItem(tuple(types), tuple(tags))
    assert (item.types, item.tags) == (tuple(sorted(set(types))), tuple(sorted(set(tags))))
    assert Query((item,)) == Query.of(types=types, tags=tags)


def test_a_query_of_neither_types_nor_tags_asks_for_everything() -> None:
    """`Query.of()` is `Query()`."""
    assert Query.of() == Query()
    assert Query().all


def test_a_union_names_an_item_once() -> None:
    """What both queries ask for is asked once."""
    assert Query.of(tags=["a:1"]) | Query.of(tags=["a:1"]) == Query.of(tags=["a:1"])


def test_a_class_stands_for_all_names_it_was_ever_stored_under() -> None:
    """Today's name and the former ones, not the name of the class."""
    assert Query.of(types=[Kept]).items == (QueryItem(("Held", "kept")),)


@pytest.mark.parametrize("of", [{"types": "OrderPlaced"}, {"tags": "order:o-1"}, {"types": Kept}])
def test_types_and_tags_are_lists(of: dict[str, Any]) -> None:
    """A lone name would be taken letter by letter."""
    with pytest.raises(InvalidQuery, match="lists"):
        Query.of(**of)


@pytest.mark.parametrize("item", [{"types": "OrderPlaced"}, {"tags": "order:o-1"}])
def test_types_and_tags_of_an_item_are_tuples(item: dict[str, Any]) -> None:
    """A lone name would be taken letter by letter here too."""
    with pytest.raises(InvalidQuery, match="tuples"):
        QueryItem(**item)


def test_an_item_names_something() -> None:
    """An item without type and tag would match everything unasked."""
    with pytest.raises(InvalidQuery, match="at least one"):
        QueryItem()


@pytest.mark.parametrize("type", ["", "line\nfeed", "nul\x00", 7, None])
def test_a_type_is_a_printable_name(type: Any) -> None:
    """What cannot name an event type cannot be asked for."""
    with pytest.raises(InvalidQuery, match="not the name"):
        QueryItem(types=(type,))


@pytest.mark.parametrize("tag", ["", "order", "order:", ":o-1", "order:\n", "order:" + "x" * 251, 7, None])
def test_a_tag_is_well_formed(tag: Any) -> None:
    """What cannot be a tag cannot be asked for; the code says why."""
    with pytest.raises(InvalidQuery) as caught:
        QueryItem(tags=(tag,))
    assert caught.value.code == "invalid-tag"


@pytest.mark.parametrize("tags", [[7], [None, "order:o-1"], ["order:o-1", 7]])
def test_query_of_refuses_tags_that_are_no_text(tags: list[Any]) -> None:
    """Whatever stands beside them."""
    with pytest.raises(InvalidQuery):
        Query.of(tags=tags)


@pytest.mark.parametrize("types", [[7], [int], ["A", 7]])
def test_query_of_refuses_types_that_are_no_events(types: list[Any]) -> None:
    """A class that is not an event, and what is no class at all."""
    with pytest.raises((InvalidQuery, DefinitionError)):
        Query.of(types=types)


@pytest.mark.parametrize("after", [-1, 1.0, True, "1", None, 2**63])
def test_a_condition_is_after_a_position(after: Any) -> None:
    """A whole number from 0 that fits 64 bits."""
    with pytest.raises(InvalidQuery, match="not a whole number"):
        AppendCondition(Query(), after=after)
