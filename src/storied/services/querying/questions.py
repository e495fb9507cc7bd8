"""Query functions over HTTP: bound from path and query string, and what they return as JSON."""

from __future__ import annotations

import json
import math
import typing
from decimal import Decimal
from typing import Any

import msgspec

from storied.app import App
from storied.domain.queries import QueryFunction
from storied.domain.times import At
from storied.errors import DefinitionError, RequestRefused
from storied.projections.reader import Reader
from storied.services.querying.asking import absent, answer, encoded, parked_at, then_of, wants_stream
from storied.services.querying.freshness import moment_in
from storied.services.querying.listing import bad_parameter, once, unknown_parameter, value_in
from storied.services.service import Service
from storied.services.web.accepting import takes_json
from storied.services.web.http import Request, Response
from storied.services.web.routing import Template


class QuestionEndpoint:
    """What answers the requests of one query function."""

    def __init__(self, service: Service[Reader], app: App, query: QueryFunction, template: Template) -> None:
        self.service, self.app, self.query, self.template = service, app, query, template
        self.types = {parameter.name: parameter.type for parameter in query.parameters}

    async def __call__(self, request: Request) -> Response:
        """What the function returns; None is what is not there. Raises what the table of problems has."""
        self.app.access.check(request.principal, self.query.function)
        if wants_stream(request) and not takes_json(request.headers.get("accept")):
            raise RequestRefused("not-acceptable", "Queries are not live. Ask for application/json.")
        arguments, at = self._bound(request)
        then, more = await then_of(request, self.service, at)
        reader = self.service.opening.value.then(then)
        result = await self.query.ask(reader, arguments)
        if result is None:
            raise absent(reader.position, reader.parked)
        if reader.parked is not None:
            more.append(parked_at(reader.parked))
        return answer(request, answered(self.query, result), reader.position, *more)

    def _bound(self, request: Request) -> tuple[dict[str, Any], At | None]:
        arguments: dict[str, Any] = {}
        texts: dict[str, list[str]] = {}
        for name, text in request.query:
            texts.setdefault(name, []).append(text)
        at: At | None = None
        for name, several in texts.items():
            kind = self.types.get(name)
            if name in self.template.parameters or (kind is None and name != "at"):
                known = [one for one in self.types if one not in self.template.parameters]
                raise unknown_parameter(name, [*known, *(() if "at" in self.types else ("at",))])
            if kind is not None and typing.get_origin(kind) in (list, tuple, set, frozenset):
                inner = typing.get_args(kind)[0]
                arguments[name] = typing.get_origin(kind)(value_in(name, inner, text) for text in several)
                continue
            [(_, text)] = once((name, text) for text in several).items()
            if kind is None:
                at = moment_in(text)
            else:
                arguments[name] = value_in(name, kind, text)
        for name, text in request.path_params.items():
            arguments[name] = value_in(name, self.types[name], text)
        for parameter in self.query.parameters:
            if parameter.required and parameter.name not in arguments:
                raise bad_parameter(parameter.name, "it has to be given")
        return arguments, at


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
