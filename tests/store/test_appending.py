"""What every engine does alike with an append: checking it, recognising a repeat, wording a conflict."""

from typing import Any

import msgspec
import pytest

from storied.domain.ids import new_id
from storied.errors import AppendIdReused, InvalidEvent, InvalidInput
from storied.store.appending import (
    AppendRequest,
    Stored,
    check_append_id,
    checked_request,
    conflict,
    known_receipt,
    repeat_receipt,
)
from storied.store.query import AppendCondition, Query
from storied.store.records import NewEvent, Receipt, placed

PAID = NewEvent("Paid", '{"amount":1}', 1, ("customer:c", "order:o"), '{"actor":"anna"}')
CLOSED, CLOSED_AGAIN = NewEvent("Closed", "{}"), NewEvent("Closed", "{}")
RECORDS = [placed(PAID, 5, 0), placed(CLOSED, 6, 0)]
RECEIPT = Receipt("one", 6, 2)
BY_CONTENT, BY_FINGERPRINT = Stored(RECEIPT, None), Stored(RECEIPT, b"request")


def request(*events: NewEvent, fingerprint: bytes | None = None) -> AppendRequest:
    """A checked append under the id ``one``."""
    return checked_request(events, None, "one", fingerprint)


def test_a_repeat_is_told_by_its_content() -> None:
    """Type, version, tags, data and metadata are the same; the ids need not be."""
    again = [msgspec.structs.replace(event, id=new_id()) for event in (PAID, CLOSED)]
    assert repeat_receipt(request(*again), BY_CONTENT, RECORDS) == RECEIPT


@pytest.mark.parametrize(
    "change",
    [{"type": "Repaid"}, {"data": "{}"}, {"version": 2}, {"tags": ("order:o",)}, {"metadata": "{}"}],
    ids=lambda change: next(iter(change)),
)
def test_one_difference_is_another_append(change: dict[str, Any]) -> None:
    """And the error names the id and where it was used."""
    with pytest.raises(AppendIdReused) as caught:
        repeat_receipt(request(msgspec.structs.replace(PAID, **change), CLOSED), BY_CONTENT, RECORDS)
    assert (caught.value.append_id, caught.value.position) == ("one", 6)


@pytest.mark.parametrize("events", [(), (PAID,), (CLOSED, PAID), (PAID, CLOSED, CLOSED_AGAIN)])
def test_another_number_or_order_of_events_is_another_append(events: tuple[NewEvent, ...]) -> None:
    """All of the events, in order, and no more."""
    with pytest.raises(AppendIdReused):
        repeat_receipt(request(*events), BY_CONTENT, RECORDS)


def test_a_fingerprint_speaks_for_the_events() -> None:
    """Where both have one, nothing else is compared."""
    assert repeat_receipt(request(CLOSED, fingerprint=b"request"), BY_FINGERPRINT, RECORDS) == RECEIPT


@pytest.mark.parametrize(
    ("given", "stored"),
    [(b"other", BY_FINGERPRINT), (None, BY_FINGERPRINT), (b"request", BY_CONTENT)],
    ids=["another", "none now", "none then"],
)
def test_fingerprints_that_differ_are_another_append(given: bytes | None, stored: Stored) -> None:
    """Even if the events are equal, and also where only one of the two has one."""
    with pytest.raises(AppendIdReused):
        repeat_receipt(request(PAID, CLOSED, fingerprint=given), stored, RECORDS)


def test_an_unknown_append_has_no_receipt() -> None:
    """None, with a fingerprint or without."""
    assert known_receipt("one", None, b"request") is None


@pytest.mark.parametrize("stored", [BY_FINGERPRINT, BY_CONTENT])
def test_a_receipt_is_not_given_for_another_fingerprint(stored: Stored) -> None:
    """Nor for one where none was stored."""
    with pytest.raises(AppendIdReused):
        known_receipt("one", stored, b"other")


def test_a_request_without_an_id_is_given_one() -> None:
    """And it is known to be new, so that nobody looks for it."""
    made = checked_request([PAID], None, None, None)
    assert (made.fresh, request(PAID).fresh) == (True, False)
    assert made.append_id != checked_request([PAID], None, None, None).append_id


@pytest.mark.parametrize("many", [AppendCondition(Query()), [AppendCondition(Query())], (AppendCondition(Query()),)])
def test_conditions_become_a_tuple(many: Any) -> None:
    """One, a list of them, or none."""
    assert checked_request([PAID], many, None, None).conditions == (AppendCondition(Query()),)


def test_no_condition_is_an_empty_tuple() -> None:
    """As is an empty list."""
    assert request(PAID).conditions == checked_request([PAID], [], None, None).conditions == ()


def test_nothing_to_append_needs_an_id() -> None:
    """With an id there is something to remember."""
    with pytest.raises(InvalidInput) as caught:
        checked_request([], None, None, None)
    assert (caught.value.code, request().events) == ("empty-append", ())


@pytest.mark.parametrize("other", [{"type": "Paid"}, "Paid", None, Receipt("one", 1, 1)])
def test_only_new_events_are_appended(other: Any) -> None:
    """The error says how to make one."""
    with pytest.raises(InvalidEvent, match=r"codec\.encode"):
        checked_request([PAID, other], None, None, None)


@pytest.mark.parametrize("append_id", ["", "x" * 201, "a\nb", "a\0", "\ud800", None, 7, b"one"])
def test_an_append_id_is_short_printable_text(append_id: Any) -> None:
    """Everything else has one code."""
    with pytest.raises(InvalidInput) as caught:
        check_append_id(append_id)
    assert caught.value.code == "invalid-append-id"


@pytest.mark.parametrize("append_id", ["x", "x" * 200, "Ünï ✓", "0190163d-8694-739b-aea5-966c26f8ad90"])
def test_printable_text_up_to_200_characters_is_an_append_id(append_id: str) -> None:
    """Spaces and every script are fine."""
    check_append_id(append_id)


def test_a_conflict_tells_what_it_was_refused_for() -> None:
    """The tags of the first item that matches, not all that the event carries."""
    query = Query.of(types=["Closed"], tags=["order:o"]) | Query.of(tags=["order:o"])
    error = conflict(AppendCondition(query, 3), RECORDS[0])
    assert (error.after, error.position, error.type, error.tags, error.actor) == (3, 5, "Paid", ("order:o",), "anna")
    assert str(error) == (
        "conflict on order:o: decided at 3, but 5 Paid (anna) came in between. "
        "Nothing was stored. Reload and decide again, or let execute() retry."
    )


def test_a_conflict_about_types_alone_names_no_tag() -> None:
    """And nobody, where nobody is known."""
    error = conflict(AppendCondition(Query.of(types=["Closed"])), RECORDS[1])
    assert str(error).startswith("conflict: decided at 0, but 6 Closed came in between.")
