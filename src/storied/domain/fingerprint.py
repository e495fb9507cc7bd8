"""Fingerprints of folds: a short text that changes when the code that folds changes.

A snapshot or a read model made by other code must not be trusted. So its maker's fingerprint is kept beside it: over
the fields and their defaults, the ``@on`` methods, the functions and constants these name (in the same program, however
deep), and the events with their versions and upcasters. Comments, docstrings, line numbers and names of files do not
count. What a method reaches by other ways (an attribute of an object, an installed library) is not seen.
"""

from __future__ import annotations

import re
import sys
import types
from collections.abc import Callable, Iterable, Mapping
from hashlib import sha256
from typing import Any

import msgspec

from storied.domain.dispatch import Handler
from storied.domain.events import Event, event_spec

_ADDRESS = re.compile(r" at 0x[0-9a-fA-F]+")


def fold_fingerprint(cls: type[msgspec.Struct], handlers: Mapping[type[Event], Iterable[Handler]]) -> str:
    """The fingerprint of a view's or an entity's fold: 32 hexadecimal digits."""
    return _Print(cls.__module__).of_fold(cls, handlers)


class _Print:
    """Collects what counts, each function once."""

    def __init__(self, module: str) -> None:
        self._home = module.partition(".")[0]
        self._hash = sha256()
        self._seen: set[Any] = set()

    def of_fold(self, cls: type[msgspec.Struct], handlers: Mapping[type[Event], Iterable[Handler]]) -> str:
        self._shape(cls)
        for event, several in sorted(handlers.items(), key=lambda item: event_spec(item[0]).name):
            spec = event_spec(event)
            self._add("event", *spec.names, spec.version)
            self._shape(event)
            for version, step in sorted(spec.upcasters.items()):
                self._add("upcaster", version)
                self._function(step)
            for handler in several:
                self._add("on", handler.takes_record, handler.on.where, handler.on.create)
                self._value(handler.on.key)
                self._function(handler.method)
        return self._hash.hexdigest()[:32]

    def _add(self, *parts: object) -> None:
        for part in parts:
            text = f"{type(part).__name__}:{_ADDRESS.sub('', repr(part))}".encode()
            self._hash.update(f"{len(text)};".encode() + text)

    def _shape(self, cls: type[msgspec.Struct]) -> None:
        if cls in self._seen:
            return
        self._seen.add(cls)
        self._add("struct", cls.__name__, *cls.__struct_fields__)
        annotations = {
            name: hint for base in reversed(cls.__mro__) for name, hint in vars(base).get("__annotations__", {}).items()
        }
        self._add(*(str(annotations.get(field)) for field in cls.__struct_fields__))
        for default in cls.__struct_defaults__:
            factory = getattr(default, "factory", None)
            self._value(default if factory is None else factory)

    def _function(self, function: Callable[..., Any]) -> None:
        if not isinstance(function, types.FunctionType):
            self._add("callable", getattr(function, "__qualname__", type(function).__qualname__))
            return
        if function in self._seen:
            return
        self._seen.add(function)
        for default in (*(function.__defaults__ or ()), *(function.__kwdefaults__ or {}).items()):
            self._value(default)
        for cell in function.__closure__ or ():
            self._value(_contents(cell))
        self._code(function.__code__, function.__globals__, function.__doc__)

    def _code(self, code: types.CodeType, names: Mapping[str, Any], doc: str | None = None) -> None:
        self._add(code.co_code, code.co_varnames, code.co_names)
        for number, constant in enumerate(code.co_consts):
            if isinstance(constant, types.CodeType):
                self._code(constant, names)
            elif number > 0 or constant != doc:
                self._value(constant)
        for name in code.co_names:
            if name in names:
                self._named(names[name])

    def _named(self, value: Any) -> None:
        """What a function names: followed when it is of the same program, else known by its name."""
        if isinstance(value, types.ModuleType):
            self._add("module", value.__name__)
        elif self._installed(value):
            self._add("installed", value.__module__, value.__qualname__)
        elif isinstance(value, type) and issubclass(value, msgspec.Struct):
            self._shape(value)
            self._methods(value)
        elif isinstance(value, type):
            self._methods(value)
        else:
            self._value(value)

    def _installed(self, value: Any) -> bool:
        """Whether a function or class belongs neither to the program of the fold nor to one that lies beside it."""
        if not isinstance(value, (type, types.FunctionType, types.BuiltinFunctionType)):
            return False
        module = sys.modules.get(value.__module__ or "")
        file = getattr(module, "__file__", None)
        top = (value.__module__ or "").partition(".")[0]
        if top == self._home and not (value.__module__ or "").startswith(("storied.domain", "storied.store")):
            return False
        return file is None or top in sys.stdlib_module_names or top == "storied" or "site-packages" in file

    def _methods(self, cls: type) -> None:
        if ("methods", cls) in self._seen:
            return
        self._seen.add(("methods", cls))
        for name, item in sorted(vars(cls).items()):
            function = getattr(item, "__func__", getattr(item, "fget", item))
            if isinstance(function, types.FunctionType) and not name.startswith("__"):
                self._function(function)

    def _value(self, value: Any) -> None:
        if isinstance(value, types.FunctionType):
            self._function(value)
        elif isinstance(value, (set, frozenset)):
            self._add("set", *sorted(map(repr, value)))
        elif isinstance(value, dict):
            self._add("dict", *sorted(map(repr, value.items())))
        elif isinstance(value, (list, tuple)):
            self._add(type(value).__name__, len(value))
            for item in value:
                self._value(item)
        else:
            self._add(value)


def _contents(cell: types.CellType) -> object:
    try:
        return cell.cell_contents
    except ValueError:  # not filled yet
        return None
