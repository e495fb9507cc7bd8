"""What is wrong with a JSON value, field by field: a decoder stops at the first mistake, a client wants to know all.

Fields that a Struct does not have are a mistake too, at any depth: what a client sends and nobody reads is lost.
"""

from __future__ import annotations

import re
import types
import typing
from functools import cache
from typing import Any
from urllib.parse import quote

import msgspec

from storied.services.web.wording import MISSING, UNKNOWN, worded

MOST_FAULTS = 50
UNREADABLE = (msgspec.MsgspecError, ValueError, ArithmeticError, TypeError)
"""What a decoder raises of a value that does not fit; a `TypeError` of one that no set can hold."""
_AT = re.compile(r" - at (`key` in )?`(\$.*)`$")
_STEP = re.compile(r"\.([^.\[\]]+)|\[(\d+)\]")
_FIELD = re.compile(r"Object (?:(missing required)|contains unknown) field `(.*)`", re.DOTALL)


class Fault(msgspec.Struct, frozen=True, omit_defaults=True):
    """One mistake: what it is, and where. `pointer` is a JSON pointer into the body, as the fragment of a URI."""

    detail: str
    pointer: str | None = None
    parameter: str | None = None
    header: str | None = None


class Unfit(Exception):
    """A value that does not fit; `faults` says why, each with its place."""

    def __init__(self, faults: list[Fault]) -> None:
        super().__init__(faults)
        self.faults = faults


def pointer_to(*names: str | int) -> str:
    """The JSON pointer through these names and indexes, as the fragment of a URI."""
    parts = (str(name).replace("~", "~0").replace("/", "~1") for name in names)
    return "#" + "".join("/" + quote(part, safe="!$&'()*+,;=:@-._~", errors="replace") for part in parts)


def faults_of(raw: bytes | msgspec.Raw, wanted: Any, at: tuple[str | int, ...]) -> list[Fault]:
    """Everything in which the JSON value differs from the type *wanted*; *at* is where it stands in the body."""
    found: list[Fault] = []
    _collect(raw, wanted, at, found)
    return found[:MOST_FAULTS]


def strangers(value: Any, sent: Any, at: tuple[str | int, ...]) -> list[Fault]:
    """The members of what was *sent*, and is now the *value*, that no Struct of the value knows, at any depth."""
    if isinstance(value, msgspec.Struct):
        if not isinstance(sent, dict):
            return []
        names = _names(type(value))
        found = [] if sent.keys() <= names.keys() else [unknown((*at, name)) for name in sent if name not in names]
        for name, part in sent.items():
            if isinstance(part, (dict, list)) and names.get(name):
                found += strangers(getattr(value, names[name]), part, (*at, name))
        return found
    if isinstance(sent, list) and isinstance(value, (list, tuple)):
        return [f for n, (v, part) in enumerate(zip(value, sent, strict=False)) for f in strangers(v, part, (*at, n))]
    if isinstance(sent, dict) and isinstance(value, dict):
        parts = zip(value.values(), sent.items(), strict=False)
        return [fault for v, (name, part) in parts for fault in strangers(v, part, (*at, name))]
    return []


def holds_structs(wanted: Any) -> bool:
    """Whether values of the type have fields: only then can there be one that is not known."""
    wanted = _bare(wanted)
    if isinstance(wanted, type) and issubclass(wanted, msgspec.Struct):
        return True
    return any(holds_structs(part) for part in typing.get_args(wanted))


def _collect(raw: bytes | msgspec.Raw, wanted: Any, at: tuple[str | int, ...], found: list[Fault]) -> None:
    if len(found) >= MOST_FAULTS:
        return
    try:
        value = msgspec.json.decode(raw, type=wanted)
    except UNREADABLE as error:
        before = len(found)
        _collect_inside(raw, _bare(wanted), at, found)
        if len(found) == before:
            found.append(fault_of(error, at, wanted))
        return
    if holds_structs(wanted):
        found += strangers(value, msgspec.json.decode(raw), at)


def _collect_inside(raw: bytes | msgspec.Raw, wanted: Any, at: tuple[str | int, ...], found: list[Fault]) -> None:
    """The mistakes in the parts of the value, as far as it has parts of known types."""
    if _is_object(wanted):
        parts = _decoded(raw, dict[str, msgspec.Raw])
        if parts is None:
            return
        for field in _fields(wanted):
            part = parts.pop(field.encode_name, None)
            if part is not None:
                _collect(part, field.type, (*at, field.encode_name), found)
            elif field.required:
                found.append(missing((*at, field.encode_name)))
        found += [unknown((*at, name)) for name in parts]
        return
    origin, arguments = typing.get_origin(wanted), typing.get_args(wanted)
    if origin in (list, set, frozenset, typing.Sequence) or (origin is tuple and arguments[1:] == (...,)):
        for index, part in enumerate(_decoded(raw, list[msgspec.Raw]) or ()):
            _collect(part, arguments[0], (*at, index), found)
    elif origin is dict:
        for name, part in (_decoded(raw, dict[str, msgspec.Raw]) or {}).items():
            _collect(part, arguments[1], (*at, name), found)


def missing(at: tuple[str | int, ...]) -> Fault:
    """The mistake of a field that is not there."""
    return Fault(MISSING, pointer_to(*at))


def unknown(at: tuple[str | int, ...]) -> Fault:
    """The mistake of a field that nobody reads."""
    return Fault(UNKNOWN, pointer_to(*at))


def fault_of(error: Exception, at: tuple[str | int, ...], wanted: Any = None, *, spelled: bool = False) -> Fault:
    """The mistake that a decoder tells of a value of the type *wanted*, in the client's words, with its place.

    *spelled* is as `worded` has it.
    """
    text = str(error)
    place = _AT.search(text)
    if place is not None:
        text, wanted = text[: place.start()], None  # it is about a part
        at = (*at, *(name or int(index) for name, index in _STEP.findall(place[2])))
        if place[1]:
            told = worded(text, spelled=True)
            return Fault(f"The name of a member cannot be read: {told[:1].lower()}{told[1:]}", pointer_to(*at))
    field = _FIELD.fullmatch(text)
    if field is not None:
        return (missing if field[1] else unknown)((*at, field[2]))
    return Fault(worded(text, wanted, spelled=spelled), pointer_to(*at))


def _decoded(raw: bytes | msgspec.Raw, wanted: Any) -> Any:
    try:
        return msgspec.json.decode(raw, type=wanted)
    except msgspec.MsgspecError:
        return None


@cache
def _fields(wanted: type[msgspec.Struct]) -> tuple[msgspec.structs.FieldInfo, ...]:
    return msgspec.structs.fields(wanted)


@cache
def _names(cls: type[msgspec.Struct]) -> dict[str, str]:
    """The fields by their names on the wire; the tag of a union has no field."""
    names = {field.encode_name: field.name for field in _fields(cls)}
    tag = cls.__struct_config__.tag_field
    return names if tag is None else names | {tag: ""}


def _is_object(wanted: Any) -> bool:
    """Whether it is a Struct that stands as a plain JSON object."""
    if not (isinstance(wanted, type) and issubclass(wanted, msgspec.Struct)):
        return False
    config = wanted.__struct_config__
    return not config.array_like and config.tag is None


def _bare(wanted: Any) -> Any:
    """The type without its marks, and without None beside it."""
    origin, arguments = typing.get_origin(wanted), typing.get_args(wanted)
    if origin is typing.Annotated:
        return _bare(arguments[0])
    if origin in (typing.Union, types.UnionType):
        others = [part for part in arguments if part is not types.NoneType]
        return _bare(others[0]) if len(others) == 1 else wanted
    return wanted
