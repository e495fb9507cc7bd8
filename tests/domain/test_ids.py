"""Ids are UUIDs of version 7: random for the store, derived for a decision."""

from uuid import RFC_4122, UUID

from hypothesis import given
from hypothesis import strategies as st

from storied.domain.ids import derived_id, new_id

MILLISECONDS = st.integers(0, 2**48 - 1)


def test_new_ids_are_unique_and_in_time_order() -> None:
    """Also within one millisecond."""
    ids = [new_id() for _ in range(5000)]
    assert ids == sorted(set(ids))


def test_a_new_id_is_a_uuid_of_version_7() -> None:
    """In its text form."""
    made = UUID(new_id())
    assert (made.version, made.variant) == (7, RFC_4122)


@given(st.text(), st.integers(0, 2**31), MILLISECONDS)
def test_a_derived_id_is_a_uuid_of_version_7_at_its_time(seed: str, index: int, milliseconds: int) -> None:
    """The first 48 bits are the time, and version and variant stand where RFC 9562 wants them."""
    made = UUID(derived_id(seed, index, milliseconds))
    assert (made.version, made.variant, made.int >> 80) == (7, RFC_4122, milliseconds)


@given(st.text(), st.integers(0, 2**31), MILLISECONDS)
def test_a_derived_id_is_the_same_again(seed: str, index: int, milliseconds: int) -> None:
    """A decision that is taken again makes the same ids."""
    assert derived_id(seed, index, milliseconds) == derived_id(seed, index, milliseconds)


def test_a_derived_id_never_changes() -> None:
    """In no other process and no later release: this value was computed once."""
    assert derived_id("command", 1, 1_700_000_000_000) == "018bcfe5-6800-7401-9225-5fd34dea7cf0"


def test_derived_ids_differ_by_seed_and_index() -> None:
    """A seed that ends in digits is not taken for another one's index."""
    made = {derived_id(seed, index, 0) for seed in ("a", "a1", "a\n1", "b") for index in range(1, 120)}
    assert len(made) == 4 * 119
