"""A bank, whose transfers decide on two accounts at once, and whose numbers belong to nobody's account."""

from __future__ import annotations

from datetime import datetime
from typing import Annotated

from storied import App, Command, Context, Entity, Event, Id, Rejected, Tag, on

AccountId = Annotated[str, Tag("account")]


class Opened(Event):
    account: Id
    number: int = 0


class Deposited(Event):
    account: Id
    amount: int


class Transferred(Event):
    source: AccountId
    target: AccountId
    amount: int


class Renamed(Event):  # on the account's stream, but nothing that its balance depends on
    account: Id
    name: str


class Audited(Event):
    account: Id
    ids: list[str]
    at: datetime
    actor: str | None


class Account(Entity):
    opened: bool = False
    balance: int = 0

    @on
    def start(self, event: Opened) -> None:
        self.opened = True

    @on
    def deposited(self, event: Deposited) -> None:
        self.balance += event.amount

    @on
    def moved(self, event: Transferred) -> None:
        self.balance += event.amount * ((event.target == self.id) - (event.source == self.id))


class Numbers(Entity, tag=None):
    last: int = 0

    @on
    def opened(self, event: Opened) -> None:
        self.last = max(self.last, event.number)


class Open(Command):
    account: str


class Deposit(Command):
    account: str
    amount: int


class Transfer(Command):
    source: str
    target: str
    amount: int


class Collect(Command):
    accounts: list[str]
    target: str


class Rename(Command):
    account: str
    name: str


class Audit(Command):
    account: str


class Tip(Command):
    account: str | None = None
    amount: int = 1


bank = App("bank")


@bank.command()
def open_account(command: Open, account: Account, numbers: Numbers) -> Opened | None:
    """Gives the next number; an account that is open stays as it is."""
    return None if account.opened else Opened(account=command.account, number=numbers.last + 1)


@bank.command()
def deposit(command: Deposit, account: Account) -> Deposited:
    """Adds to an account."""
    if command.amount <= 0:
        raise Rejected("no-amount", f"{command.amount} is nothing to deposit", amount=command.amount, limits=[1, None])
    return Deposited(account=command.account, amount=command.amount)


@bank.command()
def transfer(command: Transfer, source: Account, target: Account) -> Transferred:
    """Moves what the source has."""
    if source.balance < command.amount:
        raise Rejected("too-little", f"{source.id} has {source.balance}", balance=source.balance, to=target.balance)
    return Transferred(source=command.source, target=command.target, amount=command.amount)


@bank.command()
def collect(command: Collect, accounts: list[Account], target: Account) -> list[Transferred]:
    """Empties the accounts into one."""
    return [
        Transferred(source=account.id, target=target.id, amount=account.balance)
        for account in accounts
        if account.balance
    ]


@bank.command()
def rename(command: Rename, account: Account) -> Renamed:
    """Names an account."""
    return Renamed(account=command.account, name=command.name)


@bank.command()
def audit(command: Audit, account: Account, context: Context) -> Audited:
    """Writes down what its context says."""
    ids = [context.new_id(), context.new_id()]
    return Audited(account=command.account, ids=ids, at=context.now, actor=context.actor)


@bank.command()
def tip(command: Tip, account: Account | None) -> list[Deposited]:
    """Tips an account, if one is named."""
    return [] if account is None else [Deposited(account=account.id, amount=command.amount)]
