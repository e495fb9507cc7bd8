"""Amounts that nothing could hold are refused with the command, and what is stored is told as stored."""

from decimal import Decimal

import pytest

from storied import App, Command, Entity, Event, Id, InvalidCommand, on
from storied.errors import InvalidEvent
from storied.store.codec import encode
from storied.store.ordering import sort_key


class Paid(Event):
    """An amount was paid into an account."""

    account: Id
    amount: Decimal


class Purse(Entity, tag="account"):
    """A fold that does not bear everything."""

    total: Decimal = Decimal(0)

    @on
    def paid(self, event: Paid) -> None:
        """Raises at thirteen."""
        if event.amount == 13:
            raise ValueError("unlucky")
        self.total += event.amount


class PayIn(Command):
    """Pays something in."""

    account: Id
    amount: Decimal
    more: dict[str, list[Decimal]] = {}


app = App("amounts")


@app.command()
def pay_in(command: PayIn, account: Purse) -> Paid:
    """Always."""
    return Paid(account=account.id, amount=command.amount)


BEYOND = ("Infinity", "-Infinity", "NaN", "1E+4999", "1E-4999", "1E+999999999", "9" * 5001)


@pytest.mark.parametrize("amount", BEYOND)
@pytest.mark.parametrize("deep", [False, True])
async def test_an_amount_that_nothing_could_hold_is_refused(amount: str, deep: bool) -> None:
    """Nothing of it is stored: an event can never be taken back."""
    bad = Decimal(amount)
    command = PayIn(account="a", amount=Decimal(1), more={"x": [bad]}) if deep else PayIn(account="a", amount=bad)
    async with app.open("memory://") as shop:
        with pytest.raises(InvalidCommand) as refused:
            await shop.execute(command)
        assert refused.value.code == "lossy"
        assert await shop.store.head() == 0


@pytest.mark.parametrize("amount", BEYOND)
def test_an_event_with_such_an_amount_is_refused_too(amount: str) -> None:
    """Wherever it was computed."""
    with pytest.raises(InvalidEvent) as refused:
        encode(Paid(account="a", amount=Decimal(amount)))
    assert refused.value.code == "lossy"


@pytest.mark.parametrize("amount", ["1E+4998", "-1E-4998", "9" * 4999, "0.00"])
def test_an_amount_that_an_index_holds_is_taken(amount: str) -> None:
    """All of it, to the last digit."""
    encode(Paid(account="a", amount=Decimal(amount)))
    assert sort_key(Decimal(amount))


async def test_a_fold_that_raises_does_not_hide_that_the_command_is_stored() -> None:
    """The receipt is there; who loads the entity is told."""
    async with app.open("memory://") as shop:
        await shop.execute(PayIn(account="a", amount=Decimal(1)))
        receipt = await shop.execute(PayIn(account="a", amount=Decimal(13)))
        assert (receipt.position, receipt.new) == (2, True)
        with pytest.raises(ValueError, match="unlucky"):
            await shop.state(Purse, "a")
