"""Waiting ends when the condition is true, and at the deadline."""

import asyncio
from collections.abc import AsyncIterator

import pytest

from storied.testing.waiting import eventually, take, turns


async def numbers(closed: list[bool]) -> AsyncIterator[int]:
    """1, 2, 3 …, and a note when it is closed."""
    try:
        number = 0
        while True:
            number += 1
            yield number
    finally:
        closed.append(True)


async def test_a_condition_that_is_true_is_not_waited_for() -> None:
    """Not even one turn of the loop."""
    await eventually(lambda: True, timeout=0)


async def test_a_condition_is_asked_until_it_is_true() -> None:
    """Plain or async."""
    answers = iter([False, 0, "", "yes"])

    async def answer() -> object:
        return next(answers)

    await eventually(answer)
    assert list(answers) == []


async def test_a_condition_that_stays_false_ends_at_the_deadline() -> None:
    """With a sentence."""
    with pytest.raises(TimeoutError, match="did not become true"):
        await eventually(lambda: False, timeout=0.01)


async def test_a_timeout_of_the_condition_itself_is_the_end_too() -> None:
    """It is not taken for a condition that is true."""

    async def slow() -> bool:
        await asyncio.Event().wait()
        return True

    with pytest.raises(TimeoutError):
        await eventually(slow, timeout=0.01)


@pytest.mark.parametrize("count", [0, 1, 3])
async def test_the_first_items_are_taken_and_the_source_is_closed(count: int) -> None:
    """What goes on for ever is let go of."""
    closed: list[bool] = []
    assert await take(numbers(closed), count) == [1, 2, 3][:count]
    assert closed == ([True] if count else [])


async def test_what_came_before_the_deadline_is_told() -> None:
    """A test that fails says how far it got."""

    async def two() -> AsyncIterator[str]:
        yield "a"
        yield "b"
        await asyncio.Event().wait()

    with pytest.raises(TimeoutError, match=r"2 of 3 came within 0\.01 s: \['a', 'b'\]"):
        await take(two(), 3, timeout=0.01)


async def test_a_turn_lets_others_run() -> None:
    """Every task that is ready, once a turn."""
    ran: list[int] = []

    async def run() -> None:
        for number in range(3):
            ran.append(number)
            await asyncio.sleep(0)

    task = asyncio.ensure_future(run())
    await turns(2)
    assert ran == [0, 1]
    await task
