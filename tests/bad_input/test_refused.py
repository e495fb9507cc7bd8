"""What is handed in wrongly is refused alike on every engine, with a code and a remedy, and leaves nothing behind."""

import asyncio
import re
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest

from storied import OpenApp, Query
from storied.errors import StoriedError
from storied.store.codec import new_event
from storied.store.records import Recorded
from tests.bad_input.cases import CASES
from tests.bad_input.model import STORABLE, Note, Noted, Page, Take, app

REMEDIES = {
    *(
        "Add",
        "Ask",
        "Close",
        "Correct",
        "Count",
        "Derive",
        "Encode",
        "Flatten",
        "Give",
        "Index",
        "Leave",
        "Make",
        "Open",
    ),
    *("Pass", "Register", "Repeat", "Return", "Split", "Start", "Store", "Take", "Turn", "Use", "Write"),
}
"""How the sentence begins that says what to do."""
LONGEST = 500


@asynccontextmanager
async def both(place: Path) -> AsyncIterator[dict[str, OpenApp]]:
    """The app on every engine, with one note taken."""
    async with app.open("memory://") as memory, app.open(f"sqlite:///{place}/log.db?synchronous=normal") as sqlite:
        engines = {"memory": memory, "sqlite": sqlite}
        for shop in engines.values():
            await shop.record(Noted(note="n-1"))
            await shop.wait(Page, 1)
        yield engines


async def left(shop: OpenApp) -> list[tuple[int, str, str]]:
    """What is in the log."""
    return [(record.position, record.type, record.data) async for record in shop.store.read()]


@pytest.mark.parametrize("group", sorted({name.partition(",")[0].partition(" ")[0] for name in CASES}))
async def test_bad_input_is_refused(tmp_path: Path, group: str) -> None:
    """The same code and the same sentence everywhere; the log and what is asked of it afterwards are as they were."""
    cases = {name: case for name, case in CASES.items() if name.partition(",")[0].partition(" ")[0] == group}
    wrong: list[str] = []
    async with both(tmp_path) as engines:
        before = await left(engines["memory"])
        for name, (act, code) in cases.items():
            said: dict[str, Any] = {}
            for engine, shop in engines.items():
                try:
                    said[engine] = f"taken: {await act(shop)!r:.60}"
                except StoriedError as error:
                    said[engine] = (error.code, error.message)
            if said["memory"] != said["sqlite"]:
                wrong.append(f"{name}: the engines differ: {said}")
            elif said["memory"][0] != code:
                wrong.append(f"{name}: not {code} but {said['memory']}")
        for shop in engines.values():
            assert [entry[:2] for entry in await left(shop)] == [entry[:2] for entry in before]
            receipt = await shop.record(Noted(note="n-2"))
            assert receipt.position == 2
            assert await shop.get(Page, "n-2", after=2) is not None
    assert not wrong, "\n".join(wrong)


async def test_every_refusal_ends_in_a_remedy(tmp_path: Path) -> None:
    """Its last sentence says what to do; it is no page long, and can be printed anywhere."""
    wrong: list[str] = []
    async with both(tmp_path) as engines:
        for name, (act, _) in CASES.items():
            try:
                await act(engines["memory"])
            except StoriedError as error:
                message = error.message
                last = re.split(r"(?<=[.!?]) ", message)[-1]
                if last.split(" ")[0] not in REMEDIES or not message.endswith("."):
                    wrong.append(f"{name}: no remedy: {message}")
                if len(message) > LONGEST or not message.isprintable():
                    wrong.append(f"{name}: not to be shown: {message!r:.200}")
    assert not wrong, "\n".join(wrong)


@pytest.mark.parametrize("name", STORABLE)
async def test_odd_values_are_kept(tmp_path: Path, name: str) -> None:
    """What JSON holds exactly comes back as it was, through every way in."""
    value = STORABLE[name]
    async with both(tmp_path) as engines:
        for shop in engines.values():
            await shop.record(Noted(note="n-1", anything=value))
            await shop.execute(Take(note="n-1", anything=value))
            records = await shop.store.read(Query.of(tags=["note:n-1"]), after=1).list()
            events = [shop.decode(record) for record in records]
            assert [event.anything for event in events if isinstance(event, Noted)] == [value, value]


async def test_an_append_is_judged_by_itself(tmp_path: Path) -> None:
    """A bad append in a crowd is refused alone: those that share its commit are stored."""
    bad = [act for name, (act, _) in CASES.items() if name.startswith(("by hand", "changed"))]
    async with both(tmp_path) as engines:
        for shop in engines.values():
            async with asyncio_tasks() as tasks:
                for number, act in enumerate(bad[:40]):
                    tasks.append(act(shop))
                    tasks.append(shop.record(Noted(note=f"n-{number}")))
            assert await shop.store.head() == 41


@asynccontextmanager
async def asyncio_tasks() -> AsyncIterator[list[Any]]:
    """Collects coroutines, and runs them together at the end of the block, whatever becomes of each."""
    tasks: list[Any] = []
    yield tasks
    await asyncio.gather(*tasks, return_exceptions=True)


async def test_an_unheard_type_disturbs_no_reader(tmp_path: Path) -> None:
    """Events of another program in the same streams are told as they are, and passed over by every fold."""
    async with both(tmp_path) as engines:
        for shop in engines.values():
            unheard = new_event("Unheard", {"note": 7}, tags=("note:n-1",), version=3)
            await shop.store.append([unheard])
            await shop.execute(Take(note="n-1", number=5))
            assert (await shop.state(Note, "n-1")).written == 2
            assert (await shop.state(Note, "n-1", at=2)).written == 1
            page = await shop.get(Page, "n-1", after=3)
            assert page is not None
            assert page.number == 5
            assert [page.note for page in await shop.find(Page, number=5, at=3)] == ["n-1"]
            history = [shop.decode(record) async for record in shop.history("note:n-1")]
            assert [type(told) for told in history] == [Noted, Recorded, Noted]
            assert [len(told) async for told in shop.events()] == [3]
