"""Bad input by the verb that it is given to, each with the code that refuses it."""

from __future__ import annotations

import math
import operator
from collections.abc import Awaitable, Callable, Iterable
from datetime import datetime
from decimal import Decimal
from typing import Any

import msgspec

from storied import AppendCondition, Fact, Occurred, OpenApp, Query, Range
from storied.store.codec import encode, new_event
from storied.store.query import QueryItem
from storied.store.records import Metadata, NewEvent
from storied.store.searching import StreamQuery
from tests.bad_input.model import MEGABYTE, UNSTORABLE, Counted, Note, Noted, Page, Take, nested

Act = Callable[[OpenApp], Awaitable[object]]
Case = tuple[Act, str]
SURROGATE = "\ud800"
GOOD = encode(Noted(note="n-1"))


def recorded(**fields: Any) -> Act:
    """Records a note with these fields."""
    return verb("record", Noted(**{"note": "n-1", **fields}))


def executed(**fields: Any) -> Act:
    """Executes a command with these fields."""
    return verb("execute", Take(**{"note": "n-1", **fields}))


def made(*args: Any, **options: Any) -> Act:
    """Appends a sound event and then one without a class."""

    async def act(shop: OpenApp) -> object:
        return await shop.store.append([GOOD, new_event(*args, **options)])

    return act


def by_hand(**fields: Any) -> Act:
    """Appends a sound event and then one that is made by hand."""

    async def act(shop: OpenApp) -> object:
        return await shop.store.append([GOOD, NewEvent(**{"type": "Noted", "data": "{}", **fields})])

    return act


def changed(**fields: Any) -> Act:
    """Appends an event that the codec made and somebody changed."""

    async def act(shop: OpenApp) -> object:
        return await shop.store.append([GOOD, msgspec.structs.replace(GOOD, **fields)])

    return act


def appended(*args: Any, **options: Any) -> Act:
    """Appends just so."""
    return verb("store.append", *args, **options)


def read(*args: Any, **options: Any) -> Act:
    """Reads just so."""

    async def act(shop: OpenApp) -> object:
        return await shop.store.read(*args, **options).list()

    return act


def verb(name: str, *arguments: Any, **options: Any) -> Act:
    """Calls the app's verb of that name, or the store's; of what can be iterated it takes the first."""

    async def act(shop: OpenApp) -> object:
        found: Any = operator.attrgetter(name)(shop)(*arguments, **options)
        if hasattr(found, "__aiter__"):
            return await anext(aiter(found), None)
        return await found

    return act


def making(make: Callable[..., object], *arguments: Any, **options: Any) -> Act:
    """Makes something just so, which may already fail."""

    async def act(shop: OpenApp) -> object:
        return make(*arguments, **options)

    return act


def pages(size: Any) -> Act:
    """Reads in pages of that size."""

    async def act(shop: OpenApp) -> object:
        return [page async for page in shop.store.read().pages(size)]

    return act


def numbered(values: Iterable[Any]) -> Iterable[tuple[int, Any]]:
    """Each value, whatever it is, with a number to name the case by."""
    return enumerate(values)


def fields() -> dict[str, Case]:
    """Wrong types in typed fields, and what JSON cannot keep."""
    cases: dict[str, Case] = {}
    for name, (value, code) in UNSTORABLE.items():
        cases[f"record, anything: {name}"] = recorded(anything=value), code
        command_code = "invalid-command" if code == "not-json" or "number as key" in name else code
        cases[f"execute, anything: {name}"] = executed(anything=value), command_code
        cases[f"new_event: {name}"] = made("Noted", {"value": value}), code
    wrong: dict[str, list[Any]] = {
        "note": [1, 1.5, True, ["n"], {}],
        "about": ["n", [1], {"n": 1}],
        "number": ["1", 1.5, None, [], math.nan, Decimal(1)],
        "amount": ["x", None, [], math.nan],
        "share": ["x", None, []],
        "text": [1, None, []],
        "raw": ["not base64!", 1, None],
        "flags": ["x", [1], None],
        "names": [{"a": 1}, [], "x", None],
        "when": ["yesterday", "x", []],
    }
    for field, values in wrong.items():
        for value in values:
            cases[f"record, {field}: {value!r}"] = recorded(**{field: value}), "wrong-type"
    unfit: dict[str, list[Any]] = {"note": [1], "number": ["1", None, 1.5], "amount": ["x", None], "text": [1]}
    for field, values in unfit.items():
        for value in values:
            cases[f"execute, {field}: {value!r}"] = executed(**{field: value}), "invalid-command"
    return cases


def ids() -> dict[str, Case]:
    """Ids that can be no tag."""
    long, many = "x" * 10_000, [f"n-{number}" for number in range(10_000)]
    part: Any = "x"
    cases: dict[str, Case] = {
        "record, about: 10,000 of them": (recorded(about=many), "too-many-tags"),
        "record, about: one is empty": (recorded(about=["n-2", ""]), "invalid-tag"),
        "record, count: 2^70": (verb("record", Counted(count=2**70)), "number-too-large"),
        "record, part: text": (verb("record", Counted(count=1, part=part)), "wrong-type"),
        "execute, note: None": (executed(note=None), "invalid-command"),
    }
    for name, value in {
        "empty": "",
        "a line feed": "a\nb",
        "NUL": "a\0",
        "10 kB": long,
        "a lone surrogate": SURROGATE,
        "right-to-left mark": "a\u200f",
    }.items():
        code = {"NUL": "nul", "a lone surrogate": "not-json"}.get(name, "invalid-tag")
        cases[f"record, note: {name}"] = recorded(note=value), code
        command_code = {"NUL": "nul", "a lone surrogate": "invalid-command"}.get(name, "invalid-tag")
        cases[f"execute, note: {name}"] = executed(note=value), command_code
        cases[f"new_event, tag: {name}"] = made("Noted", {}, tags=(f"note:{value}",)), "invalid-tag"
    for number, one in numbered(["note", "note:", ":n", "", 1, None, b"note:n", ["note:n"], nested(10_000)]):
        cases[f"new_event, tag {number}"] = made("Noted", {}, tags=(one,)), "invalid-tag"
    for number, several in numbered([1, None, "note:n", object()]):
        cases[f"new_event, tags {number}"] = made("Noted", {}, tags=several), "invalid-tag"
    return cases


def names() -> dict[str, Case]:
    """Types, versions and metadata."""
    cases: dict[str, Case] = {}
    for number, value in numbered(["", "a\nb", "\0", SURROGATE, "x" * 129, 1, None, b"N", ["N"], nested(10_000)]):
        cases[f"new_event, type {number}"] = made(value, {}), "invalid-type"
    for number, value in numbered([0, -1, True, 1.0, "1", None, 2**31, 2**70, 10**5000, nested(10_000)]):
        cases[f"new_event, version {number}"] = made("Noted", {}, version=value), "invalid-version"
    texts: dict[str, Any] = {"a number": 1, "a list": ["a"], "10,000 levels": nested(10_000)}
    for name, value in {**texts, "a lone surrogate": SURROGATE}.items():
        for field in ("actor", "correlation"):
            cases[f"record, {field}: {name}"] = (
                verb("record", Noted(note="n"), **{field: value}),
                "invalid-metadata",
            )
        for field in ("actor", "correlation", "causation"):
            cases[f"execute, {field}: {name}"] = (
                verb("execute", Take(note="n"), **{field: value}),
                "invalid-metadata",
            )
        cases[f"new_event, actor: {name}"] = made("Noted", {}, metadata=Metadata(actor=value)), "invalid-metadata"
        cases[f"fact, actor: {name}"] = (
            verb("record", Fact(Noted(note="n"), actor=value)),
            "invalid-metadata",
        )
    cases["record, actor: bytes"] = verb("record", Noted(note="n"), actor=b"a"), "lossy"
    cases["record, actor: NUL"] = verb("record", Noted(note="n"), actor="a\0"), "nul"
    cases["record, actor: 64 MB"] = verb("record", Noted(note="n"), actor="x" * 64 * MEGABYTE), "too-large"
    headers: list[Any] = [1, "ab", [1], b"ab", object(), {"a": 1}, {1: "a"}, {"a": None}, {SURROGATE: "a"}]
    for number, value in numbered([*headers, {"a": SURROGATE}, {"a": nested(10_000)}, nested(10_000)]):
        for name, what in (("record", Noted(note="n")), ("execute", Take(note="n"))):
            cases[f"{name}, headers {number}"] = (
                verb(name, what, headers=value),
                "invalid-metadata",
            )
    times: list[Any] = [datetime(2020, 1, 1), "yesterday", 1, nested(10_000)]
    for number, value in numbered(times):
        for name, act in {
            "fact": verb("record", Fact(Noted(note="n"), occurred_at=value)),
            "execute": verb("execute", Take(note="n"), occurred_at=value),
        }.items():
            cases[f"{name}, occurred_at {number}"] = act, "invalid-metadata"
    return cases


def hand_made() -> dict[str, Case]:
    """Events that the codec did not make, or that were changed since."""
    wrong: dict[str, tuple[Any, list[Any]]] = {
        "type": ("invalid-type", ["", None, 1, "a\0", SURROGATE, "x" * 129]),
        "version": ("invalid-version", [0, -1, True, "1", 1.0, None, 2**40, 2**70]),
        "id": ("invalid-id", ["", None, "x", 5, SURROGATE, "\0", "x" * 100_000, GOOD.id.upper(), f"{{{GOOD.id}}}"]),
        "tags": (
            "invalid-tag",
            [
                *(
                    ["note:n"],
                    "note:n",
                    None,
                    ("note:n", "note:n"),
                    ("b:1", "a:1"),
                    ("note",),
                    (1,),
                    (f"a:{SURROGATE}",),
                ),
                *(("a:\0",), ("a:" + "x" * 10_000,), {"a:1"}),
            ],
        ),
        "data": (
            "not-json",
            [
                *("", "{", "{}{}", "{'a':1}", '{"a":NaN}', "Infinity", '{"a":1e999}', '{"a":01}', '{"a":"\\ud800"}'),
                *(f'{{"a":"{SURROGATE}"}}', '{"a":"\0"}', '{"a":1,"a":2}', '[{"a":{"b":1,"b":2}}]', "undefined"),
                *(b"{}", None, {}, '{"a":"\\x"}', '{"a":1,}', '{"a":1}\0', "\ufeff{}"),
            ],
        ),
        "metadata": (
            "not-json",
            ["", "{", None, b"{}", {}, f'{{"actor":"{SURROGATE}"}}', '{"actor":"a","actor":"b"}', '{"actor":NaN}'],
        ),
    }
    cases: dict[str, Case] = {}
    for field, (code, values) in wrong.items():
        for number, value in numbered(values):
            cases[f"by hand, {field} {number}"] = by_hand(**{field: value}), code
            cases[f"changed, {field} {number}"] = changed(**{field: value}), code
    others: list[tuple[str, Any, str]] = [
        ("data", '{"a":"\\u0000"}', "nul"),
        ("data", '{"a":9223372036854775808}', "number-too-large"),
        ("data", f'{{"a":{10**30}}}', "number-too-large"),
        ("data", '"' + "x" * 64 * MEGABYTE + '"', "too-large"),
        ("data", "[" * 10_000 + "]" * 10_000, "too-deep"),
        ("data", "[" * 65 + "]" * 65, "too-deep"),
        ("data", "[" * 200_000, "too-deep"),
        ("tags", tuple(sorted(f"a:{number}" for number in range(10_000))), "too-many-tags"),
        ("metadata", "[]", "invalid-metadata"),
        ("metadata", "1", "invalid-metadata"),
        ("metadata", '{"actor":1}', "invalid-metadata"),
        ("metadata", '{"headers":{"a":1}}', "invalid-metadata"),
        ("metadata", '{"occurred_at":"2020-01-01T00:00:00"}', "invalid-metadata"),
        ("metadata", '{"actor":"\\u0000"}', "nul"),
        ("metadata", '{"actor":"' + "x" * 2 * MEGABYTE + '"}', "too-large"),
    ]
    for number, (field, value, code) in numbered(others):
        cases[f"by hand, {field} with a code of its own {number}"] = by_hand(**{field: value}), code
        cases[f"changed, {field} with a code of its own {number}"] = changed(**{field: value}), code
    cases["encode with metadata of another hand"] = (
        making(encode, Noted(note="n"), '{"actor":1}'),
        "invalid-metadata",
    )
    return cases


def appends() -> dict[str, Case]:
    """What `append` and `receipt` are given."""
    condition: Any = AppendCondition(Query(), 99)
    cases: dict[str, Case] = {"append, nothing": (appended([]), "empty-append")}
    for number, value in numbered([1, None, "ab", b"ab", {GOOD}, {"a": GOOD}, object(), nested(10_000), [GOOD, None]]):
        cases[f"append, events {number}"] = appended(value), "invalid-event"
    for number, value in numbered(["", "x" * 201, "a\nb", "\0", SURROGATE, 7, b"a", ["a"], nested(10_000)]):
        cases[f"append, append_id {number}"] = appended([GOOD], append_id=value), "invalid-append-id"
        cases[f"receipt, append_id {number}"] = (verb("store.receipt", value)), "invalid-append-id"
        cases[f"record, append_id {number}"] = (
            verb("record", Noted(note="n"), append_id=value),
            "invalid-append-id",
        )
        cases[f"execute, command_id {number}"] = (
            verb("execute", Take(note="n"), command_id=value),
            "invalid-append-id",
        )
    for number, value in numbered(["a", 1, True, b"x" * 65, ["a"], nested(10_000), 10**5000]):
        cases[f"append, fingerprint {number}"] = appended([GOOD], fingerprint=value), "invalid-fingerprint"
        cases[f"receipt, fingerprint {number}"] = (
            verb("store.receipt", "one", value),
            "invalid-fingerprint",
        )
    for number, value in numbered([1, "ab", b"ab", object(), Query(), nested(10_000), [condition, None], {1}]):
        cases[f"append, condition {number}"] = appended([GOOD], condition=value), "invalid-query"
    for number, value in numbered([None, 1, "note:n", object(), [], QueryItem(types=("A",)), nested(10_000)]):
        cases[f"condition, query {number}"] = making(AppendCondition, value), "invalid-query"
    no_event: Any = object()
    for number, value in numbered([object(), "Noted", 1, None, {}, Noted, Fact(no_event)]):
        cases[f"record, fact {number}"] = (verb("record", value)), "definition"
    for number, value in numbered([object(), "Take", 1, None, {}, Take, Noted(note="n")]):
        cases[f"execute, command {number}"] = (verb("execute", value)), "unknown-command"
    return cases


POSITIONS: list[Any] = [-1, True, 1.0, "1", 2**63, 10**30, 10**5000, math.nan, [], object(), nested(10_000)]


def readings() -> dict[str, Case]:
    """What is asked of the log."""
    cases: dict[str, Case] = {}
    for number, value in numbered(POSITIONS):
        for name in ("after", "until", "limit"):
            cases[f"read, {name} {number}"] = read(**{name: value}), "invalid-query"
        cases[f"subscribe, after {number}"] = (
            verb("store.subscribe", after=value),
            "invalid-query",
        )
        cases[f"condition, after {number}"] = making(AppendCondition, Query(), value), "invalid-query"
        for name in ("after", "until"):
            cases[f"history, {name} {number}"] = (
                verb("history", "note:n", **{name: value}),
                "invalid-query",
            )
            cases[f"events, {name} {number}"] = (
                verb("events", **{name: value}),
                "invalid-query",
            )
    for number, value in numbered([None, 0, 1, "yes", []]):
        cases[f"read, backwards {number}"] = read(backwards=value), "invalid-query"
    for number, value in numbered([0, -1, True, 1.5, "1", None, nested(10_000)]):
        cases[f"pages, size {number}"] = pages(value), "invalid-query"
    for number, value in numbered([None, 1, "note:n", object(), [], (), nested(10_000), QueryItem(types=("A",))]):
        cases[f"read, query {number}"] = read(value), "invalid-query"
        cases[f"subscribe, query {number}"] = verb("store.subscribe", value), "invalid-query"
    for number, value in numbered([None, 1, "ab", [], object(), (1,), (None,), ("Noted",), nested(10_000)]):
        cases[f"Query({number})"] = making(Query, value), "invalid-query"
    for number, value in numbered(["", "a\nb", "\0", SURROGATE, 1, None, {1}, [], object(), nested(10_000)]):
        cases[f"query, type {number}"] = making(Query.of, types=[value]), "invalid-query"
        cases[f"query item, type {number}"] = making(QueryItem, types=(value,)), "invalid-query"
        cases[f"query, tag {number}"] = making(Query.of, tags=[value]), "invalid-tag"
        cases[f"query item, tag {number}"] = making(QueryItem, tags=(value,)), "invalid-tag"
        cases[f"history, tag {number}"] = verb("history", value), "invalid-tag"
    for number, value in numbered(["Noted", b"x", 1, None, object(), Noted]):
        cases[f"query, types {number}"] = making(Query.of, types=value), "invalid-query"
        cases[f"query, tags {number}"] = making(Query.of, tags=value), "invalid-query"
    for number, value in numbered([None, 1, "note", object(), nested(10_000)]):
        cases[f"streams, wanted {number}"] = (verb("store.streams", value)), "invalid-query"
    for number, value in numbered([{"part": 1}, {"part": SURROGATE}, {"limit": 0}, {"limit": 10**5000}, {"order": 1}]):
        cases[f"streams, {number}"] = making(StreamQuery, **value), "invalid-query"
    return cases


def questions() -> dict[str, Case]:
    """What is asked of entities and views."""
    cases: dict[str, Case] = {}
    verbs: dict[str, tuple[Any, ...]] = {"get": (Page, "n-1"), "find": (Page,), "count": (Page,)}
    naive: list[Any] = [datetime(2020, 1, 1), "2020-01-01"]
    for name, given in verbs.items():
        for number, value in numbered(POSITIONS):
            cases[f"{name}, after {number}"] = verb(name, *given, after=value), "invalid-query"
        for number, value in numbered([*POSITIONS[:4], *POSITIONS[7:], *naive]):
            cases[f"{name}, at {number}"] = verb(name, *given, at=value), "invalid-query"
        cases[f"{name}, at beyond the head"] = verb(name, *given, at=2), "future-position"
        for number, value in numbered([-1, True, "1", None, math.nan, [], 1j, Decimal(1), nested(10_000)]):
            cases[f"{name}, timeout {number}"] = (
                verb(name, *given, after=1, timeout=value),
                "invalid-query",
            )
    for number, value in numbered([-1, True, "1", None, math.nan]):
        cases[f"wait, timeout {number}"] = (verb("wait", Page, 1, timeout=value)), "invalid-query"
    for number, value in numbered([None, *POSITIONS]):
        cases[f"wait, position {number}"] = (verb("wait", Page, value)), "invalid-query"
    for number, value in numbered([*POSITIONS[:4], *naive]):
        cases[f"state, at {number}"] = (verb("state", Note, "n-1", at=value)), "invalid-query"
        cases[f"Occurred({number})"] = making(Occurred, value), "invalid-query"
    for number, value in numbered([1, None, True, b"n", SURROGATE, f"a{SURROGATE}", ["n"], object(), nested(10_000)]):
        cases[f"get, key {number}"] = (verb("get", Page, value)), "invalid-query"
        cases[f"get of the past, key {number}"] = (verb("get", Page, value, at=1)), "invalid-query"
        if value is not None:
            cases[f"retry, key {number}"] = (verb("retry", Page, value)), "invalid-query"
    for number, value in numbered([True, b"n", 1.5, ["n"], object(), {1}, 10**5000, nested(10_000)]):
        cases[f"state, id {number}"] = (verb("state", Note, value)), "invalid-query"
    for number, value in numbered(["", "a\nb", "\0", SURROGATE, "x" * 10_000]):
        cases[f"state, unfit id {number}"] = (verb("state", Note, value)), "invalid-tag"
    cases["state, no id"] = (verb("state", Note)), "definition"
    for number, value in numbered([0, -1, True, None, "1", 1.5, 10_001, 10**5000, nested(10_000)]):
        cases[f"find, limit {number}"] = (verb("find", Page, limit=value)), "invalid-query"
    for number, value in numbered([1, b"n", True, ["number"], object(), nested(10_000)]):
        cases[f"find, order_by {number}"] = (verb("find", Page, order_by=value)), "invalid-query"
        cases[f"count, by {number}"] = (verb("count", Page, by=value)), "invalid-query"
        cases[f"find, where {number}"] = (verb("find", Page, value)), "invalid-query"
        cases[f"find, cursor {number}"] = (verb("find", Page, cursor=value)), "bad-cursor"
    for number, text in numbered(["", "x", "AAAA", "🦊", SURROGATE, "W10", "bnVsbA", "x" * MEGABYTE]):
        cases[f"find, cursor of text {number}"] = (verb("find", Page, cursor=text)), "bad-cursor"
    for field in ("anything", "", "number; DROP TABLE", SURROGATE, "n\0"):
        cases[f"find by {field!r}"] = (verb("find", Page, {field: 1})), "not-indexed"
        cases[f"count by {field!r}"] = (verb("count", Page, by=field)), "not-indexed"
        cases[f"find ordered by {field!r}"] = (
            (verb("find", Page, order_by=field or "-")),
            "not-indexed",
        )
    for number, value in numbered([object(), math.nan, 10**5000, 2**63, b"1", ["1"], {1}, "1", nested(10_000)]):
        cases[f"find, number {number}"] = (verb("find", Page, number=value)), "invalid-query"
        cases[f"find, number in a range {number}"] = (
            verb("find", Page, number=Range(ge=value)),
            "invalid-query",
        )
        cases[f"count, number {number}"] = (verb("count", Page, number=value)), "invalid-query"
    for number, value in numbered([SURROGATE, f"a{SURROGATE}", 1, b"x", object()]):
        cases[f"find, text {number}"] = (verb("find", Page, text=value)), "invalid-query"
        cases[f"find of the past, text {number}"] = (
            (verb("find", Page, text=value, at=1)),
            "invalid-query",
        )
    cases["find, a range without a bound"] = (verb("find", Page, number=Range())), "invalid-query"
    cases["get, a view of nobody"] = (verb("get", Note, "n")), "definition"
    return cases


CASES: dict[str, Case] = {**fields(), **ids(), **names(), **hand_made(), **appends(), **readings(), **questions()}
