"""Holding: what an object holds beside its class, told apart from what it happens to be at.

State is in attributes and slots, in the items of a collection, in the bytes of a buffer, or behind the few attributes
that a type of the standard library or of msgspec has for it. What changes as it is used (a lock, a logger, an iterator,
a generator of random numbers, an open file, anything weak) is left out, and so is what no one can look into.
"""

from __future__ import annotations

import decimal
import functools
import ipaddress
import mmap
import re
import string
import types
import typing
from collections import ChainMap, UserDict, UserList, UserString, defaultdict, deque
from collections.abc import Iterable
from typing import Any

import msgspec

_BEHIND: tuple[tuple[Any, tuple[str, ...]], ...] = (
    (deque, ("maxlen",)),
    (defaultdict, ("default_factory",)),
    ((UserDict, UserList, UserString), ("data",)),
    (ChainMap, ("maps",)),
    (slice, ("start", "stop", "step")),
    (string.Template, ("template",)),
    (decimal.Context, ("prec", "rounding", "Emin", "Emax", "capitals", "clamp")),
    (functools.partialmethod, ("func", "args", "keywords")),
    (functools.singledispatchmethod, ("func", "dispatcher")),
    (BaseException, ("args",)),
    (msgspec.json.Decoder, ("type", "strict", "dec_hook", "float_hook")),
    (msgspec.msgpack.Decoder, ("type", "strict", "dec_hook", "ext_hook")),
    ((msgspec.json.Encoder, msgspec.msgpack.Encoder), ("enc_hook", "decimal_format", "uuid_format", "order")),
    (msgspec.msgpack.Ext, ("code", "data")),
)
"""Types that hold something behind attributes, and these."""
_LISTED: tuple[type[Iterable[Any]], ...] = (deque, type({}.keys()), type({}.values()), type({}.items()))
_TEXTS = (
    *(ipaddress.IPv4Address, ipaddress.IPv6Address),
    *(ipaddress.IPv4Network, ipaddress.IPv6Network, ipaddress.IPv4Interface, ipaddress.IPv6Interface),
)
"""Values whose text says all."""
_SHOWN_OF_A_PATTERN = 200
"""As many characters of a pattern are in its `repr`."""


def behind(value: Any) -> list[Any]:
    """What an object of a known type holds, whoever's its class is; nothing for an opaque one."""
    held: list[Any] = [
        getattr(value, name, None) for kind, names in _BEHIND if isinstance(value, kind) for name in names
    ]
    if isinstance(value, (types.SimpleNamespace, msgspec.Struct)):
        if more := getattr(value, "__dict__", None):  # of a Struct with dict=True
            held.append(dict(sorted(more.items())))
    elif isinstance(value, _LISTED):
        held.append(list(value))
    elif isinstance(value, _TEXTS):
        held.append(str(value))
    elif hasattr(type(value), "__fspath__"):  # a path
        held.append(value.__fspath__())
    elif isinstance(value, re.Pattern) and len(repr(value.pattern)) > _SHOWN_OF_A_PATTERN:
        held.append(value.pattern)
    elif typing.get_args(value):
        held += [typing.get_origin(value), typing.get_args(value)]
    elif not isinstance(value, (bytes, mmap.mmap)):
        held += _buffer(value)
    return held


def attributes_of(value: Any) -> dict[str, Any]:
    """The object's own attributes by name, in slots of any class that it derives from and in its dictionary."""
    held: dict[str, Any] = {}
    for base in reversed(type(value).__mro__):
        for name, slot in vars(base).items():
            if isinstance(slot, types.MemberDescriptorType) and not name.startswith("__"):
                try:
                    held[name] = slot.__get__(value)
                except AttributeError:  # nothing has been put there
                    held.pop(name, None)
    held.update(getattr(value, "__dict__", {}))
    followed = {name for name in held if isinstance(getattr(type(value), name, None), functools.cached_property)}
    return {name: held[name] for name in sorted(held.keys() - followed)}


def _buffer(value: Any) -> list[Any]:
    """What a bytearray, an array, or an array of another library has in memory; nothing where it points elsewhere."""
    try:
        view = memoryview(value)
        if "O" in view.format or "P" in view.format:
            return []
        return [view.format, view.shape, view.tobytes()]
    except (TypeError, ValueError, BufferError, NotImplementedError):
        return []
