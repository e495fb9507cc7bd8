"""Facts about finding documents: criteria, order, paging and counting by indexed fields."""

from __future__ import annotations

from pathlib import Path

import pytest

from storied.store.documents import Hit, Lookup, Table
from storied.store.ordering import Scalar
from storied.testing.contract.opening import OpensDocuments
from storied.testing.contract.shelves import PEOPLE, RESIDENTS, document, keys, leaf_through, put, where

ASKED: dict[str, tuple[Lookup, list[str]]] = {
    "everybody": (Lookup(), ["anna", "bert", "carl", "dora", "emil", "fay", "gus", "hans"]),
    "a text": (where(("city", "=", "Bern")), ["anna", "bert", "hans"]),
    "a number": (where(("age", "=", 30)), ["anna", "carl", "dora", "hans"]),
    "a value that nobody has": (where(("city", "=", "Rome")), []),
    "None": (where(("city", "=", None)), ["dora", "gus"]),
    "two fields": (where(("city", "=", "Bern"), ("age", "=", 30)), ["anna", "hans"]),
    "two fields, one None": (where(("city", "=", None), ("age", "=", 30)), ["dora"]),
    "two values of one field": (where(("age", "=", 30), ("age", "=", 41)), []),
    "above": (where(("age", ">", 30)), ["bert"]),
    "from": (where(("age", ">=", 30)), ["anna", "bert", "carl", "dora", "hans"]),
    "below": (where(("age", "<", 30)), ["fay"]),
    "up to": (where(("age", "<=", 30)), ["anna", "carl", "dora", "fay", "hans"]),
    "between": (where(("age", ">=", 7), ("age", "<", 41)), ["anna", "carl", "dora", "fay", "hans"]),
    "between texts": (where(("city", ">", "Bern"), ("city", "<=", "Zug")), ["carl", "emil", "fay"]),
    "a text and a range": (where(("city", "=", "Bern"), ("age", ">", 30)), ["bert"]),
    "by a field": (Lookup(order="age"), ["emil", "gus", "fay", "anna", "carl", "dora", "hans", "bert"]),
    "by another field": (Lookup(order="city"), ["dora", "gus", "anna", "bert", "hans", "emil", "carl", "fay"]),
    "criteria by another field": (where(("age", "=", 30), order="city"), ["dora", "anna", "hans", "carl"]),
}

KINDS: list[Scalar] = [None, -(2**63), -1.5, -1, 0, 0.5, 1, 2, 10, 2**53, 2**53 + 1, 2**63 - 1, "", "1", "10", "2"]
KINDS += ["A", "Z", "a", "z", "é", "日", "\uffff", "🦊"]
"""Values in the one order: None, numbers by amount, texts by code points."""


class FindFacts(OpensDocuments):
    """What `find` and `count` give."""

    @pytest.mark.parametrize("asked", ASKED)
    async def test_a_lookup_finds_what_it_asks_for(self, tmp_path: Path, asked: str) -> None:
        """All criteria hold; None equals None and is in no range; the order is by value, then by key."""
        async with self.open_documents(tmp_path) as documents:
            await put(documents, PEOPLE, RESIDENTS)
            lookup, expected = ASKED[asked]
            assert await keys(documents, PEOPLE, lookup) == expected

    @pytest.mark.parametrize("asked", ASKED)
    async def test_descending_is_the_same_from_the_other_end(self, tmp_path: Path, asked: str) -> None:
        """The largest comes first, None last, and keys of equal values turn round too."""
        async with self.open_documents(tmp_path) as documents:
            await put(documents, PEOPLE, RESIDENTS)
            lookup, expected = ASKED[asked]
            descending = Lookup(lookup.criteria, lookup.order, descending=True)
            assert await keys(documents, PEOPLE, descending) == expected[::-1]

    @pytest.mark.parametrize("asked", ASKED)
    @pytest.mark.parametrize("descending", [False, True])
    @pytest.mark.parametrize("size", [1, 2, 3, 20])
    async def test_pages_visit_each_document_once(
        self, tmp_path: Path, asked: str, descending: bool, size: int
    ) -> None:
        """Going on beyond the last hit misses nothing and doubles nothing, among equal values and None too."""
        async with self.open_documents(tmp_path) as documents:
            await put(documents, PEOPLE, RESIDENTS)
            lookup, expected = ASKED[asked]
            paged = Lookup(lookup.criteria, lookup.order, descending, limit=size)
            found = await leaf_through(documents, PEOPLE, paged)
            assert [hit.key for hit in found] == (expected[::-1] if descending else expected)

    async def test_a_limit_gives_the_first_ones(self, tmp_path: Path) -> None:
        """At most so many, in the lookup's order; 0 gives none."""
        async with self.open_documents(tmp_path) as documents:
            await put(documents, PEOPLE, RESIDENTS)
            assert await keys(documents, PEOPLE, Lookup(order="age", limit=3)) == ["emil", "gus", "fay"]
            assert await keys(documents, PEOPLE, Lookup(limit=0)) == []

    async def test_a_hit_tells_document_and_value(self, tmp_path: Path) -> None:
        """The JSON as stored, and the value it is ordered by."""
        async with self.open_documents(tmp_path) as documents:
            await put(documents, PEOPLE, RESIDENTS)
            hits, _, _ = await documents.find(PEOPLE, Lookup(order="age", descending=True, limit=1))
            assert hits == [Hit("bert", document("bert", ("Bern", 41)), 41)]

    async def test_a_hit_ordered_by_key_has_no_value(self, tmp_path: Path) -> None:
        """There is nothing but the key to go on from."""
        async with self.open_documents(tmp_path) as documents:
            await put(documents, PEOPLE, {"anna": ("Bern", 30)})
            hits, _, _ = await documents.find(PEOPLE, Lookup())
            assert hits == [Hit("anna", document("anna", ("Bern", 30)), None)]

    async def test_a_lookup_tells_where_the_table_stands(self, tmp_path: Path) -> None:
        """The position comes with the hits, and without any."""
        async with self.open_documents(tmp_path) as documents:
            await put(documents, PEOPLE, RESIDENTS)
            await put(documents, PEOPLE, {})
            assert (await documents.find(PEOPLE, where(("city", "=", "Rome")))) == ([], 2, False)

    async def test_a_page_goes_on_beyond_a_document_that_is_gone(self, tmp_path: Path) -> None:
        """The place is a value and a key, not a document that has to be there."""
        async with self.open_documents(tmp_path) as documents:
            await put(documents, PEOPLE, RESIDENTS)
            beyond = Lookup(order="age", beyond=(30, "aaron"))
            assert await keys(documents, PEOPLE, beyond) == ["anna", "carl", "dora", "hans", "bert"]

    async def test_values_stand_in_one_order(self, tmp_path: Path) -> None:
        """None, then numbers by amount, then texts by code points; a text of digits is a text."""
        table = Table("Kinds", (("value",),))
        async with self.open_documents(tmp_path) as documents:
            await put(documents, table, {f"k-{n:02d}": (value,) for n, value in enumerate(KINDS)})
            hits, _, _ = await documents.find(table, Lookup(order="value"))
            assert [hit.value for hit in hits] == KINDS

    @pytest.mark.parametrize("value", KINDS, ids=repr)
    async def test_equality_is_exact(self, tmp_path: Path, value: Scalar) -> None:
        """No rounding, letter case or likeness of digits makes two values equal."""
        table = Table("Kinds", (("value",),))
        async with self.open_documents(tmp_path) as documents:
            await put(documents, table, {f"k-{n:02d}": (kind,) for n, kind in enumerate(KINDS)})
            assert await keys(documents, table, where(("value", "=", value))) == [f"k-{KINDS.index(value):02d}"]

    async def test_fields_may_have_any_name(self, tmp_path: Path) -> None:
        """Words of SQL, and those that the engine uses itself, are names like any other."""
        fields = ("key", "document", "order", "group", "select", "rowid", "position", "value", "where", "desc")
        table = Table("Select", tuple((field,) for field in fields))
        async with self.open_documents(tmp_path) as documents:
            await put(documents, table, {"a": tuple(range(10)), "b": tuple(range(1, 11))})
            for number, field in enumerate(fields):
                assert await keys(documents, table, where((field, "=", number), order=field)) == ["a"]

    async def test_fields_that_differ_in_letter_case_are_two(self, tmp_path: Path) -> None:
        """A field's name is compared character by character."""
        table = Table("Cased", (("name",), ("Name",)))
        async with self.open_documents(tmp_path) as documents:
            await put(documents, table, {"a": ("x", "y"), "b": ("y", "x")})
            assert await keys(documents, table, where(("name", "=", "x"))) == ["a"]
            assert await keys(documents, table, where(("Name", "=", "x"))) == ["b"]

    async def test_count_of_all_stands_under_none(self, tmp_path: Path) -> None:
        """Without a field to count by there is one number, with the position it is true at."""
        async with self.open_documents(tmp_path) as documents:
            await put(documents, PEOPLE, RESIDENTS)
            assert await documents.count(PEOPLE, Lookup()) == ({None: 8}, 1, False)

    async def test_count_keeps_to_the_criteria(self, tmp_path: Path) -> None:
        """Only what the lookup would find is counted."""
        async with self.open_documents(tmp_path) as documents:
            await put(documents, PEOPLE, RESIDENTS)
            assert await documents.count(PEOPLE, where(("age", ">=", 30))) == ({None: 5}, 1, False)

    async def test_count_of_nothing_is_0(self, tmp_path: Path) -> None:
        """None found is a number too."""
        async with self.open_documents(tmp_path) as documents:
            await put(documents, PEOPLE, RESIDENTS)
            assert await documents.count(PEOPLE, where(("city", "=", "Rome"))) == ({None: 0}, 1, False)

    async def test_count_by_a_field(self, tmp_path: Path) -> None:
        """One number for each value that occurs, None among them."""
        async with self.open_documents(tmp_path) as documents:
            await put(documents, PEOPLE, RESIDENTS)
            assert await documents.count(PEOPLE, Lookup(), by="city") == (
                {"Bern": 3, "Zug": 2, "Chur": 1, None: 2},
                1,
                False,
            )

    async def test_count_by_a_field_keeps_to_the_criteria(self, tmp_path: Path) -> None:
        """Values that the criteria leave no document of are not mentioned."""
        async with self.open_documents(tmp_path) as documents:
            await put(documents, PEOPLE, RESIDENTS)
            counted = await documents.count(PEOPLE, where(("age", "=", 30)), by="city")
            assert counted == ({"Bern": 2, "Zug": 1, None: 1}, 1, False)

    async def test_count_by_a_field_of_nothing_is_empty(self, tmp_path: Path) -> None:
        """Where nothing is found no value occurs."""
        async with self.open_documents(tmp_path) as documents:
            await put(documents, PEOPLE, RESIDENTS)
            assert await documents.count(PEOPLE, where(("city", "=", "Rome")), by="age") == ({}, 1, False)
