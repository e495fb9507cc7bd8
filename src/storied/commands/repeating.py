"""Repeating: what makes a command the same again, today and after the next deploy.

Fields that hold their defaults say nothing, so that a field which is added with a default makes no other command of
what was asked before. The name of the class counts, or the one that ``name=`` keeps when the class is renamed. Pure.
"""

from __future__ import annotations

from decimal import Decimal
from functools import cache
from hashlib import sha256
from typing import Any

import msgspec
import msgspec.inspect as mi
from msgspec.structs import astuple

from storied.domain.commands import Command, command_name
from storied.errors import InvalidCommand, InvalidEvent
from storied.store.checks import check_amounts, check_json

_PLAIN = frozenset({str, int, bool, float, Decimal, type(None)})
"""Kinds of values that hold no others, and are what most fields have."""
_FLAT = (mi.StrType, mi.IntType, mi.BoolType, mi.FloatType, mi.DecimalType, mi.NoneType, mi.DateTimeType, mi.UUIDType)
_encoder = msgspec.json.Encoder(order="sorted")


def checked(command: Command, *, read: bool = False) -> bytes:
    """The JSON of a command, its members in order; one that was *read* from JSON is known to be of its fields' types.

    Raises `InvalidCommand` for a value that JSON cannot hold, or that is not of its field's type.
    """
    name = type(command).__name__
    try:
        data = _encoder.encode(command)
        check_json(data.decode(), name, data)
        if not read and msgspec.json.decode(data, type=type(command)) != command:
            raise InvalidCommand(f"{name} holds a value that JSON cannot. Use no NaN or infinity.", code="lossy")
        check_amounts(command, name, data)
        return data
    except InvalidEvent as error:
        raise InvalidCommand(error.message, code=error.code) from None
    except RecursionError:
        raise InvalidCommand(f"{name} is nested too deeply. Flatten it.", code="too-deep") from None
    except (msgspec.ValidationError, TypeError, ValueError, ArithmeticError) as error:
        raise InvalidCommand(f"{name} is not well-formed: {error}. Give each field a value of its type.") from None


def command_fingerprint(command: Command, data: bytes) -> bytes:
    """What tells a repeat of the command from another one under the same id: its name, and what it says.

    *data* is what `checked` gave of it.
    """
    shape = _shape(type(command))
    if not shape.flat:
        return sha256(shape.name + _encoder.encode(_said(command))).digest()
    values = astuple(command)
    silent = [
        key
        for key, at, default, kind in shape.defaults
        if (part := values[at]).__class__ is kind and (part is default or part == default)
    ]
    if silent:
        said = dict(zip(shape.keys, values, strict=True))
        for key in silent:
            del said[key]
        data = _encoder.encode(said)
    return sha256(shape.name + data).digest()


def _said(value: Any) -> Any:
    """The value without the fields that hold their defaults, at any depth."""
    if isinstance(value, msgspec.Struct):
        cls = type(value)
        said = {
            key: part if part.__class__ in _PLAIN else _said(part)
            for (key, default, kind), part in zip(_fields(cls), astuple(value), strict=True)
            if part != default or part.__class__ is not kind
        }
        config = cls.__struct_config__
        return said if config.tag is None else {config.tag_field: config.tag, **said}
    if isinstance(value, (list, tuple)):
        return [_said(part) for part in value]
    if isinstance(value, dict):
        return {key: _said(part) for key, part in value.items()}
    return value


class _Shape(msgspec.Struct, frozen=True):
    """What is known of a class: how its fields are called in JSON, and which have which default, of which class."""

    name: bytes
    keys: tuple[str, ...]
    defaults: tuple[tuple[str, int, Any, type], ...]
    flat: bool
    """Whether its JSON is one plain object, in whose members are no others."""


@cache
def _shape(cls: type[Command]) -> _Shape:
    fields, config = msgspec.structs.fields(cls), cls.__struct_config__
    defaults = [(field.encode_name, at, _default(field)) for at, field in enumerate(fields)]
    return _Shape(
        command_name(cls).encode() + b"\n",
        tuple(field.encode_name for field in fields),
        tuple((key, at, one, type(one)) for key, at, one in defaults if one is not msgspec.NODEFAULT),
        config.tag is None and not config.array_like and all(_is_flat(mi.type_info(field.type)) for field in fields),
    )


def _is_flat(info: mi.Type) -> bool:
    """Whether values of the type hold no others."""
    if isinstance(info, mi.Metadata):
        return _is_flat(info.type)
    if isinstance(info, mi.UnionType):
        return all(_is_flat(one) for one in info.types)
    return isinstance(info, _FLAT)


@cache
def _fields(cls: type[msgspec.Struct]) -> tuple[tuple[str, Any, type], ...]:
    """The fields of a Struct as `_said` looks at them: how each is called in JSON, its default, and of which class."""
    defaults = [(field.encode_name, _default(field)) for field in msgspec.structs.fields(cls)]
    return tuple((key, default, type(default)) for key, default in defaults)


def _default(field: msgspec.structs.FieldInfo) -> Any:
    if field.default_factory is msgspec.NODEFAULT:
        return field.default
    try:
        return field.default_factory()
    except Exception:  # of one that needs a moment which is not now: whatever it gives is said
        return msgspec.NODEFAULT
