"""Binding: the path, the body and the headers of a request become a command, or every mistake in them is told.

The path names the thing, the body says the rest. A field may stand in both if both say the same. A header is read only
where a field asks for it: ``language: Annotated[str, msgspec.Meta(extra={"header": "Accept-Language"})]``.
"""

from __future__ import annotations

import json
import typing
from collections import Counter
from collections.abc import Collection, Iterable
from typing import Any, Never

import msgspec

from storied.domain.commands import Command, CommandHandler
from storied.domain.showing import shown
from storied.errors import DefinitionError, InvalidEvent, RequestRefused
from storied.services.commanding.faults import (
    MOST_FAULTS,
    UNREADABLE,
    Fault,
    Unfit,
    fault_of,
    faults_of,
    holds_structs,
    missing,
    pointer_to,
    strangers,
    unknown,
)
from storied.services.commanding.flat import Flat, path_type
from storied.services.commanding.naming import Names, entities_of, names_of_field
from storied.services.commanding.repeating import request_fingerprint, with_plain_numbers
from storied.services.commanding.strictness import misspelled, spelled_in
from storied.services.settings import SECRET_HEADERS
from storied.services.web.http import Request
from storied.services.web.routing import Template
from storied.services.web.spelling import value_of
from storied.services.web.wording import NOT_64_BITS
from storied.store.checks import check_json, has_long_number

MOST_DIGITS = 999
"""The digits of a whole number in a body; larger than any that a type of it takes."""
_HALF = (
    "The body has an escape of half a character (a lone surrogate, such as \\ud800). Leave it out, or send both halves."
)
_MISSING = object()


class _Field:
    """One field of a command: where its value comes from, and what reads it."""

    __slots__ = ("decoder", "header", "key", "name", "names", "parameter", "required", "spelled", "strict", "type")

    def __init__(self, field: msgspec.structs.FieldInfo, parameters: tuple[str, ...], names: Names) -> None:
        self.name, self.key, self.type, self.required = field.name, field.encode_name, field.type, field.required
        self.parameter = next((name for name in (self.name, self.key) if name in parameters), None)
        self.names = names
        self.header = header_of(field.type)
        self.strict = holds_structs(field.type)
        self.spelled = spelled_in(field.type)
        self.decoder: msgspec.json.Decoder[Any] = msgspec.json.Decoder(field.type)


class Binding:
    """How the requests of one route become commands of one class. Raises `DefinitionError` for a route that cannot.

    The *handler* tells which fields are ids of entities; *keys* are the fields that stand in the paths of documents,
    and *secrets* the headers that no field may ask for.
    """

    def __init__(
        self,
        command: type[Command],
        template: Template,
        handler: CommandHandler | None = None,
        keys: Collection[str] = (),
        secrets: Collection[str] = SECRET_HEADERS,
    ) -> None:
        self.command, self.template = command, template
        tags = entities_of(handler)
        try:
            self._fields = [
                _Field(field, template.parameters, names_of_field(field, template.parameters, tags, keys))
                for field in msgspec.structs.fields(command)
            ]
        except (NameError, TypeError) as error:
            raise DefinitionError(
                f"{command.__name__} cannot be read from a request: {error}. Give each field a type that JSON holds, "
                "and define it in a module."
            ) from error
        bound = {field.parameter for field in self._fields}
        for parameter in template.parameters:
            if parameter not in bound:
                raise DefinitionError(
                    f"route {template.text!r} has {{{parameter}}}, but {command.__name__} has no field {parameter!r}. "
                    "Name the parameter after the field that it fills."
                )
        for field in self._fields:
            if field.header in secrets:
                raise DefinitionError(
                    f"{command.__name__}.{field.name} asks for the header {field.header}, which holds a secret. Take "
                    "who asks from the context's actor."
                )
        self._headers = tuple(field.header for field in self._fields if field.header is not None)
        self._flat = self._reading_at_once()

    def _reading_at_once(self) -> Flat | None:
        """What reads a flat body, where neither a header nor a Struct in a field asks for a closer look."""
        if any(field.header or field.strict for field in self._fields):
            return None
        inside = {field.name for field in self._fields if field.parameter is None}
        members = [field for field in msgspec.structs.fields(self.command) if field.name in inside]
        parameters = [(f.name, f.parameter, path_type(f.type)) for f in self._fields if f.parameter is not None]
        return Flat(self.command, members, parameters, [field.names for field in self._fields if field.names.matter])

    async def bind(self, request: Request) -> Command:
        """The command that the request asks for.

        Raises `RequestRefused`: ``invalid-fields`` with each mistake and its place, ``not-json``,
        ``unsupported-media-type``, ``bad-query``, and as `Request.body` does.
        """
        if request.scope.get("query_string"):
            raise RequestRefused("bad-query", "A command takes no query string. Put its fields into the body.")
        body = await request.body()
        if self._flat is not None and is_plain_json(request):
            command = self._flat.read(body, request.path_params)
            if command is not None:
                return command
        parts, sent = parsed(body, request) if body else ({}, {})
        values: dict[str, Any] = {}
        faults: list[Fault] = []
        for field in self._fields:
            try:
                value = self._value(field, parts.pop(field.key, None), sent.get(field.key), request)
            except Unfit as unfit:
                faults += unfit.faults
            else:
                if value is not _MISSING:
                    values[field.name] = value
        faults += [unknown((name,)) for name in parts]
        if faults:
            _refuse(faults)
        try:
            return self.command(**values)
        except (TypeError, ValueError, ArithmeticError) as error:  # what a __post_init__ checks
            _refuse([fault_of(error, ())])

    def fingerprint(self, request: Request) -> bytes:
        """What tells a repeat of a request, whose body was read and is JSON, from another one under its key."""
        headers: dict[str, str] = {}
        if self._headers:
            headers = {name: text for name in self._headers if (text := request.headers.get(name)) is not None}
        return request_fingerprint(tuple(request.path_params.values()), request.taken, headers)

    def _value(self, field: _Field, raw: msgspec.Raw | None, sent: Any, request: Request) -> Any:
        """The field's value, from wherever it was given. Raises `Unfit`."""
        if raw is not None and field.header is not None:
            told = f"This comes in the header {field.header}, and in no body. Leave it out here."
            raise Unfit([Fault(told, pointer_to(field.key))])
        if raw is not None and field.parameter is None:
            return _decoded(field, raw, sent)
        given: list[Any] = []
        if field.parameter is not None:
            given.append(_converted(request.path_params[field.parameter], field, parameter=field.parameter))
        if field.header is not None:
            text = request.headers.get(field.header)
            if text is not None:
                given.append(_converted(text, field, header=field.header))
        if raw is not None:
            given.append(_decoded(field, raw, sent))
        if not given:
            if field.header is not None and field.required:
                raise Unfit([Fault("This header is missing. Give it.", header=field.header)])
            if field.required:
                raise Unfit([missing((field.key,))])
            return _MISSING
        if field.parameter is not None and any(other != given[0] for other in given[1:]):
            said = shown(request.path_params[field.parameter])
            told = f"This contradicts the request: the path says {said}. Give one of the two."
            place = pointer_to(field.key) if raw is not None else None
            raise Unfit([Fault(told, place, field.parameter, field.header)])
        return given[0]


def parsed(body: bytes, request: Request) -> tuple[dict[str, msgspec.Raw], dict[str, Any]]:
    """The members of the body, each as JSON that is not read yet, and as plain Python for looking at its shape.

    Raises `RequestRefused` (``unsupported-media-type``, ``not-json``, ``invalid-fields``), and `InvalidEvent` for JSON
    that no event could hold: too deep, with numbers of a thousand digits, or with NUL.
    """
    _check_type(request)
    try:
        text = body.decode()
        check_json(text, "The body", body, digits=MOST_DIGITS)
        sent = _reader.decode(text)
        parts: dict[str, msgspec.Raw] = _members.decode(body)
    except UnicodeDecodeError:
        raise RequestRefused("not-json", "The body is not text in UTF-8. Send JSON in UTF-8.") from None
    except RecursionError:
        raise RequestRefused("not-json", "The body is nested too deeply. Flatten it.") from None
    except msgspec.ValidationError:
        _refuse([Fault("The body is no JSON object. Give one, with a member for each field.", "#")])
    except InvalidEvent:
        raise
    except (ValueError, msgspec.DecodeError) as error:
        told = f"The body is not well-formed JSON: {error}. Mend it."
        raise RequestRefused("not-json", _HALF if _holds_half(text) else told) from None
    return parts, sent


def _holds_half(text: str) -> bool:
    """Whether the JSON is well-formed, but for half a surrogate pair in a text."""
    try:
        json.dumps(_reader.decode(text), ensure_ascii=False).encode()
    except UnicodeEncodeError:
        return True
    except (ValueError, RecursionError):
        pass
    return False


def is_plain_json(request: Request) -> bool:
    """Whether the headers name JSON as nearly every client names it."""
    headers = request.headers
    return headers.only(b"content-type") == b"application/json" and b"content-encoding" not in headers.table


def _check_type(request: Request) -> None:
    if is_plain_json(request):
        return
    given = request.headers.get("content-type") or ""
    encoding = request.headers.get("content-encoding")
    media_type, _, parameters = given.partition(";")
    charset = parameters.strip().lower().replace('"', "")
    if media_type.strip().lower() != "application/json" or charset not in ("", "charset=utf-8"):
        raise RequestRefused(
            "unsupported-media-type",
            "A body is JSON in UTF-8. Send it with Content-Type: application/json.",
            headers={"Accept": "application/json"},
        )
    if encoding is not None and encoding.lower() != "identity":
        raise RequestRefused(
            "unsupported-media-type",
            "A body is taken as it is, without compression.",
            headers={"Accept-Encoding": "identity"},
        )


def _distinct(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    members = dict(pairs)
    if len(members) < len(pairs):
        names = Counter(name for name, _ in pairs)
        raise ValueError(f"the member {shown(names.most_common(1)[0][0])} stands twice in one object")
    return members


def _no_constant(name: str) -> Never:
    raise ValueError(f"{name} is no number in JSON")


def _read_int(digits: str) -> int:
    return len(digits)  # how large it may be is the decoder's business, which does not take quadratic time


_reader = json.JSONDecoder(object_pairs_hook=_distinct, parse_constant=_no_constant, parse_int=_read_int)
_members = msgspec.json.Decoder(dict[str, msgspec.Raw])


def _decoded(field: _Field, raw: msgspec.Raw, sent: Any) -> Any:
    """The value of a member. Raises `Unfit` with every mistake in it."""
    at = (field.key,)
    wrong = list(field.names.faults(sent, at))
    if field.spelled is not None:
        wrong += misspelled(field.spelled, sent, at)
    value = None
    try:
        value = _read(field, raw)
    except UNREADABLE as error:
        faults = faults_of(with_plain_numbers(raw), field.type, at) or [fault_of(error, at, field.type)]
    else:
        faults = strangers(value, sent, at) if field.strict else []
    if wrong:
        known = {fault.pointer for fault in wrong}
        faults = [fault for fault in faults if fault.pointer not in known] + wrong
    if faults:
        raise Unfit(faults[:MOST_FAULTS])
    return value


def _read(field: _Field, raw: msgspec.Raw) -> Any:
    """The value of a member. Raises as a decoder does.

    In JSON 1.0 is a whole number, too. One past 64 bits is for amounts and fractions: JavaScript writes 1e19 so.
    """
    rewritten = False
    try:
        value = field.decoder.decode(raw)
    except UNREADABLE as error:
        rewritten = True
        try:
            value = field.decoder.decode(with_plain_numbers(raw))
        except UNREADABLE:
            raise error from None
    if rewritten or has_long_number(bytes(raw)):
        data = msgspec.json.encode(value)
        try:
            check_json(data.decode(), field.key, data)
        except InvalidEvent:
            raise ValueError(NOT_64_BITS) from None
    return value


def _converted(text: str, field: _Field, *, parameter: str | None = None, header: str | None = None) -> Any:
    """The value that the text of a path or a header stands for. Raises `Unfit`."""
    faults: Iterable[Fault]
    value = None
    try:
        value = value_of(text, field.type)
    except (msgspec.ValidationError, ValueError, ArithmeticError) as error:
        faults = [fault_of(error, (), field.type, spelled=True)]
    else:
        faults = field.names.faults(text, ())
    told = [Fault(fault.detail, parameter=parameter, header=header) for fault in faults]
    if told:
        raise Unfit(told)
    return value


def header_of(wanted: Any) -> str | None:
    """The header that a field's type asks for, in lower case."""
    if typing.get_origin(wanted) is not typing.Annotated:
        return None
    for mark in wanted.__metadata__:
        if isinstance(mark, msgspec.Meta) and mark.extra and "header" in mark.extra:
            return str(mark.extra["header"]).lower()
    return None


def _refuse(faults: list[Fault]) -> Never:
    many = "One thing is" if len(faults) == 1 else f"{len(faults)} things are"
    raise RequestRefused(
        "invalid-fields",
        f"{many} wrong with the request; errors says what and where. Nothing was done.",
        data={"errors": [msgspec.to_builtins(fault) for fault in faults]},
    )
