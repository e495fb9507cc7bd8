"""A small app whose view cannot take some amounts, in two versions of its code."""

import os

from storied import App, Event, Id, View, on

REFUSED = "SALES_REFUSED"
"""The variable that lists the amounts; what a process finds around it is no part of its code."""


class Sold(Event):
    item: Id
    amount: int = 1


def sales(version: int) -> App:
    """The app with that version of the view's code."""
    app = App("sales")

    @app.view()
    class Sales(View):
        item: Id
        amount: int = 0
        version: int = 0

        @on
        def sold(self, event: Sold) -> None:
            if str(event.amount) in os.environ.get(REFUSED, "").split():
                raise ValueError(f"no such amount: {event.amount}")
            self.amount += event.amount
            self.version = version

    return app


one, two = sales(1), sales(2)
