"""Each event is applied once, whatever dies, races or is restored behind the view."""

from __future__ import annotations

import asyncio
import random
import shutil
import sqlite3
import sys
from asyncio.subprocess import PIPE
from collections import Counter
from collections.abc import Sequence
from pathlib import Path

import pytest

from storied import Event, OpenApp
from storied.domain.views import view_spec
from storied.engines.memory.documents import MemoryDocuments
from storied.engines.memory.store import MemoryStore
from storied.engines.opening import open_engine
from storied.projections import applying
from storied.projections.applying import apply_page, begin
from storied.projections.projector import Projector
from storied.store.codec import encode
from storied.store.documents import Change, Checkpoint, CheckpointMovedError, Criterion, Parked, Table
from storied.testing.waiting import eventually
from tests.projections.shop import CityRenamed, Everything, OrderPage, Paid, Placed, Totals, shop

EVENTS = 400


def _events(count: int) -> list[Event]:
    """Orders placed and paid, over and over."""
    return [Paid(order=f"o-{n % 7}") if n >= 7 else Placed(order=f"o-{n}", customer="c") for n in range(count)]


async def _fill(url: str, events: Sequence[Event]) -> int:
    async with shop.open(url, views=False) as opened:
        return (await opened.record(*events)).position


async def _as_folded(opened: OpenApp, head: int) -> None:
    """Every view equals a plain fold of the log."""
    events = [record async for record in opened.store.read()]
    paid = Counter(str(r.payload["order"]) for r in events if r.type == "Paid" and isinstance(r.payload, dict))
    positions: dict[str, list[int]] = {f"o-{n}": [] for n in range(7)}
    for record in events:
        if record.type == "Paid" and isinstance(record.payload, dict):
            positions[record.payload["order"]].append(record.position)
    pages = await opened.find(OrderPage, after=head)
    assert {page.id: page.paid for page in pages} == {order: paid[order] for order in positions}
    assert {page.id: page.positions for page in pages} == positions
    assert {total.order: total.paid for total in await opened.find(Totals, after=head)} == dict(paid)
    everything = await opened.get(Everything, "all", after=head)
    assert everything == Everything(id="all", count=len(events))


class Counting(MemoryDocuments):
    """Documents that count what is read and written."""

    def __init__(self) -> None:
        super().__init__()
        self.read: Counter[str] = Counter()
        self.written: Counter[str] = Counter()
        self.commits = 0

    async def load(self, table: Table, keys: Sequence[str]) -> dict[str, str]:
        """As the port says."""
        self.read.update(keys)
        return await super().load(table, keys)

    async def search(self, table: Table, criterion: Criterion) -> dict[str, str]:
        """As the port says."""
        found = await super().search(table, criterion)
        self.read.update(found.keys())
        return found

    async def commit(
        self,
        table: Table,
        changes: Sequence[Change],
        *,
        expected: Checkpoint,
        checkpoint: Checkpoint,
        parked: Sequence[Parked] = (),
        freed: Sequence[str] = (),
    ) -> None:
        """As the port says."""
        await super().commit(table, changes, expected=expected, checkpoint=checkpoint, parked=parked, freed=freed)
        self.written.update(change.key for change in changes)
        self.commits += 1


async def _apply_in_chunks(documents: Counting, events: Sequence[Event], size: int) -> None:
    store, projector = MemoryStore(), Projector(view_spec(OrderPage))
    await store.append([encode(event) for event in events])
    progress = await begin(documents, projector.table)
    async for page in store.read(projector.query).pages(size):
        await apply_page(projector, documents, store, page, progress)


async def test_a_chunk_reads_and_writes_each_document_once() -> None:
    """However many events change it, a document costs one read and one write."""
    documents = Counting()
    await _apply_in_chunks(documents, _events(EVENTS), size=1000)
    once = {f"o-{n}": 1 for n in range(7)}
    assert (documents.read, documents.written, documents.commits) == (once, once, 1)


async def test_a_document_that_does_not_change_is_not_written() -> None:
    """An event without effect costs no write."""
    documents = Counting()
    await _apply_in_chunks(documents, [Placed(order="o", customer="c"), Placed(order="o", customer="c")], size=1)
    assert documents.written == {"o": 1}


async def test_a_fan_out_reads_its_documents_once_a_value() -> None:
    """Many events that look for one value ask for it once a chunk."""
    documents = Counting()
    placed: list[Event] = [Placed(order=f"o-{n}", customer="c", city="Bern") for n in range(5)]
    await _apply_in_chunks(documents, [*placed, *(CityRenamed(city="Bern", new="Bern") for _ in range(5))], size=5)
    assert documents.read == {f"o-{n}": 2 for n in range(5)}  # to place each, and once to look for Bern


async def test_documents_and_checkpoint_move_in_one_transaction(url: str) -> None:
    """A commit from where the view no longer stands writes nothing."""
    projector = Projector(view_spec(Everything))
    async with open_engine(url) as engine:
        await engine.store.append([encode(event) for event in _events(10)])
        first = await begin(engine.documents, projector.table)
        second = await begin(engine.documents, projector.table)
        [page] = [page async for page in engine.store.read(projector.query).pages()]
        await apply_page(projector, engine.documents, engine.store, page, first)
        with pytest.raises(CheckpointMovedError):
            await apply_page(projector, engine.documents, engine.store, page, second)
        text, position, _ = await engine.documents.get(projector.table, "all")
        assert (text, position) == ('{"id":"all","count":10}', 10)


async def test_two_runners_apply_each_event_once(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Two opened apps on one file race for every chunk, and the views equal the log."""
    monkeypatch.setattr(applying, "CHUNK", 5)
    url = f"sqlite:///{tmp_path}/shop.db"
    async with shop.open(url) as one, shop.open(url) as two:
        await one.record(*_events(7))
        heads = await asyncio.gather(*((one, two)[n % 2].record(*_events(40)[7:]) for n in range(8)))
        head = max(receipt.position for receipt in heads)
        await _as_folded(one, head)
        await _as_folded(two, head)


@pytest.mark.parametrize("seed", range(3))
async def test_killed_in_the_middle_it_goes_on_without_loss_or_double(tmp_path: Path, seed: int) -> None:
    """A projecting process dies by kill -9 again and again; what is left equals a plain fold of the log."""
    file, chance = tmp_path / "shop.db", random.Random(seed)
    head = await _fill(f"sqlite:///{file}", _events(EVENTS))
    stood = [0]
    for _ in range(3):
        await _project_until_killed(file, min(head, stood[-1] + chance.randint(1, EVENTS // 4)))
        stood.append(_checkpoint(tmp_path / "shop.views.db"))
    assert stood == sorted(stood)
    async with shop.open(f"sqlite:///{file}") as opened:
        await _as_folded(opened, head)


async def _project_until_killed(file: Path, goal: int) -> None:
    """Another process projects, and is killed as soon as it has been seen to stand at *goal*."""
    process = await asyncio.create_subprocess_exec(
        sys.executable, "-m", "tests.projections.projecting", str(file), stdout=PIPE
    )
    try:
        assert process.stdout is not None
        assert await process.stdout.readline() == b"open\n"
        await eventually(lambda: _checkpoint(file.with_name("shop.views.db")) >= goal)
    finally:
        process.kill()
        await process.communicate()


def _checkpoint(views: Path) -> int:
    """Where OrderPage stands, read by other means than storied's."""
    connection = sqlite3.connect(f"file:{views}?mode=ro", uri=True)
    try:
        [[position]] = connection.execute("SELECT position FROM edition WHERE view = 'OrderPage' AND live")
        return int(position)
    except (sqlite3.OperationalError, ValueError):
        return 0
    finally:
        connection.close()


async def test_a_log_restored_shorter_is_not_skipped_over(tmp_path: Path) -> None:
    """The log went back to an earlier copy and grew on: the views are built anew, and miss nothing."""
    log, copy = tmp_path / "shop.db", tmp_path / "copy.db"
    url = f"sqlite:///{log}"
    await _fill(url, _events(50))
    shutil.copy(log, copy)
    async with shop.open(url) as opened:
        await _as_folded(opened, (await opened.record(*_events(60)[7:])).position)
    _replace(log, copy)
    async with shop.open(url) as opened:
        await _as_folded(opened, 50)
        await _as_folded(opened, (await opened.record(*_events(100)[7:])).position)


async def test_a_log_that_grew_differently_is_noticed(tmp_path: Path) -> None:
    """A copy as long as the log, with other events at its end, is another log to the views."""
    log, copy = tmp_path / "shop.db", tmp_path / "copy.db"
    url = f"sqlite:///{log}"
    await _fill(url, _events(50))
    shutil.copy(log, copy)
    async with shop.open(url) as opened:
        await _as_folded(opened, (await opened.record(Paid(order="o-1"), Paid(order="o-1"))).position)
    _replace(log, copy)
    assert await _fill(url, [Paid(order="o-2"), Paid(order="o-2")]) == 52
    async with shop.open(url) as opened:
        await eventually(lambda: _is_rebuilt(opened))
        await _as_folded(opened, 52)


async def test_another_log_behind_the_views_is_noticed(tmp_path: Path) -> None:
    """Read models of one log do not pass for those of another at the same address."""
    log, other = tmp_path / "shop.db", tmp_path / "other.db"
    async with shop.open(f"sqlite:///{log}") as opened:
        await opened.wait(Everything, (await opened.record(*_events(30))).position)
    await _fill(f"sqlite:///{other}", _events(40))
    _replace(log, other)
    async with shop.open(f"sqlite:///{log}") as opened:
        await eventually(lambda: _is_rebuilt(opened))
        await _as_folded(opened, 40)


async def _is_rebuilt(opened: OpenApp) -> bool:
    everything = await opened.get(Everything, "all")
    return everything == Everything(id="all", count=await opened.store.head())


def _replace(log: Path, by: Path) -> None:
    """Puts another file in the log's place, while nobody has it open."""
    for left in log.parent.glob(f"{log.name}-*"):
        left.unlink()
    shutil.move(by, log)


async def test_read_models_that_were_removed_are_built_again(tmp_path: Path) -> None:
    """The views' file can be deleted at any time that nobody has it open."""
    url = f"sqlite:///{tmp_path}/shop.db"
    async with shop.open(url) as opened:
        await opened.wait(Everything, (await opened.record(*_events(30))).position)
    for left in tmp_path.glob("shop.views.db*"):
        left.unlink()
    async with shop.open(url) as opened:
        await _as_folded(opened, 30)
