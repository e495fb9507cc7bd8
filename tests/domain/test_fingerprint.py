"""A fingerprint changes when what a fold does may have changed, and only then."""

from __future__ import annotations

import linecache
import os
import shutil
import subprocess
import sys
from collections.abc import Callable, Iterator
from itertools import count
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest

from storied import Entity, Event, Id, View, on
from storied.domain.dispatch import find_handlers
from storied.domain.entities import entity_spec
from storied.domain.fingerprint import fold_fingerprint
from storied.domain.views import view_spec
from storied.projections.projector import Projector
from tests.docs.pages import ROOT

SOURCE = '''
import functools
from dataclasses import dataclass
from decimal import Decimal
from enum import Enum
from functools import cache, partial
from typing import NamedTuple

import msgspec

from storied import Event, Id, View, on, upcast
import {neighbour} as neighbour


class Line(msgspec.Struct):
    product: Id
    amount: int = 1


class Placed(Event, version=2):
    order: Id
    customer: Id
    lines: list[Line] = []


@upcast(Placed, 1)
def _named(payload):
    return {{**payload, "customer": payload.pop("buyer")}}


class Paid(Event):
    order: Id
    payer: Id = ""
    amount: int = 1


class Point(NamedTuple):
    x: int = 1


class Color(Enum):
    RED = "red"
    BLUE = "blue"


@dataclass
class Rate:
    percent: int = 8

    @property
    def factor(self):
        return self.percent / 100

    def of(self, amount):
        return amount * self.factor


RATE = Rate(8)
KNOWN = {{"red", "green", "blue", "black"}}
NAMES = {{"a": "Anna", "b": "Bert"}}
NESTED = {{"colors": frozenset({{"red", "green", "blue"}}), "pairs": [("x", {{"y", "z"}})]}}
LIMIT = 100
LOOP = []
LOOP.append(LOOP)


def helper(amount):
    """Says nothing that counts."""
    return deeper(amount) + 1


def deeper(amount):
    # nothing that counts
    return amount * 2


@cache
def cached(amount):
    return amount + 5


def even(n):
    return n == 0 or odd(n - 1)


def odd(n):
    return n != 0 and even(n - 1)


def unrelated(amount):
    return amount * 7


def _taxed(amount, *, percent):
    return amount * percent // 100


tax = partial(_taxed, percent=20)


def keys(event):
    return [event.order, event.order + "-copy"]


class OrderPage(View, indexes=["customer"]):
    """A page."""

    id: Id
    customer: str = "nobody"
    paid: int = 0
    color: Color = Color.RED
    notes: list[str] = []
    copies: int = 0

    @on(key="order")
    def placed(self, event: Placed) -> None:
        """Is placed."""
        self.customer = self._shortened(event.customer)
        self.notes.append("placed")
        self.paid = helper(len(event.lines)) + cached(1) + tax(100) + neighbour.doubled(2)
        if event.customer in KNOWN or event.customer in {{"x", "y", "z"}}:
            self.customer = NAMES.get(event.customer, "")

    @on(key="order", create=False)
    def was_paid(self, event: Paid) -> None:
        def limited(amount):
            """Says nothing that counts."""
            return min(amount, 50)

        self.paid += limited(event.amount) + RATE.of(1) + even(2) + len(LOOP) + len(NESTED)
        try:
            self.color = Color.BLUE
        except ValueError:
            self.color = Color.RED

    @on(key=keys)
    def copied(self, event: Paid, record) -> None:
        self.copies += LIMIT
        self.notes = sorted(self.notes, key=lambda note: "z")
        match event:
            case Paid(amount=1) if self.notes:
                self.notes = [f"{{note!r:>10}}" f"{{self.copies:}}{{LIMIT=}} é" for note in self.notes if Point().x]

    def _shortened(self, name):
        return name[:10]
'''

NEIGHBOUR = """
def doubled(amount):
    return amount * 2

def other(amount):
    return amount * 3
"""

CHANGES = {
    "a handler": ("self.copies += LIMIT", "self.copies -= LIMIT"),
    "a constant in a handler": ('append("placed")', 'append("was placed")'),
    "a global constant": ("LIMIT = 100", "LIMIT = 101"),
    "the type of a constant": ("LIMIT = 100", "LIMIT = 100.0"),
    "a global set": ('"green", "blue", "black"}}', '"green", "blue", "white"}}'),
    "a set in a handler": ('{{"x", "y", "z"}}:', '{{"x", "y"}}:'),
    "a global dict": ('"b": "Bert"', '"b": "Beat"'),
    "a set in a global dict": ('frozenset({{"red", "green", "blue"}})', 'frozenset({{"red", "green"}})'),
    "a set in a list in a global dict": ('("x", {{"y", "z"}})', '("x", {{"y", "w"}})'),
    "a helper": ("deeper(amount) + 1", "deeper(amount) + 2"),
    "a helper of a helper": ("return amount * 2", "return amount * 4"),
    "a cached helper": ("return amount + 5", "return amount + 6"),
    "a partial's function": ("amount * percent // 100", "amount * percent // 50"),
    "a partial's argument": ("percent=20", "percent=19"),
    "a nested helper": ("min(amount, 50)", "min(amount, 51)"),
    "one of two that call each other": ("return n != 0 and", "return n > 0 and"),
    "a method that a handler calls": ("name[:10]", "name[:11]"),
    "a lambda's only constant": ('lambda note: "z"', 'lambda note: "y"'),
    "which errors are caught": ("except ValueError", "except TypeError"),
    "a property of a class that is named": ("self.percent / 100", "self.percent / 10"),
    "a method of a class that is named": ("amount * self.factor", "amount / self.factor"),
    "what a named object holds": ("RATE = Rate(8)", "RATE = Rate(9)"),
    "a member's value": ('RED = "red"', 'RED = "rot"'),
    "a field's default": ('customer: str = "nobody"', 'customer: str = ""'),
    "a default that is a member": ("color: Color = Color.RED", "color: Color = Color.BLUE"),
    "a field more": ("    copies: int = 0", "    copies: int = 0\n    more: int = 0"),
    "a field's type": ("copies: int = 0", "copies: float = 0"),
    "the key": ("    id: Id", "    key: Id"),
    "a key's path": ('key="order", create', 'key="payer", create'),
    "create=": (", create=False", ""),
    "a key's function": ('"-copy"', '"-copies"'),
    "an event's version": ("(Event, version=2)", "(Event, version=3)"),
    "an event's field": ("    order: Id\n    customer: Id", "    order: Id\n    region: str = ''\n    customer: Id"),
    "an event's default": ("amount: int = 1\n\n\nclass Point", "amount: int = 2\n\n\nclass Point"),
    "an event's former name": ("class Paid(Event)", 'class Paid(Event, formerly="Payed")'),
    "a Struct inside an event": ("amount: int = 1\n\n\nclass Placed", "amount: int = 2\n\n\nclass Placed"),
    "an upcaster": ('payload.pop("buyer")', 'payload.pop("bought_by")'),
    "the record": ("def copied(self, event: Paid, record)", "def copied(self, event: Paid)"),
    "another event": ("def was_paid(self, event: Paid)", "def was_paid(self, event: Placed)"),
}

SAME = {
    "a comment": ("# nothing that counts", "# something else"),
    "lines above": ("class Line(", "# one\n# two\n\n\nclass Line("),
    "lines inside": ("        self.copies += LIMIT\n", "\n\n        self.copies += LIMIT\n\n"),
    "a helper's docstring": ("deeper(amount) + 1", "deeper(amount) + 1  # so"),
    "a docstring in other words": (
        '"""Says nothing that counts."""\n    return deeper',
        '"""Hm."""\n    return deeper',
    ),
    "no docstring": ('    """Says nothing that counts."""\n    return deeper', "    return deeper"),
    "a docstring more": ("def even(n):\n", 'def even(n):\n    """Whether n is even."""\n'),
    "a handler's docstring": ('"""Is placed."""', '"""Has been placed."""'),
    "a nested docstring": (
        '            """Says nothing that counts."""\n            return min',
        '            """Limits."""\n            return min',
    ),
    "the class's docstring": ('"""A page."""', '"""The page."""'),
    "an unrelated function": ("return amount * 7", "return amount * 8"),
    "another order of functions": (
        "def unrelated(amount):\n    return amount * 7\n",
        "def late():\n    pass\n\n\ndef unrelated(amount):\n    return amount * 7\n",
    ),
    "another order in a set": ('"red", "green", "blue", "black"}}', '"black", "blue", "green", "red"}}'),
}

NUMBERS = count(1)


def _module(name: str, source: str, *, readable: bool = True) -> ModuleType:
    """A module of the source; its file is there to be read, or only the compiled module is."""
    module = ModuleType(name)
    module.__file__ = f"/program/{name}.py"
    sys.modules[name] = module
    if readable:
        linecache.cache[module.__file__] = (len(source), None, source.splitlines(keepends=True), module.__file__)
    exec(compile(source, module.__file__, "exec", dont_inherit=True), vars(module))
    return module


@pytest.fixture(params=[True, False], ids=["readable", "compiled"])
def program(request: pytest.FixtureRequest) -> Iterator[Callable[..., ModuleType]]:
    """Makes a module of the source, and its neighbour, with names that no module has had."""
    made: list[str] = []
    readable: bool = request.param

    def make(source: str = SOURCE, neighbour: str = NEIGHBOUR) -> ModuleType:
        name, beside = f"orders_{next(NUMBERS)}", "orders_beside"
        made.extend((name, beside))
        _module(beside, neighbour, readable=readable)
        return _module(name, source.format(neighbour=beside), readable=readable)

    yield make
    for name in made:
        sys.modules.pop(name, None)
        linecache.cache.pop(f"/program/{name}.py", None)


Program = Callable[..., ModuleType]


def fingerprint(module: ModuleType) -> str:
    """The fingerprint of the module's view."""
    return view_spec(module.OrderPage).fingerprint()


def changed(old: str, new: str) -> str:
    """The source with one place changed."""
    assert SOURCE.count(old) == 1, f"{old!r} is there {SOURCE.count(old)} times"
    return SOURCE.replace(old, new)


def test_a_fingerprint_is_a_short_text(program: Program) -> None:
    """It is stored with each read model and each snapshot."""
    text = fingerprint(program())
    assert len(text) == 32
    assert int(text, 16)


def test_the_same_code_has_the_same_fingerprint(program: Program) -> None:
    """Compiled again, under another name and at other addresses."""
    assert fingerprint(program()) == fingerprint(program())


@pytest.mark.parametrize("change", CHANGES)
def test_a_change_is_seen(program: Program, change: str) -> None:
    """Whatever a fold depends on in its own program counts."""
    assert fingerprint(program(changed(*CHANGES[change]))) != fingerprint(program())


@pytest.mark.parametrize("change", SAME)
def test_what_does_nothing_does_not_count(program: Program, change: str) -> None:
    """A read model is not built anew for the sake of words."""
    assert fingerprint(program(changed(*SAME[change]))) == fingerprint(program())


def test_a_function_of_a_module_beside_it_counts(program: Program) -> None:
    """Followed by way of the module's name, and only where it is named."""
    plain = fingerprint(program())
    assert fingerprint(program(neighbour=NEIGHBOUR.replace("* 2", "* 4"))) != plain
    assert fingerprint(program(neighbour=NEIGHBOUR.replace("* 3", "* 4"))) == plain


def test_an_index_makes_another_edition(program: Program) -> None:
    """The code is the same, and the documents are not found by the same columns."""
    other = program(changed('indexes=["customer"]', 'indexes=["customer", "paid"]'))
    one, two = (Projector(view_spec(module.OrderPage)).table for module in (program(), other))
    assert one.fingerprint == two.fingerprint
    assert one.definition != two.definition


IN_A_PROCESS = """
import sys
from tests.domain.test_fingerprint import NEIGHBOUR, SOURCE, _module, fingerprint
_module("beside", NEIGHBOUR)
sys.stdout.write(fingerprint(_module("orders", SOURCE.format(neighbour="beside"))))
"""


def test_every_process_says_the_same() -> None:
    """Whatever the seed of its hashes, by which sets are laid out."""
    said = {
        subprocess.run(
            [sys.executable, "-c", IN_A_PROCESS],
            env={**os.environ, "PYTHONHASHSEED": seed, "PYTHONPATH": os.pathsep.join(sys.path)},
            capture_output=True,
            text=True,
            check=True,
        ).stdout
        for seed in ("1", "2", "3")
    }
    assert len(said) == 1
    assert all(len(text) == 32 for text in said)


def others(modules: str) -> list[str]:
    """Other Pythons that have the modules: in the path, beside this one, and those that STORIED_PYTHONS names."""
    beside = Path(sys.base_prefix).parent.glob("*/bin/python3")
    found = [shutil.which(f"python3.{minor}") for minor in range(11, 15)]
    named = os.environ.get("STORIED_PYTHONS", "").split(os.pathsep)
    asking = f"import {modules}; print(sys.version_info >= (3, 11) and sys.version)"
    versions: dict[str, str] = {}
    for python in filter(None, [*named, *found, *map(str, beside)]):
        done = subprocess.run([python, "-c", asking], capture_output=True, text=True, check=False)
        if done.returncode == 0 and done.stdout.strip() not in ("False", sys.version):
            versions.setdefault(done.stdout, python)
    if not versions:
        pytest.skip(f"there is no other Python here that can import {modules}; name some in STORIED_PYTHONS")
    return list(versions.values())


def said_by(pythons: list[str], script: str, *arguments: str) -> set[str]:
    """What this Python and the others print."""
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join(map(str, (ROOT / "src", ROOT)))}
    commands = [[python, "-c", script, *arguments] for python in (sys.executable, *pythons)]
    return {
        subprocess.run(command, env=environment, capture_output=True, text=True, check=True).stdout
        for command in commands
    }


def test_every_python_says_the_same() -> None:
    """A new version of the interpreter is no reason to build a read model anew."""
    assert len(said_by(others("sys, apsw, msgspec, uuid_utils, pytest"), IN_A_PROCESS)) == 1


SYNTAX = """
import runpy, sys
functions = runpy.run_path(sys.argv[1])["_functions_of"](sys.argv[2], "orders.py")
print(sorted((place, told) for place, alike in functions.items() for _, told in alike))
"""


def test_every_python_reads_the_same_in_a_source() -> None:
    """Of each function, its syntax; nothing has to be installed for that."""
    path = str(ROOT / "src" / "storied" / "domain" / "syntax.py")
    (said,) = said_by(others("sys"), SYNTAX, path, SOURCE.format(neighbour="beside"))
    assert said.count("FunctionDef") > 10
    assert "JoinedStr" in said


def test_a_file_that_changed_since_it_was_imported_is_not_believed() -> None:
    """What runs is what counts: source that does not compile to it says nothing about it."""
    _module("beside", NEIGHBOUR)
    source = SOURCE.format(neighbour="beside")
    old = _module("changing", source)
    spec = view_spec(old.OrderPage)
    before = fold_fingerprint(spec.cls, find_handlers(spec.cls))
    newer = source.replace("return amount * 2", "return amount * 4")
    new = _module("changing", newer)  # the file is read for both from now on
    stale = fold_fingerprint(spec.cls, find_handlers(spec.cls))
    assert len({before, stale, fingerprint(new)}) == 3


def test_lambdas_of_one_line_are_told_apart(program: Program) -> None:
    """Which of them it is counts."""
    of_one_line = changed("LIMIT = 100", "TWO = (lambda: 100), (lambda: 101)\nLIMIT = TWO[0]")
    assert fingerprint(program(of_one_line)) != fingerprint(program(of_one_line.replace("TWO[0]", "TWO[1]")))


class Noted(Event):
    note: Id
    text: str = ""


def _of(view: Any) -> str:
    return view_spec(view).fingerprint()


def test_a_view_may_name_itself() -> None:
    """Neither a class that makes another of its kind, nor a function that calls itself, is followed for ever."""

    def depth(text: str) -> int:
        return 1 + depth(text[1:]) if text else 0

    class Notes(View):
        note: Id
        depth: int = 0

        @on
        def noted(self, event: Noted) -> None:
            self.depth = max(depth(event.text), Notes(note="other").depth)

    assert _of(Notes) == _of(Notes)


def test_what_a_decorator_wraps_is_seen() -> None:
    """Though what stands in its place is a function that any method might share."""

    def loud(method: Any) -> Any:
        def call(self: Any, event: Any) -> Any:
            return method(self, event)

        call.__annotations__ = method.__annotations__
        return call

    def view(text: str) -> Any:
        class Notes(View):
            note: Id
            text: str = ""

            @on
            @loud
            def noted(self, event: Noted) -> None:
                self.text = text

        return Notes

    assert _of(view("a")) == _of(view("a"))
    assert _of(view("a")) != _of(view("b"))


def test_a_logger_or_a_lock_does_not_count(program: Program) -> None:
    """What an object of a library holds at the moment says nothing about the code."""
    logging = changed("LIMIT = 100", "import logging\nlog = logging.getLogger('noted')\nLIMIT = 100")
    logging = logging.replace(
        "        self.copies += LIMIT", "        log.info('copied')\n        self.copies += LIMIT"
    )
    module = program(logging)
    before = fingerprint(module)
    module.log.setLevel("DEBUG")
    assert fingerprint(module) == before


def test_an_entity_has_a_fingerprint_too() -> None:
    """A snapshot must not outlive the fold that made it."""

    def fold(start: int, step: int) -> str:
        class Count(Entity):
            count: int = start

            @on
            def noted(self, event: Noted) -> None:
                self.count += step

        return fold_fingerprint(Count, entity_spec(Count).handlers)

    assert fold(0, 1) == fold(0, 1)
    assert len({fold(0, 1), fold(0, 2), fold(1, 1)}) == 3
