"""Query functions over HTTP: bound from path and query string, and what they return as JSON."""

from __future__ import annotations

import json
import math
from decimal import Decimal
from typing import Any

import msgspec

from storied.app import App
from storied.domain.queries import QueryFunction
from storied.domain.times import At
from storied.errors import DefinitionError, InvalidQuery, NotIndexed, RequestRefused
from storied.projections.reader import Reader
from storied.services.querying.asking import absent, answer, encoded, no_stream, parked_at, then_of
from storied.services.querying.blaming import told
from storied.services.querying.freshness import moment_in
from storied.services.querying.listing import (
    bad_parameter,
    missing_parameter,
    once,
    together,
    unknown_parameter,
    value_in,
)
from storied.services.service import Service
from storied.services.web.http import Request, Response
from storied.services.web.routing import Template
from storied.services.web.spelling import is_marked, several_of
from storied.services.web.wording import worded


class QuestionEndpoint:
    """What answers the requests of one query function."""

    def __init__(self, service: Service[Reader], app: App, query: QueryFunction, template: Template) -> None:
        self.service, self.app, self.query, self.template = service, app, query, template
        self.types = {parameter.name: parameter.type for parameter in query.parameters}
        self.marked = {name: kind for name, kind in self.types.items() if is_marked(kind)}
        for name, kind in self.marked.items():
            try:
                msgspec.json.Decoder(kind)
            except TypeError as error:
                told = f"parameter {name} of query {query.name} cannot be asked for: {error}. Correct its msgspec.Meta."
                raise DefinitionError(told) from None

    async def __call__(self, request: Request) -> Response:
        """What the function returns; None is what is not there. Raises what the table of problems has."""
        self.app.access.check(request.principal, self.query.function)
        no_stream(request, "Queries")
        arguments, at = self._bound(request)
        if self.query.principal is not None:
            arguments[self.query.principal] = request.principal
        then, more = await then_of(request, self.service, at)
        reader = self.service.opening.value.then(then)
        result = await self._result(reader, arguments, at)
        if result is None:
            raise absent(reader.position, reader.parked)
        if reader.parked is not None:
            more.append(parked_at(reader.parked))
        return answer(request, answered(self.query, result), reader.position, *more)

    async def _result(self, reader: Reader, arguments: dict[str, Any], at: At | None) -> Any:
        """What the function returns. A question of its own that cannot be asked is the client's fault, or its own."""
        try:
            return await self.query.ask(reader, arguments)
        except (InvalidQuery, NotIndexed) as error:
            of_request = at is not None and isinstance(error, InvalidQuery) and error.value == at
            if of_request or error not in reader.refused:
                raise  # it speaks of the request already, or is the function's own word
            raise told(error, self.query.name, arguments) from error

    def _bound(self, request: Request) -> tuple[dict[str, Any], At | None]:
        arguments: dict[str, Any] = {}
        texts: dict[str, list[str]] = {}
        for name, text in request.query:
            texts.setdefault(name, []).append(text)
        faults: list[RequestRefused] = []
        for name, several in texts.items():
            try:
                arguments[name] = self._value(name, several)
            except RequestRefused as refused:
                faults.append(refused)
        for name, text in request.path_params.items():
            try:
                arguments[name] = self._marked(name, value_in(name, self.types[name], text))
            except RequestRefused as refused:
                faults.append(refused)
        given = {*texts, *request.path_params}
        needed = (one.name for one in self.query.parameters if one.required and one.name not in given)
        faults += [missing_parameter(name) for name in needed]
        if faults:
            raise together(faults)
        at: At | None = None if "at" in self.types else arguments.pop("at", None)
        return arguments, at

    def _value(self, name: str, several: list[str]) -> Any:
        """What a parameter of the query string says. Raises `RequestRefused`."""
        kind = self.types.get(name)
        if name in self.template.parameters or (kind is None and name != "at"):
            known = [one for one in self.types if one not in self.template.parameters]
            raise unknown_parameter(name, [*known, *(() if "at" in self.types else ("at",))])
        collection = several_of(kind)
        if collection is not None:
            collected, inner = collection
            return self._marked(name, collected(value_in(name, inner, text) for text in several))
        [(_, text)] = once((name, text) for text in several).items()
        return moment_in(text) if kind is None else self._marked(name, value_in(name, kind, text))

    def _marked(self, name: str, value: Any) -> Any:
        """The value, if the parameter's `msgspec.Meta` allows it. Raises `RequestRefused`."""
        if name not in self.marked:
            return value
        try:
            msgspec.convert(value, self.marked[name])
        except msgspec.ValidationError as error:
            detail = worded(str(error), spelled=True)
            raise bad_parameter(name, detail[:1].lower() + detail[1:]) from None
        return value


def answered(query: QueryFunction, result: Any) -> bytes:
    """The result as JSON. Raises `DefinitionError` for what JSON cannot hold, which is the function's doing."""
    try:
        body = encoded(result)
        if b"null" in body or b"NaN" in body or b"Infinity" in body:  # what is not finite may have become one of these
            plain = msgspec.to_builtins(result, builtin_types=(Decimal,), str_keys=True)
            json.dumps(plain, allow_nan=False, default=_finite)
    except Exception as error:  # whatever it is, the request is not to blame
        raise DefinitionError(
            f"query {query.name} returned what JSON cannot hold: {error}. Return finite numbers, None for what is not "
            "known, and types that msgspec encodes."
        ) from error
    return body


def _finite(amount: Decimal) -> str:
    if not math.isfinite(amount):
        raise ValueError(f"{amount} is no number in JSON")
    return str(amount)
