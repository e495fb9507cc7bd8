"""A state machine that plays random histories on two stores at once and compares everything it is told.

What it is told is also held against the plainest possible account of the log: a list, filtered by `Query.matches`.
"""

from __future__ import annotations

import asyncio
import shutil
import tempfile
from collections.abc import AsyncIterator, Awaitable, Callable, Iterable
from datetime import timedelta
from pathlib import Path
from typing import Any, ClassVar

import msgspec
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, precondition, rule

from storied.errors import StoriedError
from storied.store.codec import new_event
from storied.store.query import AppendCondition, Query
from storied.store.reading import Content, Contents, Page, Span, contents_of
from storied.store.records import Metadata, NewEvent, Receipt, Recorded, digest_of
from storied.testing.clocks import ManualClock
from tests.differential import histories as h
from tests.differential.sides import MemorySide, Side, SqliteSide

DEADLINE = 20.0
"""Seconds after which an answer that is due counts as never coming."""


class DifferenceError(AssertionError):
    """The stores did not agree, with each other or with the plain account."""


class Refused(msgspec.Struct, frozen=True):
    """An error as an observation: its class, and all it says."""

    kind: type[StoriedError]
    says: dict[str, Any]


class Append(msgspec.Struct, frozen=True):
    """An append with everything settled."""

    events: tuple[NewEvent, ...]
    conditions: tuple[AppendCondition, ...]
    append_id: str | None
    fingerprint: bytes | None


class Follower(msgspec.Struct):
    """A subscription on both stores, how far it got, and the page it waits for, if it waits."""

    query: Query
    size: int
    position: int
    pages: tuple[AsyncIterator[Page], ...] = ()
    waiting: tuple[asyncio.Task[Any], ...] = ()


class HistoryMachine(RuleBasedStateMachine):
    """Histories on the memory engine, which is the specification, and on SQLite."""

    sides: ClassVar[tuple[type[Side], type[Side]]] = (MemorySide, SqliteSide)
    followed: ClassVar[bool] = True
    """Whether subscriptions are held against each other step by step: appends made at once have to be one step then."""

    def __init__(self) -> None:
        super().__init__()
        self._place = Path(tempfile.mkdtemp(prefix="storied-history-"))
        self._runner = asyncio.Runner()
        self._clock = ManualClock()
        self._sides = [kind(self._clock, self._place) for kind in self.sides]
        self._log: list[Recorded] = []
        self._named: list[Append] = []
        self._followers: list[Follower] = []
        self._counter = 0
        self._agreed = True
        self._run(self._open())

    # --- the steps ---------------------------------------------------------------------------------

    @initialize(several=h.batches)
    def begin(self, several: list[h.Wanted | h.Repeat]) -> None:
        """The history does not start with nothing."""
        self.append_together(several)
        self.append(h.BEGINNING)

    @rule(wanted=st.one_of(h.appends, h.appends, h.appends, h.empty_appends))
    def append(self, wanted: h.Wanted) -> None:
        """An append by itself; it conflicts if and only if the plain account says so."""
        append = self._settled(wanted)
        outcome = self._run(self._appended([append]))[0]
        if append.append_id is None and append.events:
            self._check(isinstance(outcome, Receipt), self._first_conflict(append.conditions) is None, "conflict")
        self._run(self._catch_up())

    @precondition(lambda self: self._named)
    @rule(repeat=h.repeats)
    def repeat(self, repeat: h.Repeat) -> None:
        """An id again, with the same content or with other."""
        self._run(self._appended([self._settled(repeat)]))
        self._run(self._catch_up())

    @rule(several=h.batches)
    def append_together(self, several: list[h.Wanted | h.Repeat]) -> None:
        """Appends that arrive at once, so that SQLite commits them together."""
        appends = [self._settled(one) for one in several if isinstance(one, h.Wanted) or self._named]
        self._run(self._appended(appends))
        self._run(self._catch_up())

    @rule(questions=st.lists(h.questions, min_size=2, max_size=6))
    def read(self, questions: list[h.Question]) -> None:
        """Reads in pages of some size."""
        for question in questions:
            self._read(question)

    def _read(self, question: h.Question) -> None:
        after, until = self._place_of(question.after) or 0, self._place_of(question.until)
        options: dict[str, Any] = {"after": after, "until": until, "limit": question.limit}

        async def ask(store: Any) -> list[Page]:
            reading = store.read(question.query, **options, backwards=question.backwards)
            pages = [page async for page in reading.pages(question.size)]
            contents = [contents async for contents in reading.contents(question.size)]
            expected = [content for page in pages for content in contents_of(page).events]
            if [one for page in contents for one in page.events] != expected:
                raise DifferenceError(f"contents of {question}: {contents}")
            if [page.through for page in contents[-1:]] != [page.through for page in pages[-1:]]:
                raise DifferenceError(f"the end of contents of {question}: {contents}")
            return pages

        pages = self._run(self._both(ask))
        chosen = self._matching(question.query, after, until, backwards=question.backwards)
        self._check([e for page in pages for e in page.events], chosen[: question.limit], "read")

    @rule(streams=st.lists(h.streams, min_size=2, max_size=20), limit=st.integers(1, 4))
    def read_streams_together(self, streams: list[h.StreamPage], limit: int) -> None:
        """Pages of several streams at once, as entities are loaded."""
        spans = [Span(self._place_of(one.after) or 0, self._place_of(one.until), limit) for one in streams]

        async def ask(store: Any) -> list[Contents]:
            asked = zip(streams, spans, strict=True)
            return [*await asyncio.gather(*(store.contents(one.query, span) for one, span in asked))]

        pages = self._run(self._both(ask))
        for one, span, page in zip(streams, spans, pages, strict=True):
            chosen = self._matching(one.query, span.after, span.until)
            self._check(
                [*page.events], [Content(e.position, e.type, e.version, e.data) for e in chosen[:limit]], "read"
            )

    @rule(
        query=h.queries,
        odd=st.sampled_from(
            [{"after": -1}, {"until": -1}, {"limit": -1}, {"after": True}, {"limit": "1"}, {"size": 0}]
        ),
    )
    def ask_badly(self, query: Query, odd: dict[str, Any]) -> None:
        """A question that cannot be asked."""

        async def ask(store: Any) -> list[Page]:
            options = dict(odd)
            size = options.pop("size", 5)
            return [page async for page in store.read(query, **options).pages(size)]

        self._check(type(self._run(self._both(ask))), Refused, "bad question")

    @rule(known=st.integers(0, 5), other=h.other_append_ids, fingerprint=st.sampled_from(h.FINGERPRINTS))
    def receipt(self, known: int, other: str | None, fingerprint: bytes | None) -> None:
        """What an id stands for, one that nobody used or could use too."""
        append_id = self._earlier(known).append_id if other is None and self._named else other or "unheard"
        self._run(self._both(lambda store: store.receipt(append_id, fingerprint)))

    @rule(seconds=st.integers(-100_000, 100_000), microseconds=st.integers(0, 999_999))
    def move_the_clock(self, seconds: int, microseconds: int) -> None:
        """Time goes on, or the clock steps back."""
        self._clock.advance(timedelta(seconds=seconds, microseconds=microseconds))

    @precondition(lambda self: self.followed and len(self._followers) < 4)
    @rule(query=h.queries, back=st.integers(0, 8), size=h.sizes)
    def subscribe(self, query: Query, back: int, size: int) -> None:
        """A subscription from somewhere near the head."""
        follower = Follower(query, size, max(0, len(self._log) - back))
        self._follow(follower)
        self._followers.append(follower)

    @precondition(lambda self: self._followers)
    @rule(which=st.integers(0, 3))
    def advance(self, which: int) -> None:
        """One step of a subscription: its next page, or, where there is none yet, it begins to wait."""
        follower = self._followers[which % len(self._followers)]
        if follower.position < len(self._log):
            self._run(self._next_page(follower))
        elif not follower.waiting:
            self._run(self._wait(follower))

    @rule(dropped=st.sampled_from([True, True, False]))
    def open_again(self, dropped: bool) -> None:
        """The store is closed, refuses everything, and opens again; or it is opened by one who never closed it."""
        self._run(self._drop() if dropped else self._close())

    def teardown(self) -> None:
        """The whole log is the same, every digest holds, and every id is known alike."""
        try:
            if self._agreed:
                self._run(self._compare_all())
        finally:
            self._run(self._end())
            self._runner.close()
            shutil.rmtree(self._place, ignore_errors=True)

    # --- playing a step on both --------------------------------------------------------------------

    def _run(self, step: Any) -> Any:
        try:
            return self._runner.run(asyncio.wait_for(step, DEADLINE))
        except BaseException:
            self._agreed = False
            raise

    async def _both(self, ask: Callable[[Any], Awaitable[Any]]) -> Any:
        """What both stores answer, which has to be the same."""
        return self._same(*[await _observed(ask(side.store)) for side in self._sides])

    def _same(self, one: Any, other: Any) -> Any:
        self._check(other, one, "the stores")
        return one

    def _check(self, found: object, expected: object, about: str) -> None:
        if found != expected:
            self._agreed = False
            raise DifferenceError(f"{about}: {found!r}\ninstead of {expected!r}")

    async def _open(self) -> None:
        for side in self._sides:
            await side.open()

    async def _appended(self, appends: list[Append]) -> list[Any]:
        """The outcomes of appends made at once, without the ids that the stores made up."""

        async def all_of(store: Any) -> list[Any]:
            return await asyncio.gather(*(_observed(_append(store, append)) for append in appends))

        def shown(outcome: Any, append: Append) -> Any:
            made_up = append.append_id is None and isinstance(outcome, Receipt)
            return msgspec.structs.replace(outcome, append_id="") if made_up else outcome

        outcomes = [await all_of(side.store) for side in self._sides]
        shown_outcomes = [list(map(shown, each, appends)) for each in outcomes]
        agreed: list[Any] = self._same(shown_outcomes[0], shown_outcomes[1])
        return agreed

    async def _catch_up(self) -> None:
        """The head and the new events are the same on both; those who waited for them get them."""
        known = len(self._log)
        new = await self._both(lambda store: store.read(after=known).list())
        self._log += new
        self._check([r.position for r in self._log[known:]], list(range(known + 1, len(self._log) + 1)), "positions")
        self._check(await self._both(lambda store: store.head()), len(self._log), "head")
        for follower in self._followers:
            if follower.waiting and follower.position < len(self._log):
                await self._next_page(follower)

    def _follow(self, follower: Follower) -> None:
        stores = [side.store for side in self._sides]
        follower.pages = tuple(
            s.subscribe(follower.query, after=follower.position).pages(follower.size) for s in stores
        )
        follower.waiting = ()

    async def _wait(self, follower: Follower) -> None:
        follower.waiting = tuple(asyncio.ensure_future(_observed(anext(pages))) for pages in follower.pages)
        await asyncio.sleep(0)

    async def _next_page(self, follower: Follower) -> None:
        if not follower.waiting:
            await self._wait(follower)
        waiting, follower.waiting = follower.waiting, ()
        page = self._same(*[await each for each in waiting])
        expected = self._matching(follower.query, follower.position, None)[: follower.size]
        through = expected[-1].position if len(expected) == follower.size else len(self._log)
        self._check(page, Page(expected, through), "subscription")
        follower.position = page.through

    async def _close(self) -> None:
        for side in self._sides:
            await side.store.aclose()
            await side.store.aclose()
        for follower in self._followers:
            if follower.waiting:
                self._same(*[await each for each in follower.waiting])
        for ask in _everything():
            self._check(type(await self._both(ask)), Refused, "closed")
        await self._open()
        list(map(self._follow, self._followers))

    async def _drop(self) -> None:
        await self._let_go()
        for side in self._sides:
            await side.drop()
        await self._open()
        list(map(self._follow, self._followers))

    async def _let_go(self) -> None:
        for follower in self._followers:
            for task in follower.waiting:
                task.cancel()
            await asyncio.gather(*follower.waiting, return_exceptions=True)
            follower.waiting = ()

    async def _compare_all(self) -> None:
        self._check(await self._both(lambda store: store.read().list()), self._log, "log")
        self._check([digest_of(record) for record in self._log], [record.digest for record in self._log], "digests")
        times = [record.recorded_us for record in self._log]
        self._check(sorted(times), times, "times")
        for append_id in dict.fromkeys(append.append_id for append in self._named):
            await self._both(lambda store, append_id=append_id: store.receipt(append_id))  # type: ignore[misc]

    async def _end(self) -> None:
        await self._let_go()
        for side in self._sides:
            await side.end()

    # --- what the relative words of a history mean now ---------------------------------------------

    def _settled(self, wanted: h.Wanted | h.Repeat) -> Append:
        """The append that is meant, remembered when it has an id."""
        append = self._first(wanted) if isinstance(wanted, h.Wanted) else self._again(wanted)
        if append.append_id is not None:
            self._named.append(append)
        return append

    def _first(self, wanted: h.Wanted) -> Append:
        self._counter += 1
        conditions = tuple(AppendCondition(each.query, max(0, len(self._log) - each.back)) for each in wanted.unless)
        append_id = f"append-{self._counter}" if wanted.named else None
        return Append(tuple(map(self._event, wanted.shapes)), conditions, append_id, wanted.fingerprint)

    def _again(self, repeat: h.Repeat) -> Append:
        earlier = self._earlier(repeat.which)
        events, other = earlier.events, self._event(h.Shape("Noted", ("owner:o",), 9))
        changes: dict[str, dict[str, Any]] = {
            "exact": {},
            "new event ids": {"events": tuple(msgspec.structs.replace(e, id=self._id()) for e in events)},
            "new data": {"events": tuple(msgspec.structs.replace(e, data='{"note":77}') for e in events)},
            "one less": {"events": events[:-1]},
            "one more": {"events": (*events, other)},
            "new tags": {"events": tuple(msgspec.structs.replace(e, tags=("owner:r",)) for e in events)},
            "condition": {"conditions": (AppendCondition(Query()),)},
            "fingerprint": {"fingerprint": b"three"},
            "none": {"fingerprint": None},
        }
        return msgspec.structs.replace(earlier, **changes[repeat.how])

    def _earlier(self, which: int) -> Append:
        return self._named[-1 - which % len(self._named)]

    def _event(self, shape: h.Shape) -> NewEvent:
        event = new_event(
            shape.type,
            {"note": shape.note},
            tags=shape.tags,
            version=shape.version,
            metadata=Metadata(actor=shape.actor),
        )
        return msgspec.structs.replace(event, id=self._id())

    def _id(self) -> str:
        self._counter += 1
        return f"00000000-0000-7000-8000-{self._counter:012x}"

    def _place_of(self, back: int | None) -> int | None:
        return None if back is None else max(0, len(self._log) - back)

    # --- the plain account -------------------------------------------------------------------------

    def _matching(self, query: Query, after: int, until: int | None, *, backwards: bool = False) -> list[Recorded]:
        last = len(self._log) if until is None else until
        found = [r for r in self._log if after < r.position <= last and query.matches(r.type, r.tags)]
        return found[::-1] if backwards else found

    def _first_conflict(self, conditions: Iterable[AppendCondition]) -> Recorded | None:
        beyond = (self._matching(c.query, c.after, None) for c in conditions)
        return next((records[0] for records in beyond if records), None)


async def _observed(answer: Awaitable[Any]) -> Any:
    """The answer, or the refusal as something that can be compared."""
    try:
        return await answer
    except StoriedError as error:
        return Refused(type(error), {**vars(error), "__str__": str(error)})


async def _append(store: Any, append: Append) -> Receipt:
    condition = append.conditions[0] if len(append.conditions) == 1 else append.conditions or None
    receipt: Receipt = await store.append(
        append.events, condition=condition, append_id=append.append_id, fingerprint=append.fingerprint
    )
    return receipt


def _everything() -> list[Callable[[Any], Awaitable[Any]]]:
    """Every verb, well-formed or not."""
    return [
        lambda store: store.append([new_event("Noted", {})]),
        lambda store: store.append([]),
        lambda store: store.append([], append_id="\n"),
        lambda store: store.read().list(),
        lambda store: anext(store.subscribe().pages()),
        lambda store: anext(store.subscribe(after=10**6).pages()),
        lambda store: store.head(),
        lambda store: store.receipt("one"),
        lambda store: store.receipt("\n"),
        lambda store: store.page(Query(), Span()),
        lambda store: store.changed(0),
    ]


class HalvingMachine(HistoryMachine):
    """One that plays to stores which may commit appends made at once in several steps."""

    followed = False
