"""What cannot be stored is refused with a typed error, and nothing of it is stored."""

from __future__ import annotations

import math
from decimal import Decimal
from typing import Any

import pytest

from storied import App, Command, Event, Id, InvalidCommand, InvalidEvent
from tests.commands.bank import bank


class Measured(Event):
    sensor: Id
    value: float = 0.0
    amount: Decimal = Decimal(0)


class Measure(Command):
    sensor: str
    value: float = 0.0
    amount: Decimal = Decimal(0)
    count: int = 0
    parts: dict[str, Any] = {}


class Untaken(Command):
    pass


lab = App("lab")


@lab.command()
def measure(command: Measure) -> list[Measured]:
    """Two events, of which the second may be one that cannot be stored."""
    second = math.nan if command.count == 2 else 0.0
    amount = Decimal("sNaN") if command.count == 3 else Decimal(0)
    return [
        Measured(sensor=command.sensor, value=command.value),
        Measured(sensor="" if command.count == 1 else command.sensor, value=second, amount=amount),
    ]


def _nested(depth: int) -> dict[str, Any]:
    made: dict[str, Any] = {}
    for _ in range(depth):
        made = {"a": made}
    return made


WRONG: dict[str, dict[str, Any]] = {
    "another type": {"sensor": 7},
    "None where it may not be": {"sensor": None},
    "NaN": {"value": math.nan},
    "infinity": {"value": math.inf},
    "a Decimal NaN": {"amount": Decimal("NaN")},
    "a signalling NaN": {"amount": Decimal("sNaN")},
    "a number past 64 bits": {"count": 2**70},
    "a lone surrogate": {"sensor": "\ud800"},
    "a NUL": {"sensor": "\x00"},
    "what JSON cannot hold": {"parts": {"a": object()}},
    "a tuple that would come back as a list": {"parts": {"a": (1,)}},
    "too deep": {"parts": _nested(100)},
    "much too deep": {"parts": _nested(100_000)},
    "too large": {"sensor": "x" * 2**21},
}


@pytest.mark.parametrize("what", WRONG)
async def test_a_malformed_command_is_refused(what: str) -> None:
    """A value that is not of its type, or that JSON cannot hold exactly, is an invalid command."""
    async with lab.open("memory://") as shop:
        with pytest.raises(InvalidCommand):
            await shop.execute(Measure(**{"sensor": "s", **WRONG[what]}))
        assert await shop.store.head() == 0


async def test_a_command_without_a_handler_is_refused() -> None:
    """The error names it."""
    async with lab.open("memory://") as shop:
        with pytest.raises(InvalidCommand, match="no handler takes Untaken") as caught:
            await shop.execute(Untaken())
        assert caught.value.code == "unknown-command"


async def test_what_is_no_command_is_refused() -> None:
    """An event, or any other value, is not executed."""
    async with bank.open("memory://") as shop:
        with pytest.raises(InvalidCommand):
            await shop.execute(Measured(sensor="s"))  # type: ignore[arg-type]  # what is tested


@pytest.mark.parametrize(("count", "code"), [(1, "invalid-tag"), (2, "wrong-type"), (3, "lossy")])
async def test_nothing_is_stored_when_the_second_event_is_invalid(url: str, count: int, code: str) -> None:
    """The events of a command are stored all or none."""
    async with lab.open(url) as shop:
        with pytest.raises(InvalidEvent) as caught:
            await shop.execute(Measure(sensor="s", count=count), command_id="c-1")
        assert caught.value.code == code
        assert await shop.store.head() == 0
        assert await shop.store.receipt("c-1") is None
