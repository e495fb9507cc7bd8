"""Customers: who they are, and how much they owe."""

from __future__ import annotations

from decimal import Decimal

from storied import Command, Entity, Id, Rejected, on

from .application import app
from .events import Address, CustomerMoved, CustomerRegistered, OrderCancelled, OrderPaid, OrderPlaced


class Customer(Entity):
    """What the rules need to know of a customer: the address, and what is open on each unpaid order."""

    address: Address | None = None
    open: dict[str, Decimal] = {}

    @property
    def debt(self) -> Decimal:
        """What is still to be paid on all orders."""
        return sum(self.open.values(), Decimal(0))

    @on
    def registered(self, event: CustomerRegistered | CustomerMoved) -> None:
        self.address = event.address

    @on
    def ordered(self, event: OrderPlaced) -> None:
        self.open[event.order] = self.open.get(event.order, Decimal(0)) + event.total

    @on
    def paid(self, event: OrderPaid) -> None:
        rest = self.open.pop(event.order, Decimal(0)) - event.value
        if rest:
            self.open[event.order] = rest

    @on
    def cancelled(self, event: OrderCancelled) -> None:
        self.open.pop(event.order, None)


class RegisterCustomer(Command):
    """A new customer gives an address."""

    customer: Id
    address: Address


class PutCustomer(Command):
    """A customer as another system knows them, whether we do or not."""

    customer: Id
    address: Address


class MoveCustomer(Command):
    """A customer has a new address; orders on their way still go to the old one."""

    customer: Id
    address: Address


@app.command("POST /customers", rejects=["already-registered"])
def register(command: RegisterCustomer, customer: Customer) -> CustomerRegistered:
    """Registers a customer once."""
    if customer.address is not None:
        raise Rejected("already-registered", f"customer {command.customer} is registered already")
    return CustomerRegistered(customer=command.customer, address=command.address)


@app.command("PUT /customers/{customer}", rejects=[])
def put(command: PutCustomer, customer: Customer) -> CustomerRegistered | CustomerMoved | None:
    """Registers a customer who is new, and moves one who lives elsewhere: putting the same twice changes nothing."""
    if customer.address is None:
        return CustomerRegistered(customer=command.customer, address=command.address)
    if customer.address == command.address:
        return None
    return CustomerMoved(customer=command.customer, address=command.address)


@app.command("PUT /customers/{customer}/address", rejects=["unknown-customer"])
def move(command: MoveCustomer, customer: Customer) -> CustomerMoved | None:
    """Changes the address; moving to where one lives changes nothing."""
    if customer.address is None:
        raise Rejected("unknown-customer", f"there is no customer {command.customer}")
    if customer.address == command.address:
        return None
    return CustomerMoved(customer=command.customer, address=command.address)
