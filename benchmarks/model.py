"""What is measured on: events of about 256 bytes with two tags, an entity that folds them, a view that shows them."""

from storied import App, Command, Entity, Event, Id, View, on

NOTE = "n" * 150

app = App("benchmark")


class ItemAdded(Event):
    """A line put into a basket: about 256 bytes as JSON, two tags."""

    basket: Id
    customer: Id
    amount: int
    note: str = NOTE


class Basket(Entity):
    """The sum of what was put in."""

    count: int = 0
    total: int = 0

    @on
    def added(self, event: ItemAdded) -> None:
        """Counts the line."""
        self.count += 1
        self.total += event.amount


class AddItem(Command):
    """Asks for one more line."""

    basket: Id
    amount: int


@app.command()
def add_item(command: AddItem, basket: Basket) -> ItemAdded:
    """Adds it, whatever is in there."""
    return ItemAdded(basket=command.basket, customer=f"c-{basket.count}", amount=command.amount)


@app.view()
class BasketPage(View, indexes=["customer", "total"]):
    """A basket as a page shows it."""

    basket: Id
    customer: str = ""
    count: int = 0
    total: int = 0

    @on
    def added(self, event: ItemAdded) -> None:
        """Shows the sums and the last customer."""
        self.customer = event.customer
        self.count += 1
        self.total += event.amount


def basket_id(number: int) -> str:
    """A basket's id; ids ascend, as those of time-ordered UUIDs do."""
    return f"b-{number:010d}"


def item(number: int, baskets: int) -> ItemAdded:
    """The *number*-th event: baskets take turns, customers come back in no order."""
    return ItemAdded(basket=basket_id(number % baskets), customer=f"c-{number * 7919 % 10007}", amount=number % 100)
