"""A small app that uses every way of binding: a ledger of accounts, whose payees have addresses."""

from __future__ import annotations

from datetime import date
from decimal import Decimal
from typing import Annotated, Literal
from uuid import UUID

import msgspec

from storied import App, Command, Context, Entity, Event, Id, Rejected, View, on

ledger = App("ledger")


class Street(msgspec.Struct, frozen=True):
    name: str
    number: Annotated[int, msgspec.Meta(ge=1)]


class Payee(msgspec.Struct, frozen=True):
    name: str
    streets: list[Street] = []


class Opened(Event):
    account: Id
    owner: str


class Paid(Event):
    account: Id
    amount: Decimal


class Closed(Event):
    account: Id
    language: str = ""
    device: str = ""


class Account(Entity):
    owner: str = ""
    balance: Decimal = Decimal(0)
    closed: bool = False

    @on
    def opened(self, event: Opened) -> None:
        self.owner = event.owner

    @on
    def paid(self, event: Paid) -> None:
        self.balance += event.amount

    @on
    def ended(self, event: Closed) -> None:
        self.closed = True


class OpenAccount(Command):
    account: Id
    owner: str


class Pay(Command):
    account: Id
    amount: Decimal


class Rename(Command):
    account: Id
    owner: str


class CloseAccount(Command):
    account: Id
    language: Annotated[str, msgspec.Meta(extra={"header": "Accept-Language"})] = "en"


class Describe(Command):
    """Takes every kind of value; changes nothing."""

    number: int
    day: date
    kind: Literal["a", "b"] = "a"
    mark: UUID | None = None
    payee: Payee | None = None
    others: dict[str, Street] = {}
    share: float = 0.0


class Break(Command):
    how: str


@ledger.command("POST /accounts")
def open_account(command: OpenAccount, account: Account) -> Opened | None:
    """Opens an account once."""
    if account.owner == command.owner:
        return None
    if account.owner:
        raise Rejected("taken", f"account {command.account} is {account.owner}'s", owner=account.owner)
    return Opened(account=command.account, owner=command.owner)


@ledger.command("POST /accounts/{account}/payments")
def pay(command: Pay, account: Account) -> list[Paid]:
    """Pays in, twice when it is a round sum."""
    if not account.owner:
        raise Rejected("no-account")
    paid = Paid(account=command.account, amount=command.amount)
    return [paid, paid] if command.amount == 100 else [paid]


@ledger.command("PUT /accounts/{account}")
def rename(command: Rename, account: Account) -> Opened | None:
    """Puts the account into another name."""
    return None if account.owner == command.owner else Opened(account=command.account, owner=command.owner)


@ledger.command("DELETE /accounts/{account}")
def close(command: CloseAccount, account: Account, context: Context) -> Closed | None:
    """Closes it, in the language of who asks."""
    if account.closed:
        return None
    device = context.headers.get("x-device", "")
    return Closed(account=command.account, language=command.language, device=device)


@ledger.command("PATCH /descriptions/{number}/{day}")
def describe(command: Describe) -> None:
    """Takes it, and that is all."""


@ledger.command("POST /breaks")
def break_down(command: Break) -> None:
    """A handler with a mistake in it."""
    raise KeyError(command.how)


@ledger.view("GET /accounts/{account}", "GET /accounts")
class AccountPage(View):
    account: Id
    owner: str = ""
    balance: Decimal = Decimal(0)

    @on
    def opened(self, event: Opened) -> None:
        self.owner = event.owner

    @on
    def paid(self, event: Paid) -> None:
        self.balance += event.amount


@ledger.view()
class Closings(View):
    account: Id
    count: int = 0

    @on
    def ended(self, event: Closed) -> None:
        self.count += 1
