"""Fingerprints of folds: a short text that changes when the code that folds changes.

A snapshot or a read model made by other code must not be trusted. So its maker's fingerprint is kept beside it: over
the fields and their defaults, the ``@on`` methods, the functions, classes and constants these name (in the same
program, however deep), and the events with their versions and upcasters. Comments, docstrings, line numbers and names
of files do not count, nor does which Python it is. Where a function's source cannot be had (it was made by `exec`, or
only compiled files were installed), its instructions stand in for it, and those differ between Pythons.
What a method reaches by other ways (an import inside it, a parameter's attribute, an installed library) is not seen.

Of an object that is named, its class and what it holds are seen: attributes, slots, items and their order, bytes. Not
seen is what an object of a library holds in ways of its own (`domain.holding` knows those of the standard library and
msgspec), what any object keeps in compiled code (a `ContextVar`'s default, a `cmp_to_key`, an extension's classes), and
what is there to change: locks, loggers, iterators, open files, `Random`, the environment, whatever is weak. A handler
that depends on such a thing is to name a plain constant beside it, such as ``EDITION = 2``, and change that.
"""

from __future__ import annotations

import collections
import copy
import dataclasses
import dis
import enum
import functools
import inspect
import operator
import re
import reprlib
import sys
import types
import typing
from collections.abc import Iterable, Mapping
from datetime import date, time, timedelta, tzinfo
from decimal import Decimal
from enum import Enum
from fractions import Fraction
from hashlib import sha256
from typing import Any
from uuid import UUID

import msgspec

from storied.domain.dispatch import Handler
from storied.domain.events import Event, event_spec
from storied.domain.holding import attributes_of, behind
from storied.domain.instructions import mentioned, steps
from storied.domain.syntax import syntax

_ADDRESS = re.compile(r" at 0x[0-9a-fA-F]+")
_PLAIN = (
    *(str, bytes, int, float, complex, type(None), types.EllipsisType, types.NotImplementedType, range),
    *(Decimal, Fraction, date, time, timedelta, tzinfo, UUID, re.Pattern),
    *(operator.attrgetter, operator.itemgetter, operator.methodcaller),
)
"""Values whose `repr` says all."""
_FUNCTIONS = (types.FunctionType, staticmethod, classmethod, property, functools.cached_property)
_KINDS = inspect.CO_VARARGS | inspect.CO_VARKEYWORDS | inspect.CO_GENERATOR | inspect.CO_COROUTINE
_KINDS |= inspect.CO_ASYNC_GENERATOR
_MAKERS = {module.__file__ for module in (collections, dataclasses, enum, reprlib, typing)}
"""Where the functions come from that are put into classes."""
_OF_A_DATACLASS = ("init", "repr", "eq", "order", "unsafe_hash", "frozen")


def fold_fingerprint(cls: type[msgspec.Struct], handlers: Mapping[type[Event], Iterable[Handler]]) -> str:
    """The fingerprint of a view's or an entity's fold: 32 hexadecimal digits."""
    return _Print(cls, handlers).digest


class _Print:
    """Collects what counts, each thing once: met again, only which one it was is told."""

    def __init__(self, cls: type[msgspec.Struct], handlers: Mapping[type[Event], Iterable[Handler]]) -> None:
        self._home = cls.__module__.partition(".")[0]
        self._hash = sha256()
        self._numbers: dict[int, int] = {}
        self._kept: list[Any] = []  # an id is only good while its object lives
        self._modules: set[tuple[int, int]] = set()
        self._own = {name: item for base in reversed(cls.__mro__) if self._is_ours(base) for name, item in _items(base)}
        marks = [handler.on for several in handlers.values() for handler in several]
        self._local = {name: item for mark in marks for name, item in mark.names.items()}
        self._fold(cls, handlers)

    @property
    def digest(self) -> str:
        return self._hash.hexdigest()[:32]

    def _fold(self, cls: type[msgspec.Struct], handlers: Mapping[type[Event], Iterable[Handler]]) -> None:
        self._shape(cls)
        self._value(self._own.get("__post_init__"))
        for event, several in sorted(handlers.items(), key=lambda item: event_spec(item[0]).name):
            spec = event_spec(event)
            self._add("event", *spec.names, spec.version)
            self._value(event)
            for version, step in sorted(spec.upcasters.items()):
                self._add("upcaster", version)
                self._value(step)
            for handler in several:
                self._add("on", handler.takes_record, handler.on.where, handler.on.create)
                self._value(handler.on.key)
                self._value(handler.method)

    def _add(self, *parts: object) -> None:
        for part in parts:
            text = f"{type(part).__name__}:{_ADDRESS.sub('', repr(part))}".encode("utf-8", "surrogatepass")
            self._hash.update(f"{len(text)};".encode() + text)

    def _met(self, value: Any) -> bool:
        """Whether it has been told before."""
        number = self._numbers.setdefault(id(value), len(self._numbers))
        if number < len(self._kept):
            self._add("again", number)
            return True
        self._kept.append(value)
        return False

    # --- values

    def _value(self, value: Any) -> None:
        """A constant, a function, a class, or what else a name may stand for."""
        if isinstance(value, types.ModuleType):
            self._add("module", value.__name__)
        elif isinstance(value, Enum):
            self._add("member", type(value).__name__, value.name)
            self._value(value.value)
        elif isinstance(value, _PLAIN):
            self._add(value)
            self._beside(value)
        elif isinstance(value, type):
            self._class(value)
        elif isinstance(value, types.CodeType):
            self._code(value, {})
        elif isinstance(value, (*_FUNCTIONS, types.MethodType, functools.partial)):
            self._function(value)
        elif isinstance(value, (tuple, list, set, frozenset, dict, types.MappingProxyType)):
            self._container(value)
        else:
            self._object(value)

    def _container(self, value: Any) -> None:
        self._add(type(value).__name__, len(value))
        if not isinstance(value, (tuple, frozenset)) and self._met(value):  # it may hold itself
            return
        if isinstance(value, (set, frozenset)):
            items: Iterable[Any] = self._sorted(value)
        elif isinstance(value, (tuple, list)):
            items = value
        else:
            keys = list(value)
            places = sorted(range(len(keys)), key=lambda place: _order(keys[place]))
            if places != sorted(places):
                self._add("in this order", *places)
            items = (part for place in places for part in (keys[place], value[keys[place]]))
        for item in items:
            self._value(item)
        self._beside(value)

    def _beside(self, value: Any) -> None:
        """What an object is and holds beside the value or the items of a built-in type."""
        if self._is_ours(type(value)):
            self._class(type(value))
            self._container(attributes_of(value))
        for part in behind(value):
            self._value(part)

    def _sorted(self, items: Iterable[Any]) -> list[Any]:
        """The items of a set in an order that is the same in every process; by what they hold, if need be."""
        several = collections.Counter(map(_order, items))
        return sorted(items, key=lambda item: (text := _order(item), self._alone(item) if several[text] > 1 else ""))

    def _alone(self, value: Any) -> str:
        """The digest of one value, which is not told thereby."""
        other = copy.copy(self)
        other._hash, other._numbers = sha256(), dict(self._numbers)
        other._kept, other._modules = list(self._kept), set(self._modules)
        other._value(value)
        return other.digest

    def _object(self, value: Any) -> None:
        """An object of some class: of ours, by what it holds; of a library, by its class alone."""
        cls = type(value)
        wrapped = getattr(value, "__wrapped__", None)
        if isinstance(value, (types.BuiltinFunctionType, types.WrapperDescriptorType, types.MethodDescriptorType)):
            self._add("built in", value.__qualname__)
            return
        self._class(cls)
        if self._met(value):
            return
        if isinstance(wrapped, types.FunctionType):  # functools.cache and its kind
            self._function(wrapped)
        elif isinstance(value, msgspec.Struct):
            for field in cls.__struct_fields__:
                self._value(getattr(value, field))
        elif self._is_ours(cls):
            self._container(attributes_of(value))
        for part in behind(value):
            self._value(part)

    # --- functions

    def _function(self, function: Any) -> None:
        match function:
            case staticmethod() | classmethod():
                self._value(function.__func__)
            case property():
                self._value((function.fget, function.fset))
            case functools.cached_property():
                self._value(function.func)
            case types.MethodType():
                self._value((function.__func__, function.__self__))
            case functools.partial():
                self._value((function.func, function.args, _by_name(function.keywords)))
                self._beside(function)
            case _ if not self._met(function):
                self._value((function.__defaults__, _by_name(function.__kwdefaults__)))
                for _, cell in sorted(zip(function.__code__.co_freevars, function.__closure__ or (), strict=True)):
                    self._value(_contents(cell))
                if self._is_ours(function):
                    self._code(function.__code__, function.__globals__)
                else:
                    self._add("installed", function.__module__, function.__qualname__)

    def _code(self, code: types.CodeType, names: Mapping[str, Any]) -> None:
        """What the code says, and what the names in it stand for."""
        told = syntax(code, names) if names else None
        if told is None:
            self._instructions(code)
        else:
            self._add(told)
        named, attributes = mentioned(code)
        for name in sorted(named & names.keys()):
            self._named(names[name], attributes, code)
        for name in sorted(attributes & self._own.keys()):
            self._value(self._own[name])

    def _instructions(self, code: types.CodeType) -> None:
        """The instructions, with their constants in place of their numbers."""
        self._add(code.co_exceptiontable, code.co_varnames, code.co_names, code.co_freevars, code.co_flags & _KINDS)
        self._add(code.co_argcount, code.co_posonlyargcount, code.co_kwonlyargcount)
        for step in steps(code):
            constant = step.opcode in dis.hasconst
            self._add(step.opname, None if constant else step.arg)
            if constant and isinstance(step.argval, types.CodeType):
                self._instructions(step.argval)
            elif constant:
                self._value(step.argval)

    def _named(self, value: Any, attributes: set[str], code: types.CodeType) -> None:
        """What a function names; in a module of ours, what it may take from there."""
        if not isinstance(value, types.ModuleType) or not self._is_our_module(value.__name__):
            self._value(value)
            return
        self._add("module", value.__name__)
        if (id(value), id(code)) not in self._modules:
            self._modules.add((id(value), id(code)))
            for attribute in sorted(attributes & vars(value).keys()):
                self._named(vars(value)[attribute], attributes, code)

    # --- classes

    def _class(self, cls: type) -> None:
        if not self._is_ours(cls):
            self._add("installed", cls.__module__.lstrip("_"), cls.__qualname__)  # _collections became collections
            return
        if self._met(cls):
            return
        self._add("class", cls.__name__)
        for base in cls.__bases__:
            self._class(base)
        if issubclass(cls, msgspec.Struct):
            self._shape(cls)
        elif issubclass(cls, Enum):
            for name, member in cls.__members__.items():
                self._add(name)
                self._value(member.value)
        elif dataclasses.is_dataclass(cls):
            options = cls.__dataclass_params__  # type: ignore[attr-defined]  # typeshed leaves it out
            self._add(*(getattr(options, name) for name in _OF_A_DATACLASS))
            for field in dataclasses.fields(cls):
                self._add(field.name)
                self._hint(field.type)
                self._value((field.default, field.default_factory))
        for name, item in sorted(_items(cls)):
            self._add(name)
            self._value(item)

    def _shape(self, cls: type[msgspec.Struct]) -> None:
        """The fields of a Struct: names, types, defaults, and how it is encoded."""
        config = cls.__struct_config__
        self._add("struct", cls.__struct_fields__, cls.__struct_encode_fields__)
        self._add(config.tag, config.tag_field, config.omit_defaults, config.array_like, config.forbid_unknown_fields)
        hints = _hints(cls, self._local)
        for field in cls.__struct_fields__:
            self._hint(hints.get(field))
        for default in cls.__struct_defaults__:
            self._value(getattr(default, "factory", default))

    def _hint(self, hint: Any) -> None:
        parts = typing.get_args(hint)
        if typing.get_origin(hint) is typing.Annotated:
            self._hint(parts[0])
            self._add(*hint.__metadata__)
        elif parts:
            self._add(str(typing.get_origin(hint)))
            for part in parts:
                self._hint(part)
        elif isinstance(hint, type):
            self._class(hint)
        else:
            self._add(hint)

    # --- what belongs to the program

    def _is_ours(self, value: Any) -> bool:
        """Whether a function or class belongs to the program of the fold, or to one that lies beside it."""
        return self._is_our_module(getattr(value, "__module__", None) or "")

    def _is_our_module(self, name: str) -> bool:
        return _belongs(name, self._home)


def _belongs(name: str, home: str) -> bool:
    """Whether a module of this name belongs to the program whose package is *home*."""
    top = name.partition(".")[0]
    if top == "storied":
        return home == "storied" and name.startswith("storied.examples.")
    if top == home:
        return True
    file = getattr(sys.modules.get(name), "__file__", None)
    if file is None or top in sys.stdlib_module_names:
        return False
    return "site-packages" not in file and "dist-packages" not in file


def _items(cls: type) -> list[tuple[str, Any]]:
    """The functions of a class, and its constants."""
    constants = not issubclass(cls, Enum)  # its members are told by themselves
    return [
        (name, _by_name(item) if name == "_field_defaults" else item)
        for name, item in vars(cls).items()
        if (isinstance(item, _FUNCTIONS) and not _is_generated(cls, name, item))
        or (constants and not name.startswith(("__", "_abc_")) and not isinstance(item, types.MemberDescriptorType))
    ]


def _is_generated(cls: type, name: str, item: Any) -> bool:
    """Whether Python itself put the function there, which it does in other ways from version to version."""
    function = getattr(item, "__func__", item)
    if not isinstance(function, types.FunctionType):
        return False
    file, made = function.__code__.co_filename, dataclasses.is_dataclass(cls) or issubclass(cls, tuple)
    return file in _MAKERS or (made and name.startswith("__") and file.startswith(("<string>", "<namedtuple_")))


def _order(value: Any) -> str:
    """A text to sort a set by, the same in every process."""
    if isinstance(value, (tuple, list)):
        return f"{type(value).__name__}{[_order(item) for item in value]}"
    if isinstance(value, (set, frozenset)):
        return f"{type(value).__name__}{sorted(map(_order, value))}"
    if isinstance(value, (type, types.FunctionType)):
        return f"{value.__module__}.{value.__qualname__}"
    return f"{type(value).__name__}:{_ADDRESS.sub('', repr(value))}"


def _hints(cls: type, names: dict[str, Any]) -> dict[str, Any]:
    """The types of the fields; as they were written, where their names cannot be found."""
    try:
        return typing.get_type_hints(cls, localns=names, include_extras=True)
    except Exception:
        bases = reversed(cls.__mro__)
        return {name: hint for base in bases for name, hint in vars(base).get("__annotations__", {}).items()}


def _by_name(given: Any) -> Any:
    """Parameters or fields with what they are given, where the order in which that was done says nothing."""
    return given and dict(sorted(given.items()))


def _contents(cell: types.CellType) -> object:
    try:
        return cell.cell_contents
    except ValueError:  # not filled yet
        return None
