"""What differs between two JSON values: exact, whatever they are, and short where a list was added to or taken from."""

from __future__ import annotations

import copy
from typing import Any

import msgspec
import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from storied.services.querying.differing import Difference, differences

SCALARS = st.one_of(
    st.none(), st.booleans(), st.integers(-2, 2), st.floats(-2, 2, width=16), st.sampled_from(["", "a", "~/", "0"])
)
VALUES = st.recursive(
    SCALARS, lambda inner: st.lists(inner, max_size=5) | st.dictionaries(st.sampled_from("ab~/0"), inner), max_leaves=20
)


def text_of(value: Any) -> bytes:
    """The value as JSON, in which what is equal in Python alone differs."""
    return msgspec.json.encode(value, order="sorted")


def changed(value: Any, change: Difference) -> Any:
    """The value after the change, made as RFC 6902 has it: `replace`, `add` or `remove`."""
    value = copy.deepcopy(value)
    if not change.path:
        assert text_of(value) == text_of(change.before)
        return change.after
    *way, last = [part.replace("~1", "/").replace("~0", "~") for part in change.path[1:].split("/")]
    inside = value
    for part in way:
        inside = inside[int(part)] if isinstance(inside, list) else inside[part]
    place: Any = int(last) if isinstance(inside, list) else last
    if change.before is not msgspec.UNSET:
        assert text_of(inside[place]) == text_of(change.before)
    if change.after is msgspec.UNSET:
        del inside[place]
    elif change.before is msgspec.UNSET and isinstance(inside, list):
        assert place <= len(inside)
        inside.insert(place, change.after)
    else:
        assert (place in inside) == (change.before is not msgspec.UNSET) or isinstance(inside, list)
        inside[place] = change.after
    return value


@given(VALUES, VALUES)
@example([1, True, 1.0], [True, 1.0, 1])
@example([0.0], [-0.0])
@example({"a": [[1], [2]]}, {"a": [[0, 1], [2], [2]]})
def test_made_one_after_another_the_differences_lead_to_the_other(before: Any, after: Any) -> None:
    """To the very JSON, and what each says of before is there by then."""
    value = before
    for change in differences(before, after):
        value = changed(value, change)
    assert text_of(value) == text_of(after)


@given(VALUES)
def test_what_is_the_same_has_no_difference(value: Any) -> None:
    """Also in another order of its members."""
    assert list(differences(value, msgspec.json.decode(text_of(value)))) == []


@pytest.mark.parametrize(
    ("before", "after"), [(0.0, -0.0), (-0.0, 0.0), (0.0, 0), (1, 1.0), (1, True), (0, False), (None, False), ([], {})]
)
def test_values_differ_when_their_json_does(before: Any, after: Any) -> None:
    """Whatever Python takes for equal; by themselves and within others."""
    for wrap in (lambda one: one, lambda one: {"a": one}, lambda one: [one], lambda one: [[one], "end"]):
        [change] = differences(wrap(before), wrap(after))
        assert (text_of(change.before), text_of(change.after)) == (text_of(before), text_of(after))


@pytest.mark.parametrize("size", [0, 1, 5])
@given(data=st.data())
def test_one_item_that_is_put_in_or_taken_out_is_one_difference(size: int, data: st.DataObject) -> None:
    """Wherever in the list: those behind it have only moved."""
    short = list(range(size))
    place = data.draw(st.integers(0, size))
    long = [*short[:place], "new", *short[place:]]
    assert list(differences(short, long)) == [Difference(f"/{place}", after="new")]
    assert list(differences(long, short)) == [Difference(f"/{place}", before="new")]


def test_what_stands_between_is_compared_place_by_place() -> None:
    """And what is left over was taken out, the last one first, or put in."""
    assert list(differences([1, {"a": 2}, 3, 4, 9], [1, {"a": 5}, 9])) == [
        Difference("/1/a", 2, 5),
        Difference("/3", before=4),
        Difference("/2", before=3),
    ]
    assert list(differences([1, 2, 9], [1, 3, 4, 5, 9])) == [
        Difference("/1", 2, 3),
        Difference("/2", after=4),
        Difference("/3", after=5),
    ]


def test_lists_within_lists_are_compared_in_a_time_that_grows_with_their_size() -> None:
    """However deep they are: no level is looked at again and again by those above it."""
    before: Any = 1
    after: Any = 2
    for _ in range(60):
        before, after = ["x", before, "y"], ["x", after, "y"]
    [change] = differences(before, after)
    assert (change.path, change.before, change.after) == ("/1" * 60, 1, 2)
