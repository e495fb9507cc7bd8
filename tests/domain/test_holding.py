"""What an object holds counts in a fingerprint, wherever it is held; what it happens to be at does not."""

from __future__ import annotations

import array
import collections
import decimal
import functools
import io
import ipaddress
import os
import pathlib
import random
import re
import string
import subprocess
import sys
import threading
import types
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, NamedTuple

import msgspec
import pytest

from storied import Event, Id, View, on
from storied.domain.dispatch import find_handlers
from storied.domain.fingerprint import fold_fingerprint


class Noted(Event):
    note: Id


@dataclass(frozen=True, slots=True)
class Rate:
    percent: int = 8


@dataclass(frozen=True, slots=True)
class Dated(Rate):
    year: int = 2020


class Plain:
    __slots__ = ("__mangled", "_own", "never")

    def __init__(self, own: Any, mangled: Any = 0) -> None:
        self._own, self.__mangled = own, mangled


class Both(Plain):
    def __init__(self, own: Any, more: Any) -> None:
        super().__init__(own)
        self.more = more


class Kept(msgspec.Struct, frozen=True):
    limit: int


class Open(msgspec.Struct, dict=True):
    limit: int = 1


class Names(dict[str, int]):
    limit = 0


class Point(NamedTuple):
    x: int


class Money(int):
    currency = ""


class Refused(Exception):
    pass


def of(constant: Any) -> str:
    """The fingerprint of a view whose handler names the constant."""

    class Notes(View):
        note: Id

        @on
        def noted(self, event: Noted) -> None:
            self.note = str(constant)

    return fold_fingerprint(Notes, find_handlers(Notes))


def opened(**more: Any) -> Open:
    """A Struct with more than its fields."""
    made = Open()
    for name, value in more.items():
        setattr(made, name, value)
    return made


def sized(made: Any, value: int) -> Any:
    """An object with an attribute of its own beside its items."""
    made.limit = value
    return made


HOLDERS: dict[str, Callable[[int], Any]] = {
    "a dataclass with slots": Rate,
    "slots of a class it derives from": lambda n: Dated(n, 2021),
    "a class with slots": Plain,
    "a slot with a private name": lambda n: Plain(0, n),
    "slots beside a dictionary": lambda n: Both(n, 1),
    "a dictionary beside slots": lambda n: Both(1, n),
    "an object with slots in one with slots": lambda n: Plain([Rate(n)]),
    "a Struct": Kept,
    "more than the fields of a Struct": lambda n: opened(limits=n),
    "a deque": lambda n: collections.deque([n, 1]),
    "a deque's most": lambda n: collections.deque([1], maxlen=n),
    "a bytearray": lambda n: bytearray([n]),
    "a memoryview": lambda n: memoryview(bytes([n])),
    "an array": lambda n: array.array("i", [n]),
    "an array's type": lambda n: array.array("bB"[n % 2], [1]),
    "a default": lambda n: collections.defaultdict([int, str][n % 2]),
    "a UserDict": lambda n: collections.UserDict({"a": n}),
    "a ChainMap": lambda n: collections.ChainMap({"a": n}),
    "a namespace": lambda n: types.SimpleNamespace(a=n),
    "a slice": lambda n: slice(n),
    "a template": lambda n: string.Template(f"{n}"),
    "a decimal context": lambda n: decimal.Context(prec=n),
    "a partial method": lambda n: functools.partialmethod(int, n),
    "an error": lambda n: Refused(n),
    "a network": lambda n: ipaddress.ip_address(n),
    "a path": lambda n: pathlib.PurePosixPath(f"{n}"),
    "a parametrised type": lambda n: [list[int], list[str]][n % 2],
    "a union": lambda n: [int | None, str | None][n % 2],
    "a long pattern": lambda n: re.compile(f"{'x' * 300}{n}"),
    "a decoder's type": lambda n: msgspec.json.Decoder([int, str][n % 2]),
    "raw JSON": lambda n: msgspec.Raw(b"%d" % n),
    "the values of a dict": lambda n: {"a": n}.values(),
    "the order of a dict": lambda n: dict([("a", 1), ("b", 2)][:: (-1) ** n]),
    "the order of an ordered dict": lambda n: collections.OrderedDict([("a", 1), ("b", 2)][:: (-1) ** n]),
    "an attribute of a dict of a class": lambda n: sized(Names(), n),
    "an attribute of a number of a class": lambda n: sized(Money(1), n),
    "a number of a class": Money,
}


@pytest.mark.parametrize("holder", HOLDERS)
def test_what_is_held_counts(holder: str) -> None:
    """Another value is another fingerprint, and an equal one the same."""
    make = HOLDERS[holder]
    assert of(make(4)) == of(make(4))
    assert of(make(4)) != of(make(5))


@pytest.mark.parametrize("base", [int, str, dict, list, frozenset, tuple, functools.partial])
def test_the_methods_of_a_class_made_from_a_built_in_one_count(base: type) -> None:
    """Its objects are more than their values."""

    def made(percent: int) -> Any:
        def rate(self: Any) -> int:
            return percent

        arguments = (int,) if base is functools.partial else ()
        return type("Made", (base,), {"rate": rate, "__module__": __name__})(*arguments)

    assert of(made(1)) == of(made(1))
    assert of(made(1)) != of(made(2))


def test_the_methods_of_a_named_tuple_count() -> None:
    """When only an object of it is named."""
    before = of(Point(1))
    try:
        Point.double = lambda self: self.x * 2  # type: ignore[attr-defined]  # that is the change
        assert of(Point(1)) != before
    finally:
        del Point.double  # type: ignore[attr-defined]  # likewise


def test_what_is_there_to_change_does_not_count() -> None:
    """A read model is not built anew because something was used."""
    lock, generator, stream = threading.Lock(), random.Random(1), io.StringIO("one")
    before = of(Plain((lock, generator, stream)))
    with lock:
        generator.random()
        stream.read()
        assert of(Plain((lock, generator, stream))) == before


def test_a_cached_property_does_not_count_once_it_was_asked_for() -> None:
    """It follows from what is held beside it."""

    class Table:
        @functools.cached_property
        def sum(self) -> int:
            return 1

    table = Table()
    before = of(table)
    assert table.sum == 1
    assert of(table) == before


def test_what_was_seen_before_is_told_as_ever() -> None:
    """No read model is built anew for what its code does not use: this was said before slots and orders were seen."""
    constant = [{"a": 1, "b": {2, 3}}, functools.partial(dict, b=2, a=1), re.compile("x"), Kept(1), (None, 1.5)]
    assert of(constant) == "3d82454740c20d329639d998c62b46b8"


def test_parameters_in_another_order_are_the_same() -> None:
    """A partial is told by what it gives, not by where that was written."""
    assert of(functools.partial(dict, a=1, b=2)) == of(functools.partial(dict, b=2, a=1))


IN_A_PROCESS = """
import sys
from tests.domain.test_holding import Plain, of
sys.stdout.write(of(frozenset(Plain(n) for n in range(20))))
"""


def test_a_set_of_objects_that_look_alike_is_told_the_same_everywhere() -> None:
    """By what they hold, not by where they happen to lie."""
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)}
    command = [sys.executable, "-c", IN_A_PROCESS]
    said = {subprocess.run(command, env=environment, capture_output=True, check=True).stdout for _ in range(2)}
    assert said == {of(frozenset(Plain(n) for n in reversed(range(20)))).encode()}


def test_an_object_that_holds_itself_is_told_to_an_end() -> None:
    """By way of a slot, too, and of a set of objects that look alike."""
    plain = Plain(None)
    plain._own = {plain, Plain(1)}
    other = Plain(None)
    other._own = {Plain(1), other}
    assert of(plain) == of(other)
