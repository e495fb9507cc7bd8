"""A small app with a field of every kind, and values that fit none of them."""

from __future__ import annotations

import math
from collections.abc import Mapping
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from pathlib import Path
from typing import Annotated, Any
from uuid import UUID

from storied import App, Command, Entity, Event, Id, View, on
from storied.domain.tags import Tag

MEGABYTE = 1 << 20


class Noted(Event):
    note: Id
    about: list[Id] = []
    number: int = 0
    amount: Decimal = Decimal(0)
    share: float = 0.0
    text: str = ""
    raw: bytes = b""
    flags: set[str] = set()
    names: dict[str, str] = {}
    when: datetime | None = None
    anything: Any = None


class Counted(Event):
    count: Annotated[int, Tag()]
    part: Annotated[UUID, Tag()] | None = None


class Note(Entity):
    written: int = 0

    @on
    def noted(self, event: Noted) -> None:
        self.written += 1


class Take(Command):
    note: Id
    number: int = 0
    amount: Decimal = Decimal(0)
    text: str = ""
    anything: Any = None


class Page(View, indexes=["number", "text"]):
    note: Id
    number: int = 0
    text: str = ""

    @on
    def noted(self, event: Noted) -> None:
        self.number, self.text = event.number, event.text


app = App("notes")
app.view()(Page)


@app.command()
def take(command: Take, note: Note) -> Noted:
    """Notes down what the command says."""
    return Noted(
        note=command.note,
        number=command.number,
        amount=command.amount,
        text=command.text,
        anything=command.anything,
    )


def nested(depth: int) -> list[Any]:
    """A list in a list in a list …"""
    outermost: list[Any] = []
    for _ in range(depth):
        outermost = [outermost]
    return outermost


def endless() -> list[Any]:
    """A list that holds itself."""
    itself: list[Any] = []
    itself.append(itself)
    return itself


UNSTORABLE: Mapping[str, tuple[Any, str]] = {
    "an object": (object(), "not-json"),
    "a function": (print, "not-json"),
    "a class": (Noted, "not-json"),
    "a path": (Path("x"), "not-json"),
    "a complex number": (1j, "not-json"),
    "an exception": (ValueError("x"), "not-json"),
    "bytes": (b"ab", "lossy"),
    "a set": ({1, 2}, "lossy"),
    "a tuple": ((1, 2), "lossy"),
    "a date": (date(2020, 1, 1), "lossy"),
    "a time": (datetime(2020, 1, 1, tzinfo=UTC), "lossy"),
    "a span": (timedelta(1), "lossy"),
    "a UUID": (UUID(int=1), "lossy"),
    "a Decimal": (Decimal("1.5"), "lossy"),
    "NaN": (math.nan, "lossy"),
    "infinity": (math.inf, "lossy"),
    "minus infinity": (-math.inf, "lossy"),
    "a Decimal NaN": (Decimal("NaN"), "lossy"),
    "a signalling NaN": (Decimal("sNaN"), "lossy"),
    "a Decimal infinity": (Decimal("-Infinity"), "lossy"),
    "a number as key": ({1: 2}, "lossy"),
    "a lone surrogate": ("\ud800", "not-json"),
    "a lone surrogate as key": ({"\udfff": 1}, "not-json"),
    "a lone surrogate within": ([{"a": ["ok", "x\udc00"]}], "not-json"),
    "NUL": ("a\0b", "nul"),
    "NUL as key": ({"\0": 1}, "nul"),
    "2^63": (2**63, "number-too-large"),
    "2^64": (2**64, "number-too-large"),
    "10^30": (10**30, "number-too-large"),
    "-2^63-1": (-(2**63) - 1, "number-too-large"),
    "2^63 within": ({"a": [2**63]}, "number-too-large"),
    "a number of 5,000 digits": (10**5000, "not-json"),
    "64 MB": ("x" * (64 * MEGABYTE), "too-large"),
    "64 MB of numbers": ([0] * (32 * MEGABYTE), "too-large"),
    "a megabyte and a byte": ("x" * MEGABYTE, "too-large"),
    "65 levels": (nested(65), "too-deep"),
    "10,000 levels": (nested(10_000), "too-deep"),
    "200,000 levels": (nested(200_000), "too-deep"),
    "itself": (endless(), "too-deep"),
}
"""What no field can keep, with the code that refuses it in a field of any type."""

STORABLE: Mapping[str, Any] = {
    "nothing": None,
    "the largest number": 2**63 - 1,
    "the smallest number": -(2**63),
    "minus zero": -0.0,
    "a large float": 1.7e308,
    "a fox": "🦊",
    "right to left": "שלום",
    "quotes": "'\"`\\ -- ;",
    "line feeds": "a\r\nb\u2028c",
    "an escaped NUL": "\\u0000",
    "digits": "9" * 5000,
    "60 levels": nested(60),
    "many brackets": ["[{" * 1000, [[]] * 1000],
}
"""Odd values that every field of any type keeps."""
