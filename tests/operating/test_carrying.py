"""Export and import: a log comes back as it was, on any engine, in one go or in several."""

import asyncio
import io
import os
from collections.abc import AsyncIterator, Callable
from contextlib import AbstractAsyncContextManager
from pathlib import Path

import msgspec
import pytest

from storied.engines.memory.store import MemoryStore
from storied.engines.sqlite.store import SqliteStore
from storied.errors import AppendIdReused, InvalidInput, StoreCorrupt
from storied.operating.exporting import Exported, export
from storied.operating.feeding import batches_of_lines
from storied.operating.importing import Imported, import_lines
from storied.operating.lines import append_line, event_line, parse_line
from storied.operating.verifying import verify
from storied.store.appending import Stored
from storied.store.checks import MAX_EVENT_BYTES
from storied.store.query import Query
from storied.store.records import CHECKED, NewEvent, Receipt, digest_of, placed
from tests.operating.stores import fill, memory_store, noted, sqlite_store, tamper

Store = MemoryStore | SqliteStore
Opens = Callable[[Path], AbstractAsyncContextManager[Store]]
ENGINES: dict[str, Opens] = {
    "memory": lambda path: memory_store(),
    "sqlite": lambda path: sqlite_store(path / f"{os.urandom(4).hex()}.db"),
}
every_engine = pytest.mark.parametrize("opens", ENGINES.values(), ids=ENGINES)


async def exported(store: Store) -> bytes:
    """The whole export."""
    file = io.BytesIO()
    done = await export(store, file.write)
    assert done == Exported(store.identity, await store.head(), done.appends, len(file.getvalue()))
    return file.getvalue()


async def batches(text: bytes, size: int = 7) -> AsyncIterator[list[bytes]]:
    """The lines, a few at a time."""
    lines = text.splitlines(keepends=True) if b"\r" not in text else text.split(b"\n")
    for start in range(0, len(lines), size):
        yield lines[start : start + size]


def appends_in(text: bytes) -> int:
    """How many appends an export remembers."""
    return sum(line.startswith(b'{"append"') for line in text.split(b"\n"))


@pytest.mark.parametrize("first", ENGINES.values(), ids=ENGINES)
@pytest.mark.parametrize("second", ENGINES.values(), ids=ENGINES)
async def test_the_export_of_an_import_is_the_export(tmp_path: Path, first: Opens, second: Opens) -> None:
    """To the byte, from every engine to every engine; and what was imported is sound."""
    async with first(tmp_path) as one, second(tmp_path) as other:
        await fill(one, 60)
        text = await exported(one)
        done = await import_lines(other, batches(text))
        assert done == Imported(one.identity, 60, 60, 0, appends_in(text))
        assert await exported(other) == text
        assert (await verify(other)).ok
        assert await other.read().list() == await one.read().list()
        assert other.identity == one.identity


@every_engine
async def test_an_empty_store_can_be_carried(tmp_path: Path, opens: Opens) -> None:
    """It is a log too, with an identity and what was remembered without an event."""
    async with opens(tmp_path) as one, opens(tmp_path) as other, memory_store() as third:
        await import_lines(other, batches(await exported(one)))
        assert (other.identity, await other.head()) == (one.identity, 0)
        await one.append([], append_id="nothing", fingerprint=b"\0")
        await import_lines(third, batches(await exported(one)))
        assert await third.receipt("nothing", b"\0") == Receipt("nothing", 0, 0)


@every_engine
async def test_queries_and_repeats_work_after_an_import(tmp_path: Path, opens: Opens) -> None:
    """Streams and types are found, and whoever repeats an append gets its first receipt."""
    async with memory_store() as one, opens(tmp_path) as other:
        await fill(one)
        receipt = await one.append([noted(7)], append_id="mine")
        await import_lines(other, batches(await exported(one)))
        for query in (
            Query.of(tags=["kind:1"]),
            Query.of(types=["Noted2"]),
            Query.of(types=["Noted1"], tags=["kind:1"]),
        ):
            assert await other.read(query).list() == await one.read(query).list()
        assert await other.append([noted(7)], append_id="mine") == receipt
        assert await other.receipt("nothing to do", b"") == await one.receipt("nothing to do", b"")
        with pytest.raises(AppendIdReused):
            await other.append([noted(8)], append_id="mine")
        assert (await other.append([noted(8)])).position == receipt.position + 1


ODD = [
    NewEvent("Noted", '{"a":1}\n'),
    NewEvent("Noted", ' {"a":1}'),
    NewEvent("Noted", '{"a":\r\n1}'),
    NewEvent("Noted", '{ "b" : 1.0e0, "a":1,"a":2, "c":"\\u00fc \u2028 \u00fc"}', proof=CHECKED),
    NewEvent("Noted", "not json", proof=CHECKED),
    NewEvent("Noted", "", proof=CHECKED),
    NewEvent("Noted", '{"decimal":"12345678901234567890.000000000000000000010","n":-0.0,"big":9223372036854775807}'),
    NewEvent("Noted", '{"huge":1e999}', proof=CHECKED),
    NewEvent('Quote "\\ \N{DUCK}', "{}", 3, ('a:"b"', "a:{}", "ö:\N{DUCK}"), '{"actor":"\\u001b[2J"}'),
    NewEvent("Noted", "[" * 3000 + "]" * 3000, proof=CHECKED),
    NewEvent("Noted", '"' + "x" * (MAX_EVENT_BYTES - 2) + '"'),
    NewEvent("Noted", "{}", metadata='{"headers":{"a":"\n"}}', proof=CHECKED),
]


@pytest.mark.parametrize("event", ODD, ids=range(len(ODD)))
def test_every_text_is_kept_to_the_byte(event: NewEvent) -> None:
    """Even what no append would take."""
    record = placed(event, 3, 1_600_000_000_000_001)
    line = event_line(record)
    assert line.count(b"\n") == 1
    assert line.endswith(b"\n")
    assert parse_line(line) == record
    assert msgspec.json.decode(line) if "huge" not in event.data else True


@every_engine
async def test_large_events_are_carried(tmp_path: Path, opens: Opens) -> None:
    """Ten of the largest there can be."""
    async with opens(tmp_path) as one, memory_store() as other:
        for number in range(10):
            await one.append([NewEvent("Large", '"' + chr(97 + number) * (MAX_EVENT_BYTES - 2) + '"', tags=("a:b",))])
        text = await exported(one)
        await import_lines(other, batches_of_lines(io.BytesIO(text)))
        assert await exported(other) == text


async def test_memory_stays_flat() -> None:
    """An export hands over what it has before it reads more."""
    sizes: list[int] = []
    async with memory_store() as store:
        for number in range(200):
            await store.append([NewEvent("Large", '"' + "x" * 200_000 + '"', tags=(f"a:{number}",))])
        await export(store, lambda text: sizes.append(len(text)))
    assert sum(sizes) > 40_000_000
    assert max(sizes) < 16_000_000


@every_engine
@pytest.mark.parametrize("size", [1, 3, 10])
async def test_an_interrupted_import_goes_on_where_it_stopped(tmp_path: Path, opens: Opens, size: int) -> None:
    """Wherever it stopped: what is there is a beginning of the log, and the same lines make it whole."""
    async with memory_store() as one:
        await fill(one, 20)
        text, log = await exported(one), await one.read().list()
    lines = text.splitlines(keepends=True)
    for stop in range(0, len(lines), 4):
        async with opens(tmp_path) as other:
            with pytest.raises(InvalidInput, match=f"^line {stop + 1}: the export ends here"):
                await import_lines(other, batches(b"".join(lines[:stop]), size))
            head = await other.head()
            assert await other.read().list() == log[:head]
            done = await import_lines(other, batches(text, size))
            assert (done.known, done.stored, done.head) == (head, 20 - head, 20)
            assert await exported(other) == text


@every_engine
async def test_an_import_can_be_cancelled_anywhere(tmp_path: Path, opens: Opens) -> None:
    """It is stored up to some batch, and goes on from there."""
    async with memory_store() as one:
        await fill(one, 20)
        text, log = await exported(one), await one.read().list()
    turns, ended = 1, False
    while not ended:
        async with opens(tmp_path) as other:
            task = asyncio.create_task(import_lines(other, batches(text, 5)))
            for _ in range(turns):
                await asyncio.sleep(0)
            task.cancel()
            [outcome] = await asyncio.gather(task, return_exceptions=True)
            ended = isinstance(outcome, Imported)
            head = await other.head()
            assert await other.read().list() == log[:head]
            await import_lines(other, batches(text))
            assert await exported(other) == text
        turns += 1 + turns // 2


@every_engine
async def test_a_second_import_stores_nothing(tmp_path: Path, opens: Opens) -> None:
    """Everything is known."""
    async with memory_store() as one, opens(tmp_path) as other:
        await fill(one, 20)
        text = await exported(one)
        await import_lines(other, batches(text))
        done = await import_lines(other, batches(text))
        assert (done.stored, done.known, done.head) == (0, 20, 20)
        assert await exported(other) == text


@every_engine
async def test_a_longer_export_of_the_same_log_adds_what_is_new(tmp_path: Path, opens: Opens) -> None:
    """So a copy can be kept up to date."""
    async with memory_store() as one, opens(tmp_path) as other:
        await fill(one, 20)
        await import_lines(other, batches(await exported(one)))
        await one.append([noted(1), noted(2)])
        done = await import_lines(other, batches(await exported(one)))
        assert (done.stored, done.known) == (2, 20)
        assert await exported(other) == await exported(one)


@every_engine
async def test_a_store_with_other_content_is_refused(tmp_path: Path, opens: Opens) -> None:
    """Another log, a log that went another way, a longer one: nothing is changed."""
    async with memory_store() as one, opens(tmp_path) as other, opens(tmp_path) as third, opens(tmp_path) as fourth:
        await fill(one, 10)
        text = await exported(one)
        await fourth.append([], append_id="something")
        await other.append([noted(1)])
        await import_lines(third, batches(text))
        await third.append([noted(1)])
        for store in (other, third, fourth):
            before = await exported(store)
            with pytest.raises(InvalidInput) as caught:
                await import_lines(store, batches(text))
            assert caught.value.code == "other-content"
            assert await exported(store) == before
        await one.append([noted(3), noted(4)])
        with pytest.raises(InvalidInput, match="event 11 differs") as caught:
            await import_lines(third, batches(await exported(one)))
        assert (caught.value.code, await third.head()) == ("other-content", 11)


BROKEN: dict[str, tuple[int, Callable[[list[bytes]], list[bytes]]]] = {
    "payload changed": (10, lambda lines: _change(lines, 9, b'"amount":"9.90"', b'"amount":"9.91"')),
    "digest changed": (10, lambda lines: _change(lines, 9, b'"digest":"', b'"digest":"00')),
    "not hexadecimal": (10, lambda lines: _change(lines, 9, b'"digest":"', b'"digest":"x')),
    "time changed": (10, lambda lines: _change(lines, 9, b'"recorded_at":1', b'"recorded_at":2')),
    "version absurd": (10, lambda lines: _change(lines, 9, b'"version":', b'"version":9999999999')),
    "not json": (10, lambda lines: _change(lines, 9, b"}\n", b"\n")),
    "unknown key": (10, lambda lines: _change(lines, 9, b'"digest"', b'"extra":1,"digest"')),
    "an event missing": (10, lambda lines: lines[:9] + lines[10:]),
    "an event twice": (11, lambda lines: lines[:10] + lines[9:]),
    "an empty line": (10, lambda lines: [*lines[:9], b"\n", *lines[9:]]),
    "not utf-8": (10, lambda lines: _change(lines, 9, b"note", b"n\xffte")),
    "no header": (1, lambda lines: lines[1:]),
    "two headers": (2, lambda lines: [lines[0], *lines]),
    "identity changed": (1, lambda lines: _change(lines, 0, b'"identity":"0', b'"identity":"1')),
    "another version": (1, lambda lines: _change(lines, 0, b'"version":1', b'"version":2')),
    "append changed": (2, lambda lines: _change(lines, 1, b"before", b"behind")),
    "append elsewhere": (3, lambda lines: [lines[0], lines[2], lines[1], *lines[3:]]),
    "end changed": (32, lambda lines: _change(lines, -1, b'"appends":', b'"appends":1')),
    "more behind the end": (33, lambda lines: [*lines, lines[1]]),
    "no end": (32, lambda lines: lines[:-1]),
}


def _change(lines: list[bytes], number: int, old: bytes, new: bytes) -> list[bytes]:
    assert old in lines[number]
    lines[number] = lines[number].replace(old, new, 1)
    return lines


@every_engine
@pytest.mark.parametrize(("number", "breaking"), BROKEN.values(), ids=BROKEN)
async def test_a_wrong_line_is_refused_with_its_number(
    tmp_path: Path, opens: Opens, number: int, breaking: Callable[[list[bytes]], list[bytes]]
) -> None:
    """Nothing of its batch is stored; what is there is a beginning of the log, and the right lines make it whole."""
    async with memory_store() as one, opens(tmp_path) as other:
        await fill(one, 16)
        text, log = await exported(one), await one.read().list()
        assert text.splitlines()[9].startswith(b'{"position"')
        assert len(text.splitlines()) == 32
        with pytest.raises(InvalidInput, match=f"^line {number}: ") as caught:
            await import_lines(other, batches(b"".join(breaking(text.splitlines(keepends=True))), 4))
        assert caught.value.code == "bad-line"
        head = await other.head()
        assert await other.read().list() == log[:head]
        assert f"up to position {head}," in str(caught.value)
        await import_lines(other, batches(text))
        assert await exported(other) == text


async def test_a_damaged_store_is_not_exported(tmp_path: Path) -> None:
    """What is exported can be imported, so the first bad event ends it."""
    async with sqlite_store(tmp_path / "a.db") as store:
        await fill(store, 20)
    for sql, position in (
        ("UPDATE event SET data = '{}' WHERE position = 12", 12),
        ("DELETE FROM event WHERE position = 9", 9),
        ("UPDATE append SET fingerprint = x'07' WHERE id = 'before everything'", 0),
    ):
        tamper(tmp_path / "a.db", sql)
        async with sqlite_store(tmp_path / "a.db") as store:
            with pytest.raises(StoreCorrupt) as caught:
                await exported(store)
            assert caught.value.position == position


async def test_writers_may_go_on_during_an_export(tmp_path: Path) -> None:
    """The export is the log as it was when it began."""
    async with sqlite_store(tmp_path / "a.db") as store:
        await fill(store, 300)
        loop = asyncio.get_running_loop()
        appended: list[asyncio.Task[object]] = []

        def tell(doing: str, done: int, total: int | None) -> None:
            appended.append(loop.create_task(store.append([noted(done)])))

        file = io.BytesIO()
        done = await export(store, file.write, tell)
        await asyncio.gather(*appended)
        async with memory_store() as other:
            await import_lines(other, batches(file.getvalue()))
            assert await other.read().list() == (await store.read().list())[:300]
    assert (done.head, len(appended) > 1) == (300, True)


class TestTheDoor:
    """What `Restorable` takes, and what it refuses."""

    @every_engine
    async def test_it_takes_only_what_comes_next(self, tmp_path: Path, opens: Opens) -> None:
        """In order, without a gap, with times that do not go back, and all or nothing."""
        first, second, third = (placed(noted(n), n, 1000 + n) for n in (1, 2, 3))
        early = placed(noted(3), 3, 1001)
        async with opens(tmp_path) as store:
            for wrong in ([second], [first, third], [first, first], [second, first], [first, second, early]):
                with pytest.raises(InvalidInput) as caught:
                    await store.restore(wrong, [])
                assert (caught.value.code, await store.head()) == ("not-next", 0)
            await store.restore([first, second], [Stored(Receipt("a", 2, 2), None)])
            with pytest.raises(InvalidInput):
                await store.restore([first], [])
            await store.restore([third], [])
            assert await store.read().list() == [first, second, third]

    @every_engine
    async def test_it_refuses_what_does_not_fit_its_digest(self, tmp_path: Path, opens: Opens) -> None:
        """And tags that are none."""
        good = placed(noted(1), 1, 1)
        no_tags = msgspec.structs.replace(good, tags_json="{}")
        async with opens(tmp_path) as store:
            for bad in (
                msgspec.structs.replace(good, data="{}"),
                msgspec.structs.replace(no_tags, digest=digest_of(no_tags)),
            ):
                with pytest.raises(StoreCorrupt):
                    await store.restore([bad], [])
            assert await store.head() == 0

    @every_engine
    @pytest.mark.parametrize(
        ("appends", "code"),
        [
            ([Receipt("a", 3, 1)], "not-next"),
            ([Receipt("a", 1, -1)], "not-next"),
            ([Receipt("a", 1, 2)], "not-next"),
            ([Receipt("known", 1, 0)], "other-content"),
            ([Receipt("a", 1, 0), Receipt("a", 2, 0)], "other-content"),
        ],
    )
    async def test_it_refuses_appends_that_cannot_be(
        self, tmp_path: Path, opens: Opens, appends: list[Receipt], code: str
    ) -> None:
        """Beyond the head, without sense, or known with other content."""
        async with opens(tmp_path) as store:
            await store.append([noted(1)], append_id="known")
            with pytest.raises(InvalidInput) as caught:
                await store.restore([placed(noted(2), 2, 2**60)], [Stored(receipt, None) for receipt in appends])
            assert (caught.value.code, await store.head()) == (code, 1)

    @every_engine
    async def test_a_known_append_is_left_as_it_is(self, tmp_path: Path, opens: Opens) -> None:
        """Restoring twice changes nothing, and one line may come twice."""
        stored = Stored(Receipt("a", 0, 0), b"x")
        async with opens(tmp_path) as store:
            await store.restore([], [stored, stored])
            await store.restore([], [stored])
            assert await store.receipt("a", b"x") == stored.receipt

    @every_engine
    async def test_an_identity_is_for_an_empty_store(self, tmp_path: Path, opens: Opens) -> None:
        """A log that has begun keeps its own."""
        async with opens(tmp_path) as store:
            await store.adopt("one")
            assert store.identity == "one"
            await store.append([], append_id="a")
            await store.adopt("one")
            with pytest.raises(InvalidInput) as caught:
                await store.adopt("two")
            assert (caught.value.code, store.identity) == ("other-content", "one")

    async def test_an_adopted_identity_is_kept(self, tmp_path: Path) -> None:
        """The file has it too."""
        async with sqlite_store(tmp_path / "a.db") as store:
            await store.adopt("one")
        async with sqlite_store(tmp_path / "a.db") as store:
            assert store.identity == "one"

    @every_engine
    async def test_subscribers_hear_of_what_was_restored(self, tmp_path: Path, opens: Opens) -> None:
        """As of what was appended."""
        record = placed(noted(1), 1, 1)
        async with opens(tmp_path) as store:
            waiting = asyncio.ensure_future(anext(aiter(store.subscribe())))
            await asyncio.sleep(0)
            await store.restore([record], [])
            assert await waiting == record


def test_an_append_line_is_what_it_says() -> None:
    """With a fingerprint of no byte, and without one."""
    for fingerprint in (None, b"", b"\0\xff"):
        stored = Stored(Receipt("ä", 7, 3), fingerprint)
        assert parse_line(append_line(stored)) == stored


async def test_a_reader_of_a_silent_pipe_can_be_cancelled() -> None:
    """Nobody waits for a line that never comes."""
    reading, writing = os.pipe()
    with os.fdopen(reading, "rb") as file:
        lines = batches_of_lines(file)
        task = asyncio.ensure_future(anext(lines))
        await asyncio.sleep(0)
        task.cancel()
        [outcome] = await asyncio.gather(task, return_exceptions=True)
        assert isinstance(outcome, asyncio.CancelledError)
        os.close(writing)


async def test_an_error_while_reading_lines_is_heard() -> None:
    """It is raised where the lines are waited for."""

    class Broken(io.BytesIO):
        def readline(self, size: int | None = -1, /) -> bytes:
            raise OSError("the disk is gone")

    with pytest.raises(OSError, match="the disk is gone"):
        await anext(batches_of_lines(Broken()))
