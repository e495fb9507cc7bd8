"""Order: what is visible never has something unseen below it."""

import asyncio
from pathlib import Path

import pytest

from storied.errors import Conflict
from storied.store.port import EventStore
from storied.store.query import AppendCondition, Query
from storied.testing.contract.specimens import event, events, positions, stored, unless
from storied.testing.waiting import take, turns
from tests.traps.stores import Opens, on_both_engines

WRITERS = 8


@on_both_engines
async def test_commit_order_is_position_order_under_eight_writers(tmp_path: Path, opens: Opens) -> None:
    """Whoever reads while eight write never finds a place filled later below what was read before."""
    seen: list[list[int]] = []

    async def write(store: EventStore, who: int) -> None:
        for number in range(25):
            await store.append(events(1 + number % 3, "Noted", f"writer:{who}"))
            await turns(who % 3)

    async def look(store: EventStore, writing: asyncio.Future[list[None]]) -> None:
        while not writing.done():
            seen.append(positions(await stored(store)))
            await turns(1)

    async with opens(tmp_path) as store:
        writing = asyncio.gather(*(write(store, who) for who in range(WRITERS)))
        await look(store, writing)
        seen.append(positions(await stored(store)))
    assert all(found == list(range(1, len(found) + 1)) for found in seen)
    assert [len(found) for found in seen] == sorted(len(found) for found in seen)


@on_both_engines
async def test_a_subscriber_beside_eight_writers_skips_nothing(tmp_path: Path, opens: Opens) -> None:
    """The order in which a subscriber is given events is the order of the log, without a hole."""
    async with opens(tmp_path) as store:
        taking = asyncio.ensure_future(take(store.subscribe(), 8 * 30))
        await asyncio.gather(*(store.append([event("Noted", f"writer:{n}")]) for n in range(8 * 30)))
        assert await taking == await stored(store)


@on_both_engines
async def test_a_plain_append_cannot_slip_past_a_condition(tmp_path: Path, opens: Opens) -> None:
    """A plain append that is ordered before a conditional one is seen by it, even in the same commit."""
    async with opens(tmp_path) as store:
        for _ in range(20):
            head = await store.head()
            plain, conditional = await asyncio.gather(
                store.append([event("Moved", "account:a")]),
                store.append([event("Moved", "account:a")], condition=unless(tags=["account:a"], after=head)),
                return_exceptions=True,
            )
            assert not isinstance(plain, BaseException)
            assert isinstance(conditional, Conflict)
            assert conditional.position == plain.position == head + 1


@on_both_engines
async def test_of_sixteen_racers_on_one_condition_one_wins(tmp_path: Path, opens: Opens) -> None:
    """However often they race: one is stored, and fifteen are told who came first."""
    async with opens(tmp_path) as store:
        for race in range(1, 21):
            never = unless(types=["Opened"], tags=[f"account:{race}"])
            outcomes = await asyncio.gather(
                *(store.append([event("Opened", f"account:{race}")], condition=never) for _ in range(16)),
                return_exceptions=True,
            )
            conflicts = [outcome for outcome in outcomes if isinstance(outcome, Conflict)]
            assert (len(conflicts), {c.position for c in conflicts}, await store.head()) == (15, {race}, race)


@on_both_engines
async def test_sixtyfour_tasks_on_one_stream_take_turns(tmp_path: Path, opens: Opens) -> None:
    """Each reads the stream, decides on it and appends; every decision was taken on all that stands before it."""

    async def move(store: EventStore) -> None:
        query = Query.of(tags=["account:a"])
        while True:
            seen = await store.read(query).list()
            condition = AppendCondition(query, seen[-1].position if seen else 0)
            try:
                await store.append([event("Moved", "account:a", note=len(seen))], condition=condition)
            except Conflict:
                continue
            return

    async with opens(tmp_path) as store:
        await asyncio.gather(*(move(store) for _ in range(64)))
        assert [record.payload for record in await stored(store)] == [{"note": n} for n in range(64)]


@on_both_engines
async def test_conditions_that_overlap_leave_one_winner_in_each_overlap(tmp_path: Path, opens: Opens) -> None:
    """64 bookings of two neighbouring seats each: no seat is booked twice, and no booking could be added."""
    async with opens(tmp_path) as store:
        outcomes = await asyncio.gather(*(book(store, n % 16) for n in range(64)), return_exceptions=True)
        taken = [tag for record in await stored(store) for tag in record.tags]
        assert len(taken) == len(set(taken)) == 2 * sum(not isinstance(o, Conflict) for o in outcomes)
        for seat in range(16):
            with pytest.raises(Conflict):
                await book(store, seat)


async def book(store: EventStore, seat: int) -> None:
    """Books a seat and the next one of a ring of sixteen, unless either is booked."""
    seats = (f"seat:{seat}", f"seat:{(seat + 1) % 16}")
    free = Query.of(tags=[seats[0]]) | Query.of(tags=[seats[1]])
    await store.append([event("Booked", *seats)], condition=AppendCondition(free))


@on_both_engines
async def test_a_condition_that_names_types_is_not_refused_for_other_types(tmp_path: Path, opens: Opens) -> None:
    """Tags alone would refuse it: a false conflict."""
    async with opens(tmp_path) as store:
        await store.append([event("Renamed", "account:a")])
        await store.append([event("Opened", "account:a")], condition=unless(types=["Opened"], tags=["account:a"]))
        assert await store.head() == 2
