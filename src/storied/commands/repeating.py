"""Repeating: what makes a command the same again, today and after the next deploy.

Fields that hold their defaults say nothing, so that a field which is added with a default makes no other command of
what was asked before. The name of the class counts, or the one that ``name=`` keeps when the class is renamed. Pure.
"""

from __future__ import annotations

from functools import cache
from hashlib import sha256
from typing import Any

import msgspec

from storied.domain.commands import Command, command_name
from storied.errors import InvalidCommand, InvalidEvent
from storied.store.checks import check_amounts, check_json

_encoder = msgspec.json.Encoder(order="deterministic")
_PLAIN = frozenset({str, int, bool, float, type(None)})
"""Kinds of values that hold no others, and are what most fields have."""
_sorting = msgspec.json.Encoder(order="sorted")


def check_command(command: Command) -> None:
    """Passes a command that JSON can hold, each field's value of its declared type. Raises `InvalidCommand`."""
    name = type(command).__name__
    try:
        data = _encoder.encode(command)
        check_json(data.decode(), name, data)
        if msgspec.json.decode(data, type=type(command)) != command:
            raise InvalidCommand(f"{name} holds a value that JSON cannot. Use no NaN or infinity.", code="lossy")
        check_amounts(command, name, data)
    except InvalidEvent as error:
        raise InvalidCommand(error.message, code=error.code) from None
    except RecursionError:
        raise InvalidCommand(f"{name} is nested too deeply. Flatten it.", code="too-deep") from None
    except (msgspec.ValidationError, TypeError, ValueError, ArithmeticError) as error:
        raise InvalidCommand(f"{name} is not well-formed: {error}. Give each field a value of its type.") from None


def command_fingerprint(command: Command) -> bytes:
    """What tells a repeat of a checked command from another one under the same id: its name, and what it says."""
    return sha256(command_name(type(command)).encode() + b"\n" + _sorting.encode(_said(command))).digest()


def _said(value: Any) -> Any:
    """The value without the fields that hold their defaults, at any depth."""
    if isinstance(value, msgspec.Struct):
        said: dict[str, Any] = {}
        for key, name, default in _fields(type(value)):
            part = getattr(value, name)
            kind = part.__class__
            if kind is not default.__class__ or part != default:
                said[key] = part if kind in _PLAIN else _said(part)
        config = type(value).__struct_config__
        return said if config.tag is None else {config.tag_field: config.tag, **said}
    if isinstance(value, (list, tuple)):
        return [_said(part) for part in value]
    if isinstance(value, dict):
        return {key: _said(part) for key, part in value.items()}
    return value


@cache
def _fields(cls: type[msgspec.Struct]) -> tuple[tuple[str, str, Any], ...]:
    """The fields: how each is called in JSON and in the code, and its default."""
    return tuple((field.encode_name, field.name, _default(field)) for field in msgspec.structs.fields(cls))


def _default(field: msgspec.structs.FieldInfo) -> Any:
    if field.default_factory is msgspec.NODEFAULT:
        return field.default
    try:
        return field.default_factory()
    except Exception:  # of one that needs a moment which is not now: whatever it gives is said
        return msgspec.NODEFAULT
