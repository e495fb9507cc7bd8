"""Scenarios find what a handler does not tell its clients."""

from __future__ import annotations

import pytest

from storied import App, Command, Event, Id, Rejected
from storied.testing import given

app = App("scales")


class Weighed(Event):
    parcel: Id


class Weigh(Command):
    parcel: Id
    grams: int


class WeighAgain(Command):
    parcel: Id


@app.command(rejects=["too-heavy"])
def weigh(command: Weigh) -> Weighed:
    """Takes no more than the scales hold; the second code is not declared."""
    if command.grams > 1000:
        raise Rejected("too-heavy")
    if command.grams <= 0:
        raise Rejected("too-light")
    return Weighed(parcel=command.parcel)


@app.command()
def weigh_again(command: WeighAgain) -> Weighed:
    """Declares nothing."""
    raise Rejected("too-late")


def test_a_declared_code_is_a_rejection_like_any() -> None:
    """It passes."""
    given().when(Weigh(parcel="p-1", grams=2000)).then_rejected("too-heavy")


def test_a_code_that_is_not_declared_is_found() -> None:
    """The failure says where to name it; in use the rejection reaches its client all the same."""
    with pytest.raises(
        AssertionError, match=r"weigh rejected with 'too-light', which its rejects= does not name\. Add"
    ):
        given().when(Weigh(parcel="p-1", grams=0))


def test_who_declares_nothing_may_reject_by_any_code() -> None:
    """The declaration is optional."""
    given().when(WeighAgain(parcel="p-1")).then_rejected("too-late")


async def test_a_code_that_is_not_declared_works_in_use() -> None:
    """The caller of `execute` gets it as it was raised."""
    async with app.open("memory://") as scales:
        with pytest.raises(Rejected) as caught:
            await scales.execute(Weigh(parcel="p-1", grams=0))
    assert caught.value.code == "too-light"
