"""The smallest app that shows a lost or doubled request: marks that are made once each, and a view that lists them."""

from __future__ import annotations

from storied import App, Command, Entity, Event, Id, View, on

app = App("tally")


class Marked(Event):
    tally: Id
    mark: str


class Tally(Entity):
    marks: int = 0

    @on
    def marked(self, event: Marked) -> None:
        self.marks += 1


class Mark(Command):
    tally: Id
    mark: str


@app.command("POST /tallies/{tally}/marks")
def mark(command: Mark, tally: Tally) -> Marked:
    """Makes a mark; every one is a new one."""
    return Marked(tally=command.tally, mark=command.mark)


@app.view("GET /tallies/{tally}", "GET /tallies")
class TallyPage(View, indexes=["count"]):
    tally: Id
    count: int = 0
    marks: list[str] = []

    @on
    def marked(self, event: Marked) -> None:
        self.count += 1
        self.marks.append(event.mark)
