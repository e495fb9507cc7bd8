"""What histories are made of: events, conditions, questions and repeats, drawn small so that they collide.

Everything relative stays relative here (`back` from the head, a number among the appends so far); the machine
that plays the history knows what it means by then.
"""

from __future__ import annotations

import msgspec
from hypothesis import strategies as st

from storied.store.query import Query, QueryItem

TYPES = ("Opened", "Paid", "Closed", "Noted")
TAGS = ("account:a", "account:b", "owner:o", "owner:p", "owner:q", "owner:ö")
REPEATS = ("exact", "new event ids", "new data", "one less", "one more", "new tags", "condition", "fingerprint", "none")
FINGERPRINTS = (None, b"one", b"two")


class Shape(msgspec.Struct, frozen=True):
    """An event without its id; *note* tells events of one shape apart."""

    type: str
    tags: tuple[str, ...]
    note: int
    version: int = 1
    actor: str | None = None


class Unless(msgspec.Struct, frozen=True):
    """An append condition decided at the head less *back*; a negative *back* lies beyond the head."""

    query: Query
    back: int


class Wanted(msgspec.Struct, frozen=True):
    """An append; without *named* the store makes up its id."""

    shapes: tuple[Shape, ...]
    unless: tuple[Unless, ...] = ()
    named: bool = False
    fingerprint: bytes | None = None


class Repeat(msgspec.Struct, frozen=True):
    """An append under the id of an earlier one, counted from the latest; *how* says what is different this time."""

    which: int
    how: str


class Question(msgspec.Struct, frozen=True):
    """A read: where it starts and ends, counted from the head, how much it wants and in pages of which size."""

    query: Query
    after: int | None
    until: int | None
    limit: int | None
    backwards: bool
    size: int


class StreamPage(msgspec.Struct, frozen=True):
    """A page of one stream: where it starts and ends, counted from the head."""

    query: Query
    after: int | None
    until: int | None


def _some(names: tuple[str, ...], least: int, most: int) -> st.SearchStrategy[tuple[str, ...]]:
    return st.lists(st.sampled_from(names), min_size=least, max_size=most, unique=True).map(tuple)


items = st.one_of(
    st.builds(QueryItem, types=_some(TYPES, 1, 2)),
    st.builds(QueryItem, tags=_some(TAGS, 1, 1)),
    st.builds(QueryItem, types=_some(TYPES, 1, 2), tags=_some(TAGS, 1, 1)),
    st.builds(QueryItem, types=_some(TYPES, 0, 2), tags=_some(TAGS, 2, 3)),
)
many_streams = st.builds(
    lambda types, tags: Query(tuple(QueryItem(types, (tag,)) for tag in tags)), _some(TYPES, 0, 1), _some(TAGS, 4, 6)
)
many_types = st.builds(
    lambda name, count: Query.of(types=[name, *(f"Heard{n:03}" for n in range(count))]),
    st.sampled_from(TYPES),
    st.sampled_from([3, 15, 16, 17, 300]),
)
many_items = st.builds(
    lambda types, tag: Query(
        (*(QueryItem((f"Heard{n}",), ()) for n in range(5)), *(QueryItem((name,), (tag,)) for name in types))
    ),
    _some(TYPES, 1, 2),
    st.sampled_from(TAGS),
)
"""More branches than one statement takes in these tests, in an order in which the last ones match, too."""
queries = st.one_of(
    st.builds(Query),
    items.map(lambda item: Query((item,))),
    items.map(lambda item: Query((item,))),
    st.lists(items, min_size=2, max_size=4).map(lambda several: Query(tuple(several))),
    many_streams,
    many_types,
    many_items,
)
shapes = st.builds(
    Shape,
    type=st.sampled_from(TYPES),
    tags=_some(TAGS, 0, 3),
    note=st.integers(0, 3),
    version=st.sampled_from([1, 1, 1, 2]),
    actor=st.sampled_from([None, None, "anna"]),
)
conditions = st.builds(Unless, query=queries, back=st.integers(-1, 6))
appends = st.builds(
    Wanted,
    shapes=st.lists(shapes, min_size=1, max_size=4).map(tuple),
    unless=st.one_of(
        st.just(()), conditions.map(lambda c: (c,)), st.lists(conditions, min_size=2, max_size=3).map(tuple)
    ),
    named=st.booleans(),
    fingerprint=st.sampled_from(FINGERPRINTS),
)
empty_appends = st.builds(
    Wanted,
    shapes=st.just(()),
    unless=st.one_of(st.just(()), conditions.map(lambda c: (c,))),
    named=st.sampled_from([True, True, False]),
    fingerprint=st.sampled_from(FINGERPRINTS),
)
repeats = st.builds(Repeat, which=st.integers(0, 5), how=st.sampled_from(REPEATS))
batches = st.lists(st.one_of(appends, appends, repeats, empty_appends), min_size=2, max_size=6)
other_append_ids = st.sampled_from([None, None, None, "unheard", "line\n", "x" * 200, "x" * 201])
sizes = st.sampled_from([1, 2, 3, 5, 7, 1024])
questions = st.builds(
    Question,
    query=queries,
    after=st.one_of(st.none(), st.integers(-1, 8)),
    until=st.one_of(st.none(), st.integers(-1, 8)),
    limit=st.one_of(st.none(), st.integers(0, 9)),
    backwards=st.booleans(),
    size=sizes,
)

streams = st.builds(
    StreamPage,
    query=st.builds(
        lambda types, tag: Query((QueryItem(types, (tag,)),)),
        st.sampled_from([(), TYPES[:1], TYPES[:2]]),
        st.sampled_from(TAGS),
    ),
    after=st.one_of(st.none(), st.integers(-1, 8)),
    until=st.one_of(st.none(), st.integers(-1, 8)),
)

BEGINNING = Wanted(
    tuple(Shape(TYPES[n % 4], tuple(dict.fromkeys((TAGS[n % 6], TAGS[n % 5]))), n % 4) for n in range(12)), named=True
)
"""An append that gives the questions something to find."""
