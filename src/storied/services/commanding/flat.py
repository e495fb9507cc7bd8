"""Flat bodies, read at once: the members of one JSON object, nothing of which holds members of its own.

Nearly every body is one. It is read by a single decoder, which stops at whatever is out of the ordinary; `Binding` then
reads the body field by field, to the same command or to every mistake in it.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from typing import Any

import msgspec
import msgspec.inspect as mi

from storied.domain.commands import Command
from storied.domain.tags import Id
from storied.services.commanding.naming import STEPS, Names
from storied.services.commanding.strictness import misspelled, pattern_of, spelled_in
from storied.services.web.spelling import value_of
from storied.store.checks import check_json

_MISSING = object()


class Flat:
    """The decoder of one command's flat bodies: *members* stand in the body, *parameters* in the path."""

    def __init__(
        self,
        command: type[Command],
        members: list[msgspec.structs.FieldInfo],
        parameters: list[tuple[str, str, Any]],
        named: list[Names],
    ) -> None:
        self._command, self._parameters = command, parameters
        self._named = [(names.field, names.most) for names in named]
        self._names = [field.name for field in members]
        body = msgspec.defstruct(
            command.__name__,
            [(field.name, field.type, msgspec.field(name=field.encode_name, default=_MISSING)) for field in members],
            forbid_unknown_fields=True,
            kw_only=True,
        )
        self._spelled, self._closer = _spelled(members)
        self._decoder: msgspec.json.Decoder[Any] = msgspec.json.Decoder(body)

    def read(self, body: bytes, path: Mapping[str, str]) -> Command | None:
        """The command; None when the body has to be looked at more closely, right or wrong.

        Each member that is written has a colon, so there are no more members than were found, in the body and below:
        none stands twice.
        """
        try:
            check_json(body.decode(), "The body", body)
            found = self._decoder.decode(body)
            values = {name: value for name in self._names if (value := getattr(found, name)) is not _MISSING}
            if body.count(b":") != len(values):
                return None
            for name, is_spelled in self._spelled:
                if name in values and not is_spelled(body):
                    return None
            if self._closer and self._is_misspelled(body):
                return None
            for name, parameter, wanted in self._parameters:
                text = path[parameter]
                values[name] = text if wanted is str else value_of(text, wanted)
            for name, most in self._named:
                if name in values and not _is_named(values[name], most):
                    return None
            return self._command(**values)
        except Exception:  # whatever it is, the closer look tells the client
            return None

    def _is_misspelled(self, body: bytes) -> bool:
        """Whether there is a text that is not well spelled among several."""
        sent = msgspec.json.decode(body)
        return any(fault for key, wanted in self._closer for fault in misspelled(wanted, sent.get(key), ()))


def _is_named(value: Any, most: int) -> bool:
    """Whether the value, or each in it, is a text that can name something; what holds others may be."""
    if value.__class__ is str:
        return 0 < len(value) <= most and value not in STEPS and value.isprintable()
    if isinstance(value, (list, tuple, set, frozenset)):
        return all(_is_named(one, most) for one in value)
    return not isinstance(value, dict)


def _spelled(
    members: list[msgspec.structs.FieldInfo],
) -> tuple[list[tuple[str, Callable[[bytes], object]]], list[tuple[str, mi.Type]]]:
    """Of amounts, times and UUIDs, what finds a well spelled one in a body; and the members that hold some."""
    found: list[tuple[str, Callable[[bytes], object]]] = []
    closer: list[tuple[str, mi.Type]] = []
    for field in members:
        wanted = spelled_in(field.type)
        if wanted is None:
            continue
        pattern = pattern_of(wanted)
        if pattern is None:
            closer.append((field.encode_name, wanted))
        else:
            key = re.escape(msgspec.json.encode(field.encode_name))
            text = b'"%b"' % pattern.strip("^$").encode()
            found.append((field.name, re.compile(rb"%b\s*:\s*(?:[^\s\"]|%b)" % (key, text)).search))
    return found, closer


def path_type(wanted: Any) -> Any:
    """The type that the text of a path is converted to; `str` where it may stay as it is."""
    return str if wanted == Id else wanted
