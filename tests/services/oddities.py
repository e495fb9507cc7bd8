"""An app whose types are as odd as types can be, to be described."""

from __future__ import annotations

import enum
from dataclasses import dataclass
from datetime import date, datetime, time, timedelta
from decimal import Decimal
from typing import Annotated, Any, Generic, Literal, NamedTuple, TypedDict, TypeVar
from uuid import UUID

import msgspec

from storied import App, Command, Event, Id, Reader, View, on

T = TypeVar("T")
odd = App("odd <script>alert(1)</script>")


class Colour(enum.Enum):
    RED = "red"
    BLUE = "blue"


class Size(enum.IntEnum):
    SMALL = 1
    LARGE = 2


class Card(msgspec.Struct, tag="card", forbid_unknown_fields=True):
    """Paid by card."""

    number: str


class Cash(msgspec.Struct, tag="cash"):
    """Paid in cash; `<b>not bold</b>`."""

    received: Decimal
    notes: list[int] = []


class Box(msgspec.Struct, Generic[T]):
    content: T
    label: str = ""


class Tree(msgspec.Struct):
    name: str
    branches: list[Tree] = []
    parent: Tree | None = None


class Inner(msgspec.Struct, rename="camel"):
    at_home: bool = False
    tags: set[str] = set()


@dataclass
class Plain:
    """A class of the standard library."""

    since: date
    note: str | None = None


class Keyed(TypedDict):
    name: str


class Pair(NamedTuple):
    left: int
    right: str


class Done(Event):
    thing: Id


class Everything(Command, rename="camel"):
    """Takes everything there is.

    In several paragraphs: `code`, <i>markup</i> and

    - a list
    - of two
    """

    thing: Id
    amount: Decimal
    when: datetime
    day: date
    hour: time
    lasting: timedelta
    number: UUID
    colour: Colour
    size: Size
    word: Literal["a", "b", 3]
    paid: Card | Cash
    box: Box[int]
    boxes: list[Box[Inner]]
    tree: Tree
    inner: Inner
    plain: Plain
    keyed: Keyed
    pair: Pair
    raw_bytes: bytes
    anything: Any
    by_name: dict[str, Decimal]
    by_number: dict[int, list[datetime]]
    fixed: tuple[int, str, datetime]
    others: frozenset[UUID]
    maybe: datetime | None
    several: list[Id]
    zoned: Annotated[datetime, msgspec.Meta(tz=True)]
    short: Annotated[str, msgspec.Meta(min_length=3, max_length=5)]
    like: Annotated[str, msgspec.Meta(pattern="^[A-Z]{2}-[0-9]+$", examples=["AB-12"], description="As on the label.")]
    few: Annotated[int, msgspec.Meta(ge=3, lt=10, multiple_of=3)]
    ratio: Annotated[float, msgspec.Meta(gt=0, lt=1)]
    language: Annotated[str, msgspec.Meta(extra={"header": "Accept-Language"})]
    left_out: str | msgspec.UnsetType = msgspec.UNSET
    made: list[str] = msgspec.field(default_factory=lambda: ["x"])
    price: Decimal = Decimal("1.5")
    none: None = None


class Undocumented(Command):
    thing: Id
    flag: bool = False


@odd.command("PUT /things/{thing}")
def everything(command: Everything) -> Done:  # noqa: D103 - its command has one
    return Done(thing=command.thing)


@odd.command("POST /things", "DELETE /things/{thing}", "POST /things/{thing}/{flag}")
def undocumented(command: Undocumented) -> Done | None:  # noqa: D103 - what has no docstring is described, too
    return None


@odd.view("GET /things/{thing}", "GET /things", "GET /shelves/{shelf}")
class ThingPage(View, indexes=["amount", "placed", "limit", "shelf", "colour", "flag"], rename="camel"):
    thing: Id
    amount: Decimal = Decimal(0)
    placed: datetime | None = None
    limit: int = 0
    shelf: str = ""
    colour: Colour | None = None
    flag: bool = False
    inner: Inner | None = None
    paid: Card | Cash | None = None
    boxes: dict[str, Box[Decimal]] = {}
    tree: Tree | None = None
    plain: Plain | None = None

    @on
    def done(self, event: Done) -> None:
        self.limit += 1


@odd.query("GET /counted/{colour}")
async def counted(
    views: Reader,
    colour: Colour,
    since: date,
    sizes: list[Size] | None = None,
    words: tuple[str, ...] = (),
    most: Annotated[int, msgspec.Meta(ge=1, le=99, description="How many at most.", examples=[7])] = 10,
    at_least: Decimal | None = None,
) -> dict[str, int]:
    """How many there are."""
    return {}


@odd.query("GET /anything")
async def anything(views: Reader) -> Any:  # noqa: D103 - what has no docstring is described, too
    return None


@odd.query("GET /unheard")
async def unheard(views: Reader, box: Box[int] | None = None) -> list[Box[Plain]] | object:
    """What msgspec has no schema for."""
    return []
