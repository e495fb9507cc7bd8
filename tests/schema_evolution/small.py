"""A small history: a customer's event in three shapes and under two names, and what reads it."""

from storied import App, Command, Entity, Event, Id, View, on, upcast
from storied.domain.events import Payload


class CustomerRegistered(Event, version=3, formerly="SignedUp"):
    customer: Id
    first: str
    last: str
    country: str


@upcast(CustomerRegistered, 1)
def split_name(payload: Payload) -> Payload:
    """Version 1 had one name."""
    first, _, last = payload.pop("name").rpartition(" ")
    return {**payload, "first": first, "last": last}


@upcast(CustomerRegistered, 2)
def add_country(payload: Payload) -> Payload:
    """Version 2 knew one country."""
    return {**payload, "country": "CH"}


class CustomerMoved(Event):
    customer: Id
    country: str


class Customer(Entity):
    name: str = ""
    country: str = ""

    @on
    def registered(self, event: CustomerRegistered) -> None:
        self.name, self.country = f"{event.first} {event.last}", event.country

    @on
    def moved(self, event: CustomerMoved) -> None:
        self.country = event.country


class Move(Command):
    customer: Id
    country: str


app = App("small")


@app.command()
def move(command: Move, customer: Customer) -> CustomerMoved | None:
    """Moves a customer who is not there yet."""
    return (
        None
        if customer.country == command.country
        else CustomerMoved(customer=command.customer, country=command.country)
    )


@app.view()
class Country(View):
    country: Id
    customers: list[str] = []

    @on
    def registered(self, event: CustomerRegistered) -> None:
        self.customers.append(event.last)
