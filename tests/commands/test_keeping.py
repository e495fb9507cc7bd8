"""What is kept between commands saves reading and changes no answer: entities in memory, snapshots on disk."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from storied import App, Command, Entity, Event, Id, OpenApp, Query, Receipt, Recorded, Rejected, on
from storied.commands import snapshotting
from storied.commands.execute import Executor, Request
from storied.commands.keeping import MAX_BYTES, Keeper
from storied.commands.loading import Loader
from storied.commands.providing import Providers
from storied.commands.snapshotting import Snapshotter
from storied.domain.entities import entity_spec
from storied.domain.times import utc_now
from storied.engines.memory.documents import MemoryDocuments
from storied.engines.memory.store import MemoryStore
from storied.engines.opening import open_engine
from storied.engines.sqlite.documents import SqliteDocuments
from storied.store.codec import encode
from storied.store.reading import Page, Span
from storied.store.snapshots import Snapshot, SnapshotKey, Snapshots

app = App("keeping")


class Put(Event):
    box: Id
    amount: int


class Moved(Event):
    source: Id
    target: Id
    amount: int


class Box(Entity):
    total: int = 0
    amounts: list[int] = []

    @on
    def put(self, event: Put) -> None:
        self.total += event.amount
        self.amounts.append(event.amount)


class Ledger(Entity, tag="box"):
    last: int = 0
    count: int = 0

    @on
    def put(self, event: Put, record: Recorded) -> None:
        self.last, self.count = record.position, self.count + 1


class Fill(Command):
    box: Id
    amount: int


class Note(Command):
    box: Id


@app.command()
def fill(command: Fill, box: Box) -> Put:
    """Adds up to a hundred, and spoils what it was given."""
    if box.total + command.amount > 100:
        raise Rejected("full", f"{box.total} and {command.amount} are too much")
    amount = command.amount
    box.total, box.amounts = -1, []
    return Put(box=command.box, amount=amount)


@app.command()
def note(command: Note, box: Ledger) -> Put:
    """Puts as much as there were puts before."""
    return Put(box=command.box, amount=box.count)


class Counting(MemoryStore):
    """A store that counts the events it hands out."""

    handed_out = 0
    pages = 0

    async def page(self, query: Query, span: Span) -> Page:
        """As the port says."""
        page = await super().page(query, span)
        self.handed_out += len(page.events)
        self.pages += 1
        return page


def _executor(store: MemoryStore, capacity: int = 10_000, snapshots: Snapshots | None = None) -> Executor:
    keeper = Keeper(capacity)
    loader = Loader(store, keeper, Snapshotter(store, snapshots))
    return Executor(store, app.handlers, Providers({}), utc_now, keeper, loader)


async def test_a_warm_entity_is_not_read() -> None:
    """The second command on an entity asks the store for nothing but to append."""
    store = Counting()
    executor = _executor(store)
    for amount in (1, 2):
        await executor.execute(Fill(box="b", amount=amount), Request())
    pages = store.pages
    await executor.execute(Fill(box="b", amount=3), Request())
    assert store.pages == pages == 1


async def test_a_handler_cannot_spoil_what_is_kept() -> None:
    """It gets an entity of its own each time."""
    executor = _executor(MemoryStore())
    for _ in range(10):
        await executor.execute(Fill(box="b", amount=10), Request())
    with pytest.raises(Rejected, match="100 and 1 are too much"):
        await executor.execute(Fill(box="b", amount=1), Request())


async def test_what_others_append_is_noticed() -> None:
    """The kept entity is no longer true, the store refuses, and the decision is taken again on what is."""
    store = MemoryStore()
    one, other = _executor(store), _executor(store)
    await one.execute(Fill(box="b", amount=60), Request())
    await other.execute(Fill(box="b", amount=30), Request())
    with pytest.raises(Rejected, match="90 and 20"):
        await one.execute(Fill(box="b", amount=20), Request())
    await one.execute(Fill(box="b", amount=10), Request())
    assert [record.payload for record in await store.read().list()][-1] == {"box": "b", "amount": 10}


async def test_a_rejection_on_a_stale_entity_is_taken_again() -> None:
    """What is kept may be out of date, so no refusal rests on it alone."""
    emptied = App("emptied")

    class Emptied(Event):
        box: Id

    class Level(Entity, tag="box"):
        full: bool = False

        @on
        def put(self, event: Put) -> None:
            self.full = True

        @on
        def emptied(self, event: Emptied) -> None:
            self.full = False

    class PutOne(Command):
        box: Id

    class Empty(Command):
        box: Id

    def put_one(command: PutOne, box: Level) -> Put:
        if box.full:
            raise Rejected("full")
        return Put(box=command.box, amount=1)

    def empty(command: Empty, box: Level) -> Emptied:
        return Emptied(box=command.box)

    emptied.command()(put_one)
    emptied.command()(empty)
    store = MemoryStore()

    def executor() -> Executor:
        keeper = Keeper()
        loader = Loader(store, keeper, Snapshotter(store, None))
        return Executor(store, emptied.handlers, Providers({}), utc_now, keeper, loader)

    one, other = executor(), executor()
    await one.execute(PutOne(box="b"), Request())
    await other.execute(Empty(box="b"), Request())
    receipt = await one.execute(PutOne(box="b"), Request())
    assert receipt.position == 3


async def test_a_fold_that_wants_the_record_gets_the_right_one() -> None:
    """Only the store knows position and time of a new event, so such an entity is brought up to date by reading."""
    store = MemoryStore()
    executor = _executor(store)
    for _ in range(4):
        await executor.execute(Note(box="b"), Request())
    assert [record.payload for record in await store.read().list()] == [{"box": "b", "amount": n} for n in range(4)]


class Panic(BaseException):
    """What an extension in another language raises when it is beyond itself."""


FATAL = {"panic": Panic, "exit": SystemExit, "cancelled": asyncio.CancelledError, "generator": GeneratorExit}


@pytest.mark.parametrize("how", FATAL)
async def test_a_fold_that_fails_beyond_measure_does_not_unsay_what_is_stored(how: str) -> None:
    """The command is done, and its sender is told so; whoever needs the entity next is told of the fold."""
    fatal = App("fatal")

    class Wrote(Event):
        page: Id
        text: str

    class Page(Entity):
        @on
        def wrote(self, event: Wrote) -> None:
            if event.text in FATAL:
                raise FATAL[event.text]("nobody can fold it")

    class Write(Command):
        page: Id
        text: str

    def write(command: Write, page: Page) -> Wrote:
        return Wrote(page=command.page, text=command.text)

    fatal.command()(write)
    store, keeper = MemoryStore(), Keeper()
    executor = Executor(
        store, fatal.handlers, Providers({}), utc_now, keeper, Loader(store, keeper, Snapshotter(store, None))
    )
    assert (await executor.execute(Write(page="p", text="fine"), Request())).position == 1
    assert (await executor.execute(Write(page="p", text=how), Request())).position == 2
    assert [record.payload for record in await store.read(after=1).list()] == [{"page": "p", "text": how}]
    with pytest.raises(FATAL[how]):
        await executor.execute(Write(page="p", text="more"), Request())


async def test_a_repeated_command_does_not_count_twice_in_what_is_kept() -> None:
    """The receipt of a repeat says nothing of the events that were decided this time."""
    executor = _executor(MemoryStore())
    for _ in range(3):
        await executor.execute(Fill(box="b", amount=40), Request(command_id="once"))
    receipt = await executor.execute(Fill(box="b", amount=60), Request())
    assert receipt.position == 2


def test_only_so_many_are_kept() -> None:
    """The one that was used longest ago goes first; a large one is not kept at all."""
    keeper, spec = Keeper(capacity=2), entity_spec(Box)
    for name in ("a", "b"):
        keeper.keep((spec, name), Box(id=name), 1)
    keeper.find((spec, "a"))
    keeper.keep((spec, "c"), Box(id="c"), 1)
    keeper.keep((spec, "a"), Box(id="a", amounts=[1] * MAX_BYTES), 2)
    assert [name for name in "abc" if keeper.find((spec, name))] == ["c"]


def test_what_is_known_further_stays() -> None:
    """A task that loaded earlier and finishes later does not bring back the past."""
    keeper, key = Keeper(), (entity_spec(Box), "a")
    keeper.keep(key, Box(id="a", total=2), 2)
    keeper.keep(key, Box(id="a", total=1), 1)
    kept = keeper.find(key)
    assert kept is not None
    assert kept.position == 2


COMMANDS = st.lists(st.tuples(st.sampled_from("ab"), st.integers(1, 40), st.booleans(), st.booleans()), max_size=25)


@settings(max_examples=60, deadline=None)
@given(COMMANDS)
async def test_dropping_what_is_kept_changes_no_answer(commands: list[tuple[str, int, bool, bool]]) -> None:
    """Two processes with and without kept entities, in any turn, decide as one that reads everything."""
    kept, plain = MemoryStore(), MemoryStore()
    warm = [_executor(kept), _executor(kept, capacity=1)]
    cold = _executor(plain, capacity=0)
    for box, amount, first, named in commands:
        command = Fill(box=box, amount=amount)
        request = Request(command_id=f"{box}-{amount}" if named else None)
        assert await _outcome(warm[first], command, request) == await _outcome(cold, command, request)
    assert [r.data for r in await kept.read().list()] == [r.data for r in await plain.read().list()]


async def _outcome(executor: Executor, command: Command, request: Request) -> object:
    try:
        receipt: Receipt = await executor.execute(command, request)
    except Rejected as rejected:
        return rejected.code, rejected.message
    return receipt.position, receipt.count


LONG = 1300


@asynccontextmanager
async def _long(store: MemoryStore, events: int = LONG) -> AsyncIterator[tuple[Counting, MemoryDocuments]]:
    assert isinstance(store, Counting)
    await store.append([encode(Put(box="b", amount=0)) for _ in range(events)])
    yield store, MemoryDocuments()


async def _loaded(store: Counting, snapshots: MemoryDocuments) -> tuple[Entity, int]:
    """The box, and how many events had to be read for it."""
    before = store.handed_out
    snapshotter = Snapshotter(store, snapshots)
    box = await Loader(store, Keeper(), snapshotter).current(entity_spec(Box), "b")
    await snapshotter.aclose()
    return box, store.handed_out - before


async def test_a_long_stream_starts_from_its_snapshot() -> None:
    """The first load reads all of it; the next a first page and what came since, with the same answer."""
    async with _long(Counting()) as (store, snapshots):
        first, all_of_it = await _loaded(store, snapshots)
        await store.append([encode(Put(box="b", amount=5))])
        second, rest = await _loaded(store, snapshots)
        assert (first.total, second.total, len(second.amounts)) == (0, 5, LONG + 1)  # type: ignore[attr-defined]
        assert all_of_it >= LONG
        assert rest < 300


async def test_a_short_stream_has_no_snapshot() -> None:
    """It would cost more than it saves."""
    async with _long(Counting(), events=200) as (store, snapshots):
        await _loaded(store, snapshots)
        assert snapshots._snapshots == {}


@pytest.mark.parametrize("spoilt", ["fingerprint", "log", "digest"])
async def test_a_snapshot_that_is_not_of_this_fold_and_log_is_not_used(spoilt: str) -> None:
    """Other code, another log, or an event that the log does not hold: everything is folded again."""
    async with _long(Counting()) as (store, snapshots):
        await _loaded(store, snapshots)
        [(key, kept)] = snapshots._snapshots.values()
        wrong = Snapshot(
            kept.state.replace(b"total", b"total"), kept.position, b"?" * 32 if spoilt == "digest" else kept.digest
        )
        other = SnapshotKey(
            key.entity,
            "?" if spoilt == "fingerprint" else key.fingerprint,
            key.id,
            "?" if spoilt == "log" else key.log,
        )
        await snapshots.keep_snapshot(other, wrong)
        box, read = await _loaded(store, snapshots)
        assert len(box.amounts) == LONG  # type: ignore[attr-defined]
        assert read >= LONG


async def test_snapshots_outlive_the_process(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """On SQLite they stand beside the read models, and another opening of the app starts from them."""
    url = f"sqlite:///{tmp_path}/boxes.db"
    async with app.open(url) as opened:
        await _fill(opened, LONG)
        assert (await opened.state(Box, "b")).total == LONG
    async with open_engine(url) as engine:
        snapshotter = Snapshotter(engine.store, engine.documents)
        key = snapshotter._key(entity_spec(Box), "b")
        found = await engine.documents.snapshot(key)
        assert isinstance(engine.documents, SqliteDocuments)
        assert found is not None
        assert found.position == LONG
    monkeypatch.setattr(snapshotting, "EVERY", 10**9)
    async with app.open(url) as opened:
        await _fill(opened, 1)
        assert (await opened.state(Box, "b")).total == LONG + 1


async def _fill(opened: OpenApp, times: int) -> None:
    await opened.record(*(Put(box="b", amount=1) for _ in range(times)))
